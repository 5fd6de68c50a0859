/*
 * Profiles of the program's own, by Go's rules: a value is in one or is not, and each keeps the stack that put it
 * there.
 *
 *     custom_add     on the host's thread: walks by the rows that are published, under a lock of a few words, and asks
 *                    neither the loader nor the host's allocator
 *     custom_each    anywhere that may take time: a copy of the distinct stacks, with how many values each holds
 *
 * A profile lives for ever, so what looks for one takes no lock. A child of fork goes on with the values of its parent.
 * Signals of the host's wait while the lock is held: a handler might not come back. Only SIGPROF does not, so that the
 * CPU profile stays true. Ordinary threads; not from a signal handler.
 */
#ifndef CPROF_SAMPLER_CUSTOM_H
#define CPROF_SAMPLER_CUSTOM_H

#include "base/any/here.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUSTOM_MAX_FRAMES 32 /* of a stack, as in Go */

struct custom;

enum custom_flag {
    CUSTOM_CUT = 1,    /* the stack goes on, further than it may or could be followed */
    CUSTOM_BEYOND = 2, /* more frames were to be skipped than there are: none is left */
};

struct custom_stack {
    int64_t values;
    uint32_t flags; /* enum custom_flag */
    uint32_t depth;
    const uint64_t *pc; /* leaf first; of the leaf the address itself, of the others where they return to */
};

/* STATUS_INVALID where the name is empty or another profile's; whoever has more names looks before. */
enum status custom_new(const char *name, struct custom **out, struct reason *why);

/* Any thread, without a lock. */
struct custom *custom_find(const char *name, size_t n);
struct custom *custom_next(const struct custom *c); /* by name; NULL: the first */
const char *custom_name(const struct custom *c);
uint64_t custom_count(const struct custom *c);

/* How many stacks are kept, those that hold nothing any more included. */
size_t custom_stacks(struct custom *c);

/* from: of the frame that skip = 0 begins with. STATUS_INVALID: the value is there already; STATUS_UNSUPPORTED after
 * thread_forbid. */
enum status custom_add(struct custom *c, const void *value, int skip, const struct here *from, struct reason *why);
void custom_remove(struct custom *c, const void *value);

/* Calls fn for each stack that holds a value, the fullest first, equal ones by their addresses, until it returns
 * something else than STATUS_OK, and returns that. */
enum status custom_each(struct custom *c, enum status (*fn)(void *arg, const struct custom_stack *s), void *arg);

#endif
