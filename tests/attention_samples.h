/* attention_samples.h: operands for tests of attention: random elements as an array holds them, and as doubles. Uses ops/. */
#ifndef ATTENTION_SAMPLES_H
#define ATTENTION_SAMPLES_H
#include "ops/ops.h"
#include "random_numbers.h"
#include <pons/pons.h>
#include <stdlib.h>

enum attention_mask { NO_MASK, BOOL_MASK, ADDED_MASK, CAUSAL };
enum attention_layout { ROW_MAJOR, HEADS_BEHIND, SLICED }; /* HEADS_BEHIND: (batch, length, heads, features) in memory, as models have it */

/* Random elements that an array holds, as they are there. */
typedef struct sample {
  pons_array array;
  double *at; /* row-major */
  int64_t shape[4];
} sample;

static sample sample_of(pons_dtype dtype, const int64_t *shape, double size) {
  const int64_t n = shape[0] * shape[1] * shape[2] * shape[3];
  sample s = {NULL, malloc((size_t)n * sizeof(double)), {shape[0], shape[1], shape[2], shape[3]}};
  char *bytes = malloc((size_t)n * pons_dtype_size(dtype));
  for (int64_t i = 0; i < n; i++) {
    const double x = dtype == PONS_BOOL ? (double)(below(3) > 0) : size * ((double)below(1 << 20) * 0x1p-19 - 1);
    char *to = bytes + (size_t)i * pons_dtype_size(dtype);
    if (dtype == PONS_BOOL) *to = (char)x;
    else dtype_write(dtype, to, x);
    s.at[i] = dtype == PONS_BOOL ? x : dtype_read(dtype, to);
  }
  s.array = pons_array_from(bytes, PONS_SHAPE(shape[0], shape[1], shape[2], shape[3]), dtype);
  free(bytes);
  return s;
}

/* The same elements, lying otherwise. */
static pons_array laid_out(enum attention_layout layout, pons_array x) {
  if (layout == HEADS_BEHIND) return pons_swapaxes(pons_contiguous(pons_swapaxes(x, 1, 2)), 1, 2);
  if (layout != SLICED) return x;
  const pons_shape shape = pons_shape_of(x);
  const pons_array wide = pons_contiguous(pons_pad(x, PONS_SHAPE(0, 0, 0, 1), PONS_SHAPE(0, 0, 1, 2)));
  return pons_slice(wide, PONS_SHAPE(0, 0, 0, 1), PONS_SHAPE(shape.at[0], shape.at[1], shape.at[2], 1 + shape.at[3]), PONS_SCALAR);
}
#endif
