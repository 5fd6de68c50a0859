/*
 * From the signal handlers to the drainer: a bounded ring of fixed slots, many writers, one reader.
 *
 *   writer: s = ring_begin(r); fill s->record; ring_commit(s)       in a handler, any thread
 *   reader: while (ring_take(r, fn, arg)) ...                       one thread at a time
 *
 * A slot's seq tells whose turn it is: seq == position: free for the writer of that position; seq ==
 * position + 1: filled; the reader sets it to position + slots, the next lap's writer. A writer takes a
 * position by one compare-and-swap, tried RING_TRIES times; it never waits. When the ring is full the
 * sample is dropped, and the caller counts it.
 *
 * The memory comes from mmap and is never given back: a late handler may still look at it. A fork's child finds zeros
 * there: nothing of it is copied, and what a handler does with it harms nobody.
 */
#ifndef CPROF_SIG_RING_H
#define CPROF_SIG_RING_H

#include "sig/record.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A compare-and-swap fails only when another thread got the position: with 64 cores ticking in the same
 * microsecond the 8th try still finds one with high probability, and a lost tick is counted. */
#define RING_TRIES 8

struct ring_slot {
    _Atomic uint64_t seq;
    uint64_t position; /* written by ring_begin for ring_commit */
    struct record record;
};

/* Writers and reader on cache lines of their own. */
struct ring { // NOLINT(clang-analyzer-optin.performance.Padding)
    struct ring_slot *slots;
    uint64_t mask;
    _Alignas(64) _Atomic uint64_t head; /* next position to write; writers */
    _Alignas(64) uint64_t tail;         /* next position to read; the reader */
};

/* slots must be a power of two. False when the memory cannot be had. Not in a handler. */
bool ring_init(struct ring *r, size_t slots);
/* Forgets what is in it, writing to every slot. Only while no handler can run: in a fork's child, before it is used
 * there. */
void ring_reset(struct ring *r);

/* NULL: no room. Otherwise the slot must be committed, soon and by the same handler. */
struct ring_slot *ring_begin(struct ring *r);
void ring_commit(struct ring_slot *slot);

enum ring_state { RING_EMPTY, RING_TAKEN, RING_UNFINISHED };

/* Passes the oldest record to fn. RING_UNFINISHED: a handler is still filling the oldest slot. */
enum ring_state ring_take(struct ring *r, void (*fn)(void *arg, const struct record *record), void *arg);

#endif
