/* limits_test.c: limits of dtypes against those of the compiler. */
#include "base/base.h"
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void floats(void **state) {
  (void)state;
  const struct pons_finfo f = pons_finfo(PONS_FLOAT32), d = pons_finfo(PONS_FLOAT64),
                          h = pons_finfo(PONS_FLOAT16);
  assert_true(f.max == (double)FLT_MAX && f.min == -(double)FLT_MAX && f.eps == (double)FLT_EPSILON &&
              f.smallest_normal == (double)FLT_MIN && f.bits == 32);
  assert_true(d.max == DBL_MAX && d.min == -DBL_MAX && d.eps == DBL_EPSILON && d.smallest_normal == DBL_MIN);
  assert_true(h.max == 65504 && h.eps == 0x1p-10 && h.smallest_normal == 0x1p-14 && h.bits == 16);
  assert_true(pons_finfo(PONS_BFLOAT16).max == 0x1.fep127 && pons_finfo(PONS_BFLOAT16).eps == 0x1p-7);
  assert_int_equal(pons_finfo(PONS_COMPLEX64).dtype, PONS_FLOAT32);
  assert_int_equal(pons_finfo(PONS_COMPLEX128).dtype, PONS_FLOAT64);
  assert_true(pons_ok());
  pons_finfo(PONS_INT32);
  assert_string_equal(pons_error(), "finfo: int32 is no floating dtype");
  pons_clear_error();
}

static void integers(void **state) {
  (void)state;
  assert_true(pons_iinfo(PONS_UINT64).max == UINT64_MAX && pons_iinfo(PONS_UINT64).min == 0);
  assert_true(pons_iinfo(PONS_INT64).max == INT64_MAX && pons_iinfo(PONS_INT64).min == INT64_MIN);
  assert_true(pons_iinfo(PONS_INT8).max == 127 && pons_iinfo(PONS_INT8).min == -128);
  assert_true(pons_iinfo(PONS_UINT16).max == 65535 && pons_iinfo(PONS_UINT16).bits == 16);
  assert_true(pons_ok());
  pons_iinfo(PONS_BOOL);
  assert_string_equal(pons_error(), "iinfo: bool is no integer dtype");
  pons_clear_error();
  pons_iinfo((pons_dtype)77);
  assert_string_equal(pons_error(), "iinfo: invalid dtype is no integer dtype");
  pons_clear_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(floats), cmocka_unit_test(integers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
