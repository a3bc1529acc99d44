/* digits.c: the network of examples/digits on made-up images of the same shape: a training step, and the
   trained function.

       (64, 8, 8, 1) - conv 3x3 - relu - conv 3x3 - relu - max pool 2x2 - linear - relu - linear - (64, 10) */
#include "cases.h"

enum { BATCH = 64, SIDE = 8, FIRST = 32, SECOND = 64, HIDDEN = 128, CLASSES = 10 };

static pons_named parameters, state;
static pons_trainer trainer;

static pons_array logits(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  pons_array x = pons_relu(pons_conv_layer(p, "conv1", in[0], .padding = PONS_AXES(1)));
  x = pons_relu(pons_conv_layer(p, "conv2", x, .padding = PONS_AXES(1)));
  x = pons_flatten(pons_max_pool2d(x, 2, 0), 1, -1);
  return pons_linear(p, "out", pons_relu(pons_linear(p, "hidden", x)));
}

static pons_array loss(void *payload, pons_named p, const pons_array *in, int n_in) {
  return pons_cross_entropy(logits(payload, p, in, n_in), in[1], .reduction = PONS_REDUCE_MEAN);
}

static bool prepare(void) {
  pons_random_seed(7);
  parameters = pons_named_new();
  state = pons_named_new();
  if (!parameters || !state) return false;
  const pons_shape size = PONS_SHAPE(3, 3);
  bool fine = pons_conv_init(parameters, .prefix = "conv1", .in = 1, .out = FIRST, .size = size) &&
              pons_conv_init(parameters, .prefix = "conv2", .in = FIRST, .out = SECOND, .size = size) &&
              pons_linear_init(parameters, "hidden", SIDE / 2 * SIDE / 2 * SECOND, HIDDEN, true, NULL) &&
              pons_linear_init(parameters, "out", HIDDEN, CLASSES, true, NULL) &&
              pons_eval_named(parameters, NULL);
  set_slot(0, pons_random_uniform(pons_float(0), pons_float(1), PONS_SHAPE(BATCH, SIDE, SIDE, 1),
                                  PONS_FLOAT32, NULL));
  set_slot(1, pons_random_randint(pons_int(0), pons_int(CLASSES), PONS_SHAPE(BATCH), PONS_INT32, NULL));
  return fine && pons_ok();
}

bool prepare_digits_training(const bench_case *c) {
  (void)c;
  if (!prepare()) return false;
  trainer = pons_trainer_new(loss, NULL, parameters, state, pons_adam(.learning_rate = 1e-3), 0);
  return trainer != NULL;
}

bool prepare_digits_inference(const bench_case *c) {
  (void)c;
  if (!prepare()) return false;
  pons_function f = pons_nn_function(logits, NULL, parameters);
  if (f) set_function(pons_compile(f));
  pons_function_release(f);
  return f && the_function();
}

double round_digits_step(const bench_case *c, int runs) {
  (void)c;
  double start = seconds_now();
  for (int i = 0; i < runs && pons_ok(); i++) {
    pons_scope s = pons_scope_open();
    pons_array in[2] = {slot(0), slot(1)};
    pons_item(pons_trainer_step(trainer, in, 2, 0));
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

void finish_digits(void) {
  pons_trainer_free(trainer);
  trainer = NULL;
  pons_named_free(state);
  pons_named_free(parameters);
  parameters = state = NULL;
}
