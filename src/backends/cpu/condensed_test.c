/* condensed_test.c: "Eigh" and "SVD" of matrices large enough to be made tridiagonal and bidiagonal: residuals
   in double, and the same bits for any number of threads. Uses cpu/cpu.h. */
#include "backends/cpu/condensed.h"
#include "backends/cpu/cpu.h"
#include "backends/cpu/matrices_for_tests.h"

typedef enum kind { RANDOM, LOW_RANK, CLUSTERED, DIAGONAL, PAIRS, TINY, HUGE_NUMBERS, KINDS } kind;

/* (m, n), of the kind; symmetric if square and asked. */
static void fill_kind(made *x, kind k, bool symmetric) {
  const int64_t m = x->shape[0], n = x->shape[1];
  const pons_dtype d = x->op.dtype;
  const double tiny = d == PONS_FLOAT32 ? 1e-32 : 1e-280;
  fill(x, 0);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double v = made_value(x, i * n + j);
      if (k == LOW_RANK) v = sin((double)(i + j)) + cos((double)(i - j)); /* of rank four */
      if (k == CLUSTERED) v = (i == j) + 1e-3 * (i < 3 && j < 3 ? (double)(i + j) : 0);
      if (k == DIAGONAL) v = i == j ? (double)(i % 7) - 3 : 0;
      if (k == PAIRS)
        v = i == j ? fabs((double)i - (double)(n / 2)) : i - j == 1 || j - i == 1; /* Wilkinson's */
      if (k == TINY) v *= tiny;
      if (k == HUGE_NUMBERS) v /= tiny;
      dtype_write(d, made_element(x, i * n + j), v);
    }
  for (int64_t i = 0; symmetric && i < n; i++)
    for (int64_t j = 0; j < i; j++) dtype_write(d, made_element(x, j * n + i), made_value(x, i * n + j));
}

static double greatest(const double *x, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
  return most;
}

static double *turned(int64_t m, int64_t n, const double *x) {
  double *t = calloc((size_t)(m * n), sizeof *t);
  for (int64_t i = 0; i < m * n; i++) t[i % n * m + i / n] = x[i];
  return t;
}

/* Columns of x (n, n) are of length 1 and orthogonal. */
static void check_orthogonal(pons_dtype d, int64_t n, const double *x, const char *what) {
  double *t = turned(n, n, x), *square = multiplied(n, n, n, t, x);
  for (int64_t i = 0; i < n * n; i++) check_near(square[i], i / n == i % n, 0.2 * tolerance(d, n), what);
  free(t), free(square);
}

/* x and y differ by few units of the last place of the greatest. */
static void check_same(pons_dtype d, int64_t n, int64_t count, const double *x, const double *y,
                       const char *what) {
  const double most = greatest(y, count), unit = most > 0 ? most : 1;
  for (int64_t i = 0; i < count; i++) check_near(x[i] / unit, y[i] / unit, 0.2 * tolerance(d, n), what);
}

static void eigh_one_kind(pons_dtype d, int64_t n, kind k, const char *uplo) {
  made a, values, vectors, alone;
  make_matrix(&a, d, n, n, random_int(0, 1)), fill_kind(&a, k, true);
  double *x = values_of(&a);
  for (int64_t i = 0; i < n * n; i++) /* the other triangle is not read */
    if (*uplo == 'L' ? i % n > i / n : i % n < i / n) dtype_write(d, made_element(&a, i), 3);
  make_out(&values, d, 1, &n), make_out(&alone, d, 1, &n), make_out(&vectors, d, 2, (const int64_t[]){n, n});
  const operand out[] = {values.op, vectors.op};
  eigh_params params = {.uplo = {.n = 1, .at = uplo}, .compute_eigenvectors = true};
  run_well(cpu_eigh, &(launch){&params, 1, 2, &a.op, out});
  params.compute_eigenvectors = false;
  run_well(cpu_eigh, &(launch){&params, 1, 1, &a.op, &alone.op});
  double *w = values_of(&values), *v = values_of(&vectors), *w_alone = values_of(&alone);
  double *av = multiplied(n, n, n, x, v), *vw = malloc((size_t)(n * n) * sizeof *vw);
  for (int64_t i = 0; i < n * n; i++) vw[i] = v[i] * w[i % n];
  const double size = greatest(w, n) > 0 ? greatest(w, n) : 1;
  for (int64_t i = 0; i < n * n; i++)
    check_near(av[i] / size, vw[i] / size, 0.2 * tolerance(d, n), "A V = V W");
  for (int64_t i = 1; i < n; i++) assert_true(w[i] >= w[i - 1]);
  check_orthogonal(d, n, v, "VT V");
  check_same(d, n, n, w_alone, w, "eigenvalues alone");
  free(x), free(w), free(v), free(w_alone), free(av), free(vw);
  unmake(&a), unmake(&values), unmake(&vectors), unmake(&alone);
}

