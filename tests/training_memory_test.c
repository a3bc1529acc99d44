/* training_memory_test.c: a thousand steps of training leave no array and no byte behind; compiled and
   not. */
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { STEPS = 1000, SETTLED = 10 };

static pons_array loss(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  pons_array x = pons_relu(pons_conv_layer(p, "conv", in[0], .padding = PONS_AXES(1)));
  x = pons_flatten(pons_max_pool2d(x, 2, 0), 1, -1);
  x = pons_relu(pons_linear(p, "hidden", x));
  return pons_cross_entropy(pons_linear(p, "out", x), in[1], .reduction = PONS_REDUCE_MEAN);
}

static pons_named parameters, state;

static int make_network(void **test) {
  (void)test;
  pons_scope s = pons_scope_open();
  pons_random_seed(5);
  parameters = pons_named_new();
  state = pons_named_new();
  bool fine =
      pons_conv_init(parameters, .prefix = "conv", .in = 1, .out = 4, .size = PONS_SHAPE(3, 3)) &&
      pons_linear_init(parameters, "hidden", 4 * 4 * 4, 16, true, NULL) &&
      pons_linear_init(parameters, "out", 16, 10, true, NULL) && pons_eval_named(parameters, NULL);
  pons_scope_close(s);
  return fine ? 0 : -1;
}

static int free_network(void **test) {
  (void)test;
  pons_named_free(parameters);
  pons_named_free(state);
  return 0;
}

/* Ten images of noise and their labels: the network is to learn them by heart. */
static void batch(pons_array in[2]) {
  in[0] = pons_random_uniform(pons_float(0), pons_float(1), PONS_SHAPE(10, 8, 8, 1), PONS_FLOAT32,
                              pons_random_key(1));
  in[1] = pons_arange(0, 10, 1, PONS_INT32);
}

static void train(double (*step)(void *), void *payload) {
  int64_t live = 0;
  size_t active = 0;
  double first = 0, last = 0;
  for (int i = 1; i <= STEPS; i++) {
    pons_scope s = pons_scope_open();
    last = step(payload);
    if (i == 1) first = last;
    pons_scope_close(s);
    assert_true(pons_ok());
    if (i == SETTLED) {
      live = pons_live_arrays();
      active = pons_get_active_memory();
    }
  }
  assert_int_equal(pons_live_arrays(), live);
  assert_int_equal(pons_get_active_memory(), active);
  assert_true(last < first / 10);
}

static double compiled_step(void *trainer) {
  pons_array in[2];
  batch(in);
  return pons_item(pons_trainer_step(trainer, in, 2, 0));
}

static void compiled_training(void **test) {
  (void)test;
  pons_trainer t =
      pons_trainer_new(loss, NULL, parameters, state, pons_adam(.learning_rate = 1e-2), 1.0);
  assert_non_null(t);
  train(compiled_step, t);
  pons_trainer_free(t);
}

static double plain_step(void *gradients) {
  pons_array in[2];
  batch(in);
  const pons_optimizer adam = pons_adam(.learning_rate = 1e-2);
  pons_array l = pons_nn_value_and_grad(loss, NULL, parameters, in, 2, gradients);
  pons_clip_grad_norm(gradients, 1.0);
  pons_optimizer_update(&adam, parameters, gradients, state, NULL);
  assert_true(pons_eval_named(parameters, state));
  return pons_item(l);
}

static void plain_training(void **test) {
  (void)test;
  pons_named gradients = pons_named_new();
  train(plain_step, gradients);
  pons_named_free(gradients);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(compiled_training, make_network, free_network),
      cmocka_unit_test_setup_teardown(plain_training, make_network, free_network)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
