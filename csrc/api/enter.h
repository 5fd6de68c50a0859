/*
 * Around every public call: a thread that is cancelled in here would leave a lock held, and a child of _Fork() has
 * state that belongs to its parent.
 */
#ifndef CPROF_API_ENTER_H
#define CPROF_API_ENTER_H

#include "api/last_error.h"
#include "base/atfork.h"
#include "base/status.h"

#include <pthread.h>

static inline int enter(void)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    atfork_settle();
    return cancel_state;
}

/* Keeps the sentence of a failure, and gives the status back. */
static inline int leave(int cancel_state, enum status status, const struct reason *why)
{
    last_error_keep(status, why);
    pthread_setcancelstate(cancel_state, NULL);
    return status;
}

#endif
