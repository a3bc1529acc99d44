/* exchange.c: arrays handed to other libraries and to other processes: the buffer protocol, DLPack, NumPy, pickling,
   copies. */
#include "array.h"
#include "dlpack.h"
#include <stdlib.h>
#include <string.h>

/* ---- buffers: what the array is now, as it lies in memory ---- */

typedef struct lent {
  DLManagedTensor *tensor;
  Py_ssize_t lists[]; /* shape, strides */
} lent;

/* As PEP 3118 spells them; NumPy refuses what it has no name for. */
static const char *const formats[] = {"?", "B", "H", "I", "Q", "b",        "h",
                                      "i", "q", "e", "f", "d", "bfloat16", "Zf", "Zd"};

/* What DLPack says of the computed array; NULL and an exception. It keeps the memory, whatever becomes of the object. */
static DLManagedTensor *tensor_of(pons_array a) {
  pons_keep(a);
  DLManagedTensor *t = evaluate(&a, 1) ? pons_to_dlpack(a) : NULL;
  if (!t && !PyErr_Occurred()) raise_error();
  pons_release(a);
  return t;
}

static bool in_order(const DLTensor *t) {
  int64_t expected = 1;
  for (int i = t->ndim - 1; i >= 0; i--) {
    if (t->shape[i] != 1 && t->strides[i] != expected) return false;
    expected *= t->shape[i];
  }
  return true;
}

static int refuse_view(Py_buffer *view, DLManagedTensor *t, const char *why) {
  if (t) t->deleter(t);
  if (why) PyErr_SetString(PyExc_BufferError, why);
  view->obj = NULL;
  return -1;
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags) {
  const pons_dtype dtype = pons_dtype_of(unwrap(self));
  DLManagedTensor *t = tensor_of(unwrap(self));
  if (!t) return refuse_view(view, NULL, NULL);
  const DLTensor *d = &t->dl_tensor;
  bool empty = false;
  for (int i = 0; i < d->ndim; i++) empty |= d->shape[i] == 0;
  const bool strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES, ordered = empty || in_order(d);
  if (!ordered && (!strided || (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS))
    return refuse_view(view, t, "the array does not lie row-major in memory");
  lent *l = malloc(sizeof *l + (size_t)d->ndim * 2 * sizeof *l->lists);
  if (!l) return PyErr_NoMemory(), refuse_view(view, t, NULL);
  const Py_ssize_t size = (Py_ssize_t)pons_dtype_size(dtype);
  Py_ssize_t *shape = l->lists, *strides = l->lists + d->ndim, count = 1;
  l->tensor = t;
  for (int i = d->ndim - 1; i >= 0; i--) {
    shape[i] = (Py_ssize_t)d->shape[i];
    strides[i] = empty ? count * size : (Py_ssize_t)d->strides[i] * size;
    count *= shape[i];
  }
  static char nothing[16];
  *view = (Py_buffer){.buf = d->data ? (char *)d->data + d->byte_offset : nothing,
                      .obj = Py_NewRef(self),
                      .len = count * size,
                      .itemsize = size,
                      .ndim = d->ndim,
                      .format = flags & PyBUF_FORMAT ? (char *)formats[dtype] : NULL,
                      .shape = flags & PyBUF_ND ? shape : NULL,
                      .strides = strided ? strides : NULL,
                      .internal = l};
  return 0;
}

static void release_buffer(PyObject *self, Py_buffer *view) {
  (void)self;
  lent *l = view->internal;
  l->tensor->deleter(l->tensor);
  free(l);
}

/* ---- DLPack ---- */

static void capsule_end(PyObject *capsule) {
  if (!PyCapsule_IsValid(capsule, "dltensor")) return; /* the consumer has it */
  DLManagedTensor *t = PyCapsule_GetPointer(capsule, "dltensor");
  t->deleter(t);
}

/* (1, 0), or nothing asked for. */
static bool is_for_cpu(PyObject *device) {
  int type, index;
  if (device == Py_None) return true;
  return PyTuple_Check(device) && PyArg_ParseTuple(device, "ii", &type, &index) && type == kDLCPU;
}

static PyObject *dlpack(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
  PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$OOOO:__dlpack__", names, &stream, &version, &device,
                                   &copy))
    return NULL;
  if (!is_for_cpu(device)) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_BufferError, "__dlpack__: only memory of the CPU, (1, 0), can be had");
    return NULL;
  }
  const pons_scope scope = pons_scope_open();
  pons_array a = unwrap(self);
  if (copy == Py_True) a = fresh_copy(a);
  DLManagedTensor *t = a ? tensor_of(a) : NULL;
  pons_scope_close(scope);
  if (!t) return NULL;
  PyObject *capsule = PyCapsule_New(t, "dltensor", capsule_end);
  if (!capsule) t->deleter(t);
  return capsule;
}

