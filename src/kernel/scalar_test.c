/* scalar_test.c: the float32 functions against the C library's in double: greatest error in units in the
   last place over floats of every size, zeros, infinities and NaN; halves against base/; integers at their
   borders. */
#include "kernel/kernel.h"
#include "kernel/scalar.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { STEP = 20011 }; /* between the bits of neighbouring samples; prime */

/* How many units in the last place of a float32 `got` is away from `want`. */
static double ulps(float got, double want) {
  if (isnan(want)) return isnan(got) ? 0 : 1e30;
  if (isnan(got)) return 1e30;
  if (isinf((float)want) || isinf(got)) return (float)want == got ? 0 : 1e30;
  int exponent = -125;
  if (want != 0) frexp(want, &exponent);
  if (exponent < -125) exponent = -125; /* denormals */
  return fabs(got - want) / ldexp(1, exponent - 24);
}

static void hold(const char *name, float x, float got, double want, double most) {
  if (ulps(got, want) > most) fail_msg("%s(%.9g) is %.9g, should be %.9g", name, x, got, want);
  if (want == 0 && got == 0 && !signbit(want) != !signbit(got))
    fail_msg("%s(%g) is a zero of the wrong sign", name, x);
}

static void hold_all(const char *name, float (*f)(float), double (*exact)(double), double low, double high,
                     double most) {
  static const float edges[] = {0.f,
                                -0.f,
                                1,
                                -1,
                                0.5f,
                                -0.5f,
                                2,
                                -2,
                                INFINITY,
                                -INFINITY,
                                NAN,
                                1e-45f,
                                -1e-45f,
                                1e-38f,
                                -1e-38f,
                                3.4028235e38f,
                                -3.4028235e38f,
                                88.7f,
                                -88.7f,
                                89.4f,
                                -103.9f,
                                16777216,
                                -16777216};
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
    hold(name, edges[i], f(edges[i]), exact(edges[i]), most);
  for (uint64_t u = 0; u <= UINT32_MAX; u += STEP) {
    float x = k_from_bits_f32((uint32_t)u);
    if (x >= low && x <= high) hold(name, x, f(x), exact(x), most);
  }
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double erfinv(double x) { return k_erfinv_f64(x); } /* held by its own test */

#define HOLD(name, exact, low, high, most) hold_all(#name, k_##name##_f32, exact, low, high, most)
static void elementary_functions(void **state) {
  (void)state;
  const double all = 3.4e38;
  HOLD(round, nearbyint, -all, all, 0);
  HOLD(floor, floor, -all, all, 0);
  HOLD(ceil, ceil, -all, all, 0);
  HOLD(rsqrt, rsqrt, 1e-38, all, 1.5);
  HOLD(exp, exp, -110, 100, 1.8);
  HOLD(expm1, expm1, -110, 100, 1.6);
  HOLD(log, log, -all, all, 1.1);
  HOLD(log2, log2, -all, all, 2.1);
  HOLD(log10, log10, -all, all, 2.1);
  HOLD(log1p, log1p, -2, all, 1.6);
  HOLD(sin, sin, -all, all, 1.6);
  HOLD(cos, cos, -all, all, 1.6);
  HOLD(tan, tan, -all, all, 3.4);
  HOLD(asin, asin, -1.1, 1.1, 2.4);
  HOLD(acos, acos, -1.1, 1.1, 1.4);
  HOLD(atan, atan, -all, all, 2.6);
  HOLD(sinh, sinh, -95, 95, 2.2);
  HOLD(cosh, cosh, -95, 95, 1.9);
  HOLD(tanh, tanh, -all, all, 2.6);
  HOLD(asinh, asinh, -all, all, 2.1);
  HOLD(acosh, acosh, -all, all, 2.3);
  HOLD(atanh, atanh, -1.1, 1.1, 2.6);
  HOLD(sigmoid, sigmoid, -110, 110, 3.6);
  HOLD(erf, erf, -all, all, 5.3);
  HOLD(erfinv, erfinv, -1.1, 1.1, 5);
}

/* What callers count on, whatever the last bit. */
static void borders_are_exact(void **state) {
  (void)state;
  assert_true(k_cos_f32(0) == 1 && k_cos_f32(-0.0f) == 1 && k_exp_f32(0) == 1 && k_exp_f32(-0.0f) == 1);
  assert_true(k_erf_f32(4) == 1 && k_erf_f32(-INFINITY) == -1 && k_tanh_f32(10) == 1 && k_tanh_f32(-INFINITY) == -1);
  assert_true(k_exp_f32(-INFINITY) == 0 && k_exp_f32(INFINITY) == INFINITY && k_exp_f32(-103) > 0);
  for (uint32_t u = 0; u < 0x50000000u; u += 5003) {
    const float x = k_from_bits_f32(u);
    assert_true(k_abs_f32(k_sin_f32(x)) <= 1 && k_abs_f32(k_cos_f32(x)) <= 1);
    assert_true(k_erf_f32(x) <= 1 && k_tanh_f32(x) <= 1 && k_sigmoid_f32(x) <= 1);
  }
}

static void power_and_arctan2(void **state) {
  (void)state;
  static const float edges[] = {0.f,  -0.f,  1,        -1,        2,   -2,    3,      -3,
                                0.5f, -0.5f, INFINITY, -INFINITY, NAN, 1e30f, 1e-40f, -1e-40f};
  const size_t n = sizeof edges / sizeof *edges;
  for (size_t i = 0; i < n * n; i++) {
    float x = edges[i / n], y = edges[i % n];
    hold("power", x, k_pow_f32(x, y), pow(x, y), 0.6);
    hold("arctan2", x, k_atan2_f32(x, y), atan2(x, y), 2.8);
  }
  uint32_t u = 1;
  for (int i = 0; i < 400000; i++) {
    u = u * 1664525u + 1013904223u;
    float x = k_from_bits_f32(u);
    u = u * 1664525u + 1013904223u;
    float y = i & 1 ? k_from_bits_f32(u) : (float)(int32_t)(u >> 8) / 1e6f - 8;
    if (i & 2) x = k_copysign_f32((float)(u & 0xffff) / 1000, x);
    if (i & 4) y = k_round_f32(y);
    hold("power", x, k_pow_f32(x, y), pow(x, y), 0.6);
    hold("arctan2", x, k_atan2_f32(x, y), atan2(x, y), 2.8);
  }
}

static void inverse_error_function_in_double(void **state) {
  (void)state;
  for (double x = -0.999999999; x < 1; x += 1e-4) assert_true(fabs(erf(k_erfinv_f64(x)) - x) <= 3e-16);
  for (double e = 1e-3; e > 1e-15; e /= 1.7) /* x = 1 - gap: erfc tells what erf rounds away */
    assert_true(fabs(erfc(k_erfinv_f64(1 - e)) - (1 - (1 - e))) <= 1e-12 * e);
  assert_true(k_erfinv_f64(1) == (double)INFINITY && k_erfinv_f64(-1) == -(double)INFINITY &&
              isnan(k_erfinv_f64(1.5)));
  assert_true(k_erfinv_f64(0) == 0);
}

static void halves_are_those_of_base(void **state) {
  (void)state;
  for (uint32_t h = 0; h < 0x10000; h++) {
    float x = k_float_from_half((uint16_t)h), y = half_to_float((uint16_t)h);
    assert_int_equal(k_bits_f32(x), k_bits_f32(y));
    x = k_float_from_bfloat((uint16_t)h), y = bfloat_to_float((uint16_t)h);
    assert_int_equal(k_bits_f32(x), k_bits_f32(y));
  }
  for (uint64_t u = 0; u <= UINT32_MAX; u += 997) {
    float x = k_from_bits_f32((uint32_t)u);
    assert_int_equal(k_half_from_float(x), half_from_float(x));
    assert_int_equal(k_bfloat_from_float(x), bfloat_from_float(x));
  }
}

static void integers_at_their_borders(void **state) {
  (void)state;
  assert_int_equal(k_div_i8(-128, -1), -128);
  assert_int_equal(k_floor_div_i32(-7, 2), -4);
  assert_int_equal(k_floor_div_i32(7, 0), 0);
  assert_int_equal(k_mod_i32(-7, 2), 1);
  assert_int_equal(k_mod_i32(5, 0), 5);
  assert_true(k_mod_i64(INT64_MIN, -1) == 0 && k_div_i64(INT64_MIN, -1) == INT64_MIN &&
              k_abs_i64(INT64_MIN) == INT64_MIN);
  assert_int_equal(k_mul_u16(65535, 65535), 1); /* would overflow an int */
  assert_int_equal(k_pow_i32(2, -1), 0);
  assert_int_equal(k_pow_i32(3, 50), -794958903);
  assert_int_equal(k_shift_left_i32(1, 31), INT32_MIN);
  assert_true(k_shift_left_i32(1, 32) == 0 && k_shift_left_i32(1, -1) == 0 && k_shift_left_u64(1, 64) == 0);
  assert_int_equal(k_shift_left_u8(1, 9), 0);
  assert_int_equal(k_shift_right_i32(-8, 1), -4);
  assert_true(k_shift_right_i32(-8, 32) == -1 && k_shift_right_i32(8, 32) == 0 && k_shift_right_u32(8, 40) == 0);
  assert_int_equal(k_sign_i8(-5), -1);
  assert_int_equal(k_sign_u8(200), 1);
  /* as MLX converts on x86 */
  assert_int_equal(k_i32_from_f32(NAN), INT32_MIN);
  assert_int_equal((uint8_t)k_i32_from_f32(300.5f), 44);
  assert_true(k_u32_from_f32(-1e10f) == 2147483648u && k_u32_from_f32(1e10f) == 0 &&
              k_u32_from_f32(3e9f) == 3000000000u);
  assert_true(k_u64_from_f32(NAN) == 9223372036854775808u && k_u64_from_f32(1e20f) == 0);
}

static void each_row_says_what_it_takes(void **state) {
  (void)state;
  for (int r = 0; r < ROW_COUNT; r++) {
    assert_true(row_table[r].types != 0);
    assert_true(row_table[r].arity >= 1 && row_table[r].arity <= 3);
    assert_true(row_table[r].low < row_table[r].high);
    for (int other = 0; other < r; other++) /* a name in files and a variant tell a row */
      assert_false(!strcmp(row_table[r].file_name, row_table[other].file_name) &&
                   row_table[r].variant == row_table[other].variant);
  }
  assert_int_equal(row_result(ROW_abs, PONS_COMPLEX64), PONS_FLOAT32);
  assert_int_equal(row_result(ROW_less, PONS_INT8), PONS_BOOL);
  assert_false(row_takes(ROW_negative, PONS_BOOL));
  assert_false(row_takes(ROW_sigmoid, PONS_COMPLEX64));
}

static void kernels_print_as_text(void **state) {
  (void)state;
  kernel k = {2,
              2,
              1,
              {PONS_FLOAT32, PONS_FLOAT32},
              {{ROW_add, PONS_FLOAT32, PONS_FLOAT32, {0, 1, -1}},
               {ROW_tanh, PONS_FLOAT32, PONS_FLOAT32, {2, -1, -1}}},
              {3}};
  text t = {0};
  kernel_print(&t, &k);
  assert_string_equal(t.at,
                      "in 0: float32; in 1: float32; v2 = add v0 v1 float32; v3 = tanh v2 float32; out: v3");
  text_free(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elementary_functions),
      cmocka_unit_test(borders_are_exact),
      cmocka_unit_test(power_and_arctan2),
      cmocka_unit_test(inverse_error_function_in_double),
      cmocka_unit_test(halves_are_those_of_base),
      cmocka_unit_test(integers_at_their_borders),
      cmocka_unit_test(each_row_says_what_it_takes),
      cmocka_unit_test(kernels_print_as_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
