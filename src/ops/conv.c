/* conv.c: Convolution, channels last: cross-correlation with stride, padding, dilation of kernel and input,
   groups.

   Along a spatial axis of size n, kernel size k, output element o reads position o * stride + j *
   kernel_dilation - pad_lo of the input spread out by input_dilation, for j = 0 .. k-1. Both gradients are
   convolutions again; with groups that by the weight is a primitive of its own, defined so: as a convolution it needs x in
   another order. Uses base/, graph/. */
#include "ops/ops.h"

enum { LARGEST = 1 << 30 }; /* of a parameter: sums and products of a few stay in int64 */

/* Size of an axis of n elements with `dilation - 1` places between neighbours. */
static int64_t spread(int64_t n, int64_t dilation) { return n > 0 ? (n - 1) * dilation + 1 : 0; }

static error *conv_params_check(const conv_params *p, const node *x, const node *w) {
  const int n = x->ndim - 2;
  if (x->ndim < 3 || w->ndim != x->ndim)
    return fail("conv", "x %s and weight %s must both be (N, spatial..., channels)", node_text(x),
                node_text(w));
  const ints *const lists[] = {&p->stride, &p->pad_lo, &p->pad_hi, &p->kernel_dilation, &p->input_dilation};
  for (int k = 0; k < 5; k++) {
    if (lists[k]->n != n) return fail("conv", "%d values for %d spatial axes", lists[k]->n, n);
    const bool pads = k == 1 || k == 2;
    for (int i = 0; i < n; i++)
      if (lists[k]->at[i] < (pads ? 0 : 1) || lists[k]->at[i] > LARGEST)
        return fail("conv", "%s of %lld along spatial axis %d",
                    pads     ? "padding"
                    : k == 0 ? "stride"
                             : "dilation",
                    (long long)lists[k]->at[i], i);
  }
  if (p->groups < 1 || w->shape[0] % p->groups || x->shape[n + 1] % p->groups ||
      x->shape[n + 1] / p->groups != w->shape[n + 1])
    return fail("conv", "channels of x %s and weight %s do not fit %d groups", node_text(x), node_text(w),
                p->groups);
  if (x->dtype != w->dtype || dtype_kind_of(dtype_of(x)) != KIND_FLOAT)
    return fail("conv", "x and weight must be of one float dtype: %s and %s", node_text(x), node_text(w));
  return NULL;
}

static error *conv_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const conv_params *p = params;
  error *e = check_count("conv", n_in, 2);
  if (!e) e = conv_params_check(p, in[0], in[1]);
  if (e) return e;
  const node *x = in[0], *w = in[1];
  shape s = node_shape(x);
  for (int i = 0; i + 2 < x->ndim; i++) {
    if (x->shape[i + 1] > LARGEST || w->shape[i + 1] > LARGEST)
      return fail("conv", "a spatial axis of %s is too long", node_text(x));
    const int64_t inside =
        spread(x->shape[i + 1], p->input_dilation.at[i]) + p->pad_lo.at[i] + p->pad_hi.at[i];
    const int64_t reach = spread(w->shape[i + 1], p->kernel_dilation.at[i]);
    if (reach == 0 || inside < reach)
      return fail("conv", "the kernel of %s reaches over %lld of %lld places along spatial axis %d of %s",
                  node_text(w), (long long)reach, (long long)inside, i, node_text(x));
    s.dims[i + 1] = (inside - reach) / p->stride.at[i] + 1;
  }
  s.dims[s.n - 1] = w->shape[0];
  return spec_set("conv", out, dtype_of(x), s.n, s.dims);
}

static pons_array conv(const conv_params *p, pons_array x, pons_array w) {
  return node_make(&prim_convolution, p, 2, (pons_array[]){x, w});
}

/* ---- gradients ---- */

typedef struct conv_lists {
  int64_t stride[PONS_MAX_NDIM], low[PONS_MAX_NDIM], high[PONS_MAX_NDIM], kernel[PONS_MAX_NDIM],
      input[PONS_MAX_NDIM];
} conv_lists;

