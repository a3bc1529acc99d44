/* scatter.c: writing at computed places: Scatter (slices at one index per axis), ScatterAxis (put_along_axis
   and its sum), MaskedScatter. Where indices repeat under mode NONE, which update stays is not said. Uses
   base/, graph/. */
#include "ops/ops.h"
#include <pons/index.h>

/* ---- Scatter: updates are indices' shape + slice shape, the slice of x's rank ---- */

static error *scatter_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const scatter_params *p = params;
  if (p->kind < PONS_SCATTER_MAX || p->kind > PONS_SCATTER_NONE)
    return fail("scatter", "%d is no mode", p->kind);
  if (n_in < 2 || n_in != p->axes.n + 2)
    return fail("scatter", "%d index arrays for %d axes", n_in > 1 ? n_in - 2 : 0, p->axes.n);
  const node *x = in[0], *updates = in[n_in - 1];
  error *e = axes_check("scatter", x->ndim, p->axes);
  if (e) return e;
  const int places = p->axes.n ? in[1]->ndim : 0;
  bool fits = updates->dtype == x->dtype && updates->ndim == places + x->ndim;
  for (int i = 0; i < p->axes.n; i++) {
    const node *index = in[i + 1];
    if (!dtype_is_integer(dtype_of(index)))
      return fail("scatter", "indices must be integers, not %s", node_text(index));
    if (!shape_equal(index->ndim, index->shape, in[1]->ndim, in[1]->shape))
      return fail("scatter", "indices differ in shape: %s and %s", node_text(in[1]), node_text(index));
    fits = fits && shape_equal(places, index->shape, places, updates->shape);
  }
  for (int i = 0; i < x->ndim && fits; i++) fits = updates->shape[places + i] <= x->shape[i];
  if (!fits)
    return fail("scatter", "updates %s do not fit %s with indices of shape %s", node_text(updates),
                node_text(x), p->axes.n ? shape_text(in[1]->ndim, in[1]->shape) : "()");
  *out = spec_of(x);
  return NULL;
}

static pons_array scatter(const scatter_params *p, pons_array x, const pons_array *indices,
                          pons_array updates) {
  pons_array in[PONS_MAX_NDIM + 2] = {x};
  for (int i = 0; i < p->axes.n; i++) in[i + 1] = indices[i];
  in[p->axes.n + 1] = updates;
  return node_make(&prim_scatter, p, p->axes.n + 2, in);
}

/* What stands in `x` at the places of the updates. */
static pons_array at_places(const scatter_params *p, pons_array x, const pons_array *indices,
                            const node *updates) {
  const int places = p->axes.n ? indices[0]->ndim : 0;
  const gather_params params = {p->axes, {updates->ndim - places, updates->shape + places}};
  pons_array in[PONS_MAX_NDIM + 1] = {x};
  for (int i = 0; i < p->axes.n; i++) in[i + 1] = indices[i];
  return node_make(&prim_gather, &params, p->axes.n + 1, in);
}

static pons_array ones_of(const node *x) { return pons_ones((pons_shape){x->ndim, x->shape}, dtype_of(x)); }

/* Per update, the product of the others at its place: that of those which are not 0, over the update if it is
   none; 0 if another one is 0. */
static pons_array other_updates(const scatter_params *p, pons_array x, const pons_array *indices,
                                pons_array updates) {
  const scatter_params sum = {PONS_SCATTER_SUM, p->axes};
  pons_array zero = zeros_of(updates), is_zero = pons_equal(updates, zero);
  pons_array factors = pons_where(is_zero, ones_of(updates), updates);
  pons_array products = at_places(p, scatter(p, ones_of(x), indices, factors), indices, updates);
  pons_array zeros = as_dtype(is_zero, dtype_of(x));
  pons_array others =
      pons_subtract(at_places(p, scatter(&sum, zeros_of(x), indices, zeros), indices, updates), zeros);
  return pons_where(pons_equal(others, zero), pons_divide(products, factors), zero);
}

