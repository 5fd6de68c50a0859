/*
 * Ticks of perf events, seen from the handler: a cell for each of our descriptors, which are in a table that the host's
 * threads do not have. An overflow comes as SIGPROF with the number of its descriptor.
 *
 * A new period is drawn by whoever has the descriptors, and just behind a tick: then nothing of a period under way is
 * thrown away. So the handler counts the ticks of the period in force, and with the last one wakes that thread.
 */
#ifndef CPROF_SIG_EVENTS_H
#define CPROF_SIG_EVENTS_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENTS_MAX 4096

struct event_cell {
    _Atomic int32_t tid;   /* whose ticks these are; 0: of nobody now */
    _Atomic bool ever;     /* was ours once: a late signal may still come */
    _Atomic bool first;    /* the period in force only sets the first tick's time: later ones do not count */
    _Atomic uint32_t left; /* ticks until a new period is wanted */
    _Atomic uint32_t came; /* signals, and those of them that count; by the handler, on the thread's own */
    _Atomic uint32_t kept;
};

extern struct event_cell event_cells[EVENTS_MAX];

/* How many are open: while there are any a tick may come, though nobody samples. */
extern _Atomic uint32_t events_open;

/* From here on *word is raised, and who waits for it woken, when a new period is wanted. */
void events_wake(_Atomic uint32_t *word);

/* Is this signal an overflow of an event of ours, or of one that was? In the handler. */
bool events_sent(const siginfo_t *info);

/* In the handler, for such a signal: false where it does not count. *tid: 0 for one that comes too late. */
bool events_count(const siginfo_t *info, int32_t *tid);

/* Events that want a new period, 64 at a time: bits of descriptors 64 * word and on. Not asked again before they are
 * answered by a new `left`. The thread that has the descriptors. */
uint64_t events_asking(uint32_t word);

/* The first n cells belong to nobody. */
void events_forget(uint32_t n);

#endif
