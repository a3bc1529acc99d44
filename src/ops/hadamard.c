/* hadamard.c: Hadamard, the last axis times scale * H, where H of order n = m 2^k is the Kronecker product of a
   matrix of order m and k of [[1, 1], [1, -1]]. Those of order 20 and 28 are not symmetric. Uses base/, graph/. */
#include "ops/ops.h"
#include <math.h>

static error *hadamard_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("hadamard_transform", n_in, 1);
  if (e) return e;
  if (in[0]->ndim == 0) return fail("hadamard_transform", "a scalar has no axis");
  if (dtype_kind_of(dtype_of(in[0])) != KIND_FLOAT)
    return fail("hadamard_transform", "not defined for %s", node_text(in[0]));
  if (in[0]->size == 0) return fail("hadamard_transform", "%s is empty", node_text(in[0]));
  if (!hadamard_factor(in[0]->shape[in[0]->ndim - 1]))
    return fail("hadamard_transform", "the last axis of %s is not 2^k times 1, 12, 20 or 28", node_text(in[0]));
  *out = spec_of(in[0]);
  return NULL;
}

/* The transposed matrix of order m, in x's dtype. */
static pons_array transposed(int m, const node *x) {
  float signs[28 * 28];
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) signs[i * m + j] = (float)hadamard_sign(m, j, i);
  return as_dtype(pons_array_from(signs, PONS_SHAPE(m, m), PONS_FLOAT32), dtype_of(x));
}

/* The transposed product: the matrices of order 2 are symmetric, that of order m may not be. */
static void hadamard_vjp(const vjp_call *c) {
  pons_array ct = c->cotangents[0];
  const int64_t n = ct->shape[ct->ndim - 1];
  const int m = hadamard_factor(n);
  if (m <= 12) {
    c->grads[0] = node_make(&prim_hadamard, c->params, 1, &ct);
    return;
  }
  pons_array apart = pons_unflatten(ct, -1, PONS_SHAPE(m, n / m));
  pons_array mixed = pons_matmul(transposed(m, ct), apart);
  if (!node_failed(mixed)) mixed = node_make(&prim_hadamard, c->params, 1, &mixed);
  c->grads[0] = pons_flatten(mixed, -2, -1);
}

static void hadamard_vmap(const vmap_call *c) { batch_apply(c, c->params); }

const prim prim_hadamard = {.name = "Hadamard",
                            .linear = true,
                            .params_size = sizeof(hadamard_params),
                            .fields = {FIELD(FLOAT, hadamard_params, scale)},
                            .infer = hadamard_infer,
                            .vjp = hadamard_vjp,
                            .vmap = hadamard_vmap};

/* Of one element: x itself, or a multiple, whatever its dtype. */
pons_array pons_hadamard_transform_with(struct pons_hadamard_args args) {
  const char *const op = "hadamard_transform";
  pons_array x = args.x, bad = operand_fault(op, 1, &x);
  if (bad) return bad;
  if (x->size == 0) return node_fail(op, "%s is empty", node_text(x));
  if (dtype_is_complex(dtype_of(x))) return node_fail(op, "not defined for %s", node_text(x));
  const int64_t n = x->ndim ? x->shape[x->ndim - 1] : 1;
  const hadamard_params params = {args.scale != 0 ? args.scale : (float)(1 / sqrt((double)n))};
  if (n == 1) return params.scale == 1 ? same_array(x) : pons_multiply(x, pons_float((double)params.scale));
  x = as_dtype(x, dtype_at_least_float(dtype_of(x)));
  return node_failed(x) ? x : node_make(&prim_hadamard, &params, 1, &x);
}
