/* strided.c: memory seen otherwise: AsStrided, Contiguous, View (the same bytes as another dtype). Uses
   base/, graph/. */
#include "ops/ops.h"

/* ---- AsStrided: any offset and strides into the elements of in[0], taken in row-major order ---- */

static error *as_strided_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const as_strided_params *p = params;
  error *e = check_count("as_strided", n_in, 1);
  if (e) return e;
  if (p->shape.n != p->strides.n)
    return fail("as_strided", "%d sizes and %d strides", p->shape.n, p->strides.n);
  e = spec_set("as_strided", out, dtype_of(in[0]), p->shape.n, p->shape.at);
  if (e || shape_size(p->shape.n, p->shape.at) == 0) return e;
  const int64_t size = in[0]->size;
  int64_t least = p->offset, most = p->offset; /* elements that are reached */
  bool inside = least >= 0 && most < size;
  for (int i = 0; i < p->shape.n && inside; i++) {
    const int64_t step = p->strides.at[i], last = p->shape.at[i] - 1;
    if (last == 0 || step == 0) continue;
    inside = step < size && step > -size;
    const int64_t by = !inside ? 1 : step < 0 ? -step : step;
    inside = inside && last <= size / by;
    if (inside) (step < 0 ? &least : &most)[0] += step * last;
    inside = inside && least >= 0 && most < size;
  }
  if (!inside)
    return fail("as_strided", "shape %s, strides %s and offset %lld reach beyond %s",
                shape_text(p->shape.n, p->shape.at), shape_text(p->strides.n, p->strides.at),
                (long long)p->offset, node_text(in[0]));
  return NULL;
}

static bool as_strided_view(const void *params, const node *in, const view *in_view, const shape *s,
                            view *out) {
  const as_strided_params *p = params;
  if (!shape_is_row_major(in->ndim, in->shape, in_view->strides)) return false;
  const bool empty = shape_size(s->n, s->dims) == 0;
  out->offset = in_view->offset + (empty ? 0 : p->offset);
  for (int i = 0; i < s->n; i++) out->strides[i] = empty || s->dims[i] == 1 ? 0 : p->strides.at[i];
  return true;
}

/* Which element of in[0] each element of the result is: int64, the result's shape. */
static pons_array element_numbers(const as_strided_params *p) {
  const pons_shape shape = {p->shape.n, p->shape.at};
  pons_array numbers = pons_broadcast_to(pons_array_from(&p->offset, PONS_SCALAR, PONS_INT64), shape);
  for (int i = 0; i < p->shape.n; i++) {
    int64_t dims[PONS_MAX_NDIM];
    for (int k = 0; k < p->shape.n; k++) dims[k] = k == i ? p->shape.at[i] : 1;
    pons_array steps = pons_multiply(pons_arange(0, (double)p->shape.at[i], 1, PONS_INT64),
                                     pons_array_from(&p->strides.at[i], PONS_SCALAR, PONS_INT64));
    numbers = pons_add(numbers, pons_reshape(steps, (pons_shape){p->shape.n, dims}));
  }
  return numbers;
}

static void as_strided_vjp(const vjp_call *c) {
  pons_array flat = pons_zeros(PONS_SHAPE(c->in[0]->size), dtype_of(c->in[0]));
  pons_array places = pons_reshape(element_numbers(c->params), PONS_SHAPE(-1));
  pons_array sum = pons_scatter_add_axis(flat, places, pons_reshape(c->cotangents[0], PONS_SHAPE(-1)), 0);
  c->grads[0] = pons_reshape(sum, pons_shape_of(c->in[0]));
}

const prim prim_as_strided = {
    .name = "AsStrided",
    .linear = true,
    .params_size = sizeof(as_strided_params),
    .fields = {FIELD(INTS, as_strided_params, shape), FIELD(STRIDES, as_strided_params, strides),
               FIELD(INT64, as_strided_params, offset)},
    .infer = as_strided_infer,
    .view = as_strided_view,
    .vjp = as_strided_vjp};

pons_array pons_as_strided(pons_array x, pons_shape shape, pons_shape strides, int64_t offset) {
  pons_array bad = operand_fault("as_strided", 1, &x);
  if (bad) return bad;
  if (shape.count < 0 || strides.count < 0) return node_fail("as_strided", "a shape of %d axes", shape.count);
  pons_array flat = x->ndim == 1 ? x : pons_flatten(x, 0, -1);
  int64_t row_major[PONS_MAX_NDIM];
  if (strides.count == 0 && shape.count > 0 && shape.count <= PONS_MAX_NDIM) {
    shape_row_major(shape.count, shape.at, row_major);
    strides = (pons_shape){shape.count, row_major};
  }
  const as_strided_params params = {{shape.count, shape.at}, {strides.count, strides.at}, offset};
  return node_make(&prim_as_strided, &params, 1, &flat);
}

