/* rounding.c: what is done to numbers one by one: trunc, round to decimals, degrees and radians, nan_to_num,
   positive, logical_xor. */
#include "dtypes.h"
#include "operands.h"
#include <math.h>

pons_array pons_positive(pons_array x) {
  pons_array bad = fault_of("positive", x);
  return bad ? bad : itself(x);
}

pons_array pons_trunc(pons_array x) {
  pons_array bad = fault_of("trunc", x);
  if (bad) return bad;
  if (is_complex_dtype(pons_dtype_of(x)))
    return pons_fail("trunc", "not defined for %s", pons_dtype_name(pons_dtype_of(x)));
  if (!is_real_float(pons_dtype_of(x))) return itself(x);
  return pons_where(pons_less(x, like(0, x)), pons_ceil(x), pons_floor(x));
}

/* As MLX: rounded between a product with the power of ten and one with its reciprocal. */
pons_array pons_round_decimals(pons_array x, int decimals) {
  pons_array bad = fault_of("round", x);
  if (bad) return bad;
  if (decimals == 0) return pons_round(x);
  const pons_dtype dtype = pons_dtype_of(x), wide = at_least_float(dtype);
  if (decimals > 0 && !is_inexact(dtype)) return itself(x);
  const double scale = pow(10, decimals);
  pons_array whole = pons_round(pons_multiply(pons_astype(x, wide), pons_scalar(scale, wide)));
  return pons_astype(pons_multiply(whole, pons_scalar(1 / scale, wide)), dtype);
}

static pons_array scaled(const char *op, pons_array x, double factor) {
  pons_array bad = fault_of(op, x);
  if (bad) return bad;
  return pons_multiply(x, pons_scalar(factor, at_least_float(pons_dtype_of(x))));
}

pons_array pons_degrees(pons_array x) { return scaled("degrees", x, 180 / PONS_PI); }
pons_array pons_radians(pons_array x) { return scaled("radians", x, PONS_PI / 180); }

pons_array pons_nan_to_num_with(struct pons_nan_to_num_args args) {
  pons_array x = args.x, bad = fault_of("nan_to_num", x);
  if (bad) return bad;
  const pons_dtype dtype = pons_dtype_of(x);
  if (is_complex_dtype(dtype) && args.posinf && args.neginf) /* as MLX: infinities stay */
    return pons_where(pons_isnan(x), like(args.nan, x), x);
  if (is_complex_dtype(dtype))
    return pons_fail("nan_to_num", "%s has no least and greatest number: posinf and neginf must be given",
                     pons_dtype_name(dtype));
  if (!is_real_float(dtype)) return itself(x);
  const double up = args.posinf ? *args.posinf : pons_finfo(dtype).max;
  const double down = args.neginf ? *args.neginf : -pons_finfo(dtype).max;
  pons_array y = pons_where(pons_isnan(x), like(args.nan, x), x);
  y = pons_where(pons_isposinf(x), like(up, x), y);
  return pons_where(pons_isneginf(x), like(down, x), y);
}

pons_array pons_logical_xor(pons_array a, pons_array b) {
  return pons_not_equal(pons_astype(a, PONS_BOOL), pons_astype(b, PONS_BOOL));
}
