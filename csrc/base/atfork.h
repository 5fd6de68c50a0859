/*
 * The only pthread_atfork of the library. Rooms register what they do around fork(); before() hooks run in
 * the order of rising rank (which is lock order), after hooks in falling rank.
 *
 * _Fork() runs no handlers: public entries call atfork_settle, which notices by the pid. A child of vfork must not call
 * us at all.
 */
#ifndef CPROF_BASE_ATFORK_H
#define CPROF_BASE_ATFORK_H

#include "base/lock.h"

struct atfork_hooks {
    enum lock_rank rank;
    void (*before)(void);       /* takes the room's lock; may be NULL */
    void (*after_parent)(void); /* drops it; may be NULL */
    void (*after_child)(void);  /* resets the room: no thread, no timer, no server; may be NULL */
};

#define ATFORK_MAX 32 /* rooms that register; more is a programming error, which tests/test_layers.py counts */

/* Registering the same struct twice is a no-op. Takes a LOCK_LEAF: not while holding one. */
void atfork_register(const struct atfork_hooks *hooks);

/* In a child that came by _Fork() runs every after_child, once. Otherwise does nothing. */
void atfork_settle(void);

#endif
