#include "hook/alone.h"

#include "hook/hooks.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

#define NEEDS_ONE_THREAD (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

/* A thread that has gone may for some microseconds still count in the kernel: it is then refused with EINVAL, without
 * any effect. A host that has threads of its own is refused as often as it is tried. */
#define TRIES 5

long alone_call(long (*call)(const void *arg), const void *arg)
{
    const struct timespec moment = {.tv_nsec = 1000 * 1000};
    hooks_tell_resting();
    long result = call(arg);
    for (int i = 1; i < TRIES && result == -1 && errno == EINVAL; i++) {
        nanosleep(&moment, NULL);
        result = call(arg);
    }
    int saved = errno;
    hooks_tell_rested();
    errno = saved;
    return result;
}

static long call_unshare(const void *arg)
{
    return hook_next->unshare(*(const int *)arg);
}

int alone_unshare(int flags)
{
    return (flags & NEEDS_ONE_THREAD) ? (int)alone_call(call_unshare, &flags) : hook_next->unshare(flags);
}

struct joining {
    int fd, kind;
};

static long call_setns(const void *arg)
{
    const struct joining *j = arg;
    return hook_next->setns(j->fd, j->kind);
}

/* Of which kind the namespace behind fd is need not be said. */
int alone_setns(int fd, int kind)
{
    return (int)alone_call(call_setns, &(struct joining){fd, kind});
}

bool alone_is_wanted(long number, long first)
{
    return number == SYS_setns || (number == SYS_unshare && (first & NEEDS_ONE_THREAD));
}
