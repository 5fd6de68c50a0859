/*
 * CustomProfile: a profile of the program's own, whose values are numbers here; what they stand for, and that they are
 * hashed and compared as Python does, is the package's business. It lives as long as the process.
 */
#ifndef CPROF_PY_CUSTOM_TYPE_H
#define CPROF_PY_CUSTOM_TYPE_H

#include "py/module.h"

extern PyType_Spec custom_type_spec;

#endif
