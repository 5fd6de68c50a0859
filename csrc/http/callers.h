/*
 * The threads that call function variables. A function may block, and it may use the program's descriptors, of which
 * the server's threads have none: so a thread that one of the program's has started sleeps until functions are to be
 * called, and starts another one for each round. It is there only where functions are.
 */
#ifndef CPROF_HTTP_CALLERS_H
#define CPROF_HTTP_CALLERS_H

#include "encode/functions.h"

#include <stdint.h>

/* How long an answer waits for functions. A round that takes longer goes on by itself; the next leaves out the function
 * that it is in. */
#define CALLERS_LIMIT_NS INT64_C(2000000000)

/* There are functions. From a thread of the program's; does not wait. */
void callers_want(void);

/* A server is about to be, perhaps in a child of fork, which has the functions but not the thread. Likewise. */
void callers_need(void);

/* The round that runs, or a new one, with a reference; NULL: there is no thread. Any thread. */
struct functions *callers_ask(int64_t now_ns);

/* Threads of ours are to go, and may come back. */
void callers_rest(void);
void callers_resume(void);

#endif
