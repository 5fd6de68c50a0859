/*
 * One thread for what must not hold up the event loop: naming and encoding. Jobs go in from the loop's
 * thread and come back to it, so a job's owner needs no lock: while the job is out only run() touches it.
 *
 * It also wakes the loop for others. The loop sleeps in poll, in a descriptor table of its own: no thread of the host's
 * can write to what it polls. (A signal would need a handler, which the host can see; a pipe opened by its name in
 * /proc a descriptor in the host's table, if only for a moment, and /proc.) The worker has the loop's table and sleeps
 * on a futex, which anybody can wake.
 */
#ifndef CPROF_HTTP_WORK_H
#define CPROF_HTTP_WORK_H

#include "base/status.h"

#include <stdbool.h>

struct work {
    void (*run)(struct work *self);  /* on the worker; not called when the server stops before its turn */
    void (*done)(struct work *self); /* on the loop's thread, run or not, unless withdrawn */
    void (*late)(struct work *self); /* on the worker, instead of done, where work_stop did not wait for run */
    struct work *next;               /* of the queue */
};

/* All but work_nudge from the loop's thread. tell is called on the worker whenever work_collect has something or
 * somebody has nudged. Where the thread cannot be had, the next job tries again. */
void work_start(void (*tell)(void));

/* Has tell called, any time from before work_start on: at once, or when the job that runs is done. Any thread. */
void work_nudge(void);

/* Would a nudge come through at once? */
bool work_is_idle(void);

enum status work_submit(struct work *job, struct reason *why);
void work_collect(void);

/* Nobody wants it any more: true where its turn had not come, and then neither run nor done is called. */
bool work_withdraw(struct work *job);

/* Waits for the job that runs, http_limits.leave_ns at most: then that one, and its thread, are left to themselves,
 * since naming may wait for a disk that does not answer. The others come back undone. */
void work_stop(void);

/* In a fork's child: no thread, no jobs. */
void work_after_fork_child(void);

#endif
