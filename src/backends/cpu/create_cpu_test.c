/* create_cpu_test.c: "Arange" and "NumberOfElements". */
#include "backends/cpu/operands_for_tests.h"

static void check_arange(pons_dtype d, double start, double step, int64_t n, double tolerance) {
  made y;
  make_out(&y, d, 1, &n);
  arange_params params = {start, start + step * (double)n, step, d};
  run_well(cpu_arange, &(launch){&params, 0, 1, NULL, &y.op});
  for (int64_t i = 0; i < n; i++)
    check_near(made_value(&y, i), start + step * (double)i, tolerance, pons_dtype_name(d));
  unmake(&y);
}

static void counts(void **state) {
  (void)state;
  for (int k = PONS_UINT8; k < PONS_DTYPE_COUNT; k++) {
    pons_dtype d = (pons_dtype)k;
    check_arange(d, 1, 2, 50, 0);
    check_arange(d, 0, 1, 0, 0);
    if (dtype_kind_of(d) >= KIND_SIGNED) check_arange(d, 10, -1, 30, 0);
  }
  check_arange(PONS_FLOAT32, 0.5, 0.25, 5000, 0);
  check_arange(PONS_FLOAT64, 0.1, 0.1, 5000, 1e-13);
  check_arange(PONS_INT64, 1e15, 1, 3000, 0);
}

static void elements_of_axes(void **state) {
  (void)state;
  int64_t shape[] = {2, 3, 5}, strides[] = {15, 5, 1}, axes[] = {0, 2};
  operand x = {NULL, PONS_FLOAT32, 3, shape, strides};
  float y;
  int64_t count;
  operand real = {&y, PONS_FLOAT32, 0, NULL, NULL}, whole = {&count, PONS_INT64, 0, NULL, NULL};
  number_of_elements_params params = {{2, axes}, true, PONS_FLOAT32};
  assert_null(cpu_number_of_elements(&(launch){&params, 1, 1, &x, &real}));
  assert_true(y == 0.1f);
  params.inverted = false;
  assert_null(cpu_number_of_elements(&(launch){&params, 1, 1, &x, &whole}));
  assert_int_equal(count, 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(counts), cmocka_unit_test(elements_of_axes)};
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
