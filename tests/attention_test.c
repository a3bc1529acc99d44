/* attention_test.c: scaled_dot_product_attention on the default device (PONS_DEVICE) against its definition in double: shapes that each
   of a device's kernels takes, with and without what it may have beside. PONS_SEED repeats a run. */
#include "attention_samples.h"
#undef fail /* of cmocka */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct attention_case {
  pons_dtype dtype;
  int64_t batch, heads, kv_heads, length, keys, dim, v_dim;
  enum attention_mask mask;
  bool sinks, log_sums;
  enum attention_layout layout;
} attention_case;

static double value_of(const sample *s, int64_t a, int64_t b, int64_t c, int64_t d) {
  return s->at[((a * s->shape[1] + b) * s->shape[2] + c) * s->shape[3] + d];
}

typedef struct operands {
  sample q, k, v, mask, sinks;
  float scale;
} operands;

static double score_of(const attention_case *c, const operands *in, int64_t b, int64_t h, int64_t i, int64_t s) {
  const int64_t kv = h / (c->heads / c->kv_heads);
  double sum = 0;
  for (int64_t d = 0; d < c->dim; d++) sum += value_of(&in->q, b, h, i, d) * value_of(&in->k, b, kv, s, d);
  sum *= (double)in->scale;
  if (c->mask == CAUSAL) return s <= c->keys - c->length + i ? sum : -(double)FLT_MAX;
  if (c->mask == NO_MASK) return sum;
  const double mask = value_of(&in->mask, 0, h, in->mask.shape[2] == 1 ? 0 : i, s);
  return c->mask == ADDED_MASK ? sum + mask : mask != 0 ? sum : -(double)FLT_MAX;
}

static void expect_near(const attention_case *c, const char *what, double got, double want, double within) {
  if (fabs(got - want) <= within * (1 + fabs(want))) return;
  print_error("%s: %.9g, not %.9g: %s, batch %d, heads %d of %d, %d queries, %d keys, %d and %d features, mask %d, sinks %d, layout %d\n",
              what, got, want, pons_dtype_name(c->dtype), (int)c->batch, (int)c->heads, (int)c->kv_heads, (int)c->length,
              (int)c->keys, (int)c->dim, (int)c->v_dim, (int)c->mask, (int)c->sinks, (int)c->layout);
  assert_true(false);
}

static void check_row(const attention_case *c, const operands *in, const float *y, const float *logs, int64_t b, int64_t h,
                      int64_t i) {
  const int64_t kv = h / (c->heads / c->kv_heads), row = (b * c->heads + h) * c->length + i;
  const double sink = c->sinks ? in->sinks.at[h] : -HUGE_VAL;
  const double rounding = c->dtype == PONS_BFLOAT16 ? 4e-2 : c->dtype == PONS_FLOAT16 ? 5e-3 : 2e-5; /* scores may be rounded */
  double *scores = malloc((size_t)c->keys * sizeof *scores), greatest = sink, sum = 0;
  for (int64_t s = 0; s < c->keys; s++) greatest = fmax(greatest, scores[s] = score_of(c, in, b, h, i, s));
  for (int64_t s = 0; s < c->keys; s++) sum += scores[s] = exp(scores[s] - greatest);
  sum += exp(sink - greatest);
  for (int64_t d = 0; d < c->v_dim; d++) {
    double value = 0;
    for (int64_t s = 0; s < c->keys; s++) value += scores[s] / sum * value_of(&in->v, b, kv, s, d);
    expect_near(c, "value", (double)y[row * c->v_dim + d], value, rounding);
  }
  if (logs) expect_near(c, "log of the sum", (double)logs[row], greatest + log(sum), rounding);
  free(scores);
}

