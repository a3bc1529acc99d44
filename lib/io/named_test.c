/* named_test.c: named arrays keep order, replace and remove. */
#include <pons/io.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_order_and_replacement(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_scope scope = pons_scope_open();
  pons_named n = pons_named_new();
  char key[32];
  for (int i = 0; i < 100; i++) {
    snprintf(key, sizeof key, "layer%d.weight", i);
    assert_true(pons_named_set(n, key, pons_scalar(i, PONS_FLOAT32)));
  }
  pons_scope_close(scope);
  assert_int_equal(pons_named_count(n), 100);
  assert_string_equal(pons_named_key(n, 7), "layer7.weight");
  assert_int_equal(pons_named_find(n, "layer99.weight"), 99);
  assert_null(pons_named_get(n, "layer100.weight"));
  assert_null(pons_named_key(n, 100));

  scope = pons_scope_open();
  assert_true(pons_named_set(n, "layer7.weight", pons_scalar(5, PONS_INT64)));
  pons_scope_close(scope);
  assert_int_equal(pons_named_count(n), 100);
  assert_int_equal(pons_dtype_of(pons_named_get(n, "layer7.weight")), PONS_INT64);

  assert_true(pons_named_remove(n, "layer0.weight"));
  assert_false(pons_named_remove(n, "layer0.weight"));
  assert_string_equal(pons_named_key(n, 0), "layer1.weight");
  for (int i = 1; i < 100; i++) {
    snprintf(key, sizeof key, "layer%d.weight", i);
    assert_int_equal(pons_named_find(n, key), i - 1);
  }
  assert_false(pons_named_set(n, "nothing", NULL));
  assert_string_equal(pons_error(), "named_set: no array given for \"nothing\"");
  pons_clear_error();
  pons_named_free(n);
  pons_named_free(NULL);
  assert_int_equal(pons_live_arrays(), before);
}

static void test_metadata(void **state) {
  (void)state;
  pons_named n = pons_named_new();
  assert_null(pons_named_metadata(n, "format"));
  assert_true(pons_named_set_metadata(n, "format", "pt"));
  assert_true(pons_named_set_metadata(n, "format", "mlx"));
  assert_true(pons_named_set_metadata(n, "step", "12"));
  assert_string_equal(pons_named_metadata(n, "format"), "mlx");
  assert_string_equal(pons_named_metadata_key(n, 1), "step");
  assert_true(pons_named_set_metadata(n, "format", NULL));
  assert_int_equal(pons_named_metadata_count(n), 1);
  pons_named_free(n);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_and_replacement),
                                     cmocka_unit_test(test_metadata)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
