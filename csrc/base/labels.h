/*
 * Sets of labels: each a node that adds one label to another set, made when it is first wanted, never changed and never
 * freed, so that a number says for good which labels were meant. Found and made without a lock, in memory of our own:
 * also while the host holds any lock, in its signal handlers, and in children of any fork.
 *
 * The sets and the words of a process are shared by its doors: the front brings its own, and so does the core, which
 * may be there first. Whichever is there first is in force (labels_settle), the other uses it (labels_use).
 */
#ifndef CPROF_BASE_LABELS_H
#define CPROF_BASE_LABELS_H

#include "base/any/labelword.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define LABELS_MAX_SETS  65536u
#define LABELS_MAX_BYTES ((size_t)4 << 20)
#define LABELS_MAX_DEPTH 64 /* pushes in a row, and labels of one set */
#define LABELS_MAX_KEY   255
#define LABELS_MAX_VALUE 1023

/* Threads that had labels at once, about: places of thread-locals, which the next threads get again. */
#define LABELS_MAX_WORDS 16384u

#define LABELS_CHUNK_BYTES ((size_t)64 << 10)
#define LABELS_CHUNKS      (LABELS_MAX_BYTES / LABELS_CHUNK_BYTES)

struct labels {
    struct label_place place;              /* of the words that go with them */
    _Atomic(void *) heads;                 /* of chains of sets, by hash */
    _Atomic(void *) chunks[LABELS_CHUNKS]; /* with the sets */
    _Atomic uint32_t used;                 /* how far: the next set's number */
    _Atomic uint32_t n;                    /* sets */
    _Atomic uint64_t refused;              /* pushes that found no room, or were not sound */
    _Atomic(void *) words;                 /* addresses, by hash; 0 is free */
};

struct label {
    const char *key, *value; /* live for ever */
};

/* Those of this library. */
struct labels *labels_own(void);

/* offered is in force from now on if it is the first; gives those that are. */
struct labels *labels_settle(struct labels *offered);

/* What follows is about these. Before that: labels_own. */
void labels_use(struct labels *in_force);

/* The calling thread has the labels pairs[0]: pairs[1], pairs[2]: pairs[3], ... too, up to a key that is NULL; until
 * labels_pop, which goes with this push also where it failed. INVALID: a key is empty, a value is missing; TOO_BIG: a
 * text is too long, or there is no room for more. */
enum status labels_push(const char *const *pairs);
void labels_pop(void);

/* The calling thread begins with this set; and without any, where it is one of ours. */
void labels_inherit(uint32_t set);
void labels_clear(void);

/* A label more than set has; 0 where there is no room. */
uint32_t labels_with(uint32_t set, const char *key, const char *value);

/* The labels of a set, each key once with the value pushed last, newest first. 0 for what is no set. */
size_t labels_list(uint32_t set, struct label out[LABELS_MAX_DEPTH]);

/* In a child of fork, and where one may be: the calling thread has another id than before. */
void labels_know_thread(void);

/* Where words may be, for who looks at other threads: up to LABELS_MAX_WORDS, of which some may be gone, or another
 * thread's by now: read them with care, and compare tid. NULL: none. */
const _Atomic uintptr_t *labels_words(void);

struct labels_stats {
    uint32_t sets;
    uint64_t refused;
    size_t bytes;
};
struct labels_stats labels_stats(void);

#endif
