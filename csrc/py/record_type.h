/*
 * Record: one profile being taken of this process, as its bytes once it was stopped. Not stopped, it ends with the
 * object. Needs the GIL, which stop releases: it names and writes the profile.
 */
#ifndef CPROF_PY_RECORD_TYPE_H
#define CPROF_PY_RECORD_TYPE_H

#include "py/module.h"

extern PyType_Spec record_type_spec;

#endif
