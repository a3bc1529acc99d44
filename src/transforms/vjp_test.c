/* vjp_test.c: gradients, case by case: where they flow, where they stop, what is refused, and that nothing
   stays behind. */
#include "transforms/transforms_test.h"
#include <pthread.h>

FUNCTION(sum_of_squares) {
  UNUSED;
  out[0] = pons_sum(pons_square(in[0]));
}

static void gradient_of_a_sum_of_squares(void **state) {
  (void)state;
  pons_function f = function_of(sum_of_squares, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(1, 2, 3)), 2, 4, 6);
  check(pons_apply(g, floats(-1)), -2);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(fans_out) { /* x y + x */
  UNUSED;
  out[0] = pons_add(pons_multiply(in[0], in[1]), in[0]);
  out[1] = in[1];
}

static void values_stand_before_gradients(void **state) {
  (void)state;
  pons_function f = function_of(fans_out, 2), g = pons_value_and_grad(f, PONS_AXES(1, 0));
  const pons_array in[2] = {scalar(3), scalar(5)};
  assert_int_equal(pons_function_outputs(g, in, 2), 4);
  pons_array out[4];
  assert_true(pons_call(g, in, 2, out, 4));
  check(out[0], 18);
  check(out[1], 5);
  check(out[2], 3); /* with respect to y */
  check(out[3], 6); /* to x, which is used twice */
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(ignores_its_input) {
  UNUSED;
  out[0] = scalar(1);
}

static void an_unused_input_has_gradient_zero(void **state) {
  (void)state;
  pons_function f = function_of(ignores_its_input, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(1, 2)), 0, 0);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(with_captured) { /* the payload is an array that f doesn't get as an input */
  (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_multiply(in[0], *(pons_array *)payload));
}

static void captured_arrays_are_constants(void **state) {
  (void)state;
  pons_array x = floats(2, 3);
  pons_function f = pons_function_new(with_captured, 1, &x, NULL), g = pons_grad(f, ALL);
  check(pons_apply(g, x), 2, 3); /* x captured is not the x of the call */
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(doubles_until_large) { /* reads values: control flow is C's own */
  UNUSED;
  pons_array y = in[0];
  while (pons_item(y) < 100) y = pons_multiply(y, scalar(2));
  out[0] = y;
}

static void values_can_be_read_inside(void **state) {
  (void)state;
  pons_function f = function_of(doubles_until_large, 1), g = pons_value_and_grad(f, ALL);
  const pons_array x = scalar(3);
  pons_array out[2];
  assert_true(pons_call(g, &x, 1, out, 2));
  check(out[0], 192);
  check(out[1], 64);
  assert_null(out[0]->in); /* computed inside the trace, its history is let go after it */
  assert_false(out[0]->traced);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(through_integers) {
  UNUSED;
  out[0] = pons_sum(pons_astype(pons_argmax(in[0], 0, false), PONS_FLOAT32));
}

static void integers_pass_no_gradient(void **state) {
  (void)state;
  pons_function f = function_of(through_integers, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(1, 5, 2)), 0, 0, 0);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(half_stopped) {
  UNUSED;
  out[0] = pons_sum(pons_multiply(in[0], pons_stop_gradient(in[0])));
}

static void stop_gradient_stops(void **state) {
  (void)state;
  pons_function f = function_of(half_stopped, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(1, 2)), 1, 2);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(waits) {
  UNUSED;
  pons_array y;
  pons_depends(&in[0], 1, &in[1], 1, &y);
  out[0] = pons_sum(pons_square(y));
}

static void depends_passes_to_what_it_carries(void **state) {
  (void)state;
  pons_function f = function_of(waits, 1), g = pons_grad(f, PONS_AXES(0, 1));
  const pons_array in[2] = {floats(1, 2), floats(7)};
  pons_array out[2];
  assert_true(pons_call(g, in, 2, out, 2));
  check(out[0], 2, 4);
  check(out[1], 0);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(second_half) {
  UNUSED;
  pons_array halves[2];
  pons_split(in[0], 2, 0, halves);
  out[0] = pons_sum(pons_square(halves[1]));
}

static void several_results_get_zeros_where_nothing_comes(void **state) {
  (void)state;
  pons_function f = function_of(second_half, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(1, 2, 3, 4)), 0, 0, 6, 8);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(cube) {
  UNUSED;
  out[0] = pons_multiply(pons_multiply(in[0], in[0]), in[0]);
}

static void gradients_of_gradients(void **state) {
  (void)state;
  pons_function f = function_of(cube, 1), g = pons_grad(f, ALL), h = pons_grad(g, ALL), i = pons_grad(h, ALL),
                j = pons_grad(i, ALL);
  check(pons_apply(g, scalar(2)), 12);
  check(pons_apply(h, scalar(2)), 12);
  check(pons_apply(i, scalar(2)), 6);
  check(pons_apply(j, scalar(2)), 0);
  pons_function_release(j);
  pons_function_release(i);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(inner_gradient) { /* x d/dy (y^3) at y = x: an inner trace that sees the outer's x */
  UNUSED;
  pons_function f = function_of(cube, 1), g = pons_grad(f, ALL);
  out[0] = pons_multiply(in[0], pons_apply(g, in[0]));
  pons_function_release(g);
  pons_function_release(f);
}

static void a_gradient_inside_a_gradient(void **state) {
  (void)state;
  pons_function f = function_of(inner_gradient, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, scalar(2)), 36); /* d/dx 3 x^3 */
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(product_and_sum) {
  UNUSED;
  out[0] = pons_multiply(in[0], in[1]);
  out[1] = pons_add(in[0], in[1]);
}

static void products_with_the_jacobian(void **state) {
  (void)state;
  pons_function f = function_of(product_and_sum, 2);
  const pons_array in[2] = {floats(2, 3), floats(5, 7)}, cotangents[2] = {floats(1, 10), floats(100, 1000)};
  pons_array out[2], grads[2];
  assert_true(pons_vjp(f, in, 2, cotangents, 2, out, grads));
  check(out[0], 10, 21);
  check(out[1], 7, 10);
  check(grads[0], 105, 1070);
  check(grads[1], 102, 1030);
  pons_function_release(f);
}

static void wrong_cotangents_are_refused(void **state) {
  (void)state;
  pons_function f = function_of(product_and_sum, 2);
  const pons_array in[2] = {floats(2, 3), floats(5, 7)}, cotangents[2] = {floats(1, 10), scalar(1)};
  pons_array out[2], grads[2];
  assert_false(pons_vjp(f, in, 2, cotangents, 2, out, grads));
  assert_string_equal(pons_error_of(grads[0]), "vjp: result 1 is (2) float32, its cotangent () float32");
  pons_function_release(f);
}

FUNCTION(same) {
  UNUSED;
  out[0] = in[0];
}

static void wrong_calls_of_grad_are_refused(void **state) {
  (void)state;
  pons_function f = function_of(same, 1), g = pons_grad(f, ALL), far = pons_grad(f, PONS_AXES(1)),
                twice = pons_grad(f, PONS_AXES(0, 0));
  pons_array out[2], x = scalar(1);
  assert_string_equal(pons_error_of(pons_apply(g, floats(1, 2))),
                      "grad: the function's first result must be a scalar, it is (2) float32\nhint: sum it");
  assert_string_equal(pons_error_of(pons_apply(far, x)), "grad: argument 1: the function is called with 1");
  assert_false(pons_call(twice, &x, 1, out, 2));
  assert_string_equal(pons_error_of(out[1]), "grad: argument 0 stands twice in argnums");
  assert_null(pons_grad(NULL, ALL));
  pons_function_release(twice);
  pons_function_release(far);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(goes_wrong) {
  UNUSED;
  out[0] = pons_sum(pons_matmul(in[0], pons_zeros(PONS_SHAPE(4, 4), PONS_FLOAT32)));
}

static void an_error_inside_is_carried_out(void **state) {
  (void)state;
  pons_function f = function_of(goes_wrong, 1), g = pons_value_and_grad(f, ALL);
  const pons_array x = pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32);
  pons_array out[2];
  assert_false(pons_call(g, &x, 1, out, 2));
  assert_non_null(strstr(pons_error_of(out[0]), "matmul"));
  assert_string_equal(pons_error_of(out[1]), pons_error_of(out[0]));
  assert_false(trace_is_open());
  pons_function_release(g);
  pons_function_release(f);
}

/* Of complex numbers: the values are MLX's, which conjugates slopes on the way back. */
FUNCTION(real_of_square) {
  UNUSED;
  out[0] = pons_sum(pons_real(pons_multiply(in[0], in[0])));
}
FUNCTION(sum_of_magnitudes) {
  UNUSED;
  out[0] = pons_sum(pons_abs(in[0]));
}
FUNCTION(imaginary_of_sine) {
  UNUSED;
  out[0] = pons_sum(pons_imag(pons_sin(in[0])));
}
FUNCTION(real_of_quotient) {
  UNUSED;
  out[0] = pons_sum(pons_real(pons_divide(in[0], pons_add(pons_float(2), in[0]))));
}
FUNCTION(squared_magnitude) {
  UNUSED;
  out[0] = pons_sum(pons_real(pons_multiply(pons_conjugate(in[0]), in[0])));
}

static void gradients_of_complex_numbers(void **state) {
  (void)state;
  const struct {
    pons_callback f;
    float re[2], im[2];
  } cases[] = {
      {real_of_square, {2, -1}, {-4, -0.5f}},
      {sum_of_magnitudes, {0.447214f, -0.894427f}, {0.894427f, 0.447214f}},
      {imaginary_of_sine, {-3.0519f, 0.121109f}, {2.03272f, 0.90515f}},
      {real_of_quotient, {0.0591716f, 0.818115f}, {0.142012f, 0.280497f}},
      {squared_magnitude, {2, -1}, {4, 0.5f}},
  };
  pons_array z = pons_array_from((float[]){1, 2, -0.5f, 0.25f}, PONS_SHAPE(2), PONS_COMPLEX64);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pons_function f = function_of(cases[i].f, 1), g = pons_grad(f, ALL);
    pons_array y = pons_apply(g, z);
    check_values(pons_real(y), cases[i].re, 2, __FILE__, __LINE__);
    check_values(pons_imag(y), cases[i].im, 2, __FILE__, __LINE__);
    pons_function_release(g);
    pons_function_release(f);
  }
}

/* ---- primitives of the test's own ---- */

static error *infer_same(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params, (void)n_in;
  *out = (spec){(pons_dtype)in[0]->dtype, node_shape(in[0])};
  return NULL;
}
static void square_as_ops(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = pons_multiply(in[0], in[1]);
}
static const prim prim_without_rules = {.name = "WithoutRules", .infer = infer_same};
static const prim prim_composite = {.name = "Composite", .infer = infer_same, .decompose = square_as_ops};

FUNCTION(without_rules) {
  UNUSED;
  out[0] = pons_sum(node_make(&prim_without_rules, NULL, 1, in));
}
FUNCTION(composite) { /* the same array in two places */
  UNUSED;
  const pons_array both[2] = {in[0], in[0]};
  out[0] = pons_sum(node_make(&prim_composite, NULL, 2, both));
}

static void a_primitive_without_rules_is_named(void **state) {
  (void)state;
  pons_function f = function_of(without_rules, 1), g = pons_grad(f, ALL);
  assert_string_equal(pons_error_of(pons_apply(g, floats(1))), "grad: WithoutRules has no gradient");
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(times_transposed) { /* as a linear layer multiplies */
  UNUSED;
  out[0] = pons_sum(pons_square(pons_matmul(in[0], pons_transpose(in[1]))));
}

/* So that a step of an optimiser reads both in the same order. */
static void the_gradient_of_a_transposed_matrix_lies_as_the_matrix_does(void **state) {
  (void)state;
  pons_function f = function_of(times_transposed, 1), g = pons_grad(f, PONS_AXES(1));
  const float x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 0, 2, -1, 1, 0};
  const pons_array in[2] = {pons_array_from(x, PONS_SHAPE(2, 3), PONS_FLOAT32),
                            pons_array_from(w, PONS_SHAPE(2, 3), PONS_FLOAT32)};
  pons_array gradient;
  assert_true(pons_call(g, in, 2, &gradient, 1));
  check(gradient, 142, 188, 234, 10, 14, 18); /* 2 (x wT)T x: x wT is ((7, 1), (16, 1)) */
  assert_int_equal(node_strides(gradient)[0], 3);
  pons_function_release(g);
  pons_function_release(f);
}

static void rules_follow_from_the_decomposition(void **state) {
  (void)state;
  pons_function f = function_of(composite, 1), g = pons_grad(f, ALL);
  check(pons_apply(g, floats(1, 2, 3)), 2, 4, 6);
  pons_function_release(g);
  pons_function_release(f);
}

/* ---- memory ---- */

static void reads_then_trains(pons_function g, pons_array *w) {
  pons_scope s = pons_scope_open();
  pons_array out[2];
  assert_true(pons_call(g, w, 1, out, 2));
  (void)pons_item(out[0]);
  pons_set(w, pons_subtract(*w, pons_multiply(out[1], pons_float(1e-5))));
  pons_scope_close(s);
}

static void a_loop_that_reads_inside_holds_no_history(void **state) {
  (void)state;
  pons_function f = function_of(doubles_until_large, 1), g = pons_value_and_grad(f, ALL);
  pons_array w = pons_keep(scalar(3));
  int64_t after_ten = 0;
  for (int i = 0; i < 50; i++) {
    reads_then_trains(g, &w); /* w is computed at the next turn, inside the trace */
    if (i == 9) after_ten = pons_live_arrays();
  }
  assert_int_equal(pons_live_arrays(), after_ten);
  pons_release(w);
  pons_function_release(g);
  pons_function_release(f);
}

/* ---- threads ---- */

static void *train_alone(void *shared) {
  pons_function f = function_of(doubles_until_large, 1), g = pons_value_and_grad(f, ALL);
  for (int i = 0; i < 50; i++) {
    const pons_scope s = pons_scope_open();
    const pons_array x = pons_add(*(pons_array *)shared, scalar((float)i));
    pons_array out[2];
    if (!pons_call(g, &x, 1, out, 2) || pons_item(out[1]) * pons_item(x) != pons_item(out[0])) shared = NULL;
    pons_scope_close(s);
    if (!shared) break;
  }
  pons_function_release(g);
  pons_function_release(f);
  return shared;
}

static void threads_take_gradients_at_a_shared_array(void **state) {
  (void)state;
  pons_array lazy = pons_exp(scalar(0.5)); /* computed by whichever thread reads first */
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, train_alone, &lazy), 0);
  for (int i = 0; i < 4; i++) {
    void *fine = NULL;
    pthread_join(threads[i], &fine);
    assert_non_null(fine);
  }
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  pons_function f = function_of(inner_gradient, 1), g = pons_value_and_grad(f, ALL);
  const pons_array x = scalar(2);
  bool fine = false;
  for (int64_t n = 1; !fine && n < 10000; n++) {
    pons_scope s = pons_scope_open();
    pons_array out[2];
    mem_fail_at(n);
    fine = pons_call(g, &x, 1, out, 2);
    fine &= mem_fail_at(0) < n; /* the end: no allocation was left to fail */
    assert_int_equal(fine || pons_error_of(out[0]) || pons_error_of(out[1]) || pons_ok(), true);
    pons_clear_error();
    pons_scope_close(s);
  }
  assert_true(fine);
  assert_false(trace_is_open());
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(attends) {
  UNUSED;
  out[0] = pons_sum(pons_square(pons_fast_scaled_dot_product_attention(in[0], in[1], in[2])));
}

static int64_t count_of(const char *primitive, const pons_array *roots, int n_roots) {
  tape t;
  int64_t count = 0;
  assert_true(tape_walk(&t, roots, n_roots, NULL, 0));
  for (int64_t i = 0; i < t.count; i++) {
    const prim *p = t.at[i].node->prim;
    count += p && strcmp(p->name, primitive) == 0;
  }
  tape_free(&t);
  return count;
}

/* The way back takes what the way forward has made, the logarithms of sums too, which nothing else asks for. */
static void attention_is_made_once_for_both_ways(void **state) {
  (void)state;
  pons_function f = function_of(attends, 1), g = pons_value_and_grad(f, PONS_AXES(0, 1, 2));
  pons_array in[3], out[4];
  for (int i = 0; i < 3; i++) in[i] = pons_ones(PONS_SHAPE(1, 2, 5, 8), PONS_FLOAT32);
  assert_true(pons_call(g, in, 3, out, 4));
  assert_int_equal(count_of("ScaledDotProductAttention", out, 4), 1);
  assert_int_equal(count_of("ScaledDotProductAttentionVJP", out, 4), 1);
  check(out[0], 80);
  const pons_array alone = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2]);
  assert_true(alone->prim != &prim_output); /* one result, where no gradient is wanted */
  pons_function_release(g);
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(gradient_of_a_sum_of_squares),
      CASE(values_stand_before_gradients),
      CASE(an_unused_input_has_gradient_zero),
      CASE(captured_arrays_are_constants),
      CASE(values_can_be_read_inside),
      CASE(integers_pass_no_gradient),
      CASE(stop_gradient_stops),
      CASE(depends_passes_to_what_it_carries),
      CASE(several_results_get_zeros_where_nothing_comes),
      CASE(gradients_of_gradients),
      CASE(a_gradient_inside_a_gradient),
      CASE(products_with_the_jacobian),
      CASE(wrong_cotangents_are_refused),
      CASE(wrong_calls_of_grad_are_refused),
      CASE(an_error_inside_is_carried_out),
      CASE(gradients_of_complex_numbers),
      CASE(a_primitive_without_rules_is_named),
      CASE(rules_follow_from_the_decomposition),
      CASE(the_gradient_of_a_transposed_matrix_lies_as_the_matrix_does),
      CASE(a_loop_that_reads_inside_holds_no_history),
      CASE(threads_take_gradients_at_a_shared_array),
      CASE(attention_is_made_once_for_both_ways),
      CASE(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
