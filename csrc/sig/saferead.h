/*
 * Reads of memory that may not be there, from a signal handler, without a SIGSEGV handler of ours.
 *
 * Each page that is not known (sig/footing) is asked for once: rt_sigprocmask with an impossible `how` copies its
 * 8 bytes in and then fails, EFAULT where the page is unreadable and EINVAL where it is fine, and changes nothing.
 * About 0.1 us, and a walk up a stack meets a new page only every few dozen frames.
 *
 * What remains: another thread unmapping the page between question and read. The stack of the running
 * thread is not unmapped while it runs, so that takes a wild pointer and a race of nanoseconds.
 */
#ifndef CPROF_SIG_SAFEREAD_H
#define CPROF_SIG_SAFEREAD_H

#include <stdbool.h>
#include <stdint.h>

/* The smallest page of the supported machines; asking too often on larger ones is only slower. */
#define SAFEREAD_PAGE 4096u

/* The run of pages known to be readable. Start with {0}. */
struct saferead {
    uint64_t low, high;
};

/* Asks for the page of address, and if it is there adds it to the run, or begins a new one. */
bool saferead_ask(struct saferead *s, uint64_t address);

/* The reads are of foreign stacks, red zones included: not the sanitizers' business. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("address", "thread", "undefined")))
#endif
static inline uint64_t
saferead_load(uint64_t address)
{
    return *(const volatile uint64_t *)address;
}

/* Reads 8 bytes at address, which must be 8-aligned; false where that cannot be done. */
static inline bool saferead_u64(struct saferead *s, uint64_t address, uint64_t *value)
{
    if (address & 7 || ((address < s->low || address >= s->high) && !saferead_ask(s, address)))
        return false;
    *value = saferead_load(address);
    return true;
}

#endif
