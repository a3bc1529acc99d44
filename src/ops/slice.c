/* slice.c: parts of arrays at fixed places (Slice, SliceUpdate) and at computed ones (DynamicSlice,
   DynamicSliceUpdate).

   Starts, stops and steps mean what they mean in Python: negative ones count from the end, what lies outside
   is clipped. Uses base/, graph/. */
#include "ops/ops.h"

typedef struct
    bounds { /* normalised: element i of the result along an axis is start + i * step of the operand */
  int64_t start[PONS_MAX_NDIM], stop[PONS_MAX_NDIM], step[PONS_MAX_NDIM];
  shape size;
} bounds;

static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }

/* A stop before the first element, which a negative step needs, is kept as -(n + 1): normalising again leaves
   it there. */
static error *bounds_of(const char *op, const node *x, ints start, ints stop, ints step, bounds *b) {
  b->size.n = x->ndim;
  if (start.n != x->ndim || stop.n != x->ndim || (step.n && step.n != x->ndim))
    return fail(op, "%d starts, %d stops and %d steps for %s", start.n, stop.n, step.n, node_text(x));
  for (int i = 0; i < x->ndim; i++) {
    const int64_t n = x->shape[i], k = step.n ? step.at[i] : 1;
    if (k == 0 || k == INT64_MIN) return fail(op, "the step along axis %d is %lld", i, (long long)k);
    int64_t from = start.at[i] < 0 ? start.at[i] + n : start.at[i],
            to = stop.at[i] < 0 ? stop.at[i] + n : stop.at[i];
    if (k < 0) {
      from = at_least(at_most(from, n - 1), -1);
      to = at_most(at_least(to, -1), from);
      b->size.dims[i] = (from - to) / -k + ((from - to) % -k != 0);
      b->stop[i] = to < 0 ? -(n + 1) : to;
    } else {
      from = at_least(at_most(from, n), 0);
      to = at_least(at_most(to, n), from);
      b->size.dims[i] = (to - from) / k + ((to - from) % k != 0);
      b->stop[i] = to;
    }
    b->start[i] = from;
    b->step[i] = k;
    if (b->size.dims[i] > 1) continue;
    b->step[i] = 1; /* none or one: the same for all who take it */
    if (b->size.dims[i] == 0) b->start[i] = 0;
    b->stop[i] = b->start[i] + b->size.dims[i];
  }
  return NULL;
}

static ints as_ints(pons_shape s) { return (ints){s.count > 0 ? s.count : 0, s.at}; }

/* ---- Slice ---- */

static error *slice_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const slice_params *p = params;
  error *e = check_count("slice", n_in, 1);
  if (e) return e;
  bounds b;
  e = bounds_of("slice", in[0], p->start, p->end, p->strides, &b);
  return e ? e : spec_set("slice", out, dtype_of(in[0]), b.size.n, b.size.dims);
}

static bool slice_view(const void *params, const node *in, const view *in_view, const shape *s, view *out) {
  const slice_params *p = params;
  bounds b;
  error *e = bounds_of("slice", in, p->start, p->end, p->strides, &b);
  if (e) { /* not after infer */
    error_release(e);
    return false;
  }
  out->offset = in_view->offset;
  for (int i = 0; i < s->n; i++) {
    if (s->dims[i] > 0) out->offset += b.start[i] * in_view->strides[i];
    out->strides[i] = s->dims[i] > 1 ? in_view->strides[i] * b.step[i] : in_view->strides[i];
  }
  if (shape_size(s->n, s->dims) == 0) out->offset = in_view->offset;
  return true;
}

static pons_shape as_shape_of(ints list) { return (pons_shape){list.n, list.at}; }

static void slice_vjp(const vjp_call *c) {
  const slice_params *p = c->params;
  c->grads[0] = pons_slice_update(zeros_of(c->in[0]), c->cotangents[0], as_shape_of(p->start),
                                  as_shape_of(p->end), as_shape_of(p->strides));
}

