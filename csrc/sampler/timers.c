#include "sampler/timers.h"

#include "base/any/random.h"
#include "base/any/rawcall.h"
#include "base/clock.h"
#include "base/filter.h"
#include "base/thread.h"
#include "sampler/perfclock.h"
#include "sampler/tasks.h"
#include "sig/tick.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

#define ROOM_UNKNOWN (UINT64_MAX - 1)

/* Known threads looked after, about 10 us each: so many at every so many scans. */
#define CHECKS_AT_ONCE   16
#define SCANS_PER_CHECKS 4

/* Of all threads, so many before others may have the lock; armed in a millisecond, some 60 us each. */
#define PORTION 16

#define MISSES_MAX 3

/* Each thread that blocks SIGPROF waits once for the engine: where they are many none has to. */
#define LEAVERS_MAX 16

/* Starting and ending a thread block everything for a moment: what is to be told of lasts longer. */
#define BLOCKED_SCANS 4

/* A thread that has just been woken from a ppoll looks like one that runs, under the mask of the ppoll. */
#define CALM_LOOKS 4

static int64_t cpu_ns_of(int32_t tid)
{
    return clock_ns(clock_of_thread(tid));
}

static struct timespec from_ns(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

/* The first expiry is uniform in (0, period]: a thread that lives for a fraction of a period then gets a tick
 * with just that probability, and threads do not tick in step. */
static void start_timer(struct timers *t, const struct timer_slot *slot)
{
    struct itimerspec when = {
        .it_interval = from_ns(t->period_ns),
        .it_value = from_ns((int64_t)random_upto(&t->random, t->period_ns)),
    };
    syscall(SYS_timer_settime, slot->id, 0, &when, NULL);
}

/* For a timer that ticks. Where its time is over, and the kernel, which looks at its own tick only, has not seen it
 * yet, nothing of that may be lost. */
static void begin_anew(struct timers *t, const struct timer_slot *slot)
{
    struct itimerspec left;
    if (syscall(SYS_timer_gettime, slot->id, &left) == 0 && (left.it_value.tv_sec || left.it_value.tv_nsec > 1))
        start_timer(t, slot);
}

/* Not started yet. */
static enum timer_state create_timer(struct timers *t, struct timer_slot *slot)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event._sigev_un._tid = slot->tid;
    event.sigev_value.sival_ptr = tick_tag(t->run, slot->tid);
    if (t->queue_room == ROOM_UNKNOWN)
        t->queue_room = tasks_queue_room();
    if (!t->queue_room)
        return TIMER_REFUSED;
    if (syscall(SYS_timer_create, clock_of_thread(slot->tid), &event, &slot->id) != 0)
        return errno == EINVAL || errno == ESRCH ? TIMER_GONE : TIMER_REFUSED;
    t->queue_room--;
    return TIMER_PAUSED;
}

/* A filter for system calls may kill who asks for an event, and most that do not refuse it. Asked once in a scan. */
static bool is_filtered(struct timers *t)
{
    if (t->filter == FILTER_UNKNOWN)
        t->filter = filter_here() ? FILTER_YES : FILTER_NO;
    return t->filter == FILTER_YES;
}

static bool open_event(struct timers *t, struct timer_slot *slot)
{
    if (t->no_events || slot->timer_only || is_filtered(t))
        return false;
    slot->id = perfclock_open(slot->tid, cpu_ns_of(slot->tid), t->period_ns, &t->random);
    slot->event = slot->id >= 0;
    return slot->event;
}

/* Somebody else's thread, by that number, would be sent our signals, and die of them. */
static enum timer_state arm(struct timers *t, struct timer_slot *slot)
{
    if (!tasks_is_own(slot->tid) || thread_is_ours(slot->tid))
        return TIMER_GONE;
    enum tasks_consent consent = tasks_may_signal((uint32_t)slot->tid);
    if (consent == TASKS_UNKNOWN || (consent == TASKS_NO && slot->misses > 1)) /* at first it may just be starting */
        slot->calm = CALM_LOOKS;
    if (consent != TASKS_YES)
        return consent == TASKS_GONE || consent == TASKS_ASLEEP ? TIMER_GONE : TIMER_BLOCKED;
    if (slot->calm && --slot->calm)
        return TIMER_BLOCKED;
    if (open_event(t, slot))
        return TIMER_ARMED;
    enum timer_state state = create_timer(t, slot);
    if (state != TIMER_PAUSED)
        return state;
    start_timer(t, slot);
    return TIMER_ARMED;
}

static void try_arm(struct timers *t, struct timer_slot *slot)
{
    slot->state = (uint8_t)arm(t, slot);
    if (slot->state == TIMER_ARMED)
        slot->misses = 0;
    else if (slot->misses < MISSES_MAX)
        slot->misses++;
}