static PyObject *dlpack_device(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return Py_BuildValue("(ii)", kDLCPU, 0);
}

/* ---- NumPy ---- */

/* array.astype(dtype, copy=False); an error if that makes another array where none is wanted. */
static PyObject *with_dtype(PyObject *array, PyObject *dtype, bool may_copy) {
  PyObject *call = PyObject_GetAttrString(array, "astype");
  PyObject *positional = PyTuple_Pack(1, dtype), *named = Py_BuildValue("{sO}", "copy", Py_False);
  PyObject *cast = call && positional && named ? PyObject_Call(call, positional, named) : NULL;
  if (cast && cast != array && !may_copy) {
    PyErr_SetString(PyExc_ValueError, "__array__: another dtype needs a copy");
    Py_CLEAR(cast);
  }
  Py_XDECREF(call);
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return cast;
}

static PyObject *numpy_array(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"dtype", "copy", NULL};
  PyObject *dtype = Py_None, *copy = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:__array__", names, &dtype, &copy)) return NULL;
  PyObject *numpy = PyImport_ImportModule("numpy"), *view = numpy ? PyMemoryView_FromObject(self) : NULL;
  PyObject *array =
      view ? PyObject_CallMethod(numpy, copy == Py_True ? "array" : "asarray", "O", view) : NULL;
  PyObject *result =
      array && dtype != Py_None ? with_dtype(array, dtype, copy != Py_False) : Py_XNewRef(array);
  Py_XDECREF(array);
  Py_XDECREF(view);
  Py_XDECREF(numpy);
  return result;
}

/* ---- bytes, pickling, copies ---- */

pons_array fresh_copy(pons_array a) {
  pons_keep(a);
  pons_array copy = NULL;
  const void *data = evaluate(&a, 1) ? pons_data(a) : NULL;
  if (data || (!PyErr_Occurred() && pons_size(a) == 0))
    copy = pons_array_from(data, pons_shape_of(a), pons_dtype_of(a));
  else if (!PyErr_Occurred())
    raise_error();
  pons_release(a);
  return copy;
}

static PyObject *to_bytes(PyObject *self, PyObject *unused) {
  (void)unused;
  pons_array a = pons_keep(unwrap(self));
  const char *data = evaluate(&a, 1) ? pons_data(a) : NULL;
  PyObject *bytes = NULL;
  if (data || (!PyErr_Occurred() && pons_size(a) == 0))
    bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)pons_nbytes(a));
  else if (!PyErr_Occurred())
    raise_error();
  pons_release(a);
  return bytes;
}

/* (bytes, shape, dtype) */
static PyObject *get_state(PyObject *self, PyObject *unused) {
  PyObject *bytes = to_bytes(self, unused), *shape = bytes ? PyObject_GetAttrString(self, "shape") : NULL;
  PyObject *dtype = shape ? PyObject_GetAttrString(self, "dtype") : NULL;
  PyObject *state = dtype ? PyTuple_Pack(3, bytes, shape, dtype) : NULL;
  Py_XDECREF(dtype);
  Py_XDECREF(shape);
  Py_XDECREF(bytes);
  return state;
}

static PyObject *wrong_state(void) {
  PyErr_Clear();
  PyErr_SetString(PyExc_TypeError, "__setstate__: a tuple of bytes, shape and Dtype is expected");
  return NULL;
}