static void scatter_vjp(const vjp_call *c) {
  const scatter_params *p = c->params;
  const pons_array x = c->in[0], updates = c->in[c->n_in - 1], *indices = c->in + 1, ct = c->cotangents[0];
  const bool want_x = c->wanted[0], want_updates = c->wanted[c->n_in - 1];
  pons_array by_x = NULL, by_updates = NULL;
  switch (p->kind) {
    case PONS_SCATTER_SUM:
      by_x = ct;
      if (want_updates) by_updates = at_places(p, ct, indices, updates);
      break;
    case PONS_SCATTER_NONE:
      if (want_x) by_x = scatter(p, ct, indices, zeros_of(updates));
      if (want_updates) by_updates = at_places(p, ct, indices, updates);
      break;
    case PONS_SCATTER_PROD:
      if (want_x) by_x = pons_multiply(ct, pons_conjugate(scatter(p, ones_of(x), indices, updates)));
      if (want_updates)
        by_updates = pons_multiply(at_places(p, pons_multiply(ct, pons_conjugate(x)), indices, updates),
                                   pons_conjugate(other_updates(p, x, indices, updates)));
      break;
    default: /* to those that reached the extreme */
      if (want_x) by_x = pons_where(pons_equal(c->out[0], x), ct, zeros_of(x));
      if (want_updates)
        by_updates = pons_where(pons_equal(at_places(p, c->out[0], indices, updates), updates),
                                at_places(p, ct, indices, updates), zeros_of(updates));
  }
  if (want_x) c->grads[0] = by_x;
  if (want_updates) c->grads[c->n_in - 1] = by_updates;
}

/* x's batch becomes one more axis that is indexed, by the slice's number. */
static void scatter_vmap(const vmap_call *c) {
  const scatter_params *p = c->params;
  const int n = p->axes.n, last = c->n_in - 1;
  if (n == 0) return;
  pons_array in[PONS_MAX_NDIM + 3] = {batch_first(c, 0)};
  for (int i = 1; i <= n; i++) in[i + 1] = batch_first(c, i);
  pons_array updates = batch_first(c, last), places = in[2];
  if (node_failed(updates) || node_failed(places)) return;
  int64_t ones[PONS_MAX_NDIM], axes[PONS_MAX_NDIM + 1], shifted[PONS_MAX_NDIM];
  for (int i = 0; i < places->ndim; i++) ones[i] = i ? 1 : c->size;
  pons_array number =
      pons_reshape(pons_arange(0, (double)c->size, 1, PONS_INT64), (pons_shape){places->ndim, ones});
  in[1] = as_shape(number, places->ndim, places->shape);
  in[n + 2] = pons_expand_dims(updates, PONS_AXES(places->ndim));
  const scatter_params each = {p->kind, batch_prepend(0, batch_shift(p->axes, shifted), axes)};
  c->out[0] = node_make(&prim_scatter, &each, n + 3, in);
  c->out_axes[0] = 0;
}

const prim prim_scatter = {
    .name = "Scatter",
    .updates = true,
    .params_size = sizeof(scatter_params),
    .fields = {FIELD_OF(scatter_params, kind, PONS_SCATTER_NONE + 1), FIELD(INTS, scatter_params, axes)},
    .infer = scatter_infer,
    .vjp = scatter_vjp,
    .vmap = scatter_vmap};