static void delete_timer(struct timer_slot *slot)
{
    if (slot->state == TIMER_ARMED && slot->event)
        perfclock_close(slot->id);
    else if (slot->state == TIMER_ARMED || slot->state == TIMER_PAUSED)
        syscall(SYS_timer_delete, slot->id);
    slot->event = false;
    slot->state = TIMER_BLOCKED;
}

/* The clock of a dead thread no longer runs, and the kernel then tells a timer on it as disarmed. A thread that
 * got the number of a dead one is found that way. */
static bool clock_lives(const struct timer_slot *slot, int64_t cpu_ns)
{
    struct itimerspec left;
    if (slot->event)
        return perfclock_lives(slot->id, cpu_ns);
    return syscall(SYS_timer_gettime, slot->id, &left) == 0 && (left.it_value.tv_sec || left.it_value.tv_nsec);
}

static void breathe(const struct timers *t, size_t i)
{
    if (t->breathe && i % PORTION == PORTION - 1)
        t->breathe();
}

static void meet(struct timers *t, struct timer_slot *slot)
{
    slot->cpu_seen_ns = cpu_ns_of(slot->tid);
    if (t->first_scan_done)
        t->unseen_cpu_ns += slot->cpu_seen_ns;
    try_arm(t, slot);
}

static void meet_new(struct timers *t)
{
    size_t met = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i].state == TIMER_NEW) {
            meet(t, &t->at[i]);
            breathe(t, met++);
        }
}

/* What may have changed about a known thread: it may be another one by the same number, may have blocked SIGPROF since,
 * or have unblocked it. */
static void look_after(struct timers *t, struct timer_slot *slot)
{
    int64_t cpu_ns = cpu_ns_of(slot->tid), before = slot->cpu_seen_ns;
    slot->cpu_seen_ns = cpu_ns;
    if (slot->state == TIMER_PAUSED) {
        if (tasks_may_signal((uint32_t)slot->tid) == TASKS_YES) /* unblocked behind our back: siglongjmp */
            timers_resume(t, slot->tid);
    } else if (slot->state != TIMER_ARMED) {
        try_arm(t, slot);
    } else if (!clock_lives(slot, cpu_ns)) {
        delete_timer(slot);
        t->unseen_cpu_ns += cpu_ns - (cpu_ns < before ? 0 : before); /* no more than anybody used since */
        try_arm(t, slot);
    } else if (tasks_may_signal((uint32_t)slot->tid) == TASKS_NO) {
        delete_timer(slot);
    } else if (!slot->event) {
        begin_anew(t, slot);
    }
}

/* A few threads per scan: with thousands of them this is what would cost. */
static void look_after_some(struct timers *t)
{
    for (size_t i = 0; i < t->n && i < CHECKS_AT_ONCE; i++)
        look_after(t, &t->at[t->cursor++ % t->n]);
}

/* A thread that is just starting or ending blocks everything for a moment: the first misses do not count, and are tried
 * again at once. */
static void settle_unarmed(struct timers *t)
{
    size_t others = 0;
    t->blocked = t->refused = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct timer_slot *slot = &t->at[i];
        if (slot->state == TIMER_PAUSED && slot->misses < MISSES_MAX)
            slot->misses++;
        else if (slot->state != TIMER_ARMED && slot->misses < MISSES_MAX)
            try_arm(t, slot);
        bool blocks = slot->state == TIMER_BLOCKED || slot->state == TIMER_PAUSED;
        slot->blocked_scans = (uint8_t)(!blocks                               ? 0
                                        : slot->blocked_scans < BLOCKED_SCANS ? slot->blocked_scans + 1
                                                                              : BLOCKED_SCANS);
        t->blocked += slot->blocked_scans == BLOCKED_SCANS;
        t->refused += slot->state == TIMER_REFUSED;
        if (slot->state != TIMER_ARMED)
            breathe(t, others++);
    }
}

static void look_at(const struct timer_slot *slot)
{
    if (slot->state == TIMER_ARMED && slot->event)
        perfclock_look(slot->id);
}

static void look_at_some(struct timers *t)
{
    for (size_t i = 0; i < t->n && i < CHECKS_AT_ONCE; i++)
        look_at(&t->at[t->events_cursor++ % t->n]);
}

void timers_look(struct timers *t)
{
    for (size_t i = 0; i < t->n; i++) {
        look_at(&t->at[i]);
        breathe(t, i);
    }
}

