/* norm_vjp_cpu_test.c: "RMSNormVJP" and "LayerNormVJP" against their definition in double. */
#include "backends/cpu/operands_for_tests.h"

enum { X, W, B, G, OPERANDS };

/* Gradients of sum(g norm(x)) for a row, by the chain rule through mean and mean square; dw and db are added to. */
static void row_back(const made *in, int64_t row, int64_t n, bool centred, double eps, double *dx, double *dw, double *db) {
  double mean = 0, square = 0, d_square = 0, d_mean = 0;
  for (int64_t i = 0; i < n && centred; i++) mean += made_value(&in[X], row * n + i) / (double)n;
  for (int64_t i = 0; i < n; i++) square += pow(made_value(&in[X], row * n + i) - mean, 2) / (double)n;
  const double root = sqrt(square + eps);
  for (int64_t i = 0; i < n; i++) {
    const double x = made_value(&in[X], row * n + i) - mean, g = made_value(&in[G], row * n + i);
    const double gw = g * made_value(&in[W], in[W].op.ndim ? i : 0);
    dw[i] += g * x / root, db[i] += g;
    d_square += gw * x * -0.5 / (root * root * root);
    dx[i] = gw / root;
  }
  for (int64_t i = 0; i < n; i++) dx[i] += d_square * 2 * (made_value(&in[X], row * n + i) - mean) / (double)n;
  for (int64_t i = 0; i < n; i++) d_mean += dx[i] / (double)n;
  for (int64_t i = 0; i < n && centred; i++) dx[i] -= d_mean;
}

static void check_case(pons_dtype d, int n, const int64_t *shape, bool any_layout, bool has_weights) {
  const norm_params params = {1e-3f};
  const int64_t width = shape[n - 1];
  made in[OPERANDS], out[3];
  make(&in[X], d, n, shape, any_layout), make(&in[G], d, n, shape, any_layout);
  make(&in[W], d, has_weights, &width, any_layout), make(&in[B], d, has_weights, &width, any_layout);
  int64_t rows = 1;
  for (int i = 0; i < n - 1; i++) rows *= shape[i];
  double *dx = calloc((size_t)(3 * width + 1), sizeof *dx), *dw = dx + width, *db = dw + width;
  for (int centred = 0; centred < 2; centred++) {
    make_out(&out[0], d, n, shape), make_out(&out[1], d, has_weights, &width), make_out(&out[2], d, has_weights, &width);
    const operand rms[] = {in[X].op, in[W].op, in[G].op}, layer[] = {in[X].op, in[W].op, in[B].op, in[G].op};
    const operand results[] = {out[0].op, out[1].op, out[2].op};
    const launch l = {&params, 3 + centred, 2 + centred, centred ? layer : rms, results};
    assert_null(cpu_refuses_norm_vjp(&l));
    run_well(centred ? cpu_layer_norm_vjp : cpu_rms_norm_vjp, &l);
    const double tolerance = 16 * precision_of(d), of_sums = tolerance * sqrt(1 + (double)rows);
    for (int64_t i = 0; i < 2 * width; i++) dw[i] = 0;
    for (int64_t r = 0; r < rows; r++) {
      row_back(in, r, width, centred, (double)params.eps, dx, dw, db);
      for (int64_t i = 0; i < width; i++) check_near(made_value(&out[0], r * width + i), dx[i], tolerance, "dx");
    }
    for (int64_t i = 0; i < (has_weights ? width : 1); i++) {
      check_near(made_value(&out[1], i), has_weights ? dw[i] : 0, of_sums, "dw");
      if (centred) check_near(made_value(&out[2], i), has_weights ? db[i] : 0, of_sums, "db");
    }
    for (int i = 0; i < 3; i++) unmake(&out[i]);
  }
  free(dx);
  for (int i = 0; i < OPERANDS; i++) unmake(&in[i]);
}

static void agrees_with_the_definition(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16};
  for (int turn = 0; turn < 80; turn++) {
    int64_t shape[3];
    int n = (int)random_int(1, 3);
    for (int i = 0; i < n; i++) shape[i] = random_int(0, 15) ? random_int(1, 70) : 0;
    check_case(dtypes[turn % 3], n, shape, turn / 3 % 2, turn % 5);
  }
  for (int i = 0; i < 3; i++) {
    check_case(dtypes[i], 2, (int64_t[]){3, 1500}, i % 2, true);
    check_case(dtypes[i], 2, (int64_t[]){1500, 3}, i % 2, true); /* several pieces */
  }
}

static void no_memory_is_an_error(void **state) {
  (void)state;
  const norm_params params = {1e-3f};
  const int64_t shape[] = {100, 8};
  made in[3], out[2];
  for (int i = 0; i < 3; i++) make(&in[i], PONS_BFLOAT16, i == 1 ? 1 : 2, shape + (i == 1), false);
  for (int i = 0; i < 2; i++) make_out(&out[i], PONS_BFLOAT16, 2 - i, shape + i);
  const operand operands[] = {in[0].op, in[1].op, in[2].op}, results[] = {out[0].op, out[1].op};
  int failures = 0;
  for (int64_t n = 1;; n++) {
    mem_fail_at(n);
    error *why = cpu_rms_norm_vjp(&(launch){&params, 3, 2, operands, results});
    const int64_t made_since = mem_fail_at(0);
    failures += why != NULL;
    error_release(why);
    if (made_since < n) break;
  }
  assert_true(failures >= 3);
  for (int i = 0; i < 3; i++) unmake(&in[i]);
  for (int i = 0; i < 2; i++) unmake(&out[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_definition),
      cmocka_unit_test(no_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