/* A few rows of each head stand for all: the definition is slow. */
static void check_case(const attention_case *c) {
  const pons_scope scope = pons_scope_open();
  const int64_t q[] = {c->batch, c->heads, c->length, c->dim}, k[] = {c->batch, c->kv_heads, c->keys, c->dim},
                v[] = {c->batch, c->kv_heads, c->keys, c->v_dim}, sinks[] = {1, 1, 1, c->heads},
                mask[] = {1, c->heads, below(2) ? 1 : c->length, c->keys};
  operands in = {sample_of(c->dtype, q, 2), sample_of(c->dtype, k, 2), sample_of(c->dtype, v, 2),
                 sample_of(c->mask == BOOL_MASK ? PONS_BOOL : c->dtype, mask, 2), sample_of(c->dtype, sinks, 2),
                 (float)((double)(1 + below(4)) / 4 / sqrt((double)c->dim))};
  pons_array operands_[5] = {laid_out(c->layout, in.q.array), laid_out(c->layout, in.k.array), laid_out(c->layout, in.v.array)};
  int n = 3;
  if (c->mask == BOOL_MASK || c->mask == ADDED_MASK) operands_[n++] = in.mask.array;
  if (c->sinks) operands_[n++] = pons_reshape(in.sinks.array, PONS_SHAPE(c->heads));
  const attention_params params = {.scale = in.scale, .causal = c->mask == CAUSAL, .has_sinks = c->sinks,
                                   .output_logsumexp = c->log_sums};
  pons_array results[2];
  if (c->log_sums)
    node_make_many(&prim_attention, &params, n, operands_, results, 2);
  else
    results[0] = node_make(&prim_attention, &params, n, operands_);
  const float *y = pons_data(pons_astype(results[0], PONS_FLOAT32)), *logs = c->log_sums ? pons_data(results[1]) : NULL;
  if (!y) print_error("%s\n", pons_error());
  assert_non_null(y);
  for (int64_t b = 0; b < c->batch; b++)
    for (int64_t h = 0; h < c->heads; h++)
      for (int64_t i = 0; i < c->length; i += 1 + (c->length > 20 ? below(c->length / 5) : 0))
        check_row(c, &in, y, logs, b, h, i);
  const sample *all[] = {&in.q, &in.k, &in.v, &in.mask, &in.sinks};
  for (int i = 0; i < 5; i++) free(all[i]->at);
  pons_scope_close(scope);
}

/* ---- cases ---- */

#define F16 PONS_FLOAT16
#define BF16 PONS_BFLOAT16
#define F32 PONS_FLOAT32

/* Chosen for what the kernels tell apart: tiles that are whole and not, features of all sizes, heads that share keys. */
static void chosen(void **unused) {
  (void)unused;
  static const attention_case cases[] = {
      /* dtype, batch, heads, kv heads, queries, keys, features of q and v, mask, sinks, log sums, layout */
      {BF16, 1, 2, 2, 128, 128, 64, 64, CAUSAL, false, true, ROW_MAJOR},
      {F16, 2, 4, 2, 70, 130, 128, 128, CAUSAL, true, false, HEADS_BEHIND},
      {BF16, 1, 3, 1, 67, 67, 80, 80, BOOL_MASK, false, true, ROW_MAJOR},
      {F16, 1, 2, 2, 40, 200, 96, 96, ADDED_MASK, true, true, ROW_MAJOR},
      {BF16, 1, 2, 2, 33, 65, 192, 128, NO_MASK, false, false, HEADS_BEHIND},
      {F16, 1, 2, 1, 65, 100, 256, 256, CAUSAL, false, true, ROW_MAJOR},
      {BF16, 1, 2, 2, 20, 300, 72, 40, CAUSAL, false, false, ROW_MAJOR},
      {F16, 1, 2, 2, 20, 50, 64, 64, NO_MASK, false, false, SLICED},
      {BF16, 1, 4, 4, 300, 300, 64, 64, CAUSAL, false, false, ROW_MAJOR},
      {BF16, 1, 8, 2, 1, 700, 128, 128, NO_MASK, false, true, HEADS_BEHIND},
      {F16, 2, 7, 1, 1, 1000, 64, 64, BOOL_MASK, true, true, ROW_MAJOR},
      {BF16, 1, 4, 4, 3, 515, 80, 80, CAUSAL, false, false, ROW_MAJOR},
      {F16, 1, 12, 3, 5, 300, 128, 64, ADDED_MASK, false, true, ROW_MAJOR},
      {F16, 1, 4, 2, 150, 170, 64, 64, BOOL_MASK, true, true, HEADS_BEHIND}, /* enough for warpgroups from here on */
      {BF16, 1, 3, 3, 200, 333, 96, 96, NO_MASK, false, true, ROW_MAJOR},
      {BF16, 2, 2, 2, 130, 130, 256, 256, CAUSAL, true, false, HEADS_BEHIND},
      {F16, 1, 3, 3, 140, 150, 72, 136, ADDED_MASK, false, true, ROW_MAJOR},
      {BF16, 1, 6, 2, 70, 300, 128, 64, CAUSAL, false, true, ROW_MAJOR},
      {F16, 3, 3, 3, 200, 260, 64, 40, CAUSAL, false, true, ROW_MAJOR},
      {F32, 1, 8, 2, 1, 700, 128, 128, NO_MASK, true, true, HEADS_BEHIND},
      {F32, 2, 6, 1, 1, 1500, 64, 64, BOOL_MASK, false, true, ROW_MAJOR},
      {F32, 1, 4, 4, 8, 515, 80, 80, CAUSAL, false, true, ROW_MAJOR},
      {F32, 1, 4, 2, 7, 300, 20, 24, ADDED_MASK, true, false, SLICED},
      {F32, 1, 4, 2, 70, 130, 64, 64, CAUSAL, true, true, HEADS_BEHIND},
      {F32, 1, 2, 2, 65, 200, 128, 128, ADDED_MASK, false, true, ROW_MAJOR},
      {F32, 1, 2, 1, 33, 67, 33, 65, BOOL_MASK, true, false, SLICED},
      {F32, 1, 1, 1, 40, 70, 256, 256, NO_MASK, false, false, ROW_MAJOR},
      {F32, 1, 1, 1, 20, 9, 16, 16, CAUSAL, false, false, ROW_MAJOR}, /* queries that meet no key */
      {F16, 1, 1, 1, 20, 9, 16, 16, CAUSAL, false, false, ROW_MAJOR},
  };
  /* CUDA alone has kernels of their own for halves; elsewhere they are another way to load, and compilers may take seconds for each. */
  const char *device = getenv("PONS_DEVICE");
  const bool all = !device || strstr(device, "cuda");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (all || cases[i].dtype == F32 || i % 4 == 1) check_case(&cases[i]);
}

