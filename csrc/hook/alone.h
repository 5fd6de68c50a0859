/*
 * Calls for which the threads of ours go. What the kernel only grants to a process of one thread, to leave for a user
 * namespace or to join another's: they come back. A filter for system calls: they do not.
 */
#ifndef CPROF_HOOK_ALONE_H
#define CPROF_HOOK_ALONE_H

#include <stdbool.h>

int alone_unshare(int flags);
int alone_setns(int fd, int kind);

/* Is it such a call, made by number? Then it is made through this. */
bool alone_is_wanted(long number, long first, long second);
long alone_call(long (*call)(const void *arg), const void *arg);

/* The host is about to restrict its system calls. */
void alone_seclude(void);

#endif
