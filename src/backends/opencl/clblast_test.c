/* clblast_test.c: products that CLBlast takes give what the CPU gives, whatever lies how: turned, with gaps, in batches that are
   not evenly spaced, with an addend; and which ones it takes. Run with the default device opencl; skipped elsewhere, and where
   there is no CLBlast. PONS_SEED sets the seed, which is printed. */
#include "backends/opencl/clblast.h"
#include "tests/seed.h"
#include <pons/pons.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail /* of cmocka */
#define FAIL(...) (print_error(__VA_ARGS__), assert_true(false))

static uint64_t seed;
static int64_t below(int64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int64_t)(seed >> 33) % n;
}

static pons_array on_cpu(pons_array (*make)(const pons_array *), const pons_array *in) {
  const char *before = pons_default_device();
  pons_set_default_device("cpu");
  pons_array y = make(in);
  assert_true(pons_eval(y));
  pons_set_default_device(before);
  return y;
}

static pons_array parts_of(pons_array a) {
  if (pons_dtype_of(a) == PONS_COMPLEX64) a = pons_view(pons_flatten(a, 0, -1), PONS_FLOAT32);
  return pons_astype(pons_flatten(a, 0, -1), PONS_FLOAT64);
}

static void compare(pons_array (*make)(const pons_array *), const pons_array *in, const char *what) {
  pons_array got = make(in), want = on_cpu(make, in);
  const double slack = pons_dtype_of(want) == PONS_FLOAT64 ? 1e-11 : 2e-4;
  const double *x = pons_data(parts_of(got)), *y = pons_data(parts_of(want));
  if (!x || !y) FAIL("%s: %s", what, pons_error());
  assert_int_equal(pons_size(got), pons_size(want));
  for (int64_t i = 0; i < pons_size(parts_of(want)); i++)
    if (!(fabs(x[i] - y[i]) <= slack * (1 + fabs(y[i])))) FAIL("%s: element %lld is %g, not %g", what, (long long)i, x[i], y[i]);
}

static pons_array drawn(pons_shape shape, pons_dtype d) {
  const pons_array key = pons_random_key((uint64_t)below(1 << 30));
  pons_array a = pons_random_normal(shape, d == PONS_FLOAT64 ? PONS_FLOAT32 : d, NULL, NULL, key);
  a = pons_astype(a, d);
  assert_true(pons_eval(a));
  return a;
}

/* (batch..., rows, columns), as it is, turned, or every other row of a larger one. */
static pons_array matrix(int64_t outer, int64_t inner, int64_t rows, int64_t columns, pons_dtype d) {
  switch (below(3)) {
    case 0: return drawn(PONS_SHAPE(outer, inner, rows, columns), d);
    case 1: return pons_swapaxes(drawn(PONS_SHAPE(outer, inner, columns, rows), d), -1, -2);
    default:
      return pons_slice(drawn(PONS_SHAPE(outer, inner, 2 * rows, columns + 3), d), PONS_SHAPE(0, 0, 0, 1),
                        PONS_SHAPE(outer, inner, 2 * rows, columns + 1), PONS_SHAPE(1, 1, 2, 1));
  }
}

static pons_array product(const pons_array *in) { return pons_matmul(in[0], in[1]); }
static pons_array product_and_more(const pons_array *in) {
  return pons_addmm(in[2], in[0], in[1], 0.5f, 2);
}

static void gives_what_the_cpu_gives(void **state) {
  (void)state;
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_COMPLEX64};
  for (int turn = 0; turn < 12; turn++) {
    const pons_scope s = pons_scope_open();
    const pons_dtype d = dtypes[turn % 3];
    const int64_t m = 60 + below(80), k = 60 + below(80), n = 80 + below(80), outer = 1 + below(2), inner = 1 + below(3);
    pons_array in[] = {matrix(outer, inner, m, k, d), matrix(outer, inner, k, n, d), drawn(PONS_SHAPE(n), d)};
    if (turn % 4 == 1) in[1] = pons_broadcast_to(matrix(outer, 1, k, n, d), PONS_SHAPE(outer, inner, k, n));
    if (turn % 4 == 2) in[0] = pons_swapaxes(matrix(inner, outer, m, k, d), 0, 1); /* its batch is no one axis */
    compare(product, in, "matmul");
    if (d != PONS_COMPLEX64) compare(product_and_more, in, "addmm");
    pons_scope_close(s);
  }
}

/* Nothing else may have computed it in CLBlast's place. */
static void takes_what_is_worth_it(void **state) {
  (void)state;
  const device *d = device_named("opencl");
  const int64_t sizes[][2] = {{64, 64}, {8, 8}}, strides[][2] = {{64, 1}, {8, 1}}, apart[] = {128, 2};
  for (int small = 0; small < 2; small++) {
    const operand x = {NULL, PONS_FLOAT32, 2, sizes[small], strides[small]}, in[] = {x, x};
    assert_string_equal(device_pick(d, "Matmul", &(launch){NULL, 2, 1, in, &x}, NULL)->name, small ? "matmul" : "clblast");
  }
  const operand y = {NULL, PONS_FLOAT32, 2, sizes[0], strides[0]}, x = {NULL, PONS_FLOAT32, 2, sizes[0], apart};
  const operand in[] = {x, y};
  assert_string_equal(clblast_refuses(&(launch){NULL, 2, 1, in, &y}), "CLBlast takes no such strides");
}

int main(void) {
  seed = seed_of_run(20261126);
  text report = {0};
  clblast_report(&report);
  const bool missing = strstr(report.at, "missing") != NULL;
  text_free(&report);
  if (strncmp(pons_default_device(), "opencl", 6) != 0 || missing) {
    print_message("skipped: %s\n", missing ? "there is no CLBlast" : "the default device is another");
    return 77;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(gives_what_the_cpu_gives), cmocka_unit_test(takes_what_is_worth_it)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
