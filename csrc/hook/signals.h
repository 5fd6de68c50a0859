/*
 * Two kinds of signals that the host thinks are its own while our handler stands there: SIGPROF, of which it gets what
 * is not our tick (sig/claim), and, under `cprof run -o`, those whose default ends the process, so that the profile is
 * written before. The host sees, and sets, what it would without us.
 */
#ifndef CPROF_HOOK_SIGNALS_H
#define CPROF_HOOK_SIGNALS_H

#include "hook/next.h"

#include <stdbool.h>

int signals_action(int sig, const struct sigaction *action, struct sigaction *old);
hook_handler signals_bsd(int sig, hook_handler handler);
hook_handler signals_sysv(int sig, hook_handler handler);
hook_handler signals_set(int sig, hook_handler handler);
int signals_ignore(int sig);
int signals_interrupt(int sig, int interrupts);

/* Before a fatal signal that the host leaves at its default ends the process, hooks_tell_ending is called. Once, while
 * hooks are on. */
void signals_catch_fatal(void);

/* exec keeps what is ignored: where the host ignores SIGPROF the next program must find it so. True where that changed
 * something, to be undone when exec fails. */
bool signals_before_exec(void);

/* Before that: no tick may pend for the calling thread when it becomes another program, which would find it and end.
 * True where it is not sampled any more, which hooks_tell_unblocked undoes. */
bool signals_hold_ticks(void);
void signals_after_failed_exec(void);

#endif
