/*
 * What the files of cprof._core share. All state hangs on the module, none is global, so that every
 * interpreter that imports it has its own. Everything here needs the GIL.
 */
#ifndef CPROF_PY_MODULE_H
#define CPROF_PY_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "api/analysis.h"
#include "api/core_table.h"
#include "vars/var.h"

#if PY_VERSION_HEX < 0x030a0000
static inline PyObject *Py_NewRef(PyObject *o)
{
    Py_INCREF(o);
    return o;
}
#endif

struct module_state {
    const struct cprof_analysis *core;
    const struct cprof_core *door; /* server and records, which are the process's: one for all interpreters */
    PyTypeObject *model_type, *column_type, *record_type, *custom_type;
    PyTypeObject *var_types[VAR_MAP + 1]; /* by enum var_kind; the first is NULL */
    PyObject *core_error;
    int64_t collecting_since_ns; /* 0: no collection is under way, or nobody watches */
};

/* The state behind an instance of one of our types; NULL with an exception when the interpreter is ending. */
static inline struct module_state *module_state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

#endif
