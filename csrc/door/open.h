/* Opening the core, the same way for every door of C: one core per process, whichever doors are open together. */
#ifndef CPROF_DOOR_OPEN_H
#define CPROF_DOOR_OPEN_H

#include "api/core_table.h"

#include <stdbool.h>

/* Opens it when first called. NULL: why is in open_error. */
const struct cprof_core *open_core(void);

/* The core if it is open, by whatever door. */
const struct cprof_core *open_core_if_open(void);

/* The core if this door has opened it: one load, the loader is not asked. */
const struct cprof_core *open_core_known(void);

const char *open_error(void);

/* CPROF_DISABLE. */
bool open_is_disabled(void);

#endif
