/* kernels.c: kernels of the user's own in the submodule fast: gpu_kernel, metal_kernel and cuda_kernel make an object
   that is called with inputs, shapes and a grid; precompiled_cuda_kernel is called at once. */
#include "binding.h"
#include <stdlib.h>
#include <string.h>

/* A language, and the devices that speak it; NULL: all but the CPU. */
typedef struct language {
  const char *name, *devices[2];
  void (*make)(struct pons_kernel_args args);
} language;
static const language dialect = {"dialect", {NULL, NULL}, pons_fast_gpu_kernel_with},
                      metal = {"Metal", {"cuda", "metal"}, pons_fast_metal_kernel_with},
                      cuda = {"CUDA", {"cuda", "cuda"}, pons_fast_cuda_kernel_with};

/* What the kernel is made of, as Python objects: texts point into them. */
typedef struct kernel_object {
  PyObject_HEAD PyObject *name, *source, *header, *input_names,
      *output_names;   /* str; the last two are tuples of str */
  PyObject *math_mode; /* str or NULL */
  const language *language;
  bool any_layout, atomic_outputs;
  int shared_memory;
} kernel_object;
static PyTypeObject *kernel_type;

static const char *text_of(PyObject *o) { return PyUnicode_AsUTF8AndSize(o, NULL); }

/* ---- lists of the call ---- */

enum { MAX_ARRAYS = 64, MAX_ARGUMENTS = 64 };
typedef struct lists {
  pons_array inputs[MAX_ARRAYS], outputs[MAX_ARRAYS];
  const char *input_names[MAX_ARRAYS], *output_names[MAX_ARRAYS];
  pons_shape shapes[MAX_ARRAYS];
  int64_t sizes[MAX_ARRAYS][PONS_MAX_NDIM];
  pons_dtype dtypes[MAX_ARRAYS];
  struct pons_kernel_argument arguments[MAX_ARGUMENTS];
  int n_inputs, n_outputs, n_arguments;
} lists;

/* How many items `o` has; -1 and an exception if it is no sequence or too long. */
static int count_of(PyObject *o, const char *what) {
  const Py_ssize_t n = PySequence_Check(o) ? PySequence_Size(o) : -1;
  if (n >= 0 && n <= MAX_ARRAYS) return (int)n;
  if (!PyErr_Occurred())
    PyErr_Format(PyExc_ValueError, "custom_kernel: %s must be a sequence of at most %d items", what,
                 MAX_ARRAYS);
  return -1;
}

static bool integers(PyObject *o, const char *what, int64_t *out, int room, int *count) {
  const Py_ssize_t n = PySequence_Check(o) ? PySequence_Size(o) : -1;
  if (n < 0 || n > room) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_ValueError, "custom_kernel: %s must be at most %d integers", what, room);
    return false;
  }
  for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++) {
    PyObject *item = PySequence_GetItem(o, i);
    out[i] = item ? PyLong_AsLongLong(item) : 0;
    Py_XDECREF(item);
  }
  *count = (int)n;
  return !PyErr_Occurred();
}

static bool three(PyObject *o, const char *what, int *out) {
  int64_t wide[3];
  int count;
  if (!integers(o, what, wide, 3, &count)) return false;
  if (count != 3) {
    PyErr_Format(PyExc_ValueError, "custom_kernel: %s has %d numbers, there must be 3", what, count);
    return false;
  }
  for (int i = 0; i < 3; i++) out[i] = (int)wide[i];
  return true;
}

static bool inputs_of(PyObject *o, lists *l) {
  l->n_inputs = count_of(o, "inputs");
  for (int i = 0; i < l->n_inputs; i++) {
    PyObject *item = PySequence_GetItem(o, i);
    const int fits = item ? operand_from_object(item, &l->inputs[i]) : -1;
    Py_XDECREF(item);
    if (!fits) PyErr_Format(PyExc_TypeError, "custom_kernel: input %d must be scalar | array", i);
    if (fits != 1) return false;
  }
  return l->n_inputs >= 0;
}

