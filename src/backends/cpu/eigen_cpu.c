/* eigen_cpu.c: SVD, Eigh and Eig by LAPACK. Uses cpu/matrices.h. */
#include "backends/cpu/matrices.h"

static size_t real_size(const matrices *j) {
  return pons_dtype_size(dtype_of_parts(j->dtype));
}
static bool is_complex(const matrices *j) { return dtype_is_complex(j->dtype); }

/* Ones on the diagonal of the n by n matrix `index` of result `out`. */
static void store_identity(const matrices *j, int out, int64_t index, int n) {
  char *at = matrix_result(j, out, index, (int64_t)n * n);
  memset(at, 0, (size_t)n * (size_t)n * j->size);
  for (int64_t i = 0; i < n; i++) {
    char *diagonal = at + i * (n + 1) * (int64_t)j->size;
    if (real_size(j) == sizeof(double))
      *(double *)diagonal = 1;
    else
      *(float *)diagonal = 1; /* the real part comes first */
  }
}

static error *no_convergence(const matrices *j, int info, const char *which) {
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "the iteration does not converge for %s (%d by %d): LAPACK says %d", which, j->m, j->n,
                 info);
}

/* ---- SVD: A = U diag(S) Vt, U and Vt square (gesdd) ---- */

static int svd_one(const matrices *j, int64_t index, workspace *w) {
  const bool vectors = ((const svd_params *)j->l->params)->compute_uv;
  int info = 0;
  const int one = 1;
  const int64_t m = j->m, n = j->n;
  void *a = workspace_take(w, m * n, j->size), *s = workspace_take(w, j->k, real_size(j)),
       *u = workspace_take(w, vectors ? m * m : 1, j->size),
       *vt = workspace_take(w, vectors ? n * n : 1, j->size), *work = workspace_take(w, j->lwork, j->size),
       *rwork = workspace_take(w, j->lrwork, real_size(j));
  int *iwork = workspace_take(w, 8 * (int64_t)j->k, sizeof *iwork);
  if (!w->at) return 0;
  if (j->k == 0) {
    if (vectors) store_identity(j, 0, index, j->m), store_identity(j, 2, index, j->n);
    return 0;
  }
  const int *ldu = vectors ? &j->m : &one, *ldvt = vectors ? &j->n : &one;
  const char *jobz = vectors ? "A" : "N";
  matrix_load(j, index, a);
  if (is_complex(j))
    j->f->complex_gesdd(jobz, &j->m, &j->n, a, &j->m, s, u, ldu, vt, ldvt, work, &j->lwork, rwork, iwork,
                        &info, 1);
  else
    j->f->gesdd(jobz, &j->m, &j->n, a, &j->m, s, u, ldu, vt, ldvt, work, &j->lwork, iwork, &info, 1);
  if (info) return info;
  memcpy(matrix_result(j, vectors ? 1 : 0, index, j->k), s, (size_t)j->k * real_size(j));
  if (vectors) {
    matrix_store(j, 0, index, u, j->m, j->m, j->m);
    matrix_store(j, 2, index, vt, j->n, j->n, j->n);
  }
  return 0;
}

/* The least workspaces of [sdcz]gesdd, from its documentation. */
static error *svd_room(matrices *j, bool vectors) {
  const int64_t k = j->k, most = j->m > j->n ? j->m : j->n;
  int info = 0, query = -1, iwork = 0;
  double answer[2] = {0, 0};
  const char *jobz = vectors ? "A" : "N";
  int64_t least = vectors ? 4 * k * k + 7 * k + most : 3 * k + (most > 7 * k ? most : 7 * k);
  if (is_complex(j)) {
    const int64_t real =
        vectors ? k * (5 * k + 5 > 2 * most + 2 * k + 1 ? 5 * k + 5 : 2 * most + 2 * k + 1) : 7 * k;
    error *e = matrices_lwork(j, &j->lrwork, NULL, real);
    if (e) return e;
    least = k * k + 2 * k + most;
    j->f->complex_gesdd(jobz, &j->m, &j->n, answer, &j->m, answer, answer, &j->m, answer, &j->n, answer,
                        &query, answer, &iwork, &info, 1);
  } else {
    j->f->gesdd(jobz, &j->m, &j->n, answer, &j->m, answer, answer, &j->m, answer, &j->n, answer, &query,
                &iwork, &info, 1);
  }
  return matrices_lwork(j, &j->lwork, answer, least);
}

error *cpu_svd(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "svd", l);
  if (e) return e;
  j.factor = svd_one;
  j.explain = no_convergence;
  j.finite = true;
  if (j.k) e = svd_room(&j, ((const svd_params *)l->params)->compute_uv);
  return e ? e : matrices_run(&j);
}

/* ---- Eigh: A = V diag(w) V^H, w ascending (syevd, heevd) ---- */

