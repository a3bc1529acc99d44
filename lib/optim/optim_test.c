/* optim_test.c: optimisers, clipping and schedules against mlx.optimizers; training that learns and leaves
   nothing behind. */
#include "mlx_values.h"
#include "../nn/mlx_values_test.h"

static pons_named pair(pons_array w, pons_array b) {
  pons_named p = pons_named_new();
  assert_true(pons_named_set(p, "w", w));
  assert_true(pons_named_set(p, "b", b));
  return p;
}

/* Four steps with the gradients that mlx_nn_values.py takes. */
static void four_steps(const char *name, pons_optimizer o) {
  pons_named p = pair(ramp(0, 2, 3), ramp(1, 3)), state = pons_named_new();
  for (int t = 0; t < 4; t++) {
    pons_named g = pair(ramp(2 + t, 2, 3), ramp(5 + t, 3));
    assert_true(pons_optimizer_update(&o, p, g, state, NULL));
    pons_named_free(g);
  }
  assert_int_equal(pons_item_int(pons_named_get(state, "step")), 4);
  agrees_from(name, 0, pons_named_get(p, "w"));
  agrees_from(name, 6, pons_named_get(p, "b"));
  pons_named_free(state);
  pons_named_free(p);
}

static void optimisers_step_as_those_of_mlx(void **state) {
  (void)state;
  four_steps("sgd", pons_sgd(.learning_rate = 0.1));
  four_steps("sgd_momentum", pons_sgd(.learning_rate = 0.1, .momentum = 0.9));
  four_steps("sgd_dampening", pons_sgd(.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.2));
  four_steps("sgd_nesterov",
             pons_sgd(.learning_rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.05));
  four_steps("adam", pons_adam(.learning_rate = 0.1));
  four_steps("adam_corrected", pons_adam(.learning_rate = 0.1, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-6,
                                         .bias_correction = true));
  four_steps("adamw", pons_adamw(.learning_rate = 0.1));
  pons_optimizer decaying = pons_adamw(.learning_rate = 0.1, .bias_correction = true);
  decaying.weight_decay = 0.1;
  four_steps("adamw_decay", decaying);
}

static void gradients_are_clipped_to_a_common_norm(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "clip_large" : "clip_small";
    pons_named g = pair(ramp(0, 2, 3), ramp(1, 3));
    pons_array norm = pons_clip_grad_norm(g, i ? 100 : 1);
    agrees_from(name, 0, pons_named_get(g, "w"));
    agrees_from(name, 6, pons_named_get(g, "b"));
    agrees_from(name, 9, norm);
    pons_named_free(g);
  }
}

static void schedules(void **state) {
  (void)state;
  const int64_t steps[] = {0, 1, 5, 10, 20};
  for (int i = 0; i < 5; i++) {
    agrees_from("exponential_decay", i, pons_float(pons_exponential_decay(0.1, 0.9, steps[i])));
    agrees_from("step_decay", i, pons_float(pons_step_decay(0.1, 0.5, 5, steps[i])));
    agrees_from("cosine_decay", i, pons_float(pons_cosine_decay(0.1, 10, 0.01, steps[i])));
    agrees_from("linear_schedule", i, pons_float(pons_linear_schedule(0.1, 0.5, 10, steps[i])));
  }
}

static void a_wrong_setting_is_refused(void **state) {
  (void)state;
  pons_named p = pair(ramp(0, 2, 3), ramp(1, 3)), none = pons_named_new();
  const pons_optimizer o = pons_sgd(.learning_rate = 0.1, .nesterov = true);
  assert_false(pons_optimizer_update(&o, p, p, none, NULL));
  assert_string_equal(pons_error(), "sgd: Nesterov momentum needs a momentum and no dampening, got 0 and 0");
  pons_named_free(none);
  pons_named_free(p);
}

/* ---- training ---- */

