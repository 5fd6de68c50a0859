#include "py/module.h"

#include "py/column_type.h"
#include "py/custom_type.h"
#include "py/door.h"
#include "py/model_type.h"
#include "py/publish.h"
#include "py/record_type.h"
#include "py/var_types.h"

static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type ? PyModule_AddType(module, *type) : -1;
}

/* What the module holds. */
static PyObject **held(struct module_state *state, size_t i)
{
    PyObject **const all[] = {
        (PyObject **)&state->model_type,
        (PyObject **)&state->column_type,
        (PyObject **)&state->record_type,
        (PyObject **)&state->custom_type,
        (PyObject **)&state->var_types[VAR_INT],
        (PyObject **)&state->var_types[VAR_FLOAT],
        (PyObject **)&state->var_types[VAR_STRING],
        (PyObject **)&state->var_types[VAR_MAP],
        &state->core_error,
    };
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

static int module_exec(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);
    state->core = cprof_analysis_table(CPROF_ANALYSIS_ABI);
    state->door = cprof_core_table(CPROF_CORE_ABI);
    if (!state->core || !state->door) {
        PyErr_SetString(PyExc_ImportError, "libcprof_core.so is of another version than cprof._core: reinstall cprof");
        return -1;
    }
    state->core_error = PyErr_NewExceptionWithDoc(
        "cprof._core.CoreError",
        "What the core could not do; args are (status name such as \"MALFORMED\", one sentence).", NULL, NULL);
    if (!state->core_error)
        return -1;
    Py_INCREF(state->core_error);
    if (PyModule_AddObject(module, "CoreError", state->core_error) < 0) {
        Py_DECREF(state->core_error);
        return -1;
    }
    if (add_type(module, &model_type_spec, &state->model_type) < 0 ||
        add_type(module, &record_type_spec, &state->record_type) < 0 ||
        add_type(module, &custom_type_spec, &state->custom_type) < 0 ||
        add_type(module, &int_type_spec, &state->var_types[VAR_INT]) < 0 ||
        add_type(module, &float_type_spec, &state->var_types[VAR_FLOAT]) < 0 ||
        add_type(module, &string_type_spec, &state->var_types[VAR_STRING]) < 0 ||
        add_type(module, &map_type_spec, &state->var_types[VAR_MAP]) < 0)
        return -1;
    state->column_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &column_type_spec, NULL);
    return state->column_type ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **at;
    for (size_t i = 0; (at = held(PyModule_GetState(module), i)); i++)
        Py_VISIT(*at);
    return 0;
}

static int module_clear(PyObject *module)
{
    PyObject **at;
    for (size_t i = 0; (at = held(PyModule_GetState(module), i)); i++)
        Py_CLEAR(*at);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030d0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* a Model never changes after it is made; the core locks for itself */
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cprof._core",
    .m_doc = "The C side of the package: profiles as columns, the server and the records of this process.",
    .m_size = sizeof(struct module_state),
    .m_methods = door_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
