/*
 * The finer of the two CPU clocks: a perf event per thread of the host, which counts that thread's CPU time and sends
 * SIGPROF to it each time a period of it has passed in user mode. It ticks at any rate, not just at the kernel's own
 * tick, and its periods are random, so that nothing a program does over and over stays in step with it.
 *
 * A new period is drawn at a tick (sampler/periods says which): the handler wakes the engine, which has the descriptors
 * (sig/events). At another moment the kernel would throw away the period under way, and a program that sleeps in step
 * with that would be seen only in part.
 *
 * exclude_kernel always: an event that may tick in the kernel sends its signal over an exec into the next program. A
 * tick that was due there shows in the event's count only, and is CPU time in the kernel.
 *
 * Under the engine's lock; all but what says otherwise on the engine's thread, whose descriptors are its own.
 */
#ifndef CPROF_SAMPLER_PERFCLOCK_H
#define CPROF_SAMPLER_PERFCLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A new engine's thread begins. own: it has descriptors of its own; without, there are no events. wake: what it waits
 * for. */
void perfclock_begin(bool own, _Atomic uint32_t *wake);

/* Counts and ticks from now on. cpu_ns: what the thread has used. -1 where it cannot be had: timers then. */
int perfclock_open(int32_t tid, int64_t cpu_ns, uint32_t period_ns, uint64_t *random);
void perfclock_close(int fd);

void perfclock_set_period(int fd, uint32_t period_ns, uint64_t *random);

/* Does its thread still live, so far as its CPU time tells? cpu_ns: what the thread by that number had used just now.
 */
bool perfclock_lives(int fd, int64_t cpu_ns);

/* New periods for those that want one. */
void perfclock_answer(uint64_t *random);

/* CPU time in the kernel that all events have seen until they were last looked at: perfclock_look, an answer, the end.
 */
void perfclock_look(int fd);
int64_t perfclock_kernel_ns(void); /* on any thread */

/* On any thread: all events are to be closed, by the next perfclock_tidy. Their ticks are late until then. */
void perfclock_abandon(void);
bool perfclock_tidy(void); /* false: there was nothing to do */

void perfclock_after_fork_child(void);

#endif
