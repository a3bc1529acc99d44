/* transforms_test.h: what the tests of transforms share: small arrays, functions, and comparing. */
#ifndef TRANSFORMS_TEST_H
#define TRANSFORMS_TEST_H
#include "transforms/transforms.h"
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define floats(...)                                                                                        \
  pons_array_from((float[]){__VA_ARGS__},                                                                  \
                  (pons_shape){1, (int64_t[]){(int64_t)(sizeof((float[]){__VA_ARGS__}) / sizeof(float))}}, \
                  PONS_FLOAT32)
#define scalar(x) pons_scalar((x), PONS_FLOAT32)
#define ALL ((pons_axes){0, NULL}) /* an option left out */

static inline void check_values(pons_array a, const float *expected, int64_t n, const char *file, int line) {
  const float *at = pons_data(a);
  if (!at) print_error("%s\n", pons_error_of(a) ? pons_error_of(a) : "no data");
  _assert_true(at != NULL, "the array can be read", file, line);
  _assert_int_equal((uintmax_t)pons_size(a), (uintmax_t)n, file, line);
  for (int64_t i = 0; i < n; i++) {
    const bool close = fabsf(at[i] - expected[i]) <= 2e-5f * (1 + fabsf(expected[i]));
    if (!close) print_error("element %d is %g, expected %g\n", (int)i, (double)at[i], (double)expected[i]);
    _assert_true(close, "values agree", file, line);
  }
}
/* check(array, 1, 2, 3): float32 elements, row-major */
#define check(a, ...)                                                                                      \
  check_values(a, (const float[]){__VA_ARGS__}, (int64_t)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), \
               __FILE__, __LINE__)
#define check_shape(a, text) assert_string_equal(shape_text(pons_ndim(a), pons_shape_of(a).at), text)

/* A C function as a pons_function; `state` collects them for the end of the test. */
static inline pons_function function_of(pons_callback callback, int n_out) {
  return pons_function_new(callback, n_out, NULL, NULL);
}
#define FUNCTION(name) \
  static void name(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out)
#define UNUSED (void)payload, (void)in, (void)n_in, (void)out, (void)n_out

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
