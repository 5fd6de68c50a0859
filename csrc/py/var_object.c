#include "py/var_object.h"

#include "py/raise.h"

PyObject *var_object_wrap(const struct module_state *state, struct var *v)
{
    if (!v)
        Py_RETURN_NONE;
    PyTypeObject *type = v->kind <= VAR_MAP ? state->var_types[v->kind] : NULL;
    struct var_object *object = type ? (struct var_object *)type->tp_alloc(type, 0) : NULL;
    if (!object) {
        state->door->vars->var_drop(v);
        return type ? NULL : Py_NewRef(Py_None);
    }
    object->vars = state->door->vars;
    object->var = v;
    return (PyObject *)object;
}

PyObject *var_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs, enum var_kind kind)
{
    static char *words[] = {"name", NULL};
    const struct module_state *state = PyType_GetModuleState(type);
    PyObject *name = Py_None;
    if (!state || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O", words, &name))
        return NULL;
    struct var *v = state->door->vars->var_new(kind);
    if (!v)
        return PyErr_NoMemory();
    PyObject *object = var_object_wrap(state, v);
    if (object && name != Py_None && !var_object_publish(state, name, v))
        Py_CLEAR(object);
    return object;
}

bool var_object_check(const struct module_state *state, PyObject *x)
{
    for (int kind = VAR_INT; kind <= VAR_MAP; kind++)
        if (Py_TYPE(x) == state->var_types[kind])
            return true;
    return false;
}

void var_object_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    const struct var_object *object = var_object_of(self);
    if (object->var)
        object->vars->var_drop(object->var);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Variables lie on cache lines of their own: the low bits say nothing. */
Py_hash_t var_object_hash(PyObject *self)
{
    return (Py_hash_t)((uintptr_t)var_object_of(self)->var >> 6);
}

PyObject *var_object_compare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(self) != Py_TYPE(other))
        Py_RETURN_NOTIMPLEMENTED;
    bool same = var_object_of(self)->var == var_object_of(other)->var;
    return PyBool_FromLong(same == (op == Py_EQ));
}

/* A lone surrogate that stands for no byte becomes a question mark. */
static PyObject *encode(PyObject *str)
{
    PyObject *bytes = PyUnicode_AsEncodedString(str, "utf-8", "surrogateescape");
    if (bytes || !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return bytes;
    PyErr_Clear();
    return PyUnicode_AsEncodedString(str, "utf-8", "replace");
}

/* Not PyUnicode_AsUTF8: the str would keep a second form of itself for life. */
bool var_text_of(PyObject *str, const char *what, struct var_text *out)
{
    *out = (struct var_text){0};
    if (!PyUnicode_Check(str)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s", what, Py_TYPE(str)->tp_name);
        return false;
    }
    if (PyUnicode_IS_COMPACT_ASCII(str)) {
        *out = (struct var_text){PyUnicode_DATA(str), (size_t)PyUnicode_GET_LENGTH(str), Py_NewRef(str)};
        return true;
    }
    PyObject *bytes = encode(str);
    if (bytes)
        *out = (struct var_text){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), bytes};
    return bytes != NULL;
}

PyObject *var_text_str(const char *bytes, size_t n)
{
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)n, "surrogateescape");
}

bool var_object_one(const char *function, PyObject *const *args, Py_ssize_t n, PyObject **given)
{
    *given = n > 0 ? args[0] : NULL;
    if (n > 1)
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (%zd given)", function, n);
    return n <= 1;
}

bool var_object_int64(PyObject *given, int64_t *out)
{
    *out = 1;
    if (!given)
        return true;
    PyObject *number = PyLong_CheckExact(given) ? Py_NewRef(given) : PyNumber_Index(given);
    if (!number)
        return false;
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow)
        PyErr_SetString(PyExc_OverflowError, "the number does not fit in 64 bits");
    return !overflow;
}

bool var_object_publish(const struct module_state *state, PyObject *name, struct var *v)
{
    struct var_text text;
    if (!var_text_of(name, "name", &text))
        return false;
    int status = state->door->vars_publish(text.bytes, text.n, v);
    Py_DECREF(text.owner);
    if (status < 0)
        raise_publish(status, name);
    return status >= 0;
}
