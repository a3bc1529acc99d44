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

pons_array pons_isposinf(pons_array x) { return is_value(x, (double)INFINITY); }
pons_array pons_isneginf(pons_array x) { return is_value(x, (double)-INFINITY); }

/* A complex number is where either part is. */
pons_array pons_isinf(pons_array x) {
  if (x && !pons_error_of(x) && is_complex_dtype(pons_dtype_of(x)))
    return pons_logical_or(pons_isinf(pons_real(x)), pons_isinf(pons_imag(x)));
  return pons_logical_or(pons_isposinf(x), pons_isneginf(x));
}

pons_array pons_isfinite(pons_array x) {
  return pons_logical_not(pons_logical_or(pons_isinf(x), pons_isnan(x)));
}

/* |a - b| <= atol + rtol |b|; infinities are close to themselves, NaN is close to NaN if asked for. */
pons_array pons_isclose_with(struct pons_closeness_args args) {
  pons_array a = args.a, b = args.b, distance = pons_abs(pons_subtract(a, b));
  pons_array bound = pons_add(pons_float(args.atol), pons_multiply(pons_float(args.rtol), pons_abs(b)));
  pons_array near_enough = pons_less_equal(distance, bound);
  pons_array a_up = pons_isposinf(a), a_down = pons_isneginf(a);
  pons_array b_up = pons_isposinf(b), b_down = pons_isneginf(b);
  pons_array endless = pons_logical_or(pons_logical_or(a_up, a_down), pons_logical_or(b_up, b_down));
  pons_array same = pons_logical_or(pons_logical_and(a_up, b_up), pons_logical_and(a_down, b_down));
  pons_array close = pons_logical_or(pons_logical_and(near_enough, pons_logical_not(endless)), same);
  if (!args.equal_nan) return close;
  return pons_logical_or(close, pons_logical_and(pons_isnan(a), pons_isnan(b)));
}

pons_array pons_allclose_with(struct pons_closeness_args args) { return pons_all(pons_isclose_with(args)); }

pons_array pons_array_equal_with(struct pons_array_equal_args args) {
  pons_array a = args.a, b = args.b;
  const pons_shape s = pons_shape_of(a), t = pons_shape_of(b);
  bool same_shape = s.count == t.count;
  for (int i = 0; same_shape && i < s.count; i++) same_shape = s.at[i] == t.at[i];
  if (same_shape || !a || !b || pons_error_of(a) || pons_error_of(b))
    return pons_all(args.equal_nan ? pons_equal_nan(a, b) : pons_equal(a, b));
  return pons_scalar(0, PONS_BOOL);
}
