/* scalar.h: what the values of elementwise.def are made of: k_exp, k_add, ... for each type, told apart by
   a suffix.

   f32 f64 c64 c128 b, i8 .. i64, u8 .. u64. Halves are computed in f32. Nothing here has undefined behaviour for
   any operand: integers wrap, dividing by zero gives 0, shifts by the width and more, or by less than 0, shift all out, as in NumPy,
   floats outside an integer's range convert as x86 does it. Whoever includes this defines K_SUFFIX as one of the
   suffixes before it includes elementwise.def, and may define it anew. Uses nothing. */
#ifndef SCALAR_H
#define SCALAR_H
#include "kernel/scalar_complex.h"
#include "kernel/scalar_float.h"
#include "kernel/scalar_half.h"
#include "kernel/scalar_integer.h"

/* ---- the functions without a suffix: those of K_SUFFIX ---- */

#define K_PASTE(head, suffix) head##suffix
#define K_OF(head, suffix) K_PASTE(head, suffix)
#define K(name) K_OF(k_##name##_, K_SUFFIX) /* names may be macros of the language's own */
#define k_abs(x) K(abs)(x)
#define k_neg(x) K(neg)(x)
#define k_sign(x) K(sign)(x)
#define k_sqrt(x) K(sqrt)(x)
#define k_rsqrt(x) K(rsqrt)(x)
#define k_exp(x) K(exp)(x)
#define k_expm1(x) K(expm1)(x)
#define k_log(x) K(log)(x)
#define k_log2(x) K(log2)(x)
#define k_log10(x) K(log10)(x)
#define k_log1p(x) K(log1p)(x)
#define k_sin(x) K(sin)(x)
#define k_cos(x) K(cos)(x)
#define k_tan(x) K(tan)(x)
#define k_asin(x) K(asin)(x)
#define k_acos(x) K(acos)(x)
#define k_atan(x) K(atan)(x)
#define k_sinh(x) K(sinh)(x)
#define k_cosh(x) K(cosh)(x)
#define k_tanh(x) K(tanh)(x)
#define k_asinh(x) K(asinh)(x)
#define k_acosh(x) K(acosh)(x)
#define k_atanh(x) K(atanh)(x)
#define k_sigmoid(x) K(sigmoid)(x)
#define k_erf(x) K(erf)(x)
#define k_erfinv(x) K(erfinv)(x)
#define k_floor(x) K(floor)(x)
#define k_ceil(x) K(ceil)(x)
#define k_round(x) K(round)(x)
#define k_logical_not(x) (!(x))
#define k_invert(x) K(invert)(x)
#define k_real(x) K(real)(x)
#define k_imag(x) K(imag)(x)
#define k_conj(x) K(conj)(x)
#define k_add(a, b) K(add)(a, b)
#define k_sub(a, b) K(sub)(a, b)
#define k_mul(a, b) K(mul)(a, b)
#define k_div(a, b) K(div)(a, b)
#define k_floor_div(a, b) K(floor_div)(a, b)
#define k_mod(a, b) K(mod)(a, b)
#define k_pow(a, b) K(pow)(a, b)
#define k_max(a, b) K(max)(a, b)
#define k_min(a, b) K(min)(a, b)
#define k_atan2(a, b) K(atan2)(a, b)
#define k_logaddexp(a, b) K(logaddexp)(a, b)
#define k_equal(a, b) K(equal)(a, b)
#define k_not_equal(a, b) (!K(equal)(a, b))
#define k_equal_nan(a, b) (K(equal)(a, b) || (!K(equal)(a, a) && !K(equal)(b, b)))
#define k_less(a, b) K(less)(a, b)
#define k_less_equal(a, b) K(less_equal)(a, b)
#define k_and(a, b) K (and)(a, b)
#define k_or(a, b) K(or)(a, b)
#define k_xor(a, b) K (xor)(a, b)
#define k_shift_left(a, b) K(shift_left)(a, b)
#define k_shift_right(a, b) K(shift_right)(a, b)

/* ---- arithmetic of the reals ---- */