static conv_params params_of(const conv_lists *l, int n, int groups, bool flip) {
  return (conv_params){{n, l->stride}, {n, l->low}, {n, l->high}, {n, l->kernel},
                       {n, l->input},  groups,      flip};
}

/* The convolution for lists whose padding may be negative: then x is cropped. NULL where nothing of x is
   left. */
static pons_array conv_cropped(conv_lists *l, int groups, bool flip, pons_array x, pons_array w) {
  if (node_failed(x) || node_failed(w)) return node_failed(x) ? x : w;
  const int n = x->ndim - 2;
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) stop[i] = x->shape[i];
  for (int i = 0; i < n; i++) {
    const int64_t d = l->input[i];
    if (l->low[i] <
        /* so many places of the spread input go: those of the first elements, and some before the next one */
        0) {
      const int64_t first = (-l->low[i] + d - 1) / d;
      l->low[i] += first * d;
      start[i + 1] = first;
    }
    if (l->high[i] < 0) {
      const int64_t last = (-l->high[i] + d - 1) / d;
      l->high[i] += last * d;
      stop[i + 1] -= last;
    }
    if (start[i + 1] >= stop[i + 1]) return NULL;
  }
  const conv_params p = params_of(l, n, groups, flip);
  return conv(&p, pons_slice(x, (pons_shape){n + 2, start}, (pons_shape){n + 2, stop}, PONS_SCALAR), w);
}

/* (g * a, spatial..., b) to (b * g, spatial..., a) with the groups kept apart: group k's a and b change
   places. */
static pons_array swap_channels(pons_array w, int groups) {
  const int n = w->ndim;
  pons_array apart = pons_unflatten(w, 0, PONS_SHAPE(groups, w->shape[0] / groups));
  if (node_failed(apart)) return apart;
  pons_array swapped = pons_swapaxes(apart, 1, n);
  return pons_flatten(swapped, 0, 1);
}

/* The cotangent, spread by the stride, meets the kernel reversed. */
static pons_array input_gradient(const conv_params *p, const node *x, pons_array w, pons_array ct) {
  const int n = x->ndim - 2;
  conv_lists l;
  for (int i = 0; i < n; i++) {
    const int64_t size = spread(x->shape[i + 1], p->input_dilation.at[i]);
    const int64_t reach = spread(w->shape[i + 1], p->kernel_dilation.at[i]);
    l.stride[i] = p->input_dilation.at[i];
    l.kernel[i] = p->kernel_dilation.at[i];
    l.input[i] = p->stride.at[i];
    l.low[i] = reach - 1 - p->pad_lo.at[i];
    /* so that the result has the input's size */
    l.high[i] = size - spread(ct->shape[i + 1], p->stride.at[i]) + p->pad_lo.at[i];
  }
  pons_array g = conv_cropped(&l, p->groups, !p->flip, ct, swap_channels(w, p->groups));
  return g ? g : zeros_of(x);
}

/* Of a convolution whose kernel has these sizes. Batch and channels change places: x is (C, spatial..., N), the cotangent the
   kernel (O, spatial..., N). Groups, which then stand in the batch of x, become channels again. NULL where the kernel meets
   nothing of x. */
