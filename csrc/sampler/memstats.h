/*
 * Go's runtime.MemStats of this process: every field, in Go's order, with the value that has its meaning here. What
 * each stands for, and which are always 0, is in docs/memstats.md.
 *
 * The heap's numbers are the allocator's own (mallinfo2, or mallinfo before glibc 2.33), asked only where the malloc
 * that the program uses comes from the same library: all arenas, one lock after the other. To answer, glibc walks every
 * free chunk with the arena's lock held: some 0.3 µs each, so microseconds in most programs and half a second where
 * there are two million. What is answered may therefore be old (base/pace): heap_age_ns says how much.
 *
 * The collector's are fed by who has one. Ordinary threads, any number at once.
 */
#ifndef CPROF_SAMPLER_MEMSTATS_H
#define CPROF_SAMPLER_MEMSTATS_H

#include <stdbool.h>
#include <stdint.h>

#define MEMSTATS_PAUSES  256
#define MEMSTATS_CLASSES 61

struct memstats {
    uint64_t alloc, total_alloc, sys, lookups, mallocs, frees;
    uint64_t heap_alloc, heap_sys, heap_idle, heap_inuse, heap_released, heap_objects;
    uint64_t stack_inuse, stack_sys, mspan_inuse, mspan_sys, mcache_inuse, mcache_sys;
    uint64_t buck_hash_sys, gc_sys, other_sys;
    uint64_t next_gc, last_gc, pause_total_ns;                      /* last_gc and pause_end: ns since 1970 */
    uint64_t pause_ns[MEMSTATS_PAUSES], pause_end[MEMSTATS_PAUSES]; /* newest at (num_gc + 255) % 256 */
    uint64_t num_gc, num_forced_gc;
    double gc_cpu_fraction;
    bool enable_gc, debug_gc;
    struct memstats_class {
        uint64_t size, mallocs, frees;
    } by_size[MEMSTATS_CLASSES];

    /* not Go's */
    uint64_t max_rss;
    int64_t heap_age_ns; /* how long ago the allocator was asked */
};

/* Takes the allocator's locks where the heap's numbers are due: no lock of ours may be held that an allocation wants.
 */
void memstats_read(struct memstats *out);

/* Does the allocator tell? False: the heap's numbers are 0. */
bool memstats_knows_heap(void);

/* A collection that stopped the program from start_ns to end_ns, ns since 1970. forced: asked for by name. Waits for
 * nobody for longer than it takes to copy the pauses, and may be called in a child of _Fork() as it is. */
void memstats_gc(int64_t start_ns, int64_t end_ns, bool forced);

#endif
