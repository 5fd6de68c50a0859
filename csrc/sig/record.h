/*
 * The layout of a sample, the only place. Written by the handler into the ring, read by the drainer.
 */
#ifndef CPROF_SIG_RECORD_H
#define CPROF_SIG_RECORD_H

#include <stdint.h>

/* Go keeps 64 frames of a CPU stack and 128 of the others; we keep 128 of all. 128 * 8 bytes and the
 * header make a slot of a little over 1 KiB. */
#define RECORD_MAX_FRAMES 128

enum record_flag {
    RECORD_TRUNCATED = 1, /* more frames than RECORD_MAX_FRAMES */
    RECORD_PARTIAL = 2,   /* the walk ended before the bottom of the stack */
};

struct record {
    int32_t tid;
    uint32_t ticks;     /* timer periods this sample stands for: 1 + missed ones */
    uint32_t period_ns; /* of CPU time per tick */
    uint16_t depth;
    uint16_t flags;
    uint32_t labels; /* the thread's set: base/labels */
    /* Leaf first. pc[0] is the interrupted instruction. Later ones are return addresses, except behind a
     * signal frame, whose pc is exact: that one is stored + 1, so that "pc - 1" is right for all but pc[0]. */
    uint64_t pc[RECORD_MAX_FRAMES];
};

#endif
