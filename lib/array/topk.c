/* topk.c: the k greatest along an axis: what a partition leaves at the end. */
#include <pons/ops.h>

pons_array pons_topk(pons_array x, int k, int axis) {
  if (axis == PONS_FLAT) return pons_topk(pons_flatten(x, 0, -1), k, 0);
  const int64_t size = pons_dim(x, axis);
  if (size < 0) return pons_partition(x, 0, axis); /* which tells what is wrong */
  if (k < 0 || k > size)
    return pons_fail("topk", "%d of %lld elements along axis %d", k, (long long)size, axis);
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  const int n = pons_ndim(x), at = axis < 0 ? axis + n : axis;
  for (int i = 0; i < n; i++) stop[i] = pons_dim(x, i);
  start[at] = size - k;
  pons_array y = k > 0 && k < size ? pons_partition(x, -k, axis) : x;
  return pons_slice(y, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
}
