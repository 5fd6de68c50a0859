/*
 * A table that is made anew again and again out of the one before: two places, of which one is in force while the other
 * is filled. Pages, not the host's heap. Zeroed is empty. One thread at a time, or under the owner's lock.
 */
#ifndef CPROF_BASE_TABLES_H
#define CPROF_BASE_TABLES_H

#include <stddef.h>

struct tables {
    void *at[2];
    size_t bytes[2];
};

/* Room for so many bytes in the one that is not in force; what it held is gone. NULL: there is none. */
void *tables_spare(struct tables *t, const void *in_force, size_t bytes);

#endif
