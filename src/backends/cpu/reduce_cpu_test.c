/* reduce_cpu_test.c: "Reduce" against plain loops in double, for every kind, dtype and any layout. */
#include "backends/cpu/operands_for_tests.h"

static double combine(int kind, double a, double b) {
  switch (kind) {
    case REDUCE_AND: return a != 0 && b != 0;
    case REDUCE_OR: return a != 0 || b != 0;
    case REDUCE_SUM: return a + b;
    case REDUCE_PROD: return a * b;
    case REDUCE_MIN: return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
    default: return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
  }
}
static const double identities[] = {1, 0, 0, 1, INFINITY, -INFINITY};

static pons_dtype result_of(int kind, pons_dtype d) {
  if (kind == REDUCE_AND || kind == REDUCE_OR) return PONS_BOOL;
  bool small = d == PONS_BOOL || d == PONS_INT8 || d == PONS_INT16;
  if (kind == REDUCE_SUM || kind == REDUCE_PROD)
    return small ? PONS_INT32 : d == PONS_UINT8 || d == PONS_UINT16 ? PONS_UINT32 : d;
  return d;
}

/* Sums and products of integers wrap. */
static double wrapped(pons_dtype d, uint64_t bits) {
  char memory[8];
  dtype_write_int(d, memory, (int64_t)bits);
  return dtype_read(d, memory);
}

static void check_case(int kind, pons_dtype d, int n, const int64_t *shape, int n_axes, const int64_t *axes,
                       bool any_layout) {
  made x, y;
  int64_t out_shape[PONS_MAX_NDIM];
  memcpy(out_shape, shape, sizeof(int64_t) * (size_t)n);
  for (int i = 0; i < n_axes; i++) out_shape[axes[i]] = 1;
  make(&x, d, n, shape, any_layout);
  pons_dtype to = result_of(kind, d);
  make_out(&y, to, n, out_shape);
  reduce_params params = {kind, {n_axes, axes}};
  run_well(cpu_reduce, &(launch){&params, 1, 1, &x.op, &y.op});
  int64_t results = operand_size(&y.op), count = operand_size(&x.op);
  double *wanted = malloc(sizeof(double) * (size_t)(results + 1)),
         *size = calloc((size_t)results + 1, sizeof(double));
  uint64_t *bits = calloc((size_t)results + 1, sizeof *bits);
  bool wraps = (kind == REDUCE_SUM || kind == REDUCE_PROD) && !dtype_is_inexact(to);
  for (int64_t i = 0; i < results; i++) wanted[i] = identities[kind], bits[i] = kind == REDUCE_PROD;
  for (int64_t i = 0; i < count; i++) {
    int64_t index[PONS_MAX_NDIM], rest = i, to_index = 0;
    for (int a = n - 1; a >= 0; a--) index[a] = rest % shape[a], rest /= shape[a];
    for (int a = 0; a < n; a++) to_index = to_index * out_shape[a] + (out_shape[a] == 1 ? 0 : index[a]);
    double v = made_value(&x, i);
    wanted[to_index] = combine(kind, wanted[to_index], v);
    if (wraps) {
      uint64_t u = (uint64_t)dtype_read_int(d, made_element(&x, i));
      bits[to_index] = kind == REDUCE_SUM ? bits[to_index] + u : bits[to_index] * u;
    }
    size[to_index] += fabs(v);
  }
  for (int64_t i = 0; i < results; i++) {
    double scale = kind == REDUCE_SUM ? size[i] : 0;
    double w = wraps ? wrapped(to, bits[i]) : wanted[i],
           tolerance = precision_of(to) * (1 + scale / (1 + fabs(w)));
    check_near(made_value(&y, i), w, kind == REDUCE_PROD ? 20 * tolerance : tolerance, pons_dtype_name(d));
  }
  free(wanted);
  free(size);
  free(bits);
  unmake(&x);
  unmake(&y);
}

static void agrees_with_loops(void **state) {
  (void)state;
  for (int turn = 0; turn < 400; turn++) {
    pons_dtype d = (pons_dtype)random_int(0, PONS_FLOAT64 + 1);
    if (d == PONS_COMPLEX64) continue;
    int kind = (int)random_int(0, REDUCE_KINDS - 1), n = (int)random_int(0, 5), n_axes = 0;
    int64_t shape[5], axes[5];
    bool empty = false;
    for (int i = 0; i < n; i++) {
      shape[i] = random_int(1, kind == REDUCE_PROD ? 3 : 9);
      if (random_int(0, 5) == 0 && kind != REDUCE_PROD) shape[i] = random_int(0, 40);
      if (random_int(0, 1)) axes[n_axes++] = i;
      empty = empty || shape[i] == 0;
    }
    if (empty && kind >= REDUCE_MIN) continue;
    check_case(kind, d, n, shape, n_axes, axes, turn % 2);
  }
}

