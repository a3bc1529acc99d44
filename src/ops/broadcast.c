/* broadcast.c: repeating without copying: Broadcast, BroadcastAxes, and NumberOfElements, which files written
   for any shape use in the place of constants. Uses base/, graph/. */
#include "ops/ops.h"

/* ---- Broadcast: to the stored shape; with several operands to the shape they broadcast to ---- */

static error *broadcast_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const shape_params *p = params;
  if (n_in < 1) return check_count("broadcast_to", n_in, 1);
  error *e = spec_set("broadcast_to", out, dtype_of(in[0]), p->shape.n, p->shape.at);
  if (e) return e;
  if (n_in > 1) out->shape = node_shape(in[0]);
  for (int i = 1; i < n_in; i++) {
    const shape so_far = out->shape;
    if (!shape_broadcast(so_far.n, so_far.dims, in[i]->ndim, in[i]->shape, &out->shape))
      return fail("broadcast_to", "%s and %s do not broadcast", node_text(in[0]), node_text(in[i]));
  }
  shape both;
  if (!shape_broadcast(in[0]->ndim, in[0]->shape, out->shape.n, out->shape.dims, &both) ||
      !shape_equal(both.n, both.dims, out->shape.n, out->shape.dims))
    return fail("broadcast_to", "%s does not broadcast to %s", node_text(in[0]),
                shape_text(out->shape.n, out->shape.dims));
  return NULL;
}

static bool broadcast_view(const void *params, const node *in, const view *in_view, const shape *s,
                           view *out) {
  (void)params;
  out->offset = in_view->offset;
  const int lead = s->n - in->ndim;
  for (int i = 0; i < s->n; i++)
    out->strides[i] = i < lead || in->shape[i - lead] != s->dims[i] ? 0 : in_view->strides[i - lead];
  return true;
}

/* Sums what the operand was repeated along. */
static pons_array sum_to(pons_array x, int n, const int64_t *dims) {
  int axes[PONS_MAX_NDIM], count = 0, lead = x->ndim - n;
  for (int i = 0; i < x->ndim; i++)
    if (i < lead || (dims[i - lead] == 1 && x->shape[i] != 1)) axes[count++] = i;
  if (count == 0) return x;
  pons_array sum = pons_sum(x, .axes = {count, axes}, .keepdims = true);
  if (!trace_is_shapeless()) return pons_reshape(sum, (pons_shape){n, dims});
  return lead ? pons_squeeze(sum, (pons_axes){lead, axes}) : sum; /* sizes may be others later */
}

static void broadcast_vjp(const vjp_call *c) {
  /* the sum of small integers is wider than they are */
  if (c->wanted[0])
    c->grads[0] = as_dtype(sum_to(c->cotangents[0], c->in[0]->ndim, c->in[0]->shape), dtype_of(c->in[0]));
}

static void broadcast_jvp(const jvp_call *c) {
  if (c->tangents[0]) c->out_tangents[0] = pons_broadcast_to(c->tangents[0], pons_shape_of(c->out[0]));
}

static void broadcast_vmap(const vmap_call *c) {
  if (c->n_in > 1 || c->axes[0] < 0) return; /* as without a rule */
  const shape_params *p = c->params;
  pons_array x = batch_first(c, 0);
  int64_t dims[PONS_MAX_NDIM + 1], thin[PONS_MAX_NDIM + 1];
  const ints to = batch_prepend(c->size, p->shape, dims);
  if (to.n > PONS_MAX_NDIM) return;
  const int lead = to.n - x->ndim;
  thin[0] = c->size;
  for (int i = 1; i < to.n; i++) thin[i] = i <= lead ? 1 : x->shape[i - lead];
  c->out[0] = pons_broadcast_to(pons_reshape(x, (pons_shape){to.n, thin}), (pons_shape){to.n, dims});
  c->out_axes[0] = 0;
}

const prim prim_broadcast = {.name = "Broadcast",
                             .params_size = sizeof(shape_params),
                             .fields = {FIELD(INTS, shape_params, shape)},
                             .infer = broadcast_infer,
                             .view = broadcast_view,
                             .vjp = broadcast_vjp,
                             .jvp = broadcast_jvp,
                             .vmap = broadcast_vmap};

pons_array pons_broadcast_to(pons_array x, pons_shape shape) {
  pons_array bad = operand_fault("broadcast_to", 1, &x);
  if (bad) return bad;
  if (shape.count < 0) return node_fail("broadcast_to", "a shape of %d axes", shape.count);
  if (shape_equal(x->ndim, x->shape, shape.count, shape.at)) return same_array(x);
  const shape_params params = {{shape.count, shape.at}};
  return node_make(&prim_broadcast, &params, 1, &x);
}

pons_array as_shape_like(pons_array x, pons_array like) {
  if (!trace_is_shapeless() || !like->traced) return as_shape(x, like->ndim, like->shape);
  const shape_params params = {{like->ndim, like->shape}};
  return node_make(&prim_broadcast, &params, 2, (pons_array[]){x, like});
}

/* ---- BroadcastAxes: all axes but `axes`, which count from the end and keep operand 0's sizes ---- */

/* Where among `n` axes (from the end) the ignored ones lie; false: out of range. */
static error *ignored_axes(const axes_params *p, int n, bool *ignored) {
  for (int i = 0; i < n; i++) ignored[i] = false;
  for (int i = 0; i < p->axes.n; i++) {
    const int64_t axis = p->axes.at[i];
    if (axis >= 0 || axis < -n)
      return fail_as(PONS_ERROR_INDEX, "broadcast_axes", "axis %lld is none of -1 to -%d", (long long)axis,
                     n);
    ignored[n + axis] = true;
  }
  return NULL;
}

