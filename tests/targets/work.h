/* Work of known size for targets: units that use the same CPU time in whatever function they are inlined. */
#ifndef WORK_H
#define WORK_H

#include <stdint.h>
#include <time.h>

static volatile uint32_t work_sink;

/* About 20 us. */
__attribute__((always_inline)) static inline void work_units(unsigned units)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < units * 20000u; i++) {
        hash ^= i;
        hash *= 16777619u;
    }
    work_sink = hash;
}

static inline double work_thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
