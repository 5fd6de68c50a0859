/*
 * What the profiler is doing in this process, and what the process is to the kernel: for the index page, and as the
 * variable `cprof` of /debug/vars. Ordinary threads, any number at once.
 */
#ifndef CPROF_ENCODE_VITALS_H
#define CPROF_ENCODE_VITALS_H

#include "base/buf.h"
#include "base/labels.h"
#include "sampler/cpu.h"

#include <stdbool.h>
#include <stdint.h>

struct vitals {
    const char *version; /* "" before the core is set up */

    struct cpu_stats cpu; /* totals since the start of the process, and what is in force now: sampler/cpu.h says more */
    /* Stacks recorded for each second of CPU that the host used while it was sampled (outside of the kernel, where that
     * is known): above the kernel's own tick, where one stands for several ticks, and where some are lost, it is less
     * than the rate asked. 0 before a tenth of a second was sampled. */
    double cpu_hz_achieved;

    uint32_t threads;      /* the host's */
    uint32_t threads_ours; /* 0 for both where /proc cannot be read */
    uint32_t descriptors;  /* open in the first thread's table, the host's; 0 where they cannot be counted */
    uint64_t rss_bytes;
    double uptime_seconds; /* of the process */

    bool calls_preloaded;      /* the host's calls pass through `cprof run`'s library */
    uint32_t calls_redirected; /* otherwise: places where they are redirected to us now */

    struct labels_stats labels;

    const char
        *names_taken; /* names are off: a function of our symbol reader that the host defines. NULL: all is well */

    /* Rings, tables of unwind rows, stacks collected, names, labels, timers. Not in it: libraries' code and data, the
     * threads' own stacks, connections and answers, and what naming and encoding a profile takes from malloc while it
     * lasts. */
    uint64_t memory_bytes;
    uint64_t names_bytes; /* of it: names kept for later profiles, KNOWN_MAX_BYTES at most */
};

/* Must live for ever. Before anything is asked. */
void vitals_set_version(const char *version);

/* Costs two reads of /proc and a look at its list of descriptors, some 30 µs; a lock of ours is held for a moment. */
void vitals_read(struct vitals *out);

/* One JSON object in one line, keys sorted: {"cpu_hz": 0, "cpu_hz_achieved": 0, ...}. May be 100 ms old, as may what
 * follows. */
void vitals_put_json(struct buf *out);

/* Families of cprof_..., each with its TYPE line; the document's end is the caller's. */
void vitals_put_metrics(struct buf *out);

#endif
