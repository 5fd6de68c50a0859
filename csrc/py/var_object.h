/*
 * What Int, Float, String and Map share: each object refers to one variable of the core's and holds one reference to
 * it; several may refer to the same one, and are equal then. They may not be derived from, and hold nothing of Python's
 * but their type. What they do is safe without a GIL: the variable's own atomics, and nothing in the object changes.
 */
#ifndef CPROF_PY_VAR_OBJECT_H
#define CPROF_PY_VAR_OBJECT_H

#include "api/vars_table.h"
#include "py/module.h"

struct var_object {
    PyObject ob_base;
    const struct cprof_vars *vars;
    struct var *var;
};

/* For tp_new: type(name=None). VarError where the name is taken. */
PyObject *var_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs, enum var_kind kind);

/* Another object for v, whose reference it takes over, also where it fails; None for what Python has no type for. */
PyObject *var_object_wrap(const struct module_state *state, struct var *v);

/* One of the four types? */
bool var_object_check(const struct module_state *state, PyObject *x);

void var_object_dealloc(PyObject *self);
Py_hash_t var_object_hash(PyObject *self);
PyObject *var_object_compare(PyObject *self, PyObject *other, int op);

/* A str as bytes: UTF-8, and what os.fsdecode made of other bytes is those bytes again. owner is to be dropped when
 * they are no longer needed. what: of the TypeError where it is no str. */
struct var_text {
    const char *bytes;
    size_t n;
    PyObject *owner;
};
bool var_text_of(PyObject *str, const char *what, struct var_text *out);

/* The way back. */
PyObject *var_text_str(const char *bytes, size_t n);

/* Arguments: at most one, NULL where there is none. */
bool var_object_one(const char *function, PyObject *const *args, Py_ssize_t n, PyObject **given);

/* An int, or what has __index__; OverflowError beyond 64 bits. None given: 1. */
bool var_object_int64(PyObject *given, int64_t *out);

/* Publishes v under a str; false with VarError, TypeError or MemoryError. */
bool var_object_publish(const struct module_state *state, PyObject *name, struct var *v);

static inline struct var_object *var_object_of(PyObject *self)
{
    return (struct var_object *)self;
}

#endif
