/*
 * Strings that are handed out: each is kept once, at a fixed place, until texts_fini. With each goes its demangled
 * form, computed when first asked for, so that asking again allocates nothing. Memory comes from base/slab. One thread
 * at a time, or under the caller's lock.
 */
#ifndef CPROF_SYMBOL_TEXTS_H
#define CPROF_SYMBOL_TEXTS_H

#include "base/slab.h"

#include <stddef.h>
#include <stdint.h>

struct text {
    const char *plain;
    const char *readable; /* demangled, or plain where that is no mangled name; NULL until asked */
};

/* Zeroed is empty and valid. */
struct texts {
    struct slab memory;
    struct text **slots; /* open addressing, a power of two, at most half full */
    size_t slot_count;
    size_t count;
};

void texts_fini(struct texts *t);

/* What they take. */
size_t texts_bytes(const struct texts *t);

/* The kept copy of these n bytes; NULL without memory. */
struct text *texts_keep(struct texts *t, const char *bytes, size_t n);

/* The demangled form, kept too; never NULL: plain stands in when memory runs out. */
const char *texts_readable(struct texts *t, struct text *text);

#endif
