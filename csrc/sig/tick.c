#include "sig/tick.h"

#include "base/any/counters.h"
#include "base/any/rawcall.h"
#include "sig/claim.h"
#include "sig/cwalk.h"
#include "sig/events.h"
#include "sig/labelread.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

/* The upper half of a tick's si_value: our mark, and the engine run it belongs to. */
#define TICK_TAG      0xc9f00000u
#define TICK_TAG_MASK 0xfff00000u

/* The kernel puts info on the stack, above the handler's frame; this leaves room for wide vectors and a chain's
 * frames. */
#define INFO_NEAR ((uintptr_t)256 << 10)

static _Atomic(struct ring *) on_ring; /* NULL: off */
static _Atomic uint32_t on_run;
static _Atomic uint32_t on_period_ns;
static _Atomic uint32_t inside; /* handlers running now */

static void record_tick(struct ring *ring, int32_t tid, uint32_t ticks, const ucontext_t *context)
{
    struct ring_slot *slot = ring_begin(ring);
    if (!slot) {
        counter_add(COUNTER_TICK_RING_FULL, ticks);
        return;
    }
    struct record *r = &slot->record;
    r->tid = tid;
    r->ticks = ticks;
    r->period_ns = atomic_load_explicit(&on_period_ns, memory_order_relaxed);
    r->flags = 0;
    r->labels = labelread(r->tid);
    cwalk(regs_from_ucontext(context), r);
    if (r->flags & RECORD_TRUNCATED)
        counter_add(COUNTER_TICK_TRUNCATED, 1);
    if (r->flags & RECORD_PARTIAL)
        counter_add(COUNTER_TICK_PARTIAL, 1);
    ring_commit(slot);
}

/* A handler that was put over ours and does not know of SA_SIGINFO may call us with one argument: info is then whatever
 * was in a register. Where ours stands nobody else calls it, and info may come from anywhere (a sanitizer's copy). */
static bool believable(const siginfo_t *info)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), at = (uintptr_t)info;
    return (at > here && at - here < INFO_NEAR) || tick_installed();
}

static uint32_t run_of(const siginfo_t *info)
{
    return (uint32_t)((uintptr_t)info->si_value.sival_ptr >> 32);
}

static void on_timer(struct ring *ring, const siginfo_t *info, const ucontext_t *context)
{
    int32_t tid = (int32_t)(uintptr_t)info->si_value.sival_ptr;
    uint32_t ticks = 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0);
    if (ring && run_of(info) == atomic_load_explicit(&on_run, memory_order_relaxed))
        record_tick(ring, tid, ticks, context);
    else
        counter_add(COUNTER_TICK_LATE, 1);
}

static void on_event(struct ring *ring, const siginfo_t *info, const ucontext_t *context)
{
    int32_t tid = 0;
    bool counts = ring && events_count(info, &tid);
    if (counts)
        record_tick(ring, tid, 1, context);
    else if (!tid)
        counter_add(COUNTER_TICK_LATE, 1);
}

/* Without memory for what goes with a signal the kernel sends it bare, as if from nobody. A timer's has memory of its
 * own. */
static bool lost_its_info(const siginfo_t *info)
{
    return info->si_code == SI_USER && !info->si_pid && !info->si_uid &&
           atomic_load_explicit(&events_open, memory_order_relaxed);
}

static bool is_from_event(const siginfo_t *info)
{
    return events_sent(info) || lost_its_info(info);
}

static bool is_from_timer(const siginfo_t *info)
{
    return info->si_code == SI_TIMER && (run_of(info) & TICK_TAG_MASK) == TICK_TAG;
}

/* Nothing on a tick's path touches errno or any other thread-local: see base/any/rawcall. */
static void handle(int sig, siginfo_t *info, void *context)
{
    if (!believable(info))
        return;
    bool from_event = is_from_event(info);
    if (!from_event && !is_from_timer(info)) {
        counter_add(COUNTER_TICK_FOREIGN, 1);
        claim_pass_on(handle, sig, info, context);
        return;
    }
    /* inside before on_ring, both sequentially consistent: whoever reads inside as 0 after switching off or
     * unpublishing knows that later handlers see the new state. */
    atomic_fetch_add_explicit(&inside, 1, memory_order_seq_cst);
    struct ring *ring = atomic_load_explicit(&on_ring, memory_order_seq_cst);
    if (from_event)
        on_event(ring, info, context);
    else
        on_timer(ring, info, context);
    atomic_fetch_sub_explicit(&inside, 1, memory_order_release);
}

bool tick_installed(void)
{
    return claim_stands(handle);
}

void tick_show(const struct sigaction *host)
{
    claim_show(host, handle);
}

bool tick_install(void)
{
    labelread_prepare();
    return claim_take(handle);
}

void tick_drop_pending(void)
{
    const uint64_t prof = UINT64_C(1) << (SIGPROF - 1);
    struct timespec at_once = {0};
    siginfo_t info = {0}, others = {0};
    bool has_others = false;
    while (rawcall4(SYS_rt_sigtimedwait, (long)(uintptr_t)&prof, (long)(uintptr_t)&info, (long)(uintptr_t)&at_once,
                    sizeof prof) == SIGPROF) {
        if (is_from_event(&info) || is_from_timer(&info))
            continue;
        others = info;
        has_others = true;
    }
    if (has_others)
        rawcall4(SYS_rt_tgsigqueueinfo, rawcall4(SYS_getpid, 0, 0, 0, 0), rawcall4(SYS_gettid, 0, 0, 0, 0), SIGPROF,
                 (long)(uintptr_t)&others);
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

bool tick_is_on(void)
{
    return atomic_load_explicit(&on_ring, memory_order_relaxed) ||
           atomic_load_explicit(&events_open, memory_order_relaxed);
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
