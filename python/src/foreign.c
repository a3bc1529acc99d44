/* foreign.c: memory of other libraries as arrays, through the buffer protocol and DLPack. It is copied unless a caller
   asks to share it; then the library lets go of it on any thread, and Python hears of it later, with the GIL. */
#include "array.h"
#include "dlpack.h"
#include <stdlib.h>
#include <string.h>

/* ---- dtypes by their letter ---- */

/* The dtype of elements with this format, as the module struct and PEP 3118 spell it. */
static bool dtype_of_format(const char *format, Py_ssize_t size, pons_dtype *dtype) {
  static const pons_dtype by_size[3][9] = {
      {[1] = PONS_INT8, [2] = PONS_INT16, [4] = PONS_INT32, [8] = PONS_INT64},
      {[1] = PONS_UINT8, [2] = PONS_UINT16, [4] = PONS_UINT32, [8] = PONS_UINT64},
      {[2] = PONS_FLOAT16, [4] = PONS_FLOAT32, [8] = PONS_FLOAT64}};
  if (!format) format = "B";
  if (strchr("@=<", *format) && *format) format++;
  if (strcmp(format, "Zf") == 0) return *dtype = PONS_COMPLEX64, true;
  if (strcmp(format, "Zd") == 0) return *dtype = PONS_COMPLEX128, true;
  if (strcmp(format, "bfloat16") == 0) return *dtype = PONS_BFLOAT16, true;
  if (!*format || format[1] || size > 8) return false;
  if (*format == '?') return *dtype = PONS_BOOL, true;
  const int kind = strchr("bhilqn", *format)   ? 0
                   : strchr("BHILQN", *format) ? 1
                   : strchr("efd", *format)    ? 2
                                               : -1;
  if (kind < 0 || by_size[kind][size] == PONS_BOOL) return false;
  *dtype = by_size[kind][size];
  return true;
}

/* What elements become if nothing is said: as in MLX nothing with parts of float64. */
static pons_dtype usual(pons_dtype dtype) {
  return dtype == PONS_FLOAT64 ? PONS_FLOAT32 : dtype == PONS_COMPLEX128 ? PONS_COMPLEX64 : dtype;
}

/* As in MLX, in whose words: before anything is copied. */
static bool size_fits(int64_t size) {
  if (size <= INT32_MAX) return true;
  PyErr_Format(PyExc_OverflowError,
               "Shape dimension %lld is outside the supported range [-2147483648, 2147483647]. MLX currently "
               "uses 32-bit integers for shape dimensions.",
               (long long)size);
  return false;
}

/* ---- copies ---- */

/* The axes from `axis` on, row-major. */
static char *copy_axes(char *to, const char *from, const Py_buffer *v, int axis) {
  const size_t size = (size_t)v->itemsize;
  if (axis == v->ndim) return memcpy(to, from, size), to + size;
  const Py_ssize_t n = v->shape[axis], by = v->strides[axis];
  if (axis < v->ndim - 1) {
    for (Py_ssize_t i = 0; i < n; i++) to = copy_axes(to, from + i * by, v, axis + 1);
    return to;
  }
#define COPY(bytes) \
  for (Py_ssize_t i = 0; i < n; i++) memcpy(to + i * (bytes), from + i * by, bytes)
  if (size == 1)
    COPY(1);
  else if (size == 2)
    COPY(2);
  else if (size == 4)
    COPY(4);
  else if (size == 8)
    COPY(8);
  else
    COPY(size);
#undef COPY
  return to + (size_t)n * size;
}

static void *narrow(const double *from, size_t count) {
  float *to = malloc(count * sizeof *to + 16);
  for (size_t i = 0; to && i < count; i++) to[i] = (float)from[i];
  return to;
}

/* Row-major, or column-major if they lie so, in memory of malloc's, doubles as floats where that is wanted; NULL and an
   exception. */
static void *elements_of(const Py_buffer *v, bool to_floats) {
  const size_t bytes = (size_t)v->len, doubles = bytes / sizeof(double);
  const bool in_order = PyBuffer_IsContiguous(v, 'A'), aligned = (uintptr_t)v->buf % 8 == 0;
  void *copy = NULL;
  if (to_floats && in_order && aligned) {
    copy = narrow(v->buf, doubles);
  } else if ((copy = malloc(bytes + 16))) {
    if (bytes && in_order)
      memcpy(copy, v->buf, bytes);
    else if (bytes)
      copy_axes(copy, v->buf, v, 0);
    if (to_floats) {
      void *floats = narrow(copy, doubles);
      free(copy);
      copy = floats;
    }
  }
  return copy ? copy : PyErr_NoMemory();
}

/* ---- the buffer protocol ---- */

