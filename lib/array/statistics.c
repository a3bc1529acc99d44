/* statistics.c: mean, variance, standard deviation. */
#include "dtypes.h"

/* Elements that become one; 1 where an axis does not exist, which the sum tells better. */
static double reduced_count(pons_array x, pons_axes axes) {
  double count = 1;
  if (!axes.at) return (double)pons_size(x);
  for (int i = 0; i < axes.count; i++)
    if (pons_dim(x, axes.at[i]) >= 0) count *= (double)pons_dim(x, axes.at[i]);
  return count;
}

/* Of integers: float32. */
pons_array pons_mean_with(struct pons_reduce_args args) {
  const pons_dtype dtype = at_least_float(pons_dtype_of(args.x));
  pons_array sum = pons_sum_with(args);
  if (pons_dtype_of(sum) != dtype) sum = pons_astype(sum, dtype);
  return pons_multiply(sum, pons_scalar(1 / reduced_count(args.x, args.axes), dtype));
}

/* sum((x - mean)^2) / (n - ddof) */
pons_array pons_variance_with(struct pons_reduce_args args) {
  const pons_dtype dtype = at_least_float(pons_dtype_of(args.x));
  pons_array centre = pons_mean(args.x, .axes = args.axes, .keepdims = true);
  struct pons_reduce_args squares = args;
  squares.x = pons_square(pons_subtract(args.x, centre));
  pons_array sum = pons_sum_with(squares);
  const double count = reduced_count(args.x, args.axes);
  if (args.ddof == 0) return pons_multiply(sum, pons_scalar(1 / count, dtype));
  const double rest = count - args.ddof;
  return pons_divide(sum, pons_scalar(rest > 0 ? rest : 0, dtype));
}

pons_array pons_std_with(struct pons_reduce_args args) { return pons_sqrt(pons_variance_with(args)); }
