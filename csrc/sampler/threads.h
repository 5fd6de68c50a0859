/*
 * The host's threads as they stand now, ours left out: what /proc tells of each. No thread is stopped, signalled or
 * asked: a signal would cut short calls that wait. So a thread that runs shows no place, and one that waits shows the
 * one where it entered the kernel.
 *
 * Ordinary threads; reads two files for each thread.
 */
#ifndef CPROF_SAMPLER_THREADS_H
#define CPROF_SAMPLER_THREADS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define THREAD_NAME_ROOM 16 /* as the kernel's: 15 bytes and a NUL */

#define THREAD_CALL_NONE    (-1) /* it runs, or waits for something that is no system call, such as a page */
#define THREAD_CALL_UNKNOWN (-2) /* nobody may know: the process gave up a user id */

struct thread_view {
    uint32_t tid;
    char state; /* of /proc/PID/stat: R runs or could, S and D wait, T stopped */
    char name[THREAD_NAME_ROOM];
    long call;       /* the system call that it waits in, or THREAD_CALL_* */
    uint64_t pc;     /* where; 0 where call is negative */
    uint32_t labels; /* its set: base/labels */
};

struct thread_views {
    struct thread_view *at; /* the main thread first, then by rising tid */
    size_t n;
};

/* STATUS_SYSTEM where /proc/self/task cannot be read, STATUS_NOMEM. On failure nothing needs to be freed. */
enum status threads_view(struct thread_views *out, struct reason *why);
void threads_fini(struct thread_views *v);

/* How many there are, 0 where that cannot be known. Reads one file, however many they are. */
size_t threads_count(void);

#endif
