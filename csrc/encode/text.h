/*
 * Profiles as text, the debug=1 form of Go's runtime/pprof: what its tools and people's scripts read. Addresses in the
 * "@" lines are return addresses, as there; in the "#" lines they are those of the calls. Ordinary threads.
 */
#ifndef CPROF_ENCODE_TEXT_H
#define CPROF_ENCODE_TEXT_H

#include "base/buf.h"
#include "profile/model.h"
#include "profile/namer.h"

#include <stddef.h>
#include <stdint.h>

/* "NAME profile: total N" and a group for each stack; m has one value a sample. */
void text_counts(const char *name, const struct model *m, const struct namer *namer, struct buf *out);

/* alloc_objects, alloc_space, inuse_objects, inuse_space, without the trailer. */
void text_heap(const struct model *m, const struct namer *namer, struct buf *out);

/* "--- NAME:": contentions, delay in nanoseconds. period 0: it has no such line. */
void text_contention(const char *name, const struct model *m, int64_t period, bool has_period,
                     const struct namer *namer, struct buf *out);

/* As Go's %q: for label values. */
void text_quote(struct buf *out, const char *text, size_t n);

#endif
