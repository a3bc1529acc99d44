/* custom_rules_test.c: functions with rules of their own, and checkpoints: the same values, gradients by
   other means. */
#include "transforms/transforms_test.h"

static int forward_calls;

FUNCTION(sine) {
  UNUSED;
  forward_calls++;
  out[0] = pons_sin(in[0]);
}
FUNCTION(sine_vjp) { /* in: x, y, cotangent. A thousand times the truth, so that it is seen at work */
  UNUSED;
  out[0] = pons_multiply(pons_multiply(in[2], pons_cos(in[0])), pons_float(1000));
}
FUNCTION(sine_jvp) { /* in: x, tangent */
  UNUSED;
  out[0] = pons_multiply(pons_multiply(in[1], pons_cos(in[0])), pons_float(100));
}
FUNCTION(sine_vmap) {
  UNUSED;
  out[0] = pons_multiply(pons_sin(in[0]), pons_float(10));
}

typedef struct rules {
  pons_function f, vjp, jvp, vmap, custom;
} rules;
static rules all_rules(bool vjp, bool jvp, bool vmap) {
  rules r = {.f = function_of(sine, 1)};
  if (vjp) r.vjp = function_of(sine_vjp, 1);
  if (jvp) r.jvp = function_of(sine_jvp, 1);
  if (vmap) r.vmap = function_of(sine_vmap, 1);
  r.custom =
      pons_custom_function(r.f, (struct pons_custom_rules){.vjp = r.vjp, .jvp = r.jvp, .vmap = r.vmap});
  return r;
}
static void end_rules(rules r) {
  pons_function_release(r.f);
  pons_function_release(r.vjp);
  pons_function_release(r.jvp);
  pons_function_release(r.vmap);
  pons_function_release(r.custom);
}

static void rules_take_the_place_of_derivatives(void **state) {
  (void)state;
  rules r = all_rules(true, true, true);
  pons_function g = pons_grad(r.custom, ALL), m = pons_vmap(r.custom, ALL, ALL);
  const pons_array x = scalar(0), v = scalar(1);
  pons_array y, t;
  check(pons_apply(r.custom, x), 0);
  check(pons_apply(g, x), 1000);
  assert_true(pons_jvp(r.custom, &x, &v, 1, 1, &y, &t));
  check(t, 100);
  check(pons_apply(m, floats(1, 2)), 10 * sinf(1), 10 * sinf(2));
  pons_function_release(m);
  pons_function_release(g);
  end_rules(r);
}

static void what_is_left_out_follows_from_the_function(void **state) {
  (void)state;
  rules none = all_rules(false, false, false), back = all_rules(true, false, false),
        ahead = all_rules(false, true, false);
  pons_function plain = pons_grad(none.custom, ALL), by_jvp = pons_grad(ahead.custom, ALL);
  const pons_array x = scalar(0), v = scalar(1);
  pons_array y, t;
  check(pons_apply(plain, x), 1);
  check(pons_apply(by_jvp, x), 1);
  assert_true(pons_jvp(back.custom, &x, &v, 1, 1, &y, &t));
  check(t, 1);
  pons_function_release(by_jvp);
  pons_function_release(plain);
  end_rules(ahead);
  end_rules(back);
  end_rules(none);
}

static void rules_hold_in_a_batch(void **state) {
  (void)state;
  rules r = all_rules(true, true, false);
  pons_function g = pons_grad(r.custom, ALL), m = pons_vmap(g, ALL, ALL);
  check(pons_apply(m, floats(0, 1)), 1000, 1000 * cosf(1));
  pons_function_release(m);
  pons_function_release(g);
  end_rules(r);
}

FUNCTION(sum_of_mapped) { /* the payload is the function that is mapped */
  (void)n_in, (void)n_out;
  pons_function m = pons_vmap(payload, ALL, ALL);
  out[0] = pons_sum(pons_apply(m, in[0]));
  pons_function_release(m);
}

static void rules_hold_in_the_gradient_of_a_batch(void **state) {
  (void)state;
  rules r = all_rules(true, true, false);
  pons_function f = pons_function_new(sum_of_mapped, 1, r.custom, NULL), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(0, 1)), 1000, 1000 * cosf(1));
  pons_function_release(g);
  pons_function_release(f);
  end_rules(r);
}

/* x y with the batch of each where it is: x along an axis of its own, y shared; the result has it behind. */
static void scaled_along(void *payload, const pons_array *in, int n_in, pons_results results) {
  int *seen = payload;
  assert_int_equal(n_in, 4);
  seen[0] = (int)pons_item_int(in[2]);
  seen[1] = (int)pons_item_int(in[3]);
  pons_results_add(results, pons_multiply(pons_moveaxis(in[0], seen[0], -1), pons_float(100)));
  pons_results_add(results, pons_full_like(in[1], pons_float(7)));
  pons_results_add(results, pons_int(-1));
  pons_results_add(results, pons_int(seen[2] ? 5 : PONS_NOT_MAPPED));
}
FUNCTION(scaled_and_same) {
  UNUSED;
  out[0] = pons_multiply(in[0], in[1]);
  out[1] = in[1];
}

