/* scalar_complex.h: the functions of a complex64. Part of scalar.h.

   Elementary functions are the C library's; products and quotients those of C, infinities included. Order
   is by real part, then imaginary part. Uses nothing. */
#ifndef SCALAR_COMPLEX_H
#define SCALAR_COMPLEX_H
#include <complex.h>
#include <math.h>
#include <stdbool.h>
#undef I /* a name for others */

typedef float _Complex k_complex;

/* real + imag i, without the product with i that turns infinities into NaN. */
static inline k_complex k_complex_of(float real, float imag) {
  union {
    float parts[2];
    k_complex z;
  } u = {{real, imag}};
  return u.z;
}
static inline float k_abs_c64(k_complex x) { return cabsf(x); }
static inline float k_real_c64(k_complex x) { return crealf(x); }
static inline float k_imag_c64(k_complex x) { return cimagf(x); }
static inline k_complex k_conj_c64(k_complex x) { return conjf(x); }
static inline k_complex k_neg_c64(k_complex x) { return -x; }
static inline k_complex k_scale_c64(k_complex x, float by) {
  return k_complex_of(crealf(x) * by, cimagf(x) * by);
}
static inline k_complex k_sign_c64(k_complex x) {
  float size = cabsf(x);
  return size == 0 ? x : k_complex_of(crealf(x) / size, cimagf(x) / size);
}
static inline k_complex k_sqrt_c64(k_complex x) { return csqrtf(x); }
static inline k_complex k_rsqrt_c64(k_complex x) { return 1 / csqrtf(x); }
static inline k_complex k_exp_c64(k_complex x) { return cexpf(x); }
static inline k_complex k_log_c64(k_complex x) { return clogf(x); }
static inline k_complex k_log2_c64(k_complex x) { return k_scale_c64(clogf(x), 1.44269504f); }
static inline k_complex k_log10_c64(k_complex x) { return k_scale_c64(clogf(x), 0.434294482f); }
/* |1 + x|^2 - 1 = 2 re + re^2 + im^2 keeps what is small; beside -1 it is 1 + x that is small. */
static inline k_complex k_log1p_c64(k_complex x) {
  double re = (double)crealf(x), im = (double)cimagf(x), grown = re * (2 + re) + im * im;
  double size = grown < -0.5 ? log(hypot(1 + re, im)) : 0.5 * log1p(grown);
  return k_complex_of((float)size, atan2f(cimagf(x), (float)(1 + re)));
}
static inline k_complex k_sin_c64(k_complex x) { return csinf(x); }
static inline k_complex k_cos_c64(k_complex x) { return ccosf(x); }
static inline k_complex k_tan_c64(k_complex x) { return ctanf(x); }
static inline k_complex k_asin_c64(k_complex x) { return casinf(x); }
static inline k_complex k_acos_c64(k_complex x) { return cacosf(x); }
static inline k_complex k_atan_c64(k_complex x) { return catanf(x); }
static inline k_complex k_sinh_c64(k_complex x) { return csinhf(x); }
static inline k_complex k_cosh_c64(k_complex x) { return ccoshf(x); }
/* At an infinite real part the imaginary one is 0, where C gives it the sign of sin(2 im). */
static inline k_complex k_tanh_c64(k_complex x) {
  return isinf(crealf(x)) && isfinite(cimagf(x)) ? k_complex_of(copysignf(1, crealf(x)), copysignf(0, cimagf(x))) : ctanhf(x);
}
static inline k_complex k_asinh_c64(k_complex x) { return casinhf(x); }
static inline k_complex k_acosh_c64(k_complex x) { return cacoshf(x); }
static inline k_complex k_atanh_c64(k_complex x) { return catanhf(x); }
static inline k_complex k_round_c64(k_complex x) {
  return k_complex_of(nearbyintf(crealf(x)), nearbyintf(cimagf(x)));
}

static inline k_complex k_add_c64(k_complex a, k_complex b) { return a + b; }
static inline k_complex k_sub_c64(k_complex a, k_complex b) { return a - b; }
static inline k_complex k_mul_c64(k_complex a, k_complex b) { return a * b; }
static inline k_complex k_div_c64(k_complex a, k_complex b) { return a / b; }
static inline k_complex k_floor_div_c64(k_complex a, k_complex b) { return a / b; } /* as MLX has it */
static inline k_complex k_pow_c64(k_complex a, k_complex b) { return cpowf(a, b); }
static inline bool k_equal_c64(k_complex a, k_complex b) { return a == b; }
static inline bool k_less_c64(k_complex a, k_complex b) {
  return crealf(a) < crealf(b) || (crealf(a) == crealf(b) && cimagf(a) < cimagf(b));
}
static inline bool k_less_equal_c64(k_complex a, k_complex b) {
  return crealf(a) < crealf(b) || (crealf(a) == crealf(b) && cimagf(a) <= cimagf(b));
}
static inline k_complex k_max_c64(k_complex a, k_complex b) {
  return a != a || (b == b && k_less_c64(b, a)) ? a : b;
}
static inline k_complex k_min_c64(k_complex a, k_complex b) {
  return a != a || (b == b && k_less_c64(a, b)) ? a : b;
}
static inline k_complex k_logaddexp_c64(k_complex a, k_complex b) {
  k_complex high = k_less_c64(a, b) ? b : a, low = k_less_c64(a, b) ? a : b;
  if (a != a || b != b) return k_complex_of(NAN, NAN);
  if (crealf(low) == -INFINITY || crealf(high) == INFINITY) return high;
  return high + k_log1p_c64(cexpf(low - high));
}
#endif
