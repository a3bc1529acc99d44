/* complex_functions.h: the functions of kernel/scalar_complex.h for the dialect's complex64, in float32 alone, for there are GPUs
   without float64. Text, behind kernel/scalar.h in front of chains that compute with complex numbers. What C's Annex G says
   of infinities, zeros and NaN holds. */

static inline bool complex_is_finite(float x) { return k_abs_f32(x) < INFINITY; }
/* z 2^n, for n that a float32 has no power for, too. */
static inline complex64 complex_shifted(complex64 z, int32_t n) {
  const int32_t third = n / 3;
  const float a = k_power_of_two_f32(third), b = k_power_of_two_f32(n - 2 * third);
  return complex_of(z.re * a * b * a, z.im * a * b * a);
}
/* n so that the greater of |re| and |im| is from 2^n to 2^(n + 1); of 0 and of what is not finite some n. */
static inline int32_t complex_exponent(complex64 z) {
  const float re = k_abs_f32(z.re), im = k_abs_f32(z.im), high = re > im ? re : im;
  const bool tiny = high < 1.17549435e-38f;
  return (int32_t)(k_bits_f32(tiny ? high * 8388608.0f : high) >> 23 & 255) - (tiny ? 150 : 127);
}

static inline float k_abs_c64(complex64 z) {
  const float re = k_abs_f32(z.re), im = k_abs_f32(z.im), high = re > im ? re : im, low = re > im ? im : re;
  const float ratio = low / high;
  if (re == INFINITY || im == INFINITY) return INFINITY;
  return high == 0 ? high + low : high * sqrtf(k_fma_f32(ratio, ratio, 1.0f));
}
static inline float k_real_c64(complex64 z) { return z.re; }
static inline float k_imag_c64(complex64 z) { return z.im; }
static inline complex64 k_conj_c64(complex64 z) { return complex_of(z.re, -z.im); }
static inline complex64 k_neg_c64(complex64 z) { return complex_of(-z.re, -z.im); }
static inline complex64 k_round_c64(complex64 z) { return complex_of(k_round_f32(z.re), k_round_f32(z.im)); }
static inline complex64 complex_scaled(complex64 z, float by) { return complex_of(z.re * by, z.im * by); }
static inline complex64 k_sign_c64(complex64 z) {
  const float size = k_abs_c64(z);
  return size == 0 ? z : complex_of(z.re / size, z.im / size);
}

/* a b + c d, rounded about once where products cancel. */
static inline float complex_sum_of_products(float a, float b, float c, float d) {
  const float product = c * d, lost = k_fma_f32(c, d, -product);
  return k_fma_f32(a, b, product) + lost;
}
/* Both are brought near 1 first. */
static inline complex64 k_div_c64(complex64 a, complex64 b) {
  const int32_t of_a = complex_exponent(a), of_b = complex_exponent(b);
  const complex64 p = complex_shifted(a, -of_a), q = complex_shifted(b, -of_b);
  const float size = q.re * q.re + q.im * q.im;
  const complex64 y = complex_of(complex_sum_of_products(p.re, q.re, p.im, q.im) / size,
                                 complex_sum_of_products(p.im, q.re, -p.re, q.im) / size);
  const bool finite_a = complex_is_finite(a.re) && complex_is_finite(a.im),
             finite_b = complex_is_finite(b.re) && complex_is_finite(b.im);
  if (finite_a && finite_b && size > 0) return complex_shifted(y, of_a - of_b);
  if (b.re == 0 && b.im == 0 && (a.re == a.re || a.im == a.im))
    return complex_of(k_copysign_f32(INFINITY, b.re) * a.re, k_copysign_f32(INFINITY, b.re) * a.im);
  const bool grows = complex_is_infinite(a) && finite_b, fades = finite_a && complex_is_infinite(b);
  if (!grows && !fades) return complex_of(NAN, NAN);
  const complex64 from = grows ? complex_directions(a) : a, by = grows ? b : complex_directions(b);
  const float factor = grows ? INFINITY : 0.0f;
  return complex_of(factor * (from.re * by.re + from.im * by.im),
                    factor * (from.im * by.re - from.re * by.im));
}
static inline complex64 k_floor_div_c64(complex64 a, complex64 b) { return k_div_c64(a, b); }

