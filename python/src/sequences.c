/* sequences.c: what array(x) makes of scalars, lists of lists and everything else that becomes an array. Numbers are
   read into one run of the widest kind among them, int, float or complex, and converted at the end; lists that hold
   arrays are stacked. */
#include "array.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum kind { OF_BOOLS, OF_INTS, OF_FLOATS, OF_COMPLEX };
typedef struct reading {
  int ndim;
  int64_t dims[PONS_MAX_NDIM];
  int64_t count, filled;
  enum kind kind;
  bool wide, negative, huge; /* an int that is none of int32; one below 0; one that only uint64 holds */
  int64_t *ints;             /* until a float comes */
  double *numbers;           /* then these; of complex numbers pairs */
  bool mixed;                /* something else than numbers came: reading ends there */
} reading;

static void reading_end(reading *r) {
  free(r->ints);
  free(r->numbers);
}

static bool is_list(PyObject *o) { return PyList_Check(o) || PyTuple_Check(o); }
static bool is_scalar(PyObject *o) { return PyLong_Check(o) || PyFloat_Check(o) || PyComplex_Check(o); }

static int refuse(PyObject *o) {
  PyObject *type = PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__name__");
  if (type) PyErr_Format(PyExc_ValueError, "array: can't be made of an object of type %U", type);
  Py_XDECREF(type);
  return -1;
}

/* ---- single values, which are not weak ---- */

static pons_array firm_int(int64_t value) {
  const int32_t narrow = (int32_t)value;
  return narrow == value ? pons_array_from(&narrow, PONS_SCALAR, PONS_INT32)
                         : pons_array_from(&value, PONS_SCALAR, PONS_INT64);
}

/* 1; 0: no array comes of it; -1 and an exception. */
static int firm_from_object(PyObject *o, pons_optional_dtype wanted, pons_array *out) {
  if (PyFloat_Check(o)) {
    const double value = PyFloat_AsDouble(o);
    const bool direct = !wanted.given || pons_issubdtype(wanted.dtype, PONS_FLOATING);
    *out = pons_scalar(value, wanted.given && direct ? wanted.dtype : PONS_FLOAT32);
    if (!direct) *out = pons_astype(pons_scalar(value, PONS_FLOAT64), wanted.dtype);
    return 1;
  }
  if (PyLong_Check(o) && !PyBool_Check(o)) {
    int overflow;
    const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (value == -1 && PyErr_Occurred()) return -1;
    if (!overflow) {
      *out = wanted.given ? pons_astype(pons_array_from(&value, PONS_SCALAR, PONS_INT64), wanted.dtype)
                          : firm_int(value);
      return 1;
    }
  }
  if (PyComplex_Check(o) && wanted.given && wanted.dtype == PONS_COMPLEX128) return *out = wide_complex(o), 1;
  int fits = scalar_from_object(o, out);
  if (fits == 1) *out = pons_astype(*out, wanted.given ? wanted.dtype : pons_dtype_of(*out));
  if (fits) return fits;
  fits = array_of_method(o, out);
  if (fits == 1 && wanted.given) *out = pons_astype(*out, wanted.dtype);
  return fits ? fits : array_from_foreign(o, wanted, out);
}

/* ---- the shape, from the first of each list ---- */

static int read_shape(reading *r, PyObject *o) {
  r->count = 1;
  while (is_list(o)) {
    const Py_ssize_t n = PyList_Check(o) ? PyList_Size(o) : PyTuple_Size(o);
    if (r->ndim == PONS_MAX_NDIM) {
      PyErr_Format(PyExc_ValueError, "array: lists nested more than %d deep", PONS_MAX_NDIM);
      return -1;
    }
    r->dims[r->ndim++] = n;
    r->count *= n;
    if (n == 0) break;
    o = PyList_Check(o) ? PyList_GetItem(o, 0) : PyTuple_GetItem(o, 0);
  }
  return 0;
}

/* ---- elements ---- */

/* The numbers read so far, as a wider kind. */
static int widen(reading *r, enum kind kind) {
  const size_t per = kind == OF_COMPLEX ? 2 : 1;
  double *numbers = malloc((size_t)r->count * per * sizeof *numbers);
  if (!numbers) return PyErr_NoMemory(), -1;
  for (int64_t i = 0; i < r->filled; i++) {
    const double value = r->numbers ? r->numbers[i]
                         : r->huge  ? (double)(uint64_t)r->ints[i]
                                    : (double)r->ints[i];
    numbers[(size_t)i * per] = value;
    if (per == 2) numbers[(size_t)i * 2 + 1] = 0;
  }
  free(r->numbers);
  r->numbers = numbers;
  free(r->ints);
  r->ints = NULL;
  r->kind = kind;
  return 0;
}

static int put_number(reading *r, double value, double imaginary, enum kind kind) {
  if (kind > r->kind && kind >= OF_FLOATS && widen(r, kind) < 0) return -1;
  if (r->kind < OF_COMPLEX) {
    r->numbers[r->filled++] = value;
  } else {
    r->numbers[2 * r->filled] = value;
    r->numbers[2 * r->filled++ + 1] = imaginary;
  }
  return 0;
}

