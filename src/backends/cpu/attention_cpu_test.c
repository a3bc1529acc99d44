/* attention_cpu_test.c: "ScaledDotProductAttention" against its definition in double. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/operands_for_tests.h"
#include <float.h>

typedef struct attention_case {
  pons_dtype dtype;
  int64_t batch, heads, kv_heads, length, keys, dim, v_dim;
  enum { NO_MASK, BOOL_MASK, ADDED_MASK, CAUSAL } mask;
  bool sinks, log_sums;
  bool any_layout;
} attention_case;

static double at4(const made *m, int64_t a, int64_t b, int64_t c, int64_t d) {
  const int64_t at[] = {a, b, c, d};
  return dtype_read(m->op.dtype, made_at(m, at));
}

/* The mask is (1, heads, 1 or length, keys). */
static double score_of(const attention_case *c, const made *in, float scale, int64_t b, int64_t h, int64_t i, int64_t s) {
  const int64_t group = h / (c->heads / c->kv_heads);
  double sum = 0;
  for (int64_t d = 0; d < c->dim; d++) sum += at4(&in[0], b, h, i, d) * at4(&in[1], b, group, s, d);
  sum *= (double)scale;
  if (c->mask == CAUSAL) return s <= c->keys - c->length + i ? sum : -(double)FLT_MAX;
  if (c->mask == NO_MASK) return sum;
  const double mask = at4(&in[3], 0, h, in[3].shape[2] == 1 ? 0 : i, s);
  return c->mask == ADDED_MASK ? sum + mask : mask != 0 ? sum : -(double)FLT_MAX;
}

static void check_row(const attention_case *c, const made *in, const made *out, const made *logs, float scale,
                      const int64_t *at) {
  const int64_t b = at[0], h = at[1], i = at[2], group = h / (c->heads / c->kv_heads);
  double *scores = malloc((size_t)c->keys * sizeof *scores), greatest = -HUGE_VAL, sum = 0;
  const double sink = c->sinks ? dtype_read(c->dtype, element(in[4].op.data, c->dtype, h * in[4].strides[0])) : 0;
  if (c->sinks) greatest = sink;
  for (int64_t s = 0; s < c->keys; s++) {
    scores[s] = score_of(c, in, scale, b, h, i, s);
    if (scores[s] > greatest) greatest = scores[s];
  }
  for (int64_t s = 0; s < c->keys; s++) sum += scores[s] = exp(scores[s] - greatest);
  if (c->sinks) sum += exp(sink - greatest);
  for (int64_t d = 0; d < c->v_dim; d++) {
    double value = 0;
    for (int64_t s = 0; s < c->keys; s++) value += scores[s] / sum * at4(&in[2], b, group, s, d);
    check_near(at4(out, b, h, i, d), value, 4 * precision_of(c->dtype), pons_dtype_name(c->dtype));
  }
  if (c->log_sums) check_near(at4(logs, b, h, i, 0), greatest + log(sum), 1e-5, "log of the sum");
  free(scores);
}

static void check_case(const attention_case *c) {
  const int64_t q[] = {c->batch, c->heads, c->length, c->dim}, k[] = {c->batch, c->kv_heads, c->keys, c->dim};
  const int64_t v[] = {c->batch, c->kv_heads, c->keys, c->v_dim}, y[] = {c->batch, c->heads, c->length, c->v_dim};
  const int64_t mask[] = {1, c->heads, random_int(0, 1) ? 1 : c->length, c->keys}, logs[] = {y[0], y[1], y[2], 1};
  made in[5], out[2];
  make(&in[0], c->dtype, 4, q, c->any_layout), make(&in[1], c->dtype, 4, k, c->any_layout);
  make(&in[2], c->dtype, 4, v, c->any_layout);
  make(&in[3], c->mask == BOOL_MASK ? PONS_BOOL : c->dtype, 4, mask, c->any_layout);
  make(&in[4], c->dtype, 1, &c->heads, false);
  make_out(&out[0], c->dtype, 4, y), make_out(&out[1], PONS_FLOAT32, 4, logs);
  const attention_params params = {.scale = (float)random_int(1, 4) / 8, .causal = c->mask == CAUSAL,
                                   .has_sinks = c->sinks, .output_logsumexp = c->log_sums};
  operand operands[5] = {in[0].op, in[1].op, in[2].op}, results[] = {out[0].op, out[1].op};
  int n = 3;
  if (c->mask == BOOL_MASK || c->mask == ADDED_MASK) operands[n++] = in[3].op;
  if (c->sinks) operands[n++] = in[4].op;
  const launch l = {&params, n, c->log_sums ? 2 : 1, operands, results};
  assert_null(cpu_refuses_attention(&l));
  run_well(cpu_attention, &l);
  for (int64_t b = 0; b < c->batch; b++)
    for (int64_t h = 0; h < c->heads; h++)
      for (int64_t i = 0; i < c->length; i++)
        check_row(c, in, &out[0], &out[1], params.scale, (const int64_t[]){b, h, i});
  for (int i = 0; i < 5; i++) unmake(&in[i]);
  for (int i = 0; i < 2; i++) unmake(&out[i]);
}

