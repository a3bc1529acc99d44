/* products.c: matrix products, sums of products, convolutions. */
#include "binding.h"
#include <stdlib.h>
#include <string.h>

#define PRODUCT(id, what)                                                                    \
  FUNCTION(id, "(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array", what) { \
    return wrap(pons_##id(s[0].array, s[1].array));                                          \
  }
PRODUCT(matmul, "The matrix product over the last two axes; leading axes broadcast.")
PRODUCT(inner, "The inner product over the last axes.")
PRODUCT(outer, "The outer product of two vectors.")

FUNCTION(kron, "(a: array, b: array, *, stream: StreamOrDevice = None) -> array", "The Kronecker product.") {
  return wrap(pons_kron(s[0].array, s[1].array));
}

FUNCTION(vecdot, "(a: array, b: array, /, *, axis: int = -1, stream: StreamOrDevice = None) -> array",
         "sum(conj(a) b) along the axis.") {
  return wrap(pons_vecdot(s[0].array, s[1].array, (int)s[2].i));
}

FUNCTION(addmm,
         "(c: array, a: array, b: array, /, alpha: float = 1.0, beta: float = 1.0, *, stream: StreamOrDevice "
         "= None) -> "
         "array",
         "alpha (a @ b) + beta c") {
  return wrap(pons_addmm(s[0].array, s[1].array, s[2].array, (float)s[3].number, (float)s[4].number));
}

/* The axes of one operand of tensordot. */
static bool axes_from(PyObject *pair, Py_ssize_t i, int *room, pons_axes *out) {
  PyObject *list = PySequence_GetItem(pair, i);
  const Py_ssize_t n = list && PySequence_Check(list) ? PySequence_Size(list) : -1;
  if (n < 0 || n > PONS_MAX_NDIM) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "tensordot(): axes must be int | list[Sequence[int]]");
    Py_XDECREF(list);
    return false;
  }
  for (Py_ssize_t k = 0; k < n && !PyErr_Occurred(); k++) {
    PyObject *axis = PySequence_GetItem(list, k);
    room[k] = axis ? (int)PyLong_AsLong(axis) : 0;
    Py_XDECREF(axis);
  }
  Py_DECREF(list);
  *out = (pons_axes){(int)n, room};
  return !PyErr_Occurred();
}

FUNCTION(
    tensordot,
    "(a: array, b: array, /, axes: int | list[Sequence[int]] = 2, *, stream: StreamOrDevice = None) -> array",
    "Sums over the last axes of a and as many first ones of b, or over the axes named for each.") {
  if (s[2].kind == SLOT_INT) return wrap(pons_tensordot(s[0].array, s[1].array, (int)s[2].i));
  int rooms[2][PONS_MAX_NDIM];
  pons_axes axes[2];
  if (!PySequence_Check(s[2].object) || PySequence_Size(s[2].object) != 2) {
    PyErr_SetString(PyExc_ValueError, "tensordot: axes must be an integer or two lists of axes");
    return NULL;
  }
  for (int i = 0; i < 2; i++)
    if (!axes_from(s[2].object, i, rooms[i], &axes[i])) return NULL;
  return wrap(pons_tensordot_axes(s[0].array, s[1].array, axes[0], axes[1]));
}

FUNCTION(einsum, "(subscripts: str, *operands: array, stream: StreamOrDevice = None) -> array",
         "Einstein's sum, as NumPy writes it.") {
  return wrap(pons_einsum(s[0].text, s[1].arrays.at, s[1].arrays.count));
}

FUNCTION(einsum_path, "(subscripts: str, *operands: array) -> tuple[list[tuple[int, ...]], str]",
         "The order in which einsum contracts pairs, and what it saves.") {
  const int count = s[1].arrays.count;
  int(*path)[2] = malloc((size_t)(count + 1) * sizeof *path);
  char *report = NULL;
  if (!path) return PyErr_NoMemory();
  const int pairs = pons_einsum_path(s[0].text, s[1].arrays.at, count, path, &report);
  PyObject *list = pairs < 0 ? raise_error() : PyList_New(0);
  for (int i = 0; list && i < pairs; i++) {
    PyObject *pair =
        path[i][1] < 0 ? Py_BuildValue("(i)", path[i][0]) : Py_BuildValue("(ii)", path[i][0], path[i][1]);
    if (!pair || PyList_Append(list, pair) < 0) Py_CLEAR(list);
    Py_XDECREF(pair);
  }
  PyObject *result = list ? Py_BuildValue("(Os)", list, report ? report : "") : NULL;
  Py_XDECREF(list);
  pons_free(report);
  free(path);
  return result;
}

/* ---- products of chosen parts ---- */

FUNCTION(gather_mm,
         "(a: array, b: array, /, lhs_indices: array | None = None, rhs_indices: array | None = None, *, "
         "sorted_indices: "
         "bool = False, stream: StreamOrDevice = None) -> array",
         "Products of matrices chosen by number: a[lhs] @ b[rhs].") {
  return wrap(pons_gather_mm(s[0].array, s[1].array, .lhs_indices = array_or_null(s[2]),
                             .rhs_indices = array_or_null(s[3]), .sorted_indices = s[4].flag));
}

FUNCTION(block_masked_mm,
         "(a: array, b: array, /, block_size: int = 64, mask_out: array | None = None, mask_lhs: array | "
         "None = None, "
         "mask_rhs: array | None = None, *, stream: StreamOrDevice = None) -> array",
         "a @ b with square blocks left out or scaled.") {
  return wrap(pons_block_masked_mm(s[0].array, s[1].array, .block_size = (int)s[2].i,
                                   .mask_out = array_or_null(s[3]), .mask_lhs = array_or_null(s[4]),
                                   .mask_rhs = array_or_null(s[5])));
}