static error *broadcast_axes_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axes_params *p = params;
  if (n_in < 1) return check_count("broadcast_axes", n_in, 1);
  bool ignored[PONS_MAX_NDIM];
  shape s = {0, {0}};
  for (int k = 0; k < n_in; k++) { /* with the ignored axes as 1 */
    error *e = ignored_axes(p, in[k]->ndim, ignored);
    if (e) return e;
    shape thin = node_shape(in[k]);
    for (int i = 0; i < thin.n; i++)
      if (ignored[i]) thin.dims[i] = 1;
    const shape so_far = s;
    if (!shape_broadcast(so_far.n, so_far.dims, thin.n, thin.dims, &s))
      return fail("broadcast_axes", "%s and %s do not broadcast", node_text(in[0]), node_text(in[k]));
  }
  error *e = ignored_axes(p, in[0]->ndim, ignored);
  if (e) return e;
  for (int i = 0; i < in[0]->ndim; i++)
    if (ignored[i]) s.dims[s.n - in[0]->ndim + i] = in[0]->shape[i];
  return spec_set("broadcast_axes", out, dtype_of(in[0]), s.n, s.dims);
}

/* Batches come first, before axes of 1 where an operand has fewer: then they broadcast as the rest does. */
static void broadcast_axes_vmap(const vmap_call *c) {
  int most = 0, axes[PONS_MAX_NDIM];
  for (int k = 0; k < c->n_in; k++) {
    const int ndim = c->in[k]->ndim - (c->axes[k] >= 0);
    if (ndim > most) most = ndim;
  }
  pons_array *in = mem_alloc((size_t)c->n_in * sizeof *in);
  if (!in) {
    c->out[0] = node_error(fail_no_memory("broadcast_axes"));
    return;
  }
  for (int k = 0; k < c->n_in; k++) {
    in[k] = c->axes[k] < 0 ? c->in[k] : batch_first(c, k);
    const int missing = c->axes[k] < 0 ? 0 : most + 1 - in[k]->ndim;
    for (int i = 0; i < missing; i++) axes[i] = i + 1;
    if (missing) in[k] = pons_expand_dims(in[k], (pons_axes){missing, axes});
  }
  c->out[0] = node_make(&prim_broadcast_axes, c->params, c->n_in, in);
  c->out_axes[0] = 0;
  mem_free(in);
}

const prim prim_broadcast_axes = {.name = "BroadcastAxes",
                                  .params_size = sizeof(axes_params),
                                  .fields = {FIELD(INTS, axes_params, axes)},
                                  .infer = broadcast_axes_infer,
                                  .view = broadcast_view,
                                  .vjp = broadcast_vjp,
                                  .jvp = broadcast_jvp,
                                  .vmap = broadcast_axes_vmap};

/* ---- NumberOfElements: product of the sizes of axes, or 1 over it ---- */

static error *number_of_elements_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const number_of_elements_params *p = params;
  error *e = check_count("number_of_elements", n_in, 1);
  for (int i = 0; !e && i < p->axes.n; i++)
    if (p->axes.at[i] < -in[0]->ndim || p->axes.at[i] >= in[0]->ndim)
      e = fail_as(PONS_ERROR_INDEX, "number_of_elements", "axis %lld is out of range for %s",
                  (long long)p->axes.at[i], node_text(in[0]));
  return e ? e : spec_set("number_of_elements", out, p->dtype, 0, NULL);
}

static void number_of_elements_decompose(const void *params, int n_in, const pons_array *in,
                                         pons_array *out) {
  (void)n_in;
  const number_of_elements_params *p = params;
  double count = 1;
  for (int i = 0; i < p->axes.n; i++) {
    const int64_t axis = p->axes.at[i];
    count *= (double)in[0]->shape[axis < 0 ? axis + in[0]->ndim : axis];
  }
  out[0] = pons_scalar(p->inverted ? 1 / count : count, p->dtype);
}

static void number_of_elements_vmap(const vmap_call *c) {
  const number_of_elements_params *p = c->params;
  int64_t room[PONS_MAX_NDIM];
  if (p->axes.n > PONS_MAX_NDIM) return;
  for (int i = 0; i < p->axes.n;
       i++) /* counted from the end they stay where they are, the batch being first */
    room[i] = p->axes.at[i] < 0 ? p->axes.at[i] : p->axes.at[i] + 1;
  const number_of_elements_params shifted = {{p->axes.n, room}, p->inverted, p->dtype};
  pons_array x = batch_first(c, 0);
  c->out[0] = node_make(&prim_number_of_elements, &shifted, 1, &x);
  c->out_axes[0] = -1;
}

const prim prim_number_of_elements = {
    .name = "NumberOfElements",
    .no_gradient = true,
    .params_size = sizeof(number_of_elements_params),
    .fields = {FIELD(INTS, number_of_elements_params, axes), FIELD(BOOL, number_of_elements_params, inverted),
               FIELD(DTYPE, number_of_elements_params, dtype)},
    .infer = number_of_elements_infer,
    .vmap = number_of_elements_vmap,
    .decompose = number_of_elements_decompose};

pons_array pons_number_of_elements(pons_array x, pons_axes axes, bool inverted, pons_dtype dtype) {
  pons_array bad = operand_fault("number_of_elements", 1, &x);
  if (bad) return bad;
  int64_t room[PONS_MAX_NDIM];
  int count;
  error *e = axes_normal("number_of_elements", x, axes, room, &count);
  if (e) return node_error(e);
  const number_of_elements_params params = {{count, room}, inverted, dtype};
  if (trace_is_shapeless() && x->traced) return node_make(&prim_number_of_elements, &params, 1, &x);
  pons_array out;
  number_of_elements_decompose(&params, 1, &x, &out);
  return out;
}