static pons_array weight_gradient(const conv_params *p, const int64_t *kernel, pons_array x, pons_array ct) {
  const int n = x->ndim - 2, groups = p->groups;
  const int64_t channels = x->shape[n + 1] / groups;
  conv_lists l;
  for (int i = 0; i < n; i++) {
    const int64_t size = spread(x->shape[i + 1], p->input_dilation.at[i]);
    const int64_t reach = spread(kernel[i], p->kernel_dilation.at[i]);
    l.stride[i] = p->kernel_dilation.at[i];
    l.kernel[i] = p->stride.at[i];
    l.input[i] = p->input_dilation.at[i];
    l.low[i] = p->pad_lo.at[i];
    l.high[i] = spread(ct->shape[i + 1], p->stride.at[i]) + reach - 1 - size - p->pad_lo.at[i];
  }
  /* x: (N, spatial, g C) to (C, spatial, g N) */
  int order[PONS_MAX_NDIM];
  pons_array apart = pons_unflatten(x, n + 1, PONS_SHAPE(groups, channels)); /* (N, spatial, g, C) */
  order[0] = n + 2;
  for (int i = 1; i <= n; i++) order[i] = i;
  order[n + 1] = n + 1;
  order[n + 2] = 0;
  pons_array x2 = pons_flatten(pons_transpose(apart, .axes = {n + 3, order}), n + 1, n + 2);
  pons_array ct2 = pons_swapaxes(ct, 0, n + 1);            /* (O, spatial, N) */
  pons_array g = conv_cropped(&l, groups, false, x2, ct2); /* (C, kernel, O) */
  if (!g) return NULL;
  g = pons_swapaxes(g, 0, n + 1); /* (O, kernel, C) */
  if (!p->flip || node_failed(g)) return g;
  int64_t start[PONS_MAX_NDIM], stop[PONS_MAX_NDIM], step[PONS_MAX_NDIM];
  for (int i = 0; i < n + 2; i++) {
    const bool reversed = i > 0 && i <= n;
    start[i] = reversed ? g->shape[i] - 1 : 0;
    stop[i] = reversed ? -(g->shape[i] + 1) : g->shape[i];
    step[i] = reversed ? -1 : 1;
  }
  return pons_slice(g, (pons_shape){n + 2, start}, (pons_shape){n + 2, stop}, (pons_shape){n + 2, step});
}

static pons_array grouped_weight_gradient(const conv_params *p, pons_array x, const node *w, pons_array ct) {
  const conv_weight_params params = {p->stride, p->pad_lo, p->kernel_dilation, p->input_dilation, {w->ndim - 2, w->shape + 1},
                                     p->groups, p->flip};
  return node_make(&prim_conv_weight_vjp, &params, 2, (pons_array[]){x, ct});
}

static void conv_vjp(const vjp_call *c) {
  pons_array x = c->in[0], w = c->in[1], ct = c->cotangents[0];
  if (x->size == 0 || w->size == 0 || ct->size == 0) { /* nothing was read */
    for (int i = 0; i < 2; i++)
      if (c->wanted[i]) c->grads[i] = zeros_of(c->in[i]);
    return;
  }
  if (c->wanted[0]) c->grads[0] = input_gradient(c->params, x, w, ct);
  if (!c->wanted[1]) return;
  if (((const conv_params *)c->params)->groups > 1) {
    c->grads[1] = grouped_weight_gradient(c->params, x, w, ct);
    return;
  }
  pons_array g = weight_gradient(c->params, w->shape + 1, x, ct);
  c->grads[1] = g ? g : zeros_of(w);
}

static void conv_jvp(const jvp_call *c) {
  pons_array a = c->tangents[0] ? conv(c->params, c->tangents[0], c->in[1]) : NULL;
  pons_array b = c->tangents[1] ? conv(c->params, c->in[0], c->tangents[1]) : NULL;
  c->out_tangents[0] = !a ? b : !b ? a : pons_add(a, b);
}

/* ---- vmap: a batch of inputs joins N, a batch of kernels joins the channels, both join the groups ---- */

static void conv_vmap(const vmap_call *c) {
  const conv_params *p = c->params;
  const int last = batch_slice_shape(c, 0).n - 1;
  const int64_t size = c->size;
  pons_array y;
  if (c->axes[1] < 0) {
    const int64_t n = batch_slice_shape(c, 0).dims[0];
    y = pons_unflatten(conv(p, pons_flatten(batch_first(c, 0), 0, 1), c->in[1]), 0, PONS_SHAPE(size, n));
    c->out[0] = y;
    c->out_axes[0] = 0;
    return;
  }
  if (c->axes[0] < 0 && p->groups == 1) {
    const int64_t o = batch_slice_shape(c, 1).dims[0];
    y = conv(p, c->in[0], pons_flatten(batch_first(c, 1), 0, 1));
    c->out[0] = pons_unflatten(y, last, PONS_SHAPE(size, o));
    c->out_axes[0] = last;
    return;
  }
  /* (N, spatial, B, C): each batch a run of groups of its own */
  pons_array x = pons_flatten(pons_moveaxis(batch_first(c, 0), 0, last), last, last + 1);
  const int64_t o = batch_slice_shape(c, 1).dims[0];
  conv_params wide = *p;
  if ((int64_t)p->groups * size > LARGEST) return;
  wide.groups = (int)(p->groups * size);
  y = conv(&wide, x, pons_flatten(batch_first(c, 1), 0, 1));
  c->out[0] = pons_unflatten(y, last, PONS_SHAPE(size, o));
  c->out_axes[0] = last;
}

