/*
 * The garbage collector of the program, where it has one: asked for by gc=1, before a snapshot of the heap. It is
 * called like any function of the program's (http/call): it may wait for an interpreter that is busy for long.
 */
#ifndef CPROF_HTTP_COLLECTOR_H
#define CPROF_HTTP_COLLECTOR_H

#include "http/exchange.h"

/* From a thread of the program's. collect returns 0, or -1 where nobody collects any more; NULL: there is none. Only
 * one call is in it at a time. */
void collector_set(int (*collect)(void));

bool collector_is_set(void);

/* Collects, then then(ex); where it did not come back in time the answer says so. */
void collector_run(struct exchange *ex, void (*then)(struct exchange *ex));

#endif