static bool outputs_of(PyObject *shapes, PyObject *dtypes, lists *l) {
  l->n_outputs = count_of(shapes, "output_shapes");
  const int n_dtypes = count_of(dtypes, "output_dtypes");
  if (l->n_outputs < 0 || n_dtypes < 0) return false;
  if (n_dtypes != l->n_outputs) {
    PyErr_Format(PyExc_ValueError, "custom_kernel: %d output_shapes, but %d output_dtypes", l->n_outputs,
                 n_dtypes);
    return false;
  }
  for (int i = 0; i < l->n_outputs; i++) {
    PyObject *shape = PySequence_GetItem(shapes, i), *dtype = PySequence_GetItem(dtypes, i);
    int count = 0;
    bool fine = shape && integers(shape, "an output shape", l->sizes[i], PONS_MAX_NDIM, &count);
    if (fine && !(fine = dtype && dtype_from_object(dtype, &l->dtypes[i])))
      PyErr_SetString(PyExc_TypeError, "custom_kernel: output_dtypes must be Dtype");
    l->shapes[i] = (pons_shape){count, l->sizes[i]};
    Py_XDECREF(shape);
    Py_XDECREF(dtype);
    if (!fine) return false;
  }
  return true;
}

static bool argument_value(PyObject *o, struct pons_kernel_argument *a) {
  if (dtype_from_object(o, &a->dtype)) {
    a->kind = PONS_KERNEL_DTYPE;
  } else if (PyBool_Check(o)) {
    a->kind = PONS_KERNEL_BOOL;
    a->number = o == Py_True;
  } else if (PyLong_Check(o)) {
    a->kind = PONS_KERNEL_INT;
    a->number = (int)PyLong_AsLong(o);
  } else if (PyFloat_Check(o)) {
    a->kind = PONS_KERNEL_FLOAT;
    a->real = PyFloat_AsDouble(o);
  } else {
    PyErr_SetString(PyExc_TypeError, "custom_kernel: an argument must be Dtype, bool, int or float");
  }
  return !PyErr_Occurred();
}

/* template: pairs of a name and a value. The names live as long as the list. */
static bool template_of(PyObject *o, lists *l) {
  l->n_arguments = count_of(o, "template");
  for (int i = 0; i < l->n_arguments; i++) {
    PyObject *pair = PySequence_GetItem(o, i);
    const bool is_pair = pair && PySequence_Check(pair) && PySequence_Size(pair) == 2;
    PyObject *name = is_pair ? PySequence_GetItem(pair, 0) : NULL,
             *value = is_pair ? PySequence_GetItem(pair, 1) : NULL;
    l->arguments[i].name = name && PyUnicode_Check(name) ? text_of(name) : NULL;
    bool fine = l->arguments[i].name && value && argument_value(value, &l->arguments[i]);
    Py_XDECREF(name);
    Py_XDECREF(value);
    Py_XDECREF(pair);
    if (!fine && !PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "custom_kernel: template must be a list of (name, value)");
    if (!fine) return false;
  }
  return l->n_arguments >= 0;
}

static bool scalars_of(PyObject *o, lists *l) {
  l->n_arguments = count_of(o, "scalars");
  for (int i = 0; i < l->n_arguments; i++) {
    PyObject *value = PySequence_GetItem(o, i);
    l->arguments[i].name = "";
    const bool fine = value && argument_value(value, &l->arguments[i]);
    Py_XDECREF(value);
    if (!fine) return false;
  }
  return l->n_arguments >= 0;
}

static void names_of(PyObject *tuple, const char **out) {
  for (Py_ssize_t i = 0; i < PyTuple_Size(tuple) && i < MAX_ARRAYS; i++)
    out[i] = text_of(PyTuple_GetItem(tuple, i));
}

