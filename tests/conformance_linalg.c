/* conformance_linalg.c: cases of linear algebra. Matrices are kept far from singular ones, their singular values
   apart; where signs of vectors are free, absolute values stand for them. */
#include "conformance_cases.h"
#include <math.h>

#define CASE(name) static void name(const pons_array *in, pons_array *out)

/* ---- matrices with room around them ---- */

static pons_array transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

/* x / 2 with 3, 5, 7, ... added along the diagonal. */
static pons_array apart(pons_array x) {
  const int64_t m = pons_dim(x, -2), n = pons_dim(x, -1);
  pons_array weights = pons_arange(3, 3 + 2 * (double)n, 2, PONS_FLOAT32);
  pons_array diagonal = pons_astype(pons_multiply(pons_eye(m, n, 0, PONS_FLOAT32), weights), pons_dtype_of(x));
  return pons_add(pons_multiply(x, pons_scalar(0.5, pons_dtype_of(x) == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32)),
                  diagonal);
}

/* Symmetric or Hermitian, positive definite. */
static pons_array definite(pons_array x) {
  pons_array y = apart(x);
  return pons_matmul(y, transposed(conformance_is_complex(pons_dtype_of(x)) ? pons_conjugate(y) : y));
}

static pons_array columns(pons_array x, int64_t first, int64_t end) {
  return pons_take(x, pons_arange((double)first, (double)end, 1, PONS_INT32), -1);
}

/* ---- factorizations ---- */

CASE(qr) {
  pons_linalg_qr(apart(in[0]), out);
  out[2] = pons_matmul(out[0], out[1]);
  out[0] = pons_abs(out[0]);
  out[1] = pons_abs(out[1]);
}
CASE(svd) { /* what is left of U is free but for the space it spans */
  pons_array usv[3];
  pons_linalg_svd(apart(in[0]), true, usv);
  const int64_t m = pons_dim(usv[0], -1), n = pons_dim(usv[2], -1), k = m < n ? m : n;
  pons_array v = transposed(usv[2]);
  out[0] = pons_abs(columns(usv[0], 0, k));
  out[1] = usv[1];
  out[2] = pons_abs(columns(v, 0, k));
  pons_array rest = m > n ? columns(usv[0], k, m) : columns(v, k, n);
  out[3] = pons_abs(pons_matmul(rest, transposed(conformance_is_complex(pons_dtype_of(rest)) ? pons_conjugate(rest) : rest)));
}
CASE(svd_values) { pons_linalg_svd(apart(in[0]), false, out); }
CASE(cholesky) {
  out[0] = pons_linalg_cholesky(definite(in[0]), false);
  out[1] = pons_linalg_cholesky(definite(in[0]), true);
}
CASE(lu) { pons_linalg_lu(in[0], out); }
CASE(lu_factor) { pons_linalg_lu_factor(in[0], out); }
CASE(lu_values) { /* exchanges fixed: rows upside down */
  pons_array lu[3], rows = pons_arange((double)pons_dim(in[0], -2) - 1, -1, -1, PONS_INT32);
  pons_linalg_lu(pons_take(apart(in[0]), rows, -2), lu);
  out[0] = lu[1];
  out[1] = lu[2];
}

/* ---- eigenvalues ---- */

