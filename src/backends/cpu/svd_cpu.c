/* svd_cpu.c: "SVD", A = U diag(S) Vt, U and Vt square: small matrices and complex ones by LAPACK (gesdd). Others, or their
   transposes, are made bidiagonal by all threads, LAPACK divides and conquers those, and reflections take their vectors
   back; of those that are much longer than wide R is taken first. Uses cpu/condensed.h, cpu/qr.h. */
#include "backends/cpu/condensed.h"
#include "backends/cpu/qr.h"
#include <math.h>

enum { BY_BLOCKS = 96 /* the shorter side from which on it pays */ };

static bool by_blocks(const matrices *j) { return j->k >= BY_BLOCKS && !dtype_is_complex(j->dtype); }
static bool has_vectors(const matrices *j) { return ((const svd_params *)j->l->params)->compute_uv; }

/* Ones on the diagonal of the n by n matrix `index` of result `out`. */
static void store_identity(const matrices *j, int out, int64_t index, int n) {
  char *at = matrix_result(j, out, index, (int64_t)n * n);
  memset(at, 0, (size_t)n * (size_t)n * j->size);
  for (int64_t i = 0; i < n; i++) dtype_write(j->dtype, at + i * (n + 1) * (int64_t)j->size, 1);
}

/* x (n, n) beside and above zeros, and ones on the rest of the diagonal, in `to` (m, m). */
static void store_corner(const blocked *b, int n, int m, placed x, placed to) {
  if (m > n) memset(to.data, 0, (size_t)m * (size_t)m * b->j->size);
  for (int i = n; i < m; i++) dtype_write(b->j->dtype, placed_at(b, to, i, i).data, 1);
  placed_copy(b, n, n, x, to);
}

/* What is left of A (m, n) when it is a square R behind a Q of its own: f's, if there is one. */
static int load(const blocked *b, bool high, qr *f, bidiagonal *t, placed from, int m) {
  const placed a = high ? f->a : (placed){t->a, 1, t->rows_pitch};
  int exponent;
  placed_copy(b, m, t->n, from, a);
  if (!high) return rows_to_unit(b, t->a, t->n, m, t->rows_pitch, false);
  exponent = rows_to_unit(b, f->a.data, m, t->n, t->n, false);
  qr_factor(f);
  for (int i = 1; i < t->n; i++) memset(placed_at(b, f->a, i, 0).data, 0, (size_t)i * b->j->size);
  placed_copy(b, t->n, t->n, f->a, (placed){t->a, 1, t->rows_pitch});
  return exponent;
}

static int svd_by_blocks(const matrices *j, int64_t index, workspace *w) {
  const bool vectors = has_vectors(j), tall = j->m >= j->n;
  const int m = tall ? j->m : j->n, n = j->k;
  const bool high = 6 * (int64_t)m >= 11 * (int64_t)n; /* as LAPACK has it */
  blocked b = {.j = j};
  qr first = {0};
  bidiagonal t = {.b = &b, .m = high ? n : m, .n = n};
  bidiagonal_take_room(&t, w);
  if (high) qr_take_room(&first, &b, m, n, w), reflections_take_room(&first.r, m, w);
  reflections left = {.b = &b, .rows = t.m, .count = n, .v = {t.v, 1, t.rows_pitch}, .tau = t.tau_v};
  reflections right = {.b = &b,
                       .rows = n - 1,
                       .count = n - 1,
                       .v = {at_element(&b, t.u, 1), 1, t.columns_pitch},
                       .tau = t.tau_u};
  if (vectors) reflections_take_room(&left, t.m, w), reflections_take_room(&right, n, w);
  const int64_t square = vectors ? (int64_t)n * n : 1;
  void *u = workspace_take(w, square, j->size), *vt = workspace_take(w, square, j->size),
       *work = workspace_take(w, j->lwork, j->size);
  int *iwork = workspace_take(w, 8 * (int64_t)n, sizeof *iwork), info = 0;
  if (!w->at) return 0;
  const placed a = placed_operand(&b, index);
  const int exponent = load(&b, high, &first, &t, tall ? a : placed_turned(a), m);
  bidiagonal_reduce(&t);
  j->f->bdsdc("U", vectors ? "I" : "N", &n, t.d, t.e, u, &n, vt, &n, NULL, NULL, work, iwork, &info, 1, 1);
  if (info) return info;
  scale_row(&b, n, ldexp(1, exponent), t.d);
  memcpy(matrix_result(j, vectors ? 1 : 0, index, n), t.d, (size_t)n * j->size);
  if (vectors) {
    const placed u_out = placed_result(&b, 0, index, j->m, j->m);
    const placed v_out = placed_turned(placed_result(&b, 2, index, j->n, j->n));
    const placed to_left = tall ? u_out : v_out, to_right = tall ? v_out : u_out;
    store_corner(&b, n, m, (placed){u, 1, n}, to_left);
    placed_copy(&b, n, n, (placed){vt, n, 1}, to_right);
    reflections_multiply(&left, to_left, t.m);
    if (high) reflections_multiply(&first.r, to_left, m);
    reflections_multiply(&right, placed_at(&b, to_right, 1, 0), n);
  }
  return atomic_load(&b.no_memory) ? MATRIX_NO_MEMORY : 0;
}