/* ---- a kernel that is made once and called often ---- */

static PyObject *kernel_body(const slot *s);
static function kernel_function = {
    "custom_kernel",
    "custom_kernel(kernel: object, /, *, inputs: object, output_shapes: object, output_dtypes: object, grid: "
    "object, "
    "threadgroup: object, template: object = None, init_value: float | None = None, verbose: bool = False, "
    "stream: object = None) -> list[array]"
    "\n\nRuns the kernel; the grid counts threads.",
    kernel_body, NULL};

/* "cuda:1" speaks what "cuda" does. */
static bool speaks(const language *l, const char *device) {
  if (!l->devices[0]) return strcmp(device, "cpu") != 0;
  for (int i = 0; i < 2; i++) {
    const size_t n = strlen(l->devices[i]);
    if (strncmp(device, l->devices[i], n) == 0 && (device[n] == '\0' || device[n] == ':')) return true;
  }
  return false;
}

/* A kernel that can't run there may be traced and exported; called with values it is an error at once. */
static bool may_run(const kernel_object *k, const lists *l, pons_stream stream) {
  const char *device = stream ? pons_stream_device(stream) : pons_default_device();
  bool values = !speaks(k->language, device);
  for (int i = 0; i < l->n_inputs; i++) values &= pons_has_value(l->inputs[i]);
  if (values)
    PyErr_Format(PyExc_RuntimeError, "custom_kernel: No %s back-end on %s; exported, %U runs elsewhere",
                 k->language->name, device, k->name);
  return !values;
}

static PyObject *kernel_body(const slot *s) {
  const kernel_object *k = (kernel_object *)s[0].object;
  pons_stream stream = NULL;
  if (s[9].kind == SLOT_OBJECT && s[9].object != Py_None && !gpu_stream_from_object(s[9].object, &stream))
    return NULL;
  lists *l = calloc(1, sizeof *l);
  if (!l) return PyErr_NoMemory();
  struct pons_kernel_args args = {.name = text_of(k->name),
                                  .source = text_of(k->source),
                                  .header = text_of(k->header),
                                  .any_layout = k->any_layout,
                                  .atomic_outputs = k->atomic_outputs,
                                  .shared_memory = k->shared_memory,
                                  .math_mode = k->math_mode ? text_of(k->math_mode) : NULL};
  PyObject *result = NULL;
  if (inputs_of(s[1].object, l) && outputs_of(s[2].object, s[3].object, l) &&
      three(s[4].object, "grid", args.grid) && three(s[5].object, "threadgroup", args.threadgroup) &&
      (s[6].object == Py_None || s[6].kind == SLOT_NONE || template_of(s[6].object, l))) {
    const Py_ssize_t n_in = PyTuple_Size(k->input_names), n_out = PyTuple_Size(k->output_names);
    if (n_in != l->n_inputs || n_out != l->n_outputs) {
      PyErr_Format(PyExc_ValueError,
                   "custom_kernel: %s takes %zd inputs and gives %zd results, not %d and %d", args.name, n_in,
                   n_out, l->n_inputs, l->n_outputs);
    } else {
      const float init = s[7].kind == SLOT_FLOAT ? (float)s[7].number : 0;
      names_of(k->input_names, l->input_names);
      names_of(k->output_names, l->output_names);
      args.inputs = l->inputs, args.input_names = l->input_names, args.n_inputs = l->n_inputs;
      args.output_shapes = l->shapes, args.output_dtypes = l->dtypes, args.output_names = l->output_names;
      args.n_outputs = l->n_outputs, args.out = l->outputs;
      args.template_arguments = l->arguments, args.n_template_arguments = l->n_arguments;
      args.init_value = s[7].kind == SLOT_FLOAT ? &init : NULL;
      if (s[8].flag) PySys_WriteStdout("%s:\n%.900s\n", args.name, args.source);
      pons_stream before = stream ? pons_set_stream(stream) : NULL;
      k->language->make(args);
      if (stream) pons_set_stream(before);
      if (may_run(k, l, stream)) result = wrap_list(l->outputs, l->n_outputs);
    }
  }
  free(l);
  return result;
}

