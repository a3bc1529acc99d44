/* walk_test.c: snapshots of graphs, and graphs as text. */
#include "graph/graph.h"
#include <pons/eval.h>
#include <pons/ops.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void shows(pons_array a, const char *expected) {
  text t = {0};
  graph_print(&t, &a, 1);
  assert_string_equal(t.at, expected);
  text_free(&t);
}

static const int64_t two[] = {2};

static void operands_stand_before_users_and_once(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = node_placeholder(PONS_FLOAT32, 1, two);
  pons_array y = pons_exp(x);
  shows(pons_add(pons_multiply(y, y), x), "v0 float32 (2) = Input\n"
                                          "v1 float32 (2) = Exp v0\n"
                                          "v2 float32 (2) = Multiply v1 v1\n"
                                          "v3 float32 (2) = Add v2 v0\n"
                                          "return v3\n");
  pons_scope_close(s);
}

static void a_snapshot_holds_its_nodes(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_scope s = pons_scope_open();
  pons_array x = pons_scalar(1, PONS_FLOAT32), y = pons_exp(pons_negative(x));
  tape t;
  assert_true(tape_walk(&t, &y, 1, NULL, 0));
  pons_scope_close(s);
  assert_int_equal(t.count, 3);
  assert_ptr_equal(t.at[2].in[0], t.at[1].node);
  tape_free(&t);
  assert_int_equal(pons_live_arrays(), before);
}

static void arrays_are_made_from_what_their_history_reaches(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_ones(PONS_SHAPE(2), PONS_FLOAT32), z = pons_ones(PONS_SHAPE(2), PONS_FLOAT32);
  pons_array y = pons_exp(pons_add(x, pons_float(1)));
  assert_int_equal(pons_made_from(&y, 1, &x, 1), 0);
  assert_int_equal(pons_made_from(&x, 1, &x, 1), 0);
  assert_int_equal(pons_made_from(&x, 1, &y, 1), -1);
  assert_int_equal(pons_made_from((pons_array[]){z, y}, 2, (pons_array[]){pons_exp(z), x}, 2), 1);
  assert_int_equal(pons_made_from(&y, 1, &z, 1), -1);
  assert_int_equal(pons_made_from(NULL, 0, &z, 1), -1);
  pons_eval(y); /* lets go of its history */
  assert_int_equal(pons_made_from(&y, 1, &x, 1), -1);
  pons_scope_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operands_stand_before_users_and_once),
      cmocka_unit_test(a_snapshot_holds_its_nodes),
      cmocka_unit_test(arrays_are_made_from_what_their_history_reaches),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
