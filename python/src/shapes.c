/* shapes.c: dtypes and shapes of arrays changed, arrays joined and cut. */
#include "binding.h"
#include <stdlib.h>
#include <string.h>

FUNCTION(astype, "(a: array, dtype: Dtype, /, *, stream: StreamOrDevice = None) -> array",
         "As another dtype.") {
  return wrap(pons_astype(s[0].array, s[1].dtype));
}

FUNCTION(view, "(a: scalar | array, dtype: Dtype, stream: StreamOrDevice = None) -> array",
         "The same bytes as another dtype; the last axis scales with the item size.") {
  return wrap(pons_view(s[0].array, s[1].dtype));
}

FUNCTION(reshape, "(a: array, /, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array",
         "In another shape; one size may be -1.") {
  return wrap(pons_reshape(s[0].array, s[1].ints.shape));
}

FUNCTION(flatten,
         "(a: array, /, start_axis: int = 0, end_axis: int = -1, *, stream: StreamOrDevice = None) -> array",
         "The axes from start to end, both included, as one.") {
  return wrap(pons_flatten(s[0].array, (int)s[1].i, (int)s[2].i));
}

FUNCTION(unflatten,
         "(a: array, /, axis: int, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array",
         "The axis as several; one size may be -1.") {
  return wrap(pons_unflatten(s[0].array, (int)s[1].i, s[2].ints.shape));
}

FUNCTION(squeeze,
         "(a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None) -> array",
         "Without these axes of size 1, all of them if None.") {
  return wrap(pons_squeeze(s[0].array, axes_of(s[1])));
}

FUNCTION(expand_dims, "(a: array, /, axis: int | Sequence[int], *, stream: StreamOrDevice = None) -> array",
         "With new axes of size 1 at these places of the result.") {
  return wrap(pons_expand_dims(s[0].array, s[1].ints.axes));
}

FUNCTION(transpose,
         "(a: array, /, axes: Sequence[int] | None = None, *, stream: StreamOrDevice = None) -> array",
         "The axes in a new order, reversed if None.") {
  return wrap(pons_transpose(s[0].array, .axes = axes_of(s[1])));
}

FUNCTION(matrix_transpose, "(a: array, /, *, stream: StreamOrDevice = None) -> array",
         "The last two axes swapped.") {
  return wrap(pons_matrix_transpose(s[0].array));
}

FUNCTION(swapaxes, "(a: array, /, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array",
         "Two axes swapped.") {
  return wrap(pons_swapaxes(s[0].array, (int)s[1].i, (int)s[2].i));
}

FUNCTION(moveaxis, "(a: array, /, source: int, destination: int, *, stream: StreamOrDevice = None) -> array",
         "An axis moved to another place.") {
  return wrap(pons_moveaxis(s[0].array, (int)s[1].i, (int)s[2].i));
}

FUNCTION(flip,
         "(a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None) -> array",
         "Reversed along the axes, all if None.") {
  return wrap(pons_flip(s[0].array, axes_of(s[1])));
}

FUNCTION(roll,
         "(a: array, shift: int | Sequence[int], axis: None | int | Sequence[int] = None, /, *, stream: "
         "StreamOrDevice = "
         "None) -> array",
         "Elements moved on along the axes, or of the flattened array; those that leave come in at the other "
         "end.") {
  pons_shape shifts = s[1].ints.shape;
  int64_t sum = 0;
  if (s[2].kind == SLOT_INTS && s[2].ints.one) { /* several along one axis add up */
    for (int i = 0; i < shifts.count; i++) sum += shifts.at[i];
    shifts = (pons_shape){1, &sum};
  }
  return wrap(pons_roll(s[0].array, shifts, .axes = axes_of(s[2])));
}

/* One array, or a list of them. */
static PyObject *at_least(const slot *s, pons_array (*op)(pons_array)) {
  for (int i = 0; i < s[0].arrays.count; i++) s[0].arrays.at[i] = op(s[0].arrays.at[i]);
  return s[0].arrays.count == 1 ? wrap(s[0].arrays.at[0]) : wrap_list(s[0].arrays.at, s[0].arrays.count);
}
#define AT_LEAST(id)                                                                   \
  FUNCTION(id, "(*arys: array, stream: StreamOrDevice = None) -> array | list[array]", \
           "With so many axes at least, as NumPy adds them.") {                        \
    return at_least(s, pons_##id);                                                     \
  }
AT_LEAST(atleast_1d)
AT_LEAST(atleast_2d)
AT_LEAST(atleast_3d)

FUNCTION(broadcast_to,
         "(a: scalar | array, /, shape: int | Sequence[int], *, stream: StreamOrDevice = None) -> array",
         "Broadcast to the shape.") {
  return wrap(pons_broadcast_to(s[0].array, s[1].ints.shape));
}

FUNCTION(broadcast_arrays, "(*arrays: array, stream: StreamOrDevice = None) -> tuple[array, ...]",
         "All of them in the shape they broadcast to.") {
  pons_broadcast_arrays(s[0].arrays.at, s[0].arrays.count, s[0].arrays.at);
  return wrap_tuple(s[0].arrays.at, s[0].arrays.count);
}

/* A list of integers as a shape. */
static bool shape_from(PyObject *o, int64_t *room, pons_shape *out) {
  const Py_ssize_t n = PySequence_Check(o) ? PySequence_Size(o) : -1;
  if (n < 0 || n > PONS_MAX_NDIM) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "broadcast_shapes(): shapes must be Sequence[int]");
    return false;
  }
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = PySequence_GetItem(o, i);
    room[i] = item ? PyLong_AsLongLong(item) : -1;
    Py_XDECREF(item);
    if (PyErr_Occurred()) return false;
  }
  *out = (pons_shape){(int)n, room};
  return true;
}

