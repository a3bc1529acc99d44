/* scope_test.c: who owns results, shown case by case. */
#include "graph/graph.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <cmocka.h>

static pons_array numbers(void) { return pons_array_from((float[]){1, 2, 3}, PONS_SHAPE(3), PONS_FLOAT32); }

static void closing_frees_what_was_made_inside(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_scope s = pons_scope_open();
  numbers();
  numbers();
  assert_int_equal(pons_live_arrays(), before + 2);
  pons_scope_close(s);
  assert_int_equal(pons_live_arrays(), before);
}

static void kept_arrays_outlive_their_scope(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_scope s = pons_scope_open();
  pons_array a = pons_keep(numbers());
  pons_scope_close(s);
  assert_int_equal(pons_live_arrays(), before + 1);
  assert_int_equal(pons_size(a), 3);
  pons_release(a);
  assert_int_equal(pons_live_arrays(), before);
}

static void a_returned_array_belongs_to_the_scope_outside(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_scope outer = pons_scope_open();
  pons_scope inner = pons_scope_open();
  numbers();
  pons_array a = pons_scope_return(inner, numbers());
  assert_int_equal(pons_live_arrays(), before + 1);
  assert_int_equal(pons_dim(a, 0), 3);
  pons_scope_close(outer);
  assert_int_equal(pons_live_arrays(), before);
}

static void a_scope_left_early_is_closed_by_the_next_one_out(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_scope outer = pons_scope_open();
  (void)pons_scope_open();
  numbers();
  pons_scope_close(outer);
  assert_int_equal(pons_live_arrays(), before);
}

static void set_keeps_the_new_and_releases_the_old(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_array slot = NULL;
  for (int i = 0; i < 3; i++) {
    pons_scope s = pons_scope_open();
    pons_set(&slot, numbers());
    pons_scope_close(s);
    assert_int_equal(pons_live_arrays(), before + 1);
  }
  pons_set(&slot, NULL);
  assert_int_equal(pons_live_arrays(), before);
}

static void *make_without_a_scope(void *count) {
  for (int i = 0; i < *(int *)count; i++) numbers();
  return NULL;
}

static void the_end_of_a_thread_frees_what_it_made(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  int count = 100;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, make_without_a_scope, &count), 0);
  pthread_join(thread, NULL);
  assert_int_equal(pons_live_arrays(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(closing_frees_what_was_made_inside),
      cmocka_unit_test(kept_arrays_outlive_their_scope),
      cmocka_unit_test(a_returned_array_belongs_to_the_scope_outside),
      cmocka_unit_test(a_scope_left_early_is_closed_by_the_next_one_out),
      cmocka_unit_test(set_keeps_the_new_and_releases_the_old),
      cmocka_unit_test(the_end_of_a_thread_frees_what_it_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
