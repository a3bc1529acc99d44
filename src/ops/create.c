/* create.c: arrays from nothing: full and its constants, alone and like others; arange. Uses graph/. */
#include "ops/ops.h"
#include <math.h>

/* ---- Full: a broadcast value in memory of its own ---- */

static error *full_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("full", n_in, 1);
  if (e) return e;
  *out = spec_of(in[0]);
  return NULL;
}

static void full_vjp(const vjp_call *c) { c->grads[0] = c->cotangents[0]; }

static void full_vmap(const vmap_call *c) { batch_apply(c, NULL); }

const prim prim_full = {
    .name = "Full", .linear = true, .infer = full_infer, .vjp = full_vjp, .vmap = full_vmap};

pons_array pons_full(pons_shape shape, pons_array value) {
  pons_array bad = operand_fault("full", 1, &value);
  if (bad) return bad;
  spec s;
  error *e = spec_set("full", &s, dtype_of(value), shape.count, shape.at);
  if (e) return node_error(e);
  pons_array wide = as_shape(value, shape.count, shape.at);
  return node_make_as(&prim_full, NULL, 1, &wide, s.dtype, s.shape.n, s.shape.dims);
}

pons_array pons_zeros(pons_shape shape, pons_dtype dtype) { return pons_full(shape, pons_scalar(0, dtype)); }
pons_array pons_ones(pons_shape shape, pons_dtype dtype) { return pons_full(shape, pons_scalar(1, dtype)); }

/* `value` in x's shape, and in its dtype if no other is given. In a trace for all sizes it follows those of x. */
static pons_array filled(const char *op, pons_array x, pons_array value, pons_optional_dtype dtype) {
  pons_array in[2] = {x, value}, bad = operand_fault(op, 2, in);
  if (bad) return bad;
  value = pons_astype(value, dtype.given ? dtype.dtype : dtype_of(x));
  if (!trace_is_shapeless() || !x->traced) return pons_full((pons_shape){x->ndim, x->shape}, value);
  pons_array wide = as_shape_like(value, x);
  return node_make(&prim_full, NULL, 1, &wide);
}

pons_array pons_full_like_with(struct pons_full_like_args args) {
  return filled("full_like", args.x, args.value, args.dtype);
}
pons_array pons_zeros_like_with(struct pons_like_args args) {
  return filled("zeros_like", args.x, pons_scalar(0, PONS_FLOAT32), args.dtype);
}
pons_array pons_ones_like_with(struct pons_like_args args) {
  return filled("ones_like", args.x, pons_scalar(1, PONS_FLOAT32), args.dtype);
}

/* ---- Arange ---- */

static error *arange_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)in;
  const arange_params *p = params;
  error *e = check_count("arange", n_in, 0);
  if (e) return e;
  if (!isfinite(p->start) || !isfinite(p->stop) || !isfinite(p->step))
    return fail("arange", "start %g, stop %g and step %g must be finite", p->start, p->stop, p->step);
  if (p->step == 0) return fail("arange", "the step is 0");
  if (p->dtype == PONS_BOOL || !dtype_is_valid((int)p->dtype))
    return fail("arange", "not defined for %s",
                dtype_is_valid((int)p->dtype) ? pons_dtype_name(p->dtype) : "this dtype");
  const double count = ceil((p->stop - p->start) / p->step);
  if (count > 0x1p59)
    return fail("arange", "%g to %g by %g are too many elements", p->start, p->stop, p->step);
  const int64_t size = count > 0 ? (int64_t)count : 0;
  return spec_set("arange", out, p->dtype, 1, &size);
}

const prim prim_arange = {
    .name = "Arange",
    .no_gradient = true,
    .params_size = sizeof(arange_params),
    .fields = {FIELD(DOUBLE, arange_params, start), FIELD(DOUBLE, arange_params, stop),
               FIELD(DOUBLE, arange_params, step), FIELD_UNSTORED(DTYPE, arange_params, dtype)},
    .infer = arange_infer};

pons_array pons_arange(double start, double stop, double step, pons_dtype dtype) {
  const arange_params params = {start, stop, step, dtype};
  return node_make(&prim_arange, &params, 0, NULL);
}
