/* indexing.c: elements taken, put, gathered by index: the functions; x[...] is in subscripts.c. */
#include "binding.h"

/* array([]) is of floats, since nothing else is known. */
static pons_array indices_of(slot s) {
  if (s.kind == SLOT_INT) return pons_int(s.i);
  return pons_size(s.array) == 0 ? pons_astype(s.array, PONS_INT32) : s.array;
}

FUNCTION(
    take,
    "(a: array, /, indices: int | array, axis: int | None = None, *, stream: StreamOrDevice = None) -> array",
    "The slices at the indices along the axis, or the elements of the flattened array.") {
  return wrap(pons_take(s[0].array, indices_of(s[1]), axis_or_flat(s[2])));
}

FUNCTION(take_along_axis,
         "(a: array, /, indices: array, axis: int | None = -1, *, stream: StreamOrDevice = None) -> array",
         "One element per index along the axis, or of the flattened array.") {
  return wrap(pons_take_along_axis(s[0].array, indices_of(s[1]), axis_or_flat(s[2])));
}

FUNCTION(put_along_axis,
         "(a: array, /, indices: array, values: array, axis: int | None = None, *, stream: StreamOrDevice = "
         "None) -> array",
         "a with the elements at the indices along the axis replaced.") {
  return wrap(pons_put_along_axis(s[0].array, indices_of(s[1]), s[2].array, axis_or_flat(s[3])));
}

FUNCTION(
    diagonal,
    "(a: array, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: StreamOrDevice = None) -> array",
    "The diagonal of two axes as a last axis.") {
  return wrap(pons_diagonal(s[0].array, (int)s[1].i, (int)s[2].i, (int)s[3].i));
}

FUNCTION(slice,
         "(a: array, start_indices: array, axes: Sequence[int], slice_size: Sequence[int], *, stream: "
         "StreamOrDevice = "
         "None) -> array",
         "The slice of that size that begins at the start indices along the axes.") {
  return wrap(pons_slice_dynamic(s[0].array, s[1].array, s[2].ints.axes, s[3].ints.shape));
}

FUNCTION(slice_update,
         "(a: array, update: array, start_indices: array, axes: Sequence[int], *, stream: StreamOrDevice = "
         "None) -> array",
         "a with the update in the place of such a slice.") {
  return wrap(pons_slice_update_dynamic(s[0].array, s[1].array, s[2].array, s[3].ints.axes));
}

static PyMethodDef rows[] = {ROW(take),  ROW(take_along_axis), ROW(put_along_axis), ROW(diagonal),
                             ROW(slice), ROW(slice_update),    END_OF_ROWS};

int add_indexing(PyObject *module) { return PyModule_AddFunctions(module, rows); }
