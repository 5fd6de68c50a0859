#include "py/record_type.h"

#include "py/raise.h"

struct record_object {
    PyObject ob_base;
    const struct cprof_core *door;
    struct cprof_record *record; /* NULL from the moment that somebody stops it */
    PyObject *bytes;             /* NULL until it was stopped, and where that failed */
};

static PyObject *record_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError, "cannot create '%s' instances: use start", type->tp_name);
    return NULL;
}

static void record_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct record_object *object = (struct record_object *)self;
    /* Not through the module: at exit the type may have lost it already. */
    if (object->record)
        object->door->record_drop(object->record);
    Py_XDECREF(object->bytes);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *record_start(PyObject *type, PyObject *args)
{
    PyTypeObject *record_type = (PyTypeObject *)type;
    const struct module_state *state = PyType_GetModuleState(record_type);
    const char *kind;
    int hz;
    if (!PyArg_ParseTuple(args, "si:start", &kind, &hz))
        return NULL;
    struct record_object *object = (struct record_object *)record_type->tp_alloc(record_type, 0);
    if (!object)
        return NULL;
    object->door = state->door;
    PyThreadState *saved = PyEval_SaveThread();
    int status = state->door->record_start(kind, hz, &object->record);
    PyEval_RestoreThread(saved);
    if (status >= 0)
        return (PyObject *)object;
    Py_DECREF(object);
    return raise_refusal(state, status);
}

/* The bytes stay with the object: a KeyboardInterrupt that arrives meanwhile is raised before the caller could keep
 * them. */
static PyObject *stop_and_keep(const struct module_state *state, struct record_object *object,
                               struct cprof_record *record)
{
    void *data = NULL;
    size_t n = 0;
    PyThreadState *saved = PyEval_SaveThread();
    int status = state->door->record_stop(record, &data, &n);
    PyEval_RestoreThread(saved);
    if (status < 0)
        return raise_refusal(state, status);
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)n);
    state->door->bytes_free(data);
    __atomic_store_n(&object->bytes, bytes, __ATOMIC_RELEASE);
    Py_XINCREF(bytes);
    return bytes;
}

static PyObject *record_stop(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct record_object *object = (struct record_object *)self;
    const struct module_state *state = module_state_of(self);
    if (!state)
        return NULL;
    struct cprof_record *record = __atomic_exchange_n(&object->record, NULL, __ATOMIC_ACQ_REL);
    if (record)
        return stop_and_keep(state, object, record);
    PyObject *bytes = __atomic_load_n(&object->bytes, __ATOMIC_ACQUIRE);
    if (!bytes)
        return raise_status(state, STATUS_NOT_RUNNING, &(struct reason){"the record was stopped already"});
    Py_INCREF(bytes);
    return bytes;
}

static PyMethodDef record_methods[] = {
    {"start", record_start, METH_VARARGS | METH_CLASS, "Begins to take a profile of this process: (kind, hz)."},
    {"stop", record_stop, METH_NOARGS, "The profile as gzipped profile.proto; again and again the same."},
    {NULL, NULL, 0, NULL},
};

static PyObject *get_data(PyObject *self, void *closure)
{
    (void)closure;
    PyObject *bytes = __atomic_load_n(&((struct record_object *)self)->bytes, __ATOMIC_ACQUIRE);
    return Py_BuildValue("O", bytes ? bytes : Py_None);
}

static PyGetSetDef record_getters[] = {
    {"data", get_data, NULL, "What stop returned, None before.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot record_slots[] = {
    {Py_tp_doc, "A profile being taken of this process."},
    {Py_tp_new, record_new},
    {Py_tp_dealloc, record_dealloc},
    {Py_tp_methods, record_methods},
    {Py_tp_getset, record_getters},
    {0, NULL},
};

PyType_Spec record_type_spec = {
    .name = "cprof._core.Record",
    .basicsize = sizeof(struct record_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = record_slots,
};
