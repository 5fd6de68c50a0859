#include "hook/seclude.h"

#include "hook/alone.h"
#include "hook/hooks.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int seclude_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    if (option == PR_SET_SECCOMP)
        hooks_tell_secluding();
    return hook_next->prctl(option, a, b, c, d);
}

long seclude_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if ((number == SYS_seccomp && (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER)) ||
        (number == SYS_prctl && a == PR_SET_SECCOMP))
        hooks_tell_secluding();
    if (!alone_is_wanted(number, a))
        return hook_next->syscall(number, a, b, c, d, e, f);
    hooks_tell_resting();
    long result = hook_next->syscall(number, a, b, c, d, e, f);
    int saved = errno;
    hooks_tell_rested();
    errno = saved;
    return result;
}