static void slice_vmap(const vmap_call *c) {
  const slice_params *p = c->params;
  int64_t start[PONS_MAX_NDIM + 1], end[PONS_MAX_NDIM + 1], strides[PONS_MAX_NDIM + 1];
  const slice_params shifted = {batch_prepend(0, p->start, start), batch_prepend(c->size, p->end, end),
                                batch_prepend(1, p->strides, strides)};
  batch_apply(c, &shifted);
}

const prim prim_slice = {.name = "Slice",
                         .linear = true,
                         .params_size = sizeof(slice_params),
                         .fields = {FIELD(INTS, slice_params, start), FIELD(INTS, slice_params, end),
                                    FIELD(INTS, slice_params, strides)},
                         .infer = slice_infer,
                         .view = slice_view,
                         .vjp = slice_vjp,
                         .vmap = slice_vmap};

pons_array pons_slice(pons_array x, pons_shape start, pons_shape stop, pons_shape steps) {
  pons_array bad = operand_fault("slice", 1, &x);
  if (bad) return bad;
  bounds b;
  error *e = bounds_of("slice", x, as_ints(start), as_ints(stop), as_ints(steps), &b);
  if (e) return node_error(e);
  bool whole = shape_equal(b.size.n, b.size.dims, x->ndim, x->shape);
  for (int i = 0; i < x->ndim; i++) whole &= b.step[i] > 0;
  if (whole) return same_array(x);
  const slice_params params = {{x->ndim, b.start}, {x->ndim, b.stop}, {x->ndim, b.step}};
  return node_make_as(&prim_slice, &params, 1, &x, dtype_of(x), b.size.n, b.size.dims);
}

pons_array pons_index(pons_array x, int64_t i, int axis) {
  pons_array bad = operand_fault("index", 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const int normal = axis_of("index", x, axis, &e);
  if (e) return node_error(e);
  const int64_t n = x->shape[normal];
  if (i < -n || i >= n)
    return node_fail_as(PONS_ERROR_INDEX, "index", "index %lld is out of range for axis %d of size %lld",
                        (long long)i, normal, (long long)n);
  if (trace_is_shapeless() && x->traced) /* as MLX does, which has no shape rule for slices */
    return pons_take(x, pons_scalar((double)i, PONS_INT64), normal);
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  for (int k = 0; k < x->ndim; k++) stop[k] = x->shape[k];
  start[normal] = i < 0 ? i + n : i;
  stop[normal] = start[normal] + 1;
  pons_array one = pons_slice(x, (pons_shape){x->ndim, start}, (pons_shape){x->ndim, stop}, PONS_SCALAR);
  return pons_squeeze(one, PONS_AXES(normal));
}

/* ---- SliceUpdate: x with the update combined in ---- */

static error *slice_update_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const slice_update_params *p = params;
  error *e = check_count("slice_update", n_in, 2);
  if (e) return e;
  bounds b;
  e = bounds_of("slice_update", in[0], p->start, p->end, p->strides, &b);
  if (e) return e;
  if (p->kind < PONS_SCATTER_MAX || p->kind > PONS_SCATTER_NONE)
    return fail("slice_update", "%d is no mode", p->kind);
  if (in[1]->dtype != in[0]->dtype || !shape_equal(in[1]->ndim, in[1]->shape, b.size.n, b.size.dims))
    return fail("slice_update", "the update is %s, the slice %s %s", node_text(in[1]),
                shape_text(b.size.n, b.size.dims), pons_dtype_name(dtype_of(in[0])));
  *out = spec_of(in[0]);
  return NULL;
}

static pons_array slice_update(pons_array x, pons_array update, const slice_update_params *p) {
  return node_make(&prim_slice_update, p, 2, (pons_array[]){x, update});
}

