/* nn_test.c: layers, activations, losses and initialisers against what mlx.nn computes from the same
   inputs. */
#include "mlx_values.h"
#include "mlx_values_test.h"

static void activations(void **state) {
  (void)state;
  pons_array x = ramp(0, 3, 4);
  agrees("relu", pons_relu(x));
  agrees("relu6", pons_relu6(x));
  agrees("leaky_relu", pons_leaky_relu(x, 0.1f));
  agrees("elu", pons_elu(x, 0.7f));
  agrees("selu", pons_selu(x));
  agrees("celu", pons_celu(x, 0.7f));
  agrees("silu", pons_silu(x));
  agrees("gelu", pons_gelu(x));
  agrees("gelu_approx", pons_gelu_approx(x));
  agrees("gelu_fast_approx", pons_gelu_fast_approx(x));
  agrees("softplus", pons_softplus(x));
  agrees("softsign", pons_softsign(x));
  agrees("mish", pons_mish(x));
  agrees("hardswish", pons_hardswish(x));
  agrees("log_sigmoid", pons_log_sigmoid(x));
  agrees("log_softmax", pons_log_softmax(x, 1));
  agrees("log_softmax_0", pons_log_softmax(x, 0));
  agrees("glu", pons_glu(x, 1));
}

static void losses(void **state) {
  (void)state;
  pons_array logits = ramp(0, 3, 4), other = ramp(2, 3, 4);
  pons_array classes = pons_array_from((int32_t[]){1, 3, 0}, PONS_SHAPE(3), PONS_INT32);
  pons_array of_columns = pons_array_from((int32_t[]){1, 2, 0, 1}, PONS_SHAPE(4), PONS_INT32);
  pons_array weights = pons_array_from((float[]){0.5f, 1, 2}, PONS_SHAPE(3), PONS_FLOAT32);
  agrees("cross_entropy", pons_cross_entropy(logits, .targets = classes));
  agrees("cross_entropy_mean", pons_cross_entropy(logits, .targets = classes, .reduction = PONS_REDUCE_MEAN));
  agrees("cross_entropy_sum", pons_cross_entropy(logits, .targets = classes, .reduction = PONS_REDUCE_SUM));
  agrees("cross_entropy_smooth", pons_cross_entropy(logits, .targets = classes, .label_smoothing = 0.1f));
  agrees("cross_entropy_shares",
         pons_cross_entropy(logits, .targets = pons_softmax(other), .label_smoothing = 0.2f));
  agrees("cross_entropy_weights",
         pons_cross_entropy(logits, .targets = classes, .weights = weights, .reduction = PONS_REDUCE_MEAN));
  agrees("cross_entropy_axis", pons_cross_entropy(logits, .targets = of_columns, .axis = -2));
  agrees("mse", pons_mse_loss(logits, other, PONS_REDUCE_MEAN));
  agrees("l1", pons_l1_loss(logits, other, PONS_REDUCE_MEAN));
  agrees("smooth_l1", pons_smooth_l1_loss(logits, other, 0.5f, PONS_REDUCE_NONE));
  agrees("huber", pons_huber_loss(logits, other, 0.7f, PONS_REDUCE_NONE));
  agrees("nll", pons_nll_loss(pons_log_softmax(logits, -1), classes, PONS_REDUCE_NONE));
  agrees("kl_div",
         pons_kl_div_loss(pons_log_softmax(logits, -1), pons_log_softmax(other, -1), -1, PONS_REDUCE_NONE));
  agrees("hinge", pons_hinge_loss(logits, pons_sign(other), PONS_REDUCE_NONE));
  agrees("binary_cross_entropy", pons_binary_cross_entropy(logits, pons_sigmoid(other), PONS_REDUCE_NONE));
}

static pons_named with_parameters(pons_array weight, pons_array bias) {
  pons_named p = pons_named_new();
  assert_true(pons_named_set(p, "it.weight", weight));
  if (bias) assert_true(pons_named_set(p, "it.bias", bias));
  return p;
}

static void linear_and_convolutions(void **state) {
  (void)state;
  pons_named p = with_parameters(ramp(1, 3, 4), ramp(2, 3));
  agrees("linear", pons_linear(p, "it", ramp(0, 2, 4)));
  pons_named_free(p);
  p = with_parameters(ramp(1, 6, 3, 3, 2), ramp(2, 6));
  agrees("conv2d", pons_conv_layer(p, "it", ramp(0, 2, 5, 4, 4), .stride = PONS_AXES(2),
                                   .padding = PONS_AXES(1), .groups = 2));
  pons_named_free(p);
  p = with_parameters(ramp(1, 2, 3, 3), ramp(2, 2));
  agrees("conv1d",
         pons_conv_layer(p, "it", ramp(0, 2, 6, 3), .padding = PONS_AXES(1), .dilation = PONS_AXES(2)));
  pons_named_free(p);
}

