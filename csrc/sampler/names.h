/*
 * What the host's threads are called, by id: kept while a thread lives, and for one more scan, so that samples of a
 * thread that has ended still find it. A name is read when the thread is first seen and, since threads are often named
 * late, again while samples come from it, the less often the longer it has stayed the same.
 *
 * Owned by sampler/cpu, under its lock. Memory is not the host's heap.
 */
#ifndef CPROF_SAMPLER_NAMES_H
#define CPROF_SAMPLER_NAMES_H

#include "base/tables.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMES_ROOM 16 /* as the kernel's: 15 bytes and a NUL */

struct name_slot {
    int32_t tid;
    bool sampled;          /* since it was last read */
    bool gone;             /* at the last scan */
    uint8_t wait;          /* scans until it may be read again */
    uint8_t patience;      /* how many it was the last time */
    char name[NAMES_ROOM]; /* zeros behind its end */
};

struct names {
    struct name_slot *at; /* by rising tid */
    size_t n;
    struct tables tables;  /* at is one of them, the next scan fills the other */
    void (*breathe)(void); /* as that of struct timers */
};

/* These are the threads now, in rising order. Reads /proc on the engine's thread, for new threads and a few others. */
void names_scan(struct names *names, const struct vec_u32 *tids);

/* "" where it is not known. Of a sample: any thread, nothing is read. */
const char *names_of(struct names *names, int32_t tid);

/* In a fork's child, whose threads have other ids. */
void names_forget(struct names *names);

#endif