CASE(lu_factor_values) {
  pons_array lu[2], rows = pons_arange((double)pons_dim(in[0], -2) - 1, -1, -1, PONS_INT32);
  pons_linalg_lu_factor(pons_take(apart(in[0]), rows, -2), lu);
  out[0] = lu[0];
}
CASE(eigh) {
  pons_linalg_eigh(definite(in[0]), 'L', out);
  out[1] = pons_abs(out[1]);
}
CASE(eigh_upper) {
  pons_linalg_eigh(definite(in[0]), 'U', out);
  out[1] = pons_abs(out[1]);
  out[2] = pons_linalg_eigvalsh(definite(in[0]), 'U');
}
CASE(eigvalsh) { out[0] = pons_linalg_eigvalsh(definite(in[0]), 'L'); }
CASE(eigvalsh_triangles) { /* the other triangle is not read */
  out[0] = pons_linalg_eigvalsh(in[0], 'L');
  out[1] = pons_linalg_eigvalsh(in[0], 'U');
}
CASE(eig) { /* in no order */
  pons_array a = apart(in[0]), w[2];
  pons_linalg_eig(a, w);
  out[0] = pons_sum(w[0], .axes = PONS_AXES(-1));
  out[1] = pons_sum(pons_square(w[0]), .axes = PONS_AXES(-1));
  out[2] = pons_subtract(pons_matmul(pons_astype(a, pons_dtype_of(w[1])), w[1]),
                         pons_multiply(w[1], pons_expand_dims(w[0], PONS_AXES(-2))));
  out[3] = pons_linalg_norm(w[1], .axes = PONS_AXES(-2));
}
CASE(eig_vectors) { /* neither order nor phase matters */
  pons_array w[2];
  pons_linalg_eig(apart(in[0]), w);
  out[0] = pons_sum(pons_multiply(pons_abs(w[1]), pons_expand_dims(pons_abs(w[0]), PONS_AXES(-2))),
                    .axes = PONS_AXES(-1));
}
CASE(eigvals) {
  pons_array w = pons_linalg_eigvals(apart(in[0]));
  out[0] = pons_sum(w, .axes = PONS_AXES(-1));
  out[1] = pons_prod(pons_multiply(w, pons_float(0.2)), .axes = PONS_AXES(-1));
}

/* ---- inverses, equations, determinants ---- */

CASE(inv) { out[0] = pons_linalg_inv(apart(in[0])); }
CASE(tri_inv) {
  out[0] = pons_linalg_tri_inv(apart(in[0]), false);
  out[1] = pons_linalg_tri_inv(apart(in[0]), true);
}
CASE(pinv) { out[0] = pons_linalg_pinv(apart(in[0])); }
CASE(cholesky_inv) {
  out[0] = pons_linalg_cholesky_inv(pons_linalg_cholesky(definite(in[0]), false), false);
  out[1] = pons_linalg_cholesky_inv(pons_linalg_cholesky(definite(in[0]), true), true);
}
CASE(solve) { out[0] = pons_linalg_solve(apart(in[0]), in[1]); }
CASE(solve_exchanged) { /* rows upside down: all are exchanged */
  pons_array order = pons_arange(2, -1, -1, PONS_INT32);
  out[0] = pons_linalg_solve(pons_take(apart(in[0]), order, -2), in[1]);
}
CASE(solve_triangular) {
  out[0] = pons_linalg_solve_triangular(apart(in[0]), in[1], false);
  out[1] = pons_linalg_solve_triangular(apart(in[0]), in[1], true);
}
CASE(det) { out[0] = pons_linalg_det(in[0]); }
CASE(slogdet) { /* far from singular: near it narrow floats keep no digit of the logarithm */
  pons_array diagonal = pons_multiply(pons_identity(3, pons_dtype_of(in[0])), pons_scalar(6, pons_dtype_of(in[0])));
  pons_linalg_slogdet(pons_add(in[0], diagonal), out);
}

/* ---- norms and products ---- */