static void eigh_has_small_residuals(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t sizes[] = {96, 131, 192, 217};
  for (int turn = 0; turn < 4 * KINDS; turn++)
    eigh_one_kind(turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32, sizes[random_int(0, 3)], (kind)(turn / 4),
                  turn % 4 > 1 ? "L" : "U");
  for (int k = 0; k < KINDS; k++) /* in several pieces and parts */
    eigh_one_kind(random_int(0, 1) ? PONS_FLOAT64 : PONS_FLOAT32, 388 + random_int(0, 9), (kind)k, "L");
}

static void svd_one_kind(pons_dtype d, int64_t m, int64_t n, kind k) {
  const int64_t some = smaller(m, n);
  made a, u, s, vt, alone;
  make_matrix(&a, d, m, n, random_int(0, 1)), fill_kind(&a, k, false);
  make_out(&u, d, 2, (const int64_t[]){m, m}), make_out(&s, d, 1, &some),
      make_out(&vt, d, 2, (const int64_t[]){n, n});
  make_out(&alone, d, 1, &some);
  const operand out[] = {u.op, s.op, vt.op};
  svd_params params = {true};
  run_well(cpu_svd, &(launch){&params, 1, 3, &a.op, out});
  params.compute_uv = false;
  run_well(cpu_svd, &(launch){&params, 1, 1, &a.op, &alone.op});
  double *x = values_of(&a), *left = values_of(&u), *values = values_of(&s), *right = values_of(&vt),
         *v_alone = values_of(&alone);
  double *us = calloc((size_t)(m * n), sizeof *us);
  for (int64_t i = 0; i < m * n; i++)
    if (i % n < some) us[i] = left[i / n * m + i % n] * values[i % n];
  double *product = multiplied(m, n, n, us, right), *v = turned(n, n, right);
  check_same(d, m + n, m * n, product, x, "U S Vt");
  for (int64_t i = 0; i < some; i++) assert_true(values[i] >= 0 && (i == 0 || values[i] <= values[i - 1]));
  check_orthogonal(d, m, left, "UT U");
  check_orthogonal(d, n, v, "V VT");
  check_same(d, m + n, some, v_alone, values, "singular values alone");
  free(x), free(left), free(values), free(right), free(v_alone), free(us), free(product), free(v);
  unmake(&a), unmake(&u), unmake(&s), unmake(&vt), unmake(&alone);
}

static void svd_has_small_residuals(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t sizes[][2] = {{96, 96}, {161, 133}, {133, 170}, {98, 420}, {391, 129}};
  for (int turn = 0; turn < 4 * KINDS; turn++) {
    const int64_t *size = sizes[turn % 5];
    svd_one_kind(turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32, size[0], size[1], (kind)(turn / 4));
  }
  svd_one_kind(PONS_FLOAT32, 230, 215, RANDOM); /* in several pieces */
}

