/*
 * Column: the buffer behind the memoryviews that Model's columns are. It points into the model, which is
 * immutable, and keeps the Model alive. Not reachable from Python but as memoryview.obj. Needs the GIL.
 */
#ifndef CPROF_PY_COLUMN_TYPE_H
#define CPROF_PY_COLUMN_TYPE_H

#include "py/module.h"

extern PyType_Spec column_type_spec;

/* A read-only memoryview of n items at data, which belong to owner. format is a static "Q", "I" or "q".
 * NULL with an exception, which is already set when state is NULL. */
PyObject *column_view(const struct module_state *state, PyObject *owner, const char *format, const void *data,
                      size_t n);

#endif
