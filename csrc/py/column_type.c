#include "py/column_type.h"

struct column {
    PyObject ob_base;
    PyObject *owner;
    const char *format;
    const void *data;
    Py_ssize_t n, item_size; /* shape and strides of every view point here */
};

static int column_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    struct column *column = (struct column *)self;
    if (flags & PyBUF_WRITABLE) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "a column of a profile is read-only");
        return -1;
    }
    *view = (Py_buffer){
        .buf = (void *)column->data,
        .len = column->n * column->item_size,
        .itemsize = column->item_size,
        .readonly = 1,
        .ndim = 1,
        .format = flags & PyBUF_FORMAT ? (char *)column->format : NULL,
        .shape = flags & PyBUF_ND ? &column->n : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &column->item_size : NULL,
    };
    Py_INCREF(self);
    view->obj = self;
    return 0;
}

static PyObject *column_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", type->tp_name);
    return NULL;
}

static void column_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((struct column *)self)->owner);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot column_slots[] = {
    {Py_tp_new, column_new},
    {Py_tp_dealloc, column_dealloc},
    {Py_bf_getbuffer, column_getbuffer},
    {0, NULL},
};

PyType_Spec column_type_spec = {
    .name = "cprof._core.Column",
    .basicsize = sizeof(struct column),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = column_slots,
};

PyObject *column_view(const struct module_state *state, PyObject *owner, const char *format, const void *data, size_t n)
{
    static const uint64_t nothing; /* consumers dislike a NULL buffer, even of no items */
    if (!state)
        return NULL;
    struct column *column = (struct column *)state->column_type->tp_alloc(state->column_type, 0);
    if (!column)
        return NULL;
    Py_INCREF(owner);
    column->owner = owner;
    column->format = format;
    column->data = data ? data : &nothing;
    column->n = (Py_ssize_t)n;
    column->item_size = format[0] == 'I' ? 4 : 8;
    PyObject *view = PyMemoryView_FromObject((PyObject *)column);
    Py_DECREF(column);
    return view;
}
