/*
 * Two looks at the host's threads as an execution trace: each thread a goroutine that is called as the thread is, with
 * the place where it waits. Between the looks nobody looked: a thread that was in another state the second time changes
 * at the moment of that look, by the steps that Go's states need; one that was in the same state is shown in it again.
 *
 * Ordinary threads.
 */
#ifndef CPROF_ENCODE_THREADS_TRACE_H
#define CPROF_ENCODE_THREADS_TRACE_H

#include "base/buf.h"
#include "encode/naming.h"
#include "sampler/threads.h"

struct threads_look {
    struct thread_views views;
    uint64_t ns; /* of CLOCK_MONOTONIC, when it began */
};

/* On failure nothing needs to be freed; else threads_look_fini. */
enum status threads_look(struct threads_look *out, struct reason *why);
void threads_look_fini(struct threads_look *l);

/* names: of the places. */
enum status threads_trace_write(const struct threads_look *first, const struct threads_look *second,
                                enum naming_names names, struct buf *out, struct reason *why);

#endif