static int put_int(reading *r, PyObject *o) {
  int overflow;
  long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow) {
    value = (long long)PyLong_AsUnsignedLongLong(o);
    if (PyErr_Occurred()) return -1;
    r->huge = true;
  } else if (value == -1 && PyErr_Occurred()) {
    return -1;
  }
  if (r->kind >= OF_FLOATS)
    return put_number(r, overflow ? (double)(unsigned long long)value : (double)value, 0, OF_INTS);
  r->kind = OF_INTS;
  r->wide |= value > INT_MAX || value < INT_MIN;
  r->negative |= value < 0 && !overflow;
  r->ints[r->filled++] = value;
  return 0;
}

static int put_element(reading *r, PyObject *o) {
  if (Py_TYPE(o) == &PyFloat_Type) return put_number(r, PyFloat_AsDouble(o), 0, OF_FLOATS);
  if (PyBool_Check(o)) {
    if (r->kind >= OF_FLOATS) return put_number(r, o == Py_True, 0, OF_BOOLS);
    r->ints[r->filled++] = o == Py_True;
    return 0;
  }
  if (PyLong_Check(o)) return put_int(r, o);
  if (PyFloat_Check(o)) return put_number(r, PyFloat_AsDouble(o), 0, OF_FLOATS);
  if (PyComplex_Check(o))
    return put_number(r, PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o), OF_COMPLEX);
  r->mixed = true;
  return -1;
}

/* An array may stand in for a list. Messages are MLX's. */
static int uneven(reading *r, PyObject *o) {
  if (is_list(o) || is_scalar(o))
    PyErr_SetString(PyExc_ValueError, "Initialization encountered non-uniform length.");
  else
    r->mixed = true;
  return -1;
}

static int read_lists(reading *r, PyObject *o, int axis) {
  const bool list = PyList_Check(o);
  if (axis == r->ndim) {
    if (!list && !PyTuple_Check(o)) return put_element(r, o);
    PyErr_SetString(PyExc_ValueError, "Initialization encountered extra dimension.");
    return -1;
  }
  if (!is_list(o)) return uneven(r, o);
  const Py_ssize_t n = list ? PyList_Size(o) : PyTuple_Size(o);
  if (n != r->dims[axis]) return uneven(r, o);
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = list ? PyList_GetItem(o, i) : PyTuple_GetItem(o, i);
    if (!item) return -1; /* a list that became shorter while an element was converted */
    if (read_lists(r, item, axis + 1) < 0) return -1;
  }
  return 0;
}

/* ---- the result ---- */

static pons_dtype dtype_of_numbers(const reading *r) {
  if (r->kind == OF_COMPLEX) return PONS_COMPLEX64;
  if (r->kind == OF_FLOATS || r->count == 0) return PONS_FLOAT32;
  return r->kind == OF_BOOLS ? PONS_BOOL : r->huge ? PONS_UINT64 : r->wide ? PONS_INT64 : PONS_INT32;
}

#define CONVERT(type, from)                                         \
  {                                                                 \
    type *to = data;                                                \
    for (int64_t i = 0; i < r->count; i++) to[i] = (type)(from)[i]; \
  }

/* Converts where that is simple; else what is converted by an op. */
static pons_array array_of_numbers(const reading *r, pons_dtype wanted) {
  const bool ints = r->kind < OF_FLOATS;
  pons_dtype dtype = ints ? wanted : r->kind != OF_COMPLEX          ? wanted
                     : wanted == PONS_COMPLEX128 ? wanted
                                                 : PONS_COMPLEX64;
  if (ints && wanted != PONS_BOOL && wanted != PONS_INT32 && wanted != PONS_INT64 && wanted != PONS_FLOAT32)
    dtype = r->huge ? PONS_UINT64 : PONS_INT64;
  if (r->kind == OF_FLOATS && wanted != PONS_FLOAT32)
    dtype = wanted == PONS_FLOAT16 || wanted == PONS_BFLOAT16 ? PONS_FLOAT32 : PONS_FLOAT64;
  void *data = malloc((size_t)r->count * pons_dtype_size(dtype) + 16);
  if (!data) return (pons_array)PyErr_NoMemory();
  const int64_t parts = 2 * r->count;
  if (dtype == PONS_COMPLEX128)
    memcpy(data, r->numbers, (size_t)parts * sizeof *r->numbers);
  else if (r->kind == OF_COMPLEX)
    for (int64_t i = 0; i < parts; i++) ((float *)data)[i] = (float)r->numbers[i];
  else if (ints && dtype == PONS_BOOL)
    CONVERT(bool, r->ints)
  else if (ints && dtype == PONS_INT32)
    CONVERT(int32_t, r->ints)
  else if (ints && dtype == PONS_FLOAT32 && !r->huge)
    CONVERT(float, r->ints)
  else if (ints && dtype == PONS_FLOAT32)
    CONVERT(float, (const uint64_t *)r->ints)
  else if (ints)
    CONVERT(int64_t, r->ints)
  else if (dtype == PONS_FLOAT32)
    CONVERT(float, r->numbers)
  else
    CONVERT(double, r->numbers)
  pons_array a = pons_from_data(data, (pons_shape){r->ndim, r->dims}, dtype, free, data);
  return dtype == wanted ? a : pons_astype(a, wanted);
}