FUNCTION(segmented_mm, "(a: array, b: array, /, segments: array, *, stream: StreamOrDevice = None) -> array",
         "a @ b over parts of the inner axis: from where to before where.") {
  return wrap(pons_segmented_mm(s[0].array, s[1].array, s[2].array));
}

/* ---- convolutions ---- */

FUNCTION(convolve, "(a: array, v: array, /, mode: str = 'full', *, stream: StreamOrDevice = None) -> array",
         "The convolution of two vectors; mode is 'full', 'same' or 'valid'.") {
  static const char *const modes[] = {"full", "same", "valid"}; /* as in pons_convolve_mode */
  for (int m = 0; m < 3; m++)
    if (strcmp(modes[m], s[2].text) == 0)
      return wrap(pons_convolve(s[0].array, s[1].array, (pons_convolve_mode)m));
  return PyErr_Format(PyExc_ValueError, "convolve: mode is '%s', it must be 'full', 'same' or 'valid'",
                      s[2].text);
}

#define CONV(id, many)                                                                                     \
  FUNCTION(id,                                                                                             \
           "(input: array, weight: array, /, stride: " many " = 1, padding: " many " = 0, dilation: " many \
           " = 1, groups: int = 1, *, stream: StreamOrDevice = None) -> array",                            \
           "Cross-correlation, channels last: input (N, ..., C), weight (O, ..., C / groups).") {          \
    return wrap(pons_##id(s[0].array, s[1].array, .stride = s[2].ints.axes, .padding = s[3].ints.axes,     \
                          .dilation = s[4].ints.axes, .groups = (int)s[5].i));                             \
  }
CONV(conv1d, "int | Sequence[int]")
CONV(conv2d, "int | tuple[int, int]")
CONV(conv3d, "int | tuple[int, int, int]")

#define CONV_TRANSPOSE(id, many)                                                                           \
  FUNCTION(id,                                                                                             \
           "(input: array, weight: array, /, stride: " many " = 1, padding: " many " = 0, dilation: " many \
           " = 1, output_padding: " many                                                                   \
           " = 0, groups: int = 1, *, stream: StreamOrDevice = None) -> array",                            \
           "The transposed convolution, channels last.") {                                                 \
    return wrap(pons_##id(s[0].array, s[1].array, .stride = s[2].ints.axes, .padding = s[3].ints.axes,     \
                          .dilation = s[4].ints.axes, .output_padding = s[5].ints.axes,                    \
                          .groups = (int)s[6].i));                                                         \
  }
CONV_TRANSPOSE(conv_transpose1d, "int | Sequence[int]")
CONV_TRANSPOSE(conv_transpose2d, "int | tuple[int, int]")
CONV_TRANSPOSE(conv_transpose3d, "int | tuple[int, int, int]")

/* Padding of conv_general: an integer, a list, or a list before and one behind. */
static bool paddings_from(PyObject *o, int rooms[2][PONS_MAX_NDIM], pons_axes out[2]) {
  if (PyLong_Check(o)) {
    rooms[0][0] = (int)PyLong_AsLong(o);
    out[0] = (pons_axes){1, rooms[0]};
    return !PyErr_Occurred();
  }
  PyObject *first = PySequence_Check(o) && PySequence_Size(o) == 2 ? PySequence_GetItem(o, 0) : NULL;
  const bool pair = first && PySequence_Check(first);
  Py_XDECREF(first);
  if (pair) return axes_from(o, 0, rooms[0], &out[0]) && axes_from(o, 1, rooms[1], &out[1]);
  PyObject *alone = PyTuple_Pack(1, o);
  const bool fine = alone && axes_from(alone, 0, rooms[0], &out[0]);
  Py_XDECREF(alone);
  return fine;
}

FUNCTION(
    conv_general,
    "(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: Padding = 0, "
    "kernel_dilation: int | "
    "Sequence[int] = 1, input_dilation: int | Sequence[int] = 1, groups: int = 1, flip: bool = False, *, "
    "stream: "
    "StreamOrDevice = None) -> array",
    "Cross-correlation of any number of axes, channels last; padding may be a list before and one behind.") {
  int rooms[2][PONS_MAX_NDIM];
  pons_axes padding[2] = {{0, NULL}, {0, NULL}};
  if (!paddings_from(s[3].object, rooms, padding)) return NULL;
  return wrap(pons_conv_general(s[0].array, s[1].array, .stride = s[2].ints.axes, .padding = padding[0],
                                .padding_high = padding[1], .dilation = s[4].ints.axes,
                                .input_dilation = s[5].ints.axes, .groups = (int)s[6].i, .flip = s[7].flag));
}

FUNCTION(hadamard_transform, "(a: array, scale: float | None = None, stream: StreamOrDevice = None) -> array",
         "The last axis times scale * H; None: 1 / sqrt(length).") {
  return wrap(pons_hadamard_transform(s[0].array, .scale = s[1].kind == SLOT_FLOAT ? (float)s[1].number : 0));
}

static PyMethodDef rows[] = {ROW(matmul),
                             ROW(inner),
                             ROW(outer),
                             ROW(kron),
                             ROW(vecdot),
                             ROW(addmm),
                             ROW(tensordot),
                             ROW(einsum),
                             ROW(einsum_path),
                             ROW(gather_mm),
                             ROW(segmented_mm),
                             ROW(block_masked_mm),
                             ROW(convolve),
                             ROW(conv1d),
                             ROW(conv2d),
                             ROW(conv3d),
                             ROW(conv_general),
                             ROW(conv_transpose1d),
                             ROW(conv_transpose2d),
                             ROW(conv_transpose3d),
                             ROW(hadamard_transform),
                             END_OF_ROWS};

int add_products(PyObject *module) { return PyModule_AddFunctions(module, rows); }
