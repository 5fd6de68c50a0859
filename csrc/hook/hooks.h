/*
 * Intercepted calls: what they go on to, whose they are, and what they tell the rest of cprof.
 *
 * Everything in hook/ runs inside a call of the host's: on any thread, in its signal handlers, in children of vfork,
 * which share our memory but are another process. What is not the process that was set up goes straight on.
 */
#ifndef CPROF_HOOK_HOOKS_H
#define CPROF_HOOK_HOOKS_H

#include "hook/next.h"

#include <stdbool.h>

struct hook_events {
    /* This program image is about to end: by exec (which may yet fail), _exit or a fatal signal. True for the caller
     * who is the first to say so, and who says it where the exec failed: then it has not ended. Any context. */
    bool (*ending)(void);
    void (*not_ended)(void);
    /* The host is about to restrict its system calls: afterwards ours may be its death. An ordinary context. */
    void (*secluding)(void);
    /* The calling thread is about to block SIGPROF; it has unblocked it. Any context. */
    void (*blocking)(void);
    void (*unblocked)(void);
    /* The host asks for what the kernel only grants to a process of one thread: ours must not be the reason that it
     * does not. Afterwards they may come back. */
    void (*resting)(void);
    void (*rested)(void);
};

/* Whom calls go on to. The struct must live for ever. */
extern const struct hook_functions *hook_next;

/* The functions that take the calls. */
extern const struct hook_functions hook_functions;

/* From here on events are told. next and events must live for ever. Ordinary threads. */
void hooks_start(const struct hook_functions *next, const struct hook_events *events);

/* Is the calling process the one that was set up (or a child of its fork, where the pthread_atfork handlers ran)? No
 * more after it has restricted its system calls. */
bool hooks_are_for_here(void);

/* Nobody is told of anything: not yet, or no more, as the host has restricted its system calls. */
bool hooks_are_over(void);

/* True: hooks_tell_not_ended is wanted where it does not end after all. */
bool hooks_tell_ending(void);
void hooks_tell_not_ended(void);
void hooks_tell_secluding(void);
void hooks_tell_blocking(void);
void hooks_tell_unblocked(void);
void hooks_tell_resting(void);
void hooks_tell_rested(void);

#endif
