#include "py/function.h"

#include "py/var_object.h"
#include "py/visit.h"

struct function {
    PyObject *call, *encode;
    uint32_t era;

    /* Only one thread at a time is in a function: a text that did not fit, for the next try with more room. */
    char *kept;
    size_t n_kept;
};

struct reading {
    struct function *f;
    char *json;
    size_t room;
    int n;
};

static PyObject *json_of(const struct function *f)
{
    PyObject *value = PyObject_CallObject(f->call, NULL);
    PyObject *json = value ? PyObject_CallFunctionObjArgs(f->encode, value, NULL) : NULL;
    Py_XDECREF(value);
    return json;
}

static void keep(struct function *f, const struct var_text *json)
{
    f->kept = PyMem_RawMalloc(json->n + 1);
    f->n_kept = json->n;
    if (f->kept)
        memcpy(f->kept, json->bytes, json->n);
}

static int put(struct reading *r, const struct var_text *json)
{
    if (json->n >= INT_MAX)
        return -1;
    if (json->n < r->room)
        memcpy(r->json, json->bytes, json->n);
    else
        keep(r->f, json);
    return (int)json->n;
}

/* With the GIL. Nobody is there to whom an exception could be told: not even KeyboardInterrupt, which only comes here
 * when the function itself raises it. */
static void read_value(void *reading)
{
    struct reading *r = reading;
    PyObject *json = json_of(r->f);
    struct var_text text;
    if (json && var_text_of(json, "JSON", &text)) {
        r->n = put(r, &text);
        Py_DECREF(text.owner);
    }
    Py_XDECREF(json);
    PyErr_Clear();
}

static bool take_kept(struct function *f, char *json, size_t room)
{
    bool fits = f->kept && f->n_kept < room;
    if (fits)
        memcpy(json, f->kept, f->n_kept);
    PyMem_RawFree(f->kept);
    f->kept = NULL;
    return fits;
}

static int call(void *function, char *json, size_t room)
{
    struct function *f = function;
    struct reading r = {f, json, room, -1};
    if (take_kept(f, json, room))
        return (int)f->n_kept;
    visit(f->era, read_value, &r);
    return r.n;
}

/* Of one that could not be published: whoever wanted to has the GIL. */
static void release(void *function)
{
    struct function *f = function;
    Py_DECREF(f->call);
    Py_DECREF(f->encode);
    PyMem_RawFree(f);
}

struct var *function_new(const struct cprof_core *door, PyObject *function, PyObject *encode)
{
    uint32_t era = visit_era();
    struct function *f = era ? PyMem_RawCalloc(1, sizeof *f) : NULL;
    struct var *v = f ? door->vars->var_new_function(call, f, release) : NULL;
    if (!v) {
        PyMem_RawFree(f);
        if (era)
            PyErr_NoMemory();
        return NULL;
    }
    f->call = Py_NewRef(function);
    f->encode = Py_NewRef(encode);
    f->era = era;
    return v;
}