static void norms(void **state) {
  (void)state;
  pons_named p = with_parameters(ramp(1, 4), ramp(2, 4)), moved = pons_named_new();
  pons_array x = ramp(0, 5, 4);
  agrees("layer_norm", pons_layer_norm(p, "it", ramp(0, 3, 4), 1e-5f));
  agrees("rms_norm", pons_rms_norm(p, "it", ramp(0, 3, 4), 1e-5f));
  agrees("group_norm", pons_group_norm(p, "it", ramp(0, 2, 3, 4), 2, 1e-5f));
  pons_named_set(p, "it.running_mean", ramp(3, 4));
  pons_named_set(p, "it.running_var", pons_abs(ramp(4, 4)));
  agrees("batch_norm_eval", pons_batch_norm(p, "it", x, false, 0.1f, 1e-5f, NULL));
  agrees("batch_norm_train", pons_batch_norm(p, "it", x, true, 0.1f, 1e-5f, moved));
  agrees_from("batch_norm_moved", 0, pons_named_get(moved, "it.running_mean"));
  agrees_from("batch_norm_moved", 4, pons_named_get(moved, "it.running_var"));
  pons_named_free(moved);
  pons_named_free(p);
}

static void embedding_and_attention(void **state) {
  (void)state;
  pons_named p = with_parameters(ramp(1, 5, 3), NULL);
  agrees("embedding",
         pons_embedding(p, "it", pons_array_from((int32_t[]){0, 4, 2, 2}, PONS_SHAPE(2, 2), PONS_INT32)));
  const char *const names[] = {"a.query_proj.weight", "a.key_proj.weight", "a.value_proj.weight",
                               "a.out_proj.weight"};
  for (int i = 0; i < 4; i++) pons_named_set(p, names[i], ramp(i, 8, 8));
  pons_array mask = pons_tril(pons_ones(PONS_SHAPE(3, 3), PONS_BOOL), 0);
  agrees("attention", pons_attention(p, "a", ramp(0, 2, 3, 8), ramp(1, 2, 3, 8), ramp(2, 2, 3, 8), 2, mask));
  pons_named_free(p);
}

static void pools(void **state) {
  (void)state;
  pons_array tiled = ramp(0, 2, 4, 6, 3), overlapping = ramp(0, 2, 5, 7, 3);
  agrees("max_pool2d", pons_max_pool2d(tiled, 2, 0));
  agrees("max_pool2d_overlapping", pons_max_pool2d(overlapping, 3, 2));
  agrees("avg_pool2d", pons_avg_pool2d(tiled, 2, 0));
  agrees("avg_pool2d_overlapping", pons_avg_pool2d(overlapping, 3, 2));
}

static void initialisers_draw_the_numbers_of_mlx(void **state) {
  (void)state;
  const pons_shape conv = PONS_SHAPE(6, 3, 3, 4);
#define FIRST(x) pons_index(pons_index(x, 0, 0), 0, 0)
  pons_random_seed(7);
  agrees("init_normal", pons_init_normal(PONS_SHAPE(5), 0.5, 2, NULL));
  pons_random_seed(7);
  agrees("init_uniform", pons_init_uniform(PONS_SHAPE(5), -2, 3, NULL));
  pons_random_seed(7);
  agrees("init_glorot_uniform", FIRST(pons_init_glorot_uniform(conv, 2, NULL)));
  pons_random_seed(7);
  agrees("init_glorot_normal", FIRST(pons_init_glorot_normal(conv, 2, NULL)));
  pons_random_seed(7);
  agrees("init_he_uniform", FIRST(pons_init_he_uniform(conv, false, 1.5, NULL)));
  pons_random_seed(7);
  agrees("init_he_normal", FIRST(pons_init_he_normal(conv, true, 1.5, NULL)));
  assert_int_equal(pons_item(pons_sum(pons_init_identity(4))), 4);
  assert_int_equal(pons_item(pons_sum(pons_init_constant(PONS_SHAPE(4), 2))), 8);
}

static void layers_begin_as_those_of_mlx(void **state) {
  (void)state;
  pons_named p = pons_named_new();
  pons_random_seed(7);
  assert_true(pons_linear_init(p, "linear", 4, 3, true, NULL));
  agrees_from("linear_init", 0, pons_named_get(p, "linear.weight"));
  pons_random_seed(7);
  assert_true(pons_conv_init(p, .prefix = "conv", .in = 2, .out = 3, .size = PONS_SHAPE(2, 2)));
  agrees_from("conv_init", 0, pons_named_get(p, "conv.weight"));
  pons_random_seed(7);
  assert_true(pons_embedding_init(p, "embedding", 4, 3, NULL));
  agrees("embedding_init", pons_named_get(p, "embedding.weight"));
  assert_int_equal(pons_named_count(p), 5);
  agrees_from("linear_init", 12, pons_named_get(p, "linear.bias"));
  agrees_from("conv_init", 24, pons_named_get(p, "conv.bias"));
  pons_named_free(p);
}

