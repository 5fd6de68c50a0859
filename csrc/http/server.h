/*
 * The debug HTTP server: at most one per process, one event-loop thread and one worker thread, both ours
 * (base/thread). Loopback and unix sockets only, unless a wish (http/policy) says more.
 *
 * It can be asked for twice: by the program, and from outside of it (the environment, `cprof run`). Each has its own
 * address and knows nothing of the other's, so that a program that serves by itself gets what it would get without us.
 */
#ifndef CPROF_HTTP_SERVER_H
#define CPROF_HTTP_SERVER_H

#include "base/status.h"
#include "http/policy.h"

#include <stddef.h>

enum server_side { SERVER_INSIDE, SERVER_OUTSIDE };

/* Binds and takes connections from the moment it returns. address: "127.0.0.1:6060", "6060", ":6060",
 * "localhost:6060", "[::1]:6060", "1" (= 127.0.0.1:6060), "unix:/path"; port 0 picks one.
 * SERVER_INSIDE: STATUS_BUSY where it is open; the very address that the outside has is shared with it.
 * SERVER_OUTSIDE: STATUS_OK where it is open.
 * STATUS_ADDRESS, STATUS_IN_USE, STATUS_DENIED (not loopback), STATUS_SYSTEM; STATUS_BUSY while the server ends. */
enum status server_start(enum server_side side, const char *address, struct reason *why);

/* The same with more said of who is let in; STATUS_INVALID where that makes no sense. */
enum status server_start_with(enum server_side side, const char *address, const struct policy_wish *wish,
                              struct reason *why);

/* The same as it was the last time, for a side that was closed for a while: no file is read again. */
enum status server_start_again(enum server_side side, const char *address, struct reason *why);

/* "127.0.0.1:6060" of an open side into text; STATUS_NOT_RUNNING otherwise. */
enum status server_address(enum server_side side, char *text, size_t room);

/* Closes the listener and the connections that came by it. With the last one goes the server: it ends open profile
 * windows and waits for both threads to be done with our state. STATUS_NOT_RUNNING when the side was not open. Not
 * from one of our threads. */
enum status server_stop(enum server_side side);
void server_stop_all(void);

#endif
