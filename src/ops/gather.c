/* gather.c: reading at computed places: Gather (slices at one index per axis), take, GatherAxis
   (take_along_axis). Negative indices count from the end; that they are in range is seen when they are
   computed. Uses base/, graph/. */
#include "ops/ops.h"

/* ---- Gather: result is indices' shape + slice_sizes ---- */

/* Index operands in[0 .. axes.n): integers of one shape. Fills `places`, that shape. */
static error *indices_check(const char *op, const node *x, ints axes, const pons_array *in, shape *places) {
  error *e = axes_check(op, x->ndim, axes);
  places->n = 0;
  for (int i = 0; !e && i < axes.n; i++) {
    if (!dtype_is_integer(dtype_of(in[i])))
      e = fail(op, "indices must be integers, not %s", node_text(in[i]));
    else if (i > 0 && !shape_equal(in[i]->ndim, in[i]->shape, in[0]->ndim, in[0]->shape))
      e = fail(op, "indices differ in shape: %s and %s", node_text(in[0]), node_text(in[i]));
  }
  if (!e && axes.n) *places = node_shape(in[0]);
  return e;
}

static error *gather_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const gather_params *p = params;
  if (n_in < 1 || n_in != p->axes.n + 1)
    return fail("gather", "%d index arrays for %d axes", n_in > 0 ? n_in - 1 : 0, p->axes.n);
  const node *x = in[0];
  shape s;
  error *e = indices_check("gather", x, p->axes, in + 1, &s);
  if (e) return e;
  bool fits = p->slice_sizes.n == x->ndim && s.n + x->ndim <= PONS_MAX_NDIM;
  for (int i = 0; fits && i < x->ndim; i++) {
    fits = p->slice_sizes.at[i] >= 0 && p->slice_sizes.at[i] <= x->shape[i];
    if (fits) s.dims[s.n + i] = p->slice_sizes.at[i];
  }
  if (!fits)
    return fail("gather", "slices of %s cannot be taken from %s at indices of %d axes",
                shape_text(p->slice_sizes.n, p->slice_sizes.at), node_text(x), s.n);
  const int places = s.n;
  s.n += x->ndim;
  e = spec_set("gather", out, dtype_of(x), s.n, s.dims);
  if (e || shape_size(s.n, s.dims) == 0) return e;
  for (int i = 0; i < p->axes.n; i++)
    if (x->shape[p->axes.at[i]] == 0)
      return fail("gather", "%d indices into an axis of size 0 of %s", places, node_text(x));
  return NULL;
}

static void gather_vjp(const vjp_call *c) {
  const gather_params *p = c->params;
  int axes[PONS_MAX_NDIM];
  for (int i = 0; i < p->axes.n; i++) axes[i] = (int)p->axes.at[i];
  if (c->wanted[0])
    c->grads[0] = pons_scatter(zeros_of(c->in[0]), c->in + 1, c->cotangents[0], (pons_axes){p->axes.n, axes},
                               PONS_SCATTER_SUM);
}

static void gather_jvp(const jvp_call *c) {
  if (!c->tangents[0]) return;
  pons_array in[PONS_MAX_NDIM + 1];
  for (int i = 0; i < c->n_in; i++) in[i] = i ? c->in[i] : c->tangents[0];
  c->out_tangents[0] = node_make(&prim_gather, c->params, c->n_in, in);
}

/* A batch of indices alone makes more places; a batch of x becomes one more axis that is indexed, by the
   slice's number. */
static void gather_vmap(const vmap_call *c) {
  const gather_params *p = c->params;
  const int n = p->axes.n;
  if (n == 0) return;
  pons_array in[PONS_MAX_NDIM + 2];
  bool moving = false; /* is some index different from slice to slice? */
  for (int i = 1; i <= n; i++) moving |= c->axes[i] >= 0;
  if (c->axes[0] < 0) {
    in[0] = c->in[0];
    for (int i = 1; i <= n; i++) in[i] = batch_first(c, i);
    c->out[0] = node_make(&prim_gather, p, n + 1, in);
    c->out_axes[0] = 0;
    return;
  }
  int64_t axes[PONS_MAX_NDIM + 1], sizes[PONS_MAX_NDIM + 1], shifted[PONS_MAX_NDIM];
  in[0] = batch_first(c, 0);
  if (!moving) { /* whole batches at each place */
    const gather_params whole = {batch_shift(p->axes, shifted),
                                 batch_prepend(c->size, p->slice_sizes, sizes)};
    for (int i = 1; i <= n; i++) in[i] = c->in[i];
    c->out[0] = node_make(&prim_gather, &whole, n + 1, in);
    c->out_axes[0] = c->in[1]->ndim;
    return;
  }
  for (int i = 1; i <= n; i++) in[i + 1] = batch_first(c, i);
  if (node_failed(in[2])) return;
  int64_t ones[PONS_MAX_NDIM];
  for (int i = 0; i < in[2]->ndim; i++) ones[i] = i ? 1 : c->size;
  pons_array number =
      pons_reshape(pons_arange(0, (double)c->size, 1, PONS_INT64), (pons_shape){in[2]->ndim, ones});
  in[1] = as_shape(number, in[2]->ndim, in[2]->shape);
  const gather_params each = {batch_prepend(0, batch_shift(p->axes, shifted), axes),
                              batch_prepend(1, p->slice_sizes, sizes)};
  pons_array y = node_make(&prim_gather, &each, n + 2, in);
  if (!node_failed(y)) y = pons_squeeze(y, PONS_AXES(in[2]->ndim));
  c->out[0] = y;
  c->out_axes[0] = 0;
}

