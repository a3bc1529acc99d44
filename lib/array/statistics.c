/* statistics.c: what reductions are made into: mean, variance, standard deviation, median, minmax,
   count_nonzero. */
#include "dtypes.h"
#include "operands.h"
#include <math.h>

/* Of integers: float32. */
pons_array pons_mean_with(struct pons_reduce_args args) {
  const pons_dtype dtype = at_least_float(pons_dtype_of(args.x));
  pons_array sum = pons_sum_with(args);
  if (pons_dtype_of(sum) != dtype) sum = pons_astype(sum, dtype);
  return pons_multiply(sum, pons_number_of_elements(args.x, args.axes, true, dtype));
}

static pons_array square_magnitude(pons_array x) {
  if (pons_error_of(x) || !is_complex_dtype(pons_dtype_of(x))) return pons_square(x);
  return pons_add(pons_square(pons_real(x)), pons_square(pons_imag(x)));
}

/* sum(|x - mean|^2) / (n - ddof); real of complex numbers too */
pons_array pons_variance_with(struct pons_reduce_args args) {
  const bool is_complex = is_complex_dtype(pons_dtype_of(args.x));
  const pons_dtype dtype = is_complex ? part_dtype(pons_dtype_of(args.x)) : at_least_float(pons_dtype_of(args.x));
  pons_array centre = pons_mean(args.x, .axes = args.axes, .keepdims = true);
  struct pons_reduce_args squares = args;
  squares.x = square_magnitude(pons_subtract(args.x, centre));
  pons_array sum = pons_sum_with(squares);
  if (args.ddof == 0) return pons_multiply(sum, pons_number_of_elements(args.x, args.axes, true, dtype));
  pons_array count = pons_number_of_elements(args.x, args.axes, false, dtype);
  pons_array rest = pons_subtract(count, pons_scalar(args.ddof, dtype));
  return pons_divide(sum, pons_maximum(rest, pons_scalar(0, dtype)));
}

pons_array pons_std_with(struct pons_reduce_args args) { return pons_sqrt(pons_variance_with(args)); }

/* Of the sorted elements the one in the middle, or half the sum of the two; NaN, which is sorted last, if
   there is one. */
static pons_array middle(pons_array x, int axis) {
  const int64_t size = pons_dim(x, axis), half = size / 2;
  pons_array sorted = pons_sort(x, axis), y = part_of(sorted, axis, half, half + 1, 1);
  const pons_dtype dtype = at_least_float(pons_dtype_of(x));
  y = pons_astype(y, dtype);
  if (size % 2 == 0) {
    pons_array below = pons_astype(part_of(sorted, axis, half - 1, half, 1), dtype);
    y = pons_multiply(pons_add(below, y), pons_scalar(0.5, dtype));
  }
  if (!is_inexact(pons_dtype_of(x))) return y;
  pons_array last = part_of(sorted, axis, size - 1, size, 1);
  return pons_where(pons_isnan(last), like((double)NAN, y), y);
}

pons_array pons_median_with(struct pons_reduce_args args) {
  pons_array x = args.x, bad = fault_of("median", x);
  if (bad) return bad;
  const int n = pons_ndim(x), n_axes = args.axes.at ? args.axes.count : n;
  int order[PONS_MAX_NDIM], kept = 0;
  bool reduced[PONS_MAX_NDIM] = {false};
  for (int i = 0; i < n_axes; i++) {
    int at = i;
    if (args.axes.at) bad = axis_fault("median", x, args.axes.at[i], &at);
    if (!bad && reduced[at]) bad = pons_fail("median", "axis %d is given twice", args.axes.at[i]);
    if (!bad && pons_dim(x, at) == 0) bad = pons_fail("median", "axis %d is empty", at);
    if (bad) return bad;
    reduced[at] = true;
  }
  if (n_axes == 0) return pons_astype(x, at_least_float(pons_dtype_of(x)));
  int64_t dims[PONS_MAX_NDIM], with_ones[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) {
    with_ones[i] = reduced[i] ? 1 : pons_dim(x, i);
    if (!reduced[i]) dims[kept] = pons_dim(x, i), order[kept++] = i;
  }
  for (int i = 0, at = kept; i < n; i++)
    if (reduced[i]) order[at++] = i;
  pons_array together = pons_flatten(pons_transpose(x, .axes = {n, order}), kept, -1);
  pons_array y = middle(together, kept);
  return pons_reshape(y, args.keepdims ? (pons_shape){n, with_ones} : (pons_shape){kept, dims});
}

void pons_minmax_with(struct pons_reduce_args args, pons_array out[2]) {
  out[0] = pons_min_with(args);
  out[1] = pons_max_with(args);
}

pons_array pons_count_nonzero_with(struct pons_reduce_args args) {
  pons_array bad = fault_of("count_nonzero", args.x);
  if (bad) return bad;
  args.x = pons_astype(pons_not_equal(args.x, like(0, args.x)), PONS_INT32);
  return pons_sum_with(args);
}
