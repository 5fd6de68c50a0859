/*
 * Functions of the program's, called for a request: pages, variables. Such a function may take a lock that somebody
 * holds for seconds (an interpreter's), or never return; and it uses the program's descriptors, of which the server's
 * threads have none. So a thread that one of the program's has started sleeps until something is to be called, and
 * starts another for each call. It is there only where functions are.
 *
 * A request waits no longer than its limit, and nobody else waits at all, the end of the server included: a call that
 * is still out then frees itself when it is done.
 */
#ifndef CPROF_HTTP_CALL_H
#define CPROF_HTTP_CALL_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;

#define CALL_LIMIT_NS INT64_C(2000000000)
#define CALL_MAX_OUT  32 /* at once; beyond it the answer is "late" at once. Half of what base/thread can keep apart */

/* The head of what a call needs and makes. */
struct call {
    void (*run)(struct call *self);  /* on a thread that has the program's descriptors */
    void (*free)(struct call *self); /* on whatever thread is the last to need it */

    /* call.c's */
    _Atomic uint32_t holders;
    struct exchange *ex; /* the loop's; NULL: nobody waits any more */
    struct call *next;
};

/* There are functions. From a thread of the program's; does not wait, and starts nothing before there is a server. */
void call_want(void);

/* A server is about to be, perhaps in a child of fork, which has the functions but not the thread. Likewise. */
void call_need(void);

/* Threads of ours are to go, and may come back. */
void call_rest(void);
void call_resume(void);

/* The loop's: from its beginning to when no exchange is left. */
void call_open(void);
void call_close(void);

/* then(ex, c, late): c is good until it returns. late: run may not have begun, or be in the middle; what it has made is
 * to be read by atomics then. Loop's thread. */
void call_start(struct exchange *ex, struct call *c, int64_t limit_ns,
                void (*then)(struct exchange *ex, struct call *c, bool late));

/* The same at once, on the caller's thread, which is one of the program's. */
void call_directly(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late));

/* Its exchange is going. */
void call_forget(struct call *c);

/* What has been done goes on. Loop's thread, after work_nudge came through. */
void call_collect(void);

#endif
