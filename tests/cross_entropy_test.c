/* cross_entropy_test.c: the loss of known classes, its gradient and the logarithm of sums of exponentials on the default device
   (PONS_DEVICE) against their formulas in double: rows that a device's kernels keep in registers, read once or read again. PONS_SEED
   repeats a run. */
#include "base/base.h"
#include "random_numbers.h"
#include <pons/pons.h>
#undef fail /* of cmocka */
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct loss_case {
  pons_dtype dtype, targets;
  int64_t rows, n;
  enum { PLAIN, SLICED, APART } layout; /* SLICED: rows begin anywhere; APART: every other element */
  double scale;
} loss_case;

/* Logits, as they are in their dtype; in the first rows a few are special. */
static pons_array logits_of(const loss_case *c, double *x) {
  static const double special[] = {-INFINITY, INFINITY, NAN};
  const size_t size = pons_dtype_size(c->dtype);
  char *bytes = malloc((size_t)(c->rows * c->n) * size);
  for (int64_t i = 0; i < c->rows * c->n; i++) {
    const int64_t row = i / c->n;
    const bool is_special = row < 3 && i % c->n % 7 == 3;
    dtype_write(c->dtype, bytes + (size_t)i * size, is_special ? special[row] : c->scale * ((double)below(1 << 20) * 0x1p-19 - 1));
    x[i] = dtype_read(c->dtype, bytes + (size_t)i * size);
  }
  pons_array plain = pons_array_from(bytes, PONS_SHAPE(c->rows, c->n), c->dtype);
  free(bytes);
  if (c->layout == PLAIN) return plain;
  if (c->layout == SLICED) {
    pons_array wide = pons_contiguous(pons_pad(plain, PONS_SHAPE(0, 1), PONS_SHAPE(0, 2)));
    return pons_slice(wide, PONS_SHAPE(0, 1), PONS_SHAPE(c->rows, 1 + c->n), PONS_SCALAR);
  }
  pons_array twice = pons_contiguous(pons_repeat(plain, 2, 1));
  return pons_slice(twice, PONS_SHAPE(0, 0), PONS_SHAPE(c->rows, 2 * c->n), PONS_SHAPE(1, 2));
}

static void expect_near(const loss_case *c, const char *what, pons_array result, const double *wanted, int64_t count, double within) {
  const double *got = pons_data(pons_astype(result, PONS_FLOAT64));
  if (!got) print_error("%s\n", pons_error());
  assert_non_null(got);
  for (int64_t i = 0; i < count; i++) {
    if (got[i] == wanted[i] || (isnan(got[i]) && isnan(wanted[i])) || fabs(got[i] - wanted[i]) <= within * (1 + fabs(wanted[i])))
      continue;
    print_error("%s, element %d: %.9g, not %.9g: %s, (%d, %d), layout %d\n", what, (int)i, got[i], wanted[i], pons_dtype_name(c->dtype),
                (int)c->rows, (int)c->n, (int)c->layout);
    assert_true(false);
  }
}

/* sum(weights * loss), whose gradient has a factor per row */
static void loss_of(void *weights, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_multiply(((pons_array *)weights)[0], pons_fast_cross_entropy(in[0], in[1])));
}

static double log_sum_exp(const double *x, int64_t n) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++) most = isnan(x[i]) || x[i] > most ? x[i] : most;
  if (isinf(most) || isnan(most)) return most;
  for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
  return most + log(sum);
}

static double rounding_of(pons_dtype d) {
  return d == PONS_BFLOAT16 ? 0x1p-7 : d == PONS_FLOAT16 ? 0x1p-10 : d == PONS_FLOAT32 ? 0x1p-19 : 0x1p-45;
}

