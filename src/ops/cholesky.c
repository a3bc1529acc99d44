/* cholesky.c: Cholesky, A = L L^H of a Hermitian positive definite A. Uses graph/. */
#include "ops/ops.h"

static error *cholesky_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = factor_check("cholesky", n_in, in, true, true);
  if (!e) *out = spec_of(in[0]);
  return e;
}

/* The lower triangle with half of the diagonal. */
static pons_array half_lower(pons_array x) {
  return pons_multiply(pons_add(pons_tril(x, 0), pons_tril(x, -1)), constant_like(0.5, x));
}

static bool is_upper(const void *params) { return ((const cholesky_params *)params)->upper; }

/* Murray 2016, "Differentiation of the Cholesky decomposition", (9) and (10). One triangle of A is read, but
   A is taken to be Hermitian, and so is its gradient. */
static void cholesky_vjp(const vjp_call *c) {
  const bool upper = is_upper(c->params);
  pons_array l = upper ? matrix_adjoint(c->out[0]) : c->out[0];
  pons_array g = upper ? matrix_adjoint(c->cotangents[0]) : c->cotangents[0];
  pons_array inverse = pons_linalg_tri_inv(l, false);
  pons_array inner = half_lower(pons_matmul(matrix_adjoint(l), g));
  c->grads[0] = matrix_hermitian(matrix_product3(matrix_adjoint(inverse), inner, inverse));
}

static void cholesky_jvp(const jvp_call *c) {
  const bool upper = is_upper(c->params);
  pons_array l = upper ? matrix_adjoint(c->out[0]) : c->out[0];
  pons_array inverse = pons_linalg_tri_inv(l, false);
  pons_array inner = matrix_product3(inverse, matrix_hermitian(c->tangents[0]), matrix_adjoint(inverse));
  pons_array moved = pons_matmul(l, half_lower(inner));
  c->out_tangents[0] = upper ? matrix_adjoint(moved) : moved;
}

const prim prim_cholesky = {.name = "Cholesky",
                            .params_size = sizeof(cholesky_params),
                            .fields = {FIELD(BOOL, cholesky_params, upper)},
                            .infer = cholesky_infer,
                            .vjp = cholesky_vjp,
                            .jvp = cholesky_jvp,
                            .vmap = factor_vmap};

pons_array pons_linalg_cholesky(pons_array a, bool upper) {
  pons_array bad = operand_fault("cholesky", 1, &a);
  const cholesky_params params = {upper};
  return bad ? bad : node_make(&prim_cholesky, &params, 1, &a);
}