CASE(norm) {
  out[0] = pons_linalg_norm(in[0]);
  out[1] = pons_linalg_norm(in[0], .axes = PONS_AXES(1), .keepdims = true);
  out[2] = pons_linalg_norm(in[0], .axes = PONS_AXES(0, -1));
  out[3] = pons_matrix_norm(in[0], .ord = PONS_ORD_FRO, .axes = PONS_AXES(2, 1), .keepdims = true);
}
CASE(norm_of_vectors) {
  out[0] = pons_linalg_norm(in[0], .ord = PONS_ORD(1), .axes = PONS_AXES(0));
  out[1] = pons_linalg_norm(in[0], .ord = PONS_ORD(INFINITY), .axes = PONS_AXES(1));
  out[2] = pons_linalg_norm(in[0], .ord = PONS_ORD(-INFINITY), .axes = PONS_AXES(-1), .keepdims = true);
  out[3] = pons_linalg_norm(in[0], .ord = PONS_ORD(2), .axes = PONS_AXES(0));
}
CASE(norm_of_powers) {
  out[0] = pons_linalg_norm(in[0], .ord = PONS_ORD(3), .axes = PONS_AXES(0));
  out[1] = pons_linalg_norm(in[0], .ord = PONS_ORD(-1.5), .axes = PONS_AXES(1));
}
CASE(norm_counts) { out[0] = pons_linalg_norm(in[0], .ord = PONS_ORD(0), .axes = PONS_AXES(0)); }
CASE(norm_of_matrices) {
  out[0] = pons_linalg_norm(in[0], .ord = PONS_ORD(1), .axes = PONS_AXES(0, 2));
  out[1] = pons_linalg_norm(in[0], .ord = PONS_ORD(-1), .axes = PONS_AXES(2, 0), .keepdims = true);
  out[2] = pons_linalg_norm(in[0], .ord = PONS_ORD(INFINITY), .axes = PONS_AXES(1, 2));
  out[3] = pons_linalg_norm(in[0], .ord = PONS_ORD(-INFINITY), .axes = PONS_AXES(-1, -2));
}
CASE(norm_of_singular_values) {
  pons_array x = apart(in[0]);
  out[0] = pons_linalg_norm(x, .ord = PONS_ORD(2), .axes = PONS_AXES(0, 2));
  out[1] = pons_linalg_norm(x, .ord = PONS_ORD(-2), .axes = PONS_AXES(2, 1), .keepdims = true);
  out[2] = pons_linalg_norm(x, .ord = PONS_ORD_NUC, .axes = PONS_AXES(1, 2));
}
CASE(cross) { out[0] = pons_linalg_cross(in[0], in[1], -1); }
CASE(cross_plane) { out[0] = pons_linalg_cross(in[0], in[1], 0); }

#define TYPES_FACTOR (TYPE_BIT(PONS_FLOAT32) | TYPE_BIT(PONS_FLOAT64) | TYPES_COMPLEX)

