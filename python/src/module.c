/* module.c: the module pons.core. Uses Python.h in its limited API and pons/pons.h. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pons/pons.h>

static struct PyModuleDef core = {PyModuleDef_HEAD_INIT, "pons.core", "Arrays, ops and transforms.", -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_core(void) {
  PyObject *module = PyModule_Create(&core);
  if (module && PyModule_AddStringConstant(module, "__version__", pons_version()) < 0) Py_CLEAR(module);
  return module;
}
