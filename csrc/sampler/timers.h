/*
 * The host's threads, each with a clock that ticks while it uses CPU, so that a tick never cuts short a blocking call:
 * a perf event (sampler/perfclock) where one can be had, else a POSIX timer on the thread's CPU clock, delivered to it.
 *
 * The kernel checks these timers at its own tick (CONFIG_HZ): above that rate distinct signals do not come
 * faster, and si_overrun carries the missed periods. What a program does in step with that tick they show wrongly,
 * though they begin anew at a random time now and then.
 *
 * Owned by sampler/cpu, under its lock; on the engine's thread but for pause, resume, stop and fork.
 */
#ifndef CPROF_SAMPLER_TIMERS_H
#define CPROF_SAMPLER_TIMERS_H

#include "base/status.h"
#include "base/tables.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timer_state {
    TIMER_NEW, /* found by the scan that is under way */
    TIMER_ARMED,
    TIMER_PAUSED,  /* its thread blocks SIGPROF for a while, and told us so */
    TIMER_BLOCKED, /* the thread must not be signalled: it blocks SIGPROF, or is in strict seccomp mode */
    TIMER_REFUSED, /* no timer to be had: RLIMIT_SIGPENDING, seccomp */
    TIMER_GONE,    /* the thread ended before it could be asked, or sleeps and cannot be asked */
};

struct timer_slot {
    int32_t tid;
    int id;                /* the kernel's timer id, or the descriptor of its event; meaningless when not armed */
    bool event;            /* it is a perf event's */
    bool timer_only;       /* its thread blocks SIGPROF at times: a timer can be stopped by the thread itself */
    bool leaving;          /* the thread waits for its event to be closed */
    uint8_t state;         /* enum timer_state; all but ARMED are tried again now and then */
    uint8_t calm;          /* how many looks in a row must still say yes before a thread that once said no is armed */
    uint8_t blocked_scans; /* how many in a row found SIGPROF blocked, up to BLOCKED_SCANS */
    uint8_t misses;        /* how often in a row it could not be armed, up to MISSES_MAX */
    int64_t cpu_seen_ns;   /* what it had used when it was last looked after */
};

struct timers {
    struct timer_slot *at; /* by rising tid */
    size_t n;
    struct tables tables; /* at is one of them, the next scan fills the other */
    uint64_t random;
    uint32_t run, period_ns;
    uint32_t blocked, refused; /* threads in these states for more than a moment */
    uint32_t left;             /* threads whose event had to be closed since they block SIGPROF */
    uint32_t leaving;          /* those that wait */
    bool no_events;            /* timers only */
    enum { FILTER_UNKNOWN, FILTER_NO, FILTER_YES } filter; /* is the engine's thread under a filter for system calls? */
    uint32_t scans;
    size_t cursor; /* where the next scan goes on looking after known threads */
    size_t events_cursor;
    uint64_t queue_room;   /* timers that may still be made in this scan */
    int64_t unseen_cpu_ns; /* CPU that threads had used when they were found, those of first scans apart; never falls */
    bool first_scan_done;
    uint32_t stops;

    /* Between portions of what many threads make long: lets whoever waits have the lock. All but a scan may happen. */
    void (*breathe)(void);
};

/* Arms every thread of tids (from tasks_list, which allocates and is asked before the lock is taken) that has no timer
 * yet, sweeps those of dead threads. */
void timers_scan(struct timers *t, const struct vec_u32 *tids);

/* Around the time for which thread tid blocks SIGPROF. True: no tick is under way to it when timers_pause has returned
 * in that very thread, or it has waited in vain before. False: the engine has to call timers_leave first, and it is
 * asked again; the next time the thread has a timer. Nothing is allocated. */
bool timers_pause(struct timers *t, int32_t tid, bool again);
void timers_resume(struct timers *t, int32_t tid);
bool timers_leave(struct timers *t); /* false: nobody waited */

/* What all events have counted until now is in perfclock_kernel_ns. A scan looks at a few only. */
void timers_look(struct timers *t);

/* From now on this period; existing timers are re-armed. */
void timers_set_period(struct timers *t, uint32_t period_ns);

/* Deletes all timers and forgets the threads. */
void timers_stop(struct timers *t);

/* In a fork's child, where the timers do not exist. */
void timers_after_fork_child(struct timers *t);

#endif
