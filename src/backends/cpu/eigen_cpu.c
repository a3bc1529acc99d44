/* eigen_cpu.c: "Eig", A V = V diag(w), both complex64 of real A, else of its dtype, by LAPACK (geev). Uses
   cpu/matrices.h. */
#include "backends/cpu/matrices.h"

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
       *work = workspace_take(w, j->lwork, j->size), *rwork = workspace_take(w, 2 * n, matrix_real_size(j));
  if (!w->at || !n) return 0;
  const char *right = vectors ? "V" : "N";
  const int *ldv = vectors ? &j->n : &one;
  float *values = matrix_result(j, 0, index, n);
  matrix_load(j, index, a);
  if (dtype_is_complex(j->dtype)) {
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
  j.explain = matrix_no_convergence;
  j.finite = true;
  if (!j.n) return matrices_run(&j);
  if (dtype_is_complex(j.dtype))
    j.f->complex_geev("N", right, &j.n, answer, &j.n, answer, NULL, &one, answer, &j.n, answer, &query,
                      answer, &info, 1, 1);
  else
    j.f->geev("N", right, &j.n, answer, &j.n, answer, answer, NULL, &one, answer, &j.n, answer, &query, &info,
              1, 1);
  e = matrices_lwork(&j, &j.lwork, answer, 4 * (int64_t)j.n);
  return e ? e : matrices_run(&j);
}