static PyObject *set_state(PyObject *self, PyObject *state) {
  const char *data;
  Py_ssize_t bytes;
  PyObject *dims, *dtype;
  pons_dtype d;
  int64_t shape[PONS_MAX_NDIM];
  if (!PyTuple_Check(state) || !PyArg_ParseTuple(state, "y#O!O", &data, &bytes, &PyTuple_Type, &dims, &dtype))
    return wrong_state();
  const Py_ssize_t ndim = PyTuple_Size(dims);
  if (ndim > PONS_MAX_NDIM || !dtype_from_object(dtype, &d)) return wrong_state();
  uint64_t left = (uint64_t)bytes / pons_dtype_size(d);
  bool empty = false;
  for (Py_ssize_t i = 0; i < ndim; i++) {
    shape[i] = PyLong_AsLongLong(PyTuple_GetItem(dims, i));
    if (shape[i] < 0) return wrong_state();
    empty |= shape[i] == 0;
  }
  for (Py_ssize_t i = 0; !empty && i < ndim; i++) {
    if (left % (uint64_t)shape[i]) return wrong_state();
    left /= (uint64_t)shape[i];
  }
  if (empty ? bytes != 0 : left != 1 || (uint64_t)bytes % pons_dtype_size(d)) return wrong_state();
  const pons_scope scope = pons_scope_open();
  pons_array a = pons_array_from(data, (pons_shape){(int)ndim, shape}, d);
  PyObject *result = pons_error_of(a) ? raise_error_of(a) : Py_NewRef(Py_None);
  if (result) rewrap(self, a);
  pons_scope_close(scope);
  return result;
}

/* An object of its own, so that what is done in place to one is not seen in the other. The elements never change. */
static PyObject *copy(PyObject *self, PyObject *unused) {
  (void)unused;
  return wrap(unwrap(self));
}

/* ---- the standard ---- */

/* pons.array_api, which has the standard's functions and every name of this module. */
static PyObject *array_namespace(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"api_version", NULL};
  const char *version = NULL;
  (void)self;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "|z:__array_namespace__", names, &version)) return NULL;
  if (!version || (strcmp(version, "2021.12") >= 0 && strcmp(version, "2024.12") <= 0))
    return PyImport_ImportModule("pons.array_api");
  return PyErr_Format(PyExc_ValueError, "__array_namespace__: version 2024.12 is there, not %s", version);
}

/* Arrays are computed where they are needed; what can be said is where ops run. */
PyObject *get_device(PyObject *self, void *unused) {
  (void)self, (void)unused;
  PyObject *core = PyImport_ImportModule("pons.core");
  PyObject *device = core ? PyObject_CallMethod(core, "default_device", NULL) : NULL;
  Py_XDECREF(core);
  return device;
}

static PyObject *to_device(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"device", "stream", NULL};
  PyObject *device, *stream = Py_None;
  pons_stream target;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|$O:to_device", names, &device, &stream)) return NULL;
  if (stream_from_object(device, &target)) return wrap(unwrap(self));
  if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "to_device: device must be Device");
  return NULL;
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS
const PyType_Slot exchange_slots[] = {
    {Py_bf_getbuffer, get_buffer}, {Py_bf_releasebuffer, release_buffer}, {0, NULL}};
const PyMethodDef exchange_methods[] = {
    {"__dlpack__", WITH_KEYWORDS(dlpack),
     "__dlpack__(self, *, stream: object | None = None, max_version: object | None = None, dl_device: "
     "tuple[int, int] | "
     "None = None, copy: bool | None = None) -> NDArray\n\nA capsule for from_dlpack of other libraries."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS,
     "__dlpack_device__(self) -> tuple\n\nWhere the memory is: (1, 0), the CPU."},
    {"__array__", WITH_KEYWORDS(numpy_array),
     "__array__(self, dtype: object | None = None, copy: object | None = None) -> NDArray\n\nA NumPy array."},
    {"__array_namespace__", WITH_KEYWORDS(array_namespace),
     "__array_namespace__(self, api_version: str | None = None) -> types.ModuleType\n\nThe functions of the "
     "array API."},
    {"to_device", WITH_KEYWORDS(to_device),
     "to_device(self, device: Device, /, *, stream: object | None = None) -> array\n\nThe array itself: "
     "arrays go where "
     "they are needed."},
    {"__bytes__", to_bytes, METH_NOARGS,
     "__bytes__(self) -> bytes\n\nThe elements, row-major, as they lie in memory."},
    {"__getstate__", get_state, METH_NOARGS, "__getstate__(self) -> tuple\n\nFor pickle."},
    {"__setstate__", set_state, METH_O, "__setstate__(self, arg: tuple, /) -> None\n\nFor pickle."},
    {"__copy__", copy, METH_NOARGS, "__copy__(self) -> array\n\nFor copy.copy."},
    {"__deepcopy__", copy, METH_O, "__deepcopy__(self, memo: dict) -> array\n\nFor copy.deepcopy."},
    END_OF_ROWS};
