/* attention_vjp_test.c: the gradients of scaled_dot_product_attention on the default device (PONS_DEVICE) against their definition in
   double: shapes that each of a device's kernels takes, with each mask. PONS_SEED repeats a run. */
#include "attention_samples.h"
#undef fail /* of cmocka */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct vjp_case {
  pons_dtype dtype;
  int64_t batch, heads, kv_heads, length, keys, dim, v_dim;
  enum attention_mask mask;
  enum attention_layout layout;
} vjp_case;

static int64_t place_in(const sample *s, int64_t a, int64_t b, int64_t c) {
  return ((a * s->shape[1] + b) * s->shape[2] + c) * s->shape[3];
}

enum { Q, K, V, MASK, G, OPERANDS };
typedef struct operands {
  sample of[OPERANDS];
  float scale;
} operands;

/* What is left out has no slope. */
static double score_of(const vjp_case *c, const operands *in, int64_t b, int64_t h, int64_t i, int64_t s, bool *left_out) {
  const double *q = in->of[Q].at + place_in(&in->of[Q], b, h, i),
               *k = in->of[K].at + place_in(&in->of[K], b, h / (c->heads / c->kv_heads), s);
  const sample *mask = &in->of[MASK];
  double sum = 0;
  for (int64_t d = 0; d < c->dim; d++) sum += q[d] * k[d];
  sum *= (double)in->scale;
  *left_out = c->mask == CAUSAL && s > c->keys - c->length + i;
  if (c->mask == BOOL_MASK || c->mask == ADDED_MASK) {
    const double m = mask->at[place_in(mask, 0, h, mask->shape[2] == 1 ? 0 : i) + s];
    if (c->mask == ADDED_MASK) return sum + m;
    *left_out = m == 0;
  }
  return *left_out ? -(double)FLT_MAX : sum;
}

/* Adds what one row of q gives to dq, dk and dv. */
static void add_row(const vjp_case *c, const operands *in, int64_t b, int64_t h, int64_t i, double *const *grads) {
  const int64_t kv = h / (c->heads / c->kv_heads);
  const double *g = in->of[G].at + place_in(&in->of[G], b, h, i), *q = in->of[Q].at + place_in(&in->of[Q], b, h, i);
  double *weights = calloc((size_t)(2 * c->keys), sizeof *weights), *slopes = weights + c->keys;
  bool *left_out = calloc((size_t)c->keys, sizeof *left_out);
  double greatest = -HUGE_VAL, sum = 0, along = 0;
  for (int64_t s = 0; s < c->keys; s++) greatest = fmax(greatest, weights[s] = score_of(c, in, b, h, i, s, &left_out[s]));
  for (int64_t s = 0; s < c->keys; s++) sum += weights[s] = exp(weights[s] - greatest);
  for (int64_t s = 0; s < c->keys; s++) {
    const double *v = in->of[V].at + place_in(&in->of[V], b, kv, s);
    double *dv = grads[V] + place_in(&in->of[V], b, kv, s);
    weights[s] /= sum;
    for (int64_t d = 0; d < c->v_dim; d++) slopes[s] += g[d] * v[d], dv[d] += weights[s] * g[d];
    along += weights[s] * slopes[s];
  }
  double *dq = grads[Q] + place_in(&in->of[Q], b, h, i);
  for (int64_t s = 0; s < c->keys; s++) {
    const double slope = left_out[s] ? 0 : (double)in->scale * weights[s] * (slopes[s] - along);
    const double *k = in->of[K].at + place_in(&in->of[K], b, kv, s);
    double *dk = grads[K] + place_in(&in->of[K], b, kv, s);
    for (int64_t d = 0; d < c->dim; d++) dq[d] += slope * k[d], dk[d] += slope * q[d];
  }
  free(weights), free(left_out);
}

/* A result is as far off as rounding lets it be: of operands, of P and dS where these are halves, of the result; and of what is
   taken away from each other in float32 (for one key all of it: the result is 0), which is some units large. */
