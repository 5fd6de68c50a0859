/*
 * The part of the index page that says what the profiler does in this process, and what it cannot do: engines, rates,
 * threads, hooks, losses with their reasons, memory.
 */
#ifndef CPROF_HTTP_HEALTH_H
#define CPROF_HTTP_HEALTH_H

#include "base/buf.h"

/* Appends a table. Costs what vitals_read costs; the loop's thread may. */
void health_put(struct buf *out);

#endif
