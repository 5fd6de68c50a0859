/*
 * What the kernel says of this process as a whole. Ordinary threads; one descriptor at a time, open during a call only.
 */
#ifndef CPROF_SAMPLER_PROCSELF_H
#define CPROF_SAMPLER_PROCSELF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procself {
    uint64_t rss_bytes;   /* resident now */
    uint64_t data_bytes;  /* private and writable address space, the next one apart */
    uint64_t stack_bytes; /* of the first thread's stack */
    uint32_t threads;     /* ours included */
};

/* All 0 where /proc cannot be read. */
bool procself_read(struct procself *out);

/* Open descriptors in the process's table, that is its first thread's: 0 where they cannot be counted. */
uint32_t procself_descriptors(void);

/* Since the process was started, exec included in it. */
double procself_uptime_seconds(void);

/* Of any process; 0 where that is not known. */
double procself_age_seconds(pid_t pid);

#endif