/* ---- roots ---- */

static inline complex64 k_sqrt_c64(complex64 z) {
  if (k_abs_f32(z.im) == INFINITY) return complex_of(INFINITY, z.im);
  if (z.re == -INFINITY) return complex_of(z.im == z.im ? 0 : z.im, k_copysign_f32(INFINITY, z.im));
  if (z.re == INFINITY) return complex_of(z.re, z.im == z.im ? k_copysign_f32(0.0f, z.im) : z.im);
  if (z.re == 0 && z.im == 0) return complex_of(0.0f, z.im);
  const int32_t exponent = complex_exponent(z) >> 1;
  const complex64 near = complex_shifted(z, -2 * exponent);
  const float greater = sqrtf(0.5f * (k_abs_f32(near.re) + k_abs_c64(near))),
              lesser = k_abs_f32(near.im) / (2 * greater);
  const bool right = near.re >= 0;
  return complex_shifted(complex_of(right ? greater : lesser, k_copysign_f32(right ? lesser : greater, z.im)),
                         exponent);
}
static inline complex64 k_rsqrt_c64(complex64 z) { return k_div_c64(complex_of(1.0f, 0.0f), k_sqrt_c64(z)); }

/* ---- exponentials ---- */

/* Beyond here e^x is taken as e^(x - 88) e^44 e^44, and multiplied by what makes it smaller first. */
#define COMPLEX_EXP_LIMIT 88.0f
#define COMPLEX_EXP_44 1.28516001e19f

static inline complex64 k_exp_c64(complex64 z) {
  const bool large = z.re > COMPLEX_EXP_LIMIT;
  const float size = k_exp_f32(large ? z.re - 88.0f : z.re), rest = large ? COMPLEX_EXP_44 : 1.0f;
  if (z.im == 0) return complex_of(k_exp_f32(z.re), z.im);
  if (!complex_is_finite(z.im)) {
    if (z.re == -INFINITY) return complex_of(0.0f, k_copysign_f32(0.0f, z.im));
    return complex_of(z.re == INFINITY ? z.re : NAN, NAN);
  }
  const float c = k_cos_f32(z.im), s = k_sin_f32(z.im);
  if (z.re == INFINITY) return complex_of(k_copysign_f32(INFINITY, c), k_copysign_f32(INFINITY, s));
  return complex_of(size * c * rest * rest, size * s * rest * rest);
}

/* sinh and cosh of a real part, as they stand in the complex ones: divided by `rest` twice. */
typedef struct complex_hyperbolic {
  float sinh, cosh, rest;
} complex_hyperbolic;
static inline complex_hyperbolic complex_hyperbolic_of(float x) {
  const float a = k_abs_f32(x);
  const bool large = a > COMPLEX_EXP_LIMIT;
  const float far = 0.5f * k_exp_f32(a - 88.0f);
  complex_hyperbolic h;
  h.rest = large ? COMPLEX_EXP_44 : 1.0f;
  h.sinh = large ? k_copysign_f32(a == INFINITY ? a : far, x) : k_sinh_f32(x);
  h.cosh = large ? a == INFINITY ? a : far : k_cosh_f32(x);
  return h;
}
static inline complex64 k_sinh_c64(complex64 z) {
  const complex_hyperbolic h = complex_hyperbolic_of(z.re);
  if (z.im == 0) return complex_of(k_sinh_f32(z.re), z.im);
  if (!complex_is_finite(z.im)) {
    if (z.re == 0) return complex_of(z.re, NAN);
    return complex_of(k_abs_f32(z.re) == INFINITY ? z.re : NAN, NAN);
  }
  return complex_of(h.sinh * k_cos_f32(z.im) * h.rest * h.rest, h.cosh * k_sin_f32(z.im) * h.rest * h.rest);
}
static inline complex64 k_cosh_c64(complex64 z) {
  const complex_hyperbolic h = complex_hyperbolic_of(z.re);
  if (z.im == 0) return complex_of(k_cosh_f32(z.re), z.re != z.re ? z.im : k_copysign_f32(1.0f, z.re) * z.im);
  if (!complex_is_finite(z.im)) {
    if (z.re == 0) return complex_of(NAN, z.re);
    return complex_of(k_abs_f32(z.re) == INFINITY ? INFINITY : NAN, NAN);
  }
  return complex_of(h.cosh * k_cos_f32(z.im) * h.rest * h.rest, h.sinh * k_sin_f32(z.im) * h.rest * h.rest);
}
/* W. Kahan, "Branch cuts for complex elementary functions", 1987. At an infinite real part the imaginary one is 0, as in
   kernel/scalar_complex.h. */
