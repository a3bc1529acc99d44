/* matrices_for_tests.h: matrices for the tests of factorizations, and products of them in double. Uses cpu/lapack.h,
   cpu/operands_for_tests.h. */
#ifndef CPU_MATRICES_FOR_TESTS_H
#define CPU_MATRICES_FOR_TESTS_H
#include "backends/cpu/lapack.h"
#include "backends/cpu/operands_for_tests.h"

__attribute__((unused)) static bool is_missing(void) {
  if (!lapack_missing()) return false;
  print_message("skipped: there is no LAPACK\n");
  return true;
}

/* (n, columns of b) = a (m, k) b (k, n), row-major. */
__attribute__((unused)) static double *multiplied(int64_t m, int64_t n, int64_t k, const double *a, const double *b) {
  double *c = calloc((size_t)(m * n), sizeof *c);
  for (int64_t i = 0; i < m; i++)
    for (int64_t p = 0; p < k; p++)
      for (int64_t j = 0; j < n; j++) c[i * n + j] += a[i * k + p] * b[p * n + j];
  return c;
}

__attribute__((unused)) static double *values_of(const made *x) {
  const int64_t size = operand_size(&x->op);
  double *v = malloc((size_t)size * sizeof *v);
  for (int64_t i = 0; i < size; i++) v[i] = made_value(x, i);
  return v;
}

/* Numbers from -1 to 1, with `more` added to the diagonal. */
__attribute__((unused)) static void fill(made *x, double more) {
  for (int64_t i = 0; i < operand_size(&x->op); i++) {
    const double diagonal = i / x->shape[1] == i % x->shape[1] ? more : 0;
    dtype_write(x->op.dtype, made_element(x, i), (double)random_int(-1000, 1000) / 1000 + diagonal);
  }
}

/* Row-major, or columns that are neighbours. */
__attribute__((unused)) static void make_matrix(made *x, pons_dtype d, int64_t m, int64_t n, bool turned) {
  const int64_t shape[] = {m, n};
  make(x, d, 2, shape, false);
  if (turned) x->strides[0] = 1, x->strides[1] = m;
}

__attribute__((unused)) static double tolerance(pons_dtype d, int64_t n) { return (d == PONS_FLOAT32 ? 1e-6 : 1e-14) * (double)n; }
#endif
