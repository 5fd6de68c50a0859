/*
 * Every loss has a counter. Adding is one relaxed atomic add, allowed anywhere: in a signal handler, in a
 * hook, on any thread.
 */
#ifndef CPROF_BASE_ANY_COUNTERS_H
#define CPROF_BASE_ANY_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
    COUNTER_TICK_RING_FULL,   /* ticks (with their weight) that found no room */
    COUNTER_TICK_FOREIGN,     /* SIGPROFs that were not ours */
    COUNTER_TICK_LATE,        /* ticks that arrived when no window was open */
    COUNTER_TICK_TRUNCATED,   /* stacks deeper than RECORD_MAX_FRAMES */
    COUNTER_TICK_PARTIAL,     /* stacks whose bottom was not reached */
    COUNTER_TASK_SCAN_FAILED, /* /proc/self/task could not be read */
    COUNTER_N,
};

extern _Atomic uint64_t counter_values[COUNTER_N];

static inline void counter_add(enum counter c, uint64_t n)
{
    atomic_fetch_add_explicit(&counter_values[c], n, memory_order_relaxed);
}

static inline uint64_t counter_read(enum counter c)
{
    return atomic_load_explicit(&counter_values[c], memory_order_relaxed);
}

#endif
