/* node_memory_test.c: nodes are counted on whatever threads they are made and ended, and take the memory of others that ended. */
#include "graph/graph.h"
#include <pons/ops.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <cmocka.h>

static pons_array number(void) { return pons_scalar(1, PONS_FLOAT32); }

static void nodes_take_the_memory_of_those_that_ended(void **state) {
  (void)state;
  const node *before[2];
  for (int turn = 0; turn < 2; turn++) {
    pons_scope s = pons_scope_open();
    const node *x = number(), *y = pons_negative((pons_array)x);
    if (turn) {
      assert_ptr_equal(x, before[0]);
      assert_ptr_equal(y, before[1]);
    }
    assert_int_equal(node_state_of(y), NODE_PENDING);
    assert_ptr_equal(y->in[0], x);
    before[0] = x, before[1] = y;
    pons_scope_close(s);
  }
}

static void *make_one(void *made) {
  *(pons_array *)made = pons_keep(number());
  return NULL;
}

static void *end_one(void *made) {
  pons_release(*(pons_array *)made);
  return NULL;
}

static void on_a_thread(void *(*body)(void *), void *context) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, body, context), 0);
  pthread_join(thread, NULL);
}

static void nodes_of_threads_that_ended_are_counted(void **state) {
  (void)state;
  pons_array made;
  const int64_t before = pons_live_arrays();
  for (int i = 0; i < 3; i++) {
    on_a_thread(make_one, &made);
    assert_int_equal(pons_live_arrays(), before + 1);
    on_a_thread(end_one, &made);
    assert_int_equal(pons_live_arrays(), before);
  }
  on_a_thread(make_one, &made);
  end_one(&made);
  assert_int_equal(pons_live_arrays(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nodes_take_the_memory_of_those_that_ended),
      cmocka_unit_test(nodes_of_threads_that_ended_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
