/*
 * The SIGPROF handler and its switch. The handler walks and appends to the ring, nothing else.
 *
 * A tick is ours if it comes from a timer and carries our tag, or from the descriptor of a perf event of ours
 * (sig/events); any other SIGPROF is handed to whoever had the signal before, as if we were not there. Once installed
 * the handler stays for the life of the process: a tick may be pending when its timer is deleted, and the default
 * action of SIGPROF kills.
 */
#ifndef CPROF_SIG_TICK_H
#define CPROF_SIG_TICK_H

#include "sig/ring.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Installs the handler where it does not stand already. False with errno where sigaction fails. Ordinary
 * threads, one at a time. */
bool tick_install(void);

/* While it stands: the host wants this for SIGPROFs that are not our ticks. See claim_show. */
void tick_show(const struct sigaction *host);

/* Does our handler still stand? The host may have put its own there. */
bool tick_installed(void);

/* From here on ticks tagged `run` are recorded into ring. */
void tick_on(struct ring *ring, uint32_t run, uint32_t period_ns);
void tick_off(void);

/* Does anybody sample, or may a tick still be made? Any context. */
bool tick_is_on(void);

/* Ticks that pend for the calling thread, since it blocks SIGPROF, are taken away; what others sent it stays. In
 * intercepted calls. */
void tick_drop_pending(void);

/* What a timer's sigev_value must be, for thread tid in engine run `run`. */
void *tick_tag(uint32_t run, int32_t tid);

/* True if no handler is running at this moment. What was unpublished before the call is then no longer
 * looked at by anyone. */
bool tick_quiet(void);

/* In a fork's child: off, and handlers that other threads were in do not exist here. */
void tick_after_fork_child(void);

#endif
