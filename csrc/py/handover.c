#include "py/handover.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Hooks are the process's, not an interpreter's, so this is too. */
static atomic_bool installed;

/* What the reloader of werkzeug (Flask) and that of Django put into the environment of the child that serves. */
static const char *const marks[] = {"WERKZEUG_RUN_MAIN", "RUN_MAIN"};

/* Whoever has the mark already is that child: what it starts in turn inherits the mark and serves nothing. */
static bool starts_serving_child(PyObject *args)
{
    if (!args || !PyTuple_Check(args) || PyTuple_GET_SIZE(args) != 4)
        return false;
    PyObject *environment = PyTuple_GET_ITEM(args, 3);
    if (environment == Py_None || !PyMapping_HasKeyString(environment, "CPROF_HTTP"))
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!getenv(marks[i]) && PyMapping_HasKeyString(environment, marks[i]))
            return true;
    return false;
}

/* Also called without the GIL, while the interpreter ends: nothing of Python's before the name was compared. */
static int on_event(const char *event, PyObject *args, void *data)
{
    const struct cprof_core *door = data;
    if (strcmp(event, "subprocess.Popen") == 0 && starts_serving_child(args)) {
        PyThreadState *saved = PyEval_SaveThread();
        door->close_outside();
        PyEval_RestoreThread(saved);
    } else if (strcmp(event, "cpython._PySys_ClearAuditHooks") == 0) {
        atomic_store(&installed, false);
    }
    return 0;
}

void handover_install(const struct cprof_core *door)
{
    if (!atomic_exchange(&installed, true) && PySys_AddAuditHook(on_event, (void *)(uintptr_t)door) < 0)
        PyErr_Clear();
}
