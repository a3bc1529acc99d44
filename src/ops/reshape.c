/* reshape.c: the same elements in the same order under other sizes: Reshape, Flatten, Unflatten, Squeeze,
   ExpandDims.

   All are views where the strides allow it. Uses base/, graph/. */
#include "ops/ops.h"

/* ---- what the five share ---- */

static bool reshape_view(const void *params, const node *in, const view *in_view, const shape *s, view *out) {
  (void)params;
  out->offset = in_view->offset;
  if (in->size == 0) {
    shape_row_major(s->n, s->dims, out->strides);
    return true;
  }
  return shape_regroup(in->ndim, in->shape, in_view->strides, s->n, s->dims, out->strides);
}

static void reshape_vjp(const vjp_call *c) {
  c->grads[0] = pons_reshape(c->cotangents[0], (pons_shape){c->in[0]->ndim, c->in[0]->shape});
}

/* Puts the size that -1 stands for in its place. */
static error *fill_in(const char *op, const node *x, int64_t total, int n, int64_t *dims) {
  int unknown = -1;
  int64_t rest[PONS_MAX_NDIM] = {0}, product = 1;
  for (int i = 0; i < n; i++) {
    rest[i] = dims[i];
    if (dims[i] != -1) continue;
    if (unknown >= 0) return fail(op, "more than one size of %s is -1", shape_text(n, dims));
    unknown = i;
    rest[i] = 1;
  }
  const bool fits = shape_size_checked(n, rest, &product);
  if (unknown >= 0 && fits && product > 0 && total % product == 0) {
    dims[unknown] = total / product;
    return NULL;
  }
  if (unknown < 0 && fits && product == total) return NULL;
  return fail(op, "cannot make shape %s of %s", shape_text(n, dims), node_text(x));
}

/* ---- Reshape ---- */

static error *reshape_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const shape_params *p = params;
  error *e = check_count("reshape", n_in, 1);
  if (e) return e;
  if (p->shape.n > PONS_MAX_NDIM)
    return fail("reshape", "a shape has at most %d axes, not %d", PONS_MAX_NDIM, p->shape.n);
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < p->shape.n; i++) dims[i] = p->shape.at[i];
  e = fill_in("reshape", in[0], in[0]->size, p->shape.n, dims);
  return e ? e : spec_set("reshape", out, dtype_of(in[0]), p->shape.n, dims);
}

static void reshape_vmap(const vmap_call *c) {
  const shape_params *p = c->params;
  int64_t room[PONS_MAX_NDIM + 1];
  const shape_params shifted = {batch_prepend(c->size, p->shape, room)};
  batch_apply(c, &shifted);
}

const prim prim_reshape = {.name = "Reshape",
                           .linear = true,
                           .params_size = sizeof(shape_params),
                           .fields = {FIELD(INTS, shape_params, shape)},
                           .infer = reshape_infer,
                           .view = reshape_view,
                           .vjp = reshape_vjp,
                           .vmap = reshape_vmap};

pons_array pons_reshape(pons_array x, pons_shape shape) {
  pons_array bad = operand_fault("reshape", 1, &x);
  if (bad) return bad;
  if (shape.count < 0 || shape.count > PONS_MAX_NDIM)
    return node_fail("reshape", "a shape has 0 to %d axes, not %d", PONS_MAX_NDIM, shape.count);
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < shape.count; i++) dims[i] = shape.at[i];
  error *e = fill_in("reshape", x, x->size, shape.count, dims);
  if (e) return node_error(e);
  if (shape_equal(x->ndim, x->shape, shape.count, dims)) return same_array(x);
  /* In a trace for all sizes what was left open stays so. */
  const shape_params params = {{shape.count, trace_is_shapeless() && x->traced ? shape.at : dims}};
  return node_make_as(&prim_reshape, &params, 1, &x, dtype_of(x), shape.count, dims);
}

/* ---- Flatten: axes start .. end, both included, become one ---- */

