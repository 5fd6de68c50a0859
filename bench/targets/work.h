/* Work, and deep stacks to do it in. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdint.h>

#define FRAMES 30

static volatile uint32_t work_sink;

__attribute__((always_inline)) static inline void work_rounds(uint32_t rounds)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < rounds; i++)
        hash = (hash ^ i) * 16777619u;
    work_sink = hash;
}

/* FRAMES calls deep, through three functions of different frame sizes, then leaf(arg). */
typedef void leaf(void *arg);
__attribute__((noinline)) static void deeper_small(int depth, leaf *then, void *arg);

__attribute__((noinline)) static void deeper_large(int depth, leaf *then, void *arg)
{
    volatile char frame[200];
    frame[0] = (char)depth;
    deeper_small(depth - 1, then, arg);
    frame[1] = frame[0];
}

__attribute__((noinline)) static void deeper_medium(int depth, leaf *then, void *arg)
{
    volatile char frame[40];
    frame[0] = (char)depth;
    deeper_large(depth - 1, then, arg);
    frame[1] = frame[0];
}

__attribute__((noinline)) static void deeper_small(int depth, leaf *then, void *arg)
{
    if (depth <= 0)
        then(arg);
    else
        deeper_medium(depth - 1, then, arg);
    __asm__ volatile("");
}

static inline void deep(leaf *then, void *arg)
{
    deeper_small(FRAMES, then, arg);
}

#endif
