/*
 * How often something that costs may be done: for figures that many ask for and that may be a moment old. One caller
 * at a time does it, the others go on with what is there; nobody waits. Ordinary threads. A zeroed pace is due.
 */
#ifndef CPROF_BASE_PACE_H
#define CPROF_BASE_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Done at most ten times a second, and in at most a hundredth of the time; where it takes longer than PACE_SHORT_NS of
 * CPU even less, in a hundredth of that share for each hundred of PACE_SHORT_NS: so 1 ms is followed by 100 ms of
 * rest, 10 ms by 10 s, 100 ms by 1,000 s, and more by an hour. */
#define PACE_LEAST_NS INT64_C(100000000)
#define PACE_SHORT_NS INT64_C(1000000)
#define PACE_SHARE    100
#define PACE_MOST_NS  INT64_C(3600000000000)

struct pace {
    _Atomic int64_t next_ns; /* 0: never done */
    _Atomic bool busy;
    int64_t began_cpu_ns; /* of who is busy */
};

/* Is it due, and nobody at it? Then pace_end has to follow on the same thread. */
bool pace_begin(struct pace *p);

/* The rest that follows is from what the thread used meanwhile. */
void pace_end(struct pace *p);

bool pace_was_done(const struct pace *p);

/* The rest after what took cpu_ns. */
int64_t pace_rest_ns(int64_t cpu_ns);

/* It is due again: in a fork's child, where who was at it is not. */
void pace_reset(struct pace *p);

#endif