static void agrees_with_the_definition(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16};
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 60; turn++) {
      attention_case c = {.dtype = dtypes[random_int(0, 2)], .batch = random_int(1, 2), .kv_heads = random_int(1, 3)};
      c.heads = c.kv_heads * random_int(1, 3);
      c.length = random_int(0, 1) ? random_int(1, 3) : random_int(1, 70);
      c.keys = c.length + random_int(0, turn % 4 ? 20 : 600);
      c.dim = random_int(1, 40), c.v_dim = random_int(1, 40);
      c.mask = random_int(0, 3);
      c.sinks = random_int(0, 1), c.log_sums = random_int(0, 1), c.any_layout = random_int(0, 1);
      check_case(&c);
    }
  }
  assert_true(cpu_set_isa(before));
}

static void long_ones(void **state) {
  (void)state;
  check_case(&(attention_case){PONS_FLOAT32, 1, 2, 1, 300, 300, 64, 64, CAUSAL, false, false, false});
  check_case(&(attention_case){PONS_FLOAT32, 1, 2, 2, 130, 700, 80, 48, BOOL_MASK, true, true, false});
  check_case(&(attention_case){PONS_BFLOAT16, 2, 9, 3, 1, 1500, 64, 64, NO_MASK, false, false, false});
}

/* Rows whose scores are all -infinity are NaN, as the quotient of two zeros is; those masked by a bool see all keys. */
static void masks_that_leave_nothing(void **state) {
  (void)state;
  const int64_t shape[] = {1, 1, 20, 300}, q_shape[] = {1, 1, 20, 8}, k_shape[] = {1, 1, 300, 8};
  const attention_params params = {.scale = 1};
  for (int added = 0; added < 2; added++) {
    made in[4], out;
    make(&in[0], PONS_FLOAT32, 4, q_shape, false), make(&in[1], PONS_FLOAT32, 4, k_shape, false);
    make(&in[2], PONS_FLOAT32, 4, k_shape, false);
    make(&in[3], added ? PONS_FLOAT32 : PONS_BOOL, 4, shape, false);
    make_out(&out, PONS_FLOAT32, 4, q_shape);
    for (int64_t i = 0; i < 20 * 300; i++) /* row 0 sees nothing, the others the last key */
      dtype_write(in[3].op.dtype, made_element(&in[3], i), i >= 300 && i % 300 == 299 ? added ? 0 : 1 : added ? -INFINITY : 0);
    operand operands[] = {in[0].op, in[1].op, in[2].op, in[3].op};
    run_well(cpu_attention, &(launch){&params, 4, 1, operands, &out.op});
    for (int64_t d = 0; d < 8; d++) {
      double mean = 0;
      for (int64_t s = 0; s < 300; s++) mean += made_value(&in[2], s * 8 + d) / 300;
      check_near(made_value(&out, d), added ? (double)NAN : mean, 1e-5, "nothing seen");
      check_near(made_value(&out, 19 * 8 + d), made_value(&in[2], 299 * 8 + d), 1e-6, "one key seen");
    }
    for (int i = 0; i < 4; i++) unmake(&in[i]);
    unmake(&out);
  }
}

/* A NaN in a row of q makes that row of the result NaN, one in a key all rows, whether rows are few or many. */
static void nan_stays(void **state) {
  (void)state;
  const attention_params params = {.scale = 1};
  for (int64_t length = 2; length < 60; length += 50)
    for (int in_key = 0; in_key < 2; in_key++) {
      const int64_t q_shape[] = {1, 1, length, 8}, k_shape[] = {1, 1, 300, 8};
      made in[3], out;
      make(&in[0], PONS_FLOAT32, 4, q_shape, false), make(&in[1], PONS_FLOAT32, 4, k_shape, false);
      make(&in[2], PONS_FLOAT32, 4, k_shape, false);
      make_out(&out, PONS_FLOAT32, 4, q_shape);
      dtype_write(PONS_FLOAT32, made_element(&in[in_key], 8), (double)NAN);
      operand operands[] = {in[0].op, in[1].op, in[2].op};
      run_well(cpu_attention, &(launch){&params, 3, 1, operands, &out.op});
      for (int64_t i = 0; i < length * 8; i++)
        assert_int_equal(isnan(made_value(&out, i)), in_key || i / 8 == 1);
      for (int i = 0; i < 3; i++) unmake(&in[i]);
      unmake(&out);
    }
}

static void no_memory_is_an_error(void **state) {
  (void)state;
  for (int64_t length = 1; length < 100; length += 60) {
    const int64_t shape[] = {1, 2, length, 8};
    made in[3], out;
    for (int i = 0; i < 3; i++) make(&in[i], PONS_FLOAT32, 4, shape, false);
    make_out(&out, PONS_FLOAT32, 4, shape);
    const operand operands[] = {in[0].op, in[1].op, in[2].op};
    const attention_params params = {.scale = 1};
    const launch l = {&params, 3, 1, operands, &out.op};
    int failures = 0;
    for (int64_t n = 1;; n++) {
      mem_fail_at(n);
      error *why = cpu_attention(&l);
      const int64_t made_since = mem_fail_at(0);
      failures += why != NULL;
      error_release(why);
      if (made_since < n) break;
    }
    assert_true(failures >= 2);
    for (int i = 0; i < 3; i++) unmake(&in[i]);
    unmake(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_definition), cmocka_unit_test(long_ones),
      cmocka_unit_test(masks_that_leave_nothing),   cmocka_unit_test(no_memory_is_an_error),
      cmocka_unit_test(nan_stays),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
