/*
 * The event loop: libevent's evhttp between our own poll() and our own deadlines, on a thread with a descriptor table
 * of its own: listeners, connections, the eventfd that wakes it and libevent's pipe are in no table of the host's. No
 * number the host sees differs, no child of a fork inherits any, and a host that closes what it finds closes none.
 * Threads of the host's cannot use them either: they ask by words in memory, and have the worker wake the loop
 * (http/work). What the loop's thread may not do while somebody waits for it is said in http/opening.
 *
 * Where that table cannot be had (base/thread) they are in the host's, which may have given the numbers to something
 * else: the poll is ours so that they can be asked after each wait and before the library touches them. A descriptor
 * that is gone, a listener that only fails, wake-ups in which nothing moves: the loop gives up, closes what is still
 * its own, and the server counts as not running.
 */
#ifndef CPROF_HTTP_LOOP_H
#define CPROF_HTTP_LOOP_H

#include <stdbool.h>

/* A door is a listener the loop accepts at, with the connections that came by it: 0 to LIMITS_DOORS - 1. It is opened
 * by the loop's thread, at the address that http/opening brings, and shut by it when whoever holds the server's lock
 * says so. */

enum loop_begun {
    LOOP_SERVES,
    LOOP_REFUSED, /* there is no loop, and who asked has been told why: nothing of it may be touched any more */
    LOOP_DESERTED /* likewise, but nobody waited for it any more */
};

/* On the loop's thread, first: opens the door at the address that opening_first was given. */
enum loop_begun loop_begin(void);

/* Then: serves until loop_ask_stop or until it gives up, then frees everything, open captures and the worker included.
 * ending() is called before the freeing begins, and after it has stopped answering who asks. */
void loop_run(void (*ending)(void));

/* Any ordinary thread, while the loop has not ended. */
void loop_ask_stop(void);

/* Something was asked for by http/opening. */
void loop_wake(void);

/* Cuts the connections that came by door i and closes it, soon; loop_wait_shut waits for that, without the lock. */
void loop_shut(int i);
void loop_wait_shut(int i);

/* Is the listener still there? Only for a door that is open, and before ending() was called. */
bool loop_listens(int i);

/* Removes the server's files, for a process that ends. */
void loop_leave(void);

void loop_after_fork_child(void);

#endif
