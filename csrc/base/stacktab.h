/*
 * Distinct stacks with a weight each: insert-only, the sum of what was added. One thread at a time, or under
 * the caller's lock, which a signal handler may want: memory comes from base/slab. It is bounded by
 * STACKTAB_MAX_BYTES; beyond it new stacks are refused and counted.
 */
#ifndef CPROF_BASE_STACKTAB_H
#define CPROF_BASE_STACKTAB_H

#include "base/slab.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A day at 100 Hz with every stack new and 40 frames deep would be 2.9 GiB: such a profile helps nobody. */
#define STACKTAB_MAX_BYTES ((size_t)256 << 20)

#define STACKTAB_WEIGHTS 2

#define STACKTAB_NAME_ROOM 16

/* What tells stacks with the same pcs apart. */
struct stack_key {
    uint32_t flags;
    uint32_t labels;                 /* a set: base/labels */
    char thread[STACKTAB_NAME_ROOM]; /* a name; zeros behind its end */
};

struct stack {
    struct stack *next; /* in its bucket */
    uint64_t hash;
    int64_t weight[STACKTAB_WEIGHTS];
    struct stack_key key;
    uint32_t depth;
    uint64_t pc[];
};

struct stacktab {
    struct stack **buckets;
    size_t n_buckets; /* a power of two */
    size_t n;
    size_t bytes;
    struct slab stacks;
    int64_t refused[STACKTAB_WEIGHTS]; /* weight of what found no room */
};

enum status stacktab_init(struct stacktab *t);
void stacktab_fini(struct stacktab *t);

/* Forgets all stacks. */
void stacktab_clear(struct stacktab *t);

/* Adds to the stack with this key and these pcs, and gives it; NULL: there is no room. */
struct stack *stacktab_add(struct stacktab *t, const struct stack_key *key, const uint64_t *pc, uint32_t depth,
                           const int64_t weight[STACKTAB_WEIGHTS]);

/* Calls fn for each stack, in no order, until it returns something else than STATUS_OK, and returns that. */
enum status stacktab_each(const struct stacktab *t, enum status (*fn)(void *arg, const struct stack *s), void *arg);

#endif
