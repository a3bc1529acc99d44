/* open_test.c: functions whose number of results is known only once they are called, under every transform:
   one call each, as many results as there are, and the tag passed on. */
#include "transforms/transforms_test.h"

static int calls;
/* sum(x^2) and then x, 2x, ... : 1 + its first size */
static void grows(void *payload, const pons_array *in, int n_in, pons_results results) {
  (void)payload, (void)n_in;
  calls++;
  pons_results_add(results, pons_sum(pons_square(in[0])));
  const int n = (int)pons_dim(in[0], 0);
  for (int i = 1; i <= n; i++) pons_results_add(results, pons_multiply(in[0], pons_float(i)));
  pons_results_set_tag(results, 7 * n);
}
static pons_function open_function(void) {
  calls = 0;
  return pons_function_new_open(grows, NULL, NULL);
}

/* Calls `f` on x: `count` results, of which number `which` is what is expected. Ends `f`. */
#define CALL_OPEN(f, x, count, expected_tag, which, ...)               \
  do {                                                                 \
    pons_array *out_, in_ = x;                                         \
    int64_t tag_;                                                      \
    calls = 0;                                                         \
    assert_int_equal(pons_call_open(f, &in_, 1, &out_, &tag_), count); \
    assert_int_equal(calls, 1);                                        \
    assert_int_equal(tag_, expected_tag);                              \
    check(out_[which], __VA_ARGS__);                                   \
    pons_free(out_);                                                   \
  } while (0)

