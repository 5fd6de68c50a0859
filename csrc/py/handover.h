/*
 * Reloaders (Flask's, Django's) import the program twice: in a parent that only watches files, and in the child that
 * serves, which inherits CPROF_HTTP and would find its port taken by its own parent. The child says what it is by a
 * variable in its environment, so the parent can see it coming: an audit hook closes the outside server just before
 * such a child starts.
 *
 * In C because audit hooks stay for the life of the process and are called for every audited event: this one adds 20 ns
 * to each, one in Python 140. Only installed where the environment's server was opened.
 */
#ifndef CPROF_PY_HANDOVER_H
#define CPROF_PY_HANDOVER_H

#include "py/module.h"

/* Once per process, later calls do nothing. Where a hook of the program's refuses ours the server stays where it is. */
void handover_install(const struct cprof_core *door);

#endif
