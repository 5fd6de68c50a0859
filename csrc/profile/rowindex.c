#include "profile/rowindex.h"

#include "profile/hash.h"

#include <stdlib.h>

void rowindex_init(struct rowindex *ix)
{
    *ix = (struct rowindex){.seed = hash_seed()};
}

void rowindex_fini(struct rowindex *ix)
{
    free(ix->slots);
    *ix = (struct rowindex){0};
}

static void place(uint64_t *slots, size_t cap, uint64_t slot)
{
    size_t at = slot >> 32;
    while (slots[at & (cap - 1)])
        at++;
    slots[at & (cap - 1)] = slot;
}

/* At most two thirds full: linear probing stays at about two steps. */
bool rowindex_reserve(struct rowindex *ix)
{
    if ((ix->used + 1) * 3 <= ix->cap * 2)
        return true;
    size_t cap = ix->cap ? ix->cap * 2 : 16;
    uint64_t *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < ix->cap; i++)
        if (ix->slots[i])
            place(slots, cap, ix->slots[i]);
    free(ix->slots);
    ix->slots = slots;
    ix->cap = cap;
    return true;
}

void rowindex_put(struct rowindex *ix, uint64_t hash, uint32_t row)
{
    uint64_t tag = rowindex_start(hash).tag;
    place(ix->slots, ix->cap, tag << 32 | (row + 1));
    ix->used++;
}
