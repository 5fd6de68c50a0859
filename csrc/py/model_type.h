/* Model, the one type of cprof._core: an immutable struct model. Its documentation is cprof/_core.pyi. */
#ifndef CPROF_PY_MODEL_TYPE_H
#define CPROF_PY_MODEL_TYPE_H

#include "py/module.h"

extern PyType_Spec model_type_spec;

#endif
