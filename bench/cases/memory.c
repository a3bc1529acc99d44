/* memory.c: cases that memory bounds: elementwise chains, reductions, rows, copies in another order, sorting,
   rows taken and added by index. */
#include "cases.h"

bool prepare_vectors(const bench_case *c) {
  for (int i = 0; i < 3; i++) set_slot(i, uniform(PONS_SHAPE(c->size[0]), PONS_FLOAT32, (uint64_t)i));
  return pons_ok();
}

bool prepare_matrix(const bench_case *c) {
  set_slot(0, uniform(PONS_SHAPE(c->size[0], c->size[1]), PONS_FLOAT32, 1));
  return pons_ok();
}

bool prepare_rows(const bench_case *c) {
  set_slot(0, uniform(PONS_SHAPE(c->size[0], c->size[1]), c->dtype, 1));
  set_slot(1, uniform(PONS_SHAPE(c->size[1]), c->dtype, 2));
  set_slot(2, uniform(PONS_SHAPE(c->size[1]), c->dtype, 3));
  return pons_ok();
}

/* A table of rows, indices of some of them, and what is added there. */
bool prepare_table(const bench_case *c) {
  set_slot(0, uniform(PONS_SHAPE(c->size[0], c->size[1]), PONS_FLOAT32, 1));
  set_slot(1, pons_random_randint(pons_int(0), pons_int(c->size[0]), PONS_SHAPE(c->size[2]), PONS_INT32,
                                  pons_random_key(2)));
  set_slot(2, uniform(PONS_SHAPE(c->size[2], c->size[1]), PONS_FLOAT32, 3));
  return pons_ok();
}

#define BODY(name, value)                          \
  int name(const bench_case *c, pons_array *out) { \
    (void)c;                                       \
    *out = value;                                  \
    return 1;                                      \
  }
BODY(run_add, pons_add(slot(0), slot(1)))
BODY(run_multiply, pons_multiply(slot(0), slot(1)))
BODY(run_exp, pons_exp(slot(0)))
BODY(run_sin, pons_sin(slot(0)))
BODY(run_erf, pons_erf(slot(0)))
BODY(run_tanh, pons_tanh(slot(0)))
BODY(run_sum_all, pons_sum(slot(0)))
BODY(run_sum_rows, pons_sum(slot(0), .axes = PONS_AXES(1)))
BODY(run_sum_columns, pons_sum(slot(0), .axes = PONS_AXES(0)))
/* What is made elementwise and read by a reduction alone. */
BODY(run_dot, pons_sum(pons_multiply(slot(0), slot(1))))
BODY(run_mean_squares, pons_mean(pons_square(slot(0)), .axes = PONS_AXES(1)))
BODY(run_sum_exp, pons_sum(pons_exp(pons_subtract(slot(0), pons_max(slot(0), .axes = PONS_AXES(1), .keepdims = true))), .axes = PONS_AXES(1)))
BODY(run_squares_of_columns, pons_sum(pons_square(slot(0)), .axes = PONS_AXES(0)))
BODY(run_softmax, pons_softmax(slot(0)))
BODY(run_masked_softmax, pons_softmax(pons_add(pons_multiply(slot(0), pons_float(0.125)), slot(1))))
BODY(run_layer_norm, pons_fast_layer_norm(slot(0), slot(1), slot(2), 1e-5f))
BODY(run_rms_norm, pons_fast_rms_norm(slot(0), slot(1), 1e-5f))
BODY(run_transpose, pons_contiguous(pons_transpose(slot(0))))
BODY(run_cumsum, pons_cumsum(slot(0), .axis = 0))
BODY(run_sort, pons_sort(slot(0), 0))
BODY(run_argsort, pons_argsort(slot(0), 0))
BODY(run_gather, pons_take(slot(0), slot(1), 0))
BODY(run_scatter_add, pons_put_add(slot(0), PONS_INDEX(pons_at_array(slot(1))), slot(2)))

/* Rows of a matrix that is a little wider. */
int run_copy(const bench_case *c, pons_array *out) {
  out[0] = pons_contiguous(pons_slice(slot(0), PONS_SHAPE(0, 0), PONS_SHAPE(c->size[0], c->size[1] - 64), PONS_SHAPE(1, 1)));
  return 1;
}

/* x / 2 (1 + erf(x / sqrt 2)) w + b, each op by itself. */
int run_gelu_chain(const bench_case *c, pons_array *out) {
  (void)c;
  pons_array x = slot(0);
  pons_array half = pons_multiply(x, pons_float(0.5));
  pons_array wave = pons_erf(pons_multiply(x, pons_float(0.70710678118654752)));
  pons_array gelu = pons_multiply(half, pons_add(wave, pons_float(1)));
  *out = pons_add(pons_multiply(gelu, slot(1)), slot(2));
  return 1;
}
