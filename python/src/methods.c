/* methods.c: properties of arrays, and the functions of the module that are methods too, with the array as their first
   argument. */
#include "array.h"
#include <stdlib.h>
#include <string.h>

/* ---- properties ---- */

PyObject *shape_tuple(pons_shape shape) {
  PyObject *tuple = PyTuple_New(shape.count);
  for (int i = 0; tuple && i < shape.count; i++) PyTuple_SetItem(tuple, i, PyLong_FromLongLong(shape.at[i]));
  return tuple;
}

static PyObject *get_shape(PyObject *self, void *unused) {
  (void)unused;
  array_object *o = (array_object *)self;
  if (!o->shape) o->shape = shape_tuple(pons_shape_of(o->value));
  return Py_XNewRef(o->shape);
}

static PyObject *get_ndim(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLong(pons_ndim(unwrap(self)));
}

static PyObject *get_size(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLongLong(pons_size(unwrap(self)));
}

static PyObject *get_itemsize(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(pons_dtype_size(pons_dtype_of(unwrap(self))));
}

static PyObject *get_nbytes(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(pons_nbytes(unwrap(self)));
}

static PyObject *get_dtype(PyObject *self, void *unused) {
  (void)unused;
  return dtype_object(pons_dtype_of(unwrap(self)));
}

/* The value of a property that is an op. */
static PyObject *get_op(PyObject *self, void *op) {
  const pons_scope scope = pons_scope_open();
  PyObject *o = wrap((*(pons_array(**)(pons_array))op)(unwrap(self)));
  pons_scope_close(scope);
  return o;
}

static pons_array transposed(pons_array a) { return pons_transpose(a); }
static pons_array (*const op_T)(pons_array) = transposed;
static pons_array (*const op_mT)(pons_array) = pons_matrix_transpose;
static pons_array (*const op_real)(pons_array) = pons_real;
static pons_array (*const op_imag)(pons_array) = pons_imag;

#define PROPERTY(name, doc) \
  { #name, get_##name, NULL, doc, NULL }
#define OP(name, doc) \
  { #name, get_op, NULL, doc, (void *)&op_##name }
static PyGetSetDef properties[] = {
    PROPERTY(shape, "shape(self) -> tuple[int, ...]\n\nThe sizes along each axis."),
    PROPERTY(ndim, "ndim(self) -> int\n\nThe number of axes."),
    PROPERTY(size, "size(self) -> int\n\nThe number of elements."),
    PROPERTY(itemsize, "itemsize(self) -> int\n\nBytes of one element."),
    PROPERTY(nbytes, "nbytes(self) -> int\n\nBytes of all elements."),
    PROPERTY(device, "device(self) -> Device\n\nWhere ops run; arrays go where they are needed."),
    PROPERTY(dtype, "dtype(self) -> Dtype\n\nThe type of the elements."),
    {"at", get_at, NULL, "at(self) -> ArrayAt\n\nx.at[index].add(v): x with v added there.", NULL},
    OP(T, "T(self) -> array\n\nThe array with its axes in reverse order."),
    OP(mT, "mT(self) -> array\n\nThe array with its last two axes swapped."),
    OP(real, "real(self) -> array\n\nThe real part."),
    OP(imag, "imag(self) -> array\n\nThe imaginary part."),
    {NULL, NULL, NULL, NULL, NULL}};

const PyType_Slot method_slots[] = {{Py_tp_getset, properties}, {0, NULL}};

/* ---- functions as methods ---- */

#define METHODS                                                                                          \
  METHOD(abs)                                                                                            \
  METHOD(all)                                                                                            \
  METHOD(any)                                                                                            \
  METHOD(argmax) METHOD(argmin) METHOD(conj) METHOD(cos) METHOD(cummax) METHOD(cummin) METHOD(cumprod)   \
      METHOD(cumsum) METHOD(diag) METHOD(diagonal) METHOD(exp) METHOD(flatten) METHOD(log) METHOD(log10) \
          METHOD(log1p) METHOD(log2) METHOD(logcumsumexp) METHOD(logsumexp) METHOD(max) METHOD(mean)     \
              METHOD(min) METHOD(moveaxis) METHOD(prod) METHOD(reciprocal) METHOD(round) METHOD(rsqrt)   \
                  METHOD(sin) METHOD(split) METHOD(sqrt) METHOD(square) METHOD(squeeze) METHOD(std)      \
                      METHOD(sum) METHOD(swapaxes) METHOD(var) METHOD(view)

#define METHOD(id)                                                                                     \
  extern function id##_function;                                                                       \
  static PyObject *id##_method(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) { \
    return call(&id##_function, self, args, n, names);                                                 \
  }
METHODS
#undef METHOD

/* The stream may be passed by place here, which it can't to the function. */
static PyObject *astype_body(const slot *s) { return wrap(pons_astype(s[0].array, s[1].dtype)); }
static const char astype_doc[] =
    "astype(self: array, dtype: Dtype, stream: StreamOrDevice = None) -> array\n\nAs another dtype.";
static function astype_function = {"astype", astype_doc, astype_body, NULL};
static PyObject *astype_method(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  return call(&astype_function, self, args, n, names);
}

/* An integer, not a list of them. */
static bool is_integer(PyObject *o) { return PyLong_Check(o) || (PyIndex_Check(o) && !PySequence_Check(o)); }

/* x.reshape(2, 3) is x.reshape((2, 3)), x.transpose(1, 0) is x.transpose((1, 0)). */
static PyObject *call_with_list(function *f, PyObject *self, PyObject *const *args, Py_ssize_t n,
                                PyObject *names) {
  if (n == 0 || (n == 1 && !is_integer(args[0]))) return call(f, self, args, n, names);
  const Py_ssize_t n_names = names ? PyTuple_Size(names) : 0;
  PyObject **again = malloc((size_t)(n_names + 1) * sizeof *again), *list = PyTuple_New(n), *result = NULL;
  for (Py_ssize_t i = 0; list && i < n; i++) {
    Py_INCREF(args[i]);
    PyTuple_SetItem(list, i, args[i]);
  }
  if (again && list) {
    again[0] = list;
    memcpy(again + 1, args + n, (size_t)n_names * sizeof *again);
    result = call(f, self, again, 1, names);
  }
  Py_XDECREF(list);
  free(again);
  return result;
}

extern function reshape_function, transpose_function;
static PyObject *reshape_method(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  if (n > 0 || names) return call_with_list(&reshape_function, self, args, n, names);
  PyObject *empty = PyTuple_New(0), *result = empty ? call(&reshape_function, self, &empty, 1, NULL) : NULL;
  Py_XDECREF(empty);
  return result;
}
static PyObject *transpose_method(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  return call_with_list(&transpose_function, self, args, n, names);
}

#define METHOD(id) \
  {#id, (PyCFunction)(void (*)(void))id##_method, METH_FASTCALL | METH_KEYWORDS, "See pons.core." #id "."},
const PyMethodDef function_methods[] = {
    METHODS METHOD(reshape) METHOD(transpose)
    {"astype", (PyCFunction)(void (*)(void))astype_method, METH_FASTCALL | METH_KEYWORDS, astype_doc},
    END_OF_ROWS};
#undef METHOD
