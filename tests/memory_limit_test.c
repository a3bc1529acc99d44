/* memory_limit_test.c: ops beyond the memory limit are errors that say what was asked and used; the program
   goes on. What nobody else holds is overwritten in place. */
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const int64_t MiB = 1 << 20;

static pons_array megabytes(int64_t count) { /* of float32, computed */
  pons_array x = pons_broadcast_to(pons_float(1), PONS_SHAPE(count * MiB / 4));
  x = pons_exp(x);
  pons_eval(x);
  return x;
}

static void too_much_is_an_error(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = megabytes(24);
  assert_true(pons_ok());
  size_t before = pons_set_memory_limit((size_t)(64 * MiB));
  pons_array small = pons_sum(x), y = pons_concatenate((pons_array[]){x, x}, 2, 0);
  assert_false(pons_eval(y));
  assert_non_null(strstr(pons_error(), "out of memory: asked 48.0 MiB, used 24.0 MiB, cached "));
  assert_non_null(strstr(pons_error(), "limit 64.0 MiB"));
  assert_string_equal(pons_error_of(y), pons_error());
  pons_clear_error();
  assert_true(pons_item(small) > 0); /* what fits still works */
  assert_true(pons_ok());
  pons_set_memory_limit(before);
  assert_true(pons_eval(pons_concatenate((pons_array[]){x, x}, 2, 0)));
  pons_scope_close(s);
}

static void cached_memory_makes_room(void **state) {
  (void)state;
  size_t before = pons_set_memory_limit((size_t)(64 * MiB));
  for (int64_t count = 10; count <= 60; count += 10) { /* sizes differ: no block serves twice */
    pons_scope s = pons_scope_open();
    assert_int_equal(pons_nbytes(megabytes(count)), count * MiB);
    assert_true(pons_ok());
    pons_scope_close(s);
  }
  assert_true(pons_get_active_memory() + pons_get_cache_memory() <= (size_t)(68 * MiB)); /* blocks are a bit larger */
  pons_set_memory_limit(before);
}

static void sole_operands_are_overwritten(void **state) {
  (void)state;
  pons_scope outer = pons_scope_open();
  pons_array x = pons_keep(megabytes(16));
  pons_scope_close(outer);
  pons_reset_peak_memory();
  size_t start = pons_get_active_memory();
  for (int i = 0; i < 10; i++) { /* x = x / 2 + 1 */
    pons_scope s = pons_scope_open();
    pons_array y = pons_keep(pons_add(pons_divide(x, pons_float(2)), pons_float(1)));
    pons_release(x);
    x = y;
    pons_scope_close(s);
    assert_true(pons_eval(x));
  }
  assert_true(pons_get_peak_memory() < start + (size_t)MiB);
  pons_scope s = pons_scope_open();
  assert_true(pons_item(pons_max(x)) < 2.01);
  pons_scope_close(s);
  pons_release(x);
  assert_true(pons_get_active_memory() < (size_t)MiB);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(too_much_is_an_error),
                                     cmocka_unit_test(cached_memory_makes_room),
                                     cmocka_unit_test(sole_operands_are_overwritten)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
