/* node_test.c: nodes are lazy, carry errors on, and end without recursion. */
#include "graph/graph.h"
#include <pons/ops.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void ops_build_pending_nodes(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_array_from((float[]){1, 2}, PONS_SHAPE(2), PONS_FLOAT32);
  pons_array y = pons_exp(x);
  assert_int_equal(node_state_of(x), NODE_READY);
  assert_int_equal(node_state_of(y), NODE_PENDING);
  assert_false(pons_is_evaluated(y));
  assert_int_equal(y->n_in, 1);
  assert_ptr_equal(y->in[0], x);
  pons_scope_close(s);
}

static void a_chain_of_a_million_ends_without_recursion(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_array x = pons_keep(pons_scalar(1, PONS_FLOAT32));
  for (int i = 0; i < 1000000; i++) {
    pons_scope s = pons_scope_open();
    pons_set(&x, pons_negative(x));
    pons_scope_close(s);
  }
  pons_set(&x, NULL);
  /* the first scalar belongs to the thread's outermost scope */
  assert_true(pons_live_arrays() <= before + 1);
}

static void errors_are_carried_on(void **state) {
  (void)state;
  pons_clear_error();
  pons_scope s = pons_scope_open();
  pons_array a = pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32);
  pons_array bad = pons_matmul(a, pons_zeros(PONS_SHAPE(2, 4), PONS_FLOAT32));
  assert_non_null(pons_error_of(bad));
  pons_array later = pons_add(pons_exp(bad), a);
  assert_string_equal(pons_error_of(later), pons_error_of(bad));
  assert_false(pons_ok());
  assert_string_equal(pons_error(), pons_error_of(bad));
  pons_clear_error();
  assert_true(pons_ok());
  assert_non_null(pons_error_of(pons_negative(NULL)));
  pons_clear_error();
  pons_scope_close(s);
}

static void no_memory_gives_an_inert_array(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_zeros(PONS_SHAPE(2), PONS_FLOAT32);
  mem_fail_at(1);
  pons_array y = pons_exp(x);
  mem_fail_at(0);
  assert_non_null(pons_error_of(y));
  assert_non_null(pons_error_of(pons_add(y, x)));
  pons_clear_error();
  pons_scope_close(s);
}

static int destroyed;
static void count_destroyed(void *owner) { destroyed += *(int *)owner; }

static void wrapped_data_is_not_copied_and_is_given_back(void **state) {
  (void)state;
  static float data[4] = {1, 2, 3, 4};
  int one = 1;
  destroyed = 0;
  pons_scope s = pons_scope_open();
  pons_array a = pons_from_data(data, PONS_SHAPE(2, 2), PONS_FLOAT32, count_destroyed, &one);
  assert_ptr_equal(pons_data(a), data);
  pons_scope_close(s);
  assert_int_equal(destroyed, 1);
}

static void every_record_is_sound(void **state) {
  (void)state;
  for (const prim *const *p = pons_prims; *p; p++) {
    for (const prim *const *q = pons_prims; q < p; q++) assert_string_not_equal((*q)->name, (*p)->name);
    assert_true((*p)->infer || (*p)->row);
    if ((*p)->row) assert_true((*p)->row >= 1 && (*p)->row <= ROW_COUNT);
    for (const field *f = (*p)->fields; f->name; f++) assert_true(f->offset < (*p)->params_size);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ops_build_pending_nodes),
      cmocka_unit_test(a_chain_of_a_million_ends_without_recursion),
      cmocka_unit_test(errors_are_carried_on),
      cmocka_unit_test(no_memory_gives_an_inert_array),
      cmocka_unit_test(wrapped_data_is_not_copied_and_is_given_back),
      cmocka_unit_test(every_record_is_sound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
