/*
 * The server that the environment or `cprof run` asks for: their words, read. Ordinary threads and constructors.
 */
#ifndef CPROF_API_OUTSIDE_H
#define CPROF_API_OUTSIDE_H

#include "api/core_table.h"
#include "base/status.h"

/* At address, which may be another one than wanted->http. */
enum status outside_serve(const struct cprof_outside *wanted, const char *address, struct reason *why);

#endif
