#include "base/tables.h"

#include "base/slab.h"

#define PAGES_AT_ONCE ((size_t)4096)

void *tables_spare(struct tables *t, const void *in_force, size_t bytes)
{
    int spare = in_force && in_force == t->at[0];
    if (bytes > t->bytes[spare]) {
        void *old = t->at[spare];
        t->at[spare] = NULL; /* a child of fork may begin at any instruction */
        slab_pages_free(old, t->bytes[spare]);
        bytes = (bytes * 2 + PAGES_AT_ONCE - 1) & ~(PAGES_AT_ONCE - 1);
        t->at[spare] = slab_pages(bytes);
        t->bytes[spare] = t->at[spare] ? bytes : 0;
    }
    return t->at[spare];
}
