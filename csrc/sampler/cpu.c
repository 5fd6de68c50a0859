#include "sampler/cpu.h"

#include "base/any/counters.h"
#include "base/any/mask.h"
#include "base/atfork.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/slab.h"
#include "base/thread.h"
#include "hook/got.h"
#include "sampler/modules.h"
#include "sampler/names.h"
#include "sampler/perfclock.h"
#include "sampler/tasks.h"
#include "sampler/thin.h"
#include "sampler/timers.h"
#include "sig/events.h"
#include "sig/ring.h"
#include "sig/rows.h"
#include "sig/tick.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

/* Threads are found, and the ring drained, this often: half of the 100 ms within which a new thread must be
 * covered. Where there are so many that a scan takes more than a fiftieth of that, less often. */
#define SCAN_NS     (50 * 1000 * 1000)
#define SCAN_SHARE  50
#define SCAN_MAX_NS NS_PER_S

/* The ring holds what all cores can tick between two drains: at 10,000 Hz 50 ms make 500 ticks per core, and every
 * period that is drawn drains too. */
#define RING_SLOTS_PER_CPU 512
#define RING_SLOTS_MIN     1024
#define RING_SLOTS_MAX     16384

/* A module that the loader is not done with is looked at again. A host may open for good what the loader had closed. */
#define REDIRECTIONS_MAX 40

/* How long a closing window waits for a handler that is just filling a slot. */
#define UNFINISHED_TRIES 1000

/* And for the engine to read what events have counted: some milliseconds for thousands of them. Where it was in vain
 * that is lost CPU time. */
#define LOOK_PATIENCE_NS (200 * 1000 * 1000)

/* Who wants the lock that was let go of for a moment is on its way to a CPU. */
#define BREATH_NS (50 * 1000)

struct cpu_window {
    struct cpu_window *next;
    struct cpu_sink sink;
    uint32_t hz;
    struct thin thin;
    uint32_t finest_ns;           /* the shortest period of a record that came */
    struct cpu_stats stats;       /* samples, ticks of this window */
    uint64_t counters[COUNTER_N]; /* when it opened */
    int64_t process_ns;           /* the host's CPU time when it opened */
    int64_t unseen_ns;
    int64_t kernel_ns;
    bool looked; /* the kernel's time has been asked for since it opened */
};

/* A dying program's signal handler waits for it (cpu_window_visit): nobody who holds it waits for a lock of the host's,
 * so nothing is allocated from the host's heap, and the loader is not asked. */
static struct lock cpu_lock = LOCK_INIT(LOCK_CPU);

/* On the engine's thread: who waits, a fork perhaps, comes first. */
static void let_go_for_a_moment(void)
{
    const struct timespec breath = {.tv_nsec = BREATH_NS};
    bool wanted = lock_is_wanted(&cpu_lock);
    lock_drop(&cpu_lock);
    if (wanted)
        nanosleep(&breath, NULL);
    lock_take(&cpu_lock);
}

/* Below: under cpu_lock. */
static struct cpu_window *windows;
static struct timers timers = {.breathe = let_go_for_a_moment};
static struct names names = {.breathe = let_go_for_a_moment};
static struct ring ring;
static bool ring_ready;
static bool running; /* the engine thread exists and has not decided to end */
static bool armed;   /* timers run */
static bool quiet;   /* see cpu_go_quiet */
static bool stolen;  /* somebody replaced our handler; timers are off until the next start */
static uint32_t run; /* counts engine starts: ticks of an earlier one are not ours any more */
static uint32_t default_hz = CPU_HZ_DEFAULT;
static struct cpu_stats totals;
static int64_t armed_host_ns; /* the host's CPU time when timers began to run */