static int array_from_view(const Py_buffer *v, pons_optional_dtype wanted, pons_array *out) {
  pons_dtype dtype;
  if (!dtype_of_format(v->format, v->itemsize, &dtype)) {
    PyErr_Format(PyExc_ValueError, "array: elements of format '%s' and %zd bytes have no dtype", v->format,
                 v->itemsize);
    return -1;
  }
  if (v->ndim > PONS_MAX_NDIM) {
    PyErr_Format(PyExc_ValueError, "array: %d axes; at most %d are possible", v->ndim, PONS_MAX_NDIM);
    return -1;
  }
  for (int i = 0; i < v->ndim; i++)
    if (!size_fits(v->shape[i])) return -1;
  const pons_dtype target = wanted.given ? wanted.dtype : usual(dtype);
  const bool to_floats = target != dtype && target == usual(dtype);
  void *data = elements_of(v, to_floats);
  if (!data) return -1;
  int64_t shape[PONS_MAX_NDIM];
  const bool column_major = PyBuffer_IsContiguous(v, 'F') && !PyBuffer_IsContiguous(v, 'C');
  for (int i = 0; i < v->ndim; i++) shape[column_major ? v->ndim - 1 - i : i] = v->shape[i];
  *out = pons_from_data(data, (pons_shape){v->ndim, shape}, to_floats ? target : dtype,
                        free, data);
  *out = pons_astype(column_major ? pons_transpose(*out) : *out, target);
  return 1;
}

/* A NumPy array of ml_dtypes.bfloat16, which NumPy gives no buffer of, as its bits. NULL if it is something else. */
static PyObject *bits_of_bfloat16(PyObject *o) {
  PyErr_Clear();
  PyObject *dtype = PyObject_GetAttrString(o, "dtype"),
           *name = dtype ? PyObject_GetAttrString(dtype, "name") : NULL;
  PyObject *bits = NULL;
  if (name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "bfloat16") == 0)
    bits = PyObject_CallMethod(o, "view", "s", "uint16");
  PyErr_Clear();
  Py_XDECREF(name);
  Py_XDECREF(dtype);
  return bits;
}

static int array_from_buffer(PyObject *o, pons_optional_dtype wanted, pons_array *out) {
  Py_buffer v;
  if (PyObject_GetBuffer(o, &v, PyBUF_FULL_RO) == 0) {
    const int fits = array_from_view(&v, wanted, out);
    PyBuffer_Release(&v);
    return fits;
  }
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyObject *bits = bits_of_bfloat16(o);
  if (!bits) {
    PyErr_Restore(type, value, trace);
    return -1;
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  const int fits = array_from_buffer(bits, (pons_optional_dtype){false, PONS_BOOL}, out);
  Py_DECREF(bits);
  if (fits == 1) *out = pons_view(*out, PONS_BFLOAT16);
  if (fits == 1 && wanted.given) *out = pons_astype(*out, wanted.dtype);
  return fits;
}

/* ---- DLPack ---- */

/* A capsule's tensor, as the library takes it: with a deleter that may be called on any thread. */
typedef struct import {
  DLManagedTensor tensor;
  held *owner;
} import;

static void let_go_of_tensor(void *what) {
  DLManagedTensor *t = what;
  if (t->deleter) t->deleter(t);
}
static void let_go_of_versioned(void *what) {
  DLManagedTensorVersioned *t = what;
  if (t->deleter) t->deleter(t);
}

static void import_end(DLManagedTensor *tensor) {
  import *i = tensor->manager_ctx;
  held_end(i->owner);
  free(i);
}

/* An array on the tensor's memory. */
static int array_on_tensor(const DLTensor *t, void (*let_go)(void *), void *what, pons_array *out) {
  import *i = malloc(sizeof *i);
  held *o = i ? held_new(let_go, what) : NULL;
  if (!o) {
    free(i);
    let_go(what);
    PyErr_NoMemory();
    return -1;
  }
  *i = (import){{*t, i, import_end}, o};
  *out = pons_from_dlpack(&i->tensor);
  return 1;
}

static int refuse_capsule(void) {
  PyErr_SetString(PyExc_ValueError, "from_dlpack: the capsule is no tensor, or was used already");
  return -1;
}

static int array_on_capsule(PyObject *capsule, pons_array *out) {
  if (PyCapsule_IsValid(capsule, "dltensor")) {
    DLManagedTensor *t = PyCapsule_GetPointer(capsule, "dltensor");
    PyCapsule_SetName(capsule, "used_dltensor");
    return array_on_tensor(&t->dl_tensor, let_go_of_tensor, t, out);
  }
  if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
    DLManagedTensorVersioned *t = PyCapsule_GetPointer(capsule, "dltensor_versioned");
    if (t->major != 1) {
      PyErr_Format(PyExc_BufferError, "from_dlpack: version %u.%u; 1.x was asked for", t->major, t->minor);
      return -1;
    }
    if (t->flags & kDLFlagReadOnly) { /* views of arrays can be written to */
      PyErr_SetString(PyExc_ValueError, "from_dlpack: memory that is only for reading can't be shared");
      return -1;
    }
    PyCapsule_SetName(capsule, "used_dltensor_versioned");
    return array_on_tensor(&t->dl_tensor, let_go_of_versioned, t, out);
  }
  return refuse_capsule();
}

/* o.__dlpack__(max_version=(1, 0)), without the argument for producers that don't know it; NULL without an exception
   for objects that have no such method. */
