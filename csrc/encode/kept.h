/*
 * Texts that many ask for and that cost something to write: each is kept, and given as it is until base/pace says that
 * it is time for a new one. Ordinary threads, any number at once; nobody waits for another one's writing.
 */
#ifndef CPROF_ENCODE_KEPT_H
#define CPROF_ENCODE_KEPT_H

#include "base/buf.h"
#include "base/pace.h"

/* All but fill zeroed; lives for ever. */
struct kept {
    void (*fill)(struct buf *out);
    struct pace pace;
    struct buf text; /* kept.c's, under its lock */
    struct kept *next;
    bool known;
};

/* Appends the text. Where there was no memory for it out has failed. */
void kept_put(struct kept *k, struct buf *out);

#endif