#define K_REALS(S, T, FLOOR, FMOD)                                        \
  static inline T k_add_##S(T a, T b) { return a + b; }                   \
  static inline T k_sub_##S(T a, T b) { return a - b; }                   \
  static inline T k_mul_##S(T a, T b) { return a * b; }                   \
  static inline T k_div_##S(T a, T b) { return a / b; }                   \
  static inline T k_floor_div_##S(T a, T b) { return FLOOR(a / b); }      \
  static inline T k_mod_##S(T a, T b) {                                   \
    T r = FMOD(a, b);                                                     \
    if (r == 0) return b < 0 ? -(T)0 : (T)0;                              \
    return (r < 0) != (b < 0) ? r + b : r;                                \
  }                                                                       \
  static inline T k_max_##S(T a, T b) { return a > b || a != a ? a : b; } \
  static inline T k_min_##S(T a, T b) { return a < b || a != a ? a : b; } \
  static inline bool k_equal_##S(T a, T b) { return a == b; }             \
  static inline bool k_less_##S(T a, T b) { return a < b; }               \
  static inline bool k_less_equal_##S(T a, T b) { return a <= b; }

K_REALS(f32, float, k_floor_f32, fmodf)

#if HAS_FLOAT64
K_REALS(f64, double, floor, fmod)

/* ---- functions of a float64: the C library's ---- */

static inline double k_abs_f64(double x) { return fabs(x); }
static inline double k_neg_f64(double x) { return -x; }
static inline double k_sign_f64(double x) { return (double)((x > 0) - (x < 0)); }
static inline double k_sqrt_f64(double x) { return sqrt(x); }
static inline double k_rsqrt_f64(double x) { return 1 / sqrt(x); }
static inline double k_exp_f64(double x) { return exp(x); }
static inline double k_expm1_f64(double x) { return expm1(x); }
static inline double k_log_f64(double x) { return log(x); }
static inline double k_log2_f64(double x) { return log2(x); }
static inline double k_log10_f64(double x) { return log10(x); }
static inline double k_log1p_f64(double x) { return log1p(x); }
static inline double k_sin_f64(double x) { return sin(x); }
static inline double k_cos_f64(double x) { return cos(x); }
static inline double k_tan_f64(double x) { return tan(x); }
static inline double k_asin_f64(double x) { return asin(x); }
static inline double k_acos_f64(double x) { return acos(x); }
static inline double k_atan_f64(double x) { return atan(x); }
static inline double k_sinh_f64(double x) { return sinh(x); }
static inline double k_cosh_f64(double x) { return cosh(x); }
static inline double k_tanh_f64(double x) { return tanh(x); }
static inline double k_asinh_f64(double x) { return asinh(x); }
static inline double k_acosh_f64(double x) { return acosh(x); }
static inline double k_atanh_f64(double x) { return atanh(x); }
static inline double k_erf_f64(double x) { return erf(x); }
static inline double k_floor_f64(double x) { return floor(x); }
static inline double k_ceil_f64(double x) { return ceil(x); }
static inline double k_round_f64(double x) { return nearbyint(x); }
static inline double k_pow_f64(double x, double y) { return pow(x, y); }
static inline double k_atan2_f64(double y, double x) { return atan2(y, x); }
static inline double k_sigmoid_f64(double x) {
  double e = exp(-fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
static inline double k_logaddexp_f64(double a, double b) {
  double high = a > b ? a : b, low = a > b ? b : a;
  if (a != a || b != b) return a + b;
  return low == -(double)INFINITY || high == (double)INFINITY ? high : high + log1p(exp(low - high));
}
/* Three steps of Newton's method from the float32 value; erfc where 1 - |x| is what counts. */
static inline double k_erfinv_f64(double x) {
  double a = fabs(x), y;
  if (x != x || a > 1) return (double)NAN;
  if (a == 1) return copysign((double)INFINITY, x);
  /* Near 1 the float32 would round to 1: start from the tail, exp(-y^2) = (1 - a). */
  y = a < 0.9999 ? fabs((double)k_erfinv_f32((float)a)) : sqrt(-log(1 - a));
  for (int i = 0; i < (a < 0.9999 ? 2 : 8); i++) {
    double off = a < 0.5 ? erf(y) - a : (1 - a) - erfc(y);
    double step = off / (1.1283791670955126 * exp(-y * y));
    y -= step / (1 + y * step); /* Halley's correction: the curvature is -2 y */
  }
  return copysign(y, x);
}
#endif
#endif
