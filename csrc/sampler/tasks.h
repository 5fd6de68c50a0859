/* The threads of this process, from /proc/self/task. Ordinary threads; one descriptor, open during the call only. */
#ifndef CPROF_SAMPLER_TASKS_H
#define CPROF_SAMPLER_TASKS_H

#include "base/vec.h"

/* Replaces tids by the live threads' ids, in rising order. False where /proc cannot be read (no descriptor
 * left, no /proc): tids is then empty. */
bool tasks_list(struct vec_u32 *tids);

#endif
