#include "hook/alone.h"

#include "hook/hooks.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>

#define NEEDS_ONE_THREAD (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

int alone_unshare(int flags)
{
    if (!(flags & NEEDS_ONE_THREAD))
        return hook_next->unshare(flags);
    hooks_tell_resting();
    int result = hook_next->unshare(flags), saved = errno;
    hooks_tell_rested();
    errno = saved;
    return result;
}

/* Of which kind the namespace behind fd is need not be said. */
int alone_setns(int fd, int kind)
{
    hooks_tell_resting();
    int result = hook_next->setns(fd, kind), saved = errno;
    hooks_tell_rested();
    errno = saved;
    return result;
}

bool alone_is_wanted(long number, long first)
{
    return number == SYS_setns || (number == SYS_unshare && (first & NEEDS_ONE_THREAD));
}