/* Few kernels in many shapes: features are of a few sizes, so that few texts are compiled. */
static void random_ones(void **unused) {
  (void)unused;
  static const pons_dtype dtypes[] = {F32, F16, BF16};
  for (int turn = 0; turn < 12; turn++) {
    attention_case c = {.dtype = dtypes[turn % 3], .batch = 1 + below(2), .kv_heads = 1 + below(2), .dim = 64, .v_dim = 64};
    c.heads = c.kv_heads * (1 + below(2));
    c.length = below(2) ? 1 + below(8) : 1 + below(150);
    c.keys = c.length + below(turn % 4 ? 60 : 400);
    c.mask = (unsigned)below(4);
    c.layout = (unsigned)below(2);
    check_case(&c);
  }
}

/* Rows whose scores are all -infinity are NaN, as the quotient of two zeros is; those masked by a bool see all keys. */
static void masks_that_leave_nothing(void **unused) {
  (void)unused;
  enum { ROWS = 20, KEYS = 300, DIM = 64 };
  for (int added = 0; added < 2; added++)
    for (int length = 1; length <= ROWS; length += ROWS - 1)
      for (int dtype = 0; dtype < 2; dtype++) {
        const pons_scope scope = pons_scope_open();
        const pons_dtype d = dtype ? F32 : BF16;
        const int64_t shape[] = {1, 1, length, DIM}, keys[] = {1, 1, KEYS, DIM}, all[] = {1, 1, 1, KEYS};
        const sample q = sample_of(d, shape, 1), k = sample_of(d, keys, 1), v = sample_of(d, keys, 1),
                     m = sample_of(PONS_BOOL, all, 1);
        pons_array mask = pons_zeros(PONS_SHAPE(1, 1, 1, KEYS), PONS_BOOL);
        if (added) mask = pons_full(PONS_SHAPE(1, 1, 1, KEYS), pons_scalar(-INFINITY, d));
        pons_array y = pons_fast_scaled_dot_product_attention(q.array, k.array, v.array, .mask = mask);
        const float *data = pons_data(pons_astype(y, F32));
        assert_non_null(data);
        for (int i = 0; i < DIM; i++) {
          double mean = 0;
          for (int s = 0; s < KEYS; s++) mean += value_of(&v, 0, 0, s, i) / KEYS;
          if (added) assert_true(isnan(data[i]));
          else if (!(fabs((double)data[i] - mean) < 2e-3)) print_error("%d queries, dtype %d: %g, not %g\n", length, (int)d, (double)data[i], mean), assert_true(false);
        }
        free(q.at), free(k.at), free(v.at), free(m.at);
        pons_scope_close(scope);
      }
}

int main(void) {
  begin_random_numbers();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chosen),
      cmocka_unit_test(random_ones),
      cmocka_unit_test(masks_that_leave_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
