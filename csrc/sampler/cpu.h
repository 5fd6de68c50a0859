/*
 * The CPU engine: for each thread a clock of the CPU time it uses, a tick per period (sampler/timers says which).
 * It runs while at least one window is open, at the highest rate asked; every open window receives
 * every record from the moment it opened, thinned to its own rate where that is lower (sampler/thin).
 *
 * Calls come from ordinary threads, never from a handler.
 */
#ifndef CPROF_SAMPLER_CPU_H
#define CPROF_SAMPLER_CPU_H

#include "base/status.h"
#include "sig/record.h"

#include <stdbool.h>
#include <stdint.h>

#define CPU_HZ_DEFAULT 100
#define CPU_HZ_MAX     10000

/* Receives records on the engine's thread, under the engine's lock: must be quick and must not call back
 * into this file. */
struct cpu_sink {
    /* The record stands for so many ticks of the window's own period, whatever it says itself. thread: what its thread
     * is called, NAMES_ROOM bytes with zeros behind the end; "" where nobody knows. */
    void (*put)(void *self, const struct record *record, const char *thread, uint32_t ticks, uint32_t period_ns);
    void *self;
};

struct cpu_window;

/* What happened in one window, or since the start of the process. */
struct cpu_stats {
    uint64_t samples;         /* records received */
    uint64_t ticks;           /* their weight: periods of CPU time */
    uint64_t lost_ring_full;  /* ticks that found no room in the ring; of a window: in its own ticks */
    uint64_t truncated;       /* stacks cut at RECORD_MAX_FRAMES, or that could not be walked to their end */
    uint64_t foreign;         /* SIGPROFs that were not ours and were passed on */
    uint64_t late;            /* ticks that arrived when nobody sampled any more */
    uint64_t scans_failed;    /* times that /proc/self/task could not be read: new threads were not found */
    uint32_t threads_covered; /* largest number of threads with a timer at once */
    uint32_t threads_perf;    /* of them, those on a perf event's clock: at random periods, in user mode */
    uint32_t threads_timer;   /* of a window: largest number of those on a timer */
    uint32_t threads_blocked; /* threads that block SIGPROF, or are in strict seccomp mode: not sampled */
    uint32_t threads_refused; /* threads for which no timer was to be had (RLIMIT_SIGPENDING) */
    uint32_t hz;              /* of a window: its own; else the rate in force, 0 when idle */
    uint32_t engine_hz;       /* of a window: the highest rate at which its samples were taken */
    uint32_t windows;         /* open now */
    int64_t process_cpu_ns;   /* CPU time of the host's threads in the window: what the ticks should add up to */
    int64_t uncovered_cpu_ns; /* of it, used by threads before they had a timer */
    int64_t kernel_cpu_ns;    /* of it, used in the kernel by threads on a perf event's clock: no tick stands for it */
    int64_t sampled_cpu_ns;   /* CPU time of the host's threads while timers ran, since the start of the process */
    uint64_t bytes;           /* memory of the sampler: ring, tables of unwind rows, stacks collected, timers */
    uint32_t asked_hz;        /* the highest rate that an open window asked for, 0 without one */
    uint32_t set_hz;          /* the rate of windows that name none */
    int stolen;               /* the host replaced our SIGPROF handler while we ran */
};

/* hz 0 = the set rate. STATUS_BUSY where SIGPROF cannot be had, with the reason. */
enum status cpu_window_open(uint32_t hz, struct cpu_sink sink, struct cpu_window **out, struct reason *why);

/* CPU time of the host's threads so far. Any context of this process; a helper that only shares its memory has to be
 * told.
 */
int64_t cpu_host_ns(void);

/* Drains what was sampled until now into the sink and shows visit what the window holds, under the engine's lock: the
 * sink stays as it is meanwhile. False where the lock was not to be had in time. Any context, a signal handler
 * included, so visit must be of that kind too. host_ns: cpu_host_ns() of a moment ago. */
bool cpu_window_visit(struct cpu_window *w, int64_t host_ns, int64_t within_ns,
                      void (*visit)(void *arg, const struct cpu_stats *stats), void *arg);

/* From inside a visit: the window begins anew. */
void cpu_window_restart(struct cpu_window *w, int64_t host_ns);

/* The calling thread is about to block SIGPROF, and has unblocked it again. Any context. */
void cpu_thread_blocks(void);
void cpu_thread_unblocked(void);

/* No more ticks, and the engine's thread ends: windows stay as they are, and none can be opened, until cpu_go_on. */
void cpu_go_quiet(void);
void cpu_go_on(void);

/* Drains what was sampled until now into the sink, fills *stats (may be NULL), frees the window. */
void cpu_window_close(struct cpu_window *w, struct cpu_stats *stats);

/* The rate for windows that do not name one; returns the old rate. 0 only reads. */
uint32_t cpu_set_hz(uint32_t hz);

/* CPU_CLOCK_PERF, the default: where one can be had. Before the first window. */
enum cpu_clock { CPU_CLOCK_PERF, CPU_CLOCK_TIMER };
void cpu_choose_clock(enum cpu_clock clock);

/* Totals since the start of the process, and what is in force now. */
void cpu_stats(struct cpu_stats *out);

#endif
