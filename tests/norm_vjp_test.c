/* norm_vjp_test.c: the gradients of RMSNorm and LayerNorm on the default device (PONS_DEVICE) against the chain rule in double: rows
   that a device's kernels keep in registers and others. PONS_SEED repeats a run. */
#include "ops/ops.h"
#include "random_numbers.h"
#include <pons/pons.h>
#undef fail /* of cmocka */
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct norm_case {
  pons_dtype dtype;
  int64_t rows, n;
  bool centred, has_weight, has_bias;
  enum { PLAIN, TRANSPOSED, SLICED } layout; /* TRANSPOSED: of rows; SLICED: rows begin anywhere */
} norm_case;

enum { X, W, B, G, OPERANDS };

/* Random elements that an array holds, as they are there: a matrix, a vector (rows 0) or a scalar (n 1, too). */
typedef struct sample {
  pons_array array;
  double *at;
} sample;
static sample sample_of(pons_dtype dtype, int64_t rows, int64_t n, bool is_scalar) {
  const int64_t count = rows ? rows * n : n;
  sample s = {NULL, malloc((size_t)count * sizeof(double))};
  char *bytes = malloc((size_t)count * pons_dtype_size(dtype));
  for (int64_t i = 0; i < count; i++) {
    char *to = bytes + (size_t)i * pons_dtype_size(dtype);
    dtype_write(dtype, to, (double)below(1 << 20) * 0x1p-19 - 1);
    s.at[i] = dtype_read(dtype, to);
  }
  s.array = pons_array_from(bytes, is_scalar ? PONS_SCALAR : rows ? PONS_SHAPE(rows, n) : PONS_SHAPE(n), dtype);
  free(bytes);
  return s;
}

/* The same elements, lying otherwise; rows are a matrix of rows of two. */
static pons_array laid_out(const norm_case *c, pons_array x) {
  if (c->layout == PLAIN) return x;
  if (c->layout == TRANSPOSED) {
    const pons_array apart = pons_reshape(x, PONS_SHAPE(2, c->rows / 2, c->n));
    return pons_swapaxes(pons_contiguous(pons_swapaxes(apart, 0, 1)), 0, 1);
  }
  const pons_array wide = pons_contiguous(pons_pad(x, PONS_SHAPE(0, 1), PONS_SHAPE(0, 2)));
  return pons_slice(wide, PONS_SHAPE(0, 1), PONS_SHAPE(c->rows, 1 + c->n), PONS_SCALAR);
}

/* Gradients of sum(g norm(x)) for a row, through mean and mean square; dw and db are added to. */
static void row_back(const norm_case *c, const double *x, const double *w, const double *g, double *dx, double *dw, double *db) {
  const double n = (double)c->n;
  double mean = 0, square = 0, d_square = 0, d_mean = 0;
  for (int64_t i = 0; i < c->n && c->centred; i++) mean += x[i] / n;
  for (int64_t i = 0; i < c->n; i++) square += pow(x[i] - mean, 2) / n;
  const double root = sqrt(square + (double)1e-3f);
  for (int64_t i = 0; i < c->n; i++) {
    const double gw = g[i] * w[c->has_weight ? i : 0];
    dw[i] += g[i] * (x[i] - mean) / root, db[i] += g[i];
    d_square += gw * (x[i] - mean) * -0.5 / (root * root * root);
    dx[i] = gw / root;
  }
  for (int64_t i = 0; i < c->n; i++) dx[i] += d_square * 2 * (x[i] - mean) / n;
  for (int64_t i = 0; i < c->n; i++) d_mean += dx[i] / n;
  for (int64_t i = 0; i < c->n && c->centred; i++) dx[i] -= d_mean;
}

static void expect_near(const norm_case *c, const char *what, pons_array result, const double *wanted, int64_t count, double within) {
  const double *got = pons_data(pons_astype(result, PONS_FLOAT64));
  if (!got) print_error("%s\n", pons_error());
  assert_non_null(got);
  for (int64_t i = 0; i < count; i++) {
    if (fabs(got[i] - wanted[i]) <= within * (1 + fabs(wanted[i]))) continue;
    print_error("%s, element %d: %.9g, not %.9g: %s, (%d, %d), centred %d, weight %d, bias %d, layout %d\n", what, (int)i, got[i],
                wanted[i], pons_dtype_name(c->dtype), (int)c->rows, (int)c->n, c->centred, c->has_weight, c->has_bias, (int)c->layout);
    assert_true(false);
  }
}

static double rounding_of(pons_dtype d) {
  return d == PONS_BFLOAT16 ? 0x1p-7 : d == PONS_FLOAT16 ? 0x1p-10 : d == PONS_FLOAT32 ? 0x1p-19 : 0x1p-45;
}

