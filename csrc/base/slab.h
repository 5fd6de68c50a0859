/*
 * Memory straight from mmap, handed out in pieces and given back all at once. For what grows under a lock that a signal
 * handler may want, and inside intercepted calls: the host's allocator, and whatever lock it holds, is never asked.
 * A zeroed slab is empty and valid. One thread at a time.
 */
#ifndef CPROF_BASE_SLAB_H
#define CPROF_BASE_SLAB_H

#include <stddef.h>

struct slab_chunk;

struct slab {
    struct slab_chunk *chunks;
    size_t used;  /* of the newest */
    size_t bytes; /* that all of them take */
};

/* n bytes, zeroed, aligned for anything; NULL where there are none. */
void *slab_get(struct slab *s, size_t n);

/* Everything it has handed out is gone. */
void slab_fini(struct slab *s);

/* Whole pages, zeroed, for what lives and dies by itself. NULL where there are none. */
void *slab_pages(size_t n);
void slab_pages_free(void *pages, size_t n);

/* What all slabs and pages of the process hold now. Any context. */
size_t slab_held_bytes(void);

#endif