/* Is x0 x1 positive? */
static pons_array examples(uint64_t seed) {
  return pons_random_uniform(pons_float(-1), pons_float(1), PONS_SHAPE(32, 2), PONS_FLOAT32,
                             pons_random_key(seed));
}
static pons_array answers(pons_array x) {
  pons_array product = pons_multiply(pons_index(x, 0, 1), pons_index(x, 1, 1));
  return pons_astype(pons_greater(product, pons_float(0)), PONS_INT32);
}
static pons_array two_layers(pons_named p, pons_array x) {
  return pons_linear(p, "second", pons_tanh(pons_linear(p, "first", x)));
}
static pons_array loss(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  return pons_cross_entropy(two_layers(p, in[0]), .targets = in[1], .reduction = PONS_REDUCE_MEAN);
}
static pons_named fresh_net(void) {
  pons_named p = pons_named_new();
  assert_true(pons_linear_init(p, "first", 2, 16, true, pons_random_key(1)));
  assert_true(pons_linear_init(p, "second", 16, 2, true, pons_random_key(2)));
  assert_true(pons_eval_named(p, NULL));
  return p;
}

static double one_step(pons_named p, pons_named memory, const pons_optimizer *o, uint64_t seed) {
  pons_scope s = pons_scope_open();
  pons_named g = pons_named_new();
  const pons_array x = examples(seed), in[2] = {x, answers(x)};
  const double value = pons_item(pons_nn_value_and_grad(loss, NULL, p, in, 2, g));
  pons_clip_grad_norm(g, 5);
  assert_true(pons_optimizer_update(o, p, g, memory, NULL));
  assert_true(pons_eval_named(p, memory));
  pons_named_free(g);
  pons_scope_close(s);
  return value;
}

static void a_thousand_steps_learn_and_leave_nothing(void **state) {
  (void)state;
  pons_named p = fresh_net(), memory = pons_named_new();
  const pons_optimizer o = pons_adam(.learning_rate = 0.01);
  int64_t live = 0;
  size_t bytes = 0;
  double last = 0;
  for (int step = 1; step <= 1000; step++) {
    const double value = one_step(p, memory, &o, (uint64_t)step);
    last = step == 1 ? value : 0.95 * last + 0.05 * value;
    if (step == 10) live = pons_live_arrays(), bytes = pons_get_active_memory();
  }
  assert_int_equal(pons_live_arrays(), live);
  assert_int_equal(pons_get_active_memory(), bytes);
  assert_true(last < 0.2);
  pons_named_free(memory);
  pons_named_free(p);
}

static void a_trainer_takes_the_same_steps(void **state) {
  (void)state;
  const pons_optimizer o = pons_adam(.learning_rate = 0.01, .bias_correction = true);
  pons_named by_hand = fresh_net(), by_trainer = fresh_net(), memory = pons_named_new(),
             other = pons_named_new();
  pons_trainer t = pons_trainer_new(loss, NULL, by_trainer, other, o, 5);
  int64_t live = 0;
  for (int step = 1; step <= 100; step++) {
    const double expected = one_step(by_hand, memory, &o, (uint64_t)step);
    pons_scope s = pons_scope_open();
    const pons_array x = examples((uint64_t)step), in[2] = {x, answers(x)};
    assert_float_equal(pons_item(pons_trainer_step(t, in, 2, 0)), expected, 1e-3);
    pons_scope_close(s);
    if (step == 10) live = pons_live_arrays();
  }
  assert_int_equal(pons_live_arrays(), live);
  for (int64_t i = 0; i < pons_named_count(by_hand); i++) {
    pons_array same = pons_allclose(pons_named_at(by_hand, i), pons_named_at(by_trainer, i), 1e-3, 1e-4);
    assert_true(pons_item(same) == 1);
  }
  pons_trainer_free(t);
  pons_named_free(other);
  pons_named_free(memory);
  pons_named_free(by_trainer);
  pons_named_free(by_hand);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(optimisers_step_as_those_of_mlx),
      CASE(gradients_are_clipped_to_a_common_norm),
      CASE(schedules),
      CASE(a_wrong_setting_is_refused),
      CASE(a_thousand_steps_learn_and_leave_nothing),
      CASE(a_trainer_takes_the_same_steps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