static _Atomic uint32_t wake_word;  /* bumped to make the engine look again at once, or draw a period (sig/events) */
static _Atomic uint32_t look_word;  /* bumped with it, where it is to look */
static _Atomic uint32_t left_word;  /* bumped when events were closed that somebody waits to be rid of */
static _Atomic uint32_t asked_word; /* bumped when all events are to be read, and what it was when they last were */
static _Atomic uint32_t told_word;

int64_t cpu_host_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - thread_ours_cpu_ns();
}

static void deliver_to(struct cpu_window *w, const struct record *record, const char *thread)
{
    uint32_t ticks = thin_ticks(&w->thin, record->ticks, record->period_ns);
    if (record->period_ns < w->finest_ns)
        w->finest_ns = record->period_ns;
    if (!ticks)
        return;
    w->stats.samples++;
    w->stats.ticks += ticks;
    w->sink.put(w->sink.self, record, thread, ticks, w->thin.period_ns);
}

static void deliver(void *arg, const struct record *record)
{
    (void)arg;
    totals.samples++;
    totals.ticks += record->ticks;
    const char *thread = names_of(&names, record->tid);
    for (struct cpu_window *w = windows; w; w = w->next)
        deliver_to(w, record, thread);
}

/* With patience > 0 waits for handlers that are between begin and commit. They run to their end on their own, so
 * this ends; the bound covers a thread that the scheduler keeps off CPU there. */
static void drain(int patience)
{
    for (;;) {
        enum ring_state state = ring_take(&ring, deliver, NULL);
        if (state == RING_EMPTY || (state == RING_UNFINISHED && patience-- <= 0))
            return;
        if (state == RING_UNFINISHED)
            sched_yield();
    }
}

/* The highest rate that an open window asked for. */
static uint32_t wanted_hz(void)
{
    uint32_t hz = 1;
    for (const struct cpu_window *w = windows; w; w = w->next)
        hz = w->hz > hz ? w->hz : hz;
    return hz;
}

static void disarm(void)
{
    if (armed)
        totals.sampled_cpu_ns += cpu_host_ns() - armed_host_ns;
    tick_off();
    timers_stop(&timers);
    names_forget(&names);
    armed = false;
}

static void arm(uint32_t hz)
{
    uint32_t period_ns = (uint32_t)(NS_PER_S / hz);
    if (armed && timers.period_ns == period_ns)
        return;
    if (!armed) {
        run++;
        armed_host_ns = cpu_host_ns();
    }
    timers.run = run;
    tick_on(&ring, run, period_ns);
    timers_set_period(&timers, period_ns);
    armed = true;
}

/* What an earlier disarm has left to this thread, which has the descriptors. */
static void tidy_events(void)
{
    bool tidied = perfclock_tidy(), left = timers_leave(&timers);
    if (!tidied && !left)
        return;
    atomic_fetch_add(&left_word, 1);
    lock_wake_word(&left_word);
}

