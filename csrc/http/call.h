/*
 * Functions of the program's, called for a request on a thread that has nothing else to do: they may take a lock that
 * somebody holds for seconds (an interpreter's), or never return. The request waits no longer than its limit, and
 * nobody else waits at all, the end of the server included: a call that is still out then frees itself when it is done.
 *
 * The thread is started when first wanted and ends with the server.
 */
#ifndef CPROF_HTTP_CALL_H
#define CPROF_HTTP_CALL_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;

#define CALL_LIMIT_NS    INT64_C(2000000000)
#define CALL_MAX_WAITING 64 /* behind one that does not return; beyond it the answer is "late" at once */

/* The head of what a call needs and makes. */
struct call {
    void (*run)(struct call *self);  /* on the calls' thread */
    void (*free)(struct call *self); /* on whatever thread is the last to need it */

    /* call.c's */
    _Atomic uint32_t holders;
    struct exchange *ex; /* the loop's; NULL: nobody waits any more */
    struct call *next;
};

/* then(ex, c, late): c is good until it returns. late: run may not have begun, or be in the middle; what it has made is
 * to be read by atomics then. Loop's thread. */
void call_start(struct exchange *ex, struct call *c, int64_t limit_ns,
                void (*then)(struct exchange *ex, struct call *c, bool late));

/* The same at once, on the caller's thread. */
void call_directly(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late));

/* Its exchange is going. */
void call_forget(struct call *c);

/* What has been done goes on. Loop's thread, after work_nudge came through. */
void call_collect(void);

/* When no exchange is left. */
void call_stop(void);

void call_after_fork_child(void);

#endif