/* ---- the definition ---- */

/* x with d - 1 zeros between neighbours along an axis. */
static pons_array spread_along(pons_array x, int axis, int64_t d) {
  const int n = x->ndim;
  const int64_t size = spread(x->shape[axis], d);
  if (d == 1) return x;
  int64_t low[PONS_MAX_NDIM + 1] = {0}, high[PONS_MAX_NDIM + 1] = {0}, stop[PONS_MAX_NDIM];
  high[axis + 1] = d - 1;
  x = pons_flatten(pons_pad(pons_expand_dims(x, PONS_AXES(axis + 1)), (pons_shape){n + 1, low}, (pons_shape){n + 1, high}, NULL),
                   axis, axis + 1);
  if (node_failed(x)) return x;
  for (int i = 0; i < n; i++) stop[i] = i == axis ? size : x->shape[i];
  return pons_slice(x, (pons_shape){n, low}, (pons_shape){n, stop}, PONS_SCALAR);
}

/* (N, spatial..., C) to (groups, N, spatial..., C / groups), spread and padded. */
static pons_array laid_out(const conv_params *p, pons_array x) {
  const int n = x->ndim - 2;
  const int64_t channels = x->shape[n + 1] / p->groups;
  int64_t low[PONS_MAX_NDIM] = {0}, high[PONS_MAX_NDIM] = {0};
  for (int i = 0; i < n && !node_failed(x); i++) {
    x = spread_along(x, i + 1, p->input_dilation.at[i]);
    low[i + 1] = p->pad_lo.at[i], high[i + 1] = p->pad_hi.at[i];
  }
  x = pons_pad(x, (pons_shape){n + 2, low}, (pons_shape){n + 2, high}, NULL);
  return pons_moveaxis(pons_unflatten(x, n + 1, PONS_SHAPE(p->groups, channels)), n + 1, 0);
}

/* What position `at` of the kernel meets at all places, times its weights: (groups, N * places, O / groups). */
static pons_array term(const conv_params *p, pons_array x, pons_array w, const int64_t *at, const spec *y) {
  const int n = y->shape.n - 2;
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM], step[PONS_MAX_NDIM], first[PONS_MAX_NDIM] = {0},
          last[PONS_MAX_NDIM], places = y->shape.dims[0];
  for (int i = 0; i < n + 3; i++) stop[i] = x->shape[i], step[i] = 1, last[i] = w->shape[i];
  for (int i = 0; i < n; i++) {
    const int64_t reached = p->flip ? w->shape[i + 2] - 1 - at[i] : at[i];
    places *= y->shape.dims[i + 1];
    start[i + 2] = reached * p->kernel_dilation.at[i];
    step[i + 2] = p->stride.at[i];
    stop[i + 2] = start[i + 2] + (y->shape.dims[i + 1] - 1) * step[i + 2] + 1;
    first[i + 2] = at[i];
    last[i + 2] = at[i] + 1;
  }
  const int64_t g = p->groups, c = x->shape[n + 2], o = w->shape[1];
  pons_array met = pons_slice(x, (pons_shape){n + 3, start}, (pons_shape){n + 3, stop}, (pons_shape){n + 3, step});
  pons_array weights = pons_slice(w, (pons_shape){n + 3, first}, (pons_shape){n + 3, last}, PONS_SCALAR);
  weights = pons_swapaxes(pons_reshape(weights, PONS_SHAPE(g, o, c)), 1, 2);
  return pons_matmul(pons_reshape(met, PONS_SHAPE(g, places, c)), weights);
}

/* The next position in row-major order; false after the last. */
static bool next_position(int64_t *at, const int64_t *sizes, int n) {
  for (int i = n - 1; i >= 0; i--) {
    if (++at[i] < sizes[i]) return true;
    at[i] = 0;
  }
  return false;
}

