/* bounds.c: clip and reciprocal. */
#include "dtypes.h"

pons_array pons_clip(pons_array x, pons_array lo, pons_array hi) {
  if (!lo && !hi) return pons_fail("clip", "needs at least one bound");
  pons_array y = lo ? pons_maximum(x, lo) : x;
  return hi ? pons_minimum(y, hi) : y;
}

pons_array pons_reciprocal(pons_array x) {
  return pons_divide(pons_scalar(1, at_least_float(pons_dtype_of(x))), x);
}