/* Clocks of threads that are not in the list any more. */
static void sweep(struct timers *t, const struct vec_u32 *tids)
{
    size_t live = 0, swept = 0;
    for (size_t i = 0; i < t->n; i++) {
        while (live < tids->n && (int32_t)tids->at[live] < t->at[i].tid)
            live++;
        if (live < tids->n && (int32_t)tids->at[live] == t->at[i].tid)
            continue;
        delete_timer(&t->at[i]);
        breathe(t, swept++);
    }
}

/* Both lists are sorted by tid: one pass merges them into the next table, and asks the kernel for nothing. */
static size_t merge_tasks(struct timers *t, const struct vec_u32 *tids, struct timer_slot *next)
{
    size_t n = 0, old = 0;
    for (size_t i = 0; i < tids->n; i++) {
        int32_t tid = (int32_t)tids->at[i];
        while (old < t->n && t->at[old].tid < tid)
            old++;
        bool known = old < t->n && t->at[old].tid == tid;
        if (thread_is_ours(tid)) {
            if (known)
                delete_timer(&t->at[old++]);
        } else {
            next[n++] = known ? t->at[old++] : (struct timer_slot){.tid = tid, .state = TIMER_NEW};
        }
    }
    return n;
}

void timers_scan(struct timers *t, const struct vec_u32 *tids)
{
    uint32_t stops = t->stops;
    sweep(t, tids);
    if (t->stops != stops)
        return;
    struct timer_slot *next = tables_spare(&t->tables, t->at, (tids->n + 1) * sizeof *next);
    if (!next)
        return;                   /* what is armed stays armed */
    t->queue_room = ROOM_UNKNOWN; /* asked for by the first new thread of this scan */
    t->filter = FILTER_UNKNOWN;
    t->n = merge_tasks(t, tids, next);
    t->at = next;
    meet_new(t);
    t->first_scan_done = t->stops == stops;
    if (t->scans++ % SCANS_PER_CHECKS == 0)
        look_after_some(t);
    look_at_some(t);
    settle_unarmed(t);
}

static struct timer_slot *slot_of(struct timers *t, int32_t tid)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->at[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->n && t->at[low].tid == tid ? &t->at[low] : NULL;
}

/* Who has waited in vain does not wait again. */
static bool ask_to_leave(struct timers *t, struct timer_slot *slot, bool again)
{
    bool in_vain = slot->leaving && !again;
    t->leaving += !slot->leaving;
    slot->leaving = true;
    return in_vain;
}

/* What the timer had sent is delivered when this system call returns. */
bool timers_pause(struct timers *t, int32_t tid, bool again)
{
    static const struct itimerspec never;
    struct timer_slot *slot = slot_of(t, tid);
    if (!slot || slot->state != TIMER_ARMED)
        return true;
    if (slot->event)
        return ask_to_leave(t, slot, again);
    rawcall4(SYS_timer_settime, slot->id, 0, (long)(uintptr_t)&never, 0);
    slot->state = TIMER_PAUSED;
    return true;
}

/* Paused, as if it had had a timer: the thread itself sets it going again. */
static void leave_event(struct timers *t, struct timer_slot *slot)
{
    delete_timer(slot);
    slot->leaving = false;
    slot->timer_only = true;
    slot->state = (uint8_t)create_timer(t, slot);
    t->no_events = ++t->left >= LEAVERS_MAX;
}

bool timers_leave(struct timers *t)
{
    if (!t->leaving)
        return false;
    t->queue_room = ROOM_UNKNOWN;
    t->leaving = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i].leaving && t->at[i].state == TIMER_ARMED)
            leave_event(t, &t->at[i]);
    return true;
}

void timers_resume(struct timers *t, int32_t tid)
{
    struct timer_slot *slot = slot_of(t, tid);
    if (!slot || slot->state != TIMER_PAUSED)
        return;
    start_timer(t, slot);
    slot->state = TIMER_ARMED;
    slot->misses = 0;
}

static void set_period(struct timers *t, const struct timer_slot *slot)
{
    if (slot->state != TIMER_ARMED)
        return;
    if (slot->event)
        perfclock_set_period(slot->id, t->period_ns, &t->random);
    else
        start_timer(t, slot);
}

void timers_set_period(struct timers *t, uint32_t period_ns)
{
    t->period_ns = period_ns;
    for (size_t i = 0; i < t->n; i++)
        set_period(t, &t->at[i]);
}

static void forget(struct timers *t)
{
    t->at = NULL;
    t->n = 0;
    t->blocked = t->refused = t->leaving = 0;
    t->cursor = 0;
    t->first_scan_done = false;
    t->stops++;
}

void timers_stop(struct timers *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->at[i].event)
            delete_timer(&t->at[i]);
    perfclock_abandon();
    forget(t);
}

void timers_after_fork_child(struct timers *t)
{
    perfclock_after_fork_child();
    forget(t);
    t->unseen_cpu_ns = 0;
}
