/* jvp_test.c: tangents, by rule, as linear, through decompositions, and by turning a gradient rule round. */
#include "transforms/transforms_test.h"

FUNCTION(sines) {
  UNUSED;
  out[0] = pons_multiply(pons_sin(in[0]), in[1]);
}

static void tangents_of_elementwise_ops(void **state) {
  (void)state;
  pons_function f = function_of(sines, 1);
  const pons_array in[2] = {floats(0, 1), floats(2, 3)}, tangents[2] = {floats(1, 1), floats(0, 10)};
  pons_array y, t;
  assert_true(pons_jvp(f, in, tangents, 2, 1, &y, &t));
  check(y, 0, 3 * sinf(1));
  check(t, 2, 3 * cosf(1) + 10 * sinf(1));
  pons_function_release(f);
}

FUNCTION(reshaped_sum) {
  UNUSED;
  pons_array x = pons_transpose(pons_reshape(in[0], PONS_SHAPE(2, 3)));
  out[0] = pons_sum(x, .axes = PONS_AXES(0));
  out[1] = scalar(3);
}

static void linear_ops_take_the_tangent_as_it_is(void **state) {
  (void)state;
  pons_function f = function_of(reshaped_sum, 2);
  const pons_array x = floats(1, 2, 3, 4, 5, 6), v = floats(1, 1, 1, 10, 10, 10);
  pons_array out[2], t[2];
  assert_true(pons_jvp(f, &x, &v, 1, 2, out, t));
  check(out[0], 6, 15);
  check(t[0], 3, 30);
  check(t[1], 0); /* a result that the input has no part in */
  pons_function_release(f);
}

FUNCTION(product) {
  UNUSED;
  out[0] = pons_matmul(in[0], in[1]);
}

static void tangents_of_a_product(void **state) {
  (void)state;
  pons_function f = function_of(product, 1);
  const pons_array a = pons_reshape(floats(1, 2, 3, 4), PONS_SHAPE(2, 2)),
                   b = pons_reshape(floats(5, 6, 7, 8), PONS_SHAPE(2, 2));
  const pons_array in[2] = {a, b},
                   tangents[2] = {pons_reshape(floats(1, 0, 0, 0), PONS_SHAPE(2, 2)), pons_zeros_like(b)};
  pons_array y, t;
  assert_true(pons_jvp(f, in, tangents, 2, 1, &y, &t));
  check(y, 19, 22, 43, 50);
  check(t, 5, 6, 0, 0);
  pons_function_release(f);
}

/* ---- primitives of the test's own ---- */

static error *infer_same(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params, (void)n_in;
  *out = (spec){(pons_dtype)in[0]->dtype, node_shape(in[0])};
  return NULL;
}
static void cube_vjp(const vjp_call *c) {
  c->grads[0] = pons_multiply(c->cotangents[0], pons_multiply(pons_float(3), pons_square(c->in[0])));
}
static void cube_as_ops(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = pons_multiply(in[0], pons_square(in[0]));
}
static const prim prim_back_only = {.name = "BackOnly", .infer = infer_same, .vjp = cube_vjp};
static const prim prim_composite = {.name = "Composite", .infer = infer_same, .decompose = cube_as_ops};

FUNCTION(back_only) {
  UNUSED;
  out[0] = node_make(&prim_back_only, NULL, 1, in);
}
FUNCTION(composite) {
  UNUSED;
  out[0] = node_make(&prim_composite, NULL, 1, in);
}

static void tangents_follow_from_other_rules(void **state) {
  (void)state;
  const pons_callback callbacks[2] = {back_only, composite};
  for (int i = 0; i < 2; i++) {
    pons_function f = function_of(callbacks[i], 1);
    const pons_array x = floats(1, 2), v = floats(1, 10);
    pons_array y, t;
    assert_true(pons_jvp(f, &x, &v, 1, 1, &y, &t));
    check(t, 3, 120);
    pons_function_release(f);
  }
}

FUNCTION(sum_of_cubes) {
  UNUSED;
  out[0] = pons_sum(pons_multiply(in[0], pons_square(in[0])));
}

static void forward_over_backward_is_the_hessian_times_a_vector(void **state) {
  (void)state;
  pons_function f = function_of(sum_of_cubes, 1), g = pons_grad(f, ALL);
  const pons_array x = floats(1, 2), v = floats(1, 10);
  pons_array y, t;
  assert_true(pons_jvp(g, &x, &v, 1, 1, &y, &t));
  check(y, 3, 12);
  check(t, 6, 120);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(directional) { /* sum of the tangent of x^3 along (1, 10) */
  UNUSED;
  pons_function f = function_of(composite, 1);
  const pons_array v = floats(1, 10);
  pons_array y, t;
  pons_jvp(f, in, &v, 1, 1, &y, &t);
  out[0] = pons_sum(t);
  pons_function_release(f);
}

FUNCTION(plain_directional) { /* the same with ops that can be computed */
  UNUSED;
  pons_function f = function_of(sum_of_cubes, 1);
  const pons_array v = floats(1, 10);
  pons_array y, t;
  pons_jvp(f, in, &v, 1, 1, &y, &t);
  out[0] = t;
  pons_function_release(f);
}

static void backward_over_forward(void **state) {
  (void)state;
  const pons_callback callbacks[2] = {directional, plain_directional};
  for (int i = 0; i < 2; i++) {
    pons_function f = function_of(callbacks[i], 1), g = pons_grad(f, ALL);
    check(pons_apply(g, floats(1, 2)), 6, 120);
    pons_function_release(g);
    pons_function_release(f);
  }
}

static void wrong_tangents_are_refused(void **state) {
  (void)state;
  pons_function f = function_of(sum_of_cubes, 1);
  const pons_array x = floats(1, 2), v = floats(1);
  pons_array y, t;
  assert_false(pons_jvp(f, &x, &v, 1, 1, &y, &t));
  assert_string_equal(pons_error_of(t), "jvp: input 0 is (2) float32, its tangent (1) float32");
  pons_function_release(f);
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  pons_function f = function_of(back_only, 1);
  const pons_array x = floats(1, 2), v = floats(1, 10);
  bool fine = false;
  for (int64_t n = 1; !fine && n < 10000; n++) {
    pons_scope s = pons_scope_open();
    pons_array y, t;
    mem_fail_at(n);
    fine = pons_jvp(f, &x, &v, 1, 1, &y, &t);
    fine &= mem_fail_at(0) < n;
    pons_clear_error();
    pons_scope_close(s);
  }
  assert_true(fine);
  assert_false(trace_is_open());
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(tangents_of_elementwise_ops),
      CASE(linear_ops_take_the_tangent_as_it_is),
      CASE(tangents_of_a_product),
      CASE(tangents_follow_from_other_rules),
      CASE(forward_over_backward_is_the_hessian_times_a_vector),
      CASE(backward_over_forward),
      CASE(wrong_tangents_are_refused),
      CASE(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
