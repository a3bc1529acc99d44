/* eigen.c: Eigh, of symmetric and Hermitian matrices, and Eig, of any square one. Uses graph/. */
#include "ops/ops.h"

static spec values_of(const node *a, pons_dtype dtype) {
  spec s = spec_of(a);
  s.dtype = dtype;
  s.shape.n--; /* the last axis of a square matrix goes */
  return s;
}

/* ---- Eigh: A = V diag(w) V^H ---- */

static bool eigh_vectors(const void *params) { return ((const eigh_params *)params)->compute_eigenvectors; }

static int eigh_outputs(const void *params, int n_in) {
  (void)n_in;
  return eigh_vectors(params) ? 2 : 1;
}

static error *eigh_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const eigh_params *p = params;
  error *e = factor_check("eigh", n_in, in, true, true);
  if (e) return e;
  if (p->uplo.n != 1 || (p->uplo.at[0] != 'L' && p->uplo.at[0] != 'U'))
    return fail("eigh", "UPLO is L or U, not %.*s", p->uplo.n, p->uplo.at);
  out[0] = values_of(in[0], dtype_of_parts(dtype_of(in[0])));
  if (p->compute_eigenvectors) out[1] = spec_of(in[0]);
  return NULL;
}

static pons_array eigh_basis(pons_array a, const void *params, const pons_array *out) {
  pons_array both[2];
  if (eigh_vectors(params)) return out[1];
  pons_linalg_eigh(a, ((const eigh_params *)params)->uplo.at[0], both);
  return both[1];
}

/* dw = Re diag P, dV = V (F P) with P = V^H dA V and F = 1 / (w_j - w_i) off the diagonal (Giles 2008, 3.1).
   One triangle of A is read, but A is taken to be Hermitian, and so is its gradient. Vectors of equal values
   have no derivative; the phase of complex ones is left as it is. */
static void eigh_vjp(const vjp_call *c) {
  const node *a = c->in[0];
  pons_array v = eigh_basis(c->in[0], c->params, c->out);
  if (node_failed(v)) {
    c->grads[0] = v;
    return;
  }
  const int64_t n = a->shape[a->ndim - 1];
  pons_array middle = as_dtype(matrix_from_diagonal(c->cotangents[0], n, n), dtype_of(a));
  if (eigh_vectors(c->params))
    middle = pons_add(
        middle, pons_multiply(matrix_gaps(c->out[0], n), pons_matmul(matrix_adjoint(v), c->cotangents[1])));
  c->grads[0] = matrix_hermitian(matrix_product3(v, middle, matrix_adjoint(v)));
}

static void eigh_jvp(const jvp_call *c) {
  const node *a = c->in[0];
  pons_array v = eigh_basis(c->in[0], c->params, c->out);
  pons_array moved = matrix_product3(matrix_adjoint(v), matrix_hermitian(c->tangents[0]), v);
  pons_array diagonal = matrix_diagonal(moved);
  c->out_tangents[0] = dtype_is_complex(dtype_of(a)) ? pons_real(diagonal) : diagonal;
  if (!eigh_vectors(c->params)) return;
  c->out_tangents[1] = pons_matmul(v, pons_multiply(matrix_gaps(c->out[0], a->shape[a->ndim - 1]), moved));
}

const prim prim_eigh = {
    .name = "Eigh",
    .params_size = sizeof(eigh_params),
    .fields = {FIELD(TEXT, eigh_params, uplo), FIELD(BOOL, eigh_params, compute_eigenvectors)},
    .outputs = eigh_outputs,
    .infer = eigh_infer,
    .vjp = eigh_vjp,
    .jvp = eigh_jvp,
    .vmap = factor_vmap};

void pons_linalg_eigh(pons_array a, char uplo, pons_array out[2]) {
  pons_array bad = operand_fault("eigh", 1, &a);
  const eigh_params params = {.uplo = {1, &uplo}, .compute_eigenvectors = true};
  if (bad)
    out[0] = out[1] = bad;
  else
    node_make_many(&prim_eigh, &params, 1, &a, out, 2);
}

pons_array pons_linalg_eigvalsh(pons_array a, char uplo) {
  pons_array bad = operand_fault("eigvalsh", 1, &a);
  const eigh_params params = {.uplo = {1, &uplo}, .compute_eigenvectors = false};
  return bad ? bad : node_make(&prim_eigh, &params, 1, &a);
}

