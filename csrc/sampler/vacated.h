/*
 * Where modules lay that are not loaded any more: a sample of then must not get the name of what lies there now.
 * sampler/modules tells it what left and what came; a profile asks for what concerns its time.
 */
#ifndef CPROF_SAMPLER_VACATED_H
#define CPROF_SAMPLER_VACATED_H

#include <stddef.h>
#include <stdint.h>

#define VACATED_MAX 64 /* places that are remembered, those of latest */

struct vacated {
    uint32_t n;
    struct vacated_place {
        uint64_t low, high;
    } at[VACATED_MAX];
};

/* The fingerprint tells a module from another at the same place. Threads of ours. */
void vacated_left(uint64_t low, uint64_t high, uint64_t fingerprint);
void vacated_entered(uint64_t low, uint64_t high, uint64_t fingerprint);

/* The places that somebody left since then (base/clock's monotonic time), and where not the same module is back.
 * Any thread; waits for a microsecond. */
void vacated_since(int64_t since_ns, struct vacated *out);

/* Before the first thread that calls the above is started. */
void vacated_prepare(void);

#endif