static error *flatten_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const flatten_params *p = params;
  error *e = check_count("flatten", n_in, 1);
  if (e) return e;
  if (p->start_axis < 0 || p->end_axis < p->start_axis || p->end_axis >= in[0]->ndim)
    return fail("flatten", "axes %d to %d are no range of axes of %s", p->start_axis, p->end_axis,
                node_text(in[0]));
  int64_t dims[PONS_MAX_NDIM], joined = 1;
  int n = 0;
  for (int i = 0; i < p->start_axis; i++) dims[n++] = in[0]->shape[i];
  if (!shape_size_checked(p->end_axis - p->start_axis + 1, in[0]->shape + p->start_axis, &joined))
    return fail_as(PONS_ERROR_OVERFLOW, "flatten", "too many elements in axes %d to %d of %s", p->start_axis,
                   p->end_axis, node_text(in[0]));
  dims[n++] = joined;
  for (int i = p->end_axis + 1; i < in[0]->ndim; i++) dims[n++] = in[0]->shape[i];
  return spec_set("flatten", out, dtype_of(in[0]), n, dims);
}

static void flatten_vmap(const vmap_call *c) {
  const flatten_params *p = c->params;
  const flatten_params shifted = {p->start_axis + 1, p->end_axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_flatten = {
    .name = "Flatten",
    .linear = true,
    .params_size = sizeof(flatten_params),
    .fields = {FIELD(INT, flatten_params, start_axis), FIELD(INT, flatten_params, end_axis)},
    .infer = flatten_infer,
    .view = reshape_view,
    .vjp = reshape_vjp,
    .vmap = flatten_vmap};

pons_array pons_flatten(pons_array x, int start_axis, int end_axis) {
  pons_array bad = operand_fault("flatten", 1, &x);
  if (bad) return bad;
  if (x->ndim == 0) return pons_reshape(x, PONS_SHAPE(1));
  /* as MLX: what lies outside is clipped */
  int start = start_axis < 0 ? start_axis + x->ndim : start_axis,
      end = end_axis < 0 ? end_axis + x->ndim : end_axis;
  if (start < 0) start = 0;
  if (end >= x->ndim) end = x->ndim - 1;
  if (end < start)
    return node_fail("flatten", "axes %d to %d are no range of axes of %s", start_axis, end_axis,
                     node_text(x));
  if (start == end) return same_array(x);
  const flatten_params params = {start, end};
  return node_make(&prim_flatten, &params, 1, &x);
}

/* ---- Unflatten: one axis becomes several ---- */

static error *unflatten_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const unflatten_params *p = params;
  error *e = check_count("unflatten", n_in, 1);
  if (!e) e = axis_check("unflatten", in[0], p->axis);
  if (e) return e;
  if (p->shape.n == 0) return fail("unflatten", "axis %d of %s into no axis", p->axis, node_text(in[0]));
  const int n = in[0]->ndim - 1 + p->shape.n;
  if (p->shape.n > PONS_MAX_NDIM || n > PONS_MAX_NDIM)
    return fail("unflatten", "the result would have more than %d axes", PONS_MAX_NDIM);
  int64_t dims[PONS_MAX_NDIM];
  int at = 0;
  for (int i = 0; i < p->axis; i++) dims[at++] = in[0]->shape[i];
  for (int i = 0; i < p->shape.n; i++) dims[at++] = p->shape.at[i];
  for (int i = p->axis + 1; i < in[0]->ndim; i++) dims[at++] = in[0]->shape[i];
  e = fill_in("unflatten", in[0], in[0]->shape[p->axis], p->shape.n, dims + p->axis);
  return e ? e : spec_set("unflatten", out, dtype_of(in[0]), n, dims);
}

static void unflatten_vmap(const vmap_call *c) {
  const unflatten_params *p = c->params;
  const unflatten_params shifted = {p->axis + 1, p->shape};
  batch_apply(c, &shifted);
}

const prim prim_unflatten = {
    .name = "Unflatten",
    .linear = true,
    .params_size = sizeof(unflatten_params),
    .fields = {FIELD(INT, unflatten_params, axis), FIELD(INTS, unflatten_params, shape)},
    .infer = unflatten_infer,
    .view = reshape_view,
    .vjp = reshape_vjp,
    .vmap = unflatten_vmap};

pons_array pons_unflatten(pons_array x, int axis, pons_shape shape) {
  pons_array bad = operand_fault("unflatten", 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const int normal = axis_of("unflatten", x, axis, &e);
  if (e) return node_error(e);
  if (shape.count < 1 || shape.count > PONS_MAX_NDIM)
    return node_fail("unflatten", "an axis becomes 1 to %d axes, not %d", PONS_MAX_NDIM, shape.count);
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < shape.count; i++) dims[i] = shape.at[i];
  e = fill_in("unflatten", x, x->shape[normal], shape.count, dims);
  if (e) return node_error(e);
  const unflatten_params params = {normal, {shape.count, dims}};
  return node_make(&prim_unflatten, &params, 1, &x);
}

/* ---- Squeeze: axes of size 1 go ---- */

static error *squeeze_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axes_params *p = params;
  error *e = check_count("squeeze", n_in, 1);
  if (!e) e = axes_check("squeeze", in[0]->ndim, p->axes);
  if (e) return e;
  bool gone[PONS_MAX_NDIM] = {false};
  for (int i = 0; i < p->axes.n; i++) {
    if (in[0]->shape[p->axes.at[i]] != 1)
      return fail("squeeze", "axis %lld of %s is not of size 1", (long long)p->axes.at[i], node_text(in[0]));
    gone[p->axes.at[i]] = true;
  }
  int64_t dims[PONS_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < in[0]->ndim; i++)
    if (!gone[i]) dims[n++] = in[0]->shape[i];
  return spec_set("squeeze", out, dtype_of(in[0]), n, dims);
}

