/* vmap_test.c: batches, case by case: which axes, what is shared, and what a primitive does that knows
   nothing of batches. */
#include "transforms/transforms_test.h"

static pons_array grid(void) { return pons_reshape(floats(1, 2, 3, 4, 5, 6), PONS_SHAPE(2, 3)); }

FUNCTION(sum_of_squares) {
  UNUSED;
  out[0] = pons_sum(pons_square(in[0]));
}

static void a_reduction_per_row_or_column(void **state) {
  (void)state;
  pons_function f = function_of(sum_of_squares, 1), rows = pons_vmap(f, ALL, ALL),
                columns = pons_vmap(f, PONS_AXES(-1), ALL);
  check(pons_apply(rows, grid()), 14, 77);
  check(pons_apply(columns, grid()), 17, 29, 45);
  pons_function_release(columns);
  pons_function_release(rows);
  pons_function_release(f);
}

FUNCTION(scaled) {
  UNUSED;
  out[0] = pons_multiply(in[0], in[1]);
}

static void inputs_may_be_shared(void **state) {
  (void)state;
  pons_function f = function_of(scaled, 1), g = pons_vmap(f, PONS_AXES(0, PONS_NOT_MAPPED), ALL),
                h = pons_vmap(f, PONS_AXES(PONS_NOT_MAPPED, 0), PONS_AXES(1));
  const pons_array in[2] = {grid(), floats(1, 10, 100)}, other[2] = {floats(1, 10, 100), grid()};
  pons_array y;
  assert_true(pons_call(g, in, 2, &y, 1));
  check(y, 1, 20, 300, 4, 50, 600);
  assert_true(pons_call(h, other, 2, &y, 1));
  check_shape(y, "(3, 2)");
  check(pons_astype(y, PONS_FLOAT32), 1, 4, 20, 50, 300, 600);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(batch_in_different_places) { /* x (3), y (3): x + y, each with the batch elsewhere */
  UNUSED;
  out[0] = pons_add(pons_exp(in[0]), in[1]);
  out[1] = scalar(7);
}

static void axes_differ_and_results_need_not_depend(void **state) {
  (void)state;
  pons_function f = function_of(batch_in_different_places, 2), g = pons_vmap(f, PONS_AXES(0, 1), ALL),
                h = pons_vmap(f, PONS_AXES(0, 1), PONS_AXES(0, PONS_NOT_MAPPED)),
                wrong = pons_vmap(f, PONS_AXES(0, 1), PONS_AXES(PONS_NOT_MAPPED, 0));
  const pons_array in[2] = {pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32), pons_transpose(grid())};
  pons_array y[2];
  assert_true(pons_call(g, in, 2, y, 2));
  check(y[0], 2, 3, 4, 5, 6, 7);
  check(y[1], 7, 7);
  assert_true(pons_call(h, in, 2, y, 2));
  check(y[1], 7);
  assert_false(pons_call(wrong, in, 2, y, 2));
  assert_string_equal(pons_error_of(y[0]),
                      "vmap: result 0 depends on the batch, out_axes says that it does not");
  pons_function_release(wrong);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

static void one_axis_serves_for_all(void **state) {
  (void)state;
  pons_function f = function_of(scaled, 1), g = pons_vmap(f, PONS_AXES(1), PONS_AXES(1));
  const pons_array in[2] = {grid(), pons_add(grid(), grid())};
  pons_array y;
  assert_true(pons_call(g, in, 2, &y, 1));
  check(y, 2, 8, 18, 32, 50, 72);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(dot) {
  UNUSED;
  out[0] = pons_sum(pons_multiply(in[0], in[1]));
}

static void batches_of_batches(void **state) {
  (void)state;
  pons_function f = function_of(dot, 1), g = pons_vmap(f, PONS_AXES(0, PONS_NOT_MAPPED), ALL),
                h = pons_vmap(g, PONS_AXES(PONS_NOT_MAPPED, 0), ALL);
  const pons_array in[2] = {grid(), grid()};
  pons_array y;
  assert_true(pons_call(h, in, 2, &y, 1)); /* all pairs of rows */
  check_shape(y, "(2, 2)");
  check(y, 14, 32, 32, 77);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

static void gradients_per_example(void **state) {
  (void)state;
  pons_function f = function_of(sum_of_squares, 1), g = pons_grad(f, ALL), h = pons_vmap(g, ALL, ALL);
  check(pons_apply(h, grid()), 2, 4, 6, 8, 10, 12);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(loss_of_a_batch) {
  UNUSED;
  pons_function f = function_of(sum_of_squares, 1), g = pons_vmap(f, ALL, ALL);
  out[0] = pons_sum(pons_multiply(pons_apply(g, in[0]), floats(1, 10)));
  pons_function_release(g);
  pons_function_release(f);
}

static void the_gradient_of_a_batch(void **state) {
  (void)state;
  pons_function f = function_of(loss_of_a_batch, 1), g = pons_grad(f, ALL), h = pons_grad(g, ALL);
  check(pons_apply(g, grid()), 2, 4, 6, 80, 100, 120);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

/* ---- primitives of the test's own ---- */

static error *infer_same(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params, (void)n_in;
  *out = (spec){(pons_dtype)in[0]->dtype, node_shape(in[0])};
  return NULL;
}
static void reversed_sum_as_ops(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = pons_cumsum(in[0], .axis = 0, .reverse = true);
}
static const prim prim_composite = {
    .name = "Composite", .infer = infer_same, .decompose = reversed_sum_as_ops};

FUNCTION(composite) {
  UNUSED;
  out[0] = node_make(&prim_composite, NULL, 1, in);
}

static void through_the_decomposition(void **state) {
  (void)state;
  pons_function f = function_of(composite, 1), g = pons_vmap(f, PONS_AXES(1), PONS_AXES(1));
  check(pons_astype(pons_apply(g, grid()), PONS_FLOAT32), 5, 7, 9, 4, 5, 6);
  pons_function_release(g);
  pons_function_release(f);
}

static const prim prim_knows_no_batch = {.name = "KnowsNoBatch", .infer = infer_same};

FUNCTION(knows_no_batch) {
  UNUSED;
  out[0] = node_make(&prim_knows_no_batch, NULL, 1, in);
}

static void at_worst_slice_by_slice(void **state) {
  (void)state;
  pons_function f = function_of(knows_no_batch, 1), g = pons_vmap(f, PONS_AXES(1), ALL);
  pons_array y = pons_apply(g, grid());
  text t = {0};
  graph_print(&t, &y, 1);
  int calls = 0;
  for (const char *at = t.at; (at = strstr(at, "KnowsNoBatch")); at++) calls++;
  assert_int_equal(calls, 3);
  check_shape(y, "(3, 2)");
  text_free(&t);
  check_shape(pons_apply(g, pons_zeros(PONS_SHAPE(4, 0), PONS_FLOAT32)), "(0, 4)"); /* an empty batch */
  pons_function_release(g);
  pons_function_release(f);
}

static void wrong_calls_are_refused(void **state) {
  (void)state;
  pons_function f = function_of(scaled, 1), g = pons_vmap(f, ALL, ALL),
                none = pons_vmap(f, PONS_AXES(PONS_NOT_MAPPED, PONS_NOT_MAPPED), ALL),
                many = pons_vmap(f, PONS_AXES(0, 0, 0), ALL);
  pons_array in[2] = {grid(), floats(1, 10, 100)}, y;
  assert_false(pons_call(g, in, 2, &y, 1));
  assert_string_equal(
      pons_error_of(y),
      "vmap: sizes of the batch differ: 2 in input 0 (2, 3) float32, 3 in input 1 (3) float32");
  in[1] = scalar(1);
  assert_false(pons_call(g, in, 2, &y, 1));
  assert_string_equal(pons_error_of(y), "vmap: input 1 has no axis 0: () float32");
  assert_false(pons_call(none, in, 2, &y, 1));
  assert_string_equal(pons_error_of(y), "vmap: none of the 2 inputs is mapped");
  assert_false(pons_call(many, in, 2, &y, 1));
  assert_string_equal(pons_error_of(y), "vmap: in_axes has 3 entries, the function is called with 2 arrays");
  pons_function_release(many);
  pons_function_release(none);
  pons_function_release(g);
  pons_function_release(f);
}

FUNCTION(reads_a_value) {
  UNUSED;
  out[0] = pons_float(pons_item(in[0]));
}

static void values_of_a_slice_cannot_be_read(void **state) {
  (void)state;
  pons_function f = function_of(reads_a_value, 1), g = pons_vmap(f, ALL, ALL);
  pons_apply(g, floats(1, 2));
  assert_false(pons_ok());
  pons_function_release(g);
  pons_function_release(f);
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  pons_function f = function_of(sum_of_squares, 1), g = pons_grad(f, ALL),
                h = pons_vmap(g, PONS_AXES(1), ALL);
  const pons_array x = grid();
  bool fine = false;
  for (int64_t n = 1; !fine && n < 10000; n++) {
    pons_scope s = pons_scope_open();
    pons_array y;
    mem_fail_at(n);
    fine = pons_call(h, &x, 1, &y, 1);
    fine &= mem_fail_at(0) < n;
    pons_clear_error();
    pons_scope_close(s);
  }
  assert_true(fine);
  assert_false(trace_is_open());
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(a_reduction_per_row_or_column),
      CASE(inputs_may_be_shared),
      CASE(one_axis_serves_for_all),
      CASE(axes_differ_and_results_need_not_depend),
      CASE(batches_of_batches),
      CASE(gradients_per_example),
      CASE(the_gradient_of_a_batch),
      CASE(through_the_decomposition),
      CASE(at_worst_slice_by_slice),
      CASE(wrong_calls_are_refused),
      CASE(values_of_a_slice_cannot_be_read),
      CASE(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
