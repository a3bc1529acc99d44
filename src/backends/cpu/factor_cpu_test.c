/* factor_cpu_test.c: "SolveTriangular", and "LUF", "Inverse", "Cholesky" and "QRF" of matrices large enough to be factored by blocks: factors multiplied
   in double give the matrix again, and are the same bits for any number of threads. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/matrices_for_tests.h"

static void lu_gives_the_matrix_again(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t sizes[][2] = {{384, 384}, {450, 390}, {400, 530}, {200, 180}};
  for (int turn = 0; turn < 8; turn++) {
    const pons_dtype d = turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    const int64_t m = sizes[turn / 2][0], n = sizes[turn / 2][1], k = smaller(m, n);
    made a, lu, pivots, rows;
    make_matrix(&a, d, m, n, random_int(0, 1)), fill(&a, 0);
    make_out(&lu, d, 2, (const int64_t[]){m, n});
    make_out(&pivots, PONS_UINT32, 1, &k), make_out(&rows, PONS_UINT32, 1, &m);
    const operand out[] = {lu.op, pivots.op, rows.op};
    run_well(cpu_lu, &(launch){NULL, 1, 3, &a.op, out});
    double *lower = calloc((size_t)(m * k), sizeof *lower), *upper = calloc((size_t)(k * n), sizeof *upper);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        const double x = made_value(&lu, i * n + j);
        if (j < i && j < k) lower[i * k + j] = x;
        if (i == j) lower[i * k + j] = 1;
        if (j >= i && i < k) upper[i * n + j] = x;
        assert_true(j >= i || fabs(x) <= 1); /* rows were exchanged so */
      }
    double *product = multiplied(m, n, k, lower, upper);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++)
        check_near(product[(int64_t)made_value(&rows, i) * n + j], made_value(&a, i * n + j), tolerance(d, k), "L U");
    free(lower), free(upper), free(product);
    unmake(&a), unmake(&lu), unmake(&pivots), unmake(&rows);
  }
}

static void inverse_times_matrix_is_one(void **state) {
  (void)state;
  if (is_missing()) return;
  for (int turn = 0; turn < 6; turn++) {
    const pons_dtype d = turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    const int64_t n = turn < 4 ? 384 + random_int(0, 90) : 100;
    const inverse_params whole = {false, false};
    made a, out;
    make_matrix(&a, d, n, n, random_int(0, 1)), fill(&a, 12);
    make_out(&out, d, 2, (const int64_t[]){n, n});
    run_well(cpu_inverse, &(launch){&whole, 1, 1, &a.op, &out.op});
    double *x = values_of(&a), *y = values_of(&out), *product = multiplied(n, n, n, x, y);
    for (int64_t i = 0; i < n * n; i++) check_near(product[i], i / n == i % n, 10 * tolerance(d, n), "A A^-1");
    free(x), free(y), free(product);
    unmake(&a), unmake(&out);
  }
}

/* A row of zeros: the first zero on U's diagonal is the last. */
static void singular_is_an_error(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t n = 400;
  const inverse_params whole = {false, false};
  made a, out;
  make_matrix(&a, PONS_FLOAT32, n, n, false), fill(&a, 0);
  for (int64_t j = 0; j < n; j++) dtype_write(PONS_FLOAT32, made_element(&a, 7 * n + j), 0);
  make_out(&out, PONS_FLOAT32, 2, (const int64_t[]){n, n});
  error *why = run_with_threads(cpu_inverse, &(launch){&whole, 1, 1, &a.op, &out.op});
  assert_non_null(why);
  assert_non_null(strstr(error_text(why), "singular: element 399 of the diagonal of U"));
  error_release(why);
  unmake(&a), unmake(&out);
}

static void cholesky_times_itself_is_the_matrix(void **state) {
  (void)state;
  if (is_missing()) return;
  for (int turn = 0; turn < 6; turn++) {
    const pons_dtype d = turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    const int64_t n = turn < 4 ? 384 + random_int(0, 90) : 100;
    const cholesky_params params = {.upper = turn % 4 > 1};
    made a, out;
    make_matrix(&a, d, n, n, random_int(0, 1)), fill(&a, (double)n);
    make_out(&out, d, 2, (const int64_t[]){n, n}); /* one triangle of a is read */
    run_well(cpu_cholesky, &(launch){&params, 1, 1, &a.op, &out.op});
    double *x = values_of(&out), *y = malloc((size_t)(n * n) * sizeof *y);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) y[i * n + j] = x[j * n + i];
    double *product = params.upper ? multiplied(n, n, n, y, x) : multiplied(n, n, n, x, y);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) {
        const bool above = j > i, read = params.upper ? j >= i : j <= i;
        if (read) check_near(product[i * n + j], made_value(&a, i * n + j), tolerance(d, n), "L LT");
        if (above != params.upper && i != j) assert_true(x[i * n + j] == 0);
      }
    free(x), free(y), free(product);
    unmake(&a), unmake(&out);
  }
}

static void not_definite_is_told(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t n = 400;
  const cholesky_params params = {false};
  made a, out;
  make_matrix(&a, PONS_FLOAT64, n, n, false), fill(&a, (double)n);
  dtype_write(PONS_FLOAT64, made_element(&a, 333 * n + 333), -1);
  make_out(&out, PONS_FLOAT64, 2, (const int64_t[]){n, n});
  error *why = run_with_threads(cpu_cholesky, &(launch){&params, 1, 1, &a.op, &out.op});
  assert_non_null(why);
  assert_non_null(strstr(error_text(why), "its leading minor of order 334 is not"));
  error_release(why);
  unmake(&a), unmake(&out);
}