pons_array pons_scatter(pons_array x, const pons_array *indices, pons_array updates, pons_axes axes,
                        pons_scatter_mode mode) {
  const int n = axes.at ? axes.count : 0;
  pons_array bad = operand_fault("scatter", 2, (pons_array[]){x, updates});
  if (!bad) bad = operand_fault("scatter", n, indices);
  if (bad) return bad;
  int64_t at[PONS_MAX_NDIM];
  int count = 0;
  error *e = n ? axes_normal("scatter", x, axes, at, &count) : NULL;
  if (e) return node_error(e);
  shape places = {0, {0}};
  for (int i = 0; i < count; i++) {
    const shape so_far = places;
    if (!shape_broadcast(so_far.n, so_far.dims, indices[i]->ndim, indices[i]->shape, &places))
      return node_fail("scatter", "indices do not broadcast: %s and %s", node_text(indices[0]),
                       node_text(indices[i]));
  }
  pons_array wide[PONS_MAX_NDIM];
  indices_alike(count, indices, places.n, places.dims, wide);
  const scatter_params params = {(int)mode, {count, at}};
  return scatter(&params, x, wide, as_dtype(updates, dtype_of(x)));
}

/* ---- ScatterAxis: one element per index, along one axis ---- */

static error *scatter_axis_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const scatter_axis_params *p = params;
  const char *op = p->kind == SCATTER_AXIS_SUM ? "scatter_add_axis" : "put_along_axis";
  error *e = check_count(op, n_in, 3);
  if (!e && p->kind != SCATTER_AXIS_SUM && p->kind != SCATTER_AXIS_NONE)
    e = fail("scatter_axis", "%d is no mode", p->kind);
  if (!e) e = axis_check(op, in[0], p->axis);
  if (e) return e;
  const node *x = in[0], *index = in[1], *values = in[2];
  if (!dtype_is_integer(dtype_of(index)))
    return fail(op, "indices must be integers, not %s", node_text(index));
  bool fits = index->ndim == x->ndim && values->dtype == x->dtype &&
              shape_equal(index->ndim, index->shape, values->ndim, values->shape);
  for (int i = 0; fits && i < x->ndim; i++) fits = i == p->axis || index->shape[i] == x->shape[i];
  if (!fits || (index->size > 0 && x->shape[p->axis] == 0))
    return fail(op, "indices %s and values %s do not fit %s along axis %d", node_text(index),
                node_text(values), node_text(x), p->axis);
  *out = spec_of(x);
  return NULL;
}

static pons_array scatter_axis(int kind, int axis, pons_array x, pons_array indices, pons_array values) {
  const scatter_axis_params params = {kind, axis};
  return node_make(&prim_scatter_axis, &params, 3, (pons_array[]){x, indices, values});
}

static void scatter_axis_vjp(const vjp_call *c) {
  const scatter_axis_params *p = c->params;
  pons_array ct = c->cotangents[0], indices = c->in[1];
  if (c->wanted[0])
    c->grads[0] = p->kind == SCATTER_AXIS_SUM
                      ? ct
                      : scatter_axis(SCATTER_AXIS_NONE, p->axis, ct, indices, zeros_of(c->in[2]));
  if (c->wanted[2]) c->grads[2] = pons_take_along_axis(ct, indices, p->axis);
}

static void scatter_axis_jvp(const jvp_call *c) {
  const scatter_axis_params *p = c->params;
  c->out_tangents[0] = scatter_axis(p->kind, p->axis, c->tangents[0] ? c->tangents[0] : zeros_of(c->in[0]),
                                    c->in[1], c->tangents[2] ? c->tangents[2] : zeros_of(c->in[2]));
}

