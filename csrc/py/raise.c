#include "py/raise.h"

static const char *status_name(enum status code)
{
    switch (code) {
    case STATUS_OK: return "OK";
    case STATUS_NOMEM: return "NOMEM";
    case STATUS_INVALID: return "INVALID";
    case STATUS_BUSY: return "BUSY";
    case STATUS_IN_USE: return "IN_USE";
    case STATUS_ADDRESS: return "ADDRESS";
    case STATUS_DENIED: return "DENIED";
    case STATUS_SYSTEM: return "SYSTEM";
    case STATUS_MALFORMED: return "MALFORMED";
    case STATUS_TOO_BIG: return "TOO_BIG";
    case STATUS_NOT_RUNNING: return "NOT_RUNNING";
    case STATUS_DISABLED: return "DISABLED";
    case STATUS_UNSUPPORTED: return "UNSUPPORTED";
    case STATUS_NO_CORE: return "NO_CORE";
    }
    return "UNKNOWN";
}

PyObject *raise_status(const struct module_state *state, enum status code, const struct reason *why)
{
    if (code == STATUS_NOMEM)
        return PyErr_NoMemory();
    const char *sentence = why->text[0] ? why->text : state->core->status_text(code);
    /* A sentence may quote the input, and be cut in the middle of a character. */
    PyObject *text = PyUnicode_DecodeUTF8(sentence, (Py_ssize_t)strlen(sentence), "replace");
    if (!text)
        return NULL;
    PyObject *args = Py_BuildValue("(sN)", status_name(code), text);
    if (!args)
        return NULL;
    PyErr_SetObject(state->core_error, args);
    Py_DECREF(args);
    return NULL;
}

PyObject *raise_refusal(const struct module_state *state, int code)
{
    struct reason why;
    PyOS_snprintf(why.text, sizeof why.text, "%s", state->door->last_error());
    return raise_status(state, (enum status)code, &why);
}

/* One of the package's own, for types that are public as they stand. */
static PyObject *public_error(const char *name)
{
    PyObject *errors = PyImport_ImportModule("cprof._errors");
    PyObject *error = errors ? PyObject_GetAttrString(errors, name) : NULL;
    Py_XDECREF(errors);
    return error;
}

/* Not the core's sentence, which somebody else's may have replaced by now. */
void raise_publish(int code, PyObject *name)
{
    PyObject *error = code == STATUS_NOMEM ? PyErr_NoMemory() : public_error("VarError");
    if (error)
        PyErr_Format(error, "Reuse of exported var name: %U", name);
    Py_XDECREF(error);
}

void raise_unsupported(const char *sentence)
{
    PyObject *error = public_error("UnsupportedError");
    if (error)
        PyErr_SetString(error, sentence);
    Py_XDECREF(error);
}
