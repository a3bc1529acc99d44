/* map_test.c: what was set is found, after growth and after a failed allocation too. */
#include "base/base.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void what_was_set_is_found(void **state) {
  (void)state;
  static char keys[10000];
  map m = {0};
  assert_int_equal(map_get(&m, keys, -1), -1);
  for (int i = 0; i < 10000; i += 2) assert_true(map_set(&m, keys + i, i));
  assert_int_equal(m.count, 5000);
  for (int i = 0; i < 10000; i++) assert_int_equal(map_get(&m, keys + i, -1), i % 2 == 0 ? i : -1);
  assert_true(map_set(&m, keys, 77));
  assert_int_equal(m.count, 5000);
  assert_int_equal(map_get(&m, keys, -1), 77);
  assert_int_equal(map_get(&m, NULL, -5), -5);
  map_free(&m);
  assert_int_equal(map_get(&m, keys, -1), -1);
}

static void failed_growth_keeps_the_map(void **state) {
  (void)state;
  static char keys[100];
  for (int n = 1; n <= 2; n++) {
    map m = {0};
    int count = 0;
    while (m.room < 16 || 2 * (m.count + 1) <= m.room) assert_true(map_set(&m, keys + count, count)), count++;
    mem_fail_at(n);
    assert_false(map_set(&m, keys + count, count));
    mem_fail_at(0);
    for (int i = 0; i < count; i++) assert_int_equal(map_get(&m, keys + i, -1), i);
    assert_true(map_set(&m, keys + count, count));
    map_free(&m);
  }
}

static void hashes_differ(void **state) {
  (void)state;
  const char text[] = "the quick brown fox jumps over the lazy dog, and the lazy dog, who had been asleep, goes on with its dream";
  uint64_t seen[sizeof text];
  for (size_t n = 0; n < sizeof text; n++) {
    seen[n] = hash_bytes(text, n, 0);
    assert_true(seen[n] == hash_bytes(text, n, 0));
    assert_true(seen[n] != hash_bytes(text, n, 1));
    for (size_t k = 0; k < n; k++) assert_true(seen[k] != seen[n]);
  }
  assert_true(hash_bytes("\0", 1, 0) != hash_bytes("\0\0", 2, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_set_is_found),
                                     cmocka_unit_test(failed_growth_keeps_the_map),
                                     cmocka_unit_test(hashes_differ)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