/* The host may have installed its own SIGPROF handler after ours: it must not go on receiving our ticks. */
static void check_handler(void)
{
    if (armed && !tick_installed()) {
        disarm();
        tidy_events();
        stolen = true;
    }
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void count_threads(void)
{
    uint32_t covered = 0;
    uint32_t events = 0;
    for (size_t i = 0; i < timers.n; i++) {
        covered += timers.at[i].state == TIMER_ARMED;
        events += timers.at[i].state == TIMER_ARMED && timers.at[i].event;
    }
    totals.threads_covered = covered;
    totals.threads_perf = events;
    totals.threads_blocked = timers.blocked;
    totals.threads_refused = timers.refused;
    for (struct cpu_window *w = windows; w; w = w->next) {
        w->stats.threads_covered = larger(w->stats.threads_covered, covered);
        w->stats.threads_perf = larger(w->stats.threads_perf, events);
        w->stats.threads_timer = larger(w->stats.threads_timer, covered - events);
        w->stats.threads_blocked = larger(w->stats.threads_blocked, timers.blocked);
        w->stats.threads_refused = larger(w->stats.threads_refused, timers.refused);
    }
}

/* For those that begin between two rounds time in the kernel counts from here. */
static void begin_windows(void)
{
    for (struct cpu_window *w = windows; w; w = w->next)
        if (!w->looked) {
            w->kernel_ns = perfclock_kernel_ns();
            w->looked = true;
        }
}

/* All events, for windows that begin or end. */
static void look_where_asked(void)
{
    uint32_t asked = atomic_load(&asked_word);
    if (asked == atomic_load(&told_word))
        return;
    timers_look(&timers);
    begin_windows();
    atomic_store(&told_word, asked);
    lock_wake_word(&told_word);
}

/* Between two rounds. */
static void draw_periods(void)
{
    lock_take(&cpu_lock);
    tidy_events();
    look_where_asked();
    perfclock_answer(&timers.random);
    drain(0);
    lock_drop(&cpu_lock);
}

/* While tables are built: a thread that is about to block SIGPROF waits for us, and periods run out. */
static void draw_if_asked(void)
{
    static uint32_t seen; /* the engine's */
    uint32_t now = atomic_load(&wake_word);
    if (now != seen)
        draw_periods();
    seen = now;
}

/* Until the next round is due, or asked for. */
static void rest_for(uint32_t seen, uint32_t looked, int64_t ns)
{
    int64_t end = clock_ns(CLOCK_MONOTONIC) + ns;
    while (ns > 0 && atomic_load(&look_word) == looked && !rows_wanted()) {
        lock_wait_word(&wake_word, seen, ns);
        uint32_t now = atomic_load(&wake_word);
        if (now != seen)
            draw_periods();
        seen = now;
        ns = end - clock_ns(CLOCK_MONOTONIC);
    }
}

/* One round. False: no window is left, the engine ends. */
static bool run_once(void)
{
    bool go_on;
    struct vec_u32 tids = {0};
    bool listed = tasks_list(&tids);
    if (!listed)
        counter_add(COUNTER_TASK_SCAN_FAILED, 1);
    lock_take(&cpu_lock);
    if (listed && windows)
        names_scan(&names, &tids);
    tidy_events();
    look_where_asked();
    drain(0);
    go_on = windows != NULL && !quiet; /* until timers_scan nobody else has the lock */
    if (go_on && !stolen) {
        arm(wanted_hz());
        check_handler();
    }
    if (go_on && armed && listed) {
        timers_scan(&timers, &tids);
        count_threads();
    }
    if (!go_on)
        running = false;
    lock_drop(&cpu_lock);
    vec_u32_fini(&tids);
    return go_on;
}

/* Unwind tables first, and outside the lock (see modules.h): a tick without them would show its leaf only. */
static void engine(void *arg)
{
    (void)arg;
    int redirections = REDIRECTIONS_MAX; /* that are still to be tried since something was loaded */
    perfclock_begin(thread_own_descriptors(), &wake_word);
    rows_wake(&wake_word);
    got_want(+1);
    for (;;) {
        uint32_t looked = atomic_load(&look_word), seen = atomic_load(&wake_word);
        if (modules_refresh(draw_if_asked))
            redirections = REDIRECTIONS_MAX;
        if (redirections > 0)
            redirections = modules_redirect() ? 0 : redirections - 1;
        int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        if (!run_once())
            break;
        int64_t rest = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - began) * SCAN_SHARE;
        rest_for(seen, looked, rest < SCAN_NS ? SCAN_NS : rest < SCAN_MAX_NS ? rest : SCAN_MAX_NS);
    }
    got_want(-1);
    modules_redirect();
}

static void wake_engine(void)
{
    atomic_fetch_add(&look_word, 1);
    atomic_fetch_add(&wake_word, 1);
    lock_wake_word(&wake_word);
}

/* Most children never sample: the ring is made ready for those that do. Timers and threads stay behind in the parent.
 * Windows that were open there belong to the parent's profile; their memory here is given up. */
