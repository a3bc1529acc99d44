/* training.c: training steps: a perceptron on images, and a small GPT on bytes. digits.c has a third. */
#include "cases.h"

static struct {
  pons_named parameters, state;
  pons_trainer trainer;
} training;

static bool start(pons_loss loss, pons_optimizer optimizer) {
  if (!pons_eval_named(training.parameters, NULL)) return false;
  training.trainer = pons_trainer_new(loss, NULL, training.parameters, training.state, optimizer, 0);
  return training.trainer && pons_ok();
}

static bool begin(void) {
  pons_random_seed(7);
  training.parameters = pons_named_new();
  training.state = pons_named_new();
  return training.parameters && training.state;
}

double round_step(const bench_case *c, int runs) {
  (void)c;
  double start = seconds_now();
  for (int i = 0; i < runs && pons_ok(); i++) {
    pons_scope s = pons_scope_open();
    pons_array in[2] = {slot(0), slot(1)};
    pons_item(pons_trainer_step(training.trainer, in, 2, 0));
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

void finish_training(void) {
  pons_trainer_free(training.trainer);
  pons_named_free(training.state);
  pons_named_free(training.parameters);
  training.trainer = NULL;
  training.state = training.parameters = NULL;
}

/* ---- the perceptron ---- */

static pons_array mlp_loss(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  pons_array logits = pons_linear(p, "out", pons_relu(pons_linear(p, "hidden", in[0])));
  return pons_cross_entropy(logits, in[1], .reduction = PONS_REDUCE_MEAN);
}

bool prepare_mlp(const bench_case *c) {
  (void)c;
  if (!begin() || !pons_linear_init(training.parameters, "hidden", 784, 256, true, NULL) ||
      !pons_linear_init(training.parameters, "out", 256, 10, true, NULL))
    return false;
  set_slot(0, uniform(PONS_SHAPE(256, 784), PONS_FLOAT32, 1));
  set_slot(1, pons_random_randint(pons_int(0), pons_int(10), PONS_SHAPE(256), PONS_INT32, NULL));
  return start(mlp_loss, pons_sgd(.learning_rate = 0.01));
}

/* ---- the GPT: layer norm, attention, layer norm, perceptron, four times over ---- */

enum { LAYERS = 4, WIDTH = 256, HEADS = 4, CONTEXT = 256, BATCH = 8, BYTES = 256 };

typedef struct prefix {
  char text[32];
} prefix;
static prefix of(int layer, const char *part) {
  prefix p;
  snprintf(p.text, sizeof p.text, "%d.%s", layer, part);
  return p;
}

/* (batch, context, width) as (batch, heads, context, width of a head) */
static pons_array heads_apart(pons_array x) {
  pons_array split = pons_reshape(x, PONS_SHAPE(BATCH, CONTEXT, HEADS, WIDTH / HEADS));
  return pons_transpose(split, .axes = PONS_AXES(0, 2, 1, 3));
}

static pons_array attention(pons_named p, int layer, pons_array x) {
  pons_array parts[3];
  pons_split(pons_linear(p, of(layer, "qkv").text, x), 3, -1, parts);
  pons_array y = pons_fast_scaled_dot_product_attention(heads_apart(parts[0]), .k = heads_apart(parts[1]),
                                                        .v = heads_apart(parts[2]), .causal = true);
  y = pons_reshape(pons_transpose(y, .axes = PONS_AXES(0, 2, 1, 3)), PONS_SHAPE(BATCH, CONTEXT, WIDTH));
  return pons_linear(p, of(layer, "out").text, y);
}

static pons_array block(pons_named p, int layer, pons_array x) {
  x = pons_add(x, attention(p, layer, pons_layer_norm(p, of(layer, "before").text, x, 1e-5f)));
  pons_array hidden =
      pons_linear(p, of(layer, "up").text, pons_layer_norm(p, of(layer, "between").text, x, 1e-5f));
  return pons_add(x, pons_linear(p, of(layer, "down").text, pons_gelu_approx(hidden)));
}

static pons_array gpt_loss(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  pons_array x = pons_add(pons_embedding(p, "bytes", in[0]), pons_named_get(p, "places.weight"));
  for (int layer = 0; layer < LAYERS; layer++) x = block(p, layer, x);
  pons_array logits = pons_linear(p, "head", pons_layer_norm(p, "last", x, 1e-5f));
  return pons_cross_entropy(logits, in[1], .reduction = PONS_REDUCE_MEAN);
}

static bool init_layer(pons_named p, int layer) {
  return pons_layer_norm_init(p, of(layer, "before").text, WIDTH, true) &&
         pons_linear_init(p, of(layer, "qkv").text, WIDTH, 3 * WIDTH, true, NULL) &&
         pons_linear_init(p, of(layer, "out").text, WIDTH, WIDTH, true, NULL) &&
         pons_layer_norm_init(p, of(layer, "between").text, WIDTH, true) &&
         pons_linear_init(p, of(layer, "up").text, WIDTH, 4 * WIDTH, true, NULL) &&
         pons_linear_init(p, of(layer, "down").text, 4 * WIDTH, WIDTH, true, NULL);
}

bool prepare_gpt(const bench_case *c) {
  (void)c;
  if (!begin()) return false;
  pons_named p = training.parameters;
  bool fine = pons_embedding_init(p, "bytes", BYTES, WIDTH, NULL) &&
              pons_embedding_init(p, "places", CONTEXT, WIDTH, NULL) &&
              pons_layer_norm_init(p, "last", WIDTH, true) &&
              pons_linear_init(p, "head", WIDTH, BYTES, true, NULL);
  for (int layer = 0; layer < LAYERS && fine; layer++) fine = init_layer(p, layer);
  for (int i = 0; i < 2; i++)
    set_slot(i,
             pons_random_randint(pons_int(0), pons_int(BYTES), PONS_SHAPE(BATCH, CONTEXT), PONS_INT32, NULL));
  return fine && start(gpt_loss, pons_adamw(.learning_rate = 3e-4));
}

/* Megabytes in arrays at the peak of three steps. */
double gpt_memory(const bench_case *c) {
  pons_reset_peak_memory();
  round_step(c, 3);
  return (double)pons_get_peak_memory() * 1e-6;
}