static void check_case(const norm_case *c) {
  const pons_scope scope = pons_scope_open();
  sample in[OPERANDS] = {sample_of(c->dtype, c->rows, c->n, false),
                         sample_of(c->dtype, 0, c->has_weight ? c->n : 1, !c->has_weight),
                         sample_of(c->dtype, 0, c->has_bias ? c->n : 1, !c->has_bias), sample_of(c->dtype, c->rows, c->n, false)};
  const pons_array x = laid_out(c, in[X].array), g = laid_out(c, in[G].array);
  const norm_params params = {1e-3f};
  pons_array results[3];
  if (c->centred)
    node_make_many(&prim_layer_norm_vjp, &params, 4, (pons_array[]){x, in[W].array, in[B].array, g}, results, 3);
  else
    node_make_many(&prim_rms_norm_vjp, &params, 3, (pons_array[]){x, in[W].array, g}, results, 2);
  double *dx = calloc((size_t)(c->rows * c->n + 2 * c->n), sizeof *dx), *dw = dx + c->rows * c->n, *db = dw + c->n;
  for (int64_t r = 0; r < c->rows; r++)
    row_back(c, in[X].at + r * c->n, in[W].at, in[G].at + r * c->n, dx + r * c->n, dw, db);
  const double within = 4 * rounding_of(c->dtype), of_sums = rounding_of(c->dtype) * (1 + sqrt((double)c->rows));
  expect_near(c, "dx", results[0], dx, c->rows * c->n, within);
  if (!c->has_weight) memset(dw, 0, (size_t)c->n * sizeof *dw);
  if (!c->has_bias) memset(db, 0, (size_t)c->n * sizeof *db);
  expect_near(c, "dw", results[1], dw, c->has_weight ? c->n : 1, of_sums);
  if (c->centred) expect_near(c, "db", results[2], db, c->has_bias ? c->n : 1, of_sums);
  if (c->has_weight && c->layout == PLAIN) { /* one step more: the sum is part of it */
    if (c->centred)
      node_make_many(&prim_layer_norm_vjp, &params, 4, (pons_array[]){x, in[W].array, in[B].array, g}, results, 3);
    else
      node_make_many(&prim_rms_norm_vjp, &params, 3, (pons_array[]){x, in[W].array, g}, results, 2);
    for (int64_t i = 0; i < c->rows * c->n; i++) dx[i] += in[X].at[i];
    expect_near(c, "x + dx", pons_add(x, results[0]), dx, c->rows * c->n, within);
  }
  free(dx);
  for (int i = 0; i < OPERANDS; i++) free(in[i].at);
  pons_scope_close(scope);
}

/* ---- cases ---- */

#define F16 PONS_FLOAT16
#define BF16 PONS_BFLOAT16
#define F32 PONS_FLOAT32
#define F64 PONS_FLOAT64

static void chosen(void **unused) {
  (void)unused;
  static const norm_case cases[] = {
      {BF16, 70, 64, true, true, true, PLAIN},      {F32, 9, 768, true, true, true, PLAIN},
      {F16, 40, 1024, false, true, false, PLAIN},   {BF16, 11, 2048, true, true, true, PLAIN}, /* a row for a whole group */
      {F32, 33, 37, true, true, true, PLAIN},       {F32, 20, 64, false, true, false, SLICED},
      {F32, 40, 96, true, true, true, TRANSPOSED},  {BF16, 20, 200, true, false, true, PLAIN},
      {F16, 20, 128, true, true, false, PLAIN},     {F32, 20, 128, false, false, false, PLAIN},
      {F32, 12, 100, true, false, false, SLICED},   {F32, 2, 9001, true, true, true, PLAIN},
      {F64, 30, 50, true, true, true, PLAIN},       {F64, 8, 64, false, true, false, TRANSPOSED},
      {F32, 4000, 16, true, true, true, PLAIN}, /* many parts */
      {F32, 1, 1, true, true, true, PLAIN},         {BF16, 700, 8, false, true, false, PLAIN},
  };
  /* Where compilers take seconds for each, some stand for all. */
  const char *device = getenv("PONS_DEVICE");
  const bool all = !device || strstr(device, "cuda");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (all || i % 3 == 1) check_case(&cases[i]);
}

static void random_ones(void **unused) {
  (void)unused;
  static const pons_dtype dtypes[] = {F32, F16, BF16};
  for (int turn = 0; turn < 12; turn++)
    check_case(&(norm_case){dtypes[turn % 3], 2 * (1 + below(60)), turn % 2 ? 64 : 70, below(2), true, true, (unsigned)below(3)});
}

int main(void) {
  begin_random_numbers();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chosen),
      cmocka_unit_test(random_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