static void dropout_keeps_the_mean(void **state) {
  (void)state;
  pons_array x = pons_ones(PONS_SHAPE(100, 100), PONS_FLOAT32),
             y = pons_dropout(x, 0.25f, pons_random_key(3));
  const float *at = pons_data(y);
  int zeros = 0;
  for (int i = 0; i < 10000; i++) {
    assert_true(at[i] == 0 || fabsf(at[i] - 4.0f / 3) < 1e-6f);
    zeros += at[i] == 0;
  }
  assert_in_range(zeros, 2300, 2700);
  pons_array drawn =
      pons_index(pons_random_split(pons_random_key(7), 2), 1, 0); /* what MLX draws with, seeded by 7 */
  agrees("dropout", pons_dropout(ramp(0, 4, 5), 0.4f, drawn));
  assert_ptr_equal(pons_dropout(x, 0, NULL), x);
  assert_string_equal(pons_error_of(pons_dropout(x, 1, pons_random_key(3))),
                      "dropout: rate 1 is not in [0, 1)");
}

/* log(1 + e^-3), whatever all logits have in common. */
static void the_loss_is_one_of_differences(void **state) {
  (void)state;
  pons_array target = pons_array_from((int32_t[]){0}, PONS_SHAPE(1), PONS_INT32);
  const float offsets[] = {0, 1e4f, 1e6f};
  for (int i = 0; i < 3; i++) {
    pons_array x = pons_array_from((float[]){2 + offsets[i], offsets[i] - 1}, PONS_SHAPE(1, 2), PONS_FLOAT32);
    const double exact = log1p(exp(-3));
    assert_true(fabs(pons_item(pons_cross_entropy(x, .targets = target)) - exact) < 1e-6);
    assert_true(fabs(pons_item(pons_fast_cross_entropy(x, target)) - exact) < 1e-6);
  }
}

static void wrong_calls_say_what_is_missing(void **state) {
  (void)state;
  pons_named p = pons_named_new();
  assert_string_equal(pons_error_of(pons_linear(p, "fc1", ramp(0, 2, 4))),
                      "parameter: there is no \"fc1.weight\"");
  assert_non_null(pons_error_of(pons_max_pool2d(ramp(0, 2, 4), 2, 0)));
  assert_non_null(pons_error_of(pons_cross_entropy(ramp(0, 2, 4), .targets = ramp(0, 2, 2, 2))));
  pons_named_free(p);
}

/* ---- gradients over named parameters ---- */

static pons_array squared_error(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  return pons_mse_loss(pons_linear(p, "fc", in[0]), in[1], PONS_REDUCE_MEAN);
}

static void gradients_come_under_the_names_of_parameters(void **state) {
  (void)state;
  pons_named p = pons_named_new(), g = pons_named_new();
  pons_named_set(p, "fc.weight", pons_array_from((float[]){1, 2}, PONS_SHAPE(1, 2), PONS_FLOAT32));
  pons_named_set(p, "fc.bias", pons_array_from((float[]){3}, PONS_SHAPE(1), PONS_FLOAT32));
  const pons_array in[2] = {pons_array_from((float[]){1, 1}, PONS_SHAPE(1, 2), PONS_FLOAT32),
                            pons_scalar(2, PONS_FLOAT32)};
  assert_float_equal(pons_item(pons_nn_value_and_grad(squared_error, NULL, p, in, 2, g)), 16, 1e-6);
  assert_int_equal(pons_named_count(g), 2);
  assert_float_equal(pons_item(pons_named_get(g, "fc.bias")), 8, 1e-6);
  const float *weight = pons_data(pons_named_get(g, "fc.weight"));
  assert_float_equal(weight[0], 8, 1e-6);
  assert_float_equal(weight[1], 8, 1e-6);
  pons_named_free(g);
  pons_named_free(p);
}

static pons_array just_linear(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  return pons_linear(p, "it", in[0]);
}

static void a_model_as_a_function_holds_its_parameters(void **state) {
  (void)state;
  pons_named p = with_parameters(ramp(1, 3, 4), ramp(2, 3));
  pons_function f = pons_nn_function(just_linear, NULL, p);
  pons_named_set(p, "it.weight",
                 pons_zeros(PONS_SHAPE(3, 4), PONS_FLOAT32)); /* later: f has those from before */
  agrees("linear", pons_apply(f, ramp(0, 2, 4)));
  pons_named_free(p);
  agrees("linear", pons_apply(f, ramp(0, 2, 4)));
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(activations),
      CASE(losses),
      CASE(linear_and_convolutions),
      CASE(norms),
      CASE(embedding_and_attention),
      CASE(pools),
      CASE(initialisers_draw_the_numbers_of_mlx),
      CASE(layers_begin_as_those_of_mlx),
      CASE(dropout_keeps_the_mean),
      CASE(the_loss_is_one_of_differences),
      CASE(wrong_calls_say_what_is_missing),
      CASE(gradients_come_under_the_names_of_parameters),
      CASE(a_model_as_a_function_holds_its_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
