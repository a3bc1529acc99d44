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

/* ---- open functions ---- */

static int opened;
/* x, 2x, 3x ... as many as x has elements; the tag tells how many */
static void multiples(void *payload, const pons_array *in, int n_in, pons_results results) {
  (void)payload, (void)n_in;
  opened++;
  pons_scope s = pons_scope_open(); /* results outlive the scopes in which they were made */
  for (int64_t i = 0; i < pons_size(in[0]); i++)
    pons_results_add(results, pons_multiply(in[0], pons_float((double)(i + 1))));
  pons_results_set_tag(results, 100 + pons_size(in[0]));
  pons_scope_close(s);
}

static void an_open_function_tells_how_many_results_it_has(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  double payload = 0;
  ended = opened = 0;
  pons_function f = pons_function_new_open(multiples, &payload, count_end);
  pons_scope s = pons_scope_open();
  for (int n = 0; n < 20; n++) {
    pons_array *out;
    int64_t tag = -1;
    assert_int_equal(
        pons_call_open(f, (pons_array[]){pons_full(PONS_SHAPE(n), pons_float(2))}, 1, &out, &tag), n);
    assert_non_null(out);
    assert_int_equal(tag, 100 + n);
    for (int i = 0; i < n; i++) assert_float_equal(pons_item(pons_max(out[i])), 2 * (i + 1), 0);
    pons_free(out);
  }
  assert_int_equal(opened, 20);
  pons_array two = pons_ones(PONS_SHAPE(2), PONS_FLOAT32), y[3];
  assert_int_equal(pons_function_outputs(f, &two, 1), 2);
  assert_int_equal(opened, 21);
  assert_true(pons_call(f, &two, 1, y, 2));
  assert_float_equal(pons_item(pons_sum(y[1])), 4, 0);
  assert_int_equal(opened, 22);
  assert_false(pons_call(f, &two, 1, y, 3));
  assert_string_equal(pons_error_of(y[2]), "call: the function has 2 results, not 3");
  pons_clear_error();
  pons_scope_close(s);
  pons_function_release(f);
  assert_int_equal(ended, 1);
  assert_int_equal(pons_live_arrays(), before);
}

static void fails_or_adds_nothing(void *payload, const pons_array *in, int n_in, pons_results results) {
  (void)n_in;
  pons_results_add(results, in[0]);
  pons_results_add(results, *(bool *)payload ? pons_fail("mine", "it went wrong") : NULL);
}

static void an_open_function_that_fails_has_no_results(void **state) {
  (void)state;
  bool fails = true;
  pons_function f = pons_function_new_open(fails_or_adds_nothing, &fails, NULL);
  pons_scope s = pons_scope_open();
  pons_array x = pons_float(1), *out = &x, y[2];
  assert_int_equal(pons_call_open(f, &x, 1, &out, NULL), -1);
  assert_null(out);
  assert_string_equal(pons_error(), "mine: it went wrong");
  pons_clear_error();
  fails = false;
  assert_int_equal(pons_call_open(f, &x, 1, &out, NULL), -1);
  assert_string_equal(pons_error(), "function: result 1 was not set");
  assert_false(pons_call(f, &x, 1, y, 2));
  assert_string_equal(pons_error_of(y[0]), "function: result 1 was not set");
  pons_clear_error();
  pons_array missing = NULL;
  assert_int_equal(pons_call_open(f, &missing, 1, &out, NULL), -1);
  assert_string_equal(pons_error(), "call: input 0 of 1 is NULL");
  pons_clear_error();
  assert_int_equal(pons_call_open(NULL, &x, 1, &out, NULL), -1);
  assert_string_equal(pons_error(), "call: the function is NULL");
  pons_clear_error();
  pons_scope_close(s);
  pons_function_release(f);
}

static void each_allocation_of_an_open_call_may_fail(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_function f = pons_function_new_open(multiples, NULL, NULL);
  bool fine = false;
  for (int64_t n = 1; !fine && n < 1000; n++) {
    pons_scope s = pons_scope_open();
    pons_array x = pons_ones(PONS_SHAPE(11), PONS_FLOAT32), *out;
    mem_fail_at(n);
    const int count = pons_call_open(f, &x, 1, &out, NULL);
    fine = mem_fail_at(0) < n;
    assert_int_equal(count, fine ? 11 : -1);
    assert_true(fine || !pons_ok());
    pons_free(out);
    pons_clear_error();
    pons_scope_close(s);
  }
  assert_true(fine);
  pons_function_release(f);
  assert_int_equal(pons_live_arrays(), before);
}

static void what_was_traced_is_made_again(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  pons_function f = pons_function_new_open(multiples, NULL, NULL);
  pons_scope s = pons_scope_open();
  pons_array x = pons_ones(PONS_SHAPE(3), PONS_FLOAT32), y[3];
  traced t;
  opened = 0;
  assert_true(function_trace(f, &x, 1, &t));
  assert_int_equal(t.n_out, 3);
  result_list r;
  results_begin(&r, "again");
  traced_again(&t, &x, &r);
  assert_int_equal(r.tag, 103);
  results_give(&r, 0, y, 3);
  results_end(&r);
  assert_float_equal(pons_item(pons_sum(y[2])), 9, 0);
  assert_int_equal(opened, 1);
  traced_free(&t);
  pons_scope_close(s);
  pons_function_release(f);
  assert_int_equal(pons_live_arrays(), before);
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
      cmocka_unit_test(an_open_function_tells_how_many_results_it_has),
      cmocka_unit_test(an_open_function_that_fails_has_no_results),
      cmocka_unit_test(each_allocation_of_an_open_call_may_fail),
      cmocka_unit_test(a_trace_needs_no_values),
      cmocka_unit_test(what_was_traced_is_made_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
