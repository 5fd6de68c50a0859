/*
 * What is published as the document of /debug/vars: JSON in expvar's layout, a name a line, sorted by their bytes,
 * valid whatever the program has put in.
 *
 * Writing takes no lock for long and calls nothing of the program's but its allocator.
 */
#ifndef CPROF_ENCODE_EXPVAR_H
#define CPROF_ENCODE_EXPVAR_H

#include "encode/functions.h"

#include <stdbool.h>

#define EXPVAR_TYPE "application/json; charset=utf-8"

/* Bounds for what could go on for ever, a map that contains itself: deeper, and further than so many bytes, is null. */
#define EXPVAR_DEPTH         16
#define EXPVAR_MAX_BYTES     ((size_t)64 << 20)
#define EXPVAR_MAX_FUNCTIONS 10000

/* False: with no functions given one was met, and out is not complete: collect and call them, then write again. */
bool expvar_write(struct buf *out, const struct functions *functions);

/* One variable's value, for a document of another kind. */
bool expvar_write_value(struct buf *out, struct var *v, const struct functions *functions);

#endif
