#include "py/var_object.h"
#include "py/var_types.h"

static PyObject *int_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return var_object_new(type, args, kwargs, VAR_INT);
}

static PyObject *int_add(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    PyObject *given;
    int64_t delta;
    if (!var_object_one("add", args, n, &given) || !var_object_int64(given, &delta))
        return NULL;
    var_object_of(self)->vars->int_add(var_object_of(self)->var, delta);
    Py_RETURN_NONE;
}

static PyObject *int_set(PyObject *self, PyObject *given)
{
    int64_t value;
    if (!var_object_int64(given, &value))
        return NULL;
    var_object_of(self)->vars->int_set(var_object_of(self)->var, value);
    Py_RETURN_NONE;
}

static int64_t value_of(PyObject *self)
{
    return var_object_of(self)->vars->int_value(var_object_of(self)->var);
}

static PyObject *int_value(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(value_of(self));
}

static PyObject *int_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<cprof.Int: %lld>", (long long)value_of(self));
}

static PyMethodDef int_methods[] = {
    {"add", (PyCFunction)(void (*)(void))int_add, METH_FASTCALL,
     "add($self, delta=1, /)\n--\n\nAdds in one atomic step; beyond 64 bits the sum wraps around."},
    {"set", int_set, METH_O, "set($self, value, /)\n--\n\nReplaces the number."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef int_getters[] = {
    {"value", int_value, NULL, "The number.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot int_slots[] = {
    {Py_tp_doc, "Int(name=None)\n--\n\nA 64-bit number that /debug/vars serves; without a name, one for a Map or for "
                "cprof.publish."},
    {Py_tp_new, int_new},
    {Py_tp_dealloc, var_object_dealloc},
    {Py_tp_hash, var_object_hash},
    {Py_tp_richcompare, var_object_compare},
    {Py_tp_repr, int_repr},
    {Py_tp_methods, int_methods},
    {Py_tp_getset, int_getters},
    {0, NULL},
};

PyType_Spec int_type_spec = {
    .name = "cprof.Int",
    .basicsize = sizeof(struct var_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = int_slots,
};
