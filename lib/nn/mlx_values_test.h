/* mlx_values_test.h: the inputs of mlx_values.h, made by the rule that wrote it, and comparing. For tests of
   lib/ alone; mlx_values.h, of the folder, is included before. */
#ifndef MLX_VALUES_TEST_H
#define MLX_VALUES_TEST_H
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* ((37 i + 11 seed) mod 23 - 11) / 7 */
static inline pons_array ramp_of(pons_shape shape, int seed) {
  float values[1024];
  int64_t n = 1;
  for (int i = 0; i < shape.count; i++) n *= shape.at[i];
  assert_true(n <= 1024);
  for (int64_t i = 0; i < n; i++) values[i] = (float)((i * 37 + seed * 11) % 23 - 11) / 7.0f;
  return pons_array_from(values, shape, PONS_FLOAT32);
}
#define ramp(seed, ...) ramp_of(PONS_SHAPE(__VA_ARGS__), seed)

static inline const mlx_value *mlx_value_of(const char *name) {
  for (size_t i = 0; i < sizeof mlx_values / sizeof *mlx_values; i++)
    if (!strcmp(mlx_values[i].name, name)) return &mlx_values[i];
  fail_msg("no values of MLX called %s", name);
  return NULL;
}

/* Elements `from` and on of what MLX computed. */
static inline void agrees_from(const char *name, int from, pons_array a) {
  const mlx_value *expected = mlx_value_of(name);
  if (!pons_data(a)) fail_msg("%s: %s", name, pons_error_of(a) ? pons_error_of(a) : "no data");
  assert_int_equal(pons_dtype_of(a), PONS_FLOAT32);
  assert_true(from + pons_size(a) <= expected->count);
  const float *got = pons_data(a);
  for (int64_t i = 0; i < pons_size(a); i++) {
    const float want = expected->at[from + i], off = fabsf(got[i] - want);
    if (!(off <= 2e-5f * (1 + fabsf(want))))
      fail_msg("%s, element %d: %.9g, MLX has %.9g", name, (int)i, (double)got[i], (double)want);
  }
}
static inline void agrees(const char *name, pons_array a) {
  assert_int_equal(pons_size(a), mlx_value_of(name)->count);
  agrees_from(name, 0, a);
}

/* Each test in a scope of its own, with as many arrays alive after it as before. */
static int64_t live_before;
static pons_scope test_scope;
static inline int open_test(void **state) {
  (void)state;
  pons_clear_error();
  live_before = pons_live_arrays();
  test_scope = pons_scope_open();
  return 0;
}
static inline int close_test(void **state) {
  (void)state;
  pons_scope_close(test_scope);
  pons_clear_error();
  if (pons_live_arrays() == live_before) return 0;
  print_error("%d arrays are left\n", (int)(pons_live_arrays() - live_before));
  return -1;
}
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_test, close_test)
#endif
