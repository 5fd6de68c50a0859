#include "py/custom_type.h"

#include "base/any/here.h"
#include "py/raise.h"

#include <stdatomic.h>
#include <stdbool.h>

struct custom_object {
    PyObject ob_base;
    const struct cprof_core *door;
    struct cprof_profile *profile;
};

static PyObject *custom_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError, "cannot create '%s' instances: use make", type->tp_name);
    return NULL;
}

static PyObject *custom_make(PyObject *type, PyObject *args)
{
    PyTypeObject *custom_type = (PyTypeObject *)type;
    const struct module_state *state = PyType_GetModuleState(custom_type);
    struct cprof_profile *profile = NULL;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:make", &name))
        return NULL;
    PyThreadState *saved = PyEval_SaveThread();
    int status = state->door->profile_new(name, &profile);
    PyEval_RestoreThread(saved);
    if (status < 0)
        return raise_refusal(state, status);
    struct custom_object *object = (struct custom_object *)custom_type->tp_alloc(custom_type, 0);
    if (object) {
        object->door = state->door;
        object->profile = profile;
    }
    return (PyObject *)object;
}

static void custom_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The GIL is kept where only a few words' lock may be waited for. The first of a process waits until it is known how to
 * walk, which takes as long as there are libraries. */
static int add(const struct custom_object *object, unsigned long long value, int skip, const struct here *here)
{
    static _Atomic bool walked;
    const void *key = (const void *)(uintptr_t)value;
    if (atomic_load(&walked))
        return object->door->profile_add(object->profile, key, skip, here);
    PyThreadState *saved = PyEval_SaveThread();
    int status = object->door->profile_add(object->profile, key, skip, here);
    PyEval_RestoreThread(saved);
    atomic_store(&walked, true);
    return status;
}

static PyObject *custom_add(PyObject *self, PyObject *args)
{
    const struct custom_object *object = (struct custom_object *)self;
    struct here here = {0};
    unsigned long long value;
    int skip;
    HERE_NOW(&here);
    if (!PyArg_ParseTuple(args, "Ki:add", &value, &skip))
        return NULL;
    int status = add(object, value, skip, &here);
    if (status < 0) {
        const struct module_state *state = module_state_of(self);
        return state ? raise_refusal(state, status) : NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *custom_remove(PyObject *self, PyObject *value)
{
    const struct custom_object *object = (struct custom_object *)self;
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (PyErr_Occurred())
        return NULL;
    object->door->profile_remove(object->profile, (const void *)(uintptr_t)number);
    Py_RETURN_NONE;
}

static PyObject *custom_count(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    const struct custom_object *object = (struct custom_object *)self;
    return PyLong_FromLong(object->door->profile_count(object->profile));
}

static PyMethodDef custom_methods[] = {
    {"make", custom_make, METH_VARARGS | METH_CLASS, "A new profile: (name)."},
    {"add", custom_add, METH_VARARGS, "Adds a number with the stack of this thread: (number, skip)."},
    {"remove", custom_remove, METH_O, "Takes a number out."},
    {"count", custom_count, METH_NOARGS, "How many there are."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot custom_slots[] = {
    {Py_tp_doc, "A profile of the program's own, of numbers."},
    {Py_tp_new, custom_new},
    {Py_tp_dealloc, custom_dealloc},
    {Py_tp_methods, custom_methods},
    {0, NULL},
};

PyType_Spec custom_type_spec = {
    .name = "cprof._core.CustomProfile",
    .basicsize = sizeof(struct custom_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = custom_slots,
};
