#include "py/var_object.h"
#include "py/var_types.h"

static PyObject *float_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return var_object_new(type, args, kwargs, VAR_FLOAT);
}

static PyObject *float_add(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    PyObject *given;
    if (!var_object_one("add", args, n, &given))
        return NULL;
    double delta = given ? PyFloat_AsDouble(given) : 1;
    if (delta == -1 && PyErr_Occurred())
        return NULL;
    var_object_of(self)->vars->float_add(var_object_of(self)->var, delta);
    Py_RETURN_NONE;
}

static PyObject *float_set(PyObject *self, PyObject *given)
{
    double value = PyFloat_AsDouble(given);
    if (value == -1 && PyErr_Occurred())
        return NULL;
    var_object_of(self)->vars->float_set(var_object_of(self)->var, value);
    Py_RETURN_NONE;
}

static PyObject *float_value(PyObject *self, void *closure)
{
    (void)closure;
    return PyFloat_FromDouble(var_object_of(self)->vars->float_value(var_object_of(self)->var));
}

static PyObject *float_repr(PyObject *self)
{
    PyObject *value = float_value(self, NULL);
    PyObject *text = value ? PyUnicode_FromFormat("<cprof.Float: %R>", value) : NULL;
    Py_XDECREF(value);
    return text;
}

static PyMethodDef float_methods[] = {
    {"add", (PyCFunction)(void (*)(void))float_add, METH_FASTCALL,
     "add($self, delta=1.0, /)\n--\n\nAdds in one atomic step."},
    {"set", float_set, METH_O, "set($self, value, /)\n--\n\nReplaces the number."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef float_getters[] = {
    {"value", float_value, NULL, "The number.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot float_slots[] = {
    {Py_tp_doc, "Float(name=None)\n--\n\nA float that /debug/vars serves; NaN and infinities are null there."},
    {Py_tp_new, float_new},
    {Py_tp_dealloc, var_object_dealloc},
    {Py_tp_hash, var_object_hash},
    {Py_tp_richcompare, var_object_compare},
    {Py_tp_repr, float_repr},
    {Py_tp_methods, float_methods},
    {Py_tp_getset, float_getters},
    {0, NULL},
};

PyType_Spec float_type_spec = {
    .name = "cprof.Float",
    .basicsize = sizeof(struct var_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = float_slots,
};
