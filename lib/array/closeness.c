/* closeness.c: what is infinite or no number, what is close, what is the same. */
#include "dtypes.h"
#include <math.h>

static pons_array is_value(pons_array x, double value) {
  if (x && !pons_error_of(x) && !is_inexact(pons_dtype_of(x))) return pons_zeros(pons_shape_of(x), PONS_BOOL);
  return pons_equal(x, like(value, x));
}

pons_array pons_isnan(pons_array x) {
  if (x && !pons_error_of(x) && !is_inexact(pons_dtype_of(x))) return pons_zeros(pons_shape_of(x), PONS_BOOL);
  return pons_not_equal(x, x);
}

pons_array pons_isinf(pons_array x) {
  return pons_logical_or(is_value(x, (double)INFINITY), is_value(x, (double)-INFINITY));
}

pons_array pons_isfinite(pons_array x) {
  return pons_logical_not(pons_logical_or(pons_isinf(x), pons_isnan(x)));
}

/* |a - b| <= atol + rtol |b|; infinities are close to themselves, nothing is close to NaN. */
pons_array pons_isclose(pons_array a, pons_array b, double rtol, double atol) {
  pons_array distance = pons_abs(pons_subtract(a, b));
  pons_array bound = pons_add(pons_float(atol), pons_multiply(pons_float(rtol), pons_abs(b)));
  pons_array near_enough = pons_less_equal(distance, bound);
  pons_array a_up = is_value(a, (double)INFINITY), a_down = is_value(a, (double)-INFINITY);
  pons_array b_up = is_value(b, (double)INFINITY), b_down = is_value(b, (double)-INFINITY);
  pons_array endless = pons_logical_or(pons_logical_or(a_up, a_down), pons_logical_or(b_up, b_down));
  pons_array same = pons_logical_or(pons_logical_and(a_up, b_up), pons_logical_and(a_down, b_down));
  return pons_logical_or(pons_logical_and(near_enough, pons_logical_not(endless)), same);
}

pons_array pons_allclose(pons_array a, pons_array b, double rtol, double atol) {
  return pons_all(pons_isclose(a, b, rtol, atol));
}

pons_array pons_array_equal(pons_array a, pons_array b) {
  const pons_shape s = pons_shape_of(a), t = pons_shape_of(b);
  bool same_shape = s.count == t.count;
  for (int i = 0; same_shape && i < s.count; i++) same_shape = s.at[i] == t.at[i];
  if (same_shape || !a || !b || pons_error_of(a) || pons_error_of(b)) return pons_all(pons_equal(a, b));
  return pons_scalar(0, PONS_BOOL);
}
