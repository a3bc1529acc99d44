/* inverse_cpu.c: "Inverse", of a whole matrix (lu_cpu.c) or of a triangle (triangle.c). Uses cpu/matrices.h. */
#include "backends/cpu/matrices.h"

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
