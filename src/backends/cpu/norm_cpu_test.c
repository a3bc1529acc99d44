/* norm_cpu_test.c: "RMSNorm" and "LayerNorm" against loops in double. */
#include "backends/cpu/operands_for_tests.h"

/* What of x is left of the mean, over the root of its mean square. */
static void check_row(const made *x, const made *w, const made *b, const made *y, int64_t row, double eps) {
  const pons_dtype d = x->op.dtype;
  const int64_t n = x->shape[x->op.ndim - 1];
  long double mean = 0, square = 0;
  for (int64_t i = 0; i < n && b; i++) mean += made_value(x, row * n + i) / (long double)n;
  for (int64_t i = 0; i < n; i++) square += powl(made_value(x, row * n + i) - mean, 2) / (long double)n;
  for (int64_t i = 0; i < n; i++) {
    double wanted = (double)((made_value(x, row * n + i) - mean) / sqrtl(square + eps));
    wanted *= made_value(w, w->op.ndim ? i : 0);
    if (b) wanted += made_value(b, b->op.ndim ? i : 0);
    check_near(made_value(y, row * n + i), wanted, 4 * precision_of(d), b ? "layer_norm" : "rms_norm");
  }
}

static void check_case(pons_dtype d, int n, const int64_t *shape, bool any_layout, bool has_weights) {
  const norm_params params = {1e-3f};
  made x, w, b, y;
  make(&x, d, n, shape, any_layout);
  make(&w, d, has_weights, &shape[n - 1], any_layout);
  make(&b, d, has_weights, &shape[n - 1], any_layout);
  for (int centred = 0; centred < 2; centred++) {
    make_out(&y, d, n, shape);
    const operand in[] = {x.op, w.op, b.op};
    const launch l = {&params, 2 + centred, 1, in, &y.op};
    assert_null(cpu_refuses_norm(&l));
    run_well(centred ? cpu_layer_norm : cpu_rms_norm, &l);
    int64_t rows = 1;
    for (int i = 0; i < n - 1; i++) rows *= shape[i];
    for (int64_t r = 0; r < rows; r++) check_row(&x, &w, centred ? &b : NULL, &y, r, (double)params.eps);
    unmake(&y);
  }
  unmake(&x), unmake(&w), unmake(&b);
}

static void agrees_with_loops(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_FLOAT16, PONS_BFLOAT16};
  for (int turn = 0; turn < 80; turn++) {
    int64_t shape[3];
    int n = (int)random_int(1, 3);
    for (int i = 0; i < n; i++) shape[i] = random_int(0, 15) ? random_int(1, 70) : 0;
    check_case(dtypes[turn % 4], n, shape, turn / 4 % 2, turn % 5);
  }
  for (int i = 0; i < 4; i++) {
    check_case(dtypes[i], 2, (int64_t[]){3, 1500}, i % 2, true);
    check_case(dtypes[i], 2, (int64_t[]){2, 8200}, false, true); /* longer than what is kept of a row */
  }
}

/* ---- halves are rounded once ---- */

static const struct {
  const char *name;
  double mean, spread, first; /* first: if not 0, that of the row's first element */
} sorts[] = {{"around 0", 0, 2, 0}, {"far from 0", 100, 1, 0}, {"far, and as good as equal", 1000, 0.01, 0}, {"one far from all", 0, 1, 1000}, {"small", 0, 1e-4, 0}};
enum { SORTS = sizeof sorts / sizeof *sorts };