static int eigh_one(const matrices *j, int64_t index, workspace *w) {
  const eigh_params *p = j->l->params;
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->n * j->n, j->size), *values = workspace_take(w, j->n, real_size(j)),
       *work = workspace_take(w, j->lwork, j->size), *rwork = workspace_take(w, j->lrwork, real_size(j));
  int *iwork = workspace_take(w, j->liwork, sizeof *iwork);
  if (!w->at || !j->n) return 0;
  const char *jobz = p->compute_eigenvectors ? "V" : "N", *uplo = p->uplo.at[0] == 'L' ? "L" : "U";
  matrix_load(j, index, a);
  if (is_complex(j))
    j->f->heevd(jobz, uplo, &j->n, a, &j->n, values, work, &j->lwork, rwork, &j->lrwork, iwork, &j->liwork,
                &info, 1, 1);
  else
    j->f->syevd(jobz, uplo, &j->n, a, &j->n, values, work, &j->lwork, iwork, &j->liwork, &info, 1, 1);
  if (info) return info;
  memcpy(matrix_result(j, 0, index, j->n), values, (size_t)j->n * real_size(j));
  if (p->compute_eigenvectors) matrix_store(j, 1, index, a, j->n, j->n, j->n);
  return 0;
}

/* Workspaces of [sd]syevd and [cz]heevd, from their documentation: the products of n stay below 2^63. */
static error *eigh_room(matrices *j, bool vectors) {
  const int64_t n = j->n, square = n * n;
  error *e = matrices_lwork(j, &j->liwork, NULL, vectors ? 3 + 5 * n : 1);
  if (!e && is_complex(j)) {
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
  j.explain = no_convergence;
  j.finite = true;
  e = eigh_room(&j, ((const eigh_params *)l->params)->compute_eigenvectors);
  return e ? e : matrices_run(&j);
}

/* ---- Eig: A V = V diag(w), both complex64 of real A, else of its dtype (geev) ---- */

static double real_at(const matrices *j, const void *list, int64_t i) {
  return j->dtype == PONS_FLOAT64 ? ((const double *)list)[i] : (double)((const float *)list)[i];
}

/* A real matrix's vectors of a conjugate pair, in neighbouring columns: their real part, their imaginary
 * part. */
static void store_pairs(const matrices *j, const void *wi, const void *columns, float *to) {
  const int64_t n = j->n;
  for (int64_t c = 0; c < n; c++) {
    const bool pair = real_at(j, wi, c) != 0 && c + 1 < n;
    for (int64_t r = 0; r < n; r++) {
      float *z = to + 2 * (r * n + c);
      z[0] = (float)real_at(j, columns, c * n + r);
      z[1] = pair ? (float)real_at(j, columns, (c + 1) * n + r) : 0;
      if (pair) z[2] = z[0], z[3] = -z[1];
    }
    if (pair) c++;
  }
}

static int eig_one(const matrices *j, int64_t index, workspace *w) {
  const bool vectors = ((const eig_params *)j->l->params)->compute_eigenvectors;
  int info = 0;
  const int one = 1;
  const int64_t n = j->n;
  void *a = workspace_take(w, n * n, j->size), *wr = workspace_take(w, n, j->size),
       *wi = workspace_take(w, n, j->size), *v = workspace_take(w, vectors ? n * n : 1, j->size),
       *work = workspace_take(w, j->lwork, j->size), *rwork = workspace_take(w, 2 * n, real_size(j));
  if (!w->at || !n) return 0;
  const char *right = vectors ? "V" : "N";
  const int *ldv = vectors ? &j->n : &one;
  float *values = matrix_result(j, 0, index, n);
  matrix_load(j, index, a);
  if (is_complex(j)) {
    j->f->complex_geev("N", right, &j->n, a, &j->n, wr, NULL, &one, v, ldv, work, &j->lwork, rwork, &info, 1,
                       1);
    if (info) return info;
    memcpy(values, wr, (size_t)n * j->size);
    if (vectors) matrix_store(j, 1, index, v, j->n, j->n, j->n);
    return 0;
  }
  j->f->geev("N", right, &j->n, a, &j->n, wr, wi, NULL, &one, v, ldv, work, &j->lwork, &info, 1, 1);
  if (info) return info;
  for (int64_t i = 0; i < n; i++) {
    values[2 * i] = (float)real_at(j, wr, i);
    values[2 * i + 1] = (float)real_at(j, wi, i);
  }
  if (vectors) store_pairs(j, wi, v, matrix_result(j, 1, index, n * n));
  return 0;
}

error *cpu_eig(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "eig", l);
  if (e) return e;
  const char *right = ((const eig_params *)l->params)->compute_eigenvectors ? "V" : "N";
  int info = 0, query = -1;
  const int one = 1;
  double answer[2] = {0, 0};
  j.factor = eig_one;
  j.explain = no_convergence;
  j.finite = true;
  if (!j.n) return matrices_run(&j);
  if (is_complex(&j))
    j.f->complex_geev("N", right, &j.n, answer, &j.n, answer, NULL, &one, answer, &j.n, answer, &query,
                      answer, &info, 1, 1);
  else
    j.f->geev("N", right, &j.n, answer, &j.n, answer, answer, NULL, &one, answer, &j.n, answer, &query, &info,
              1, 1);
  e = matrices_lwork(&j, &j.lwork, answer, 4 * (int64_t)j.n);
  return e ? e : matrices_run(&j);
}
