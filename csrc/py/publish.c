#include "py/publish.h"

#include "py/function.h"
#include "py/var_object.h"

static struct var *variable_of(const struct module_state *state, PyObject *x, PyObject *encode)
{
    if (var_object_check(state, x))
        return state->door->vars->var_ref(var_object_of(x)->var);
    if (PyCallable_Check(x))
        return function_new(state->door, x, encode);
    PyErr_Format(PyExc_TypeError, "Int, Float, String, Map or a callable can be published, not %.100s",
                 Py_TYPE(x)->tp_name);
    return NULL;
}

PyObject *publish(PyObject *module, PyObject *args)
{
    const struct module_state *state = PyModule_GetState(module);
    PyObject *name, *x, *encode;
    if (!PyArg_ParseTuple(args, "OOO:publish", &name, &x, &encode))
        return NULL;
    struct var *v = variable_of(state, x, encode);
    if (!v)
        return NULL;
    bool published = var_object_publish(state, name, v);
    if (published && v->kind == VAR_FUNC)
        state->door->vars_call();
    state->door->vars->var_drop(v);
    return published ? Py_NewRef(Py_None) : NULL;
}
