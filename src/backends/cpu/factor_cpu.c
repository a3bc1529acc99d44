/* factor_cpu.c: QRF, LUF, Cholesky and Inverse by LAPACK. Uses cpu/matrices.h. */
#include "backends/cpu/matrices.h"

/* ---- QRF: A = Q R, reduced (geqrf, orgqr) ---- */

static int qr_one(const matrices *j, int64_t index, workspace *w) {
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->m * j->n, j->size), *tau = workspace_take(w, j->k, j->size),
       *work = workspace_take(w, j->lwork, j->size);
  if (!w->at || j->k == 0) return 0;
  matrix_load(j, index, a);
  j->f->geqrf(&j->m, &j->n, a, &j->m, tau, work, &j->lwork, &info);
  if (info) return info;
  matrix_store(j, 1, index, a, j->k, j->n, j->m);
  matrix_clear(j, 1, index, j->k, j->n, true);
  j->f->orgqr(&j->m, &j->k, &j->k, a, &j->m, tau, work, &j->lwork, &info);
  matrix_store(j, 0, index, a, j->m, j->k, j->m);
  return info;
}

error *cpu_qr(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "qr", l);
  if (e) return e;
  int info = 0, query = -1, for_q = 1;
  double answer = 0;
  j.factor = qr_one;
  if (j.k) {
    j.f->geqrf(&j.m, &j.n, &answer, &j.m, &answer, &answer, &query, &info);
    e = matrices_lwork(&j, &j.lwork, &answer, j.n);
    if (e) return e;
    j.f->orgqr(&j.m, &j.k, &j.k, &answer, &j.m, &answer, &answer, &query, &info);
    e = matrices_lwork(&j, &for_q, &answer, j.k);
    if (e) return e;
    if (for_q > j.lwork) j.lwork = for_q;
  }
  return matrices_run(&j);
}

/* ---- LUF: rows of A, rearranged, = L U (getrf) ---- */

static int lu_one(const matrices *j, int64_t index, workspace *w) {
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->m * j->n, j->size);
  int *pivots = workspace_take(w, j->k, sizeof *pivots), *order = workspace_take(w, j->m, sizeof *order);
  if (!w->at) return 0;
  if (j->k) {
    matrix_load(j, index, a);
    j->f->getrf(&j->m, &j->n, a, &j->m, pivots, &info);
    if (info < 0) return info;
    matrix_store(j, 0, index, a, j->m, j->n, j->m);
  }
  uint32_t *to = matrix_result(j, 1, index, j->k), *rows = matrix_result(j, 2, index, j->m);
  for (int i = 0; i < j->m; i++) order[i] = i;
  for (int i = 0; i < j->k; i++) { /* row i was exchanged with row pivots[i], counted from 1 */
    const int other = pivots[i] - 1, held = order[i];
    to[i] = (uint32_t)other;
    order[i] = order[other];
    order[other] = held;
  }
  for (int i = 0; i < j->m; i++) rows[order[i]] = (uint32_t)i;
  return info;
}

error *cpu_lu(const launch *l) { /* info > 0 tells a zero on U's diagonal, which U shows */
  matrices j;
  error *e = matrices_of(&j, "lu", l);
  j.factor = lu_one;
  return e ? e : matrices_run(&j);
}

/* ---- Cholesky: A = L L^T (potrf) ---- */

static int cholesky_one(const matrices *j, int64_t index, workspace *w) {
  const bool upper = ((const cholesky_params *)j->l->params)->upper;
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->n * j->n, j->size);
  if (!w->at || !j->n) return 0;
  matrix_load(j, index, a);
  j->f->potrf(upper ? "U" : "L", &j->n, a, &j->n, &info, 1);
  if (info) return info;
  matrix_store(j, 0, index, a, j->n, j->n, j->n);
  matrix_clear(j, 0, index, j->n, j->n, upper);
  return 0;
}

static error *not_definite(const matrices *j, int info, const char *which) {
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "%s (%d by %d) is not positive definite: its leading minor of order %d is not", which, j->n,
                 j->n, info);
}

error *cpu_cholesky(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "cholesky", l);
  j.factor = cholesky_one;
  j.explain = not_definite;
  return e ? e : matrices_run(&j);
}

/* ---- Inverse (getrf and getri; of a triangle: triangle.c) ---- */

static int inverse_one(const matrices *j, int64_t index, workspace *w) {
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->n * j->n, j->size), *work = workspace_take(w, j->lwork, j->size);
  int *pivots = workspace_take(w, j->n, sizeof *pivots);
  if (!w->at || !j->n) return 0;
  matrix_load(j, index, a);
  j->f->getrf(&j->n, &j->n, a, &j->n, pivots, &info);
  if (!info) j->f->getri(&j->n, a, &j->n, pivots, work, &j->lwork, &info);
  if (!info) matrix_store(j, 0, index, a, j->n, j->n, j->n);
  return info;
}

static int triangular_one(const matrices *j, int64_t index, workspace *w) {
  return triangle_inverse(j, index, ((const inverse_params *)j->l->params)->upper, w);
}

static error *singular(const matrices *j, int info, const char *which) {
  const bool tri = ((const inverse_params *)j->l->params)->tri;
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "%s (%d by %d) is singular: element %d of the diagonal of %s is 0", which, j->n, j->n,
                 info - 1, tri ? "the triangle" : "U, of its LU factors,");
}

error *cpu_inverse(const launch *l) {
  const bool tri = ((const inverse_params *)l->params)->tri;
  matrices j;
  error *e = matrices_of(&j, tri ? "tri_inv" : "inv", l);
  if (e) return e;
  j.factor = tri ? triangular_one : inverse_one;
  j.explain = singular;
  if (!tri && j.n) {
    int info = 0, query = -1, pivot = 1;
    double answer = 0;
    j.f->getri(&j.n, &answer, &j.n, &pivot, &answer, &query, &info);
    e = matrices_lwork(&j, &j.lwork, &answer, j.n);
    if (e) return e;
  }
  return matrices_run(&j);
}
