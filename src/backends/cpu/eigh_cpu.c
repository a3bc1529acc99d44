/* eigh_cpu.c: "Eigh", A = V diag(w) V^H, w ascending: small matrices and complex ones by LAPACK (syevd, heevd). Others are
   made tridiagonal, those divided and conquered, and their vectors taken back by reflections, by all threads. Uses
   cpu/condensed.h. */
#include "backends/cpu/condensed.h"
#include <math.h>

enum { BY_BLOCKS = 96 /* rows from which on it pays */ };

static bool by_blocks(const matrices *j) { return j->n >= BY_BLOCKS && !dtype_is_complex(j->dtype); }
static bool has_vectors(const matrices *j) {
  return ((const eigh_params *)j->l->params)->compute_eigenvectors;
}
static const char *uplo_of(const matrices *j) {
  return ((const eigh_params *)j->l->params)->uplo.at[0] == 'L' ? "L" : "U";
}

static int eigh_by_blocks(const matrices *j, int64_t index, workspace *w) {
  const int n = j->n;
  const bool vectors = has_vectors(j);
  blocked b = {.j = j};
  tridiagonal t = {.b = &b, .n = n};
  tridiagonal_take_room(&t, w);
  divided f = {.b = &b, .n = n, .d = t.d, .e = t.e};
  reflections r = {
      .b = &b, .rows = n - 1, .count = n - 1, .v = {at_element(&b, t.v, 1), 1, t.pitch}, .tau = t.tau};
  if (vectors) divided_take_room(&f, w), reflections_take_room(&r, n, w);
  if (!w->at) return 0;
  placed a = placed_operand(&b, index);
  if (*uplo_of(j) == 'U') a = placed_turned(a);
  placed_copy(&b, n, n, a, (placed){t.a, t.pitch, 1});
  const int exponent = rows_to_unit(&b, t.a, n, n, t.pitch, true), one = 1;
  int info = 0, iwork = 0;
  tridiagonal_reduce(&t);
  if (vectors)
    info = divided_solve(&f);
  else
    j->f->stedc("N", &n, t.d, t.e, NULL, &one, t.tau, &one, &iwork, &one, &info, 1);
  if (info) return info;
  char *values = vectors ? f.z : t.d;
  scale_row(&b, n, ldexp(1, exponent), values);
  memcpy(matrix_result(j, 0, index, n), values, (size_t)n * j->size);
  if (vectors) {
    const placed out = placed_result(&b, 1, index, n, n);
    placed_copy(&b, n, n, (placed){f.s, 1, n}, out);
    reflections_multiply(&r, placed_at(&b, out, 1, 0), n);
  }
  return atomic_load(&b.no_memory) ? MATRIX_NO_MEMORY : 0;
}

static int eigh_one(const matrices *j, int64_t index, workspace *w) {
  if (by_blocks(j)) return eigh_by_blocks(j, index, w);
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->n * j->n, j->size),
       *values = workspace_take(w, j->n, matrix_real_size(j)), *work = workspace_take(w, j->lwork, j->size),
       *rwork = workspace_take(w, j->lrwork, matrix_real_size(j));
  int *iwork = workspace_take(w, j->liwork, sizeof *iwork);
  if (!w->at || !j->n) return 0;
  const char *jobz = has_vectors(j) ? "V" : "N", *uplo = uplo_of(j);
  matrix_load(j, index, a);
  if (dtype_is_complex(j->dtype))
    j->f->heevd(jobz, uplo, &j->n, a, &j->n, values, work, &j->lwork, rwork, &j->lrwork, iwork, &j->liwork,
                &info, 1, 1);
  else
    j->f->syevd(jobz, uplo, &j->n, a, &j->n, values, work, &j->lwork, iwork, &j->liwork, &info, 1, 1);
  if (info) return info;
  memcpy(matrix_result(j, 0, index, j->n), values, (size_t)j->n * matrix_real_size(j));
  if (has_vectors(j)) matrix_store(j, 1, index, a, j->n, j->n, j->n);
  return 0;
}

/* Workspaces of [sd]syevd and [cz]heevd, from their documentation: the products of n stay below 2^63. */
static error *eigh_room(matrices *j, bool vectors) {
  const int64_t n = j->n, square = n * n;
  error *e = matrices_lwork(j, &j->liwork, NULL, vectors ? 3 + 5 * n : 1);
  if (!e && dtype_is_complex(j->dtype)) {
    e = matrices_lwork(j, &j->lrwork, NULL, vectors ? 1 + 5 * n + 2 * square : n);
    return e ? e : matrices_lwork(j, &j->lwork, NULL, (vectors ? 2 * n + square : n + 1) + 32 * n);
  }
  return e ? e : matrices_lwork(j, &j->lwork, NULL, (vectors ? 1 + 6 * n + 2 * square : 2 * n + 1) + 32 * n);
}

error *cpu_eigh(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "eigh", l);
  if (e) return e;
  j.factor = eigh_one;
  j.explain = matrix_no_convergence;
  j.finite = true;
  e = eigh_room(&j, has_vectors(&j));
  return e ? e : matrices_run(&j);
}
