/* Ends a capture on a thread of ours: naming needs more stack than a caller may have, and opens files. */
#ifndef CPROF_API_FINISH_H
#define CPROF_API_FINISH_H

#include "base/buf.h"
#include "base/status.h"
#include "encode/capture.h"

/* Appends the profile to out. Frees c whatever happens. */
enum status finish_capture(struct capture *c, struct buf *out, struct reason *why);

#endif
