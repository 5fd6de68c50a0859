/*
 * The debug HTTP server: at most one per process, one event-loop thread and one worker thread, both ours
 * (base/thread). Loopback only, until its security room opens more.
 */
#ifndef CPROF_HTTP_SERVER_H
#define CPROF_HTTP_SERVER_H

#include "base/status.h"

#include <stddef.h>

/* Binds and answers from the moment it returns. address: "127.0.0.1:6060", "6060", ":6060",
 * "localhost:6060", "[::1]:6060", "1" (= 127.0.0.1:6060); port 0 picks one.
 * STATUS_BUSY (a server runs), STATUS_ADDRESS, STATUS_IN_USE, STATUS_DENIED (not loopback), STATUS_SYSTEM. */
enum status server_start(const char *address, struct reason *why);

/* "127.0.0.1:6060" of the running server into text; STATUS_NOT_RUNNING otherwise. */
enum status server_address(char *text, size_t room);

/* Closes listener and connections, ends open profile windows, waits for both threads to be done with our
 * state. STATUS_NOT_RUNNING when there was none. Not from one of our threads. */
enum status server_stop(void);

#endif
