/* solve.c: SolveTriangular, x with t x = b for a triangle t. MLX has no such primitive: there, and where a device has none, it
   is the inverse of the triangle times b. Uses graph/. */
#include "ops/ops.h"

static error *solve_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  const char *op = "solve_triangular";
  error *e = n_in == 2 ? factor_check(op, 1, in, true, true) : check_count(op, n_in, 2);
  if (e) return e;
  const node *t = in[0], *b = in[1];
  const int last = t->ndim - 1;
  if (b->dtype != t->dtype || b->ndim != t->ndim || !shape_equal(last, b->shape, last, t->shape))
    return fail(op, "%s does not fit the triangle %s", node_text(b), node_text(t));
  *out = spec_of(b);
  return NULL;
}

static pons_array solution(pons_array t, pons_array b, bool upper) {
  const solve_params params = {upper};
  return node_make(&prim_solve_triangular, &params, 2, (pons_array[]){t, b});
}

/* db = T^-H g and dT = -db x^H, of which the triangle counts (Giles 2008, 2.3.1). */
static void solve_vjp(const vjp_call *c) {
  const bool upper = ((const solve_params *)c->params)->upper;
  pons_array db = solution(matrix_adjoint(c->in[0]), c->cotangents[0], !upper);
  c->grads[1] = db;
  if (!c->wanted[0]) return;
  pons_array whole = pons_negative(pons_matmul(db, matrix_adjoint(c->out[0])));
  c->grads[0] = upper ? pons_triu(whole, 0) : pons_tril(whole, 0);
}

static void solve_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  out[0] = pons_matmul(pons_linalg_tri_inv(in[0], ((const solve_params *)params)->upper), in[1]);
}

const prim prim_solve_triangular = {.name = "SolveTriangular",
                                    .params_size = sizeof(solve_params),
                                    .fields = {FIELD(BOOL, solve_params, upper)},
                                    .infer = solve_infer,
                                    .vjp = solve_vjp,
                                    .vmap = factor_vmap,
                                    .decompose = solve_decompose};

pons_array pons_linalg_solve_triangular(pons_array a, pons_array b, bool upper) {
  const char *op = "linalg_solve_triangular";
  pons_array bad = operand_fault(op, 2, (pons_array[]){a, b});
  if (bad) return bad;
  const pons_dtype dtype = pons_promote(dtype_of(a), dtype_of(b));
  if (dtype != PONS_FLOAT32 && dtype != PONS_FLOAT64 && !dtype_is_complex(dtype))
    return node_fail(op, "operands must promote to float32, float64, complex64 or complex128, not %s and %s",
                     pons_dtype_name(dtype_of(a)), pons_dtype_name(dtype_of(b)));
  if (a->ndim < 2 || a->shape[a->ndim - 1] != a->shape[a->ndim - 2])
    return node_fail(op, "the first operand must be square matrices, not %s", node_text(a));
  if (b->ndim < 1) return node_fail(op, "the second operand needs at least 1 axis");
  const bool vector = b->ndim == 1;
  a = as_dtype(a, dtype);
  b = as_dtype(vector ? pons_expand_dims(b, PONS_AXES(-1)) : b, dtype);
  if (a->shape[a->ndim - 1] != b->shape[b->ndim - 2])
    return node_fail(op, "%lld equations, but %lld right-hand sides", (long long)a->shape[a->ndim - 1],
                     (long long)b->shape[b->ndim - 2]);
  error *why = align_matrices(op, &a, &b);
  if (why) return node_error(why);
  pons_array x = solution(a, b, upper);
  return vector ? pons_squeeze(x, PONS_AXES(-1)) : x;
}