static void expect_near(const vjp_case *c, const char *what, const sample *like, pons_array result, const double *wanted) {
  const double lost = 4e-6, rounding = c->dtype == PONS_BFLOAT16 ? 2e-2 : c->dtype == PONS_FLOAT16 ? 3e-3 : 2e-5;
  const int64_t n = like->shape[0] * like->shape[1] * like->shape[2] * like->shape[3];
  const float *got = pons_data(pons_astype(result, PONS_FLOAT32));
  double size = 0;
  if (!got) print_error("%s\n", pons_error());
  assert_non_null(got);
  for (int64_t e = 0; e < n; e++) size = fmax(size, fabs(wanted[e]));
  for (int64_t e = 0; e < n; e++) {
    if (fabs((double)got[e] - wanted[e]) <= rounding * (size + fabs(wanted[e])) + lost) continue;
    print_error("%s, element %d: %.9g, not %.9g (the greatest is %g): %s, batch %d, heads %d of %d, %d queries, %d keys, %d and %d "
                "features, mask %d, layout %d\n",
                what, (int)e, (double)got[e], wanted[e], size, pons_dtype_name(c->dtype), (int)c->batch, (int)c->heads,
                (int)c->kv_heads, (int)c->length, (int)c->keys, (int)c->dim, (int)c->v_dim, (int)c->mask, (int)c->layout);
    assert_true(false);
  }
}

static void check_gradients(const vjp_case *c, operands *in) {
  pons_array ins[OPERANDS + 2], results[3];
  int n = 0;
  for (int i = 0; i < G; i++)
    if (i == MASK ? c->mask == BOOL_MASK || c->mask == ADDED_MASK : true)
      ins[n++] = i == MASK ? in->of[i].array : laid_out(c->layout, in->of[i].array);
  const attention_params forward = {.scale = in->scale, .causal = c->mask == CAUSAL, .output_logsumexp = true},
                         params = {.scale = in->scale, .causal = c->mask == CAUSAL};
  node_make_many(&prim_attention, &forward, n, ins, ins + n, 2);
  ins[n + 2] = laid_out(c->layout, in->of[G].array);
  node_make_many(&prim_attention_vjp, &params, n + 3, ins, results, 3);
  double *wanted[3];
  for (int i = 0; i < 3; i++) {
    const int64_t *s = in->of[i].shape;
    wanted[i] = calloc((size_t)(s[0] * s[1] * s[2] * s[3]), sizeof **wanted);
  }
  for (int64_t b = 0; b < c->batch; b++)
    for (int64_t h = 0; h < c->heads; h++)
      for (int64_t i = 0; i < c->length; i++) add_row(c, in, b, h, i, wanted);
  for (int i = 0; i < 3; i++) {
    expect_near(c, (const char *[]){"dq", "dk", "dv"}[i], &in->of[i], results[i], wanted[i]);
    free(wanted[i]);
  }
}

static operands operands_of(const vjp_case *c) {
  const int64_t shapes[OPERANDS][4] = {{c->batch, c->heads, c->length, c->dim},      {c->batch, c->kv_heads, c->keys, c->dim},
                                       {c->batch, c->kv_heads, c->keys, c->v_dim},   {1, c->heads, below(2) ? 1 : c->length, c->keys},
                                       {c->batch, c->heads, c->length, c->v_dim}};
  operands in = {.scale = (float)((double)(1 + below(4)) / 4 / sqrt((double)c->dim))};
  for (int i = 0; i < OPERANDS; i++)
    in.of[i] = sample_of(i == MASK && c->mask == BOOL_MASK ? PONS_BOOL : c->dtype, shapes[i], 2);
  return in;
}

static void check_case(const vjp_case *c) {
  const pons_scope scope = pons_scope_open();
  operands in = operands_of(c);
  check_gradients(c, &in);
  for (int i = 0; i < OPERANDS; i++) free(in.of[i].at);
  pons_scope_close(scope);
}

/* ---- cases ---- */

#define F16 PONS_FLOAT16
#define BF16 PONS_BFLOAT16
#define F32 PONS_FLOAT32

/* CUDA alone has kernels of their own for halves; elsewhere they are another way to load, and compilers may take seconds for each. */
static bool takes_all(void) {
  const char *device = getenv("PONS_DEVICE");
  return !device || strstr(device, "cuda");
}

