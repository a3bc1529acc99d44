/* function_test.c: closures carry a payload and a destructor; a wrong call is an error, not a crash. */
#include "graph/graph.h"
#include <pons/ops.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void scaled(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = pons_multiply(in[0], pons_float(*(double *)payload));
}

static int ended;
static void count_end(void *payload) {
  (void)payload;
  ended++;
}

static void the_payload_travels_and_ends_with_the_function(void **state) {
  (void)state;
  double factor = 3;
  ended = 0;
  pons_function f = pons_function_new(scaled, 1, &factor, count_end);
  pons_scope s = pons_scope_open();
  assert_float_equal(pons_item(pons_apply(f, pons_scalar(2, PONS_FLOAT32))), 6, 0);
  pons_scope_close(s);
  pons_function_release(pons_function_keep(f));
  assert_int_equal(ended, 0);
  pons_function_release(f);
  assert_int_equal(ended, 1);
}

static void sets_nothing(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)in, (void)n_in, (void)out, (void)n_out;
}

static void wrong_calls_are_errors(void **state) {
  (void)state;
  pons_function f = pons_function_new(sets_nothing, 2, NULL, NULL);
  pons_scope s = pons_scope_open();
  pons_array x = pons_scalar(1, PONS_FLOAT32), out[3];
  assert_false(pons_call(f, &x, 1, out, 3));
  assert_string_equal(pons_error_of(out[0]), "call: the function has 2 results, not 3");
  assert_false(pons_call(f, &x, 1, out, 2));
  assert_string_equal(pons_error_of(out[1]), "function: result 1 of 2 was not set");
  pons_array missing = NULL;
  assert_false(pons_call(f, &missing, 1, out, 2));
  assert_string_equal(pons_error_of(out[0]), "call: input 0 of 1 is NULL");
  pons_clear_error();
  pons_scope_close(s);
  pons_function_release(f);
}

static void a_trace_needs_no_values(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  double factor = 2;
  pons_function f = pons_function_new(scaled, 1, &factor, NULL);
  pons_scope s = pons_scope_open();
  pons_array x = pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT16);
  traced t;
  assert_true(function_trace(f, &x, 1, &t));
  assert_ptr_equal(t.in[0]->prim, &prim_input);
  assert_int_equal(t.out[0]->dtype, PONS_FLOAT16);
  assert_int_equal(pons_dim(t.out[0], 1), 3);
  traced_free(&t);
  pons_scope_close(s);
  pons_function_release(f);
  assert_int_equal(pons_live_arrays(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_payload_travels_and_ends_with_the_function),
      cmocka_unit_test(wrong_calls_are_errors),
      cmocka_unit_test(a_trace_needs_no_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
