/* move.c: axes in another order: Transpose, and swapaxes and moveaxis made of it. Uses base/, graph/. */
#include "ops/ops.h"

static error *transpose_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axes_params *p = params;
  error *e = check_count("transpose", n_in, 1);
  if (e) return e;
  if (p->axes.n != in[0]->ndim) return fail("transpose", "%d axes given for %s", p->axes.n, node_text(in[0]));
  e = axes_check("transpose", in[0]->ndim, p->axes);
  if (e) return e;
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < p->axes.n; i++) dims[i] = in[0]->shape[p->axes.at[i]];
  return spec_set("transpose", out, dtype_of(in[0]), p->axes.n, dims);
}

static bool transpose_view(const void *params, const node *in, const view *in_view, const shape *s,
                           view *out) {
  (void)in;
  const axes_params *p = params;
  out->offset = in_view->offset;
  for (int i = 0; i < s->n; i++) out->strides[i] = in_view->strides[p->axes.at[i]];
  return true;
}

static void transpose_vjp(const vjp_call *c) {
  const axes_params *p = c->params;
  int back[PONS_MAX_NDIM] = {0};
  for (int i = 0; i < p->axes.n; i++) back[p->axes.at[i]] = i;
  c->grads[0] = pons_transpose(c->cotangents[0], .axes = {p->axes.n, back});
}

/* The batch may stay where it is: its axis becomes the first of the result. */
static void transpose_vmap(const vmap_call *c) {
  const axes_params *p = c->params;
  const int batch = c->axes[0];
  int64_t axes[PONS_MAX_NDIM];
  axes[0] = batch;
  for (int i = 0; i < p->axes.n; i++) axes[i + 1] = p->axes.at[i] + (p->axes.at[i] >= batch);
  const axes_params shifted = {{p->axes.n + 1, axes}};
  c->out[0] = node_make(&prim_transpose, &shifted, 1, c->in);
  c->out_axes[0] = 0;
}

const prim prim_transpose = {.name = "Transpose",
                             .linear = true,
                             .params_size = sizeof(axes_params),
                             .fields = {FIELD(INTS, axes_params, axes)},
                             .infer = transpose_infer,
                             .view = transpose_view,
                             .vjp = transpose_vjp,
                             .vmap = transpose_vmap};

pons_array pons_transpose_with(struct pons_transpose_args args) {
  pons_array x = args.x, bad = operand_fault("transpose", 1, &x);
  if (bad) return bad;
  const int n = x->ndim;
  int64_t axes[PONS_MAX_NDIM];
  int count = n;
  for (int i = 0; i < n; i++) axes[i] = n - 1 - i;
  if (args.axes.at) {
    error *e = axes_normal("transpose", x, args.axes, axes, &count);
    if (e) return node_error(e);
    if (count != n) return node_fail("transpose", "%d axes given for %s", count, node_text(x));
  }
  const axes_params params = {{n, axes}};
  return node_make(&prim_transpose, &params, 1, &x);
}

pons_array pons_swapaxes(pons_array x, int axis1, int axis2) {
  pons_array bad = operand_fault("swapaxes", 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const int a = axis_of("swapaxes", x, axis1, &e), b = e ? -1 : axis_of("swapaxes", x, axis2, &e);
  if (e) return node_error(e);
  int axes[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) axes[i] = i == a ? b : i == b ? a : i;
  return pons_transpose(x, .axes = {x->ndim, axes});
}

pons_array pons_moveaxis(pons_array x, int source, int destination) {
  pons_array bad = operand_fault("moveaxis", 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const int from = axis_of("moveaxis", x, source, &e), to = e ? -1 : axis_of("moveaxis", x, destination, &e);
  if (e) return node_error(e);
  int axes[PONS_MAX_NDIM];
  for (int i = 0, next = 0; i < x->ndim; i++) {
    if (next == from) next++;
    axes[i] = i == to ? from : next++;
  }
  return pons_transpose(x, .axes = {x->ndim, axes});
}