static void fork_after_child(void)
{
    lock_reset_after_fork(&cpu_lock);
    tick_after_fork_child();
    timers_after_fork_child(&timers);
    names_forget(&names);
    windows = NULL;
    ring_ready = running = armed = stolen = false;
    totals = (struct cpu_stats){0};
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_CPU,
    .lock = &cpu_lock,
    .after_child = fork_after_child,
};

static enum status prepare_ring(struct reason *why)
{
    if (ring_ready)
        return STATUS_OK;
    if (ring.slots) { /* a fork's child */
        ring_reset(&ring);
        ring_ready = true;
        return STATUS_OK;
    }
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t slots = RING_SLOTS_MIN;
    while (slots < (size_t)(cpus > 0 ? cpus : 1) * RING_SLOTS_PER_CPU && slots < RING_SLOTS_MAX)
        slots *= 2;
    ring_ready = ring_init(&ring, slots);
    return ring_ready ? STATUS_OK : status_because(why, STATUS_NOMEM, "no memory for the sample ring");
}

/* Under cpu_lock, with the new window in the list. A window that opens after the host has put its own handler over
 * ours takes SIGPROF back, and passes theirs on. */
static enum status start_engine(struct reason *why)
{
    if (quiet)
        return status_because(why, STATUS_UNSUPPORTED, "the program has restricted its system calls (seccomp)");
    if (!tick_install())
        return status_because(why, STATUS_SYSTEM, "SIGPROF cannot be handled in this process");
    stolen = false;
    if (running) /* perhaps just about to end: it looks for windows once more, under the lock */
        return STATUS_OK;
    timers.random ^= (uint64_t)clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 32;
    enum status status = thread_start("cprof-cpu", engine, NULL, why);
    running = status == STATUS_OK;
    return status;
}

static void mark_start(struct cpu_window *w, int64_t host_ns)
{
    w->process_ns = host_ns;
    w->unseen_ns = timers.unseen_cpu_ns;
    w->kernel_ns = perfclock_kernel_ns();
    w->looked = true;
    for (int i = 0; i < COUNTER_N; i++)
        w->counters[i] = counter_read((enum counter)i);
}

enum status cpu_window_open(uint32_t hz, struct cpu_sink sink, struct cpu_window **out, struct reason *why)
{
    if (hz > CPU_HZ_MAX)
        return status_because(why, STATUS_INVALID, "%u Hz is beyond %d", hz, CPU_HZ_MAX);
    struct cpu_window *w = calloc(1, sizeof *w);
    if (!w)
        return STATUS_NOMEM;
    atfork_register(&fork_hooks);
    modules_prepare();

    lock_take(&cpu_lock);
    enum status status = prepare_ring(why);
    if (status)
        goto done;
    w->sink = sink;
    w->hz = hz ? hz : default_hz;
    w->finest_ns = (uint32_t)(NS_PER_S / w->hz);
    thin_init(&w->thin, w->finest_ns, (uint64_t)clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)w);
    mark_start(w, cpu_host_ns());
    w->looked = false;
    drain(0); /* what is in the ring happened before this window */
    w->next = windows;
    windows = w;
    status = start_engine(why);
    if (status)
        windows = w->next;
done:
    lock_drop(&cpu_lock);
    if (status) {
        free(w);
        return status;
    }
    atomic_fetch_add(&asked_word, 1);
    wake_engine();
    *out = w;
    return STATUS_OK;
}

static bool unlink_window(struct cpu_window *w)
{
    for (struct cpu_window **at = &windows; *at; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            return true;
        }
    }
    return false; /* of before a fork */
}

/* What was lost never said at which rate; it was most probably the highest. */
static uint64_t in_own_ticks(const struct cpu_window *w, uint64_t ticks)
{
    return (ticks * w->finest_ns + w->thin.period_ns / 2) / w->thin.period_ns;
}

