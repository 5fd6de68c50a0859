#include "py/raise.h"
#include "py/var_object.h"
#include "py/var_types.h"

/* What a map held at one moment. Nothing of Python's is made while the map is being read: a collection might start
 * there, and run anything. */
struct held {
    size_t n;
    struct held_item {
        char *key;
        size_t n;
        struct var *value;
    } at[];
};

static PyObject *mapping_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return var_object_new(type, args, kwargs, VAR_MAP);
}

static bool two_at_most(const char *function, Py_ssize_t n, Py_ssize_t least)
{
    if (n < least || n > 2)
        PyErr_Format(PyExc_TypeError, "%s() takes %s2 arguments (%zd given)", function, least < 2 ? "1 or " : "", n);
    return n >= least && n <= 2;
}

/* None, or MemoryError: of what these return no other failure can come here. */
static PyObject *done(enum status status)
{
    return status == STATUS_NOMEM ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

static PyObject *mapping_add(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    const struct var_object *map = var_object_of(self);
    struct var_text key;
    int64_t delta;
    if (!two_at_most("add", n, 1) || !var_object_int64(n > 1 ? args[1] : NULL, &delta) ||
        !var_text_of(args[0], "key", &key))
        return NULL;
    enum status status = map->vars->map_add_int(map->var, key.bytes, key.n, delta);
    Py_DECREF(key.owner);
    return done(status);
}

static PyObject *mapping_add_float(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    const struct var_object *map = var_object_of(self);
    struct var_text key;
    double delta = two_at_most("add_float", n, 1) && n > 1 ? PyFloat_AsDouble(args[1]) : 1;
    if (PyErr_Occurred() || !var_text_of(args[0], "key", &key))
        return NULL;
    enum status status = map->vars->map_add_float(map->var, key.bytes, key.n, delta);
    Py_DECREF(key.owner);
    return done(status);
}

static PyObject *mapping_set(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    const struct var_object *map = var_object_of(self);
    const struct module_state *state = module_state_of(self);
    struct var_text key;
    if (!state || !two_at_most("set", n, 2))
        return NULL;
    if (args[1] != Py_None && !var_object_check(state, args[1])) {
        PyErr_Format(PyExc_TypeError, "a Map holds Int, Float, String, Map or None, not %.100s",
                     Py_TYPE(args[1])->tp_name);
        return NULL;
    }
    if (!var_text_of(args[0], "key", &key))
        return NULL;
    struct var *value = args[1] == Py_None ? NULL : var_object_of(args[1])->var;
    enum status status = map->vars->map_set(map->var, key.bytes, key.n, value);
    Py_DECREF(key.owner);
    return done(status);
}

static PyObject *mapping_get(PyObject *self, PyObject *given)
{
    const struct var_object *map = var_object_of(self);
    const struct module_state *state = module_state_of(self);
    struct var_text key;
    if (!state || !var_text_of(given, "key", &key))
        return NULL;
    struct var *value = map->vars->map_get(map->var, key.bytes, key.n);
    Py_DECREF(key.owner);
    return var_object_wrap(state, value);
}

static PyObject *mapping_delete(PyObject *self, PyObject *given)
{
    const struct var_object *map = var_object_of(self);
    struct var_text key;
    if (!var_text_of(given, "key", &key))
        return NULL;
    map->vars->map_delete(map->var, key.bytes, key.n);
    Py_DECREF(key.owner);
    Py_RETURN_NONE;
}

static PyObject *mapping_clear(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    var_object_of(self)->vars->map_clear(var_object_of(self)->var);
    Py_RETURN_NONE;
}

static int mapping_contains(PyObject *self, PyObject *given)
{
    const struct var_object *map = var_object_of(self);
    struct var_text key;
    if (!PyUnicode_Check(given))
        return 0;
    if (!var_text_of(given, "key", &key))
        return -1;
    bool has = map->vars->map_has(map->var, key.bytes, key.n);
    Py_DECREF(key.owner);
    return has;
}

static Py_ssize_t mapping_length(PyObject *self)
{
    return (Py_ssize_t)var_object_of(self)->vars->map_count(var_object_of(self)->var);
}

static void let_go(const struct cprof_vars *vars, struct held *h)
{
    for (size_t i = 0; h && i < h->n; i++) {
        PyMem_RawFree(h->at[i].key);
        vars->var_drop(h->at[i].value);
    }
    PyMem_RawFree(h);
}

static bool copy_entry(const struct cprof_vars *vars, const struct map_entry *e, struct held_item *to)
{
    *to = (struct held_item){PyMem_RawMalloc(e->n + 1), e->n, NULL};
    if (!to->key)
        return false;
    memcpy(to->key, e->key, e->n);
    to->value = vars->var_ref(e->value);
    return true;
}

static struct held *copy(const struct cprof_vars *vars, const struct map_order *order)
{
    struct held *h = PyMem_RawCalloc(1, sizeof *h + order->n * sizeof h->at[0]);
    for (; h && h->n < order->n; h->n++)
        if (!copy_entry(vars, order->at[h->n], &h->at[h->n])) {
            let_go(vars, h);
            return NULL;
        }
    return h;
}

/* NULL: MemoryError. */
static struct held *hold(const struct var_object *map)
{
    struct map_order *own;
    unsigned cell = map->vars->grace_enter(map->var->grace);
    const struct map_order *order = map->vars->map_sorted(map->var, &own);
    struct held *h = order ? copy(map->vars, order) : NULL;
    map->vars->map_order_free(own);
    map->vars->grace_leave(map->var->grace, cell);
    if (!h)
        PyErr_NoMemory();
    return h;
}

static PyObject *key_of(const struct module_state *state, struct held_item *item)
{
    (void)state;
    return var_text_str(item->key, item->n);
}

static PyObject *pair_of(const struct module_state *state, struct held_item *item)
{
    PyObject *value = var_object_wrap(state, item->value);
    item->value = NULL;
    PyObject *key = value ? var_text_str(item->key, item->n) : NULL;
    PyObject *pair = key ? PyTuple_Pack(2, key, value) : NULL;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return pair;
}

static PyObject *list_of(PyObject *self, PyObject *(*make)(const struct module_state *state, struct held_item *item))
{
    const struct module_state *state = module_state_of(self);
    struct held *h = state ? hold(var_object_of(self)) : NULL;
    PyObject *list = h ? PyList_New((Py_ssize_t)h->n) : NULL;
    for (size_t i = 0; list && i < h->n; i++) {
        PyObject *item = make(state, &h->at[i]);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    let_go(var_object_of(self)->vars, h);
    return list;
}

static PyObject *mapping_keys(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    return list_of(self, key_of);
}

static PyObject *mapping_items(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    return list_of(self, pair_of);
}

static PyObject *mapping_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<cprof.Map: %zd keys>", mapping_length(self));
}

static PyMethodDef map_methods[] = {
    {"add", (PyCFunction)(void (*)(void))mapping_add, METH_FASTCALL,
     "add($self, key, delta=1, /)\n--\n\nAdds to the Int under key, which is made when there is nothing; what is "
     "something else stays."},
    {"add_float", (PyCFunction)(void (*)(void))mapping_add_float, METH_FASTCALL,
     "add_float($self, key, delta=1.0, /)\n--\n\nThe same with a Float."},
    {"set", (PyCFunction)(void (*)(void))mapping_set, METH_FASTCALL,
     "set($self, key, var, /)\n--\n\nPuts a variable under key, or None, which is null."},
    {"get", mapping_get, METH_O, "get($self, key, /)\n--\n\nThe variable under key; None where there is none."},
    {"delete", mapping_delete, METH_O,
     "delete($self, key, /)\n--\n\nTakes a key out; one that is not there is no error."},
    {"clear", mapping_clear, METH_NOARGS, "clear($self)\n--\n\nTakes all out."},
    {"keys", mapping_keys, METH_NOARGS, "keys($self)\n--\n\nA list of the keys, sorted by their bytes."},
    {"items", mapping_items, METH_NOARGS, "items($self)\n--\n\nA list of (key, variable or None), sorted likewise."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot map_slots[] = {
    {Py_tp_doc, "Map(name=None)\n--\n\nVariables under keys, which /debug/vars serves as an object."},
    {Py_tp_new, mapping_new},
    {Py_tp_dealloc, var_object_dealloc},
    {Py_tp_hash, var_object_hash},
    {Py_tp_richcompare, var_object_compare},
    {Py_tp_repr, mapping_repr},
    {Py_tp_methods, map_methods},
    {Py_sq_contains, mapping_contains},
    {Py_mp_length, mapping_length},
    {0, NULL},
};

PyType_Spec map_type_spec = {
    .name = "cprof.Map",
    .basicsize = sizeof(struct var_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = map_slots,
};
