/* memory_test.c: the hook fails the allocation it was told to, once, whichever thread makes it; lists
   grow. */
#include "base/base.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void nth_allocation_fails_once(void **state) {
  (void)state;
  mem_fail_at(3);
  void *a = mem_alloc(8), *b = mem_zalloc(8), *c = mem_alloc(8), *d = mem_text("four");
  assert_int_equal(mem_fail_at(0), 4);
  assert_true(a != NULL && b != NULL && c == NULL && d != NULL);
  mem_free(a), mem_free(b), mem_free(d);
  assert_int_equal(mem_fail_at(0), 0); /* off: nothing is counted */
}

static void failed_resize_loses_nothing(void **state) {
  (void)state;
  int64_t *items = NULL;
  size_t room = 0;
  assert_true(mem_room(&items, &room, 5, sizeof *items));
  assert_true(room >= 5);
  items[4] = 42;
  size_t before = room;
  mem_fail_at(1);
  assert_false(mem_room(&items, &room, before + 1, sizeof *items));
  mem_fail_at(0);
  assert_int_equal(room, before);
  assert_int_equal(items[4], 42);
  assert_false(mem_room(&items, &room, SIZE_MAX / 4, sizeof *items)); /* bytes would overflow */
  assert_true(mem_room(&items, &room, 1000, sizeof *items));
  assert_int_equal(items[4], 42);
  mem_free(items);
}

static void *allocate_often(void *failures) {
  for (int i = 0; i < 1000; i++) {
    void *p = mem_alloc(16);
    if (p == NULL) atomic_fetch_add((atomic_int *)failures, 1);
    mem_free(p);
  }
  return NULL;
}

static void all_threads_are_counted(void **state) {
  (void)state;
  atomic_int failures = 0;
  pthread_t threads[4];
  mem_fail_at(2500);
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, allocate_often, &failures), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_int_equal(mem_fail_at(0), 4000);
  assert_int_equal(failures, 1);
}

static void no_bytes_are_an_allocation_too(void **state) {
  (void)state;
  void *p = mem_alloc(0);
  assert_non_null(p);
  p = mem_resize(p, 0);
  assert_non_null(p);
  mem_free(p);
  mem_free(NULL);
  pons_free(mem_text("text"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nth_allocation_fails_once), cmocka_unit_test(failed_resize_loses_nothing),
      cmocka_unit_test(all_threads_are_counted), cmocka_unit_test(no_bytes_are_an_allocation_too)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
