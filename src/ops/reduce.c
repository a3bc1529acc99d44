/* reduce.c: Reduce (sum, prod, min, max, all, any) and ArgReduce. The primitive leaves reduced axes as 1;
   without keepdims a Squeeze follows. Uses base/, graph/. */
#include "ops/ops.h"

static const char *const kind_names[REDUCE_KINDS] = {"all", "any", "sum", "prod", "min", "max"};

/* Sums and products of bool and narrow integers are 32 bits wide. */
static pons_dtype reduced_dtype(int kind, pons_dtype d) {
  if (kind == REDUCE_AND || kind == REDUCE_OR) return PONS_BOOL;
  if (kind == REDUCE_MIN || kind == REDUCE_MAX) return d;
  switch (d) {
    case PONS_BOOL:
    case PONS_INT8:
    case PONS_INT16:
      return PONS_INT32;
    case PONS_UINT8:
    case PONS_UINT16:
      return PONS_UINT32;
    default:
      return d;
  }
}

static error *reduce_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const reduce_params *p = params;
  if (p->kind < 0 || p->kind >= REDUCE_KINDS) return fail("reduce", "%d is no kind of reduction", p->kind);
  const char *op = kind_names[p->kind];
  error *e = check_count(op, n_in, 1);
  if (!e) e = axes_check(op, in[0]->ndim, p->axes);
  if (e) return e;
  shape s = node_shape(in[0]);
  for (int i = 0; i < p->axes.n; i++) {
    const int64_t axis = p->axes.at[i];
    if (s.dims[axis] == 0 && (p->kind == REDUCE_MIN || p->kind == REDUCE_MAX))
      return fail(op, "axis %lld of %s has no element to choose from", (long long)axis, node_text(in[0]));
    s.dims[axis] = 1;
  }
  return spec_set(op, out, reduced_dtype(p->kind, dtype_of(in[0])), s.n, s.dims);
}

/* d prod / d x_i is the product of the others: of those before times those behind, which divides by nothing.
   The reduced axes are moved to the end and made one. */
static pons_array others_product(pons_array x, ints axes) {
  int order[PONS_MAX_NDIM], n = 0, back[PONS_MAX_NDIM];
  bool reduced[PONS_MAX_NDIM] = {false};
  for (int i = 0; i < axes.n; i++) reduced[axes.at[i]] = true;
  for (int i = 0; i < x->ndim; i++)
    if (!reduced[i]) order[n++] = i;
  const int kept = n;
  for (int i = 0; i < x->ndim; i++)
    if (reduced[i]) order[n++] = i;
  for (int i = 0; i < n; i++) back[order[i]] = i;
  pons_array last = pons_transpose(x, .axes = {n, order});
  if (node_failed(last)) return last;
  int64_t dims[PONS_MAX_NDIM + 1], joined = 1;
  for (int i = 0; i < kept; i++) dims[i] = last->shape[i];
  for (int i = kept; i < n; i++) joined *= last->shape[i];
  dims[kept] = joined;
  pons_array flat = pons_reshape(last, (pons_shape){kept + 1, dims});
  pons_array others = pons_multiply(pons_cumprod(flat, .axis = kept, .exclusive = true),
                                    pons_cumprod(flat, .axis = kept, .exclusive = true, .reverse = true));
  return pons_transpose(pons_reshape(others, pons_shape_of(last)), .axes = {n, back});
}

static void reduce_vjp(const vjp_call *c) {
  const reduce_params *p = c->params;
  pons_array x = c->in[0];
  pons_array ct = as_shape_like(as_dtype(c->cotangents[0], dtype_of(x)), x);
  switch (p->kind) {
    case REDUCE_SUM:
      c->grads[0] = ct;
      return;
    case REDUCE_PROD:
      c->grads[0] = p->axes.n ? pons_multiply(ct, pons_conjugate(others_product(x, p->axes))) : ct;
      return;
    case REDUCE_MIN:
    case REDUCE_MAX:
      break;
    default:
      return; /* all and any: no gradient */
  }
  /* shared by all that reach the extreme */
  int axes[PONS_MAX_NDIM];
  for (int i = 0; i < p->axes.n; i++) axes[i] = (int)p->axes.at[i];
  pons_array reached = as_dtype(pons_equal(x, as_shape_like(c->out[0], x)), dtype_of(x));
  pons_array share =
      p->axes.n ? pons_divide(reached, pons_sum(reached, .axes = {p->axes.n, axes}, .keepdims = true))
                : reached;
  c->grads[0] = pons_multiply(as_dtype(share, dtype_of(x)), ct);
}

static void reduce_vmap(const vmap_call *c) {
  const reduce_params *p = c->params;
  int64_t room[PONS_MAX_NDIM];
  const reduce_params shifted = {p->kind, batch_shift(p->axes, room)};
  batch_apply(c, &shifted);
}

const prim prim_reduce = {
    .name = "Reduce",
    .params_size = sizeof(reduce_params),
    .fields = {FIELD_OF(reduce_params, kind, REDUCE_KINDS), FIELD(INTS, reduce_params, axes)},
    .infer = reduce_infer,
    .vjp = reduce_vjp,
    .vmap = reduce_vmap};