static int svd_one(const matrices *j, int64_t index, workspace *w) {
  if (by_blocks(j)) return svd_by_blocks(j, index, w);
  const bool vectors = has_vectors(j);
  int info = 0;
  const int one = 1;
  const int64_t m = j->m, n = j->n;
  void *a = workspace_take(w, m * n, j->size), *s = workspace_take(w, j->k, matrix_real_size(j)),
       *u = workspace_take(w, vectors ? m * m : 1, j->size),
       *vt = workspace_take(w, vectors ? n * n : 1, j->size), *work = workspace_take(w, j->lwork, j->size),
       *rwork = workspace_take(w, j->lrwork, matrix_real_size(j));
  int *iwork = workspace_take(w, 8 * (int64_t)j->k, sizeof *iwork);
  if (!w->at) return 0;
  if (j->k == 0) {
    if (vectors) store_identity(j, 0, index, j->m), store_identity(j, 2, index, j->n);
    return 0;
  }
  const int *ldu = vectors ? &j->m : &one, *ldvt = vectors ? &j->n : &one;
  const char *jobz = vectors ? "A" : "N";
  matrix_load(j, index, a);
  if (dtype_is_complex(j->dtype))
    j->f->complex_gesdd(jobz, &j->m, &j->n, a, &j->m, s, u, ldu, vt, ldvt, work, &j->lwork, rwork, iwork,
                        &info, 1);
  else
    j->f->gesdd(jobz, &j->m, &j->n, a, &j->m, s, u, ldu, vt, ldvt, work, &j->lwork, iwork, &info, 1);
  if (info) return info;
  memcpy(matrix_result(j, vectors ? 1 : 0, index, j->k), s, (size_t)j->k * matrix_real_size(j));
  if (vectors) {
    matrix_store(j, 0, index, u, j->m, j->m, j->m);
    matrix_store(j, 2, index, vt, j->n, j->n, j->n);
  }
  return 0;
}

/* The least workspaces of [sdcz]gesdd and [sd]bdsdc, from their documentation. */
static error *svd_room(matrices *j, bool vectors) {
  const int64_t k = j->k, most = j->m > j->n ? j->m : j->n;
  int info = 0, query = -1, iwork = 0;
  double answer[2] = {0, 0};
  const char *jobz = vectors ? "A" : "N";
  if (by_blocks(j)) return matrices_lwork(j, &j->lwork, NULL, vectors ? 3 * k * k + 4 * k : 4 * k);
  int64_t least = vectors ? 4 * k * k + 7 * k + most : 3 * k + (most > 7 * k ? most : 7 * k);
  if (dtype_is_complex(j->dtype)) {
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
  j.explain = matrix_no_convergence;
  j.finite = true;
  if (j.k) e = svd_room(&j, has_vectors(&j));
  return e ? e : matrices_run(&j);
}
