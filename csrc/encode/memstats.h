/*
 * sampler/memstats as text: as Go's expvar, as the end of Go's heap profile, and as OpenMetrics. Ordinary threads, any
 * number at once; no lock of ours may be held that an allocation wants.
 */
#ifndef CPROF_ENCODE_MEMSTATS_H
#define CPROF_ENCODE_MEMSTATS_H

#include "base/buf.h"

/* One JSON object in one line, as Go's encoding/json writes runtime.MemStats: every field, in its order. What is put
 * may be 100 ms old. */
void memstats_put_json(struct buf *out);

/* What a heap profile with debug=1 ends with, from the blank line before "# runtime.MemStats" to MaxRSS. */
void memstats_put_trailer(struct buf *out);

/* Families of cprof_memstats_..., each with its TYPE line; the document's end is the caller's. Fields that are always 0
 * are left out. */
void memstats_put_metrics(struct buf *out);

#endif
