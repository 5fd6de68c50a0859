/*
 * Int, Float, String and Map: variables that /debug/vars serves, a file each. They are cprof's public types as they
 * stand, so that counting is one call of C.
 */
#ifndef CPROF_PY_VAR_TYPES_H
#define CPROF_PY_VAR_TYPES_H

#include "py/module.h"

extern PyType_Spec int_type_spec, float_type_spec, string_type_spec, map_type_spec;

#endif
