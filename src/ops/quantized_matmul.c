/* quantized_matmul.c: QuantizedMatmul: x times codes of few bits. Linear in x, and in scales and biases together; codes
   have no gradient. Uses graph/. */
#include "ops/ops.h"

static pons_array transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

static pons_array sum_of(pons_array x, pons_array y) { return !x ? y : !y ? x : pons_add(x, y); }

static error *quantized_matmul_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const quantized_matmul_params *p = params;
  const char *op = "quantized_matmul";
  const quantization q = QUANTIZATION_OF(p);
  int64_t columns;
  error *e = check_count(op, n_in, 1 + quantized_parts(q));
  if (!e) e = quantized_check(op, q, in + 1, &columns);
  if (e) return e;
  const node *x = in[0], *w = in[1];
  if (dtype_kind_of(dtype_of(x)) != KIND_FLOAT || (q.mode == QUANTIZED_AFFINE && x->dtype != in[2]->dtype))
    return fail(op, "the array must be of the scales' float dtype: %s and %s", node_text(x), node_text(in[2]));
  const bool leads = w->ndim == 2 ||
                     (x->ndim == w->ndim && shape_equal(x->ndim - 2, x->shape, w->ndim - 2, w->shape));
  if (x->ndim < 1 || !leads) return fail(op, "leading dimensions differ: %s and %s", node_text(x), node_text(w));
  const int64_t rows = w->shape[w->ndim - 2], inner = p->transpose ? columns : rows;
  if (x->shape[x->ndim - 1] != inner)
    return fail(op, "inner dimensions differ: %s and codes of (%lld, %lld)%s", node_text(x), (long long)rows,
                (long long)columns, p->transpose ? ", transposed" : "");
  shape s = node_shape(x);
  s.dims[s.n - 1] = p->transpose ? rows : columns;
  return spec_set(op, out, dtype_of(x), s.n, s.dims);
}

/* parts: codes, scales[, biases] */
static pons_array product(const quantized_matmul_params *p, pons_array x, const pons_array *parts) {
  const int n = quantized_parts(QUANTIZATION_OF(p));
  pons_array in[4] = {x};
  for (int i = 0; i < n; i++) in[i + 1] = parts[i];
  return node_make(&prim_quantized_matmul, p, n + 1, in);
}

/* The same with leading dimensions that broadcast. */
static pons_array broadcast_product(const quantized_matmul_params *p, pons_array x, const pons_array *parts) {
  const char *op = "quantized_matmul";
  const int n = quantized_parts(QUANTIZATION_OF(p));
  pons_array all[4] = {x};
  for (int i = 0; i < n; i++) all[i + 1] = parts[i];
  pons_array bad = operand_fault(op, n + 1, all);
  if (bad || parts[0]->ndim <= 2) return bad ? bad : product(p, x, parts);
  const bool row = x->ndim == 1;
  if (row) x = all[0] = pons_expand_dims(x, PONS_AXES(0));
  if (node_failed(x)) return x;
  shape lead;
  if (!shape_broadcast(x->ndim - 2, x->shape, parts[0]->ndim - 2, parts[0]->shape, &lead) ||
      lead.n + 2 > PONS_MAX_NDIM)
    return node_fail(op, "leading dimensions do not broadcast: %s and %s", node_text(x), node_text(parts[0]));
  for (int i = 0; i <= n; i++) {
    const node *part = all[i];
    shape s = lead;
    if (part->ndim < 2) return node_fail(op, "scales %s do not fit codes %s", node_text(part), node_text(all[1]));
    s.dims[s.n++] = part->shape[part->ndim - 2];
    s.dims[s.n++] = part->shape[part->ndim - 1];
    all[i] = as_shape(all[i], s.n, s.dims);
  }
  pons_array y = product(p, all[0], all + 1);
  return row && !node_failed(y) ? pons_squeeze(y, PONS_AXES(-2)) : y;
}

/* What the dequantized matrix would get. */
static pons_array weight_gradient(const quantized_matmul_params *p, pons_array x, pons_array ct, const node *w) {
  if (w->ndim == 2 && !node_failed(ct)) {
    x = pons_reshape(x, PONS_SHAPE(-1, x->shape[x->ndim - 1]));
    ct = pons_reshape(ct, PONS_SHAPE(-1, ct->shape[ct->ndim - 1]));
  }
  return p->transpose ? pons_matmul(transposed(ct), x) : pons_matmul(transposed(x), ct);
}