static void scatter_axis_vmap(const vmap_call *c) {
  const scatter_axis_params *p = c->params;
  const scatter_axis_params shifted = {p->kind, p->axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_scatter_axis = {.name = "ScatterAxis",
                                .updates = true,
                                .params_size = sizeof(scatter_axis_params),
                                .fields = {FIELD_OF(scatter_axis_params, kind, SCATTER_AXIS_NONE + 1),
                                           FIELD(INT, scatter_axis_params, axis)},
                                .infer = scatter_axis_infer,
                                .vjp = scatter_axis_vjp,
                                .jvp = scatter_axis_jvp,
                                .vmap = scatter_axis_vmap};

/* Indices and x broadcast to each other but for the axis, values to the indices. */
static pons_array along_axis(const char *op, int kind, pons_array x, pons_array indices, pons_array values,
                             int axis) {
  pons_array bad = operand_fault(op, 3, (pons_array[]){x, indices, values});
  if (bad) return bad;
  if (axis == PONS_FLAT)
    return pons_reshape(along_axis(op, kind, pons_flatten(x, 0, -1), indices, values, 0), pons_shape_of(x));
  error *e = NULL;
  const int at = axis_of(op, x, axis, &e);
  if (e) return node_error(e);
  if (indices->ndim != x->ndim)
    return node_fail(op, "indices %s must have as many axes as %s", node_text(indices), node_text(x));
  shape thin = node_shape(x), thin_indices = node_shape(indices), s;
  thin.dims[at] = thin_indices.dims[at] = 1;
  if (!shape_broadcast(thin.n, thin.dims, thin_indices.n, thin_indices.dims, &s))
    return node_fail(op, "indices %s do not fit %s along axis %d", node_text(indices), node_text(x), axis);
  s.dims[at] = x->shape[at];
  pons_array wide = as_shape(x, s.n, s.dims);
  s.dims[at] = indices->shape[at];
  return scatter_axis(kind, at, wide, as_shape(indices, s.n, s.dims),
                      as_shape(as_dtype(values, dtype_of(x)), s.n, s.dims));
}

pons_array pons_put_along_axis(pons_array x, pons_array indices, pons_array values, int axis) {
  return along_axis("put_along_axis", SCATTER_AXIS_NONE, x, indices, values, axis);
}
pons_array pons_scatter_add_axis(pons_array x, pons_array indices, pons_array values, int axis) {
  return along_axis("scatter_add_axis", SCATTER_AXIS_SUM, x, indices, values, axis);
}

/* ---- MaskedScatter: per batch, the k-th true place of the mask gets element k of src ---- */

static error *masked_scatter_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("masked_scatter", n_in, 3);
  if (e) return e;
  const node *x = in[0], *mask = in[1], *source = in[2];
  const bool fits = x->ndim > 0 && mask->dtype == PONS_BOOL &&
                    shape_equal(x->ndim, x->shape, mask->ndim, mask->shape) && source->ndim > 0 &&
                    source->shape[0] == x->shape[0] && source->dtype == x->dtype;
  if (!fits)
    return fail("masked_scatter", "%s, mask %s and source %s do not fit", node_text(x), node_text(mask),
                node_text(source));
  *out = spec_of(x);
  return NULL;
}

/* Per batch, the number of true places before each: where in the source its element is. */
static pons_array source_places(pons_array mask) {
  pons_array flat =
      pons_reshape(mask, PONS_SHAPE(mask->shape[0], mask->shape[0] ? mask->size / mask->shape[0] : 0));
  return pons_cumsum(pons_astype(flat, PONS_INT32), .axis = 1, .exclusive = true);
}

static void masked_scatter_vjp(const vjp_call *c) {
  const node *source = c->in[2];
  pons_array mask = c->in[1], ct = c->cotangents[0];
  if (c->wanted[0]) c->grads[0] = pons_where(mask, zeros_of(c->in[0]), ct);
  if (!c->wanted[2]) return;
  if (source->size == 0) return;
  const int64_t batch = source->shape[0], per = source->size / batch;
  pons_array there =
      pons_reshape(pons_where(mask, ct, zeros_of(c->in[0])), PONS_SHAPE(batch, c->in[0]->size / batch));
  /* behind the last true place the counts run beyond the source; nothing is added there */
  pons_array places = pons_minimum(source_places(mask), pons_int(per - 1));
  pons_array flat = pons_zeros(PONS_SHAPE(batch, per), dtype_of(source));
  c->grads[2] = pons_reshape(pons_scatter_add_axis(flat, places, there, 1), pons_shape_of(c->in[2]));
}

static void masked_scatter_vmap(const vmap_call *c) { /* the two batches become one */
  pons_array in[3];
  int64_t lead[2] = {c->size, batch_slice_shape(c, 0).dims[0]};
  for (int i = 0; i < 3; i++) in[i] = pons_flatten(batch_first(c, i), 0, 1);
  c->out[0] = pons_unflatten(node_make(&prim_masked_scatter, NULL, 3, in), 0, (pons_shape){2, lead});
  c->out_axes[0] = 0;
}

static void masked_scatter_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  const node *x = in[0], *source = in[2];
  if (x->size == 0 || source->size == 0) {
    out[0] = same_array(in[0]);
    return;
  }
  const int64_t batch = x->shape[0], per = source->size / batch;
  pons_array places = pons_minimum(source_places(in[1]), pons_int(per - 1));
  pons_array values = pons_take_along_axis(pons_reshape(in[2], PONS_SHAPE(batch, per)), places, 1);
  out[0] = pons_where(in[1], pons_reshape(values, pons_shape_of(in[0])), in[0]);
}

