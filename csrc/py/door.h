/*
 * The functions of cprof._core that switch something on in this process: the program's own server, and the one that was
 * asked for from outside. Both belong to the process, whichever interpreter asks. Every function needs the GIL, and
 * releases it where the core may wait.
 */
#ifndef CPROF_PY_DOOR_H
#define CPROF_PY_DOOR_H

#include "py/module.h"

extern PyMethodDef door_methods[];

#endif