static void fill_rows(made *x, int64_t n) {
  for (int64_t i = 0; i < SORTS * n; i++) {
    const int k = (int)(i / n);
    const double one = sorts[k].mean + sorts[k].spread * (double)random_int(-1000, 1000) / 1000;
    dtype_write(x->op.dtype, made_element(x, i), i % n == 0 && sorts[k].first != 0 ? sorts[k].first : one);
  }
}
/* Half a unit, and what float32 loses of terms that cancel. */
static void check_rounded_once(pons_dtype d, int64_t n, int centred) {
  const norm_params params = {1e-5f};
  const int64_t shape[] = {SORTS, n};
  made x, w, b, y;
  make(&x, d, 2, shape, false), make(&w, d, 1, &n, false), make(&b, d, 1, &n, false);
  make_out(&y, d, 2, shape);
  fill_rows(&x, n);
  run_well(centred ? cpu_layer_norm : cpu_rms_norm, &(launch){&params, 2 + centred, 1, (operand[]){x.op, w.op, b.op}, &y.op});
  for (int64_t i = 0; i < SORTS * n; i++) {
    long double mean = 0, square = 0;
    const int64_t row = i / n * n;
    for (int64_t k = 0; k < n && centred; k++) mean += made_value(&x, row + k) / (long double)n;
    for (int64_t k = 0; k < n; k++) square += powl(made_value(&x, row + k) - mean, 2) / (long double)n;
    const double factor = made_value(&w, i % n) / (double)sqrtl(square + (long double)params.eps);
    const double weighted = (double)(made_value(&x, i) - mean) * factor, bias = centred ? made_value(&b, i % n) : 0;
    const double lost = 0x1p-15 * (fabs(weighted) + fabs(bias)) + 0x1p-23 * fabs((double)mean * factor) + 1e-9;
    const double got = made_value(&y, i), wanted = weighted + bias, apart = fmax(0, fabs(got - wanted) - lost);
    if (!(units_apart(d, wanted + apart, wanted) <= 0.501))
      fail_msg("%s of %s, %s: element %d of %d is %.9g, should be %.9g", centred ? "layer_norm" : "rms_norm", pons_dtype_name(d),
               sorts[i / n].name, (int)(i % n), (int)n, got, wanted);
  }
  unmake(&x), unmake(&w), unmake(&b), unmake(&y);
}
static void halves_are_rounded_once(void **state) {
  (void)state;
  for (int64_t n = 1; n <= 70; n++)
    for (int k = 0; k < 4; k++) check_rounded_once(k / 2 ? PONS_FLOAT16 : PONS_BFLOAT16, n, k % 2);
  check_rounded_once(PONS_BFLOAT16, 1100, true);
}

/* Infinity and NaN make of a row what they make of one of float32. */
static void infinities_and_nan(void **state) {
  (void)state;
  const double odd[] = {HUGE_VAL, -HUGE_VAL, NAN, -NAN, 0x1p100};
  const int64_t shape[] = {5, 40};
  const norm_params params = {1e-5f};
  made x, w, b, y, wide[4];
  make(&x, PONS_BFLOAT16, 2, shape, false), make(&w, PONS_BFLOAT16, 1, &shape[1], false), make(&b, PONS_BFLOAT16, 1, &shape[1], false);
  for (int64_t r = 0; r < 5; r++) dtype_write(PONS_BFLOAT16, made_element(&x, r * 40 + random_int(0, 39)), odd[r]);
  const made *narrow[] = {&x, &w, &b};
  for (int i = 0; i < 3; i++) {
    make(&wide[i], PONS_FLOAT32, narrow[i]->op.ndim, narrow[i]->shape, false);
    for (int64_t k = 0; k < operand_size(&narrow[i]->op); k++)
      dtype_write(PONS_FLOAT32, made_element(&wide[i], k), made_value(narrow[i], k));
  }
  for (int centred = 0; centred < 2; centred++) {
    make_out(&y, PONS_BFLOAT16, 2, shape), make_out(&wide[3], PONS_FLOAT32, 2, shape);
    error *(*run)(const launch *) = centred ? cpu_layer_norm : cpu_rms_norm;
    run_well(run, &(launch){&params, 2 + centred, 1, (operand[]){x.op, w.op, b.op}, &y.op});
    run_well(run, &(launch){&params, 2 + centred, 1, (operand[]){wide[0].op, wide[1].op, wide[2].op}, &wide[3].op});
    for (int64_t i = 0; i < 200; i++) check_near(made_value(&y, i), made_value(&wide[3], i), 0x1p-8, "beside infinity or NaN");
    unmake(&y), unmake(&wide[3]);
  }
  for (int i = 0; i < 3; i++) unmake(&wide[i]);
  unmake(&x), unmake(&w), unmake(&b);
}

