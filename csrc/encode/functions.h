/*
 * The values of function variables, which may be slow, block, or never come back: asked for in a step of its own, on
 * whatever thread can wait, before the document is written. One thread collects and calls; others may read results
 * meanwhile, and have those that are there.
 */
#ifndef CPROF_ENCODE_FUNCTIONS_H
#define CPROF_ENCODE_FUNCTIONS_H

#include "base/buf.h"

#include <stdint.h>

struct functions;
struct var;

/* All functions that are published, by themselves or in maps. NULL: out of memory. */
struct functions *functions_collect(void);

void functions_free(struct functions *f);

/* Calls each in turn, and no function twice at once: one that another round is in is waited for when all the others
 * have been called, but not beyond the limit, and not where it seems to hang. What it writes must be one valid JSON
 * value, or it is null. */
void functions_call(struct functions *f, int64_t limit_ns);

/* What v wrote, "null" where it failed, and so far for those that have not been called to their end. */
const char *functions_result(const struct functions *f, const struct var *v, size_t *n);

#endif