/* ---- Eig: A V = V diag(w), both complex64 of real A, as in MLX, else of its dtype ---- */

static bool eig_vectors(const void *params) { return ((const eig_params *)params)->compute_eigenvectors; }

static int eig_outputs(const void *params, int n_in) {
  (void)n_in;
  return eig_vectors(params) ? 2 : 1;
}

static error *eig_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  error *e = factor_check("eig", n_in, in, true, true);
  if (e) return e;
  out[0] = values_of(in[0], in[0]->dtype == PONS_COMPLEX128 ? PONS_COMPLEX128 : PONS_COMPLEX64);
  if (!eig_vectors(params)) return NULL;
  out[1] = spec_of(in[0]);
  out[1].dtype = out[0].dtype;
  return NULL;
}

static pons_array eig_basis(pons_array a, const void *params, const pons_array *out) {
  pons_array both[2];
  if (eig_vectors(params)) return out[1];
  pons_linalg_eig(a, both);
  return both[1];
}

/* The real part of each column of a with the same one of b, as complex numbers (..., 1, n). */
static pons_array overlaps(pons_array a, pons_array b) {
  pons_array each = pons_real(pons_multiply(pons_conjugate(a), b));
  return pons_astype(pons_sum(each, .axes = PONS_AXES(-2), .keepdims = true), dtype_of(a));
}

/* dw = diag P, dV = D - V Re diag(V^H D) with P = V^-1 dA V, D = V (F P), F = 1 / (w_j - w_i) off the
   diagonal (Giles 2008, 3.1; the last term keeps the columns' lengths at 1). Vectors of equal values have no
   derivative, and neither has the phase of a vector, which LAPACK chooses. */
static void eig_vjp(const vjp_call *c) {
  const node *a = c->in[0];
  pons_array v = eig_basis(c->in[0], c->params, c->out);
  if (node_failed(v)) {
    c->grads[0] = v;
    return;
  }
  const int64_t n = a->shape[a->ndim - 1];
  pons_array middle = matrix_from_diagonal(c->cotangents[0], n, n);
  if (eig_vectors(c->params)) {
    pons_array d_bar = pons_subtract(c->cotangents[1], pons_multiply(v, overlaps(v, c->cotangents[1])));
    pons_array gaps = pons_conjugate(matrix_gaps(c->out[0], n));
    middle = pons_add(middle, pons_multiply(gaps, pons_matmul(matrix_adjoint(v), d_bar)));
  }
  pons_array whole = matrix_product3(matrix_adjoint(pons_linalg_inv(v)), middle, matrix_adjoint(v));
  c->grads[0] = dtype_is_complex(dtype_of(a)) ? whole : as_dtype(pons_real(whole), dtype_of(a));
}

static void eig_jvp(const jvp_call *c) {
  const node *a = c->in[0];
  pons_array v = eig_basis(c->in[0], c->params, c->out);
  pons_array moved = matrix_product3(pons_linalg_inv(v), as_dtype(c->tangents[0], dtype_of(v)), v);
  c->out_tangents[0] = matrix_diagonal(moved);
  if (!eig_vectors(c->params)) return;
  pons_array d = pons_matmul(v, pons_multiply(matrix_gaps(c->out[0], a->shape[a->ndim - 1]), moved));
  c->out_tangents[1] = pons_subtract(d, pons_multiply(v, overlaps(v, d)));
}

const prim prim_eig = {.name = "Eig",
                       .params_size = sizeof(eig_params),
                       .fields = {FIELD(BOOL, eig_params, compute_eigenvectors)},
                       .outputs = eig_outputs,
                       .infer = eig_infer,
                       .vjp = eig_vjp,
                       .jvp = eig_jvp,
                       .vmap = factor_vmap};

void pons_linalg_eig(pons_array a, pons_array out[2]) {
  pons_array bad = operand_fault("eig", 1, &a);
  const eig_params params = {true};
  if (bad)
    out[0] = out[1] = bad;
  else
    node_make_many(&prim_eig, &params, 1, &a, out, 2);
}

pons_array pons_linalg_eigvals(pons_array a) {
  pons_array bad = operand_fault("eigvals", 1, &a);
  const eig_params params = {false};
  return bad ? bad : node_make(&prim_eig, &params, 1, &a);
}