static void gradients_stand_behind_however_many_results(void **state) {
  (void)state;
  pons_function f = open_function(), g = pons_value_and_grad(f, ALL), h = pons_grad(f, ALL);
  CALL_OPEN(g, floats(1, 2), 4, 14, 3, 2, 4);
  CALL_OPEN(g, floats(1, 2, 3), 5, 21, 4, 2, 4, 6);
  CALL_OPEN(h, floats(1, 2, 3), 1, 21, 0, 2, 4, 6);
  pons_array x = floats(1, 2), y[4];
  assert_int_equal(pons_function_outputs(g, &x, 1), 4);
  assert_true(pons_call(g, &x, 1, y, 4));
  check(y[2], 2, 4);
  assert_false(pons_call(g, &x, 1, y, 3));
  assert_string_equal(pons_error_of(y[0]), "call: the function has 4 results, not 3");
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

static void tangents_and_cotangents_of_however_many_results(void **state) {
  (void)state;
  pons_function f = open_function();
  const pons_array x = floats(1, 2), v = floats(10, 1);
  pons_array *out, y[3], t[3], grad;
  assert_int_equal(pons_jvp_open(f, &x, &v, 1, &out), 3);
  assert_int_equal(calls, 1);
  check(out[0], 5);
  check(out[2], 2, 4);
  check(out[3], 24);
  check(out[5], 20, 2);
  pons_free(out);
  assert_true(pons_jvp(f, &x, &v, 1, 3, y, t));
  check(t[0], 24);
  assert_int_equal(calls, 2);
  assert_false(pons_jvp(f, &x, &v, 1, 2, y, t));
  assert_string_equal(pons_error_of(t[1]), "call: the function has 3 results, not 2");
  assert_true(pons_vjp(f, &x, 1, (pons_array[]){scalar(1), floats(1, 1), floats(0, 1)}, 3, y, &grad));
  check(grad, 3, 7);
  assert_false(pons_vjp(f, &x, 1, (pons_array[]){scalar(1)}, 1, y, &grad));
  assert_string_equal(pons_error_of(grad), "call: the function has 3 results, not 1");
  const pons_array wrong = floats(1, 2, 3);
  assert_int_equal(pons_jvp_open(f, &x, &wrong, 1, &out), -1);
  assert_null(out);
  pons_function_release(f);
}

static void stopped(void *payload, const pons_array *in, int n_in, pons_results results) {
  (void)payload, (void)n_in;
  pons_results_add(results, pons_stop_gradient(pons_square(in[0])));
  pons_results_add(results, pons_square(in[0]));
}

static void cotangents_are_for_the_results_that_have_gradients(void **state) {
  (void)state;
  pons_function f = pons_function_new_open(stopped, NULL, NULL), g = open_function();
  const pons_array x = floats(1, 2), cotangents[3] = {floats(1, 10), floats(5, 5), floats(6, 6)};
  pons_array *out;
  for (int n = 1; n <= 3; n++) { /* more are not looked at */
    assert_int_equal(pons_vjp_open(f, &x, 1, cotangents, n, &out), 2);
    check(out[1], 1, 4);
    check(out[2], 2, 40);
    pons_free(out);
  }
  assert_int_equal(pons_vjp_open(f, &x, 1, cotangents, 0, &out), -1);
  assert_null(out);
  assert_string_equal(pons_error(), "vjp: 0 cotangents are too few for the function's 2 results");
  pons_clear_error();
  assert_int_equal(pons_vjp_open(g, &x, 1, cotangents, 3, &out), -1);
  assert_string_equal(pons_error(), "vjp: result 0 is () float32, its cotangent (2) float32");
  pons_function_release(g);
  pons_function_release(f);
}

static void batches_of_however_many_results(void **state) {
  (void)state;
  pons_function f = open_function(), g = pons_vmap(f, ALL, ALL),
                last = pons_vmap(f, PONS_AXES(1), PONS_AXES(-1));
  const pons_array x = pons_reshape(floats(1, 2, 3, 4, 5, 6), PONS_SHAPE(3, 2));
  CALL_OPEN(g, x, 3, 14, 0, 5, 25, 61);
  CALL_OPEN(g, x, 3, 14, 2, 2, 4, 6, 8, 10, 12);
  CALL_OPEN(last, x, 4, 21, 0, 35, 56);
  CALL_OPEN(last, x, 4, 21, 3, 3, 6, 9, 12, 15, 18); /* one axis for all results */
  pons_function wrong = pons_vmap(f, ALL, PONS_AXES(0, 1));
  pons_array *out;
  assert_int_equal(pons_call_open(wrong, &x, 1, &out, NULL), -1);
  assert_string_equal(pons_error(), "vmap: out_axes has 2 entries, the function has 3 results");
  pons_function_release(wrong);
  pons_function_release(last);
  pons_function_release(g);
  pons_function_release(f);
}

static void rule(void *payload, const pons_array *in, int n_in, pons_results results) {
  (void)payload, (void)n_in; /* primals, results, cotangents: 1000 for the gradient */
  pons_results_add(results, pons_full_like(in[0], pons_float(1000)));
}
static void two(void *payload, const pons_array *in, int n_in, pons_results results) {
  rule(payload, in, n_in, results);
  rule(payload, in, n_in, results);
}

static void rules_and_checkpoints_of_however_many_results(void **state) {
  (void)state;
  pons_function f = open_function(), r = pons_function_new_open(rule, NULL, NULL),
                c = pons_custom_function(f, (struct pons_custom_rules){.vjp = r}), k = pons_checkpoint(f),
                gc = pons_value_and_grad(c, ALL), gk = pons_value_and_grad(k, ALL);
  CALL_OPEN(c, floats(1, 2), 3, 14, 2, 2, 4);
  CALL_OPEN(k, floats(1, 2), 3, 14, 2, 2, 4);
  CALL_OPEN(gc, floats(1, 2), 4, 14, 3, 1000, 1000);
  pons_array *out, x = floats(1, 2);
  assert_int_equal(pons_call_open(gk, &x, 1, &out, NULL), 4);
  check(out[3], 2, 4);
  pons_free(out);

  pons_function wrong_rule = pons_function_new_open(two, NULL, NULL),
                wrong = pons_custom_function(f, (struct pons_custom_rules){.vjp = wrong_rule}),
                gw = pons_value_and_grad(wrong, ALL);
  assert_int_equal(pons_call_open(gw, &x, 1, &out, NULL), -1);
  assert_string_equal(pons_error(), "call: the function has 2 results, not 1");
  pons_function_release(gw);
  pons_function_release(wrong);
  pons_function_release(wrong_rule);
  pons_function_release(gk);
  pons_function_release(gc);
  pons_function_release(k);
  pons_function_release(c);
  pons_function_release(r);
  pons_function_release(f);
}

static void transforms_of_transforms(void **state) {
  (void)state;
  pons_function f = open_function(), k = pons_checkpoint(f), c = pons_compile(k),
                g = pons_value_and_grad(c, ALL), v = pons_vmap(g, ALL, ALL), again = pons_compile(v);
  const pons_array x = pons_reshape(floats(1, 2, 3, 4), PONS_SHAPE(2, 2));
  pons_array *out;
  for (int turn = 0; turn < 2; turn++) {
    int64_t tag;
    assert_int_equal(pons_call_open(again, &x, 1, &out, &tag), 4);
    assert_int_equal(tag, 14);
    check(out[0], 5, 25);
    check(out[3], 2, 4, 6, 8);
    pons_free(out);
  }
  pons_function_release(again);
  pons_function_release(v);
  pons_function_release(g);
  pons_function_release(c);
  pons_function_release(k);
  pons_function_release(f);
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  pons_function f = open_function(), k = pons_checkpoint(f), g = pons_value_and_grad(k, ALL),
                v = pons_vmap(g, ALL, ALL);
  bool fine = false;
  for (int64_t n = 1; !fine && n < 10000; n++) {
    pons_scope s = pons_scope_open();
    const pons_array x = pons_ones(PONS_SHAPE(1, 2), PONS_FLOAT32);
    pons_array *out;
    mem_fail_at(n);
    const int count = pons_call_open(v, &x, 1, &out, NULL);
    fine = mem_fail_at(0) < n;
    assert_true(count == 4 || (count == -1 && !fine && !pons_ok()));
    pons_free(out);
    pons_clear_error();
    pons_scope_close(s);
  }
  assert_true(fine);
  pons_function_release(v);
  pons_function_release(g);
  pons_function_release(k);
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(gradients_stand_behind_however_many_results),
      CASE(tangents_and_cotangents_of_however_many_results),
      CASE(cotangents_are_for_the_results_that_have_gradients),
      CASE(batches_of_however_many_results),
      CASE(rules_and_checkpoints_of_however_many_results),
      CASE(transforms_of_transforms),
      CASE(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
