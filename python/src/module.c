/* module.c: the module pons.core and its submodules. */
#include "binding.h"

#define PONS_MLX_RELEASE "0.32.4"

static PyModuleDef core = {PyModuleDef_HEAD_INIT, "pons.core",
                           "Arrays, their functions and transforms, with the interface of mlx.core " PONS_MLX_RELEASE ".",
                           -1, NULL, NULL, NULL, NULL, NULL};

static int add_constants(PyObject *module) {
  static const struct {
    const char *name;
    double value;
  } constants[] = {{"pi", PONS_PI}, {"e", PONS_E}, {"euler_gamma", PONS_EULER_GAMMA}, {"inf", PONS_INF}, {"nan", PONS_NAN}};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    PyObject *value = PyFloat_FromDouble(constants[i].value);
    const int bad = !value || PyModule_AddObjectRef(module, constants[i].name, value) < 0;
    Py_XDECREF(value);
    if (bad) return -1;
  }
  return PyModule_AddObjectRef(module, "newaxis", Py_None) < 0
             ? -1
             : PyModule_AddStringConstant(module, "__version__", PONS_MLX_RELEASE);
}

typedef int adder(PyObject *);
static adder *const adders[] = {add_dtype_types, add_device_types, add_array_type, add_constants,
                                add_elementwise, add_creation,     add_shapes,     add_indexing,
                                add_reductions};

PyMODINIT_FUNC PyInit_core(void) {
  PyObject *module = PyModule_Create(&core);
  int bad = !module;
  for (size_t i = 0; !bad && i < sizeof adders / sizeof *adders; i++) bad = adders[i](module) < 0;
  if (bad) Py_CLEAR(module);
  return module;
}