static PyObject *capsule_of(PyObject *o) {
  if (PyCapsule_CheckExact(o)) return Py_NewRef(o);
  PyObject *method = PyObject_GetAttrString(o, "__dlpack__");
  if (!method) {
    PyErr_Clear();
    return NULL;
  }
  PyObject *none = PyTuple_New(0), *version = Py_BuildValue("{s(ii)}", "max_version", 1, 0);
  PyObject *capsule = none && version ? PyObject_Call(method, none, version) : NULL;
  if (!capsule && none && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    capsule = PyObject_CallNoArgs(method);
  }
  Py_XDECREF(version);
  Py_XDECREF(none);
  Py_DECREF(method);
  return capsule;
}

/* ---- copies of tensors keep the layout ---- */

/* How many elements lie between the first and the last of the tensor; -1 for a negative stride. */
static int64_t extent_of(const DLTensor *t) {
  int64_t last = 0, ordered = 1;
  for (int i = t->ndim - 1; i >= 0; i--) {
    const int64_t by = t->strides ? t->strides[i] : ordered;
    if (t->shape[i] == 0) return 0;
    if (by < 0) return -1;
    last += (t->shape[i] - 1) * by;
    ordered *= t->shape[i];
  }
  return last + 1;
}

/* A tensor's copy: its lists, then its elements. */
static void copy_end(DLManagedTensor *copy) { free(copy->manager_ctx); }

static DLManagedTensor *tensor_copy(const DLTensor *t, int64_t extent) {
  const size_t element = (size_t)t->bits * t->lanes / 8, n = (size_t)t->ndim,
               bytes = (size_t)extent * element;
  const size_t lists = (2 * (n + 1) * sizeof(int64_t) + 63) & ~(size_t)63;
  DLManagedTensor *copy = malloc(sizeof *copy + 64 + lists + bytes);
  if (!copy) return (DLManagedTensor *)PyErr_NoMemory();
  int64_t *shape = (int64_t *)(void *)((char *)copy + ((sizeof *copy + 15) & ~(size_t)15)),
          *strides = shape + n + 1;
  int64_t ordered = 1;
  for (int i = t->ndim - 1; i >= 0; i--) {
    shape[i] = t->shape[i];
    strides[i] = t->strides ? t->strides[i] : ordered;
    ordered *= shape[i];
  }
  copy->dl_tensor = *t;
  copy->dl_tensor.shape = shape;
  copy->dl_tensor.strides = strides;
  copy->dl_tensor.byte_offset = 0;
  copy->dl_tensor.data = (char *)shape + lists;
  copy->manager_ctx = copy;
  copy->deleter = copy_end;
  if (bytes) memcpy(copy->dl_tensor.data, (const char *)t->data + t->byte_offset, bytes);
  return copy;
}

static int copy_of_tensor(const DLTensor *t, pons_array *out) {
  for (int i = 0; i < t->ndim; i++)
    if (!size_fits(t->shape[i])) return -1;
  const int64_t extent = extent_of(t);
  if (extent < 0 || t->ndim > PONS_MAX_NDIM) {
    PyErr_SetString(PyExc_ValueError,
                    extent < 0 ? "from_dlpack: a stride is negative" : "from_dlpack: too many axes");
    return -1;
  }
  if (t->device_type != kDLCPU) {
    PyErr_Format(PyExc_ValueError, "from_dlpack: memory of device type %d can't be read by the CPU",
                 t->device_type);
    return -1;
  }
  DLManagedTensor *copy = tensor_copy(t, extent);
  if (!copy) return -1;
  *out = pons_from_dlpack(copy);
  *out = pons_astype(*out, usual(pons_dtype_of(*out)));
  return 1;
}

/* Of a capsule that stays as it is. */
static int copy_of_capsule(PyObject *capsule, pons_array *out) {
  if (PyCapsule_IsValid(capsule, "dltensor")) {
    const DLManagedTensor *t = PyCapsule_GetPointer(capsule, "dltensor");
    return copy_of_tensor(&t->dl_tensor, out);
  }
  if (!PyCapsule_IsValid(capsule, "dltensor_versioned")) return refuse_capsule();
  const DLManagedTensorVersioned *t = PyCapsule_GetPointer(capsule, "dltensor_versioned");
  if (t->major == 1) return copy_of_tensor(&t->dl_tensor, out);
  if (!PyErr_Occurred())
    PyErr_Format(PyExc_BufferError, "from_dlpack: version %u; 1 was asked for", t->major);
  return -1;
}

int array_from_dlpack(PyObject *o, bool share, pons_array *out) {
  PyObject *capsule = capsule_of(o);
  if (!capsule) return PyErr_Occurred() ? -1 : 0;
  const int fits = share ? array_on_capsule(capsule, out) : copy_of_capsule(capsule, out);
  Py_DECREF(capsule);
  return fits;
}

/* ---- either ---- */

int array_from_foreign(PyObject *o, pons_optional_dtype wanted, pons_array *out) {
  if (PyObject_CheckBuffer(o)) return array_from_buffer(o, wanted, out);
  const int fits = array_from_dlpack(o, false, out);
  if (fits == 1 && wanted.given) *out = pons_astype(*out, wanted.dtype);
  return fits;
}
