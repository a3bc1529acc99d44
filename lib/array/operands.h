/* operands.h: what functions of arrays ask about their operands before they look at shapes. For lib/array/
   alone. */
#ifndef LIB_ARRAY_OPERANDS_H
#define LIB_ARRAY_OPERANDS_H
#include <pons/ops.h>
#include <stddef.h>

/* NULL if x is sound, else an array that carries the error. */
static inline pons_array fault_of(const char *op, pons_array x) {
  if (!x) return pons_fail(op, "an operand is NULL");
  return pons_error_of(x) ? x : NULL;
}
static inline pons_array fault_among(const char *op, const pons_array *arrays, int count) {
  pons_array bad = NULL;
  for (int i = 0; i < count && !bad; i++) bad = fault_of(op, arrays[i]);
  return bad;
}
/* `axis` of x, which is sound, as 0 .. ndim - 1 in *at; else an array that carries the error. */
static inline pons_array axis_fault(const char *op, pons_array x, int axis, int *at) {
  const int n = pons_ndim(x);
  *at = axis < 0 ? axis + n : axis;
  if (*at >= 0 && *at < n) return NULL;
  return pons_fail_as(PONS_ERROR_INDEX, op, "axis %d is out of range for an array of %d axes", axis, n);
}
/* x as a result: it belongs to the innermost scope too. */
static inline pons_array itself(pons_array x) { return pons_astype(x, pons_dtype_of(x)); }
/* x[.., from : to : step, ..] along `axis` (0 .. ndim - 1) */
static inline pons_array part_of(pons_array x, int axis, int64_t from, int64_t to, int64_t step) {
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM], by[PONS_MAX_NDIM];
  const int n = pons_ndim(x);
  for (int i = 0; i < n; i++) stop[i] = pons_dim(x, i), by[i] = 1;
  start[axis] = from, stop[axis] = to, by[axis] = step;
  return pons_slice(x, (pons_shape){n, start}, (pons_shape){n, stop}, (pons_shape){n, by});
}
#endif