/* ---- lists that hold arrays ---- */

static pons_array array_of_mixed(PyObject *o, int depth);

static bool same_shapes(const pons_array *arrays, Py_ssize_t count) {
  const pons_shape first = pons_shape_of(arrays[0]);
  for (Py_ssize_t i = 1; i < count; i++) {
    const pons_shape s = pons_shape_of(arrays[i]);
    if (s.count != first.count || (s.count && memcmp(s.at, first.at, (size_t)s.count * sizeof *s.at))) {
      PyErr_SetString(PyExc_ValueError, "Initialization encountered non-uniform length.");
      return false;
    }
  }
  return true;
}

static pons_array stack_of(PyObject *o, int depth) {
  const Py_ssize_t n = PySequence_Size(o);
  pons_array *arrays = malloc((size_t)(n + 1) * sizeof *arrays), stack = NULL;
  Py_ssize_t i = arrays ? 0 : n + 1;
  for (; i < n; i++) {
    PyObject *item = PySequence_GetItem(o, i);
    arrays[i] = item ? array_of_mixed(item, depth + 1) : NULL;
    Py_XDECREF(item); /* an array's value is the scope's, too */
    if (!arrays[i]) break;
  }
  if (i == n && n == 0)
    stack = pons_zeros(PONS_SHAPE(0), PONS_FLOAT32);
  else if (i == n && same_shapes(arrays, n))
    stack = pons_stack(arrays, (int)n, 0);
  else if (i > n)
    PyErr_NoMemory();
  free(arrays);
  return stack;
}

/* NULL and an exception. */
static pons_array array_of_mixed(PyObject *o, int depth) {
  pons_array a = unwrap(o);
  if (a) return pons_positive(a);
  if (is_list(o) && depth < PONS_MAX_NDIM) return stack_of(o, depth);
  const int fits = firm_from_object(o, (pons_optional_dtype){false, PONS_BOOL}, &a);
  if (fits == 0) refuse(o);
  return fits == 1 ? a : NULL;
}

static pons_array array_of_lists(PyObject *o, pons_optional_dtype wanted) {
  reading r = {0};
  if (read_shape(&r, o) < 0) return NULL;
  pons_array a = NULL;
  r.ints = malloc((size_t)r.count * sizeof *r.ints + 16);
  if (!r.ints)
    PyErr_NoMemory();
  else if (read_lists(&r, o, 0) < 0)
    a = r.mixed ? array_of_mixed(o, 0) : NULL;
  else if (r.huge && r.negative)
    PyErr_SetString(PyExc_OverflowError, "array: integers beyond those of one dtype");
  else
    a = array_of_numbers(&r, wanted.given ? wanted.dtype : dtype_of_numbers(&r));
  reading_end(&r);
  return a && r.mixed && wanted.given ? pons_astype(a, wanted.dtype) : a;
}

pons_array array_from_object(PyObject *o, pons_optional_dtype dtype) {
  if (is_list(o)) return array_of_lists(o, dtype);
  pons_array a = unwrap(o);
  if (a) return pons_astype(a, dtype.given ? dtype.dtype : pons_dtype_of(a));
  const int fits = firm_from_object(o, dtype, &a);
  if (fits == 1) return a;
  if (fits == 0 && o == Py_None)
    PyErr_SetString(PyExc_TypeError, "array: can't be made of None");
  else if (fits == 0)
    refuse(o);
  return NULL;
}

/* ---- functions ---- */

static bool wants_no_copy(slot copy) { return copy.kind == SLOT_BOOL && !copy.flag; }

FUNCTION(asarray,
         "(a: scalar | array | Sequence | DLPackCompatible, dtype: Dtype | None = None, *, copy: bool | None "
         "= None) -> "
         "array",
         "What array(a, dtype) makes. Memory of other libraries is always copied: copy=False is an error.") {
  if (!wants_no_copy(s[2])) return wrap(array_from_object(s[0].object, optional_dtype(s[1])));
  PyErr_SetString(PyExc_ValueError, "asarray: can't avoid a copy; from_dlpack(x, copy=False) shares memory");
  return NULL;
}

FUNCTION(
    from_dlpack, "(x: DLPackCompatible, /, *, copy: bool | None = None) -> array",
    "An array of another library. With copy=False it shares the memory, which must not change any more.") {
  pons_array a = unwrap(s[0].object);
  if (a) return wrap(a);
  const int fits = array_from_dlpack(s[0].object, wants_no_copy(s[1]), &a);
  if (fits == 0) PyErr_SetString(PyExc_TypeError, "from_dlpack(): x must have __dlpack__");
  return fits == 1 ? wrap(a) : NULL;
}

static PyMethodDef rows[] = {ROW(asarray), ROW(from_dlpack), END_OF_ROWS};

int add_conversions(PyObject *module) { return PyModule_AddFunctions(module, rows); }
