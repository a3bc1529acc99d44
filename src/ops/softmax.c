/* softmax.c: Softmax and LogSumExp over the last axis; over others they are made of simpler ops, as MLX does.
   Uses graph/. */
#include "ops/ops.h"
#include <math.h>

static error *last_axis_infer(const char *op, int n_in, const pons_array *in, spec *out) {
  error *e = check_count(op, n_in, 1);
  if (e) return e;
  if (in[0]->ndim == 0) return fail(op, "a scalar has no axis");
  if (dtype_kind_of(dtype_of(in[0])) != KIND_FLOAT)
    return fail(op, "not defined for %s", pons_dtype_name(dtype_of(in[0])));
  *out = spec_of(in[0]);
  return NULL;
}

static void same_params_vmap(const vmap_call *c) { batch_apply(c, c->params); }

/* exp(x - max), from which both are made; the greatest is shifted to 0 so that nothing overflows. */
static pons_array shifted_exp(pons_array x, pons_axes axes, pons_array *greatest) {
  *greatest = pons_stop_gradient(pons_max(x, .axes = axes, .keepdims = true));
  return pons_exp(pons_subtract(x, *greatest));
}

/* ---- Softmax ---- */

static error *softmax_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  return last_axis_infer("softmax", n_in, in, out);
}

static void softmax_vjp(const vjp_call *c) {
  pons_array weighted = pons_multiply(c->out[0], c->cotangents[0]);
  pons_array sum = pons_sum(weighted, .axes = PONS_AXES(-1), .keepdims = true);
  c->grads[0] = pons_subtract(weighted, pons_multiply(c->out[0], sum));
}

static pons_array by_definition(pons_array x, pons_axes axes, bool precise) {
  const pons_dtype dtype = dtype_of(x);
  pons_array wide = precise && pons_dtype_size(dtype) == 2 ? pons_astype(x, PONS_FLOAT32) : x, greatest;
  pons_array e = shifted_exp(wide, axes, &greatest);
  return as_dtype(pons_divide(e, pons_sum(e, .axes = axes, .keepdims = true)), dtype);
}

static void softmax_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const softmax_params *p = params;
  out[0] = in[0]->size == 0 ? same_array(in[0]) : by_definition(in[0], PONS_AXES(-1), p->precise);
}

const prim prim_softmax = {.name = "Softmax",
                           .params_size = sizeof(softmax_params),
                           .fields = {FIELD(BOOL, softmax_params, precise)},
                           .infer = softmax_infer,
                           .vjp = softmax_vjp,
                           .vmap = same_params_vmap,
                           .decompose = softmax_decompose};

pons_array pons_softmax_with(struct pons_softmax_args args) {
  pons_array bad = operand_fault("softmax", 1, &args.x);
  if (bad) return bad;
  const int last = -1;
  if (!args.axes.at) args.axes = (pons_axes){1, &last};
  int64_t axes[PONS_MAX_NDIM];
  int n = 0;
  error *e = axes_normal("softmax", args.x, args.axes, axes, &n);
  if (e) return node_error(e);
  pons_array x = as_dtype(args.x, dtype_at_least_float(dtype_of(args.x)));
  if (node_failed(x) || x->size == 0 || n == 0) return x == args.x ? same_array(x) : x;
  if (n > 1 || axes[0] != x->ndim - 1) return by_definition(x, args.axes, args.precise);
  const softmax_params params = {args.precise};
  return node_make(&prim_softmax, &params, 1, &x);
}

/* ---- LogSumExp: the last axis stays as 1 ---- */

static error *logsumexp_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = last_axis_infer("logsumexp", n_in, in, out);
  if (!e) out->shape.dims[out->shape.n - 1] = 1;
  return e;
}

/* The softmax, which is exp(x - result): elementwise, so that it becomes part of what is done with it. Of halves the result is too
   coarse for that. */
static void logsumexp_vjp(const vjp_call *c) {
  const softmax_params params = {true};
  const bool is_coarse = pons_dtype_size(dtype_of(c->in[0])) == 2;
  c->grads[0] = pons_multiply(c->cotangents[0], is_coarse ? node_make(&prim_softmax, &params, 1, c->in)
                                                          : pons_exp(pons_subtract(c->in[0], c->out[0])));
}

static pons_array logsumexp_by_definition(pons_array x, pons_axes axes) {
  pons_array greatest, e = shifted_exp(x, axes, &greatest);
  pons_array sum = pons_add(pons_log(pons_sum(e, .axes = axes, .keepdims = true)), greatest);
  pons_array endless = pons_equal(pons_abs(greatest), constant_like((double)INFINITY, x));
  return pons_where(endless, greatest, sum); /* inf - inf is no number */
}

static void logsumexp_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = logsumexp_by_definition(in[0], PONS_AXES(-1));
}

const prim prim_logsumexp = {.name = "LogSumExp",
                             .infer = logsumexp_infer,
                             .vjp = logsumexp_vjp,
                             .vmap = same_params_vmap,
                             .decompose = logsumexp_decompose};

pons_array pons_logsumexp_with(struct pons_reduce_args args) {
  pons_array bad = operand_fault("logsumexp", 1, &args.x);
  if (bad) return bad;
  if (args.x->size == 0) return node_fail("logsumexp", "%s has no element", node_text(args.x));
  int64_t axes[PONS_MAX_NDIM];
  int n = 0, narrow[PONS_MAX_NDIM];
  error *e = axes_normal("logsumexp", args.x, args.axes, axes, &n);
  if (e) return node_error(e);
  pons_array x = as_dtype(args.x, dtype_at_least_float(dtype_of(args.x)));
  if (!node_failed(x) && x->size == 0) return node_fail("logsumexp", "%s is empty", node_text(x));
  if (node_failed(x) || n == 0) return x == args.x ? same_array(x) : x;
  for (int i = 0; i < n; i++) narrow[i] = (int)axes[i];
  const pons_axes over = {n, narrow};
  const bool last = n == 1 && axes[0] == x->ndim - 1 && x->shape[axes[0]] > 0 && !dtype_is_complex(dtype_of(x));
  pons_array y = last ? node_make(&prim_logsumexp, NULL, 1, &x) : logsumexp_by_definition(x, over);
  return args.keepdims ? y : pons_squeeze(y, over);
}