static inline complex64 k_tanh_c64(complex64 z) {
  if (k_abs_f32(z.re) == INFINITY) return complex_of(k_copysign_f32(1.0f, z.re), k_copysign_f32(0.0f, z.im));
  if (z.im == 0) return complex_of(k_tanh_f32(z.re), z.im);
  if (!complex_is_finite(z.im)) return complex_of(z.re == 0 ? z.re : NAN, NAN);
  const float c = k_cos_f32(z.im), s = k_sin_f32(z.im);
  if (k_abs_f32(z.re) > 11) {
    const float fades = k_exp_f32(-k_abs_f32(z.re));
    return complex_of(k_copysign_f32(1.0f, z.re), 4 * s * c * fades * fades);
  }
  const float t = s / c, steep = 1 + t * t, sinh = k_sinh_f32(z.re), cosh = sqrtf(1 + sinh * sinh),
              size = 1 + steep * sinh * sinh;
  return complex_of(steep * cosh * sinh / size, t / size);
}

/* ---- logarithms ---- */

/* log |z|: beside the unit circle by what |z|^2 has more than 1, with what its products lose. */
static inline float complex_log_size(complex64 z) {
  const float re = k_abs_f32(z.re), im = k_abs_f32(z.im), high = re > im ? re : im, low = re > im ? im : re;
  if (re == INFINITY || im == INFINITY) return INFINITY;
  if (high > 0.7f && high < 1.4f) {
    const float square = high * high, other = low * low;
    const float lost = k_fma_f32(high, high, -square) + k_fma_f32(low, low, -other);
    return 0.5f * k_log1p_f32((square - 1 + other) + lost);
  }
  const float ratio = high == 0 ? low : low / high; /* a NaN stays one */
  return k_log_f32(high) + 0.5f * k_log1p_f32(ratio * ratio);
}
static inline complex64 k_log_c64(complex64 z) {
  return complex_of(complex_log_size(z), k_atan2_f32(z.im, z.re));
}
static inline complex64 k_log2_c64(complex64 z) { return complex_scaled(k_log_c64(z), 1.44269504f); }
static inline complex64 k_log10_c64(complex64 z) { return complex_scaled(k_log_c64(z), 0.434294482f); }
/* |1 + z|^2 - 1 = 2 re + re^2 + im^2, summed with what is lost, keeps what is small; beside -1 it is 1 + z that is small. */
static inline complex64 k_log1p_c64(complex64 z) {
  const complex64 one_more = complex_of(1 + z.re, z.im);
  const float angle = k_atan2_f32(z.im, 1 + z.re), twice = 2 * z.re, a = z.re * z.re, b = z.im * z.im;
  const float first = twice + a, first_lost = a - (first - twice), sum = first + b,
              sum_lost = k_abs_f32(first) > b ? b - (sum - first) : first - (sum - b);
  const float grown = sum + (first_lost + sum_lost + k_fma_f32(z.re, z.re, -a) + k_fma_f32(z.im, z.im, -b));
  if (grown >= -0.5f && grown < 1e3f) return complex_of(0.5f * k_log1p_f32(grown), angle);
  return complex_of(complex_log_size(one_more), angle);
}
static inline complex64 k_pow_c64(complex64 a, complex64 b) { return k_exp_c64(k_mul_c64(b, k_log_c64(a))); }
static inline complex64 k_logaddexp_c64(complex64 a, complex64 b) {
  const complex64 high = k_less_c64(a, b) ? b : a, low = k_less_c64(a, b) ? a : b;
  if (k_is_nan_c64(a) || k_is_nan_c64(b)) return complex_of(NAN, NAN);
  if (low.re == -INFINITY || high.re == INFINITY) return high;
  return k_add_c64(high, k_log1p_c64(k_exp_c64(k_sub_c64(low, high))));
}

