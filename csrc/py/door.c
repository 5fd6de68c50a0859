#include "py/door.h"

#include "api/cprof.h"
#include "py/collector.h"
#include "py/handover.h"
#include "py/publish.h"
#include "py/raise.h"

#include <sys/auxv.h>

#define ADDRESS_TEXT 256 /* more than the core prints, a socket's path included */

typedef const char *addr_fn(void);

/* Strings as the file system has them: an address may be the path of a socket. NULL for None. */
struct words {
    PyObject *addr, *token, *token_file, *allow_host, *allow_remote;
};

static const struct module_state *state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* Empty where there is none. A copy, since the core's text changes with the next server. */
static void copy_address(addr_fn *ask, char text[ADDRESS_TEXT])
{
    const char *at = ask();
    PyOS_snprintf(text, ADDRESS_TEXT, "%s", at ? at : "");
}

static int to_bytes(PyObject *given, void *to)
{
    return given == Py_None ? 1 : PyUnicode_FSConverter(given, to);
}

static const char *text_of(PyObject *bytes)
{
    return bytes ? PyBytes_AS_STRING(bytes) : NULL;
}

static void drop_words(struct words *w)
{
    Py_XDECREF(w->addr);
    Py_XDECREF(w->token);
    Py_XDECREF(w->token_file);
    Py_XDECREF(w->allow_host);
    Py_XDECREF(w->allow_remote);
}

static PyObject *opened(PyObject *module, int status, const char *text)
{
    return status < 0 ? raise_refusal(state_of(module), status) : PyUnicode_DecodeFSDefault(text);
}

static PyObject *door_serve(PyObject *module, PyObject *args)
{
    const struct cprof_core *door = state_of(module)->door;
    struct cprof_serve_options options = {.size = sizeof options};
    struct words w = {0};
    char text[ADDRESS_TEXT] = "";
    if (!PyArg_ParseTuple(args, "O&pO&O&pO&:serve", to_bytes, &w.addr, &options.allow_remote, to_bytes, &w.token,
                          to_bytes, &w.token_file, &options.without_token, to_bytes, &w.allow_host)) {
        drop_words(&w);
        return NULL;
    }
    options.addr = text_of(w.addr);
    options.token = text_of(w.token);
    options.token_file = text_of(w.token_file);
    options.allow_host = text_of(w.allow_host);
    PyThreadState *saved = PyEval_SaveThread();
    int status = door->serve_with(&options);
    if (status >= 0)
        copy_address(door->serve_addr, text);
    PyEval_RestoreThread(saved);
    drop_words(&w);
    return opened(module, status, text);
}

static PyObject *door_serve_outside(PyObject *module, PyObject *args)
{
    const struct cprof_core *door = state_of(module)->door;
    struct words w = {0};
    char text[ADDRESS_TEXT] = "";
    if (!PyArg_ParseTuple(args, "O&O&O&O&:serve_outside", to_bytes, &w.addr, to_bytes, &w.allow_remote, to_bytes,
                          &w.token_file, to_bytes, &w.allow_host)) {
        drop_words(&w);
        return NULL;
    }
    const struct cprof_outside wanted = {.http = text_of(w.addr),
                                         .allow_remote = text_of(w.allow_remote),
                                         .token_file = text_of(w.token_file),
                                         .allow_host = text_of(w.allow_host)};
    PyThreadState *saved = PyEval_SaveThread();
    int status = door->serve_outside(&wanted);
    if (status >= 0)
        copy_address(door->serve_outside_addr, text);
    PyEval_RestoreThread(saved);
    drop_words(&w);
    return opened(module, status, text);
}

static PyObject *address_of(addr_fn *ask)
{
    char text[ADDRESS_TEXT];
    copy_address(ask, text);
    return PyUnicode_DecodeFSDefault(text);
}

static PyObject *door_address(PyObject *module, PyObject *nothing)
{
    (void)nothing;
    return address_of(state_of(module)->door->serve_addr);
}

static PyObject *door_address_outside(PyObject *module, PyObject *nothing)
{
    (void)nothing;
    return address_of(state_of(module)->door->serve_outside_addr);
}

static PyObject *door_close(PyObject *module, PyObject *nothing)
{
    (void)nothing;
    const struct module_state *state = state_of(module);
    PyThreadState *saved = PyEval_SaveThread();
    int status = state->door->close();
    PyEval_RestoreThread(saved);
    if (status < 0)
        return raise_refusal(state, status);
    Py_RETURN_NONE;
}

static PyObject *door_snapshot(PyObject *module, PyObject *args)
{
    const struct module_state *state = state_of(module);
    const char *kind;
    int debug;
    void *data = NULL;
    size_t n = 0;
    if (!PyArg_ParseTuple(args, "si:snapshot", &kind, &debug))
        return NULL;
    PyThreadState *saved = PyEval_SaveThread();
    int status = state->door->snapshot(kind, debug, &data, &n);
    PyEval_RestoreThread(saved);
    if (status < 0)
        return raise_refusal(state, status);
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)n);
    state->door->bytes_free(data);
    return bytes;
}

static PyObject *door_hand_over(PyObject *module, PyObject *nothing)
{
    (void)nothing;
    handover_install(state_of(module)->door);
    Py_RETURN_NONE;
}

static PyObject *door_elevated(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return PyBool_FromLong(getauxval(AT_SECURE) != 0);
}

PyMethodDef door_methods[] = {
    {"serve", door_serve, METH_VARARGS, "Starts the program's own server; returns where it listens."},
    {"address", door_address, METH_NOARGS, "Where the program's own server listens; \"\" when there is none."},
    {"close", door_close, METH_NOARGS, "Stops the program's own server."},
    {"serve_outside", door_serve_outside, METH_VARARGS, "Starts the server that the environment asks for."},
    {"address_outside", door_address_outside, METH_NOARGS, "Where that one listens; \"\" when there is none."},
    {"snapshot", door_snapshot, METH_VARARGS, "A profile of this process by its name as it stands: (kind, debug)."},
    {"publish", publish, METH_VARARGS, "Serves x in /debug/vars: (name, x, encode)."},
    {"watch_gc", collector_watch, METH_NOARGS, "From now on /debug/vars tells of this interpreter's collections."},
    {"forget_gc", collector_forget, METH_NOARGS, "No more."},
    {"hand_over", door_hand_over, METH_NOARGS, "From now on that server's address goes to a reloader's child."},
    {"elevated", door_elevated, METH_NOARGS, "Whether the environment is a stranger's: a setuid program."},
    {NULL, NULL, 0, NULL},
};