static void quantized_matmul_vjp(const vjp_call *c) {
  const quantized_matmul_params *p = c->params;
  const quantization q = QUANTIZATION_OF(p);
  const pons_array x = c->in[0], *parts = c->in + 1, ct = c->cotangents[0];
  quantized_matmul_params back = *p;
  back.transpose = !p->transpose;
  if (c->wanted[0]) c->grads[0] = product(&back, ct, parts);
  if (q.mode != QUANTIZED_AFFINE || (!c->wanted[2] && !c->wanted[3])) return;
  pons_array per_code = in_groups(weight_gradient(p, x, ct, parts[0]), q.group_size);
  if (c->wanted[3]) c->grads[3] = pons_sum(per_code, .axes = PONS_AXES(-1));
  if (!c->wanted[2]) return;
  pons_array codes = in_groups(codes_as_numbers(q, parts[0], parts[1]), q.group_size);
  c->grads[2] = pons_sum(pons_multiply(per_code, codes), .axes = PONS_AXES(-1));
}

static void quantized_matmul_jvp(const jvp_call *c) {
  const quantized_matmul_params *p = c->params;
  pons_array moved = c->tangents[0] ? product(p, c->tangents[0], c->in + 1) : NULL, scaled = NULL;
  if (p->mode == QUANTIZED_AFFINE && (c->tangents[2] || c->tangents[3])) {
    pons_array parts[3] = {c->in[1]};
    for (int i = 1; i < 3; i++) parts[i] = c->tangents[i + 1] ? c->tangents[i + 1] : zeros_of(c->in[i + 1]);
    scaled = product(p, c->in[0], parts);
  }
  c->out_tangents[0] = sum_of(moved, scaled);
}

/* A batch of x alone is more rows; a batch of matrices is a leading dimension, before those that x may have more. */
static void quantized_matmul_vmap(const vmap_call *c) {
  const quantized_matmul_params *p = c->params;
  bool matrices = false;
  for (int i = 1; i < c->n_in; i++) matrices |= c->axes[i] >= 0;
  pons_array parts[3], x = c->axes[0] >= 0 ? batch_first(c, 0) : c->in[0];
  const int x_axes = batch_slice_shape(c, 0).n, w_axes = batch_slice_shape(c, 1).n;
  int more[PONS_MAX_NDIM], n = 0;
  for (int i = w_axes; i < x_axes; i++) more[n++] = i - w_axes + 1;
  for (int i = 1; i < c->n_in; i++) {
    parts[i - 1] = matrices ? batch_first(c, i) : c->in[i];
    if (matrices && n) parts[i - 1] = pons_expand_dims(parts[i - 1], (pons_axes){n, more});
  }
  const bool row = x_axes == 1;
  if (row) x = pons_expand_dims(x, PONS_AXES(-2));
  pons_array y = broadcast_product(p, x, parts);
  c->out[0] = row ? pons_squeeze(y, PONS_AXES(-2)) : y;
  c->out_axes[0] = 0;
}

static void quantized_matmul_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const quantized_matmul_params *p = params;
  const pons_dtype dtype = dtype_of(in[0]), wide = quantized_wide(dtype);
  pons_array w = dequantized(QUANTIZATION_OF(p), in + 1, wide);
  out[0] = as_dtype(pons_matmul(as_dtype(in[0], wide), p->transpose ? transposed(w) : w), dtype);
}

const prim prim_quantized_matmul = {
    .name = "QuantizedMatmul",
    .params_size = sizeof(quantized_matmul_params),
    .fields = {FIELD(INT, quantized_matmul_params, group_size), FIELD(INT, quantized_matmul_params, bits),
               FIELD_OF(quantized_matmul_params, mode, QUANTIZED_MODES),
               FIELD(BOOL, quantized_matmul_params, transpose)},
    .infer = quantized_matmul_infer,
    .vjp = quantized_matmul_vjp,
    .jvp = quantized_matmul_jvp,
    .vmap = quantized_matmul_vmap,
    .decompose = quantized_matmul_decompose};

pons_array pons_quantized_matmul_with(struct pons_quantized_matmul_args args) {
  const char *op = "quantized_matmul";
  pons_array in[4] = {args.x, args.w, args.scales, args.biases};
  quantization q = {args.group_size, args.bits, (int)args.mode};
  error *e = quantization_complete(op, &q);
  if (e) return node_error(e);
  pons_array bad = quantized_operands(op, q, in);
  if (bad) return bad;
  const quantized_matmul_params params = {q.group_size, q.bits, q.mode, !args.no_transpose};
  return broadcast_product(&params, in[0], in + 1);
}