/* ---- inverses: Kahan's, of square roots of 1 - z and 1 + z ---- */

/* From here on what is added to the square of z does not count. */
#define COMPLEX_LARGE 1e8f
static inline bool complex_is_large(complex64 z) {
  return k_abs_f32(z.re) > COMPLEX_LARGE || k_abs_f32(z.im) > COMPLEX_LARGE;
}
static inline float complex_log_twice(complex64 z) { return complex_log_size(z) + 0.693147182f; }

static inline complex64 k_acos_c64(complex64 z) {
  if (complex_is_large(z)) {
    const float angle = k_atan2_f32(k_abs_f32(z.im), z.re);
    return complex_of(angle, -k_copysign_f32(complex_log_twice(z), z.im));
  }
  const complex64 less = k_sqrt_c64(complex_of(1 - z.re, -z.im)),
                  more = k_sqrt_c64(complex_of(1 + z.re, z.im));
  return complex_of(2 * k_atan2_f32(less.re, more.re),
                    k_asinh_f32(complex_sum_of_products(more.re, less.im, -more.im, less.re)));
}
/* w.im <= 0 for z.im >= 0. */
static inline complex64 k_acosh_c64(complex64 z) {
  const complex64 w = k_acos_c64(z);
  return complex_of(k_abs_f32(w.im), k_copysign_f32(w.re, z.im));
}
static inline complex64 k_asin_c64(complex64 z) {
  if (complex_is_large(z))
    return complex_of(k_copysign_f32(k_atan2_f32(k_abs_f32(z.re), k_abs_f32(z.im)), z.re),
                      k_copysign_f32(complex_log_twice(z), z.im));
  const complex64 less = k_sqrt_c64(complex_of(1 - z.re, -z.im)),
                  more = k_sqrt_c64(complex_of(1 + z.re, z.im));
  return complex_of(k_atan2_f32(z.re, complex_sum_of_products(less.re, more.re, -less.im, more.im)),
                    k_asinh_f32(complex_sum_of_products(less.re, more.im, -less.im, more.re)));
}
static inline complex64 k_atanh_c64(complex64 z) {
  const float re = k_abs_f32(z.re), less = 1 - re;
  if (complex_is_large(z)) {
    const float size = k_abs_c64(z);
    const float real = size < INFINITY || size != size ? re / size / size : 0.0f;
    return complex_of(k_copysign_f32(real, z.re), z.im != z.im ? z.im : k_copysign_f32(1.57079637f, z.im));
  }
  /* (1 - re)^2 + im^2 would be 0 there, where it is none. */
  const float real = less == 0 && k_abs_f32(z.im) < 1e-15f
                         ? 0.5f * (0.693147182f - k_log_f32(k_abs_f32(z.im)))
                         : 0.25f * k_log1p_f32(4 * re / (less * less + z.im * z.im));
  return complex_of(k_copysign_f32(real, z.re), 0.5f * k_atan2_f32(2 * z.im, less * (1 + re) - z.im * z.im));
}

/* ---- what is a turn by a right angle away ---- */

static inline complex64 complex_turned(complex64 z) { return complex_of(-z.im, z.re); } /* i z */
static inline complex64 complex_turned_back(complex64 z) { return complex_of(z.im, -z.re); }
static inline complex64 k_sin_c64(complex64 z) { return complex_turned_back(k_sinh_c64(complex_turned(z))); }
static inline complex64 k_cos_c64(complex64 z) { return k_cosh_c64(complex_turned(z)); }
static inline complex64 k_tan_c64(complex64 z) { return complex_turned_back(k_tanh_c64(complex_turned(z))); }
static inline complex64 k_asinh_c64(complex64 z) {
  return complex_turned_back(k_asin_c64(complex_turned(z)));
}
static inline complex64 k_atan_c64(complex64 z) {
  return complex_turned_back(k_atanh_c64(complex_turned(z)));
}