static void a_batch_rule_may_be_told_the_axes(void **state) {
  (void)state;
  int seen[3] = {-7, -7, 0};
  pons_function f = function_of(scaled_and_same, 2), along = pons_function_new_open(scaled_along, seen, NULL),
                c = pons_custom_function(f, (struct pons_custom_rules){.vmap_along = along}),
                g = pons_vmap(c, PONS_AXES(1, PONS_NOT_MAPPED), ALL);
  const pons_array in[2] = {pons_reshape(floats(1, 2, 3, 4, 5, 6), PONS_SHAPE(2, 3)), scalar(2)};
  pons_array y[2];
  assert_true(pons_call(g, in, 2, y, 2));
  assert_int_equal(seen[0], 1);
  assert_int_equal(seen[1], PONS_NOT_MAPPED);
  check_shape(y[0], "(3, 2)");
  check(y[0], 100, 400, 200, 500, 300, 600);
  check(y[1], 7, 7, 7); /* the same for all of the batch */
  seen[2] = 1;
  assert_false(pons_call(g, in, 2, y, 2));
  assert_string_equal(pons_error_of(y[0]),
                      "custom_function: the vmap rule's result () float32 has no batch of 3 "
                      "along the axis that it names (5)");
  pons_function_release(g);
  pons_function_release(c);
  pons_function_release(along);
  pons_function_release(f);
}

FUNCTION(two_layers) { /* w, x */
  UNUSED;
  forward_calls++;
  out[0] = pons_sum(pons_tanh(pons_multiply(pons_tanh(pons_multiply(in[0], in[1])), in[0])));
}

static void checkpoints_compute_again_and_agree(void **state) {
  (void)state;
  pons_function f = function_of(two_layers, 1), c = pons_checkpoint(f), g = pons_grad(f, PONS_AXES(0, 1)),
                h = pons_grad(c, PONS_AXES(0, 1));
  const pons_array in[2] = {floats(0.5f, -1), floats(2, 3)};
  pons_array expected[2], out[2];
  assert_true(pons_call(g, in, 2, expected, 2));
  forward_calls = 0;
  assert_true(pons_call(h, in, 2, out, 2));
  assert_int_equal(forward_calls, 2); /* once forward, once for the gradient */
  for (int i = 0; i < 2; i++) assert_true(pons_item(pons_allclose(out[i], expected[i], 1e-6, 1e-7)) == 1);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(c);
  pons_function_release(f);
}

static void checkpoints_in_a_gradient_of_a_gradient_in_a_batch(void **state) {
  (void)state;
  pons_function f = function_of(two_layers, 1), c = pons_checkpoint(f);
  pons_function f_grad = pons_grad(f, ALL), c_grad = pons_grad(c, ALL);
  pons_function plain = pons_vmap(f_grad, PONS_AXES(0, PONS_NOT_MAPPED), ALL),
                kept = pons_vmap(c_grad, PONS_AXES(0, PONS_NOT_MAPPED), ALL);
  const pons_array in[2] = {pons_reshape(floats(0.5f, -1, 0.25f, 1), PONS_SHAPE(2, 2)), floats(2, 3)};
  pons_array expected, y, tangent, expected_tangent;
  const pons_array v[2] = {pons_ones_like(in[0]), pons_zeros_like(in[1])};
  assert_true(pons_jvp(plain, in, v, 2, 1, &expected, &expected_tangent));
  assert_true(pons_jvp(kept, in, v, 2, 1, &y, &tangent));
  assert_true(pons_item(pons_allclose(y, expected, 1e-6, 1e-7)) == 1);
  assert_true(pons_item(pons_allclose(tangent, expected_tangent, 1e-5, 1e-6)) == 1);
  pons_function_release(kept);
  pons_function_release(plain);
  pons_function_release(c_grad);
  pons_function_release(f_grad);
  pons_function_release(c);
  pons_function_release(f);
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  pons_function f = function_of(two_layers, 1), c = pons_checkpoint(f), g = pons_grad(c, ALL);
  const pons_array in[2] = {floats(0.5f, -1), floats(2, 3)};
  bool fine = false;
  for (int64_t n = 1; !fine && n < 10000; n++) {
    pons_scope s = pons_scope_open();
    pons_array y;
    mem_fail_at(n);
    fine = pons_call(g, in, 2, &y, 1);
    fine &= mem_fail_at(0) < n;
    pons_clear_error();
    pons_scope_close(s);
  }
  assert_true(fine);
  pons_function_release(g);
  pons_function_release(c);
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(rules_take_the_place_of_derivatives),
      CASE(what_is_left_out_follows_from_the_function),
      CASE(rules_hold_in_a_batch),
      CASE(rules_hold_in_the_gradient_of_a_batch),
      CASE(a_batch_rule_may_be_told_the_axes),
      CASE(checkpoints_compute_again_and_agree),
      CASE(checkpoints_in_a_gradient_of_a_gradient_in_a_batch),
      CASE(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
