/* account_test.c: what a driver counts on its devices' accounts, and when there is no more to be had. */
#include "device/parts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static size_t size_of(int index) { return index == 0 ? 1000 : 0; }
static const memory_driver first = {.size = size_of}, second = {.size = size_of};

static void each_device_has_its_own(void **state) {
  (void)state;
  account *a = account_of(&first, 0), *b = account_of(&first, 1), *c = account_of(&second, 0), *host = account_of(NULL, 0);
  assert_true(a != b && a != c && b != c && a != host);
  assert_ptr_equal(account_of(&first, 0), a);
  assert_ptr_equal(account_of(NULL, 5), host);
  assert_int_equal(account_limit(a), 1000);
  assert_int_equal(account_limit(b), account_limit(host)); /* it does not tell how much it has */
  const size_t before = pons_get_active_memory();
  account_count(a, 10);
  account_count(b, 20);
  assert_int_equal(account_active(a), 10);
  assert_int_equal(account_active(b), 20);
  assert_int_equal(account_active(c), 0);
  assert_int_equal(pons_get_active_memory(), before + 30);
  account_count(a, -10);
  account_count(b, -20);
  assert_int_equal(pons_get_active_memory(), before);
}

static void the_limit_is_of_both(void **state) {
  (void)state;
  account *a = account_of(&second, 0);
  assert_true(account_take(a, 600, 0));
  assert_false(account_take(a, 401, 0));
  assert_false(account_take(a, 300, 101));
  assert_int_equal(account_active(a), 600);
  assert_true(account_take(a, 300, 100));
  assert_false(account_take(a, SIZE_MAX, 0));
  assert_true(account_take(a, 0, 100));
  account_count(a, 200); /* whatever the limit */
  assert_false(account_take(a, 0, 0));
  account_count(a, -1100);
  assert_int_equal(account_active(a), 0);
}

/* The most at once, not the sum of what each had at most. */
static void the_peak_is_at_one_time(void **state) {
  (void)state;
  account *a = account_of(&first, 0), *b = account_of(&first, 1);
  pons_reset_peak_memory();
  const size_t before = pons_get_active_memory();
  account_count(a, 500);
  account_count(a, -500);
  account_count(b, 300);
  assert_int_equal(pons_get_peak_memory(), before + 500);
  account_count(a, 400);
  assert_int_equal(pons_get_peak_memory(), before + 700);
  assert_int_equal(a->peak, 500);
  assert_int_equal(b->peak, 300);
  account_count(a, -400);
  account_count(b, -300);
}

static void all_caches_have_a_limit(void **state) {
  (void)state;
  static const memory_driver late = {.size = size_of};
  const size_t before = pons_set_cache_limit(12345);
  assert_int_equal(account_cache_limit(account_of(&first, 0)), 12345);
  assert_int_equal(account_cache_limit(account_of(NULL, 0)), 12345);
  assert_int_equal(account_cache_limit(account_of(&late, 0)), 12345); /* first heard of now */
  assert_int_equal(pons_set_cache_limit(before), 12345);
}

/* A device that works in the host's memory. */
static void null_has_the_hosts(void **state) {
  (void)state;
  pons_memory of_null, of_cpu;
  error *why = NULL;
  buffer *b = buffer_new(5000, "test", &why);
  assert_non_null(b);
  assert_true(pons_device_memory("null", &of_null) && pons_device_memory("cpu", &of_cpu));
  assert_memory_equal(&of_null, &of_cpu, sizeof of_cpu);
  assert_true(of_null.active >= 5000);
  assert_true(pons_set_device_memory_limit("null", 6000));
  assert_int_equal(pons_get_memory_limit(), 6000);
  assert_null(buffer_new(5000, "test", &why));
  error_release(why);
  pons_clear_error();
  assert_true(pons_set_device_memory_limit("cpu", of_cpu.limit));
  buffer_release(b);
}

int main(void) {
  setenv("PONS_NULL_DEVICE", "1", 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_device_has_its_own), cmocka_unit_test(the_limit_is_of_both),
                                     cmocka_unit_test(the_peak_is_at_one_time), cmocka_unit_test(all_caches_have_a_limit),
                                     cmocka_unit_test(null_has_the_hosts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