const prim prim_gather = {
    .name = "Gather",
    .params_size = sizeof(gather_params),
    .fields = {FIELD(INTS, gather_params, axes), FIELD(INTS, gather_params, slice_sizes)},
    .infer = gather_infer,
    .vjp = gather_vjp,
    .jvp = gather_jvp,
    .vmap = gather_vmap};

/* Of one shape and one dtype, which MLX expects in files. Where dtypes differ all become int64; an index
   that int64 has not is out of range either way. */
void indices_alike(int count, const pons_array *indices, int n, const int64_t *dims, pons_array *out) {
  bool same = true;
  for (int i = 1; i < count; i++) same = same && indices[i]->dtype == indices[0]->dtype;
  for (int i = 0; i < count; i++) {
    pons_array index = indices[i];
    if (!same && index->dtype == PONS_UINT64)
      index = pons_minimum(index, pons_array_from(&(uint64_t){INT64_MAX}, PONS_SCALAR, PONS_UINT64));
    if (!same && dtype_is_integer(dtype_of(index))) index = as_dtype(index, PONS_INT64);
    out[i] = as_shape(index, n, dims);
  }
}

pons_array pons_gather(pons_array x, const pons_array *indices, pons_axes axes, pons_shape slice_sizes) {
  const int n = axes.at ? axes.count : 0;
  pons_array bad = operand_fault("gather", 1, &x);
  if (!bad) bad = operand_fault("gather", n, indices);
  if (bad) return bad;
  int64_t at[PONS_MAX_NDIM];
  int count = 0;
  error *e = n ? axes_normal("gather", x, axes, at, &count) : NULL;
  if (e) return node_error(e);
  shape places = {0, {0}};
  for (int i = 0; i < count; i++) {
    const shape so_far = places;
    if (!shape_broadcast(so_far.n, so_far.dims, indices[i]->ndim, indices[i]->shape, &places))
      return node_fail("gather", "indices do not broadcast: %s and %s", node_text(indices[0]),
                       node_text(indices[i]));
  }
  pons_array in[PONS_MAX_NDIM + 1] = {x};
  indices_alike(count, indices, places.n, places.dims, in + 1);
  const gather_params params = {{count, at}, {slice_sizes.count, slice_sizes.at}};
  return node_make(&prim_gather, &params, count + 1, in);
}

pons_array pons_take(pons_array x, pons_array indices, int axis) {
  pons_array bad = operand_fault("take", 2, (pons_array[]){x, indices});
  if (bad) return bad;
  error *e = NULL;
  const int at = axis_or_flat("take", &x, axis, &e);
  if (!e && x->shape[at] == 0 && indices->size)
    e = fail("take", "%lld indices into axis %d of %s, which is empty", (long long)indices->size, axis,
             node_text(x));
  if (!e && x->ndim + indices->ndim > PONS_MAX_NDIM)
    e = fail("take", "the result would have more than %d axes", PONS_MAX_NDIM);
  if (e) return node_error(e);
  int64_t sizes[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) sizes[i] = i == at ? x->shape[i] > 0 : x->shape[i];
  pons_array y = pons_gather(x, &indices, PONS_AXES(at), (pons_shape){x->ndim, sizes});
  const int k = indices->ndim;
  if (at > 0) { /* indices' axes to where the axis was */
    int order[PONS_MAX_NDIM];
    for (int i = 0; i < k + x->ndim; i++) order[i] = i < at ? k + i : i < at + k ? i - at : i;
    y = pons_transpose(y, .axes = {k + x->ndim, order});
  }
  if (x->shape[at] == 0) { /* no index: the axis, empty, gives way to indices' */
    int64_t dims[PONS_MAX_NDIM];
    int n = 0;
    for (int i = 0; i < at; i++) dims[n++] = x->shape[i];
    for (int i = 0; i < k; i++) dims[n++] = indices->shape[i];
    for (int i = at + 1; i < x->ndim; i++) dims[n++] = x->shape[i];
    return pons_reshape(y, (pons_shape){n, dims});
  }
  return pons_squeeze(y, PONS_AXES(at + k));
}

