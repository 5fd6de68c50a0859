/*
 * Moments in which nothing of ours may be in the host's way.
 *
 * A host that restricts its own system calls (seccomp): under a filter that only knows of those, ours would be its end.
 * One that asks for what only a process of one thread is given: threads of ours go, and come back.
 */
#ifndef CPROF_API_QUIET_H
#define CPROF_API_QUIET_H

#include <stdbool.h>

/* Ends sampling and serving for the rest of this process. False where a thread of ours does not end in time. */
bool quiet_go(void);

/* Ends every thread of ours, then goes on where that was left: windows stay open, servers come back at their addresses,
 * connections are cut. By one thread at a time. */
void quiet_rest(void);
void quiet_resume(void);

#endif
