/*
 * The calling thread's signal mask, by the bare system call: libc's functions for it may be intercepted, and then look
 * after our own timers. Signals 32 and 33 are libc's own (cancellation, setuid of all threads) and are never blocked:
 * setgid() would hang.
 */
#ifndef CPROF_BASE_ANY_MASK_H
#define CPROF_BASE_ANY_MASK_H

#include "base/any/rawcall.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#define MASK_ALL     (~(UINT64_C(3) << 31))
#define MASK_OF(sig) (UINT64_C(1) << ((sig)-1))

/* how: SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK. Returns the mask before. */
static inline uint64_t mask_change(int how, uint64_t mask)
{
    uint64_t before = 0;
    mask &= MASK_ALL;
    rawcall4(SYS_rt_sigprocmask, how, (long)(uintptr_t)&mask, (long)(uintptr_t)&before, sizeof mask);
    return before;
}

static inline uint64_t mask_now(void)
{
    return mask_change(SIG_BLOCK, 0);
}

#endif
