/*
 * Python functions as variables: called for each reading, by a thread of cprof's that visits the interpreter (visit.h);
 * what they return is encoded as JSON. What cannot be, or an exception, is no value.
 */
#ifndef CPROF_PY_FUNCTION_H
#define CPROF_PY_FUNCTION_H

#include "py/module.h"

/* A variable with one reference, or NULL with an exception. encode takes what function returns and gives JSON as a str.
 * Both must not be given up while an interpreter may still call them: published variables stay. */
struct var *function_new(const struct cprof_core *door, PyObject *function, PyObject *encode);

#endif
