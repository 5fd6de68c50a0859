#include "py/var_object.h"
#include "py/var_types.h"

static PyObject *string_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return var_object_new(type, args, kwargs, VAR_STRING);
}

static PyObject *string_set(PyObject *self, PyObject *given)
{
    struct var_text text;
    if (!var_text_of(given, "value", &text))
        return NULL;
    bool set = var_object_of(self)->vars->string_set(var_object_of(self)->var, text.bytes, text.n);
    Py_DECREF(text.owner);
    return set ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *string_value(PyObject *self, void *closure)
{
    const struct var_object *object = var_object_of(self);
    size_t n;
    (void)closure;
    unsigned cell = object->vars->grace_enter(object->var->grace);
    const char *bytes = object->vars->string_value(object->var, &n);
    PyObject *value = var_text_str(bytes, n);
    object->vars->grace_leave(object->var->grace, cell);
    return value;
}

static PyObject *string_repr(PyObject *self)
{
    PyObject *value = string_value(self, NULL);
    PyObject *text = value ? PyUnicode_FromFormat("<cprof.String: %R>", value) : NULL;
    Py_XDECREF(value);
    return text;
}

static PyMethodDef string_methods[] = {
    {"set", string_set, METH_O, "set($self, value, /)\n--\n\nReplaces the text."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef string_getters[] = {
    {"value", string_value, NULL, "The text.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot string_slots[] = {
    {Py_tp_doc, "String(name=None)\n--\n\nA text that /debug/vars serves, empty at first."},
    {Py_tp_new, string_new},
    {Py_tp_dealloc, var_object_dealloc},
    {Py_tp_hash, var_object_hash},
    {Py_tp_richcompare, var_object_compare},
    {Py_tp_repr, string_repr},
    {Py_tp_methods, string_methods},
    {Py_tp_getset, string_getters},
    {0, NULL},
};

PyType_Spec string_type_spec = {
    .name = "cprof.String",
    .basicsize = sizeof(struct var_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = string_slots,
};