static void slice_update_vjp(const vjp_call *c) {
  const slice_update_params *p = c->params;
  const slice_update_params none = {PONS_SCATTER_NONE, p->start, p->end, p->strides};
  const pons_shape start = as_shape_of(p->start), stop = as_shape_of(p->end), step = as_shape_of(p->strides);
  pons_array ct = c->cotangents[0], ct_there = pons_slice(ct, start, stop, step);
  if (p->kind == PONS_SCATTER_SUM || p->kind == PONS_SCATTER_NONE) {
    if (c->wanted[0])
      c->grads[0] = p->kind == PONS_SCATTER_SUM ? ct : slice_update(ct, zeros_of(c->in[1]), &none);
    if (c->wanted[1]) c->grads[1] = ct_there;
    return;
  }
  pons_array old = pons_slice(c->in[0], start, stop, step), update = c->in[1], by_old, by_update;
  if (p->kind == PONS_SCATTER_PROD) {
    by_old = pons_multiply(ct_there, pons_conjugate(update));
    by_update = pons_multiply(ct_there, pons_conjugate(old));
  } else { /* the gradient goes to the one that is there now; to the old one where both are */
    pons_array kept =
        p->kind == PONS_SCATTER_MAX ? pons_greater_equal(old, update) : pons_less_equal(old, update);
    by_old = pons_where(kept, ct_there, zeros_of(update));
    by_update = pons_where(kept, zeros_of(update), ct_there);
  }
  if (c->wanted[0]) c->grads[0] = slice_update(ct, by_old, &none);
  if (c->wanted[1]) c->grads[1] = by_update;
}

static void slice_update_vmap(const vmap_call *c) {
  const slice_update_params *p = c->params;
  int64_t start[PONS_MAX_NDIM + 1], end[PONS_MAX_NDIM + 1], strides[PONS_MAX_NDIM + 1];
  const slice_update_params shifted = {p->kind, batch_prepend(0, p->start, start),
                                       batch_prepend(c->size, p->end, end),
                                       batch_prepend(1, p->strides, strides)};
  batch_apply(c, &shifted);
}

/* From the first to the last element of the slice; over all of it if none between them is left out. */
static updated slice_updated(const void *params, const operand *in, const operand *out) {
  const slice_update_params *p = params;
  const int64_t *size = in[1].shape;
  int64_t strides[PONS_MAX_NDIM], first = 0, last = 0;
  shape_row_major(out->ndim, out->shape, strides);
  for (int i = 0; i < out->ndim; i++) {
    if (size[i] == 0) return (updated){0, 0, true};
    const int64_t begin = p->start.at[i], end = begin + (size[i] - 1) * p->strides.at[i];
    first += (begin < end ? begin : end) * strides[i];
    last += (begin < end ? end : begin) * strides[i];
  }
  const bool is_dense = shape_size(in[1].ndim, size) == last + 1 - first;
  return (updated){first, last + 1, p->kind == PONS_SCATTER_NONE && is_dense};
}

const prim prim_slice_update = {
    .name = "SliceUpdate",
    .updates = true,
    .updated = slice_updated,
    .params_size = sizeof(slice_update_params),
    .fields = {FIELD_OF(slice_update_params, kind, PONS_SCATTER_NONE + 1),
               FIELD(INTS, slice_update_params, start), FIELD(INTS, slice_update_params, end),
               FIELD(INTS, slice_update_params, strides)},
    .infer = slice_update_infer,
    .vjp = slice_update_vjp,
    .vmap = slice_update_vmap};

static pons_array update_with(pons_scatter_mode mode, pons_array x, pons_array update, pons_shape start,
                              pons_shape stop, pons_shape steps) {
  pons_array bad = operand_fault("slice_update", 2, (pons_array[]){x, update});
  if (bad) return bad;
  bounds b;
  error *e = bounds_of("slice_update", x, as_ints(start), as_ints(stop), as_ints(steps), &b);
  if (e) return node_error(e);
  const slice_update_params params = {(int)mode, {x->ndim, b.start}, {x->ndim, b.stop}, {x->ndim, b.step}};
  return slice_update(x, as_shape(as_dtype(update, dtype_of(x)), b.size.n, b.size.dims), &params);
}