FUNCTION(broadcast_shapes, "(*shapes: Sequence[int]) -> tuple[int]", "The shape that they broadcast to.") {
  int64_t rooms[2][PONS_MAX_NDIM], out[PONS_MAX_NDIM];
  pons_shape pair[2] = {PONS_SCALAR, PONS_SCALAR};
  int ndim = 0;
  if (PyTuple_Size(s[0].object) == 0)
    return PyErr_Format(PyExc_ValueError, "broadcast_shapes: there must be at least one shape");
  for (Py_ssize_t i = 0; i < PyTuple_Size(s[0].object); i++) {
    if (!shape_from(PyTuple_GetItem(s[0].object, i), rooms[1], &pair[1])) return NULL;
    ndim = pons_broadcast_shapes(pair, 2, out);
    if (ndim < 0) return raise_error();
    memcpy(rooms[0], out, sizeof out);
    pair[0] = (pons_shape){ndim, rooms[0]};
  }
  PyObject *shape = PyTuple_New(ndim);
  for (int i = 0; shape && i < ndim; i++) PyTuple_SetItem(shape, i, PyLong_FromLongLong(out[i]));
  return shape;
}

FUNCTION(contiguous,
         "(a: array, /, allow_col_major: bool = False, *, stream: StreamOrDevice = None) -> array",
         "Row-major in memory; with allow_col_major what lies column-major may stay so.") {
  return wrap(pons_contiguous(s[0].array, .allow_col_major = s[1].flag));
}

FUNCTION(
    as_strided,
    "(a: array, /, shape: Sequence[int] | None = None, strides: Sequence[int] | None = None, offset: int = "
    "0, *, "
    "stream: StreamOrDevice = None) -> array",
    "Element (i, j, ...) is element offset + i strides[0] + j strides[1] + ... of a in row-major order.") {
  const pons_shape shape = s[1].kind == SLOT_INTS ? s[1].ints.shape : pons_shape_of(s[0].array);
  return wrap(pons_as_strided(s[0].array, shape, shape_of(s[2]), s[3].i));
}

/* ---- joined and cut ---- */

FUNCTION(concatenate,
         "(arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None) -> array",
         "Joined along the axis; None: flattened before.") {
  const int axis = axis_or_flat(s[1]);
  for (int i = 0; axis == PONS_FLAT && i < s[0].arrays.count; i++)
    s[0].arrays.at[i] = pons_reshape(s[0].arrays.at[i], PONS_SHAPE(-1));
  return wrap(pons_concatenate(s[0].arrays.at, s[0].arrays.count, axis == PONS_FLAT ? 0 : axis));
}

FUNCTION(stack, "(arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None) -> array",
         "Joined along a new axis; None: flattened before.") {
  const int axis = axis_or_flat(s[1]);
  for (int i = 0; axis == PONS_FLAT && i < s[0].arrays.count; i++)
    s[0].arrays.at[i] = pons_reshape(s[0].arrays.at[i], PONS_SHAPE(-1));
  return wrap(pons_stack(s[0].arrays.at, s[0].arrays.count, axis == PONS_FLAT ? 0 : axis));
}

FUNCTION(split,
         "(a: array, /, indices_or_sections: int | Sequence[int], axis: int = 0, *, stream: StreamOrDevice = "
         "None) -> array",
         "A list of so many equal pieces along the axis, or of those that begin at the indices.") {
  const bool sections = s[1].ints.one;
  const int64_t count = sections ? s[1].ints.shape.at[0] : s[1].ints.shape.count + 1;
  if (count < 1 || count > (1 << 24))
    return PyErr_Format(PyExc_ValueError, "split: an array can't be cut into %lld pieces", (long long)count);
  pons_array *out = malloc((size_t)count * sizeof *out);
  if (!out) return PyErr_NoMemory();
  if (sections)
    pons_split(s[0].array, (int)count, (int)s[2].i, out);
  else
    pons_split_at(s[0].array, s[1].ints.axes, (int)s[2].i, out);
  PyObject *list = wrap_list(out, (int)count);
  free(out);
  return list;
}

FUNCTION(unstack, "(x: array, /, *, axis: int = 0, stream: StreamOrDevice = None) -> tuple[array, ...]",
         "The slices along the axis, without it.") {
  const int axis = (int)s[1].i, ndim = pons_ndim(s[0].array);
  const int64_t count = pons_dim(s[0].array, axis < 0 ? axis + ndim : axis);
  pons_array *out = malloc((size_t)(count < 1 ? 1 : count) * sizeof *out);
  if (!out) return PyErr_NoMemory();
  pons_unstack(s[0].array, axis, out);
  PyObject *tuple = count < 0 ? raise_error_of(out[0]) : wrap_tuple(out, (int)count);
  free(out);
  return tuple;
}