/* Chosen for what the kernels tell apart: tiles that are whole and not, features of all sizes, heads that share keys. */
static void chosen(void **unused) {
  (void)unused;
  static const vjp_case cases[] = {
      /* dtype, batch, heads, kv heads, queries, keys, features of q and v, mask, layout */
      {BF16, 1, 2, 2, 128, 128, 64, 64, CAUSAL, ROW_MAJOR},
      {F16, 2, 4, 2, 70, 130, 128, 128, CAUSAL, HEADS_BEHIND},
      {BF16, 1, 3, 1, 67, 67, 80, 80, BOOL_MASK, ROW_MAJOR},
      {F16, 1, 2, 2, 40, 200, 96, 96, ADDED_MASK, ROW_MAJOR},
      {BF16, 1, 2, 2, 33, 65, 32, 128, NO_MASK, HEADS_BEHIND},
      {F16, 1, 2, 1, 65, 100, 192, 192, CAUSAL, ROW_MAJOR},
      {BF16, 1, 2, 2, 20, 300, 72, 40, CAUSAL, ROW_MAJOR},
      {F16, 1, 2, 2, 20, 50, 64, 64, NO_MASK, SLICED},
      {BF16, 1, 4, 4, 300, 300, 64, 64, CAUSAL, HEADS_BEHIND},
      {BF16, 1, 8, 2, 1, 200, 128, 128, NO_MASK, HEADS_BEHIND},
      {F16, 2, 7, 1, 3, 150, 64, 64, BOOL_MASK, ROW_MAJOR},
      {F32, 1, 8, 2, 1, 200, 128, 128, NO_MASK, HEADS_BEHIND},
      {F32, 1, 4, 4, 150, 150, 64, 64, CAUSAL, HEADS_BEHIND},
      {F32, 1, 4, 2, 7, 100, 20, 24, ADDED_MASK, SLICED},
      {F32, 2, 6, 1, 70, 130, 64, 64, BOOL_MASK, ROW_MAJOR},
      {F32, 1, 2, 1, 70, 100, 100, 128, CAUSAL, HEADS_BEHIND},
      {F32, 1, 2, 2, 40, 67, 128, 128, ADDED_MASK, ROW_MAJOR},
      {F32, 1, 2, 1, 33, 67, 33, 65, BOOL_MASK, SLICED},
      {F32, 1, 1, 1, 40, 70, 256, 256, NO_MASK, ROW_MAJOR},
      {F32, 1, 1, 1, 20, 20, 300, 16, CAUSAL, ROW_MAJOR}, /* too many features for a kernel */
      {F32, 1, 1, 1, 20, 9, 16, 16, CAUSAL, ROW_MAJOR},   /* queries that meet no key */
      {F16, 1, 1, 1, 70, 9, 16, 16, CAUSAL, ROW_MAJOR},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (takes_all() || (cases[i].dtype == F32 && cases[i].dim <= 64)) check_case(&cases[i]);
}

/* Few kernels in many shapes: features are of one size, so that few texts are compiled. */
static void random_ones(void **unused) {
  (void)unused;
  static const pons_dtype dtypes[] = {F32, F16, BF16};
  for (int turn = 0; turn < 9; turn++) {
    vjp_case c = {.dtype = takes_all() ? dtypes[turn % 3] : F32, .batch = 1 + below(2), .kv_heads = 1 + below(2), .dim = 64, .v_dim = 64};
    c.heads = c.kv_heads * (1 + below(2));
    c.length = 1 + below(150);
    c.keys = c.length + below(100);
    c.mask = (unsigned)below(4);
    c.layout = (unsigned)below(2);
    check_case(&c);
  }
}

/* Rows that a mask of bools leaves nothing give all keys the same weight, and no slope. */
static void masks_that_leave_nothing(void **unused) {
  (void)unused;
  for (int dtype = !takes_all(); dtype < 2; dtype++) {
    const vjp_case c = {dtype ? F32 : BF16, 1, 2, 1, 40, 70, 64, 64, BOOL_MASK, ROW_MAJOR};
    const pons_scope scope = pons_scope_open();
    operands in = operands_of(&c);
    free(in.of[MASK].at);
    in.of[MASK] = sample_of(PONS_BOOL, (int64_t[]){1, 2, 40, 70}, 1);
    const pons_array rows = pons_reshape(pons_greater(pons_arange(0, 40, 1, PONS_INT32), pons_int(9)), PONS_SHAPE(40, 1));
    in.of[MASK].array = pons_logical_and(in.of[MASK].array, rows);
    for (int64_t e = 0; e < 2 * 40 * 70; e++)
      if (e / 70 % 40 < 10) in.of[MASK].at[e] = 0;
    check_gradients(&c, &in);
    for (int i = 0; i < OPERANDS; i++) free(in.of[i].at);
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