pons_array pons_slice_update(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                             pons_shape steps) {
  return update_with(PONS_SCATTER_NONE, x, update, start, stop, steps);
}
pons_array pons_slice_update_add(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                 pons_shape steps) {
  return update_with(PONS_SCATTER_SUM, x, update, start, stop, steps);
}
pons_array pons_slice_update_prod(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                  pons_shape steps) {
  return update_with(PONS_SCATTER_PROD, x, update, start, stop, steps);
}
pons_array pons_slice_update_max(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                 pons_shape steps) {
  return update_with(PONS_SCATTER_MAX, x, update, start, stop, steps);
}
pons_array pons_slice_update_min(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                 pons_shape steps) {
  return update_with(PONS_SCATTER_MIN, x, update, start, stop, steps);
}

/* ---- DynamicSlice, DynamicSliceUpdate: start is an array, one entry per axis of `axes` ---- */

static error *start_check(const char *op, const node *x, const node *start, ints axes) {
  error *e = axes_check(op, x->ndim, axes);
  if (e) return e;
  if (dtype_is_integer(dtype_of(start)) && start->size == axes.n) return NULL;
  return fail(op, "start must be %d integers, not %s", axes.n, node_text(start));
}

static error *dynamic_slice_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const dynamic_slice_params *p = params;
  error *e = check_count("dynamic_slice", n_in, 2);
  if (!e) e = start_check("dynamic_slice", in[0], in[1], p->axes);
  if (e) return e;
  bool fits = p->slice_size.n == in[0]->ndim;
  for (int i = 0; fits && i < in[0]->ndim; i++)
    fits = p->slice_size.at[i] >= 0 && p->slice_size.at[i] <= in[0]->shape[i];
  if (!fits)
    return fail("dynamic_slice", "a slice of %s does not fit into %s",
                shape_text(p->slice_size.n > PONS_MAX_NDIM ? 0 : p->slice_size.n, p->slice_size.at),
                node_text(in[0]));
  return spec_set("dynamic_slice", out, dtype_of(in[0]), p->slice_size.n, p->slice_size.at);
}

static void dynamic_slice_vjp(const vjp_call *c) {
  const dynamic_slice_params *p = c->params;
  const axes_params params = {p->axes};
  if (c->wanted[0])
    c->grads[0] = node_make(&prim_dynamic_slice_update, &params, 3,
                            (pons_array[]){zeros_of(c->in[0]), c->cotangents[0], c->in[1]});
}

static void dynamic_slice_jvp(const jvp_call *c) {
  if (c->tangents[0])
    c->out_tangents[0] =
        node_make(&prim_dynamic_slice, c->params, 2, (pons_array[]){c->tangents[0], c->in[1]});
}

static void dynamic_slice_vmap(const vmap_call *c) {
  if (c->axes[1] >= 0) return; /* a start per slice: as without a rule */
  const dynamic_slice_params *p = c->params;
  int64_t axes[PONS_MAX_NDIM], size[PONS_MAX_NDIM + 1];
  const dynamic_slice_params shifted = {batch_shift(p->axes, axes),
                                        batch_prepend(c->size, p->slice_size, size)};
  c->out[0] = node_make(c->prim, &shifted, 2, (pons_array[]){batch_first(c, 0), c->in[1]});
  c->out_axes[0] = 0;
}

const prim prim_dynamic_slice = {
    .name = "DynamicSlice",
    .params_size = sizeof(dynamic_slice_params),
    .fields = {FIELD(INTS, dynamic_slice_params, axes), FIELD(INTS, dynamic_slice_params, slice_size)},
    .infer = dynamic_slice_infer,
    .vjp = dynamic_slice_vjp,
    .jvp = dynamic_slice_jvp,
    .vmap = dynamic_slice_vmap};

static error *dynamic_slice_update_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axes_params *p = params;
  error *e = check_count("dynamic_slice_update", n_in, 3);
  if (!e) e = start_check("dynamic_slice_update", in[0], in[2], p->axes);
  if (e) return e;
  bool fits = in[1]->ndim == in[0]->ndim && in[1]->dtype == in[0]->dtype;
  for (int i = 0; fits && i < in[0]->ndim; i++) fits = in[1]->shape[i] <= in[0]->shape[i];
  if (!fits)
    return fail("dynamic_slice_update", "%s does not fit into %s", node_text(in[1]), node_text(in[0]));
  *out = spec_of(in[0]);
  return NULL;
}