static void fill_stats(const struct cpu_window *w, int64_t host_ns, struct cpu_stats *out)
{
    *out = w->stats;
    out->lost_ring_full = in_own_ticks(w, counter_read(COUNTER_TICK_RING_FULL) - w->counters[COUNTER_TICK_RING_FULL]);
    out->truncated = counter_read(COUNTER_TICK_TRUNCATED) - w->counters[COUNTER_TICK_TRUNCATED] +
                     counter_read(COUNTER_TICK_PARTIAL) - w->counters[COUNTER_TICK_PARTIAL];
    out->foreign = counter_read(COUNTER_TICK_FOREIGN) - w->counters[COUNTER_TICK_FOREIGN];
    out->late = counter_read(COUNTER_TICK_LATE) - w->counters[COUNTER_TICK_LATE];
    out->scans_failed = counter_read(COUNTER_TASK_SCAN_FAILED) - w->counters[COUNTER_TASK_SCAN_FAILED];
    out->hz = w->hz;
    out->engine_hz = (uint32_t)(NS_PER_S / w->finest_ns);
    out->process_cpu_ns = host_ns > w->process_ns ? host_ns - w->process_ns : 0; /* the two clocks differ by a little */
    out->uncovered_cpu_ns = timers.unseen_cpu_ns - w->unseen_ns;
    int64_t kernel_ns = perfclock_kernel_ns() - w->kernel_ns;
    out->kernel_cpu_ns = kernel_ns > 0 ? kernel_ns : 0;
    out->stolen = stolen;
}

/* What runs in the kernel until now is to be in the sum: only the engine has the descriptors. Any context. */
static void look_at_kernel(int64_t within_ns)
{
    if (!atomic_load(&events_open))
        return;
    int64_t end = clock_ns(CLOCK_MONOTONIC) + within_ns, left = within_ns;
    uint32_t mine = atomic_fetch_add(&asked_word, 1) + 1, told;
    atomic_fetch_add(&wake_word, 1);
    lock_wake_word(&wake_word);
    while ((int32_t)(mine - (told = atomic_load(&told_word))) > 0 && left > 0) {
        lock_wait_word(&told_word, told, left);
        left = end - clock_ns(CLOCK_MONOTONIC);
    }
}

bool cpu_window_visit(struct cpu_window *w, int64_t host_ns, int64_t within_ns,
                      void (*visit)(void *arg, const struct cpu_stats *stats), void *arg)
{
    look_at_kernel(LOOK_PATIENCE_NS);
    if (!lock_take_within(&cpu_lock, within_ns))
        return false;
    struct cpu_stats stats = {0};
    drain(UNFINISHED_TRIES);
    fill_stats(w, host_ns, &stats);
    visit(arg, &stats);
    lock_drop(&cpu_lock);
    return true;
}

void cpu_window_restart(struct cpu_window *w, int64_t host_ns)
{
    mark_start(w, host_ns);
    w->stats = (struct cpu_stats){0};
}

void cpu_window_close(struct cpu_window *w, struct cpu_stats *stats)
{
    look_at_kernel(LOOK_PATIENCE_NS);
    lock_take(&cpu_lock);
    drain(UNFINISHED_TRIES);
    bool was_open = unlink_window(w);
    if (was_open && stats)
        fill_stats(w, cpu_host_ns(), stats);
    if (was_open && !windows && armed)
        disarm();
    lock_drop(&cpu_lock);
    if (was_open)
        free(w);
    wake_engine();
}

void cpu_go_quiet(void)
{
    lock_take(&cpu_lock);
    if (ring_ready)
        drain(UNFINISHED_TRIES);
    quiet = true;
    if (armed)
        disarm();
    lock_drop(&cpu_lock);
    wake_engine();
}

/* The engine holds the lock for some microseconds at a time; where it takes longer the tick comes as it would have
 * without this. */
#define MASK_PATIENCE_NS INT64_C(2000000)

