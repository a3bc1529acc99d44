/* train.c: epochs of steps with Adam, the learning rate falling along a cosine. The step is compiled at its
   first use. */
#include "digits.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void bar(const options *o, int epoch, int64_t step, int64_t steps, double loss, double right) {
  if (o->quiet || !isatty(1)) return;
  enum { WIDTH = 30 };
  const double share = ((double)epoch + (double)step / (double)steps) / o->epochs;
  char cells[WIDTH + 1];
  memset(cells, ' ', WIDTH);
  memset(cells, '#', (size_t)(share * WIDTH));
  cells[WIDTH] = 0;
  printf("\r[%s] %3.0f %%  epoch %d/%d  loss %.4f  held out %.2f %% right ", cells, 100 * share, epoch + 1,
         o->epochs,
         loss, 100 * right);
  fflush(stdout);
}

/* One line per epoch where there is no terminal to draw on. */
static void line(const options *o, int number, const epoch *e) {
  if (!o->quiet && !isatty(1))
    printf("epoch %d/%d  loss %.4f  held out %.2f %% right\n", number + 1, o->epochs, e->loss,
           100 * e->accuracy);
}

/* Rows order[first .. first + count) of images and labels. */
static void batch_of(const data *d, pons_array order, int64_t first, int64_t count, pons_array in[2]) {
  pons_array rows = pons_slice(order, PONS_SHAPE(first), PONS_SHAPE(first + count), PONS_SCALAR);
  in[0] = pons_take(d->train_images, rows, 0);
  in[1] = pons_take(d->train_labels, rows, 0);
}

static double one_epoch(pons_trainer t, const data *d, const options *o, int number, double right,
                        pons_array key) {
  const int64_t n = pons_dim(d->train_labels, 0), steps = n / o->batch;
  pons_array keys = pons_random_split(key, (int)steps + 1);
  pons_array order = pons_random_permutation(n, pons_index(keys, steps, 0));
  double sum = 0;
  for (int64_t i = 0; i < steps; i++) {
    pons_scope s = pons_scope_open();
    pons_array in[3];
    batch_of(d, order, i * o->batch, o->batch, in);
    in[2] = pons_index(keys, i, 0);
    const double rate = pons_cosine_decay(2e-3, steps * o->epochs, 1e-5, number * steps + i);
    sum += pons_item(pons_trainer_step(t, in, 3, rate));
    pons_scope_close(s);
    bar(o, number, i + 1, steps, sum / (double)(i + 1), right);
    if (!pons_ok()) break;
  }
  return sum / (double)steps;
}

static double held_out(pons_function logits, const data *d) {
  pons_scope s = pons_scope_open();
  const double right = accuracy(pons_apply(logits, d->test_images), d->test_labels);
  pons_scope_close(s);
  return right;
}

bool train(pons_named parameters, const data *d, const options *o, history *h) {
  if (pons_dim(d->train_labels, 0) < o->batch) {
    pons_fail("digits", "a batch of %d is more than there are images", o->batch);
    return false;
  }
  const double start = seconds_now();
  pons_named state = pons_named_new();
  pons_trainer t = state ? pons_trainer_new(model_loss, NULL, parameters, state,
                                            pons_adam(.bias_correction = true), 0) : NULL;
  double right = 0;
  for (int e = 0; t && e < o->epochs && pons_ok(); e++) {
    pons_scope s = pons_scope_open();
    pons_array key = pons_random_key(o->seed * 1000 + (uint64_t)e);
    const double loss = one_epoch(t, d, o, e, right, key);
    pons_function logits = pons_nn_function(model_logits, NULL, parameters);
    right = held_out(logits, d);
    pons_function_release(logits);
    h->at[h->count++] = (epoch){loss, right};
    line(o, e, &h->at[e]);
    pons_scope_close(s);
  }
  if (!o->quiet && isatty(1)) puts("");
  h->seconds = seconds_now() - start;
  pons_trainer_free(t);
  pons_named_free(state);
  return t && pons_ok();
}
