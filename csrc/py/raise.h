/* Status codes as exceptions. The only place where that is decided. Needs the GIL. */
#ifndef CPROF_PY_RAISE_H
#define CPROF_PY_RAISE_H

#include "py/module.h"

/* CoreError(name, sentence), or MemoryError. Always returns NULL, so that `return raise_status(...)` reads. */
PyObject *raise_status(const struct module_state *state, enum status code, const struct reason *why);

/* The same for what a call of the core's table refused, with its sentence. Call it right after: the sentence is kept
 * once per process. */
PyObject *raise_refusal(const struct module_state *state, int code);

/* What could not be published under name. */
void raise_publish(int code, PyObject *name);

/* cprof.UnsupportedError. */
void raise_unsupported(const char *sentence);

#endif