/* Rows that begin with a cache line, and others. */
static void results_that_outgrow_the_cache(void **state) {
  (void)state;
  static const struct {
    pons_dtype dtype;
    int64_t n, off;
    int centred;
  } cases[] = {{PONS_FLOAT32, 4096, 0, 1},  {PONS_FLOAT32, 4096, 1, 0},  {PONS_FLOAT32, 8256, 0, 1},
               {PONS_BFLOAT16, 1024, 0, 0}, {PONS_BFLOAT16, 1030, 0, 1}, {PONS_FLOAT16, 2048, 0, 1},
               {PONS_FLOAT64, 1000, 0, 1}};
  const norm_params params = {1e-3f};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const pons_dtype d = cases[i].dtype;
    const int64_t n = cases[i].n;
    const int centred = cases[i].centred;
    large l;
    made w, b, y;
    make_large(&l, d, n, cases[i].off);
    make(&w, d, 1, &n, false);
    make(&b, d, 1, &n, false);
    const operand in[] = {l.x, w.op, b.op};
    run_well(centred ? cpu_layer_norm : cpu_rms_norm, &(launch){&params, 2 + centred, 1, in, &l.out});
    make_out(&y, d, 1, &n);
    memcpy(y.memory, large_row(&l), (size_t)n * pons_dtype_size(d));
    check_row(&l.row, &w, centred ? &b : NULL, &y, 0, (double)params.eps);
    unmake_large(&l);
    unmake(&w), unmake(&b), unmake(&y);
  }
}

/* Sums that bfloat16 holds: +-1 times the weight, and the bias. */
static void exact_in_bfloat16(void **state) {
  (void)state;
  uint16_t x[2], w[2], b[2], y[2];
  int64_t shape[] = {1, 2}, strides[] = {2, 1};
  const double values[3][2] = {{3, 1}, {1.0078125, 1}, {1.0078125, 0}};
  for (int i = 0; i < 2; i++) {
    dtype_write(PONS_BFLOAT16, &x[i], values[0][i]);
    dtype_write(PONS_BFLOAT16, &w[i], values[1][i]);
    dtype_write(PONS_BFLOAT16, &b[i], values[2][i]);
  }
  const operand in[] = {{x, PONS_BFLOAT16, 2, shape, strides},
                        {w, PONS_BFLOAT16, 1, shape + 1, strides + 1},
                        {b, PONS_BFLOAT16, 1, shape + 1, strides + 1}};
  const operand out = {y, PONS_BFLOAT16, 2, shape, strides};
  assert_null(cpu_layer_norm(&(launch){&(norm_params){0}, 3, 1, in, &out}));
  /* 1 * 1.0078125 + 1.0078125 = 2.015625; -1 * 1 + 0 */
  check_near(dtype_read(PONS_BFLOAT16, &y[0]), 2.015625, 0, "first");
  check_near(dtype_read(PONS_BFLOAT16, &y[1]), -1, 0, "second");
}

static void refuses_mixed_dtypes(void **state) {
  (void)state;
  int64_t shape[] = {2}, strides[] = {1};
  const operand in[] = {{NULL, PONS_FLOAT16, 1, shape, strides}, {NULL, PONS_FLOAT32, 1, shape, strides}};
  const operand out = {NULL, PONS_FLOAT32, 1, shape, strides};
  assert_non_null(cpu_refuses_norm(&(launch){NULL, 2, 1, in, &out}));
}

/* Products of large weights, and infinite ones, are what they are for others. */
static void weights_of_any_size(void **state) {
  (void)state;
  const int64_t shape[] = {3, 70};
  const double weights[] = {0x1p120, -0x1p115, HUGE_VAL, 0x1p63, -0x1p64, 0x1p-100, 0};
  const norm_params params = {1e-3f};
  made x, w, b, y;
  make(&x, PONS_BFLOAT16, 2, shape, false), make(&w, PONS_BFLOAT16, 1, &shape[1], false);
  make(&b, PONS_BFLOAT16, 1, &shape[1], false);
  for (int infinite = 0; infinite < 2; infinite++) {
    for (int64_t i = 0; i < 70; i++)
      dtype_write(PONS_BFLOAT16, made_element(&w, i), weights[!infinite && i % 7 == 2 ? 0 : i % 7]);
    for (int64_t i = 0; i < 210; i++) dtype_write(PONS_BFLOAT16, made_element(&x, i), i % 70 % 2 * 3 + i % 70 / 35);
    make_out(&y, PONS_BFLOAT16, 2, shape);
    run_well(cpu_layer_norm, &(launch){&params, 3, 1, (operand[]){x.op, w.op, b.op}, &y.op});
    for (int64_t r = 0; r < 3; r++) check_row(&x, &w, &b, &y, r, (double)params.eps);
    unmake(&y);
  }
  unmake(&x), unmake(&w), unmake(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_loops), cmocka_unit_test(weights_of_any_size), cmocka_unit_test(exact_in_bfloat16),
                                     cmocka_unit_test(halves_are_rounded_once), cmocka_unit_test(infinities_and_nan),
                                     cmocka_unit_test(results_that_outgrow_the_cache),
                                     cmocka_unit_test(refuses_mixed_dtypes)};
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
