/*
 * Reloaders (Flask's, Django's) import the program twice: in a parent that only watches files, and in the child that
 * serves, which inherits CPROF_HTTP and would find its port taken by its own parent. The child says what it is by a
 * variable in its environment, so the parent can see it coming: an audit hook closes the outside server just before
 * such a child starts.
 *
 * In C because audit hooks stay for the life of the process and are called for every audited event: this one costs a
 * comparison, one in Python seven times an id(). Only installed where the environment's server was opened.
 */
#ifndef CPROF_PY_HANDOVER_H
#define CPROF_PY_HANDOVER_H

#include "py/module.h"

/* Once per process, later calls do nothing. -1 with an exception. */
int handover_install(const struct cprof_core *door);

#endif
