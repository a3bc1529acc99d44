/* statistics.c: mean, variance, standard deviation. */
#include "dtypes.h"

/* Of integers: float32. */
pons_array pons_mean_with(struct pons_reduce_args args) {
  const pons_dtype dtype = at_least_float(pons_dtype_of(args.x));
  pons_array sum = pons_sum_with(args);
  if (pons_dtype_of(sum) != dtype) sum = pons_astype(sum, dtype);
  return pons_multiply(sum, pons_number_of_elements(args.x, args.axes, true, dtype));
}

/* sum((x - mean)^2) / (n - ddof) */
pons_array pons_variance_with(struct pons_reduce_args args) {
  const pons_dtype dtype = at_least_float(pons_dtype_of(args.x));
  pons_array centre = pons_mean(args.x, .axes = args.axes, .keepdims = true);
  struct pons_reduce_args squares = args;
  squares.x = pons_square(pons_subtract(args.x, centre));
  pons_array sum = pons_sum_with(squares);
  if (args.ddof == 0) return pons_multiply(sum, pons_number_of_elements(args.x, args.axes, true, dtype));
  pons_array count = pons_number_of_elements(args.x, args.axes, false, dtype);
  pons_array rest = pons_subtract(count, pons_scalar(args.ddof, dtype));
  return pons_divide(sum, pons_maximum(rest, pons_scalar(0, dtype)));
}

pons_array pons_std_with(struct pons_reduce_args args) { return pons_sqrt(pons_variance_with(args)); }
