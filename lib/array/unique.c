/* unique.c: the different elements of an array, in a result of a given size. */
#include "operands.h"

/* Which of the groups of equal elements each sorted element is in: int32, from 0. NaN equals nothing. */
static pons_array group_numbers(pons_array sorted) {
  const int64_t n = pons_size(sorted);
  pons_array differs = pons_not_equal(part_of(sorted, 0, 1, n, 1), part_of(sorted, 0, 0, n - 1, 1));
  const pons_array starts[2] = {pons_zeros(PONS_SHAPE(1), PONS_INT32), pons_astype(differs, PONS_INT32)};
  return pons_cumsum(pons_concatenate(starts, 2, 0), .axis = 0);
}

/* Nothing to choose from: all are `fill`. */
static void of_nothing(pons_array x, int64_t size, pons_array fill, pons_array out[4]) {
  out[0] = size ? pons_full(PONS_SHAPE(size), fill) : pons_zeros(PONS_SHAPE(0), pons_dtype_of(x));
  out[1] = pons_zeros(PONS_SHAPE(size), PONS_UINT32);
  out[2] = pons_zeros(pons_shape_of(x), PONS_UINT32);
  out[3] = pons_zeros(PONS_SHAPE(size), PONS_INT32);
}

void pons_unique(pons_array x, int64_t size, pons_array fill_value, pons_array out[4]) {
  const char *op = "unique";
  pons_array bad = fault_of(op, x);
  if (!bad && size < 0) bad = pons_fail(op, "a result of size %lld", (long long)size);
  if (!bad && fill_value) bad = fault_of(op, fill_value);
  if (!bad && fill_value && pons_size(fill_value) != 1)
    bad = pons_fail(op, "the fill value must be one element, not %lld", (long long)pons_size(fill_value));
  if (!bad && pons_size(x) == 0 && size > 0 && !fill_value)
    bad = pons_fail(op, "an empty array needs a fill value for a result of size %lld", (long long)size);
  for (int i = 0; i < 4; i++) out[i] = bad;
  if (bad) return;
  if (fill_value) fill_value = pons_reshape(pons_astype(fill_value, pons_dtype_of(x)), PONS_SCALAR);
  if (pons_size(x) == 0) {
    of_nothing(x, size, fill_value, out);
    return;
  }
  pons_array flat = pons_flatten(x, 0, -1), order = pons_argsort(flat, 0);
  pons_array group = group_numbers(pons_take(flat, order, 0));
  pons_array wanted = pons_arange(0, (double)size, 1, PONS_INT32);
  pons_array first = pons_searchsorted(group, wanted, false), end = pons_searchsorted(group, wanted, true);
  pons_array exists = pons_less(first, end); /* are there so many groups? */
  out[1] = pons_take(order, pons_where(exists, first, pons_scalar(0, PONS_UINT32)), 0);
  out[0] = pons_take(flat, out[1], 0);
  if (fill_value) out[0] = pons_where(exists, out[0], fill_value);
  pons_array seen = pons_minimum(group, pons_scalar(size > 0 ? (double)(size - 1) : 0, PONS_INT32));
  out[2] = pons_put_along_axis(pons_zeros(PONS_SHAPE(pons_size(x)), PONS_UINT32), order,
                               pons_astype(seen, PONS_UINT32), 0);
  out[2] = pons_reshape(out[2], pons_shape_of(x));
  out[3] = pons_subtract(pons_astype(end, PONS_INT32), pons_astype(first, PONS_INT32));
}
