/*
 * One thread for what must not hold up the event loop: naming and encoding. Jobs go in from the loop's
 * thread and come back to it, so a job's owner needs no lock: while the job is out only run() touches it.
 * The thread is started by the first job and ends with work_stop.
 */
#ifndef CPROF_HTTP_WORK_H
#define CPROF_HTTP_WORK_H

#include "base/status.h"

struct work {
    void (*run)(struct work *self);  /* on the worker; not called when the server stops before its turn */
    void (*done)(struct work *self); /* on the loop's thread, always, run or not */
    struct work *next;               /* of the queue */
};

/* All from the loop's thread. ready is called on the worker whenever work_collect has something; it may use the
 * descriptor keep, the only one of the process that the worker shares. */
void work_start(void (*ready)(void), int keep);
enum status work_submit(struct work *job, struct reason *why);
void work_collect(void);

/* Waits for the job that runs; the others come back undone. */
void work_stop(void);

/* In a fork's child: no thread, no jobs. */
void work_after_fork_child(void);

#endif
