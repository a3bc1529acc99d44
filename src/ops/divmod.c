/* divmod.c: DivMod, floored quotient and remainder at once. Uses graph/. */
#include "ops/ops.h"

static int divmod_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 2;
}

static error *divmod_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("divmod", n_in, 2);
  if (e) return e;
  if (in[0]->dtype != in[1]->dtype || !shape_equal(in[0]->ndim, in[0]->shape, in[1]->ndim, in[1]->shape))
    return fail("divmod", "operands differ: %s and %s", node_text(in[0]), node_text(in[1]));
  if (dtype_is_complex(dtype_of(in[0])))
    return fail("divmod", "not defined for %s", pons_dtype_name(dtype_of(in[0])));
  out[0] = out[1] = spec_of(in[0]);
  return NULL;
}

/* Through the remainder, a - b floor(a / b): the quotient has no slope. */
static void divmod_vjp(const vjp_call *c) {
  if (c->wanted[0]) c->grads[0] = c->cotangents[1];
  if (c->wanted[1]) c->grads[1] = pons_negative(pons_multiply(c->cotangents[1], c->out[0]));
}

static void divmod_jvp(const jvp_call *c) {
  pons_array a = c->tangents[0], b = c->tangents[1] ? pons_multiply(c->tangents[1], c->out[0]) : NULL;
  c->out_tangents[0] = zeros_of(c->out[0]);
  c->out_tangents[1] = !b ? a : a ? pons_subtract(a, b) : pons_negative(b);
}

static void divmod_vmap(const vmap_call *c) { batch_apply(c, NULL); }

static void divmod_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = pons_floor_divide(in[0], in[1]);
  out[1] = pons_remainder(in[0], in[1]);
}

const prim prim_divmod = {.name = "DivMod",
                          .outputs = divmod_outputs,
                          .infer = divmod_infer,
                          .vjp = divmod_vjp,
                          .jvp = divmod_jvp,
                          .vmap = divmod_vmap,
                          .decompose = divmod_decompose};

void pons_divmod(pons_array a, pons_array b, pons_array out[2]) {
  pons_array bad = operand_fault("divmod", 2, (pons_array[]){a, b});
  if (bad) {
    out[0] = out[1] = bad;
    return;
  }
  const pons_dtype dtype = dtype_promote_weak(dtype_of(a), a->weak, dtype_of(b), b->weak);
  shape s;
  if (!shape_broadcast(a->ndim, a->shape, b->ndim, b->shape, &s)) {
    out[0] = out[1] = node_fail("divmod", "shapes do not broadcast: %s and %s", node_text(a), node_text(b));
    return;
  }
  pons_array in[2] = {as_shape(as_dtype(a, dtype), s.n, s.dims), as_shape(as_dtype(b, dtype), s.n, s.dims)};
  node_make_many(&prim_divmod, NULL, 2, in, out, 2);
}