static void shift_axes_vmap(const vmap_call *c) {
  const axes_params *p = c->params;
  int64_t room[PONS_MAX_NDIM];
  const axes_params shifted = {batch_shift(p->axes, room)};
  batch_apply(c, &shifted);
}

const prim prim_squeeze = {.name = "Squeeze",
                           .linear = true,
                           .params_size = sizeof(axes_params),
                           .fields = {FIELD(INTS, axes_params, axes)},
                           .infer = squeeze_infer,
                           .view = reshape_view,
                           .vjp = reshape_vjp,
                           .vmap = shift_axes_vmap};

pons_array pons_squeeze(pons_array x, pons_axes axes) {
  pons_array bad = operand_fault("squeeze", 1, &x);
  if (bad) return bad;
  int64_t at[PONS_MAX_NDIM];
  int n = 0;
  if (axes.at) {
    error *e = axes_normal("squeeze", x, axes, at, &n);
    if (e) return node_error(e);
    axes_sort(at, n);
  } else {
    for (int i = 0; i < x->ndim; i++)
      if (x->shape[i] == 1) at[n++] = i;
  }
  if (n == 0) return same_array(x);
  const axes_params params = {{n, at}};
  return node_make(&prim_squeeze, &params, 1, &x);
}

/* ---- ExpandDims: axes of size 1 appear at positions of the result ---- */

static error *expand_dims_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axes_params *p = params;
  error *e = check_count("expand_dims", n_in, 1);
  if (e) return e;
  if (p->axes.n > PONS_MAX_NDIM - in[0]->ndim)
    return fail("expand_dims", "the result would have more than %d axes", PONS_MAX_NDIM);
  const int n = in[0]->ndim + p->axes.n;
  e = axes_check("expand_dims", n, p->axes);
  if (e) return e;
  bool fresh[PONS_MAX_NDIM] = {false};
  for (int i = 0; i < p->axes.n; i++) fresh[p->axes.at[i]] = true;
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0, from = 0; i < n; i++) dims[i] = fresh[i] ? 1 : in[0]->shape[from++];
  return spec_set("expand_dims", out, dtype_of(in[0]), n, dims);
}

const prim prim_expand_dims = {.name = "ExpandDims",
                               .linear = true,
                               .params_size = sizeof(axes_params),
                               .fields = {FIELD(INTS, axes_params, axes)},
                               .infer = expand_dims_infer,
                               .view = reshape_view,
                               .vjp = reshape_vjp,
                               .vmap = shift_axes_vmap};

pons_array pons_expand_dims(pons_array x, pons_axes axes) {
  pons_array bad = operand_fault("expand_dims", 1, &x);
  if (bad) return bad;
  if (axes.count <= 0) return same_array(x);
  if (axes.count > PONS_MAX_NDIM - x->ndim)
    return node_fail("expand_dims", "the result would have more than %d axes", PONS_MAX_NDIM);
  int64_t at[PONS_MAX_NDIM];
  const int n = x->ndim + axes.count;
  for (int i = 0; i < axes.count; i++) {
    at[i] = axis_normal(axes.at[i], n);
    if (at[i] < 0)
      return node_fail_as(PONS_ERROR_INDEX, "expand_dims", "axis %d is out of range for a result of %d axes",
                          axes.at[i], n);
  }
  axes_sort(at, axes.count);
  const axes_params params = {{axes.count, at}};
  return node_make(&prim_expand_dims, &params, 1, &x);
}
