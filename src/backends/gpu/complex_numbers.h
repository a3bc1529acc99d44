/* complex_numbers.h: complex64 in the dialect: the arithmetic of kernel/scalar_complex.h, by the same names. Text, behind
   dialect.h and kernel/scalar_float.h in front of every kernel; what chains alone compute is in complex_functions.h. */

typedef struct complex64 {
  float re, im;
} complex64;

static inline complex64 complex_of(float re, float im) {
  complex64 z;
  z.re = re;
  z.im = im;
  return z;
}
static inline uint64_t complex_bits(complex64 z) { return k_bits_f32(z.re) | (uint64_t)k_bits_f32(z.im) << 32; }
static inline complex64 complex_from_bits(uint64_t bits) {
  return complex_of(k_from_bits_f32((uint32_t)bits), k_from_bits_f32((uint32_t)(bits >> 32)));
}
/* Without C's rule for infinities: what transforms and products of matrices multiply by. */
static inline complex64 complex_times(complex64 a, complex64 b) {
  return complex_of(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
/* What is infinite as 1 of its sign, what is not as a 0 of its sign. */
static inline complex64 complex_directions(complex64 a) {
  return complex_of(k_copysign_f32(k_abs_f32(a.re) == INFINITY ? 1.0f : 0.0f, a.re),
                    k_copysign_f32(k_abs_f32(a.im) == INFINITY ? 1.0f : 0.0f, a.im));
}
static inline bool complex_is_infinite(complex64 a) {
  return k_abs_f32(a.re) == INFINITY || k_abs_f32(a.im) == INFINITY;
}
static inline complex64 complex_without_nan(complex64 a) {
  return complex_of(a.re != a.re ? k_copysign_f32(0.0f, a.re) : a.re,
                    a.im != a.im ? k_copysign_f32(0.0f, a.im) : a.im);
}

static inline complex64 k_add_c64(complex64 a, complex64 b) { return complex_of(a.re + b.re, a.im + b.im); }
static inline complex64 k_sub_c64(complex64 a, complex64 b) { return complex_of(a.re - b.re, a.im - b.im); }
/* An infinity times what is not 0 is one, though both parts come out as NaN: C, Annex G. */
static inline complex64 k_mul_c64(complex64 a, complex64 b) {
  const complex64 y = complex_times(a, b);
  if (y.re == y.re || y.im == y.im) return y;
  const bool overflows = k_abs_f32(a.re * b.re) == INFINITY || k_abs_f32(a.im * b.im) == INFINITY ||
                         k_abs_f32(a.re * b.im) == INFINITY || k_abs_f32(a.im * b.re) == INFINITY;
  const bool of_a = complex_is_infinite(a), of_b = complex_is_infinite(b);
  if (!of_a && !of_b && !overflows) return y;
  a = complex_without_nan(of_a ? complex_directions(a) : a);
  b = complex_without_nan(of_b ? complex_directions(b) : b);
  const complex64 direction = complex_times(a, b);
  return complex_of(INFINITY * direction.re, INFINITY * direction.im);
}

static inline bool k_is_nan_c64(complex64 a) { return a.re != a.re || a.im != a.im; }
static inline bool k_equal_c64(complex64 a, complex64 b) { return a.re == b.re && a.im == b.im; }
/* By real part, then imaginary part. */
static inline bool k_less_c64(complex64 a, complex64 b) {
  return a.re < b.re || (a.re == b.re && a.im < b.im);
}
static inline bool k_less_equal_c64(complex64 a, complex64 b) {
  return a.re < b.re || (a.re == b.re && a.im <= b.im);
}
static inline complex64 k_max_c64(complex64 a, complex64 b) {
  return k_is_nan_c64(a) || (!k_is_nan_c64(b) && k_less_c64(b, a)) ? a : b;
}
static inline complex64 k_min_c64(complex64 a, complex64 b) {
  return k_is_nan_c64(a) || (!k_is_nan_c64(b) && k_less_c64(a, b)) ? a : b;
}
