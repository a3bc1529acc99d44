/* compositions_test.c: transforms of transforms: the same numbers in whatever order, and memory that
   checkpoints save. */
#include "transforms/transforms_test.h"

static void agree(pons_array got, pons_array want) {
  if (!pons_data(got)) fail_msg("%s", pons_error_of(got) ? pons_error_of(got) : "no data");
  assert_int_equal(pons_size(got), pons_size(want));
  assert_true(pons_item(pons_allclose(got, want, 1e-5, 1e-6)) == 1);
}

FUNCTION(network) { /* x (3), w (3, 3): a scalar */
  UNUSED;
  pons_array h = pons_tanh(pons_matmul(in[0], in[1]));
  out[0] = pons_mean(pons_square(pons_subtract(pons_matmul(h, in[1]), in[0])));
}

static pons_array weights(void) {
  return pons_reshape(floats(0.5f, -1, 0.25f, 1, 0.75f, -0.5f, 0.125f, 0.3f, -0.2f), PONS_SHAPE(3, 3));
}

/* Makes of f a function of the same inputs with one result, and lets go of f. */
typedef pons_function (*transform)(pons_function f);
static pons_function grad_w(pons_function f) {
  pons_function g = pons_grad(f, PONS_AXES(1));
  pons_function_release(f);
  return g;
}
static pons_function compiled(pons_function f) {
  pons_function g = pons_compile(f);
  pons_function_release(f);
  return g;
}
static pons_function checkpointed(pons_function f) {
  pons_function g = pons_checkpoint(f);
  pons_function_release(f);
  return g;
}
static pons_function batched(pons_function f) {
  pons_function g = pons_vmap(f, PONS_AXES(0, PONS_NOT_MAPPED), ALL);
  pons_function_release(f);
  return g;
}
static pons_function custom(pons_function f) {
  pons_function g = pons_custom_function(f, (struct pons_custom_rules){0});
  pons_function_release(f);
  return g;
}

static pons_array applied(const transform *t, int n, pons_array x) {
  pons_function f = function_of(network, 1);
  for (int i = 0; i < n; i++) f = t[i](f);
  const pons_array in[2] = {x, weights()};
  pons_array y;
  pons_call(f, in, 2, &y, 1);
  if (pons_error_of(y)) fail_msg("%s", pons_error_of(y));
  if (n && t[n - 1] == compiled) pons_call(f, in, 2, &y, 1); /* the kept plan */
  pons_function_release(f);
  return y;
}

static void any_order_gives_the_same_gradient(void **state) {
  (void)state;
  const pons_array x = floats(1, -2, 0.5f), expected = applied((transform[]){grad_w}, 1, x);
  const transform orders[][4] = {{compiled, grad_w},
                                 {grad_w, compiled},
                                 {compiled, grad_w, compiled},
                                 {checkpointed, grad_w},
                                 {checkpointed, grad_w, compiled},
                                 {compiled, checkpointed, grad_w},
                                 {checkpointed, compiled, grad_w},
                                 {checkpointed, compiled, checkpointed, grad_w},
                                 {custom, compiled, grad_w, compiled}};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    int n = 0;
    while (n < 4 && orders[i][n]) n++;
    agree(applied(orders[i], n, x), expected);
  }
}

static void any_order_gives_the_same_batch_of_gradients(void **state) {
  (void)state;
  const pons_array x = pons_reshape(floats(1, -2, 0.5f, 3, 0.25f, -1), PONS_SHAPE(2, 3));
  pons_array rows[2];
  for (int i = 0; i < 2; i++) rows[i] = applied((transform[]){grad_w}, 1, pons_index(x, i, 0));
  const pons_array expected = pons_stack(rows, 2, 0);
  const transform orders[][4] = {{grad_w, batched},
                                 {grad_w, batched, compiled},
                                 {grad_w, compiled, batched},
                                 {compiled, grad_w, batched},
                                 {checkpointed, grad_w, batched},
                                 {checkpointed, grad_w, compiled, batched},
                                 {custom, checkpointed, grad_w, batched}};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    int n = 0;
    while (n < 4 && orders[i][n]) n++;
    agree(applied(orders[i], n, x), expected);
  }
}

FUNCTION(total) { /* the payload is a function of a batch */
  (void)n_out;
  pons_array y;
  pons_call(payload, in, n_in, &y, 1);
  out[0] = pons_sum(y);
}

