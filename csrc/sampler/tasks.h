/*
 * The threads of this process as /proc tells of them. Ordinary threads; one descriptor at a time, open during a call
 * only.
 */
#ifndef CPROF_SAMPLER_TASKS_H
#define CPROF_SAMPLER_TASKS_H

#include "base/vec.h"

/* Replaces tids by the live threads' ids, in rising order. False where /proc cannot be read (no descriptor left, no
 * /proc, or that of another namespace, whose numbers mean others here): tids is then empty. */
bool tasks_list(struct vec_u32 *tids);

/* Is tid a thread of this process now, whatever was read a moment ago? */
bool tasks_is_own(int32_t tid);

enum tasks_consent { TASKS_YES, TASKS_NO, TASKS_UNKNOWN, TASKS_ASLEEP, TASKS_GONE };

/*
 * May thread tid be sent SIGPROF? Not while it blocks it: the signal would wait for it, and sigwait, a signalfd or
 * ppoll would bring it to light as one the host never asked for. Not in strict seccomp mode either, where returning
 * from a handler that asked the kernel anything is death. TASKS_UNKNOWN while it waits under a mask that is not its own
 * (ppoll, sigsuspend); TASKS_ASLEEP while it sleeps in a process whose calls nobody may read, so that it might;
 * TASKS_GONE for a thread that has ended.
 */
enum tasks_consent tasks_may_signal(uint32_t tid);

/* How many more signals may be queued for this user until half of RLIMIT_SIGPENDING is used: each timer of ours takes
 * one, and the host wants some too. */
uint64_t tasks_queue_room(void);

#endif