static void takes_long_rows_and_columns(void **state) {
  (void)state;
  const int64_t all[] = {0, 1};
  check_case(REDUCE_SUM, PONS_FLOAT32, 1, (int64_t[]){300001}, 1, all, false);
  check_case(REDUCE_SUM, PONS_FLOAT32, 2, (int64_t[]){2501, 40}, 1, all, false); /* columns in segments */
  check_case(REDUCE_MAX, PONS_INT32, 2, (int64_t[]){131, 2100}, 1, all, false);  /* and in strips */
  check_case(REDUCE_SUM, PONS_INT32, 2, (int64_t[]){3, 70000}, 1, all + 1, false);
  check_case(REDUCE_SUM, PONS_FLOAT32, 2, (int64_t[]){20011, 33}, 1, all, false);
  check_case(REDUCE_MAX, PONS_FLOAT16, 2, (int64_t[]){9001, 40}, 1, all, false);
  check_case(REDUCE_SUM, PONS_FLOAT32, 2, (int64_t[]){500, 600}, 1, all, true);
  check_case(REDUCE_SUM, PONS_BFLOAT16, 2, (int64_t[]){600, 700}, 2, all, false);
  check_case(REDUCE_SUM, PONS_FLOAT64, 2, (int64_t[]){5000, 7}, 1, all + 1, false);
  check_case(REDUCE_OR, PONS_FLOAT32, 2, (int64_t[]){5000, 300}, 1, all, false);
}

/* A plain float sum of 2^24 + 1000 ones stops at 2^24. */
static void keeps_accuracy(void **state) {
  (void)state;
  enum { COUNT = (1 << 24) + 1000 };
  float *x = malloc(COUNT * sizeof *x), y;
  for (int64_t i = 0; i < COUNT; i++) x[i] = 1;
  int64_t shape[] = {COUNT}, stride[] = {1}, one[] = {1}, axis[] = {0};
  operand in = {x, PONS_FLOAT32, 1, shape, stride}, out = {&y, PONS_FLOAT32, 1, one, stride};
  reduce_params params = {REDUCE_SUM, {1, axis}};
  assert_null(cpu_reduce(&(launch){&params, 1, 1, &in, &out}));
  assert_true(y == (float)COUNT);
  for (int64_t i = 0; i < COUNT; i++) x[i] = 0.1f;
  assert_null(cpu_reduce(&(launch){&params, 1, 1, &in, &out}));
  check_near((double)y, (double)0.1f * COUNT, 1e-6, "tenths");
  free(x);
}

static void nan_wins(void **state) {
  (void)state;
  for (int at = 0; at < 100; at += 33) {
    float x[100], y;
    for (int i = 0; i < 100; i++) x[i] = (float)i;
    x[at] = NAN;
    int64_t shape[] = {100}, stride[] = {1}, one[] = {1}, axis[] = {0};
    operand in = {x, PONS_FLOAT32, 1, shape, stride}, out = {&y, PONS_FLOAT32, 1, one, stride};
    for (int kind = REDUCE_MIN; kind <= REDUCE_MAX; kind++) {
      reduce_params params = {kind, {1, axis}};
      assert_null(cpu_reduce(&(launch){&params, 1, 1, &in, &out}));
      assert_true(isnan(y));
    }
  }
}

static void takes_complex(void **state) {
  (void)state;
  float x[] = {1, 2, 1, 3, 0, 9}, y[2];
  const float wanted[][2] = {{2, 14}, {-45, -45}, {0, 9}, {1, 3}};
  int64_t shape[] = {3}, stride[] = {1}, one[] = {1}, axis[] = {0};
  operand in = {x, PONS_COMPLEX64, 1, shape, stride}, out = {y, PONS_COMPLEX64, 1, one, stride};
  for (int kind = REDUCE_SUM; kind < REDUCE_KINDS; kind++) {
    reduce_params params = {kind, {1, axis}};
    assert_null(cpu_reduce(&(launch){&params, 1, 1, &in, &out}));
    assert_memory_equal(y, wanted[kind - REDUCE_SUM], sizeof y);
  }
}

static void takes_wide_complex(void **state) {
  (void)state;
  double x[] = {1, 2, 1, 2.000000000001, 0, 9}, y[2];
  const double wanted[][2] = {{2, 13.000000000001}, {-36, -27}, {0, 9}, {1, 2.000000000001}};
  int64_t shape[] = {3}, stride[] = {1}, one[] = {1}, axis[] = {0};
  operand in = {x, PONS_COMPLEX128, 1, shape, stride}, out = {y, PONS_COMPLEX128, 1, one, stride};
  for (int kind = REDUCE_SUM; kind < REDUCE_KINDS; kind++) {
    reduce_params params = {kind, {1, axis}};
    assert_null(cpu_reduce(&(launch){&params, 1, 1, &in, &out}));
    for (int i = 0; i < 2; i++)
      check_near(y[i], wanted[kind - REDUCE_SUM][i], kind == REDUCE_PROD ? 1e-11 : 1e-15, "of complex128");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_loops), cmocka_unit_test(takes_long_rows_and_columns),
      cmocka_unit_test(keeps_accuracy),    cmocka_unit_test(nan_wins),
      cmocka_unit_test(takes_complex),     cmocka_unit_test(takes_wide_complex),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