/* The halves that x is made of, if it is those and only made wider, else NULL. */
static pons_array widened_from(const node *x) {
  pons_array narrow = NULL;
  if (x->prim != &elementwise_prims[ROW_cast] || pons_dtype_size(dtype_of(x)) == 2 || dtype_kind_of(dtype_of(x)) != KIND_FLOAT)
    return NULL;
  graph_lock(); /* as soon as x is computed it lets go of them */
  if (x->in && pons_dtype_size(dtype_of(x->in[0])) == 2 && dtype_kind_of(dtype_of(x->in[0])) == KIND_FLOAT)
    narrow = same_array(x->in[0]);
  graph_unlock();
  return narrow;
}

static pons_array reduce(int kind, struct pons_reduce_args args) {
  pons_array x = args.x, bad = operand_fault(kind_names[kind], 1, &x);
  if (bad) return bad;
  pons_array narrow = kind == REDUCE_MIN || kind == REDUCE_MAX ? widened_from(x) : NULL;
  if (narrow) { /* is as great before: nothing wide need be there for it */
    args.x = narrow;
    return as_dtype(reduce(kind, args), dtype_of(x));
  }
  int64_t axes[PONS_MAX_NDIM];
  int n = 0;
  error *e = axes_normal(kind_names[kind], x, args.axes, axes, &n);
  if (e) return node_error(e);
  axes_sort(axes, n);
  bool reduces = n && trace_is_shapeless() && x->traced; /* an axis may be longer later */
  for (int i = 0; i < n; i++) reduces |= x->shape[axes[i]] != 1;
  pons_array y;
  if (reduces) {
    const reduce_params params = {kind, {n, axes}};
    y = node_make(&prim_reduce, &params, 1, &x);
  } else { /* each element is its own sum */
    const pons_dtype dtype = reduced_dtype(kind, dtype_of(x));
    if (n == 0 && kind != REDUCE_AND && kind != REDUCE_OR)
      return same_array(x); /* as MLX: not even widened */
    y = x->dtype == dtype ? x : pons_astype(x, dtype);
  }
  if (args.keepdims || n == 0) return y == x ? same_array(x) : y;
  int squeezed[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) squeezed[i] = (int)axes[i];
  return pons_squeeze(y, (pons_axes){n, squeezed});
}

pons_array pons_all_with(struct pons_reduce_args args) { return reduce(REDUCE_AND, args); }
pons_array pons_any_with(struct pons_reduce_args args) { return reduce(REDUCE_OR, args); }
pons_array pons_sum_with(struct pons_reduce_args args) { return reduce(REDUCE_SUM, args); }
pons_array pons_prod_with(struct pons_reduce_args args) { return reduce(REDUCE_PROD, args); }
pons_array pons_min_with(struct pons_reduce_args args) { return reduce(REDUCE_MIN, args); }
pons_array pons_max_with(struct pons_reduce_args args) { return reduce(REDUCE_MAX, args); }

/* ---- ArgReduce: where the extreme is, the first one ---- */

static error *arg_reduce_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const arg_reduce_params *p = params;
  const char *op = p->kind == ARG_MIN ? "argmin" : "argmax";
  error *e = check_count(op, n_in, 1);
  if (!e && p->kind != ARG_MIN && p->kind != ARG_MAX)
    e = fail("arg_reduce", "%d is no kind of reduction", p->kind);
  if (!e) e = axis_check(op, in[0], p->axis);
  if (e) return e;
  shape s = node_shape(in[0]);
  if (in[0]->size == 0)
    return fail(op, "axis %d of %s has no element to choose from", p->axis, node_text(in[0]));
  s.dims[p->axis] = 1;
  return spec_set(op, out, PONS_UINT32, s.n, s.dims);
}

static void arg_reduce_vmap(const vmap_call *c) {
  const arg_reduce_params *p = c->params;
  const arg_reduce_params shifted = {p->kind, p->axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_arg_reduce = {
    .name = "ArgReduce",
    .no_gradient = true,
    .params_size = sizeof(arg_reduce_params),
    .fields = {FIELD_OF(arg_reduce_params, kind, ARG_MAX + 1), FIELD(INT, arg_reduce_params, axis)},
    .infer = arg_reduce_infer,
    .vmap = arg_reduce_vmap};

static pons_array arg_reduce(int kind, pons_array x, int axis, bool keepdims) {
  const char *op = kind == ARG_MIN ? "argmin" : "argmax";
  pons_array bad = operand_fault(op, 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const int n = x->ndim;
  const arg_reduce_params params = {kind, axis_or_flat(op, &x, axis, &e)};
  if (e) return node_error(e);
  pons_array y = node_make(&prim_arg_reduce, &params, 1, &x);
  if (!keepdims) return pons_squeeze(y, PONS_AXES(params.axis));
  if (axis != PONS_FLAT) return y;
  int64_t ones[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) ones[i] = 1;
  return pons_reshape(y, (pons_shape){n, ones});
}

pons_array pons_argmin(pons_array x, int axis, bool keepdims) {
  return arg_reduce(ARG_MIN, x, axis, keepdims);
}
pons_array pons_argmax(pons_array x, int axis, bool keepdims) {
  return arg_reduce(ARG_MAX, x, axis, keepdims);
}
