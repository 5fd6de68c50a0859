/* The labels of C code, which live without the core; see door/labels.c. */
#ifndef CPROF_DOOR_LABELS_H
#define CPROF_DOOR_LABELS_H

#include "api/core_table.h"

/* The core is there: of its sets and ours those that were there first are in force. */
void labels_join(const struct cprof_core *core);

#endif
