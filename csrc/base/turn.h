/*
 * One at a time in something of the program's that may take its time, or never come back: who wants in waits, but not
 * for ever. A child of fork starts with nobody inside. Ordinary threads; zeroed is free.
 */
#ifndef CPROF_BASE_TURN_H
#define CPROF_BASE_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct turn {
    _Atomic int64_t since_ns; /* when somebody went in last */
    _Atomic uint32_t inside;  /* the process that is in it, else 0 */
};

/* Waits until until_ns (base/clock), and no longer than until whoever is inside has been there for hangs_ns. */
bool turn_take(struct turn *t, int64_t until_ns, int64_t hangs_ns);
void turn_end(struct turn *t);

#endif
