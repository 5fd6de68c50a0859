#include "py/collector.h"

#include "base/clock.h"
#include "py/visit.h"

/* The main interpreter's gc.collect, as visitors find it. Of the process. */
static struct {
    PyObject *function;
    uint32_t era;
} collect;

/* This thread is in a collection that gc=1 has asked for. */
static _Thread_local bool is_forced;

/* A collection tells its phase and nothing of when it began: one at a time, so the module can remember. What the clock
 * of the day does meanwhile is no part of a pause. */
static PyObject *on_phase(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    struct module_state *state = PyModule_GetState(module);
    if (n < 1 || !PyUnicode_Check(args[0]))
        Py_RETURN_NONE;
    if (PyUnicode_CompareWithASCIIString(args[0], "start") == 0) {
        state->collecting_since_ns = clock_ns(CLOCK_MONOTONIC);
    } else if (state->collecting_since_ns && PyUnicode_CompareWithASCIIString(args[0], "stop") == 0) {
        int64_t end_ns = clock_ns(CLOCK_REALTIME);
        state->door->collected(end_ns - (clock_ns(CLOCK_MONOTONIC) - state->collecting_since_ns), end_ns, is_forced);
        state->collecting_since_ns = 0;
    }
    Py_RETURN_NONE;
}

static PyMethodDef phase_method = {"cprof", (PyCFunction)(void (*)(void))on_phase, METH_FASTCALL,
                                   "Tells /debug/vars of collections."};

static bool is_ours(PyObject *entry)
{
    return PyCFunction_Check(entry) && PyCFunction_GET_FUNCTION(entry) == (PyCFunction)(void (*)(void))on_phase;
}

/* The list of a program that has put something else there is left alone: NULL without an exception. */
static PyObject *callbacks(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *list = gc ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    Py_XDECREF(gc);
    PyErr_Clear();
    if (list && PyList_Check(list))
        return list;
    Py_XDECREF(list);
    return NULL;
}

static Py_ssize_t place_of_ours(PyObject *list)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (is_ours(PyList_GET_ITEM(list, i)))
            return i;
    return -1;
}

static void call_collect(void *nothing)
{
    (void)nothing;
    is_forced = true;
    PyObject *found = PyObject_CallObject(collect.function, NULL);
    is_forced = false;
    Py_XDECREF(found);
    PyErr_Clear();
}

static int collect_now(void)
{
    return visit(collect.era, call_collect, NULL) ? 0 : -1;
}

/* Not for a subinterpreter, which cannot be visited. */
static void offer_collect(const struct module_state *state)
{
    uint32_t era = PyInterpreterState_Get() == PyInterpreterState_Main() ? visit_era() : 0;
    if (!era || era == collect.era)
        return;
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *function = gc ? PyObject_GetAttrString(gc, "collect") : NULL;
    Py_XDECREF(gc);
    if (!function)
        return;
    collect.function = function; /* one of an interpreter that has ended is none any more */
    collect.era = era;
    state->door->set_collector(collect_now);
}

PyObject *collector_watch(PyObject *module, PyObject *nothing)
{
    (void)nothing;
    PyObject *list = callbacks();
    PyObject *entry = list && place_of_ours(list) < 0 ? PyCFunction_New(&phase_method, module) : NULL;
    if (entry)
        PyList_Append(list, entry);
    Py_XDECREF(entry);
    Py_XDECREF(list);
    offer_collect(PyModule_GetState(module));
    PyErr_Clear(); /* a server without these numbers is better than none */
    Py_RETURN_NONE;
}

PyObject *collector_forget(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    PyObject *list = callbacks();
    Py_ssize_t at = list ? place_of_ours(list) : -1;
    if (at >= 0)
        PySequence_DelItem(list, at);
    Py_XDECREF(list);
    PyErr_Clear();
    Py_RETURN_NONE;
}