/* Some columns are zero, or below the diagonal: there is nothing to reflect. */
static void qr_gives_the_matrix_again(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t sizes[][2] = {{384, 384}, {450, 390}, {400, 530}, {200, 180}};
  for (int turn = 0; turn < 8; turn++) {
    const pons_dtype d = turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    const int64_t m = sizes[turn / 2][0], n = sizes[turn / 2][1], k = smaller(m, n);
    made a, q, r;
    make_matrix(&a, d, m, n, random_int(0, 1)), fill(&a, 0);
    for (int64_t i = 0; i < m; i++) {
      dtype_write(d, made_element(&a, i * n + 70), 0);
      if (i) dtype_write(d, made_element(&a, i * n), 0);
    }
    make_out(&q, d, 2, (const int64_t[]){m, k}), make_out(&r, d, 2, (const int64_t[]){k, n});
    const operand out[] = {q.op, r.op};
    run_well(cpu_qr, &(launch){NULL, 1, 2, &a.op, out});
    double *x = values_of(&q), *y = values_of(&r), *product = multiplied(m, n, k, x, y);
    double *turned = malloc((size_t)(m * k) * sizeof *turned), *square;
    for (int64_t i = 0; i < m * n; i++) check_near(product[i], made_value(&a, i), tolerance(d, k), "Q R");
    for (int64_t i = 0; i < m * k; i++) turned[i % k * m + i / k] = x[i];
    square = multiplied(k, k, m, turned, x);
    for (int64_t i = 0; i < k * k; i++) check_near(square[i], i / k == i % k, tolerance(d, k), "QT Q");
    for (int64_t i = 0; i < k * n; i++) assert_true(i % n >= i / n || y[i] == 0);
    free(x), free(y), free(product), free(turned), free(square);
    unmake(&a), unmake(&q), unmake(&r);
  }
}

/* Triangles in rows, in columns and with gaps, large ones by halves; right-hand sides of any layout, in several pieces. */
static void triangles_are_solved(void **state) {
  (void)state;
  if (is_missing()) return;
  for (int turn = 0; turn < 20; turn++) {
    const pons_dtype d = turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    const int64_t n = turn < 12 ? random_int(1, 60) : random_int(193, 450), k = turn % 3 ? random_int(1, 5) : random_int(120, 300), batch = random_int(1, 3);
    const int64_t square[] = {batch, n, n}, sides[] = {batch, n, k};
    const solve_params params = {.upper = turn % 4 > 1};
    made t, b, x;
    make(&t, d, 3, square, false), make(&b, d, 3, sides, turn > 2);
    for (int64_t i = 0; i < operand_size(&t.op); i++)
      dtype_write(d, made_element(&t, i), i / n % n == i % n ? 40 : (double)random_int(-9, 9) / 9);
    if (turn % 4 == 3) t.strides[1] = 1, t.strides[2] = n;
    make_out(&x, d, 3, sides);
    const operand in[] = {t.op, b.op};
    run_well(cpu_solve_triangular, &(launch){&params, 2, 1, in, &x.op});
    for (int64_t at = 0; at < operand_size(&x.op); at++) {
      const int64_t i = at / k % n, matrix = at / k / n;
      double sum = 0;
      for (int64_t p = params.upper ? i : 0; p < (params.upper ? n : i + 1); p++)
        sum += made_value(&t, (matrix * n + i) * n + p) * made_value(&x, (matrix * n + p) * k + at % k);
      check_near(sum, made_value(&b, at), d == PONS_FLOAT32 ? 1e-5 : 1e-13, "t x");
    }
    unmake(&t), unmake(&b), unmake(&x);
  }
}

static void check_failures(error *(*run)(const launch *l), const launch *l) {
  int failures = 0;
  for (int64_t n_th = 1;; n_th += 1 + n_th / 4) {
    mem_fail_at(n_th);
    error *why = run(l);
    const int64_t made_since = mem_fail_at(0);
    failures += why != NULL;
    error_release(why);
    if (made_since < n_th) break; /* there were not so many */
  }
  assert_true(failures >= 2);
}

static void no_memory_is_an_error(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t n = 400;
  const inverse_params whole = {false, false};
  const solve_params lower = {.upper = false};
  made a, out;
  make_matrix(&a, PONS_FLOAT32, n, n, false), fill(&a, 12);
  make_out(&out, PONS_FLOAT32, 2, (const int64_t[]){n, n});
  const operand both[] = {a.op, a.op};
  check_failures(cpu_inverse, &(launch){&whole, 1, 1, &a.op, &out.op});
  check_failures(cpu_solve_triangular, &(launch){&lower, 2, 1, both, &out.op});
  unmake(&a), unmake(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lu_gives_the_matrix_again),           cmocka_unit_test(inverse_times_matrix_is_one),
      cmocka_unit_test(singular_is_an_error),                cmocka_unit_test(cholesky_times_itself_is_the_matrix),
      cmocka_unit_test(qr_gives_the_matrix_again),
      cmocka_unit_test(triangles_are_solved),
      cmocka_unit_test(not_definite_is_told),                cmocka_unit_test(no_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
