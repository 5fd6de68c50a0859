#include "py/model_type.h"

#include "py/column_type.h"
#include "py/raise.h"

#include <stddef.h>

struct model_object {
    PyObject ob_base;
    const struct cprof_analysis *core; /* set once model is initialised */
    struct model model;
};

static const struct model *model_of(PyObject *self)
{
    return &((struct model_object *)self)->model;
}

static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError, "cannot create '%s' instances: use decode or merge", type->tp_name);
    return NULL;
}

static void model_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct model_object *object = (struct model_object *)self;
    /* Not through the module: at exit the type may have lost it already. */
    if (object->core)
        object->core->model_fini(&object->model);
    type->tp_free(self);
    Py_DECREF(type);
}

/* What another thread could change while the GIL is released is copied first: the reader walks its input
 * several times and must see the same bytes each time. */
static const void *stable_bytes(const Py_buffer *view, void **copy)
{
    *copy = NULL;
    if (!view->len || (view->obj && PyBytes_Check(view->obj)))
        return view->buf;
    *copy = PyMem_RawMalloc((size_t)view->len);
    if (*copy)
        memcpy(*copy, view->buf, (size_t)view->len);
    return *copy;
}

/* Takes over the object that the core filled, or failed to. */
static PyObject *model_finish(const struct module_state *state, struct model_object *object, enum status status,
                              const struct reason *why)
{
    if (status == STATUS_OK) {
        object->core = state->core;
        return (PyObject *)object;
    }
    Py_DECREF(object);
    return raise_status(state, status, why);
}

static PyObject *model_decode(PyObject *type, PyObject *data)
{
    PyTypeObject *model_type = (PyTypeObject *)type;
    const struct module_state *state = PyType_GetModuleState(model_type);
    PyObject *result = NULL;
    void *copy = NULL;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    struct model_object *object = (struct model_object *)model_type->tp_alloc(model_type, 0);
    if (!object)
        goto done;
    const void *bytes = stable_bytes(&view, &copy);
    if (view.len && !bytes) {
        PyErr_NoMemory();
        goto done;
    }
    struct reason why = {0};
    PyThreadState *saved = PyEval_SaveThread();
    enum status status = state->core->pprof_read(bytes, (size_t)view.len, &object->model, &why);
    PyEval_RestoreThread(saved);
    result = model_finish(state, object, status, &why);
    object = NULL;
done:
    PyMem_RawFree(copy);
    Py_XDECREF(object);
    PyBuffer_Release(&view);
    return result;
}

static PyObject *model_encode(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    const struct module_state *state = module_state_of(self);
    if (!state)
        return NULL;
    struct buf out = {0};
    struct reason why = {0};
    PyThreadState *saved = PyEval_SaveThread();
    enum status status = state->core->pprof_write(model_of(self), &out, &why);
    PyEval_RestoreThread(saved);
    PyObject *result = status == STATUS_OK ? PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.len)
                                           : raise_status(state, status, &why);
    state->core->buf_fini(&out);
    return result;
}

/* The arguments of one merge. The tuples own what the arrays point to while the GIL is released. */
struct merge_args {
    PyObject *models, *scales;
    const struct model **inputs;
    double *factors;
    size_t n;
};

static void merge_args_fini(struct merge_args *args)
{
    Py_XDECREF(args->models);
    Py_XDECREF(args->scales);
    PyMem_Free(args->inputs);
    PyMem_Free(args->factors);
}

