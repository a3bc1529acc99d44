/* attention_vjp_cpu_test.c: "ScaledDotProductAttentionVJP" against its definition in double. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/operands_for_tests.h"
#include <float.h>

typedef struct back_case {
  pons_dtype dtype;
  int64_t batch, heads, kv_heads, length, keys, dim, v_dim;
  enum { NO_MASK, BOOL_MASK, ADDED_MASK, CAUSAL } mask;
  bool any_layout;
} back_case;

static double at4(const made *m, int64_t a, int64_t b, int64_t c, int64_t d) {
  const int64_t at[] = {a, b, c, d};
  return dtype_read(m->op.dtype, made_at(m, at));
}

enum { Q, K, V, MASK, LOG_SUMS, G };

/* The mask is (1, heads, 1 or length, keys). What is left out has no slope. */
static double score_of(const back_case *c, const made *in, double scale, const int64_t *at, int64_t s, bool *left_out) {
  const int64_t b = at[0], h = at[1], i = at[2], group = h / (c->heads / c->kv_heads);
  double sum = 0;
  for (int64_t d = 0; d < c->dim; d++) sum += at4(&in[Q], b, h, i, d) * at4(&in[K], b, group, s, d);
  sum *= scale;
  *left_out = c->mask == CAUSAL && s > c->keys - c->length + i;
  if (c->mask == BOOL_MASK || c->mask == ADDED_MASK) {
    const double mask = at4(&in[MASK], 0, h, in[MASK].shape[2] == 1 ? 0 : i, s);
    if (c->mask == ADDED_MASK) return sum + mask;
    *left_out = mask == 0;
  }
  return *left_out ? -(double)FLT_MAX : sum;
}

/* What the way forward knows of each row. */
static void fill_log_sums(const back_case *c, made *in, double scale) {
  for (int64_t b = 0; b < c->batch; b++)
    for (int64_t h = 0; h < c->heads; h++)
      for (int64_t i = 0; i < c->length; i++) {
        const int64_t at[] = {b, h, i, 0};
        double sum = 0, greatest = -HUGE_VAL;
        bool left_out;
        for (int64_t k = 0; k < c->keys; k++) greatest = fmax(greatest, score_of(c, in, scale, at, k, &left_out));
        int64_t s = 0;
        do sum += exp(score_of(c, in, scale, at, s, &left_out) - greatest);
        while (++s < c->keys);
        dtype_write(PONS_FLOAT32, made_at(&in[LOG_SUMS], at), greatest + log(sum));
      }
}

/* Adds what one row of q gives to dq, dk and dv, all row-major. */
static void add_row(const back_case *c, const made *in, double scale, const int64_t *at, double *dq, double *dk, double *dv) {
  const int64_t b = at[0], h = at[1], i = at[2], group = h / (c->heads / c->kv_heads), kv = b * c->kv_heads + group;
  double *weights = calloc((size_t)(2 * c->keys), sizeof *weights), *slopes = weights + c->keys;
  bool *left_out = calloc((size_t)c->keys, sizeof *left_out);
  double greatest = -HUGE_VAL, sum = 0, along = 0;
  for (int64_t s = 0; s < c->keys; s++) {
    weights[s] = score_of(c, in, scale, at, s, &left_out[s]);
    if (weights[s] > greatest) greatest = weights[s];
  }
  for (int64_t s = 0; s < c->keys; s++) sum += weights[s] = exp(weights[s] - greatest);
  for (int64_t s = 0; s < c->keys; s++) {
    weights[s] /= sum;
    for (int64_t d = 0; d < c->v_dim; d++) {
      const double g = at4(&in[G], b, h, i, d);
      slopes[s] += g * at4(&in[V], b, group, s, d);
      dv[(kv * c->keys + s) * c->v_dim + d] += weights[s] * g;
    }
    along += weights[s] * slopes[s];
  }
  for (int64_t s = 0; s < c->keys; s++) {
    const double slope = left_out[s] ? 0 : scale * weights[s] * (slopes[s] - along);
    for (int64_t d = 0; d < c->dim; d++) {
      dq[((b * c->heads + h) * c->length + i) * c->dim + d] += slope * at4(&in[K], b, group, s, d);
      dk[(kv * c->keys + s) * c->dim + d] += slope * at4(&in[Q], b, h, i, d);
    }
  }
  free(weights), free(left_out);
}

static void check_results(const back_case *c, const made *in, const made *out, double scale) {
  double *wanted[3];
  for (int i = 0; i < 3; i++) wanted[i] = calloc((size_t)operand_size(&out[i].op), sizeof *wanted[i]);
  for (int64_t b = 0; b < c->batch; b++)
    for (int64_t h = 0; h < c->heads; h++)
      for (int64_t i = 0; i < c->length; i++)
        add_row(c, in, scale, (const int64_t[]){b, h, i}, wanted[0], wanted[1], wanted[2]);
  for (int i = 0; i < 3; i++) {
    for (int64_t e = 0; e < operand_size(&out[i].op); e++)
      check_near(made_value(&out[i], e), wanted[i][e], 20 * precision_of(c->dtype), (const char *[]){"dq", "dk", "dv"}[i]);
    free(wanted[i]);
  }
}

