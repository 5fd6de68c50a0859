/* The function of cprof._core that publishes: variables of cprof's own types, and functions. Needs the GIL. */
#ifndef CPROF_PY_PUBLISH_H
#define CPROF_PY_PUBLISH_H

#include "py/module.h"

PyObject *publish(PyObject *module, PyObject *args);

#endif