static void conv_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const conv_params *p = params;
  spec y;
  error *e = conv_infer(params, n_in, in, &y);
  if (e || in[0]->size == 0 || in[1]->size == 0) {
    out[0] = e ? node_error(e) : pons_zeros(shape_public(&y.shape), y.dtype);
    return;
  }
  const int n = y.shape.n - 2;
  const pons_dtype wide = pons_dtype_size(y.dtype) == 2 ? PONS_FLOAT32 : y.dtype;
  pons_array x = laid_out(p, as_dtype(in[0], wide));
  pons_array w = pons_unflatten(as_dtype(in[1], wide), 0, PONS_SHAPE(p->groups, in[1]->shape[0] / p->groups));
  int64_t at[PONS_MAX_NDIM] = {0};
  pons_array sum = node_failed(x) ? x : node_failed(w) ? w : term(p, x, w, at, &y);
  while (!node_failed(sum) && next_position(at, in[1]->shape + 1, n)) sum = pons_add(sum, term(p, x, w, at, &y));
  out[0] = as_dtype(pons_reshape(pons_moveaxis(sum, 0, 1), shape_public(&y.shape)), y.dtype);
}

const prim prim_convolution = {
    .name = "Convolution",
    .params_size = sizeof(conv_params),
    .fields = {FIELD(INTS, conv_params, stride), FIELD(INTS, conv_params, pad_lo),
               FIELD(INTS, conv_params, pad_hi), FIELD(INTS, conv_params, kernel_dilation),
               FIELD(INTS, conv_params, input_dilation), FIELD(INT, conv_params, groups),
               FIELD(BOOL, conv_params, flip)},
    .infer = conv_infer,
    .vjp = conv_vjp,
    .jvp = conv_jvp,
    .vmap = conv_vmap,
    .decompose = conv_decompose};

/* ---- ConvolutionWeightVJP: x and the cotangent of a grouped convolution to the weight's gradient ---- */

static error *conv_weight_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  static const char *const op = "conv_weight_vjp";
  const conv_weight_params *p = params;
  error *e = check_count(op, n_in, 2);
  if (e) return e;
  const node *x = in[0], *ct = in[1];
  const int n = x->ndim - 2;
  if (n < 1 || ct->ndim != x->ndim || ct->shape[0] != x->shape[0])
    return fail(op, "x %s and cotangent %s must both be (N, spatial..., channels)", node_text(x), node_text(ct));
  if (x->dtype != ct->dtype || dtype_kind_of(dtype_of(x)) != KIND_FLOAT)
    return fail(op, "x and cotangent must be of one float dtype: %s and %s", node_text(x), node_text(ct));
  if (p->groups < 1 || x->shape[n + 1] % p->groups || ct->shape[n + 1] % p->groups)
    return fail(op, "channels of x %s and cotangent %s do not fit %d groups", node_text(x), node_text(ct), p->groups);
  const ints *const lists[] = {&p->stride, &p->pad_lo, &p->kernel_dilation, &p->input_dilation, &p->kernel};
  for (int k = 0; k < 5; k++)
    if (lists[k]->n != n) return fail(op, "%d values for %d spatial axes", lists[k]->n, n);
  shape s = node_shape(x);
  s.dims[0] = ct->shape[n + 1];
  for (int i = 0; i < n; i++) s.dims[i + 1] = p->kernel.at[i];
  s.dims[n + 1] = x->shape[n + 1] / p->groups;
  return spec_set(op, out, dtype_of(x), s.n, s.dims);
}

static void conv_weight_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const conv_weight_params *p = params;
  const conv_params of = conv_params_of_weight(p);
  spec w;
  error *e = conv_weight_infer(params, n_in, in, &w);
  out[0] = e ? node_error(e) : in[0]->size && in[1]->size ? weight_gradient(&of, p->kernel.at, in[0], in[1]) : NULL;
  if (!out[0]) out[0] = pons_zeros(shape_public(&w.shape), w.dtype);
}

