/* module.c: the module pons.core and its submodules. */
#include "binding.h"
#include <string.h>

#define PONS_MLX_RELEASE "0.32.4"

static PyModuleDef core = {
    PyModuleDef_HEAD_INIT,
    "pons.core",
    "Arrays, their functions and transforms, with the interface of mlx.core " PONS_MLX_RELEASE ".",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL};

static const struct {
  const char *name, *doc;
  int (*add)(PyObject *);
} submodules[] = {
    {"pons.core.random", "Random numbers: the same bits as MLX for the same key.", add_random},
    {"pons.core.linalg", "Linear algebra.", add_linalg},
    {"pons.core.fft", "Discrete Fourier transforms.", add_fft},
    {"pons.core.fast", "Operations that devices may have a kernel for, and kernels of your own.", add_fast},
    {"pons.core.standard", "What the Python array API has and mlx.core lacks; see pons.array_api.",
     add_standard},
    {"pons.core.distributed", "Processes that compute together.", add_distributed},
    {"pons.core.metal", "Apple's GPUs; memory functions under their old names.", add_metal},
    {"pons.core.cuda", "NVIDIA's GPUs.", add_cuda}};
enum { SUBMODULES = sizeof submodules / sizeof *submodules };

static int add_submodule(PyObject *module, int i) {
  const char *name = submodules[i].name;
  PyObject *sub = PyImport_AddModule(name); /* borrowed from sys.modules */
  if (!sub || PyModule_SetDocString(sub, submodules[i].doc) < 0) return -1;
  if (PyModule_AddObjectRef(module, strrchr(name, '.') + 1, sub) < 0) return -1;
  return submodules[i].add(sub);
}

static int add_constants(PyObject *module) {
  static const struct {
    const char *name;
    double value;
  } constants[] = {{"pi", PONS_PI},
                   {"e", PONS_E},
                   {"euler_gamma", PONS_EULER_GAMMA},
                   {"inf", PONS_INF},
                   {"nan", PONS_NAN}};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    PyObject *value = PyFloat_FromDouble(constants[i].value);
    const int bad = !value || PyModule_AddObjectRef(module, constants[i].name, value) < 0;
    Py_XDECREF(value);
    if (bad) return -1;
  }
  /* __version__ is that of the interface: programs ask for the MLX they need. */
  const bool added = PyModule_AddObjectRef(module, "newaxis", Py_None) == 0 &&
                     PyModule_AddStringConstant(module, "__version__", PONS_MLX_RELEASE) == 0 &&
                     PyModule_AddStringConstant(module, "_pons_version", pons_version()) == 0;
  return added ? 0 : -1;
}

typedef int adder(PyObject *);
static adder *const adders[] = {add_dtype_types,      add_limits,    add_device_types, add_array_type,
                                add_array_like,       add_constants, add_elementwise,  add_creation,
                                add_shapes,           add_indexing,  add_reductions,   add_products,
                                add_quantized,        add_memory,    add_files,        add_function_type,
                                add_evaluation,       add_gradients, add_vmap,         add_compile,
                                add_custom_functions, add_exporting};

/* mlx.core has the norm of linalg under this name, too. */
static int add_matrix_norm(PyObject *module) {
  PyObject *linalg = PyObject_GetAttrString(module, "linalg");
  PyObject *norm = linalg ? PyObject_GetAttrString(linalg, "norm") : NULL;
  const int bad = !norm || PyModule_AddObjectRef(module, "matrix_norm", norm) < 0;
  Py_XDECREF(norm);
  Py_XDECREF(linalg);
  return bad ? -1 : 0;
}

/* PONS_DEVICE may name a device that isn't there. */
static int check_default_device(void) {
  pons_default_device();
  if (pons_ok()) return 0;
  raise_error();
  return -1;
}

PyMODINIT_FUNC PyInit_core(void) {
  PyObject *module = PyModule_Create(&core);
  int bad = !module;
  for (size_t i = 0; !bad && i < sizeof adders / sizeof *adders; i++) bad = adders[i](module) < 0;
  for (int i = 0; !bad && i < SUBMODULES; i++) bad = add_submodule(module, i) < 0;
  if (!bad) bad = add_matrix_norm(module) < 0;
  if (!bad) bad = check_default_device() < 0;
  if (bad) Py_CLEAR(module);
  return module;
}
