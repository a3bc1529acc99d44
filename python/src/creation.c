/* creation.c: arrays from nothing but numbers. */
#include "binding.h"
#include <math.h>
#include <string.h>

FUNCTION(
    zeros,
    "(shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array",
    "Zeros.") {
  return wrap(pons_zeros(s[0].ints.shape, dtype_or(s[1], PONS_FLOAT32)));
}

FUNCTION(
    ones,
    "(shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array",
    "Ones.") {
  return wrap(pons_ones(s[0].ints.shape, dtype_or(s[1], PONS_FLOAT32)));
}

/* With that dtype, if one is given; NULL and an exception. A float as float64 keeps its digits. */
static pons_array value_of(const slot *value, const slot *dtype) {
  if (value->source) return array_from_object(value->source, optional_dtype(*dtype));
  return dtype->kind == SLOT_DTYPE ? pons_astype(value->array, dtype->dtype) : value->array;
}

FUNCTION(full,
         "(shape: int | Sequence[int], vals: scalar | array, dtype: Dtype | None = None, *, stream: "
         "StreamOrDevice = None) "
         "-> array",
         "`vals` broadcast to the shape.") {
  pons_array value = value_of(&s[1], &s[2]);
  return value ? wrap(pons_full(s[0].ints.shape, value)) : NULL;
}

FUNCTION(zeros_like, "(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array",
         "Zeros in the shape and dtype of a.") {
  return wrap(pons_zeros_like(s[0].array, .dtype = optional_dtype(s[1])));
}

FUNCTION(ones_like, "(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array",
         "Ones in the shape and dtype of a.") {
  return wrap(pons_ones_like(s[0].array, .dtype = optional_dtype(s[1])));
}

FUNCTION(
    full_like,
    "(a: array, vals: scalar | array, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array",
    "`vals` in the shape and dtype of a.") {
  pons_array value = value_of(&s[1], &s[2]);
  return value ? wrap(pons_full_like(s[0].array, value, .dtype = optional_dtype(s[2]))) : NULL;
}

/* ---- arange ---- */

/* Elements of start, start + step, ... before stop; an infinite step has one, if any. NaN is the library's to refuse. */
static double arange_count(double start, double stop, double step) {
  if (isinf(step) && isfinite(start) && isfinite(stop)) return (step > 0 ? start < stop : start > stop);
  return ceil((stop - start) / step);
}

static bool fits_int32(int64_t i) { return i >= INT32_MIN && i <= INT32_MAX; }

/* Integers of any size, exactly. */
static pons_array arange_of_ints(int64_t count, int64_t start, int64_t step) {
  pons_array steps = pons_multiply(pons_arange(0, (double)count, 1, PONS_INT64), pons_int(step));
  return pons_add(steps, pons_int(start));
}

FUNCTION(
    arange,
    "(start: int | float | None = None, stop: int | float | None = None, step: int | float | None = None, "
    "dtype: "
    "Dtype | None = "
    "None, *, stream: StreamOrDevice = None) -> array",
    "start, start + step, ... before stop; with one number from 0 to before it. The dtype is int32, int64 "
    "where that is too narrow, or float32 where a number is a float.") {
  if (s[1].kind == SLOT_NONE && (s[0].kind == SLOT_NONE || s[0].named))
    return PyErr_Format(PyExc_TypeError, "arange(): stop is missing");
  double numbers[3] = {0, 0, 1};
  int64_t integers[3] = {0, 0, 1};
  bool is_float = false, narrow = true;
  for (int i = 0; i < 3; i++) {
    const int to = s[1].kind == SLOT_NONE && i == 0 ? 1 : i;
    if (s[i].kind == SLOT_NONE) continue;
    is_float |= s[i].kind == SLOT_FLOAT;
    numbers[to] = s[i].kind == SLOT_FLOAT ? s[i].number : (double)s[i].i;
    integers[to] = s[i].kind == SLOT_INT ? s[i].i : 0;
  }
  const double start = numbers[0], stop = numbers[1], step = numbers[2];
  const double count = arange_count(start, stop, step);
  if (step != 0 && count > INT32_MAX)
    return PyErr_Format(PyExc_ValueError, "arange: more than 2**31 - 1 elements");
  /* an end is none of the elements */
  for (int i = 0; i < 3; i++)
    narrow &= fits_int32(integers[i]) || (i == 1 && integers[1] == (int64_t)INT32_MAX + 1);
  const pons_dtype inferred = is_float ? PONS_FLOAT32 : narrow ? PONS_INT32 : PONS_INT64;
  const pons_dtype dtype = dtype_or(s[3], inferred);
  if (isinf(step) && isfinite(count)) return wrap(pons_arange(start, start + count, 1, dtype));
  if (is_float || narrow || step == 0) return wrap(pons_arange(start, stop, step, dtype));
  return wrap(pons_astype(arange_of_ints(count > 0 ? (int64_t)count : 0, integers[0], integers[2]), dtype));
}

