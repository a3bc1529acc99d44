/* complex_functions_test.c: the dialect's functions of a complex64, compiled here as C, against the C library's in double: over
   numbers of every size, beside the places where terms cancel, and at zeros, infinities and NaN. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <complex.h>
#undef I
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
/* As a language's prologue does, whose products with a sum are rounded once. */
#define K_PROLOGUE
#define HAS_FLOAT64 0
static float k_fma_f32(float a, float b, float c) { return fmaf(a, b, c); }
static uint32_t k_bits_f32(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static float k_from_bits_f32(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
#include "kernel/scalar_float.h"
/* behind it */
#include "backends/gpu/complex_numbers.h"
/* behind it */
#include "backends/gpu/complex_functions.h"

typedef double _Complex wide;

static wide wide_of(double re, double im) {
  const double parts[2] = {re, im};
  wide z;
  memcpy(&z, parts, sizeof z);
  return z;
}

/* What a float32 holds of it. */
static complex64 narrowed(wide z) { return complex_of((float)creal(z), (float)cimag(z)); }

static bool same_part(float got, float want, double slack) {
  if (isnan(want)) return isnan(got);
  if (isinf(want) || isinf(got)) return got == want;
  return fabs((double)got - (double)want) <= slack;
}

/* In relation to the size of the whole, for a part alone may be what cancels. */
static void hold(const char *name, complex64 a, complex64 b, complex64 got, wide exact, double most) {
  const complex64 want = narrowed(exact);
  const double size = hypot((double)want.re, (double)want.im),
               slack = isfinite(size) ? most * size + 2e-45 : 1e-6;
  if (same_part(got.re, want.re, slack) && same_part(got.im, want.im, slack)) return;
  if (!isfinite(size) && cabs(exact) < 1e39) return; /* at the border of what a float32 holds */
  if ((isinf(want.re) || isinf(want.im)) && complex_is_infinite(got))
    return; /* an infinity, whatever its direction */
  fail_msg("%s(%.9g%+.9gi, %.9g%+.9gi) is %.9g%+.9gi, should be %.9g%+.9gi", name, (double)a.re, (double)a.im,
           (double)b.re, (double)b.im, (double)got.re, (double)got.im, (double)want.re, (double)want.im);
}

/* ---- one operand ---- */

static wide exact_log2(wide z) { return wide_of(creal(clog(z)) / log(2), cimag(clog(z)) / log(2)); }
static wide exact_log10(wide z) { return wide_of(creal(clog(z)) / log(10), cimag(clog(z)) / log(10)); }
static wide exact_sign(wide z) { return z == 0 ? z : wide_of(creal(z) / cabs(z), cimag(z) / cabs(z)); }
static wide exact_round(wide z) { return wide_of(nearbyint(creal(z)), nearbyint(cimag(z))); }
static wide exact_rsqrt(wide z) { return 1 / csqrt(z); }
static wide exact_negative(wide z) { return -z; }
/* Products of float32 are exact in long double. */
static wide exact_log1p(wide z) {
  const long double re = creal(z), im = cimag(z), grown = 2 * re + re * re + im * im;
  const double size = fabsl(grown) < 0.5L ? (double)(0.5L * log1pl(grown)) : (double)logl(hypotl(1 + re, im));
  return wide_of(size, (double)atan2l(im, 1 + re));
}
static wide exact_log(wide z) {
  const long double re = creal(z), im = cimag(z), more = (re - 1) * (re + 1) + im * im;
  return wide_of(fabsl(more) < 0.5L ? (double)(0.5L * log1pl(more)) : creal(clog(z)), cimag(clog(z)));
}

static const struct one_operand {
  const char *name;
  complex64 (*f)(complex64);
  wide (*exact)(wide);
  double most; /* in relation to the result */
  float reach; /* of parts with which it is tried, where others mean nothing in float32 */
  bool edges;  /* C says what zeros, infinities and NaN give */
} one_operand[] = {
    {"negative", k_neg_c64, exact_negative, 0, 3e38f, true},
    {"conjugate", k_conj_c64, conj, 0, 3e38f, true},
    {"round", k_round_c64, exact_round, 0, 3e38f, true},
    {"sign", k_sign_c64, exact_sign, 3e-7, 2e38f, false},
    {"sqrt", k_sqrt_c64, csqrt, 3e-7, 3e38f, true},
    {"rsqrt", k_rsqrt_c64, exact_rsqrt, 5e-7, 3e38f, false},
    {"exp", k_exp_c64, cexp, 4e-7, 175, true},
    {"log", k_log_c64, exact_log, 4e-7, 3e38f, false},
    {"log2", k_log2_c64, exact_log2, 4e-7, 3e38f, false},
    {"log10", k_log10_c64, exact_log10, 4e-7, 3e38f, false},
    {"log1p", k_log1p_c64, exact_log1p, 4e-7, 3e38f, false},
    {"sin", k_sin_c64, csin, 5e-7, 88, true},
    {"cos", k_cos_c64, ccos, 5e-7, 88, true},
    {"tan", k_tan_c64, ctan, 2e-6, 80, false},
    {"arcsin", k_asin_c64, casin, 6e-7, 3e38f, false},
    {"arccos", k_acos_c64, cacos, 6e-7, 3e38f, false},
    {"arctan", k_atan_c64, catan, 6e-7, 3e38f, false},
    {"sinh", k_sinh_c64, csinh, 5e-7, 88, true},
    {"cosh", k_cosh_c64, ccosh, 5e-7, 88, true},
    {"tanh", k_tanh_c64, ctanh, 2e-6, 80, false},
    {"arcsinh", k_asinh_c64, casinh, 6e-7, 3e38f, false},
    {"arccosh", k_acosh_c64, cacosh, 6e-7, 3e38f, false},
    {"arctanh", k_atanh_c64, catanh, 6e-7, 3e38f, false},
};
enum { ONE_OPERAND = sizeof one_operand / sizeof *one_operand };

/* Powers of two by the dozen, and numbers beside 1 and beside pi. */
static const float parts[] = {1e-38f,   3e-20f,  1.7e-12f,    4e-8f, 1e-6f, 3e-4f, 0.01f, 0.1f,   0.3f,
                              0.5f,     0.6f,    0.70710678f, 0.8f,  0.9f,  0.95f, 0.99f, 0.999f, 0.9999f,
                              1.0f,     1.0001f, 1.001f,      1.1f,  1.4f,  1.5f,  1.57f, 2.0f,   3.0f,
                              3.14159f, 5.0f,    7.7f,        11.5f, 20.0f, 43.0f, 87.0f, 120.0f, 170.0f,
                              1e3f,     1e6f,    3e8f,        1e15f, 2e19f, 1e30f, 2e38f};
enum { PARTS = sizeof parts / sizeof *parts };

static void numbers_of_every_size(void **state) {
  (void)state;
  for (int f = 0; f < ONE_OPERAND; f++)
    for (int i = 0; i < 4 * PARTS * PARTS; i++) {
      const float re = parts[i / 4 / PARTS], im = parts[i / 4 % PARTS];
      if (re > one_operand[f].reach || im > one_operand[f].reach) continue;
      const complex64 z = complex_of(i & 1 ? -re : re, i & 2 ? -im : im);
      hold(one_operand[f].name, z, complex_of(0, 0), one_operand[f].f(z),
           one_operand[f].exact(wide_of((double)z.re, (double)z.im)), one_operand[f].most);
    }
}

static void zeros_infinities_and_nan(void **state) {
  (void)state;
  static const float edges[] = {0.0f, 0.5f, 2.5f, INFINITY};
  for (int f = 0; f < ONE_OPERAND; f++)
    for (int i = 0; i < 64; i++) {
      const float re = edges[i / 4 % 4], im = edges[i / 16];
      const complex64 z = complex_of(i & 1 ? -re : re, i & 2 ? -im : im), got = one_operand[f].f(z);
      const wide exact = one_operand[f].exact(wide_of((double)z.re, (double)z.im));
      hold(one_operand[f].name, z, complex_of(0, 0), got, exact, 1e-6);
      const bool zero =
          creal(exact) == 0 && cimag(exact) == 0; /* the other sign of a zero is another side of a cut */
      if (zero && one_operand[f].edges &&
          (!signbit(got.re) != !signbit(creal(exact)) || !signbit(got.im) != !signbit(cimag(exact))))
        fail_msg("%s(%g%+gi) is a zero of the wrong sign", one_operand[f].name, (double)z.re, (double)z.im);
    }
  for (int f = 0; f < ONE_OPERAND; f++) {
    const complex64 z = one_operand[f].f(complex_of(NAN, NAN));
    assert_true(isnan(z.re) && isnan(z.im));
  }
}

/* What is small is that small, not what a sum of ones has lost. */
static void what_cancels_is_kept(void **state) {
  (void)state;
  for (int i = 1; i < 400; i++) {
    const float angle = (float)i * 0.0157f, c = cosf(angle), s = sinf(angle);
    const complex64 z = complex_of(c, s), beside = complex_of(c - 1, s), log = k_log_c64(z),
                    log1p = k_log1p_c64(beside);
    const double want = creal(exact_log(wide_of((double)c, (double)s))),
                 want1 = creal(exact_log1p(wide_of((double)beside.re, (double)beside.im)));
    if (fabs((double)log.re - want) > 1e-6 * fabs(want) + 1e-14)
      fail_msg("log |%.9g%+.9gi|: %.9g, should be %.9g", (double)c, (double)s, (double)log.re, want);
    if (fabs((double)log1p.re - want1) > 1e-6 * fabs(want1) + 1e-13)
      fail_msg("log1p(%.9g%+.9gi): %.9g, should be %.9g", (double)beside.re, (double)s, (double)log1p.re,
               want1);
  }
}

/* ---- two operands ---- */

static wide exact_mul(wide a, wide b) { return a * b; }
static wide exact_div(wide a, wide b) { return a / b; }
static wide exact_pow(wide a, wide b) { return cpow(a, b); }
/* The angle is that of the one with the greater real part, further turned: not brought to within pi. */
static wide exact_logaddexp(wide a, wide b) {
  const bool a_is_less = creal(a) < creal(b) || (creal(a) == creal(b) && cimag(a) < cimag(b));
  return a_is_less ? b + clog(1 + cexp(a - b)) : a + clog(1 + cexp(b - a));
}

static void hold_all_pairs(const char *name, complex64 (*f)(complex64, complex64), wide (*exact)(wide, wide),
                           const float *values, int count, double most) {
  for (int i = 0; i < count * count * count * count; i++)
    for (int signs = 0; signs < 16; signs += 3) {
      complex64 a = complex_of(values[i % count], values[i / count % count]),
                b = complex_of(values[i / count / count % count], values[i / count / count / count]);
      if (signs & 1) a.re = -a.re;
      if (signs & 2) a.im = -a.im;
      if (signs & 4) b.re = -b.re;
      if (signs & 8) b.im = -b.im;
      hold(name, a, b, f(a, b),
           exact(wide_of((double)a.re, (double)a.im), wide_of((double)b.re, (double)b.im)), most);
    }
}

static void pairs(void **state) {
  (void)state;
  static const float wide_ones[] = {0.0f, 1e-18f, 1.0f, 0.7f, 3e17f, INFINITY, NAN},
                     near[] = {0.01f, 0.3f, 1, 2, 3.5f}, far[] = {1e-37f, 1e-18f, 1, 3e18f, 2e38f};
  hold_all_pairs("multiply", k_mul_c64, exact_mul, wide_ones, 7, 3e-7);
  hold_all_pairs("divide", k_div_c64, exact_div, wide_ones, 6, 3e-7);
  hold_all_pairs("divide", k_div_c64, exact_div, far, 5, 3e-7);
  hold_all_pairs("power", k_pow_c64, exact_pow, near, 5, 3e-6);
  hold_all_pairs("logaddexp", k_logaddexp_c64, exact_logaddexp, near, 5, 1e-5);
}

static void sizes_and_order(void **state) {
  (void)state;
  assert_true(k_abs_c64(complex_of(3, -4)) == 5);
  assert_true(k_abs_c64(complex_of(3e38f, -1e38f)) > 3.1e38f &&
              k_abs_c64(complex_of(3e-38f, 4e-38f)) < 5.1e-38f);
  assert_true(k_abs_c64(complex_of(NAN, -INFINITY)) == INFINITY && isnan(k_abs_c64(complex_of(0, NAN))));
  assert_true(k_less_c64(complex_of(1, 5), complex_of(2, 0)) &&
              k_less_c64(complex_of(1, 0), complex_of(1, 1)));
  assert_true(k_less_equal_c64(complex_of(1, 1), complex_of(1, 1)) &&
              !k_less_equal_c64(complex_of(1, 2), complex_of(1, 1)));
  assert_true(k_max_c64(complex_of(1, 0), complex_of(1, 1)).im == 1 &&
              isnan(k_min_c64(complex_of(1, 0), complex_of(0, NAN)).im));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_of_every_size), cmocka_unit_test(zeros_infinities_and_nan),
      cmocka_unit_test(what_cancels_is_kept), cmocka_unit_test(pairs), cmocka_unit_test(sizes_and_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