/* ---- GatherAxis: one element per index, along one axis ---- */

static error *gather_axis_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axis_params *p = params;
  const char *op = "take_along_axis";
  error *e = check_count(op, n_in, 2);
  if (!e) e = axis_check(op, in[0], p->axis);
  if (e) return e;
  if (!dtype_is_integer(dtype_of(in[1])))
    return fail(op, "indices must be integers, not %s", node_text(in[1]));
  bool fits = in[1]->ndim == in[0]->ndim;
  for (int i = 0; fits && i < in[0]->ndim; i++) fits = i == p->axis || in[1]->shape[i] == in[0]->shape[i];
  if (!fits || (in[1]->size > 0 && in[0]->shape[p->axis] == 0))
    return fail(op, "indices %s do not fit %s along axis %d", node_text(in[1]), node_text(in[0]), p->axis);
  *out = spec_of(in[1]);
  out->dtype = dtype_of(in[0]);
  return NULL;
}

/* The cotangent at the one index there is along the axis, and zeros: elementwise, so that nothing of x's size is written for
   it. Indices are taken from the places, which tells those that are none, and counts none from the end. */
static pons_array at_one_index(pons_array x, pons_array indices, int axis, pons_array cotangent) {
  int64_t along[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) along[i] = i == axis ? x->shape[axis] : 1;
  pons_array places = pons_reshape(pons_arange(0, (double)x->shape[axis], 1, PONS_INT64), (pons_shape){x->ndim, along});
  pons_array index = pons_take_along_axis(pons_broadcast_to(places, pons_shape_of(x)), indices, axis);
  return pons_where(pons_equal(places, index), cotangent, constant_like(0, x));
}

static void gather_axis_vjp(const vjp_call *c) {
  const int axis = ((const axis_params *)c->params)->axis;
  if (!c->wanted[0]) return;
  if (c->in[1]->shape[axis] == 1 && !trace_is_shapeless())
    c->grads[0] = at_one_index(c->in[0], c->in[1], axis, c->cotangents[0]);
  else
    c->grads[0] = pons_scatter_add_axis(zeros_of(c->in[0]), c->in[1], c->cotangents[0], axis);
}

static void gather_axis_jvp(const jvp_call *c) {
  if (c->tangents[0])
    c->out_tangents[0] = node_make(&prim_gather_axis, c->params, 2, (pons_array[]){c->tangents[0], c->in[1]});
}

static void gather_axis_vmap(const vmap_call *c) {
  const axis_params shifted = {((const axis_params *)c->params)->axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_gather_axis = {.name = "GatherAxis",
                               .params_size = sizeof(axis_params),
                               .fields = {FIELD(INT, axis_params, axis)},
                               .infer = gather_axis_infer,
                               .vjp = gather_axis_vjp,
                               .jvp = gather_axis_jvp,
                               .vmap = gather_axis_vmap};

pons_array pons_take_along_axis(pons_array x, pons_array indices, int axis) {
  const char *op = "take_along_axis";
  pons_array bad = operand_fault(op, 2, (pons_array[]){x, indices});
  if (bad) return bad;
  error *e = NULL;
  const axis_params params = {axis_or_flat(op, &x, axis, &e)};
  if (e) return node_error(e);
  if (indices->ndim != x->ndim)
    return node_fail(op, "indices %s must have as many axes as %s", node_text(indices), node_text(x));
  shape xs, is; /* all axes but this one broadcast */
  shape thin = node_shape(x), thin_indices = node_shape(indices);
  thin.dims[params.axis] = thin_indices.dims[params.axis] = 1;
  if (!shape_broadcast(thin.n, thin.dims, thin_indices.n, thin_indices.dims, &xs))
    return node_fail(op, "indices %s do not fit %s along axis %d", node_text(indices), node_text(x), axis);
  is = xs;
  xs.dims[params.axis] = x->shape[params.axis];
  is.dims[params.axis] = indices->shape[params.axis];
  pons_array in[2] = {as_shape(x, xs.n, xs.dims), as_shape(indices, is.n, is.dims)};
  return node_make(&prim_gather_axis, &params, 2, in);
}
