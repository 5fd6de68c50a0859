/* A host that restricts its own system calls (seccomp): under a filter that only knows of those, ours would be its end.
 */
#ifndef CPROF_API_QUIET_H
#define CPROF_API_QUIET_H

#include <stdbool.h>

/* Ends sampling and serving for the rest of this process. False where a thread of ours does not end in time. */
bool quiet_go(void);

#endif