const prim prim_conv_weight_vjp = {
    .name = "ConvolutionWeightVJP",
    .params_size = sizeof(conv_weight_params),
    .fields = {FIELD(INTS, conv_weight_params, stride), FIELD(INTS, conv_weight_params, pad_lo),
               FIELD(INTS, conv_weight_params, kernel_dilation), FIELD(INTS, conv_weight_params, input_dilation),
               FIELD(INTS, conv_weight_params, kernel), FIELD(INT, conv_weight_params, groups),
               FIELD(BOOL, conv_weight_params, flip)},
    .infer = conv_weight_infer,
    .decompose = conv_weight_decompose};

/* One value per spatial axis from a list of one, or of all, or none. */
static error *fill_list(const char *op, const char *what, pons_axes given, int n, int64_t otherwise,
                        int64_t *out) {
  if (given.count > 1 && given.count != n)
    return fail(op, "%d values of %s for %d spatial axes", given.count, what, n);
  for (int i = 0; i < n; i++)
    out[i] = !given.at || !given.count ? otherwise : given.at[given.count == 1 ? 0 : i];
  return NULL;
}

/* x without what negative padding takes away. */
static pons_array cropped(pons_array x, conv_lists *l) {
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  bool any = false;
  for (int i = 0; i < x->ndim; i++) stop[i] = x->shape[i];
  for (int i = 0; i < x->ndim - 2; i++) {
    any |= l->low[i] < 0 || l->high[i] < 0;
    if (l->low[i] < 0) start[i + 1] = -l->low[i], l->low[i] = 0;
    if (l->high[i] < 0) stop[i + 1] += l->high[i], l->high[i] = 0;
    if (start[i + 1] > x->shape[i + 1]) start[i + 1] = x->shape[i + 1];
    if (stop[i + 1] < start[i + 1]) stop[i + 1] = start[i + 1];
  }
  return any ? pons_slice(x, (pons_shape){x->ndim, start}, (pons_shape){x->ndim, stop}, PONS_SCALAR) : x;
}

/* spatial: how many axes there must be; 0: any number */
static pons_array convolved(const char *op, int spatial, struct pons_conv_args args) {
  pons_array in[2] = {args.x, args.weight}, bad = operand_fault(op, 2, in);
  if (bad) return bad;
  const int n = args.x->ndim - 2;
  if (n < 1 || args.weight->ndim != n + 2 || (spatial && n != spatial))
    return node_fail(op, "x %s and weight %s must both have a first axis, %s, and channels last", node_text(args.x),
                     node_text(args.weight),
                     spatial == 2   ? "two spatial ones"
                     : spatial == 3 ? "three spatial ones"
                                    : "as many spatial ones");
  if (dtype_kind_of(dtype_of(args.x)) != KIND_FLOAT || dtype_is_complex(dtype_of(args.weight)))
    return node_fail(op, "takes x of a float dtype and no complex weight: %s and %s", node_text(args.x),
                     node_text(args.weight));
  conv_lists l;
  error *e = fill_list(op, "stride", args.stride, n, 1, l.stride);
  if (!e) e = fill_list(op, "padding", args.padding, n, 0, l.low);
  if (!e) e = fill_list(op, "padding", args.padding_high.at ? args.padding_high : args.padding, n, 0, l.high);
  if (!e) e = fill_list(op, "dilation", args.dilation, n, 1, l.kernel);
  if (!e) e = fill_list(op, "input dilation", args.input_dilation, n, 1, l.input);
  if (e) return node_error(e);
  pons_array x = cropped(args.x, &l);
  const pons_dtype dtype = pons_promote(dtype_of(args.x), dtype_of(args.weight));
  const conv_params params = params_of(&l, n, args.groups ? args.groups : 1, args.flip);
  return conv(&params, as_dtype(x, dtype), as_dtype(args.weight, dtype));
}

pons_array pons_conv_general_with(struct pons_conv_args args) { return convolved("conv", 0, args); }
pons_array pons_conv1d_with(struct pons_conv_args args) { return convolved("conv1d", 0, args); }
pons_array pons_conv2d_with(struct pons_conv_args args) { return convolved("conv2d", 2, args); }
pons_array pons_conv3d_with(struct pons_conv_args args) { return convolved("conv3d", 3, args); }
