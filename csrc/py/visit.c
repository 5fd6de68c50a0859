#include "py/visit.h"

#include "py/raise.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* So long the end of the program waits for functions that are just being called. */
#define FAREWELL_MS 250

/* Of the process, as the main interpreter is. */
static _Atomic uint32_t open_era, last_era; /* open_era 0: the door is closed */

/* How many are inside, or on their way in, in the low half; the process that they are in above: a child of fork has
 * none of its parent's. */
static _Atomic uint64_t visitors;

static uint64_t nobody(void)
{
    return (uint64_t)getpid() << 32;
}

static void come(void)
{
    uint64_t was = atomic_load(&visitors), mine = nobody();
    while (!atomic_compare_exchange_weak(&visitors, &was, (was >> 32 == mine >> 32 ? was : mine) + 1))
        ;
}

static void go(void)
{
    atomic_fetch_sub(&visitors, 1);
}

static bool is_empty(void)
{
    uint64_t now = atomic_load(&visitors);
    return now >> 32 != nobody() >> 32 || (uint32_t)now == 0;
}

static bool is_ending(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

static PyObject *close_door(PyObject *nothing, PyObject *args)
{
    const struct timespec moment = {.tv_nsec = 1000 * 1000};
    (void)nothing, (void)args;
    atomic_store(&open_era, 0);
    if (is_empty())
        Py_RETURN_NONE;
    PyThreadState *saved = PyEval_SaveThread();
    for (int i = 0; i < FAREWELL_MS && !is_empty(); i++)
        nanosleep(&moment, NULL);
    PyEval_RestoreThread(saved);
    Py_RETURN_NONE;
}

static bool call_at_exit(void)
{
    static PyMethodDef method = {"cprof", close_door, METH_NOARGS, NULL};
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *function = atexit ? PyCFunction_New(&method, NULL) : NULL;
    PyObject *done = function ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(atexit);
    return done != NULL;
}

uint32_t visit_era(void)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        raise_unsupported("only the main interpreter can publish functions");
        return 0;
    }
    uint32_t era = atomic_load(&open_era), fresh;
    if (era)
        return era;
    if (!call_at_exit())
        return 0;
    fresh = atomic_fetch_add(&last_era, 1) + 1;
    return atomic_compare_exchange_strong(&open_era, &era, fresh) ? fresh : era;
}

/* The interpreter ends this thread by pthread_exit. What called us would be left in the middle, and libc would take it
 * for the last thread of the program, which it ends with the process. */
static void rest(void *nothing)
{
    (void)nothing;
    for (;;)
        pause();
}

static bool call(uint32_t era, void (*fn)(void *arg), void *arg)
{
    PyGILState_STATE state = PyGILState_Ensure();
    bool is_open = atomic_load(&open_era) == era;
    if (is_open)
        fn(arg);
    PyGILState_Release(state);
    return is_open;
}

bool visit(uint32_t era, void (*fn)(void *arg), void *arg)
{
    volatile bool called = false;
    come();
    if (atomic_load(&open_era) == era && !is_ending()) {
        pthread_cleanup_push(rest, NULL);
        called = call(era, fn, arg);
        pthread_cleanup_pop(0);
    }
    go();
    return called;
}
