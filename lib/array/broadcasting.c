/* broadcasting.c: shapes and arrays brought to one shape: broadcast_shapes, broadcast_arrays, meshgrid,
   atleast_1d and its like. */
#include "operands.h"

static bool join(int *n, int64_t *dims, pons_shape other) {
  if (other.count > PONS_MAX_NDIM) return false;
  const int lead = other.count - *n;
  if (lead > 0) { /* ones in front */
    for (int i = *n - 1; i >= 0; i--) dims[i + lead] = dims[i];
    for (int i = 0; i < lead; i++) dims[i] = 1;
    *n = other.count;
  }
  for (int i = 0; i < other.count; i++) {
    int64_t *size = &dims[*n - other.count + i];
    if (*size != other.at[i] && *size != 1 && other.at[i] != 1) return false;
    if (*size == 1) *size = other.at[i];
  }
  return true;
}

int pons_broadcast_shapes(const pons_shape *shapes, int count, int64_t out[PONS_MAX_NDIM]) {
  if (count < 1) {
    (void)pons_fail("broadcast_shapes", "needs at least one shape");
    return -1;
  }
  int n = 0;
  for (int i = 0; i < count; i++)
    if (!join(&n, out, shapes[i])) {
      (void)pons_fail("broadcast_shapes", "shape %d of %d does not fit those before it", i + 1, count);
      return -1;
    }
  return n;
}

static void all_carry(pons_array bad, pons_array *out, int count) {
  for (int i = 0; i < count; i++) out[i] = bad;
}

void pons_broadcast_arrays(const pons_array *arrays, int count, pons_array *out) {
  int64_t dims[PONS_MAX_NDIM];
  int n = 0;
  pons_array bad = fault_among("broadcast_arrays", arrays, count);
  for (int i = 0; i < count && !bad; i++)
    if (!join(&n, dims, pons_shape_of(arrays[i])))
      bad = pons_fail("broadcast_arrays", "the shape of array %d of %d does not fit those before it", i + 1,
                      count);
  for (int i = 0; i < count && !bad; i++) out[i] = pons_broadcast_to(arrays[i], (pons_shape){n, dims});
  if (bad) all_carry(bad, out, count);
}

void pons_meshgrid(const pons_array *arrays, int count, bool sparse, pons_indexing indexing,
                   pons_array *out) {
  pons_array bad = fault_among("meshgrid", arrays, count);
  if (!bad && count > PONS_MAX_NDIM)
    bad = pons_fail("meshgrid", "%d arrays make more than %d axes", count, PONS_MAX_NDIM);
  if (bad) {
    all_carry(bad, out, count);
    return;
  }
  const bool swapped = indexing == PONS_INDEXING_XY && count > 1; /* the first two trade places */
  for (int i = 0; i < count; i++) {
    int64_t dims[PONS_MAX_NDIM];
    for (int k = 0; k < count; k++) dims[k] = 1;
    dims[swapped && i < 2 ? 1 - i : i] = pons_size(arrays[i]);
    out[i] = pons_reshape(arrays[i], (pons_shape){count, dims});
  }
  if (!sparse) pons_broadcast_arrays(out, count, out);
}

pons_array pons_atleast_1d(pons_array x) {
  return pons_ndim(x) > 0 ? itself(x) : pons_expand_dims(x, PONS_AXES(0));
}

pons_array pons_atleast_2d(pons_array x) {
  const int n = pons_ndim(x);
  return n > 1    ? itself(x)
         : n == 1 ? pons_expand_dims(x, PONS_AXES(0))
                  : pons_expand_dims(x, PONS_AXES(0, 1));
}

pons_array pons_atleast_3d(pons_array x) {
  switch (pons_ndim(x)) {
    case 0:
      return pons_expand_dims(x, PONS_AXES(0, 1, 2));
    case 1:
      return pons_expand_dims(x, PONS_AXES(0, 2));
    case 2:
      return pons_expand_dims(x, PONS_AXES(2));
    default:
      return itself(x);
  }
}
