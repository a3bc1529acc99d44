/* model.c: the network.

       (n, 8, 8, 1) - conv 3x3 - relu - conv 3x3 - relu - max pool 2x2 - (n, 4, 4, 64) - linear - relu -
       linear - (n, 10) */
#include "digits.h"

enum { FIRST = 32, SECOND = 64, HIDDEN = 128 };

bool model_init(pons_named p, uint64_t seed) {
  pons_scope s = pons_scope_open();
  pons_array keys = pons_random_split(pons_random_key(seed), 4);
  const pons_shape size = PONS_SHAPE(3, 3);
  const bool fine =
      pons_conv_init(p, .prefix = "conv1", .in = 1, .out = FIRST, .size = size,
                     .key = pons_index(keys, 0, 0)) &&
      pons_conv_init(p, .prefix = "conv2", .in = FIRST, .out = SECOND, .size = size,
                     .key = pons_index(keys, 1, 0)) &&
      pons_linear_init(p, "hidden", (SIDE / 2) * (SIDE / 2) * SECOND, HIDDEN, true, pons_index(keys, 2, 0)) &&
      pons_linear_init(p, "out", HIDDEN, CLASSES, true, pons_index(keys, 3, 0)) && pons_eval_named(p, NULL);
  pons_scope_close(s);
  return fine;
}

/* key NULL: nothing is dropped. */
static pons_array forward(pons_named p, pons_array images, pons_array key) {
  pons_array x = pons_relu(pons_conv_layer(p, "conv1", images, .padding = PONS_AXES(1)));
  x = pons_relu(pons_conv_layer(p, "conv2", x, .padding = PONS_AXES(1)));
  x = pons_flatten(pons_max_pool2d(x, 2, 0), 1, -1);
  if (key) x = pons_dropout(x, 0.5f, key);
  return pons_linear(p, "out", pons_relu(pons_linear(p, "hidden", x)));
}

pons_array model_logits(void *payload, pons_named parameters, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  return forward(parameters, in[0], NULL);
}

pons_array model_loss(void *payload, pons_named parameters, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  return pons_cross_entropy(forward(parameters, in[0], in[2]), in[1], .reduction = PONS_REDUCE_MEAN);
}

double accuracy(pons_array logits, pons_array labels) {
  pons_scope s = pons_scope_open();
  const double share = pons_item(pons_mean(pons_equal(pons_argmax(logits, -1, false), labels)));
  pons_scope_close(s);
  return share;
}
