/*
 * A coarse profile out of fine ticks: of the CPU time that the ticks stand for, laid end to end, one point is drawn in
 * each coarse period, and the tick that holds it counts for one coarse tick. So the total is right to one period,
 * whatever happens; and as the point is drawn anew each time, threads that alternate in step with the fine ticks are
 * not mistaken for one that runs all the time, as counting every tenth would. Pure; the caller locks.
 */
#ifndef CPROF_SAMPLER_THIN_H
#define CPROF_SAMPLER_THIN_H

#include <stdint.h>

struct thin {
    uint32_t period_ns; /* the coarse one */
    uint64_t random;
    uint64_t seen_ns;            /* CPU time laid out until now */
    uint64_t begin_ns, point_ns; /* the current coarse period, and the point in it */
};

void thin_init(struct thin *t, uint32_t period_ns, uint64_t seed);

/* How many coarse ticks a record of ticks periods of period_ns stands for. Equal periods pass through. */
uint32_t thin_ticks(struct thin *t, uint32_t ticks, uint32_t period_ns);

#endif
