/* inverse.c: Inverse, of a matrix or of one of its triangles. Uses graph/. */
#include "ops/ops.h"

static error *inverse_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const inverse_params *p = params;
  error *e = factor_check(p->tri ? "tri_inv" : "inv", n_in, in, true, p->tri);
  if (!e) *out = spec_of(in[0]);
  return e;
}

/* What of x counts: the triangle alone is read. */
static pons_array read_part(const inverse_params *p, pons_array x) {
  return !p->tri ? x : p->upper ? pons_triu(x, 0) : pons_tril(x, 0);
}

/* C = A^-1: dC = -C dA C (Giles 2008, 2.2.3). */
static void inverse_vjp(const vjp_call *c) {
  pons_array t = matrix_adjoint(c->out[0]);
  c->grads[0] = pons_negative(read_part(c->params, matrix_product3(t, c->cotangents[0], t)));
}

static void inverse_jvp(const jvp_call *c) {
  pons_array moved = read_part(c->params, c->tangents[0]);
  c->out_tangents[0] = pons_negative(matrix_product3(c->out[0], moved, c->out[0]));
}

const prim prim_inverse = {.name = "Inverse",
                           .params_size = sizeof(inverse_params),
                           .fields = {FIELD(BOOL, inverse_params, tri), FIELD(BOOL, inverse_params, upper)},
                           .infer = inverse_infer,
                           .vjp = inverse_vjp,
                           .jvp = inverse_jvp,
                           .vmap = factor_vmap};

static pons_array inverse(const char *op, pons_array a, const inverse_params *params) {
  pons_array bad = operand_fault(op, 1, &a);
  return bad ? bad : node_make(&prim_inverse, params, 1, &a);
}

/* (X + iY) (C + iD) = I as one real equation of twice the size: the first columns of the inverse of
   [X, -Y; Y, X] are C and D. */
static pons_array complex_inverse(pons_array a) {
  if (a->ndim < 2 || a->shape[a->ndim - 1] != a->shape[a->ndim - 2])
    return node_fail("inv", "needs square matrices, not %s", node_text(a));
  const int64_t n = a->shape[a->ndim - 1];
  pons_array x = pons_real(a), y = pons_imag(a);
  pons_array whole = matrix_join(matrix_join(x, pons_negative(y), -1), matrix_join(y, x, -1), -2);
  pons_array solved = inverse("inv", whole, &(inverse_params){false, false});
  if (node_failed(solved)) return solved;
  const pons_dtype dtype = dtype_of(a);
  return pons_add(pons_astype(matrix_part(solved, 0, n, 0, n), dtype),
                  pons_multiply(pons_complex(0, 1), pons_astype(matrix_part(solved, n, 2 * n, 0, n), dtype)));
}

pons_array pons_linalg_inv(pons_array a) {
  pons_array bad = operand_fault("inv", 1, &a);
  if (bad) return bad;
  if (dtype_is_complex(dtype_of(a))) return complex_inverse(a);
  return inverse("inv", a, &(inverse_params){false, false});
}

pons_array pons_linalg_tri_inv(pons_array a, bool upper) {
  return inverse("tri_inv", a, &(inverse_params){true, upper});
}