FUNCTION(repeat,
         "(array: array, repeats: int, axis: int | None = None, *, stream: StreamOrDevice = None) -> array",
         "Each slice along the axis so often; None: each element of the flattened array.") {
  return wrap(pons_repeat(s[0].array, (int)s[1].i, axis_or_flat(s[2])));
}

FUNCTION(tile, "(a: array, reps: int | Sequence[int], /, *, stream: StreamOrDevice = None) -> array",
         "Repeated as a whole, so often along each axis.") {
  return wrap(pons_tile(s[0].array, s[1].ints.shape));
}

/* ---- pad ---- */

static const char *const pad_modes[] = {"constant", "edge", "reflect", "symmetric"}; /* as in pons_pad_mode */

static bool pair_from(PyObject *o, int64_t *low, int64_t *high) {
  int64_t room[PONS_MAX_NDIM];
  pons_shape pair;
  if (PyLong_Check(o)) {
    *low = *high = PyLong_AsLongLong(o);
    return !PyErr_Occurred();
  }
  if (!shape_from(o, room, &pair)) return false;
  if (pair.count != 1 && pair.count != 2) {
    PyErr_Format(PyExc_ValueError, "pad: %d numbers for an axis, there must be one or two", pair.count);
    return false;
  }
  *low = room[0];
  *high = room[pair.count - 1];
  return true;
}

/* An integer, (n,), (before, after) for all axes, or a pair for each. */
static bool pad_widths(PyObject *o, int ndim, int64_t *low, int64_t *high) {
  const bool sequence = PySequence_Check(o);
  PyObject *first = sequence && PySequence_Size(o) > 0 ? PySequence_GetItem(o, 0) : NULL;
  const bool pairs = first && !PyLong_Check(first);
  Py_XDECREF(first);
  if (!pairs) {
    if (!pair_from(o, &low[0], &high[0])) return false;
    for (int i = 1; i < ndim; i++) low[i] = low[0], high[i] = high[0];
    return true;
  }
  const Py_ssize_t count = PySequence_Size(o);
  if (count != ndim && count != 1) {
    PyErr_Format(PyExc_ValueError, "pad: %zd pairs for an array of %d axes", count, ndim);
    return false;
  }
  for (int i = 0; i < ndim; i++) {
    PyObject *pair = PySequence_GetItem(o, count == 1 ? 0 : i);
    const bool fine = pair && pair_from(pair, &low[i], &high[i]);
    Py_XDECREF(pair);
    if (!fine) return false;
  }
  return true;
}

FUNCTION(
    pad,
    "(a: array, pad_width: PadWidth, mode: str = 'constant', constant_values: scalar | array = 0, *, stream: "
    "StreamOrDevice = None) -> array",
    "Elements added at the ends of the axes: the value, or for mode 'edge', 'reflect' and 'symmetric' the "
    "array's "
    "own. The width is an integer, a pair for all axes, or a pair for each.") {
  int64_t low[PONS_MAX_NDIM] = {0}, high[PONS_MAX_NDIM] = {0};
  const int ndim = pons_ndim(s[0].array);
  pons_array in[2];
  if (!pad_widths(s[1].object, ndim, low, high) || !operands_of(&s[0], &s[3], in)) return NULL;
  for (int m = 0; m < 4; m++)
    if (strcmp(pad_modes[m], s[2].text) == 0)
      return wrap(
          pons_pad(s[0].array, (pons_shape){ndim, low}, (pons_shape){ndim, high}, in[1], (pons_pad_mode)m));
  return PyErr_Format(PyExc_ValueError,
                      "pad: mode is '%s', it must be 'constant', 'edge', 'reflect' or 'symmetric'",
                      s[2].text);
}

static PyMethodDef rows[] = {ROW(astype),
                             ROW(view),
                             ROW(reshape),
                             ROW(flatten),
                             ROW(unflatten),
                             ROW(squeeze),
                             ROW(expand_dims),
                             ROW(transpose),
                             ROW(matrix_transpose),
                             ROW(swapaxes),
                             ROW(moveaxis),
                             ROW(flip),
                             ROW(roll),
                             ROW(atleast_1d),
                             ROW(atleast_2d),
                             ROW(atleast_3d),
                             ROW(broadcast_to),
                             ROW(broadcast_arrays),
                             ROW(broadcast_shapes),
                             ROW(contiguous),
                             ROW(as_strided),
                             ROW(concatenate),
                             ROW(stack),
                             ROW(split),
                             ROW(unstack),
                             ROW(repeat),
                             ROW(tile),
                             ROW(pad),
                             ALIAS("concat", concatenate),
                             ALIAS("permute_dims", transpose),
                             END_OF_ROWS};

int add_shapes(PyObject *module) { return PyModule_AddFunctions(module, rows); }
