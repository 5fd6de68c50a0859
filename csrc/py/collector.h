/*
 * CPython's garbage collector while this process is served: gc=1 asks for a collection, and an entry in gc.callbacks
 * tells memstats of each. What others have in that list stays; who clears it is not argued with. Needs the GIL.
 */
#ifndef CPROF_PY_COLLECTOR_H
#define CPROF_PY_COLLECTOR_H

#include "py/module.h"

/* Functions of cprof._core. Watching twice is the same as once; a subinterpreter's collections are told too, but gc=1
 * is the main one's. */
PyObject *collector_watch(PyObject *module, PyObject *nothing);
PyObject *collector_forget(PyObject *module, PyObject *nothing);

#endif
