#define _GNU_SOURCE
#include "sig/tick.h"

#include "base/any/counters.h"
#include "sig/cwalk.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The upper half of a tick's si_value: our mark, and the engine run it belongs to. */
#define TICK_TAG      0xc9f00000u
#define TICK_TAG_MASK 0xfff00000u

static _Atomic(struct ring *) on_ring; /* NULL: off */
static _Atomic uint32_t on_run;
static _Atomic uint32_t on_period_ns;
static _Atomic uint32_t inside; /* handlers running now */
static struct sigaction before; /* written before ours is installed, then only read */

/* The signal being passed on. A handler that was installed over ours, kept ours as "the one before", and then found
 * ours installed over it again, calls us back with it. One that leaves by longjmp never comes back: the next tick of
 * ours forgets it. */
static _Thread_local const siginfo_t *passing;

static void call_before(int sig, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(sig, info, context);
    } else if (before.sa_handler == SIG_DFL) {
        /* Default: the process ends by SIGPROF, once this handler returns and the signal is unblocked. */
        struct sigaction fatal = {.sa_handler = SIG_DFL};
        sigaction(sig, &fatal, NULL);
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
    } else if (before.sa_handler != SIG_IGN) {
        before.sa_handler(sig);
    }
}

/* A SIGPROF that is not ours: what would have happened without us. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    if (passing == info)
        return;
    counter_add(COUNTER_TICK_FOREIGN, 1);
    passing = info;
    call_before(sig, info, context);
    passing = NULL;
}

static void record_tick(struct ring *ring, const siginfo_t *info, const ucontext_t *context)
{
    uint32_t ticks = 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0);
    struct ring_slot *slot = ring_begin(ring);
    if (!slot) {
        counter_add(COUNTER_TICK_RING_FULL, ticks);
        return;
    }
    struct record *r = &slot->record;
    r->tid = (int32_t)(uintptr_t)info->si_value.sival_ptr;
    r->ticks = ticks;
    r->period_ns = atomic_load_explicit(&on_period_ns, memory_order_relaxed);
    r->flags = 0;
    cwalk(regs_from_ucontext(context), r);
    if (r->flags & RECORD_TRUNCATED)
        counter_add(COUNTER_TICK_TRUNCATED, 1);
    if (r->flags & RECORD_PARTIAL)
        counter_add(COUNTER_TICK_PARTIAL, 1);
    counter_add(COUNTER_TICK_RECORDED, 1);
    ring_commit(slot);
}

static void handle(int sig, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uint32_t run = (uint32_t)((uintptr_t)info->si_value.sival_ptr >> 32);
    if (info->si_code != SI_TIMER || (run & TICK_TAG_MASK) != TICK_TAG) {
        pass_on(sig, info, context);
    } else {
        passing = NULL;
        /* inside before on_ring, both sequentially consistent: whoever reads inside as 0 after switching off or
         * unpublishing knows that later handlers see the new state. */
        atomic_fetch_add_explicit(&inside, 1, memory_order_seq_cst);
        struct ring *ring = atomic_load_explicit(&on_ring, memory_order_seq_cst);
        if (ring && run == atomic_load_explicit(&on_run, memory_order_relaxed))
            record_tick(ring, info, context);
        else
            counter_add(COUNTER_TICK_LATE, 1);
        atomic_fetch_sub_explicit(&inside, 1, memory_order_release);
    }
    errno = saved_errno;
}

bool tick_installed(void)
{
    struct sigaction now;
    return sigaction(SIGPROF, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle;
}

bool tick_install(void)
{
    if (tick_installed())
        return true;
    if (sigaction(SIGPROF, NULL, &before) != 0)
        return false;
    struct sigaction ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    /* Every signal, glibc's internal ones too (which sigfillset leaves out): a handler that cancellation
     * unwinds, or that another handler leaves by longjmp, would never commit its slot. They wait microseconds. */
    memset(&ours.sa_mask, 0xff, sizeof ours.sa_mask);
    return sigaction(SIGPROF, &ours, NULL) == 0;
}

void tick_on(struct ring *ring, uint32_t run, uint32_t period_ns)
{
    atomic_store_explicit(&on_run, TICK_TAG | (run & ~TICK_TAG_MASK), memory_order_relaxed);
    atomic_store_explicit(&on_period_ns, period_ns, memory_order_relaxed);
    atomic_store_explicit(&on_ring, ring, memory_order_seq_cst);
}

void tick_off(void)
{
    atomic_store_explicit(&on_ring, NULL, memory_order_seq_cst);
}

void *tick_tag(uint32_t run, int32_t tid)
{
    uint64_t high = TICK_TAG | (run & ~TICK_TAG_MASK);
    return (void *)(uintptr_t)(high << 32 | (uint32_t)tid);
}

bool tick_quiet(void)
{
    return atomic_load_explicit(&inside, memory_order_seq_cst) == 0;
}

void tick_after_fork_child(void)
{
    tick_off();
    atomic_store_explicit(&inside, 0, memory_order_relaxed);
}