/* So many rows and so few columns that pieces are narrow; d and e have the matrix's norm. */
static void few_columns_are_the_same_for_any_threads(void **state) {
  (void)state;
  if (is_missing()) return;
  const int m = 4000, n = 43, before = parallel_threads();
  for (int turn = 0; turn < 12; turn++) {
    const pons_dtype d = turn % 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    const matrices j = {.f = lapack_for(d), .dtype = d, .size = pons_dtype_size(d), .op = "svd"};
    blocked b = {.j = &j};
    bidiagonal t[2];
    char *memory[2];
    double squares = 0, norm = 0;
    for (int i = 0; i < 2; i++) {
      workspace w = {NULL, 0};
      t[i] = (bidiagonal){.b = &b, .m = m, .n = n};
      bidiagonal_take_room(&t[i], &w);
      w = (workspace){memory[i] = calloc((size_t)w.used, 1), 0};
      bidiagonal_take_room(&t[i], &w);
    }
    for (int64_t c = 0; c < n; c++)
      for (int64_t r = 0; r < m; r++) {
        const double x = (double)random_int(-1000, 1000) / 1000;
        for (int i = 0; i < 2; i++) dtype_write(d, at_element(&b, t[i].a, c * t[i].rows_pitch + r), x);
        squares += x * x;
      }
    for (int i = 0; i < 2; i++) {
      parallel_set_threads(i ? 3 : 1);
      bidiagonal_reduce(&t[i]);
    }
    assert_memory_equal(t[0].d, t[1].d, (size_t)n * j.size);
    assert_memory_equal(t[0].e, t[1].e, (size_t)(n - 1) * j.size);
    for (int64_t i = 0; i < 2 * n - 1; i++) {
      const double x = dtype_read(d, at_element(&b, i < n ? t[0].d : t[0].e, i % n));
      norm += x * x;
    }
    check_near(norm, squares, tolerance(d, n), "squares");
    free(memory[0]), free(memory[1]);
  }
  parallel_set_threads(before);
}

/* Anywhere, also in the triangle that is not read, and in the imaginary part. */
static void infinity_and_nan_are_refused(void **state) {
  (void)state;
  if (is_missing()) return;
  const double wrong[] = {NAN, INFINITY, -INFINITY};
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_COMPLEX64};
  const eigh_params params = {.uplo = {.n = 1, .at = "L"}};
  for (int turn = 0; turn < 18; turn++) {
    const int64_t n = random_int(0, 1) ? 120 : 7;
    const pons_dtype d = dtypes[turn / 3 % 3], part = dtype_of_parts(d);
    made a, values;
    make_matrix(&a, d, n, n, turn > 8), make_out(&values, part, 1, &n);
    char *at = made_element(&a, random_int(0, n * n - 1));
    dtype_write(part, at + (part != d ? pons_dtype_size(part) : 0), wrong[turn % 3]);
    error *why = cpu_eigh(&(launch){&params, 1, 1, &a.op, &values.op});
    assert_non_null(why);
    assert_non_null(strstr(error_text(why), "the matrix holds NaN or infinity"));
    error_release(why);
    unmake(&a), unmake(&values);
  }
}

static void no_memory_is_an_error(void **state) {
  (void)state;
  if (is_missing()) return;
  const int64_t n = 200;
  const eigh_params params = {.uplo = {.n = 1, .at = "L"}, .compute_eigenvectors = true};
  made a, values, vectors;
  make_matrix(&a, PONS_FLOAT32, n, n, false), fill_kind(&a, RANDOM, true);
  make_out(&values, PONS_FLOAT32, 1, &n), make_out(&vectors, PONS_FLOAT32, 2, (const int64_t[]){n, n});
  const operand out[] = {values.op, vectors.op};
  const launch l = {&params, 1, 2, &a.op, out};
  int failures = 0;
  for (int64_t n_th = 1;; n_th += 1 + n_th / 4) {
    mem_fail_at(n_th);
    error *why = cpu_eigh(&l);
    const int64_t made_since = mem_fail_at(0);
    failures += why != NULL;
    error_release(why);
    if (made_since < n_th) break; /* there were not so many */
  }
  assert_true(failures >= 2);
  unmake(&a), unmake(&values), unmake(&vectors);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(eigh_has_small_residuals),
      cmocka_unit_test(svd_has_small_residuals),
      cmocka_unit_test(few_columns_are_the_same_for_any_threads),
      cmocka_unit_test(infinity_and_nan_are_refused),
      cmocka_unit_test(no_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