static int merge_args_fill(const struct module_state *state, struct merge_args *args)
{
    for (size_t i = 0; i < args->n; i++) {
        PyObject *model = PyTuple_GET_ITEM(args->models, (Py_ssize_t)i);
        if (!Py_IS_TYPE(model, state->model_type)) {
            PyErr_Format(PyExc_TypeError, "merge sums Models, not %.100s", Py_TYPE(model)->tp_name);
            return -1;
        }
        args->inputs[i] = model_of(model);
        args->factors[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(args->scales, (Py_ssize_t)i));
        if (args->factors[i] == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static int merge_args_init(const struct module_state *state, struct merge_args *args, PyObject *models,
                           PyObject *scales)
{
    args->models = PySequence_Tuple(models);
    args->scales = args->models ? PySequence_Tuple(scales) : NULL;
    if (!args->scales)
        return -1;
    if (PyTuple_GET_SIZE(args->models) != PyTuple_GET_SIZE(args->scales)) {
        PyErr_Format(PyExc_ValueError, "merge needs one scale for each Model: %zd for %zd",
                     PyTuple_GET_SIZE(args->scales), PyTuple_GET_SIZE(args->models));
        return -1;
    }
    args->n = (size_t)PyTuple_GET_SIZE(args->models);
    args->inputs = PyMem_Calloc(args->n, sizeof *args->inputs);
    args->factors = PyMem_Calloc(args->n, sizeof *args->factors);
    if (!args->inputs || !args->factors) {
        PyErr_NoMemory();
        return -1;
    }
    return merge_args_fill(state, args);
}

static PyObject *model_merge(PyObject *type, PyObject *positional, PyObject *keywords)
{
    static char *names[] = {"models", "scales", NULL};
    PyTypeObject *model_type = (PyTypeObject *)type;
    const struct module_state *state = PyType_GetModuleState(model_type);
    PyObject *models, *scales, *result = NULL;
    struct model_object *object = NULL;
    struct merge_args args = {0};
    if (!PyArg_ParseTupleAndKeywords(positional, keywords, "OO:merge", names, &models, &scales))
        return NULL;
    if (merge_args_init(state, &args, models, scales) < 0)
        goto done;
    object = (struct model_object *)model_type->tp_alloc(model_type, 0);
    if (!object)
        goto done;
    struct reason why = {0};
    PyThreadState *saved = PyEval_SaveThread();
    enum status status = state->core->merge_models(args.inputs, args.factors, args.n, &object->model, &why);
    PyEval_RestoreThread(saved);
    result = model_finish(state, object, status, &why);
    object = NULL;
done:
    Py_XDECREF(object);
    merge_args_fini(&args);
    return result;
}

static PyMethodDef model_methods[] = {
    {"decode", model_decode, METH_O | METH_CLASS, "gzipped or plain profile.proto as a Model."},
    {"encode", model_encode, METH_NOARGS, "This profile as gzipped profile.proto."},
    {"merge", (PyCFunction)(void (*)(void))model_merge, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "The sum of scales[i] * models[i]."},
    {NULL, NULL, 0, NULL},
};

static PyObject *text_of(PyObject *self, uint32_t id)
{
    const struct cprof_analysis *core = ((struct model_object *)self)->core;
    const struct strtab *strings = &model_of(self)->strings;
    return PyUnicode_DecodeUTF8(core->strtab_at(strings, id), (Py_ssize_t)core->strtab_len(strings, id), "replace");
}

static PyObject *pair_of(PyObject *self, struct model_value_type type)
{
    PyObject *name = text_of(self, type.type);
    PyObject *unit = name ? text_of(self, type.unit) : NULL;
    PyObject *pair = unit ? PyTuple_Pack(2, name, unit) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(unit);
    return pair;
}

/* Puts item at i and takes it over; drops the list when there is no item. */
static PyObject *list_fill(PyObject *list, size_t i, PyObject *item)
{
    if (item) {
        PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        return list;
    }
    Py_DECREF(list);
    return NULL;
}

static PyObject *get_sample_types(PyObject *self, void *closure)
{
    (void)closure;
    const struct model *m = model_of(self);
    PyObject *list = PyList_New((Py_ssize_t)m->n_types);
    for (size_t i = 0; list && i < m->n_types; i++)
        list = list_fill(list, i, pair_of(self, m->types[i]));
    return list;
}

static PyObject *get_comments(PyObject *self, void *closure)
{
    (void)closure;
    const struct model *m = model_of(self);
    PyObject *list = PyList_New((Py_ssize_t)m->comments.n);
    for (size_t i = 0; list && i < m->comments.n; i++)
        list = list_fill(list, i, text_of(self, m->comments.at[i]));
    return list;
}

static PyObject *get_strings(PyObject *self, void *closure)
{
    (void)closure;
    size_t n = ((struct model_object *)self)->core->strtab_count(&model_of(self)->strings);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++)
        list = list_fill(list, i, text_of(self, (uint32_t)i));
    return list;
}

static PyObject *get_period_type(PyObject *self, void *closure)
{
    (void)closure;
    return pair_of(self, model_of(self)->period_type);
}

/* The other getters are told the field by its offset in struct model. */
#define AT(field) ((void *)offsetof(struct model, field))

static const void *field_of(PyObject *self, void *offset)
{
    return (const char *)model_of(self) + (size_t)offset;
}

static PyObject *get_number(PyObject *self, void *offset)
{
    return PyLong_FromLongLong(*(const int64_t *)field_of(self, offset));
}

static PyObject *get_text(PyObject *self, void *offset)
{
    return text_of(self, *(const uint32_t *)field_of(self, offset));
}

static PyObject *get_u32(PyObject *self, void *offset)
{
    const struct vec_u32 *v = field_of(self, offset);
    return column_view(module_state_of(self), self, "I", v->at, v->n);
}

static PyObject *get_u64(PyObject *self, void *offset)
{
    const struct vec_u64 *v = field_of(self, offset);
    return column_view(module_state_of(self), self, "Q", v->at, v->n);
}

static PyObject *get_i64(PyObject *self, void *offset)
{
    const struct vec_i64 *v = field_of(self, offset);
    return column_view(module_state_of(self), self, "q", v->at, v->n);
}

static PyGetSetDef model_getters[] = {
    {"sample_types", get_sample_types, NULL, NULL, NULL},
    {"period_type", get_period_type, NULL, NULL, NULL},
    {"comments", get_comments, NULL, NULL, NULL},
    {"strings", get_strings, NULL, NULL, NULL},
    {"period", get_number, NULL, NULL, AT(period)},
    {"time_nanos", get_number, NULL, NULL, AT(time_nanos)},
    {"duration_nanos", get_number, NULL, NULL, AT(duration_nanos)},
    {"default_sample_type", get_text, NULL, NULL, AT(default_sample_type)},
    {"doc_url", get_text, NULL, NULL, AT(doc_url)},
    {"drop_frames", get_text, NULL, NULL, AT(drop_frames)},
    {"keep_frames", get_text, NULL, NULL, AT(keep_frames)},
    {"values", get_i64, NULL, NULL, AT(values)},
    {"stack_start", get_u64, NULL, NULL, AT(stack_start)},
    {"stack", get_u32, NULL, NULL, AT(stack)},
    {"label_start", get_u64, NULL, NULL, AT(label_start)},
    {"label_key", get_u32, NULL, NULL, AT(label_key)},
    {"label_str", get_u32, NULL, NULL, AT(label_str)},
    {"label_unit", get_u32, NULL, NULL, AT(label_unit)},
    {"label_num", get_i64, NULL, NULL, AT(label_num)},
    {"location_mapping", get_u32, NULL, NULL, AT(location_mapping)},
    {"location_folded", get_u32, NULL, NULL, AT(location_folded)},
    {"location_address", get_u64, NULL, NULL, AT(location_address)},
    {"line_start", get_u64, NULL, NULL, AT(line_start)},
    {"line_function", get_u32, NULL, NULL, AT(line_function)},
    {"line_number", get_i64, NULL, NULL, AT(line_number)},
    {"line_column", get_i64, NULL, NULL, AT(line_column)},
    {"function_name", get_u32, NULL, NULL, AT(function_name)},
    {"function_system_name", get_u32, NULL, NULL, AT(function_system_name)},
    {"function_filename", get_u32, NULL, NULL, AT(function_filename)},
    {"function_start_line", get_i64, NULL, NULL, AT(function_start_line)},
    {"mapping_start", get_u64, NULL, NULL, AT(mapping_start)},
    {"mapping_limit", get_u64, NULL, NULL, AT(mapping_limit)},
    {"mapping_offset", get_u64, NULL, NULL, AT(mapping_offset)},
    {"mapping_filename", get_u32, NULL, NULL, AT(mapping_filename)},
    {"mapping_build_id", get_u32, NULL, NULL, AT(mapping_build_id)},
    {"mapping_flags", get_u32, NULL, NULL, AT(mapping_flags)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot model_slots[] = {
    {Py_tp_doc, "An immutable decoded profile. Columns are read-only memoryviews that keep the model alive."},
    {Py_tp_new, model_new},
    {Py_tp_dealloc, model_dealloc},
    {Py_tp_methods, model_methods},
    {Py_tp_getset, model_getters},
    {0, NULL},
};

PyType_Spec model_type_spec = {
    .name = "cprof._core.Model",
    .basicsize = sizeof(struct model_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = model_slots,
};
