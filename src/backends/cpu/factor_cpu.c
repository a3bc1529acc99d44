/* factor_cpu.c: QRF and Inverse. Uses cpu/matrices.h. */
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

/* ---- Inverse: lu_cpu.c, of a triangle triangle.c ---- */

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
  j.factor = tri ? triangular_one : whole_inverse_of;
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