static void check_case(const back_case *c) {
  const int64_t q[] = {c->batch, c->heads, c->length, c->dim}, k[] = {c->batch, c->kv_heads, c->keys, c->dim};
  const int64_t v[] = {c->batch, c->kv_heads, c->keys, c->v_dim}, g[] = {c->batch, c->heads, c->length, c->v_dim};
  const int64_t mask[] = {1, c->heads, random_int(0, 1) ? 1 : c->length, c->keys};
  const int64_t rows[] = {c->batch, c->heads, c->length, 1};
  made in[6], out[3];
  make(&in[Q], c->dtype, 4, q, c->any_layout), make(&in[K], c->dtype, 4, k, c->any_layout);
  make(&in[V], c->dtype, 4, v, c->any_layout), make(&in[G], c->dtype, 4, g, c->any_layout);
  make(&in[LOG_SUMS], PONS_FLOAT32, 4, rows, false); /* else it may repeat */
  make(&in[MASK], c->mask == BOOL_MASK ? PONS_BOOL : c->dtype, 4, mask, c->any_layout);
  make_out(&out[0], c->dtype, 4, q), make_out(&out[1], c->dtype, 4, k), make_out(&out[2], c->dtype, 4, v);
  const attention_params params = {.scale = (float)random_int(1, 4) / 8, .causal = c->mask == CAUSAL};
  operand operands[7] = {in[Q].op, in[K].op, in[V].op}, results[] = {out[0].op, out[1].op, out[2].op};
  int n = 3;
  if (c->mask == BOOL_MASK || c->mask == ADDED_MASK) operands[n++] = in[MASK].op;
  fill_log_sums(c, in, (double)params.scale);
  operands[n++] = in[Q].op; /* what the way forward made is not looked at */
  operands[n++] = in[LOG_SUMS].op;
  operands[n++] = in[G].op;
  const launch l = {&params, n, 3, operands, results};
  assert_null(cpu_refuses_attention_vjp(&l));
  run_well(cpu_attention_vjp, &l);
  check_results(c, in, out, (double)params.scale);
  for (int i = 0; i < 6; i++) unmake(&in[i]);
  for (int i = 0; i < 3; i++) unmake(&out[i]);
}

static void agrees_with_the_definition(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16};
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 40; turn++) {
      back_case c = {.dtype = dtypes[random_int(0, 2)], .batch = random_int(1, 2), .kv_heads = random_int(1, 3)};
      c.heads = c.kv_heads * random_int(1, 3);
      c.length = random_int(0, 1) ? random_int(1, 3) : random_int(1, turn % 4 ? 40 : 130);
      c.keys = c.length + random_int(0, turn % 4 ? 20 : 200);
      c.dim = random_int(1, 40), c.v_dim = random_int(1, 40);
      c.mask = random_int(0, 3), c.any_layout = random_int(0, 1);
      check_case(&c);
    }
  }
  assert_true(cpu_set_isa(before));
}

/* Several parts of a head, and blocks of few rows since keys are many. */
static void long_ones(void **state) {
  (void)state;
  check_case(&(back_case){PONS_FLOAT32, 1, 1, 1, 300, 300, 64, 64, CAUSAL, false});
  check_case(&(back_case){PONS_FLOAT32, 1, 4, 2, 100, 1100, 16, 24, BOOL_MASK, false});
  check_case(&(back_case){PONS_BFLOAT16, 2, 9, 9, 200, 200, 8, 8, CAUSAL, false});
}

static void no_memory_is_an_error(void **state) {
  (void)state;
  const int64_t shape[] = {1, 2, 30, 8};
  made in[4], out[3];
  operand operands[6], results[3];
  for (int i = 0; i < 4; i++) make(&in[i], PONS_FLOAT32, 4, shape, false), operands[i] = in[i].op;
  operands[4] = operands[5] = operands[3];
  for (int i = 0; i < 3; i++) make_out(&out[i], PONS_FLOAT32, 4, shape), results[i] = out[i].op;
  const attention_params params = {.scale = 1};
  const launch l = {&params, 6, 3, operands, results};
  int failures = 0;
  for (int64_t n = 1;; n++) {
    mem_fail_at(n);
    error *why = cpu_attention_vjp(&l);
    const int64_t made_since = mem_fail_at(0);
    failures += why != NULL;
    error_release(why);
    if (made_since < n) break;
  }
  assert_true(failures >= 2);
  for (int i = 0; i < 4; i++) unmake(&in[i]);
  for (int i = 0; i < 3; i++) unmake(&out[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_definition),
      cmocka_unit_test(long_ones),
      cmocka_unit_test(no_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