/* To close an event the engine has to come to a CPU. A thread waits for that once; where it was in vain the tick comes
 * as it would have without this. */
#define LEAVE_PATIENCE_NS INT64_C(200000000)

/* No tick can come to the calling thread; false where the engine has to see to that first. */
static bool pause_own(bool again)
{
    if (!lock_take_within(&cpu_lock, MASK_PATIENCE_NS))
        return true;
    bool done = armed ? timers_pause(&timers, gettid(), again) : !running || !atomic_load(&events_open);
    lock_drop(&cpu_lock);
    return done;
}

/* The host changes its mask and knows of no lock: a handler of its that came meanwhile might fork, or leave by
 * siglongjmp. What a paused timer had sent comes when signals do again. */
void cpu_thread_blocks(void)
{
    uint64_t before = mask_change(SIG_SETMASK, MASK_ALL);
    int64_t end = clock_ns(CLOCK_MONOTONIC) + LEAVE_PATIENCE_NS, left = LEAVE_PATIENCE_NS;
    for (bool again = false;; again = true) {
        uint32_t seen = atomic_load(&left_word);
        if (pause_own(again) || left <= 0)
            break;
        atomic_fetch_add(&wake_word, 1);
        lock_wake_word(&wake_word);
        lock_wait_word(&left_word, seen, left);
        left = end - clock_ns(CLOCK_MONOTONIC);
    }
    mask_change(SIG_SETMASK, before);
}

void cpu_thread_unblocked(void)
{
    uint64_t before = mask_change(SIG_SETMASK, MASK_ALL);
    if (lock_take_within(&cpu_lock, MASK_PATIENCE_NS)) {
        if (armed)
            timers_resume(&timers, gettid());
        lock_drop(&cpu_lock);
    }
    mask_change(SIG_SETMASK, before);
}

void cpu_choose_clock(enum cpu_clock clock)
{
    lock_take(&cpu_lock);
    timers.no_events = clock == CPU_CLOCK_TIMER;
    lock_drop(&cpu_lock);
}

void cpu_go_on(void)
{
    lock_take(&cpu_lock);
    quiet = false;
    if (windows)
        start_engine(&(struct reason){0});
    lock_drop(&cpu_lock);
    wake_engine();
}

uint32_t cpu_set_hz(uint32_t hz)
{
    lock_take(&cpu_lock);
    uint32_t old = default_hz;
    if (hz)
        default_hz = hz < CPU_HZ_MAX ? hz : CPU_HZ_MAX;
    lock_drop(&cpu_lock);
    return old;
}

void cpu_stats(struct cpu_stats *out)
{
    lock_take(&cpu_lock);
    *out = totals;
    out->lost_ring_full = counter_read(COUNTER_TICK_RING_FULL);
    out->truncated = counter_read(COUNTER_TICK_TRUNCATED) + counter_read(COUNTER_TICK_PARTIAL);
    out->foreign = counter_read(COUNTER_TICK_FOREIGN);
    out->late = counter_read(COUNTER_TICK_LATE);
    out->scans_failed = counter_read(COUNTER_TASK_SCAN_FAILED);
    out->hz = armed ? (uint32_t)(NS_PER_S / timers.period_ns) : 0;
    for (const struct cpu_window *w = windows; w; w = w->next)
        out->windows++;
    out->asked_hz = windows ? wanted_hz() : 0;
    out->set_hz = default_hz;
    out->sampled_cpu_ns += armed ? cpu_host_ns() - armed_host_ns : 0;
    out->uncovered_cpu_ns = timers.unseen_cpu_ns;
    out->kernel_cpu_ns = perfclock_kernel_ns();
    out->bytes = slab_held_bytes() + modules_bytes() + (ring_ready ? (ring.mask + 1) * sizeof(struct ring_slot) : 0);
    out->stolen = stolen;
    lock_drop(&cpu_lock);
}
