#include "hook/seclude.h"

#include "hook/alone.h"
#include "hook/hooks.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A filter that is not there is how programs ask whether the kernel knows filters at all. */
static bool secludes(unsigned long mode, unsigned long filter)
{
    return mode == SECCOMP_MODE_STRICT || (mode == SECCOMP_MODE_FILTER && filter);
}

int seclude_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    if (option == PR_SET_SECCOMP && secludes(a, b))
        alone_seclude();
    return hook_next->prctl(option, a, b, c, d);
}

static long call_by_number(const void *arg)
{
    const long *a = arg;
    return hook_next->syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

static bool secludes_by_number(long number, long a, long b, long c)
{
    if (number == SYS_prctl)
        return a == PR_SET_SECCOMP && secludes((unsigned long)b, (unsigned long)c);
    return number == SYS_seccomp && (a == SECCOMP_SET_MODE_STRICT || (a == SECCOMP_SET_MODE_FILTER && c));
}

long seclude_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (secludes_by_number(number, a, b, c))
        alone_seclude();
    if (number == SYS_exit_group)
        hooks_tell_ending();
    return alone_is_wanted(number, a, b) ? alone_call(call_by_number, (const long[]){number, a, b, c, d, e, f})
                                         : hook_next->syscall(number, a, b, c, d, e, f);
}
