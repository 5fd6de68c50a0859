/*
 * Reads of memory that may not be there, from a signal handler, without a SIGSEGV handler of ours.
 *
 * Each page is asked for once: rt_sigprocmask with an impossible `how` copies its 8 bytes in and then fails,
 * EFAULT where the page is unreadable and EINVAL where it is fine, and changes nothing. About 0.1 us, and
 * a walk up a stack meets a new page only every few dozen frames.
 *
 * What remains: another thread unmapping the page between question and read. The stack of the running
 * thread is not unmapped while it runs, so that takes a wild pointer and a race of nanoseconds.
 */
#ifndef CPROF_SIG_SAFEREAD_H
#define CPROF_SIG_SAFEREAD_H

#include <stdbool.h>
#include <stdint.h>

/* The run of pages known to be readable. Start with {0}. */
struct saferead {
    uint64_t low, high;
};

/* Reads 8 bytes at address, which must be 8-aligned; false where that cannot be done. */
bool saferead_u64(struct saferead *s, uint64_t address, uint64_t *value);

#endif
