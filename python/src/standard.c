/* standard.c: the submodule pons.core.standard: what the Python array API has and mlx.core lacks, since the shape of the
   result depends on values. pons.array_api gives these functions the standard's names of results. */
#include "binding.h"

/* Computed without the GIL, as these functions read their operand. False and an exception. */
static bool ready(pons_array x) { return !pons_has_value(x) || evaluate(&x, 1); }

FUNCTION(nonzero, "(x: array, /) -> tuple[array, ...]",
         "Where x is not zero: the indices along each axis, as int64, in row-major order.") {
  pons_array out[PONS_MAX_NDIM];
  const int ndim = pons_ndim(s[0].array);
  if (ndim == 0) return PyErr_Format(PyExc_ValueError, "nonzero: an array without axes has no indices");
  if (!ready(s[0].array)) return NULL;
  pons_nonzero(s[0].array, out);
  return wrap_tuple(out, ndim);
}

NAMED_FUNCTION(repeat_each, "repeat", "(x: array, repeats: array, /, *, axis: int | None = None) -> array",
               "Each slice along the axis, or element, as often as the integer in its place says.") {
  return ready(s[1].array) ? wrap(pons_repeat_each(s[0].array, s[1].array, axis_or_flat(s[2]))) : NULL;
}

FUNCTION(unique_values, "(x: array, /) -> array", "The distinct elements, in order.") {
  return ready(s[0].array) ? wrap(pons_unique_values(s[0].array)) : NULL;
}

FUNCTION(unique_counts, "(x: array, /) -> tuple[array, array]", "Those, and how often each occurs.") {
  pons_array out[2];
  if (!ready(s[0].array)) return NULL;
  pons_unique_counts(s[0].array, out);
  return wrap_tuple(out, 2);
}

FUNCTION(unique_inverse, "(x: array, /) -> tuple[array, array]",
         "Those, and which of them each element is.") {
  pons_array out[2];
  if (!ready(s[0].array)) return NULL;
  pons_unique_inverse(s[0].array, out);
  return wrap_tuple(out, 2);
}

FUNCTION(unique_all, "(x: array, /) -> tuple[array, array, array, array]",
         "Those, where each occurs first, which of them each element is, how often each occurs.") {
  pons_array out[4];
  if (!ready(s[0].array)) return NULL;
  pons_unique_all(s[0].array, out);
  return wrap_tuple(out, 4);
}

static PyMethodDef rows[] = {ROW(nonzero),       ALIAS("repeat", repeat_each), ROW(unique_values),
                             ROW(unique_counts), ROW(unique_inverse),          ROW(unique_all),
                             END_OF_ROWS};

int add_standard(PyObject *submodule) { return PyModule_AddFunctions(submodule, rows); }
