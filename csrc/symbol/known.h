/*
 * What was found out about addresses of modules, kept between sessions: the names of a module are looked up once in a
 * process, whatever asks. By what the module is, not where it lies: it may be unloaded, and loaded elsewhere. No file
 * stays open for it, and no more than KNOWN_MAX_BYTES are taken, straight from mmap: what was used longest ago goes
 * first, by module. Ordinary threads, any number at once; a lock is held for a microsecond, under which only mmap is
 * called.
 */
#ifndef CPROF_SYMBOL_KNOWN_H
#define CPROF_SYMBOL_KNOWN_H

#include "profile/namer.h"

#define KNOWN_MAX_BYTES ((size_t)64 << 20) /* some 300,000 addresses with their names */

#define KNOWN_MAX_ID 64

/* What tells one module from all others. Zeroed before it is filled. */
struct known_id {
    unsigned char bytes[KNOWN_MAX_ID]; /* its build id, or what identifies its file */
    uint64_t len;
    uint64_t head; /* a hash of its headers as they are mapped */
};

struct known;

/* What is known of that module, which stays until it is released as often as it was held; NULL without memory. */
struct known *known_hold(const struct known_id *id);
void known_release(struct known *k);

/* One address, relative to where the module begins. An answer may have no frames: nobody has a name for it. */
struct known_answer {
    uint64_t entry;
    size_t n;
    struct named_frame frames[NAMER_MAX_INLINE]; /* strings that live until k is released */
};

bool known_find(struct known *k, uint64_t offset, struct known_answer *answer);

/* Keeps a copy where there is room. */
void known_add(struct known *k, uint64_t offset, const struct known_answer *answer);

/* What all of it takes now. Any thread. */
size_t known_bytes(void);

/* Forgets all that nobody holds. */
void known_forget(void);

#endif