static const conformance_case cases[] = {
    {"linalg_qr", qr, TYPES_FACTOR, true, 1, 3, {INPUT(TRANSPOSED, 2, 3, 3)}},
    {"linalg_qr: tall", qr, TYPES_FACTOR, true, 1, 3, {INPUT(STRIDED, 3, 2, 4, 2)}},
    {"linalg_qr: wide", qr, TYPES_FACTOR, true, 1, 3, {INPUT(PLAIN, 2, 2, 4)}},
    {"linalg_qr: empty", qr, TYPES_FACTOR, false, 1, 3, {INPUT(PLAIN, 3, 2, 0, 3)}},
    {"linalg_svd: tall", svd, TYPES_FACTOR, true, 1, 4, {INPUT(PLAIN, 2, 4, 2)}},
    {"linalg_svd: wide", svd, TYPES_FACTOR, true, 1, 4, {INPUT(TRANSPOSED, 3, 2, 2, 3)}},
    {"linalg_svd: values", svd_values, TYPES_FACTOR, true, 1, 1, {INPUT(STRIDED, 3, 2, 3, 3)}},
    {"linalg_svd: values, empty", svd_values, TYPES_FACTOR, false, 1, 1, {INPUT(PLAIN, 2, 0, 3)}},
    {"linalg_cholesky", cholesky, TYPES_FACTOR, true, 1, 2, {INPUT(PLAIN, 3, 2, 3, 3)}},
    {"linalg_lu", lu, TYPES_FACTOR, false, 1, 3, {INPUT(TRANSPOSED, 3, 2, 3, 3)}},
    {"linalg_lu: tall", lu, TYPES_FACTOR, false, 1, 3, {INPUT(PLAIN, 2, 5, 3)}},
    {"linalg_lu: wide", lu, TYPES_FACTOR, false, 1, 3, {INPUT(STRIDED, 2, 3, 4)}},
    {"linalg_lu_factor", lu_factor, TYPES_FACTOR, false, 1, 2, {INPUT(PLAIN, 3, 2, 3, 3)}},
    {"linalg_lu_factor: exchanges fixed",
     lu_factor_values,
     TYPES_FACTOR,
     true,
     1,
     1,
     {INPUT(PLAIN, 3, 2, 3, 3)}},
    {"linalg_lu: L and U", lu_values, TYPES_FACTOR, true, 1, 2, {INPUT(PLAIN, 3, 2, 3, 3)}},
    {"linalg_lu: L and U, tall", lu_values, TYPES_FACTOR, true, 1, 2, {INPUT(PLAIN, 2, 4, 2)}},
    {"linalg_lu: L and U, wide", lu_values, TYPES_FACTOR, true, 1, 2, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"linalg_eigh", eigh, TYPES_FACTOR, true, 1, 2, {INPUT(PLAIN, 2, 3, 3)}},
    {"linalg_eigh: upper, batch",
     eigh_upper,
     TYPES_FACTOR,
     true,
     1,
     3,
     {INPUT(TRANSPOSED, 3, 2, 2, 2)}},
    {"linalg_eigvalsh", eigvalsh, TYPES_FACTOR, true, 1, 1, {INPUT(PLAIN, 2, 3, 3)}},
    {"linalg_eigvalsh: one triangle",
     eigvalsh_triangles,
     TYPES_FACTOR,
     false,
     1,
     2,
     {INPUT(PLAIN, 2, 3, 3)}},
    {"linalg_eig", eig, TYPE_BIT(PONS_FLOAT32) | TYPE_BIT(PONS_FLOAT64), true, 1, 4, {INPUT(TRANSPOSED, 3, 2, 3, 3)}},
    {"linalg_eig: vectors", eig_vectors, TYPES_FACTOR, true, 1, 1, {INPUT(PLAIN, 2, 3, 3)}},
    {"linalg_eigvals", eigvals, TYPES_FACTOR, true, 1, 2, {INPUT(PLAIN, 2, 4, 4)}},
    {"linalg_inv", inv, TYPES_FACTOR, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 3)}},
    {"linalg_tri_inv", tri_inv, TYPES_FACTOR, true, 1, 2, {INPUT(STRIDED, 2, 3, 3)}},
    {"linalg_pinv: tall", pinv, TYPES_FACTOR, true, 1, 1, {INPUT(PLAIN, 2, 3, 2)}},
    {"linalg_pinv: wide, batch", pinv, TYPES_FACTOR, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 2, 3)}},
    {"linalg_cholesky_inv", cholesky_inv, TYPES_FACTOR, true, 1, 2, {INPUT(PLAIN, 2, 3, 3)}},
    {"linalg_solve",
     solve,
     TYPES_FACTOR,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 3), INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"linalg_solve: a vector, rows exchanged",
     solve_exchanged,
     TYPES_FACTOR,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 3, 3), INPUT(PLAIN, 1, 3)}},
    {"linalg_solve_triangular",
     solve_triangular,
     TYPES_FACTOR,
     true,
     2,
     2,
     {INPUT(TRANSPOSED, 2, 3, 3), INPUT(STRIDED, 2, 3, 2)}},
    {"linalg_det", det, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 2, 2)}},
    {"linalg_slogdet", slogdet, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 2, 3, 3)}},
    {"linalg_norm", norm, TYPES_ANY, true, 1, 4, {INPUT(TRANSPOSED, 3, 2, 3, 4)}},
    {"linalg_norm: vectors", norm_of_vectors, TYPES_ANY, true, 1, 4, {INPUT(STRIDED, 2, 3, 4)}},
    {"linalg_norm: other powers",
     norm_of_powers,
     TYPES_INEXACT,
     true,
     1,
     2,
     {INPUT_FROM(0.5, 2, PLAIN, 2, 3, 4)}},
    {"linalg_norm: zero", norm_counts, TYPES_ANY, false, 1, 1, {INPUT(PLAIN, 2, 3, 4)}},
    {"linalg_norm: matrices", norm_of_matrices, TYPES_ANY, true, 1, 4, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"linalg_norm: singular values",
     norm_of_singular_values,
     TYPES_FACTOR,
     true,
     1,
     3,
     {INPUT(TRANSPOSED, 3, 2, 2, 3)}},
    {"linalg_cross", cross, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 3, 2, 1, 3), INPUT(TRANSPOSED, 2, 4, 3)}},
    {"linalg_cross: in the plane",
     cross_plane,
     TYPES_ANY & ~TYPE_BIT(PONS_BOOL),
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 2, 4), INPUT(STRIDED, 2, 3, 4)}},
};

const conformance_case *linalg_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