FUNCTION(linspace,
         "(start: float, stop: float, num: int | None = 50, endpoint: bool = True, dtype: Dtype | None = "
         "float32, stream: "
         "StreamOrDevice = None) -> array",
         "`num` numbers from start to stop, with or without the stop.") {
  return wrap(pons_linspace(s[0].number, s[1].number, int_or(s[2], 50), dtype_or(s[4], PONS_FLOAT32),
                            .exclude_stop = !s[3].flag));
}

FUNCTION(eye,
         "(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = float32, *, stream: "
         "StreamOrDevice = None) -> "
         "array",
         "(n, m) with ones on the k-th diagonal.") {
  return wrap(pons_eye(s[0].i, int_or(s[1], s[0].i), (int)s[2].i, dtype_or(s[3], PONS_FLOAT32)));
}

FUNCTION(identity, "(n: int, dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array",
         "(n, n) with ones on the diagonal.") {
  return wrap(pons_identity(s[0].i, dtype_or(s[1], PONS_FLOAT32)));
}

FUNCTION(tri,
         "(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = None, *, stream: StreamOrDevice = "
         "None) -> array",
         "(n, m) with ones on and below the k-th diagonal.") {
  return wrap(pons_tri(s[0].i, int_or(s[1], s[0].i), (int)s[2].i, dtype_or(s[3], PONS_FLOAT32)));
}

FUNCTION(tril, "(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array",
         "Zeros above the k-th diagonal.") {
  return wrap(pons_tril(s[0].array, (int)s[1].i));
}

FUNCTION(triu, "(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array",
         "Zeros below the k-th diagonal.") {
  return wrap(pons_triu(s[0].array, (int)s[1].i));
}

FUNCTION(diag, "(a: array, /, k: int = 0, *, stream: StreamOrDevice = None) -> array",
         "The k-th diagonal of a matrix, or a matrix with a vector on it.") {
  return wrap(pons_diag(s[0].array, (int)s[1].i));
}

#define WINDOW(id)                                                                                        \
  FUNCTION(id, "(M: int, *, stream: StreamOrDevice = None) -> array", "A window of M points, float32.") { \
    return wrap(pons_##id(s[0].i));                                                                       \
  }
WINDOW(bartlett)
WINDOW(blackman)
WINDOW(hamming)
WINDOW(hanning)

FUNCTION(meshgrid,
         "(*arrays: array, sparse: bool | None = False, indexing: str | None = 'xy', stream: StreamOrDevice "
         "= None) -> "
         "tuple[array, ...]",
         "Coordinates of a grid.") {
  const char *indexing = s[2].kind == SLOT_TEXT ? s[2].text : "xy";
  const bool ij = strcmp(indexing, "ij") == 0;
  if (!ij && strcmp(indexing, "xy") != 0)
    return PyErr_Format(PyExc_ValueError, "meshgrid: indexing is '%s', it must be 'xy' or 'ij'", indexing);
  const int count = s[0].arrays.count;
  pons_array *out = s[0].arrays.at; /* in place: the operands are read before */
  pons_meshgrid(s[0].arrays.at, count, s[1].kind == SLOT_BOOL && s[1].flag,
                ij ? PONS_INDEXING_IJ : PONS_INDEXING_XY, out);
  return wrap_tuple(out, count);
}

static PyMethodDef rows[] = {ROW(zeros),
                             ROW(ones),
                             ROW(full),
                             ROW(zeros_like),
                             ROW(ones_like),
                             ROW(full_like),
                             ROW(arange),
                             ROW(linspace),
                             ROW(eye),
                             ROW(identity),
                             ROW(tri),
                             ROW(tril),
                             ROW(triu),
                             ROW(diag),
                             ROW(bartlett),
                             ROW(blackman),
                             ROW(hamming),
                             ROW(hanning),
                             ROW(meshgrid),
                             ALIAS("empty", zeros),
                             ALIAS("empty_like", zeros_like),
                             END_OF_ROWS};

int add_creation(PyObject *module) { return PyModule_AddFunctions(module, rows); }