static pons_array dynamic_slice_update(const void *params, pons_array x, pons_array update,
                                       pons_array start) {
  return node_make(&prim_dynamic_slice_update, params, 3, (pons_array[]){x, update, start});
}

static void dynamic_slice_update_vjp(const vjp_call *c) {
  const axes_params *p = c->params;
  pons_array ct = c->cotangents[0];
  if (c->wanted[0]) c->grads[0] = dynamic_slice_update(p, ct, zeros_of(c->in[1]), c->in[2]);
  if (!c->wanted[1]) return;
  const dynamic_slice_params params = {p->axes, {c->in[1]->ndim, c->in[1]->shape}};
  c->grads[1] = node_make(&prim_dynamic_slice, &params, 2, (pons_array[]){ct, c->in[2]});
}

static void dynamic_slice_update_jvp(const jvp_call *c) {
  c->out_tangents[0] = dynamic_slice_update(c->params, c->tangents[0] ? c->tangents[0] : zeros_of(c->in[0]),
                                            c->tangents[1] ? c->tangents[1] : zeros_of(c->in[1]), c->in[2]);
}

static void dynamic_slice_update_vmap(const vmap_call *c) {
  if (c->axes[2] >= 0) return;
  const axes_params *p = c->params;
  int64_t axes[PONS_MAX_NDIM];
  const axes_params shifted = {batch_shift(p->axes, axes)};
  c->out[0] = dynamic_slice_update(&shifted, batch_first(c, 0), batch_first(c, 1), c->in[2]);
  c->out_axes[0] = 0;
}

const prim prim_dynamic_slice_update = {.name = "DynamicSliceUpdate",
                                        .updates = true,
                                        .params_size = sizeof(axes_params),
                                        .fields = {FIELD(INTS, axes_params, axes)},
                                        .infer = dynamic_slice_update_infer,
                                        .vjp = dynamic_slice_update_vjp,
                                        .jvp = dynamic_slice_update_jvp,
                                        .vmap = dynamic_slice_update_vmap};

static error *dynamic_axes(const node *x, const node *start, pons_axes axes, int64_t *room, ints *at) {
  int count = 0;
  error *e = axes_normal("slice", x, axes, room, &count);
  *at = (ints){count, room};
  if (!e && start->ndim > 1) e = fail("slice", "start has one axis at most, not %s", node_text(start));
  return e;
}

pons_array pons_slice_dynamic(pons_array x, pons_array start, pons_axes axes, pons_shape size) {
  pons_array bad = operand_fault("slice", 2, (pons_array[]){x, start});
  if (bad) return bad;
  int64_t room[PONS_MAX_NDIM];
  dynamic_slice_params params = {.slice_size = as_ints(size)};
  error *e = dynamic_axes(x, start, axes, room, &params.axes);
  return e ? node_error(e) : node_make(&prim_dynamic_slice, &params, 2, (pons_array[]){x, start});
}

pons_array pons_slice_update_dynamic(pons_array x, pons_array update, pons_array start, pons_axes axes) {
  pons_array bad = operand_fault("slice_update", 3, (pons_array[]){x, update, start});
  if (bad) return bad;
  int64_t room[PONS_MAX_NDIM], dims[PONS_MAX_NDIM];
  axes_params params;
  error *e = dynamic_axes(x, start, axes, room, &params.axes);
  if (e) return node_error(e);
  const int lead = x->ndim - update->ndim;
  for (int i = 0; i < x->ndim; i++) dims[i] = i < lead ? x->shape[i] : update->shape[i - lead];
  for (int k = 0; k < params.axes.n; k++)
    if (room[k] < lead) dims[room[k]] = 1;
  if (lead > 0) update = as_shape(update, x->ndim, dims);
  return dynamic_slice_update(&params, x, as_dtype(update, dtype_of(x)), start);
}