/* ---- Contiguous: row-major, copied only if it is not ---- */

static error *contiguous_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("contiguous", n_in, 1);
  if (!e) *out = spec_of(in[0]);
  return e;
}

static bool is_column_major(const node *x, const int64_t *strides) {
  int64_t dims[PONS_MAX_NDIM], reversed[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++)
    dims[i] = x->shape[x->ndim - 1 - i], reversed[i] = strides[x->ndim - 1 - i];
  return shape_is_row_major(x->ndim, dims, reversed);
}

static bool contiguous_view(const void *params, const node *in, const view *in_view, const shape *s,
                            view *out) {
  (void)s;
  const contiguous_params *p = params;
  *out = *in_view;
  return shape_is_row_major(in->ndim, in->shape, in_view->strides) ||
         (p->allow_col_major && is_column_major(in, in_view->strides));
}

static void contiguous_vjp(const vjp_call *c) { c->grads[0] = c->cotangents[0]; }

static void contiguous_vmap(const vmap_call *c) { batch_apply(c, c->params); }

const prim prim_contiguous = {.name = "Contiguous",
                              .linear = true,
                              .params_size = sizeof(contiguous_params),
                              .fields = {FIELD(BOOL, contiguous_params, allow_col_major)},
                              .infer = contiguous_infer,
                              .view = contiguous_view,
                              .vjp = contiguous_vjp,
                              .vmap = contiguous_vmap};

pons_array pons_contiguous_with(struct pons_contiguous_args args) {
  const contiguous_params params = {args.allow_col_major};
  return node_make(&prim_contiguous, &params, 1, &args.x);
}

/* ---- View: the last axis scales with the item size ---- */

static error *view_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const cast_params *p = params;
  error *e = check_count("view", n_in, 1);
  if (e) return e;
  if (!dtype_is_valid((int)p->dtype)) return fail("view", "%d is no dtype", (int)p->dtype);
  const int64_t from = (int64_t)pons_dtype_size(dtype_of(in[0])), to = (int64_t)pons_dtype_size(p->dtype);
  *out = spec_of(in[0]);
  out->dtype = p->dtype;
  if (from == to) return NULL;
  shape s = out->shape;
  if (s.n == 0 || s.dims[s.n - 1] * from % to)
    return fail("view", "%s does not divide into elements of %s", node_text(in[0]),
                pons_dtype_name(p->dtype));
  s.dims[s.n - 1] = s.dims[s.n - 1] * from / to;
  return spec_set("view", out, p->dtype, s.n, s.dims);
}

static bool view_view(const void *params, const node *in, const view *in_view, const shape *s, view *out) {
  const cast_params *p = params;
  const int64_t from = (int64_t)pons_dtype_size(dtype_of(in)), to = (int64_t)pons_dtype_size(p->dtype);
  const int last = in->ndim - 1;
  *out = *in_view;
  if (from == to) return true;
  if (in->size == 0) {
    shape_row_major(s->n, s->dims, out->strides);
    out->offset = 0;
    return true;
  }
  if (in->shape[last] > 1 && in_view->strides[last] != 1) return false;
  if (in_view->offset * from % to) return false;
  for (int i = 0; i < last; i++)
    if (in->shape[i] > 1 && in_view->strides[i] * from % to) return false;
  out->offset = in_view->offset * from / to;
  for (int i = 0; i < last; i++) out->strides[i] = in_view->strides[i] * from / to;
  out->strides[last] = 1;
  return true;
}

static void view_vmap(const vmap_call *c) {
  if (c->in[0]->ndim > 1) batch_apply(c, c->params);
}

const prim prim_view = {.name = "View",
                        .no_gradient = true,
                        .params_size = sizeof(cast_params),
                        .fields = {FIELD(DTYPE, cast_params, dtype)},
                        .infer = view_infer,
                        .view = view_view,
                        .vmap = view_vmap};

pons_array pons_view(pons_array x, pons_dtype dtype) {
  pons_array bad = operand_fault("view", 1, &x);
  if (bad) return bad;
  if (x->dtype == dtype) return same_array(x);
  const cast_params params = {dtype};
  return node_make(&prim_view, &params, 1, &x);
}
