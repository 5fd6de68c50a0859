/*
 * The event loop: libevent's evhttp between our own poll() and our own deadlines. The poll is ours because the
 * host may have given our descriptors' numbers to something else: they are asked after each wait and before
 * the library touches them. A descriptor that is gone, a listener that only fails, wake-ups in which nothing
 * moves: the loop gives up, closes what is still its own, and the server counts as not running.
 */
#ifndef CPROF_HTTP_LOOP_H
#define CPROF_HTTP_LOOP_H

#include "base/status.h"
#include "http/listener.h"

#include <stdbool.h>

/* A door is a listener the loop accepts at, with the connections that came by it: 0 to LIMITS_DOORS - 1. It is opened
 * and shut by whoever holds the server's lock, and worked at by the loop's thread alone. */

/* Opens door 0 for l. Takes l over, also on failure. On the thread that starts the server. */
enum status loop_open(const struct listener *l, struct reason *why);

/* On the loop's thread: serves until loop_ask_stop or until it gives up, then frees everything, open captures
 * and the worker included. ending() is called before the freeing begins. */
void loop_run(void (*ending)(void));

/* Undoes loop_open when no thread could be had. */
void loop_close(void);

/* Any ordinary thread, while the loop has not ended. */
void loop_ask_stop(void);

/* One more door, -1 where none is free; takes l over then. Its clients wait in the backlog until the loop comes by. */
int loop_add(const struct listener *l);

/* Cuts the connections that came by door i and closes it, soon; loop_wait_shut waits for that, without the lock. */
void loop_shut(int i);
void loop_wait_shut(int i);

/* Is the listener still there? Only for a door that is open, and before ending() was called. */
bool loop_listens(int i);

/* Removes the server's files, for a process that ends. */
void loop_leave(void);

void loop_after_fork_child(void);

#endif
