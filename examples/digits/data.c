/* data.c: the images and labels of the file, shuffled by the seed and split. */
#include "digits.h"

static void split(pons_array x, int64_t first, pons_array *train, pons_array *test) {
  pons_array parts[2];
  pons_split_at(x, PONS_AXES((int)first), 0, parts);
  pons_set(train, pons_contiguous(parts[0]));
  pons_set(test, pons_contiguous(parts[1]));
}

static bool prepare(data *d, pons_array images, pons_array labels, uint64_t seed) {
  const int64_t n = pons_dim(labels, 0);
  const bool fits = pons_ndim(images) == 3 && pons_dim(images, 0) == n && pons_dim(images, 1) == SIDE &&
                    pons_dim(images, 2) == SIDE;
  if (!fits) {
    pons_fail("digits", "images are not (%lld, 8, 8)", (long long)n);
    return false;
  }
  pons_array order = pons_random_permutation(n, pons_random_key(seed));
  pons_array x = pons_divide(pons_astype(images, PONS_FLOAT32), pons_float(16));
  x = pons_expand_dims(pons_take(x, order, 0), PONS_AXES(3));
  pons_array y = pons_astype(pons_take(labels, order, 0), PONS_INT32);
  const int64_t train_count = n - n / 5;
  split(x, train_count, &d->train_images, &d->test_images);
  split(y, train_count, &d->train_labels, &d->test_labels);
  return pons_eval(d->train_images, d->train_labels, d->test_images, d->test_labels);
}

bool data_load(data *d, const options *o) {
  pons_named file = pons_load(o->data);
  if (!file) return false;
  pons_scope s = pons_scope_open();
  pons_array images = pons_named_get(file, "images"), labels = pons_named_get(file, "labels");
  bool fine = images && labels;
  if (!fine) pons_fail("digits", "the file holds no \"images\" and \"labels\"");
  fine = fine && prepare(d, images, labels, o->seed);
  pons_scope_close(s);
  pons_named_free(file);
  return fine;
}

void data_free(data *d) {
  pons_set(&d->train_images, NULL);
  pons_set(&d->train_labels, NULL);
  pons_set(&d->test_images, NULL);
  pons_set(&d->test_labels, NULL);
}
