/*
 * The only pthread_atfork of the library. Rooms register their lock, and what they do in the child.
 *
 * No lock of ours is held during a fork: the host's own handlers run between ours and the fork, and may call us, or
 * wait for a thread that waits for us. The fork waits until each is free, and who wants one meanwhile waits a moment
 * for the fork (base/lock.h). Neither waits for long: after_child must cope with a room that was in the middle of
 * something, as it must after _Fork().
 *
 * _Fork() runs no handlers: public entries call atfork_settle, which notices by the pid, as it does where the host's
 * own handler in the child calls us before ours has run. A child of vfork must not call us at all.
 */
#ifndef CPROF_BASE_ATFORK_H
#define CPROF_BASE_ATFORK_H

#include "base/lock.h"

struct atfork_hooks {
    enum lock_rank rank;
    struct lock *lock;         /* is to be free at a fork; may be NULL */
    void (*after_child)(void); /* resets the room and its lock: no thread, no timer, no server. In falling rank */
};

#define ATFORK_MAX 32 /* rooms that register; more is a programming error, which tests/test_layers.py counts */

/* Registering the same struct twice is a no-op. Takes a LOCK_LEAF: not while holding one. */
void atfork_register(const struct atfork_hooks *hooks);

/* In a child in which that was not done runs every after_child, once. Otherwise does nothing. */
void atfork_settle(void);

#endif