const prim prim_masked_scatter = {.name = "MaskedScatter",
                                  .updates = true,
                                  .infer = masked_scatter_infer,
                                  .vjp = masked_scatter_vjp,
                                  .vmap = masked_scatter_vmap,
                                  .decompose = masked_scatter_decompose};

/* The value as rows for the true places, in front of which comes the batch axis of size 1. What broadcasts
   to the rows is repeated as often as there may be true places. */
static pons_array rows_for(const node *x, const node *mask, pons_array value) {
  const int rest = x->ndim - mask->ndim, extra = value->ndim - rest - 1;
  for (int i = 0; i < extra; i++)
    if (value->shape[i] != 1)
      return node_fail("masked_scatter", "value %s has more axes than a list of places in %s with mask %s",
                       node_text(value), node_text(x), node_text(mask));
  int64_t dims[PONS_MAX_NDIM + 1];
  int n = 0;
  dims[n++] = 1;
  const bool listed = extra >= 0 && value->shape[extra] != 1;
  if (listed)
    dims[n++] = value->shape[extra];
  else
    for (int i = 0; i < mask->ndim; i++) dims[n++] = mask->shape[i];
  for (int i = mask->ndim; i < x->ndim; i++) dims[n++] = x->shape[i];
  if (n > PONS_MAX_NDIM) return node_fail("masked_scatter", "%s has too many axes", node_text(x));
  int64_t thin[PONS_MAX_NDIM]; /* the value's own sizes at the end of those */
  const int own = value->ndim < rest ? value->ndim : rest;
  for (int i = 0; i < n; i++) thin[i] = i < n - own ? 1 : value->shape[value->ndim - (n - i)];
  if (listed) thin[1] = dims[1];
  pons_array rows = pons_reshape(as_dtype(value, dtype_of(x)), (pons_shape){n, thin});
  return as_shape(rows, n, dims);
}

pons_array pons_masked_scatter(pons_array x, pons_array mask, pons_array value) {
  const char *op = "masked_scatter";
  pons_array bad = operand_fault(op, 3, (pons_array[]){x, mask, value});
  if (bad) return bad;
  if (mask->dtype != PONS_BOOL) return node_fail(op, "the mask is %s, not bool", node_text(mask));
  if (mask->ndim > x->ndim || !shape_equal(mask->ndim, mask->shape, mask->ndim, x->shape))
    return node_fail(op, "mask %s does not have the shape of the first axes of %s", node_text(mask),
                     node_text(x));
  int64_t thin[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) thin[i] = i < mask->ndim ? mask->shape[i] : 1;
  pons_array wide = as_shape(pons_reshape(mask, (pons_shape){x->ndim, thin}), x->ndim, x->shape);
  pons_array in[3] = {pons_expand_dims(x, PONS_AXES(0)), pons_expand_dims(wide, PONS_AXES(0)),
                      rows_for(x, mask, value)};
  return pons_squeeze(node_make(&prim_masked_scatter, NULL, 3, in), PONS_AXES(0));
}
