/*
 * A thread that blocks SIGPROF: its ticks would wait for it, and sigwait or a signalfd bring them to light as signals
 * that nobody sent. Its timer stands still from before it blocks the signal until after it has unblocked it.
 */
#ifndef CPROF_HOOK_MASKS_H
#define CPROF_HOOK_MASKS_H

#include <signal.h>

int masks_process(int how, const sigset_t *set, sigset_t *old);
int masks_thread(int how, const sigset_t *set, sigset_t *old);

#endif