/* Rows with infinities and NaN have no gradient to look at, but those with -inf. */
static void check_case(const loss_case *c) {
  const pons_scope scope = pons_scope_open();
  double *x = malloc((size_t)(2 * c->rows * c->n + 4 * c->rows) * sizeof *x), *slopes = x + c->rows * c->n,
         *sums = slopes + c->rows * c->n, *losses = sums + c->rows;
  int64_t *places = (int64_t *)(void *)(losses + c->rows);
  float *factors = (float *)(places + c->rows);
  pons_array logits = logits_of(c, x);
  for (int64_t r = 0; r < c->rows; r++) {
    int64_t at = 7 * below((c->n + 6) / 7); /* no special one */
    sums[r] = log_sum_exp(x + r * c->n, c->n);
    losses[r] = sums[r] - x[r * c->n + at];
    factors[r] = (float)below(100) / 64;
    for (int64_t i = 0; i < c->n; i++)
      slopes[r * c->n + i] = factors[r] * (exp(x[r * c->n + i] - sums[r]) - (i == at));
    places[r] = r % 2 && dtype_kind_of(c->targets) == KIND_SIGNED ? at - c->n : at; /* counted from the end, too */
  }
  pons_array targets = pons_astype(pons_array_from(places, PONS_SHAPE(c->rows), PONS_INT64), c->targets);
  pons_array weights = pons_array_from(factors, PONS_SHAPE(c->rows), PONS_FLOAT32), in[] = {logits, targets};
  const double wide = rounding_of(c->dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32);
  expect_near(c, "loss", pons_fast_cross_entropy(logits, targets), losses, c->rows, 8 * wide);
  expect_near(c, "logsumexp", pons_logsumexp(logits, .axes = PONS_AXES(-1)), sums, c->rows, rounding_of(c->dtype));
  pons_function f = pons_function_new(loss_of, 1, &weights, NULL), g = pons_grad(f, PONS_AXES(0));
  pons_array grad = NULL;
  assert_true(pons_call(g, in, 2, &grad, 1));
  expect_near(c, "gradient", pons_slice(grad, PONS_SHAPE(3, 0), PONS_SHAPE(c->rows, c->n), PONS_SCALAR), slopes + 3 * c->n,
              (c->rows - 3) * c->n, rounding_of(c->dtype));
  expect_near(c, "gradient", pons_slice(grad, PONS_SHAPE(0, 0), PONS_SHAPE(1, c->n), PONS_SCALAR), slopes, c->n,
              rounding_of(c->dtype));
  pons_function_release(g);
  pons_function_release(f);
  free(x);
  pons_scope_close(scope);
}

static void rows_of_all_lengths(void **unused) {
  (void)unused;
  static const loss_case cases[] = {
      {PONS_BFLOAT16, PONS_INT32, 9, 5003, PLAIN, 6},   {PONS_BFLOAT16, PONS_INT64, 5, 9000, PLAIN, 60},
      {PONS_FLOAT32, PONS_INT32, 40, 10, PLAIN, 6},     {PONS_FLOAT16, PONS_INT16, 6, 1024, PLAIN, 20},
      {PONS_FLOAT32, PONS_UINT32, 7, 33000, SLICED, 3}, {PONS_FLOAT16, PONS_INT32, 5, 1501, SLICED, 9},
      {PONS_FLOAT32, PONS_UINT8, 5, 250, APART, 4},     {PONS_FLOAT32, PONS_INT32, 4, 2002, APART, 500},
      {PONS_BFLOAT16, PONS_INT32, 4, 66000, PLAIN, 8},  {PONS_FLOAT64, PONS_INT64, 5, 3001, PLAIN, 30},
      {PONS_FLOAT64, PONS_INT64, 5, 64, SLICED, 30},
  };
  /* Where compilers take seconds for each, some stand for all. */
  const char *device = getenv("PONS_DEVICE");
  const bool all = !device || strstr(device, "cuda");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (all || i % 3 == 0) check_case(&cases[i]);
}

int main(void) {
  begin_random_numbers();
  const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_all_lengths)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
