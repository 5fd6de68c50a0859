/*
 * A hash index over the rows of a table: row numbers by hash, open addressing. The table itself compares;
 * this only proposes candidates. Ordinary threads only. To intern:
 *
 *     struct rowindex_probe probe = rowindex_start(hash);
 *     while (rowindex_next(ix, &probe, &row))
 *         if (row equals what is looked for)
 *             return row;
 *     rowindex_reserve(ix), append the row, rowindex_put(ix, hash, row)
 *
 * A zeroed index is empty and valid, with seed 0.
 */
#ifndef CPROF_PROFILE_ROWINDEX_H
#define CPROF_PROFILE_ROWINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROWINDEX_MAX_ROWS ((size_t)1 << 31) /* positions come from 32 bits of hash */

struct rowindex {
    uint64_t *slots; /* 32 bits of hash, then row + 1; 0 = free */
    size_t cap;      /* a power of two, or 0 */
    size_t used;
    uint64_t seed; /* where callers start their hash */
};

struct rowindex_probe {
    uint32_t tag;
    size_t at;
};

void rowindex_init(struct rowindex *ix);
void rowindex_fini(struct rowindex *ix);

/* Room for one more row; false when there is no memory. rowindex_put then cannot fail. */
bool rowindex_reserve(struct rowindex *ix);
void rowindex_put(struct rowindex *ix, uint64_t hash, uint32_t row);

static inline struct rowindex_probe rowindex_start(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash ^ hash >> 32);
    return (struct rowindex_probe){.tag = tag, .at = tag};
}

/* The next candidate, false after the last. */
static inline bool rowindex_next(const struct rowindex *ix, struct rowindex_probe *probe, uint32_t *row)
{
    while (ix->cap) {
        uint64_t slot = ix->slots[probe->at & (ix->cap - 1)];
        if (!slot)
            return false;
        probe->at++;
        if (slot >> 32 == probe->tag) {
            *row = (uint32_t)slot - 1;
            return true;
        }
    }
    return false;
}

#endif
