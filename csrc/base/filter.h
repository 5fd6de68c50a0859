/*
 * Filters for system calls (seccomp): what they do not expect may be the end of the process. Ordinary threads.
 */
#ifndef CPROF_BASE_FILTER_H
#define CPROF_BASE_FILTER_H

#include <stdbool.h>

/* Is the calling thread under one, or may it be? Some 10 us. */
bool filter_here(void);

#endif
