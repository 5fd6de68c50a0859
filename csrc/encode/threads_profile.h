/*
 * The host's threads as a profile, and as Go prints goroutines in a panic (debug=2). Ordinary threads.
 */
#ifndef CPROF_ENCODE_THREADS_PROFILE_H
#define CPROF_ENCODE_THREADS_PROFILE_H

#include "base/buf.h"
#include "profile/locate.h"
#include "sampler/threads.h"

/* One sample for each place and name of a thread. */
enum status threads_profile_fill(struct locator *locator, struct reason *why);

enum status threads_profile_dump(const struct namer *namer, struct buf *out, struct reason *why);

/* Go's word for what a thread does: "running", "semacquire", "sleep", "IO wait", "waiting", or "syscall". */
const char *threads_profile_state(const struct thread_view *v);

#endif
