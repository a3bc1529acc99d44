/* cross.c: cross products. */
#include "operands.h"
#include <pons/linalg.h>

/* x with a third element 0 along `axis` if it has two. */
static pons_array in_space(pons_array x, int axis) {
  if (pons_dim(x, axis) == 3) return x;
  int64_t low[PONS_MAX_NDIM] = {0}, high[PONS_MAX_NDIM] = {0};
  high[axis < 0 ? axis + pons_ndim(x) : axis] = 1;
  return pons_pad(x, (pons_shape){pons_ndim(x), low}, (pons_shape){pons_ndim(x), high}, NULL);
}

pons_array pons_linalg_cross(pons_array a, pons_array b, int axis) {
  pons_array both[2] = {a, b}, x[2][3], out[3];
  pons_array bad = fault_among("linalg_cross", both, 2);
  if (bad) return bad;
  for (int k = 0; k < 2; k++) {
    int at;
    bad = axis_fault("linalg_cross", both[k], axis, &at);
    if (bad) return bad;
    const int64_t size = pons_dim(both[k], axis);
    if (size != 2 && size != 3)
      return pons_fail("linalg_cross", "axis %d has %lld elements, not 2 or 3", axis, (long long)size);
  }
  pons_array sum = pons_add(in_space(a, axis), in_space(b, axis)); /* for its shape and dtype */
  if (pons_error_of(sum)) return sum;
  for (int k = 0; k < 2; k++) {
    both[k] = pons_astype(in_space(both[k], axis), pons_dtype_of(sum));
    pons_split(pons_broadcast_to(both[k], pons_shape_of(sum)), 3, axis, x[k]);
  }
  for (int i = 0; i < 3; i++) {
    const int p = (i + 1) % 3, q = (i + 2) % 3;
    out[i] = pons_subtract(pons_multiply(x[0][p], x[1][q]), pons_multiply(x[0][q], x[1][p]));
  }
  return pons_concatenate(out, 3, axis);
}
