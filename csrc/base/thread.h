/*
 * Threads of ours. They start with every signal blocked, so that the host's signals never land on them,
 * and are registered, so that they appear in no profile. Detached: nobody joins them, they announce
 * their end by the word they were given. They do not keep the process alive when the host's last thread ends.
 */
#ifndef CPROF_BASE_THREAD_H
#define CPROF_BASE_THREAD_H

#include "base/status.h"

#include <stdbool.h>
#include <sys/types.h>

/* Starts run(arg) on a new thread called name (at most 15 bytes). Safe in a constructor: does not wait. */
enum status thread_start(const char *name, void (*run)(void *arg), void *arg, struct reason *why);

/* Has run(arg) done by such a thread, with a descriptor table of its own where that can be had, and waits. */
enum status thread_run(const char *name, void (*run)(void *arg), void *arg, struct reason *why);

/* The program has restricted its system calls: a new thread may be its death. For good. */
void thread_forbid(void);
bool thread_is_forbidden(void);

/* From inside a thread of ours: gives it a descriptor table of its own, empty, which the threads that it starts share.
 * What it opens is then no number of the host's, no child of a fork inherits it, and what the host closes and reuses is
 * none of its. False: that cannot be had (seccomp, or a kernel before 5.9 without /proc), and the table stays shared.
 * In builds with a sanitizer 0 to 2 stay open, for its reports. */
bool thread_own_descriptors(void);

/* Is tid one of ours? Any thread. */
bool thread_is_ours(pid_t tid);

/* How many of ours there are. Any thread. */
unsigned thread_ours_count(void);

/* Waits until no thread of ours exists, for so long at most; they have been told to end. False: some still do. */
bool thread_wait_for_none(int64_t within_ns);

/* CPU time that all threads of ours have used so far, ended ones included. */
int64_t thread_ours_cpu_ns(void);

#endif
