/*
 * The event loop: libevent's evhttp between our own poll() and our own deadlines. The poll is ours because the
 * host may have given our descriptors' numbers to something else: they are asked after each wait and before
 * the library touches them. A descriptor that is gone, a listener that only fails, wake-ups in which nothing
 * moves: the loop gives up, closes what is still its own, and the server counts as not running.
 */
#ifndef CPROF_HTTP_LOOP_H
#define CPROF_HTTP_LOOP_H

#include "base/descriptor.h"
#include "base/status.h"

#include <stdbool.h>

/* Takes listener over, also on failure. On the thread that starts the server. */
enum status loop_open(struct descriptor listener, struct reason *why);

/* On the loop's thread: serves until loop_ask_stop or until it gives up, then frees everything, open captures
 * and the worker included. ending() is called before the freeing begins. */
void loop_run(void (*ending)(void));

/* Undoes loop_open when no thread could be had. */
void loop_close(void);

/* Any ordinary thread, while the loop has not ended. */
void loop_ask_stop(void);

/* Is the listener still there? Only before ending() was called. */
bool loop_listens(void);

void loop_after_fork_child(void);

#endif
