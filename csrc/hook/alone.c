#include "hook/alone.h"

#include "base/any/mask.h"
#include "base/any/rawcall.h"
#include "base/atfork.h"
#include "base/lock.h"
#include "hook/got.h"
#include "hook/hooks.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Threads that share what the namespace governs count; those of ours share all with who started them. */
#define UNSHARE_NEEDS_ONE_THREAD (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
#define SETNS_NEEDS_ONE_THREAD   (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWTIME)

/* A thread that has gone may for some microseconds still count in the kernel: it is then refused with EINVAL, without
 * any effect. A host that has threads of its own is refused as often as it is tried. */
#define TRIES 5

/* Of several threads of the host's one at a time: what the one has brought back the other would wait for. */
static struct lock turn = LOCK_INIT(LOCK_ALONE);

static void after_fork_child(void)
{
    lock_reset_after_fork(&turn);
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_ALONE, .after_child = after_fork_child};

/* None of these calls is a cancellation point, and a handler of the host's that came in between might fork, or leave by
 * siglongjmp. */
struct turn {
    uint64_t mask;
    int cancel_state;
};

static struct turn take_turn(void)
{
    struct turn t;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &t.cancel_state);
    t.mask = mask_change(SIG_SETMASK, MASK_ALL);
    atfork_register(&fork_hooks);
    lock_take(&turn);
    return t;
}

static void end_turn(const struct turn *t)
{
    lock_drop(&turn);
    mask_change(SIG_SETMASK, t->mask);
    pthread_setcancelstate(t->cancel_state, NULL);
}

long alone_call(long (*call)(const void *arg), const void *arg)
{
    const struct timespec moment = {.tv_nsec = 1000 * 1000};
    if (!hooks_are_for_here())
        return call(arg);
    struct turn t = take_turn();
    got_want(+1); /* the calls stay ours: the host's next may come before those threads are back */
    hooks_tell_resting();
    long result = call(arg);
    for (int i = 1; i < TRIES && result == -1 && errno == EINVAL; i++) {
        rawcall4(SYS_nanosleep, (long)(uintptr_t)&moment, 0, 0, 0);
        result = call(arg);
    }
    int saved = errno;
    hooks_tell_rested();
    got_want(-1);
    end_turn(&t);
    errno = saved;
    return result;
}

void alone_seclude(void)
{
    if (!hooks_are_for_here())
        return;
    int saved = errno;
    struct turn t = take_turn();
    hooks_tell_secluding();
    end_turn(&t);
    errno = saved;
}

static long call_unshare(const void *arg)
{
    return hook_next->unshare(*(const int *)arg);
}

int alone_unshare(int flags)
{
    return (flags & UNSHARE_NEEDS_ONE_THREAD) ? (int)alone_call(call_unshare, &flags) : hook_next->unshare(flags);
}

struct joining {
    int fd, kind;
};

static long call_setns(const void *arg)
{
    const struct joining *j = arg;
    return hook_next->setns(j->fd, j->kind);
}

/* Of which kind the namespace behind fd is need not be said, but can be asked. */
static bool joins_alone(int fd, int kind)
{
    struct statfs fs;
    int saved = errno, is = kind;
    if (!kind && fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC && (is = ioctl(fd, NS_GET_NSTYPE)) < 0)
        is = SETNS_NEEDS_ONE_THREAD;
    errno = saved;
    return is & SETNS_NEEDS_ONE_THREAD;
}

int alone_setns(int fd, int kind)
{
    return joins_alone(fd, kind) ? (int)alone_call(call_setns, &(struct joining){fd, kind})
                                 : hook_next->setns(fd, kind);
}

bool alone_is_wanted(long number, long first, long second)
{
    return (number == SYS_setns && joins_alone((int)first, (int)second)) ||
           (number == SYS_unshare && (first & UNSHARE_NEEDS_ONE_THREAD));
}
