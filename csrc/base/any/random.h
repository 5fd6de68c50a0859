/*
 * Small random numbers for sampling decisions, not for secrets. The state belongs to the caller; one splitmix64
 * step per draw.
 */
#ifndef CPROF_BASE_ANY_RANDOM_H
#define CPROF_BASE_ANY_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [1, n]. The bias of the remainder is below n / 2^64. */
static inline uint64_t random_upto(uint64_t *state, uint64_t n)
{
    return 1 + random_next(state) % n;
}

#endif