/* tp_call has a tuple and a dict where call() takes a vector. */
static PyObject *kernel_call_object(PyObject *self, PyObject *args, PyObject *keywords) {
  const Py_ssize_t n = PyTuple_Size(args), n_names = keywords ? PyDict_Size(keywords) : 0;
  PyObject **vector = PyMem_Malloc((size_t)(n + n_names + 1) * sizeof *vector), *names = PyTuple_New(n_names);
  PyObject *name, *value, *result = NULL;
  Py_ssize_t at = 0, i = 0;
  for (Py_ssize_t k = 0; vector && k < n; k++) vector[k] = PyTuple_GetItem(args, k);
  while (vector && names && keywords && PyDict_Next(keywords, &at, &name, &value)) {
    PyTuple_SetItem(names, i, Py_NewRef(name));
    vector[n + i++] = value;
  }
  if (vector && names) result = call(&kernel_function, self, vector, n, names);
  PyMem_Free(vector);
  Py_XDECREF(names);
  return result;
}

static void kernel_free(PyObject *self) {
  kernel_object *k = (kernel_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(k->name);
  Py_XDECREF(k->source);
  Py_XDECREF(k->header);
  Py_XDECREF(k->input_names);
  Py_XDECREF(k->output_names);
  Py_XDECREF(k->math_mode);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyType_Slot kernel_slots[] = {
    {Py_tp_doc, "A kernel of the user's own; called with inputs, shapes and a grid."},
    {Py_tp_call, kernel_call_object},
    {Py_tp_dealloc, kernel_free},
    {0, NULL}};

/* A tuple of str. */
static PyObject *name_list(slot s, const char *what) {
  PyObject *tuple = PySequence_Tuple(s.object);
  for (Py_ssize_t i = 0; tuple && i < PyTuple_Size(tuple); i++)
    if (!PyUnicode_Check(PyTuple_GetItem(tuple, i))) {
      PyErr_Format(PyExc_TypeError, "custom_kernel: %s must be a sequence of str", what);
      Py_CLEAR(tuple);
    }
  return tuple;
}

/* name, input_names, output_names, source, header, ensure_row_contiguous: the first six of all. */
static kernel_object *kernel_new(const slot *s, const language *in) {
  kernel_object *k = (kernel_object *)PyType_GenericAlloc(kernel_type, 0);
  if (!k) return NULL;
  k->language = in;
  k->name = PyUnicode_FromString(s[0].text);
  k->input_names = name_list(s[1], "input_names");
  k->output_names = k->input_names ? name_list(s[2], "output_names") : NULL;
  k->source = PyUnicode_FromString(s[3].text);
  k->header = PyUnicode_FromString(s[4].text);
  k->any_layout = !s[5].flag;
  if (k->name && k->input_names && k->output_names && k->source && k->header) return k;
  Py_DECREF(k);
  return NULL;
}

NAMED_FUNCTION(
    fast_gpu_kernel, "gpu_kernel",
    "(name: str, input_names: Sequence[str], output_names: Sequence[str], source: str, header: str = '', "
    "ensure_row_contiguous: bool = True) -> object",
    "A kernel from the body of a function in the dialect of Pons' own kernels: the same on every GPU and "
    "OpenCL "
    "device.") {
  return (PyObject *)kernel_new(s, &dialect);
}

NAMED_FUNCTION(
    fast_metal_kernel, "metal_kernel",
    "(name: str, input_names: Sequence[str], output_names: Sequence[str], source: str, header: str = '', "
    "ensure_row_contiguous: bool = True, atomic_outputs: bool = False, compile_options: object | None = "
    "None) -> "
    "object",
    "A kernel from the body of a function in the Metal Shading Language; its signature is written around "
    "it.") {
  kernel_object *k = kernel_new(s, &metal);
  if (!k) return NULL;
  k->atomic_outputs = s[6].flag;
  if (s[7].kind == SLOT_OBJECT && PyDict_Check(s[7].object))
    k->math_mode = Py_XNewRef(PyDict_GetItemString(s[7].object, "math_mode"));
  if (!k->math_mode || PyUnicode_Check(k->math_mode)) return (PyObject *)k;
  PyErr_SetString(PyExc_TypeError, "metal_kernel(): math_mode must be str");
  Py_DECREF(k);
  return NULL;
}

NAMED_FUNCTION(
    fast_cuda_kernel, "cuda_kernel",
    "(name: str, input_names: Sequence[str], output_names: Sequence[str], source: str, header: str = '', "
    "ensure_row_contiguous: bool = True, shared_memory: int = 0) -> object",
    "A kernel from the body of a function in CUDA C; its signature is written around it.") {
  kernel_object *k = kernel_new(s, &cuda);
  if (k) k->shared_memory = (int)s[6].i;
  return (PyObject *)k;
}

NAMED_FUNCTION(
    fast_precompiled_cuda_kernel, "precompiled_cuda_kernel",
    "(*, name: str, compiled_source: bytes, inputs: object, output_shapes: object, output_dtypes: object, "
    "scalars: object, grid: object, threadgroup: object, shared_memory: int = 0, init_value: float | None = "
    "None, "
    "ensure_row_contiguous: bool = False, stream: StreamOrDevice = None) -> list[array]",
    "Runs a function of PTX or a cubin with the pointers of inputs and results and the scalars.") {
  char *data;
  Py_ssize_t bytes;
  if (PyBytes_AsStringAndSize(s[1].object, &data, &bytes) < 0) return NULL;
  lists *l = calloc(1, sizeof *l);
  if (!l) return PyErr_NoMemory();
  const float init = s[9].kind == SLOT_FLOAT ? (float)s[9].number : 0;
  struct pons_precompiled_kernel_args args = {.name = s[0].text,
                                              .compiled_source = data,
                                              .compiled_bytes = (size_t)bytes,
                                              .shared_memory = (int)s[8].i,
                                              .init_value = s[9].kind == SLOT_FLOAT ? &init : NULL,
                                              .ensure_row_contiguous = s[10].flag};
  PyObject *result = NULL;
  if (inputs_of(s[2].object, l) && outputs_of(s[3].object, s[4].object, l) && scalars_of(s[5].object, l) &&
      three(s[6].object, "grid", args.grid) && three(s[7].object, "threadgroup", args.threadgroup)) {
    args.inputs = l->inputs, args.n_inputs = l->n_inputs;
    args.output_shapes = l->shapes, args.output_dtypes = l->dtypes, args.n_outputs = l->n_outputs;
    args.out = l->outputs, args.scalars = l->arguments, args.n_scalars = l->n_arguments;
    pons_fast_precompiled_cuda_kernel_with(args);
    result = wrap_list(l->outputs, l->n_outputs);
  }
  free(l);
  return result;
}

static PyMethodDef rows[] = {ALIAS("gpu_kernel", fast_gpu_kernel), ALIAS("metal_kernel", fast_metal_kernel),
                             ALIAS("cuda_kernel", fast_cuda_kernel),
                             ALIAS("precompiled_cuda_kernel", fast_precompiled_cuda_kernel), END_OF_ROWS};

int add_kernels(PyObject *submodule) {
  PyType_Spec spec = {"pons.core.fast.custom_kernel", sizeof(kernel_object), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, kernel_slots};
  kernel_type = (PyTypeObject *)PyType_FromModuleAndSpec(submodule, &spec, NULL);
  return kernel_type ? PyModule_AddFunctions(submodule, rows) : -1;
}