static void the_gradient_of_a_batch_is_the_sum_over_it(void **state) {
  (void)state;
  const pons_array x = pons_reshape(floats(1, -2, 0.5f, 3, 0.25f, -1), PONS_SHAPE(2, 3));
  const pons_array expected = pons_sum(applied((transform[]){grad_w, batched}, 2, x), .axes = PONS_AXES(0));
  const transform before[] = {custom, compiled, checkpointed};
  for (int i = 0; i < 3; i++) {
    pons_function f = batched(before[i](function_of(network, 1)));
    pons_function g = grad_w(pons_function_new(total, 1, f, NULL));
    const pons_array in[2] = {x, weights()};
    pons_array y;
    pons_call(g, in, 2, &y, 1);
    agree(y, expected);
    pons_function_release(g);
    pons_function_release(f);
  }
}

static void tangents_of_gradients_of_whatever(void **state) {
  (void)state;
  const transform before[] = {custom, compiled, checkpointed};
  const pons_array in[2] = {floats(1, -2, 0.5f), weights()};
  const pons_array v[2] = {floats(0.5f, 1, -1), pons_square(weights())};
  pons_array y, expected, t;
  pons_function f = grad_w(function_of(network, 1));
  assert_true(pons_jvp(f, in, v, 2, 1, &y, &expected));
  for (int i = 0; i < 3; i++) {
    pons_function g = grad_w(before[i](function_of(network, 1)));
    assert_true(pons_jvp(g, in, v, 2, 1, &y, &t));
    agree(t, expected);
    pons_function_release(g);
  }
  pons_function_release(f);
}

/* ---- files ---- */

static void gradients_go_into_files_and_through_them(void **state) {
  (void)state;
  const char *path = PONS_BUILD_DIR "/compositions_test.mlxfn";
  const pons_array in[2] = {floats(1, -2, 0.5f), weights()};
  const pons_array expected = applied((transform[]){grad_w}, 1, in[0]);
  const transform before[] = {custom, compiled, checkpointed};
  for (int i = 0; i < 6; i++) {
    const bool gradient_inside = i < 3;
    pons_function f = before[i % 3](function_of(network, 1));
    if (gradient_inside) f = grad_w(f);
    if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2)) fail_msg("%s", pons_error());
    pons_imported file = pons_import_function(path);
    assert_non_null(file);
    pons_function g = pons_imported_function(file);
    if (!gradient_inside) g = grad_w(g);
    pons_array y;
    pons_call(g, in, 2, &y, 1);
    agree(y, expected);
    pons_function_release(g);
    pons_imported_release(file);
    pons_function_release(f);
  }
}

/* ---- memory ---- */

enum { LAYERS = 16, WIDTH = 1 << 16 };

FUNCTION(deep) { /* each layer is a function of its own: f or a checkpoint of it */
  (void)n_in, (void)n_out;
  pons_array x = in[0];
  for (int i = 0; i < LAYERS; i++) x = pons_apply(payload, x);
  out[0] = pons_sum(x);
}
FUNCTION(layer) { /* several intermediate results that its gradient wants */
  UNUSED;
  pons_array x = in[0];
  for (int i = 0; i < 8; i++)
    x = pons_add(x, pons_sin(pons_multiply(pons_cumsum(x, .axis = 0), pons_float(1e-2 / WIDTH))));
  out[0] = x;
}

static size_t peak_of_gradient(bool checkpoint, pons_array x, pons_array *gradient) {
  pons_function one = function_of(layer, 1);
  if (checkpoint) one = checkpointed(one);
  pons_function f = pons_function_new(deep, 1, one, NULL), g = pons_grad(f, ALL);
  const size_t before = pons_get_active_memory();
  pons_reset_peak_memory();
  *gradient = pons_apply(g, x);
  assert_true(pons_eval(*gradient));
  const size_t peak = pons_get_peak_memory() - before;
  pons_function_release(g);
  pons_function_release(f);
  pons_function_release(one);
  return peak;
}

static void checkpoints_save_memory(void **state) {
  (void)state;
  pons_array x = pons_full(PONS_SHAPE(WIDTH), pons_scalar(0.5, PONS_FLOAT32)), plain, recomputed;
  assert_true(pons_eval(x));
  const size_t kept = peak_of_gradient(false, x, &plain), less = peak_of_gradient(true, x, &recomputed);
  print_message("peak bytes of a gradient: %zu, with checkpoints %zu\n", kept, less);
  assert_true(less < kept / 3);
  agree(recomputed, plain);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(any_order_gives_the_same_gradient),          CASE(any_order_gives_the_same_batch_of_gradients),
      CASE(the_gradient_of_a_batch_is_the_sum_over_it), CASE(tangents_of_gradients_of_whatever),
      CASE(gradients_go_into_files_and_through_them),   CASE(checkpoints_save_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
