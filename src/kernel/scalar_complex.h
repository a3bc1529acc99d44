/* scalar_complex.h: the functions of a complex64 and a complex128. Part of scalar.h.

   Elementary functions are the C library's; products and quotients those of C, infinities included. Order
   is by real part, then imaginary part. Uses nothing. */
#ifndef SCALAR_COMPLEX_H
#define SCALAR_COMPLEX_H
#include <complex.h>
#include <math.h>
#include <stdbool.h>
#undef I /* a name for others */

typedef float _Complex k_complex;
typedef double _Complex k_complex_wide;

/* of: real + imag i, without the product with i that turns infinities into NaN.
   log1p: |1 + x|^2 - 1 = 2 re + re^2 + im^2 keeps what is small; beside -1 it is 1 + x that is small.
   tanh: at an infinite real part the imaginary one is 0, where C gives it the sign of sin(2 im).
   floor_div: as MLX has it. */
#define K_COMPLEX(S, Z, R, F)                                                                                \
  static inline Z k_of_##S(R real, R imag) {                                                                 \
    union {                                                                                                  \
      R parts[2];                                                                                            \
      Z z;                                                                                                   \
    } u = {{real, imag}};                                                                                    \
    return u.z;                                                                                              \
  }                                                                                                          \
  static inline R k_abs_##S(Z x) { return cabs##F(x); }                                                      \
  static inline R k_real_##S(Z x) { return creal##F(x); }                                                    \
  static inline R k_imag_##S(Z x) { return cimag##F(x); }                                                    \
  static inline Z k_conj_##S(Z x) { return conj##F(x); }                                                     \
  static inline Z k_neg_##S(Z x) { return -x; }                                                              \
  static inline Z k_scale_##S(Z x, R by) { return k_of_##S(creal##F(x) * by, cimag##F(x) * by); }            \
  static inline Z k_sign_##S(Z x) {                                                                          \
    const R size = cabs##F(x);                                                                               \
    return size == 0 ? x : k_of_##S(creal##F(x) / size, cimag##F(x) / size);                                 \
  }                                                                                                          \
  static inline Z k_sqrt_##S(Z x) { return csqrt##F(x); }                                                    \
  static inline Z k_rsqrt_##S(Z x) { return 1 / csqrt##F(x); }                                               \
  static inline Z k_exp_##S(Z x) { return cexp##F(x); }                                                      \
  static inline Z k_log_##S(Z x) { return clog##F(x); }                                                      \
  static inline Z k_log2_##S(Z x) { return k_scale_##S(clog##F(x), (R)1.4426950408889634); }                 \
  static inline Z k_log10_##S(Z x) { return k_scale_##S(clog##F(x), (R)0.4342944819032518); }                \
  static inline Z k_log1p_##S(Z x) {                                                                         \
    const double re = (double)creal##F(x), im = (double)cimag##F(x), grown = re * (2 + re) + im * im;        \
    const double size = grown < -0.5 ? log(hypot(1 + re, im)) : 0.5 * log1p(grown);                          \
    return k_of_##S((R)size, atan2##F(cimag##F(x), (R)(1 + re)));                                            \
  }                                                                                                          \
  static inline Z k_sin_##S(Z x) { return csin##F(x); }                                                      \
  static inline Z k_cos_##S(Z x) { return ccos##F(x); }                                                      \
  static inline Z k_tan_##S(Z x) { return ctan##F(x); }                                                      \
  static inline Z k_asin_##S(Z x) { return casin##F(x); }                                                    \
  static inline Z k_acos_##S(Z x) { return cacos##F(x); }                                                    \
  static inline Z k_atan_##S(Z x) { return catan##F(x); }                                                    \
  static inline Z k_sinh_##S(Z x) { return csinh##F(x); }                                                    \
  static inline Z k_cosh_##S(Z x) { return ccosh##F(x); }                                                    \
  static inline Z k_tanh_##S(Z x) {                                                                          \
    const R re = creal##F(x), im = cimag##F(x);                                                              \
    return isinf(re) && isfinite(im) ? k_of_##S(copysign##F(1, re), copysign##F(0, im)) : ctanh##F(x);       \
  }                                                                                                          \
  static inline Z k_asinh_##S(Z x) { return casinh##F(x); }                                                  \
  static inline Z k_acosh_##S(Z x) { return cacosh##F(x); }                                                  \
  static inline Z k_atanh_##S(Z x) { return catanh##F(x); }                                                  \
  static inline Z k_round_##S(Z x) { return k_of_##S(nearbyint##F(creal##F(x)), nearbyint##F(cimag##F(x))); }\
  static inline Z k_add_##S(Z a, Z b) { return a + b; }                                                      \
  static inline Z k_sub_##S(Z a, Z b) { return a - b; }                                                      \
  static inline Z k_mul_##S(Z a, Z b) { return a * b; }                                                      \
  static inline Z k_div_##S(Z a, Z b) { return a / b; }                                                      \
  static inline Z k_floor_div_##S(Z a, Z b) { return a / b; }                                                \
  static inline Z k_pow_##S(Z a, Z b) { return cpow##F(a, b); }                                              \
  static inline bool k_equal_##S(Z a, Z b) { return a == b; }                                                \
  static inline bool k_less_##S(Z a, Z b) {                                                                  \
    return creal##F(a) < creal##F(b) || (creal##F(a) == creal##F(b) && cimag##F(a) < cimag##F(b));           \
  }                                                                                                          \
  static inline bool k_less_equal_##S(Z a, Z b) {                                                            \
    return creal##F(a) < creal##F(b) || (creal##F(a) == creal##F(b) && cimag##F(a) <= cimag##F(b));          \
  }                                                                                                          \
  static inline Z k_max_##S(Z a, Z b) { return a != a || (b == b && k_less_##S(b, a)) ? a : b; }             \
  static inline Z k_min_##S(Z a, Z b) { return a != a || (b == b && k_less_##S(a, b)) ? a : b; }             \
  static inline Z k_logaddexp_##S(Z a, Z b) {                                                                \
    const Z high = k_less_##S(a, b) ? b : a, low = k_less_##S(a, b) ? a : b;                                 \
    if (a != a || b != b) return k_of_##S((R)NAN, (R)NAN);                                                   \
    if (creal##F(low) == -(R)INFINITY || creal##F(high) == (R)INFINITY) return high;                         \
    return high + k_log1p_##S(cexp##F(low - high));                                                          \
  }
K_COMPLEX(c64, k_complex, float, f)
K_COMPLEX(c128, k_complex_wide, double, )
#endif
