/* half_test.c: every float16 and bfloat16 pattern, and the float32 values around every place where rounding
   changes. What a pattern means is computed here from its fields by ldexp. */
#include "base/base.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct format {
  int fraction_bits, exponent_bits;
  float (*read)(uint16_t);
  uint16_t (*write)(float);
} format;
static const format half = {10, 5, half_to_float, half_from_float};
static const format bfloat = {7, 8, bfloat_to_float, bfloat_from_float};

static double meaning(const format *f, unsigned pattern) {
  unsigned fraction = pattern & ((1u << f->fraction_bits) - 1);
  int top = (1 << f->exponent_bits) - 1, exponent = (int)(pattern >> f->fraction_bits) & top, bias = top / 2;
  double magnitude = exponent == top ? (fraction ? NAN : INFINITY)
                     : exponent > 0  ? ldexp((double)((1u << f->fraction_bits) + fraction),
                                             exponent - bias - f->fraction_bits)
                                     : ldexp((double)fraction, 1 - bias - f->fraction_bits);
  return pattern & 0x8000 ? -magnitude : magnitude;
}

static void check_read(const format *f) {
  for (unsigned p = 0; p <= 0xffff; p++) {
    double expected = meaning(f, p);
    float got = f->read((uint16_t)p);
    if (isnan(expected)) assert_true(isnan(got) && isnan(f->read(f->write(got))));
    else {
      assert_true((double)got == expected && !signbit(got) == !signbit(expected));
      assert_int_equal(f->write(got), p);
    }
  }
}

/* Between neighbours low and high: up to the middle it is low, from there high; the middle itself goes to the
   even pattern. */
static void check_between(const format *f, unsigned sign) {
  unsigned infinite = (unsigned)((1 << f->exponent_bits) - 1) << f->fraction_bits;
  for (unsigned p = 0; p < infinite; p++) {
    double low = meaning(f, p), high = p + 1 == infinite ? 2 * low - meaning(f, p - 1) : meaning(f, p + 1);
    float middle = (float)((low + high) / 2); /* exact but where a bfloat16 denormal's is no float32 */
    float s = sign ? -1.0f : 1.0f;
    if ((double)middle == (low + high) / 2)
      assert_int_equal(f->write(s * middle), sign | (p & 1 ? p + 1 : p));
    assert_int_equal(f->write(s * nextafterf(middle, 0)), sign | p);
    assert_int_equal(f->write(s * nextafterf(middle, INFINITY)), sign | (p + 1));
  }
}

static void float16_patterns(void **state) {
  (void)state;
  check_read(&half);
  check_between(&half, 0);
  check_between(&half, 0x8000);
  assert_int_equal(half_from_float(1e38f), 0x7c00);
  assert_int_equal(half_from_float(-1e-38f), 0x8000);
  assert_int_equal(half_from_float(65519.996f), 0x7bff);
  assert_int_equal(half_from_float(65520.0f), 0x7c00);
}

static void bfloat16_patterns(void **state) {
  (void)state;
  check_read(&bfloat);
  check_between(&bfloat, 0);
  check_between(&bfloat, 0x8000);
  assert_int_equal(bfloat_from_float(3.4028235e38f), 0x7f80); /* nearer to what would follow the greatest */
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(float16_patterns), cmocka_unit_test(bfloat16_patterns)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
