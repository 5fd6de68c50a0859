/* Clocks in nanoseconds. Any context: clock_gettime may run in a signal handler. */
#ifndef CPROF_BASE_CLOCK_H
#define CPROF_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* 0 where the clock cannot be read: that of a thread that has ended. */
static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * INT64_C(1000000000) + t.tv_nsec : 0;
}

/* The CPU clock of a thread, as the kernel encodes it; pthread_getcpuclockid gives the same but wants a pthread_t. */
static inline clockid_t clock_of_thread(int32_t tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6);
}

/* For deadlines and durations. */
static inline int64_t clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

#endif
