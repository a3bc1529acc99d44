/* gather_qmm.c: GatherQMM: products with matrices of codes, each chosen by number as in gather_mm.c. Uses graph/. */
#include "ops/ops.h"

static pons_array transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

/* in: x, codes, scales[, biases], lhs indices, rhs indices */
static error *gather_qmm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const gather_qmm_params *p = params;
  const char *op = "gather_qmm";
  const quantization q = QUANTIZATION_OF(p);
  int64_t columns;
  shape s;
  error *e = check_count(op, n_in, 3 + quantized_parts(q));
  if (!e) e = quantized_check(op, q, in + 1, &columns);
  if (!e) e = matrix_indices_check(op, in[n_in - 2], in[n_in - 1], &s);
  if (e) return e;
  const node *x = in[0], *w = in[1];
  if (x->ndim < 2) return fail(op, "matrices are needed, not %s", node_text(x));
  if (dtype_kind_of(dtype_of(x)) != KIND_FLOAT || (q.mode == QUANTIZED_AFFINE && x->dtype != in[2]->dtype))
    return fail(op, "the array must be of the scales' float dtype: %s and %s", node_text(x), node_text(in[2]));
  const int64_t rows = w->shape[w->ndim - 2], inner = p->transpose ? columns : rows;
  if (x->shape[x->ndim - 1] != inner)
    return fail(op, "inner dimensions differ: %s and codes of (%lld, %lld)%s", node_text(x), (long long)rows,
                (long long)columns, p->transpose ? ", transposed" : "");
  if (s.n + 2 > PONS_MAX_NDIM) return fail(op, "the result would have more than %d axes", PONS_MAX_NDIM);
  s.dims[s.n++] = x->shape[x->ndim - 2];
  s.dims[s.n++] = p->transpose ? rows : columns;
  return spec_set(op, out, dtype_of(x), s.n, s.dims);
}

static pons_array product(const gather_qmm_params *p, pons_array x, const pons_array *parts, pons_array lhs,
                          pons_array rhs) {
  const int n = quantized_parts(QUANTIZATION_OF(p));
  pons_array in[6] = {x};
  for (int i = 0; i < n; i++) in[i + 1] = parts[i];
  in[n + 1] = lhs;
  in[n + 2] = rhs;
  return node_make(&prim_gather_qmm, p, n + 3, in);
}

static pons_array numbered(const node *places) {
  return pons_reshape(pons_arange(0, (double)places->size, 1, PONS_UINT32),
                      (pons_shape){places->ndim, places->shape});
}

static void gather_qmm_vjp(const vjp_call *c) {
  const gather_qmm_params *p = c->params;
  const quantization q = QUANTIZATION_OF(p);
  const pons_array x = c->in[0], *parts = c->in + 1, ct = c->cotangents[0];
  const pons_array lhs = c->in[c->n_in - 2], rhs = c->in[c->n_in - 1];
  gather_qmm_params back = {q.group_size, q.bits, q.mode, !p->transpose, false, false};
  if (c->wanted[0]) c->grads[0] = add_matrices(x, lhs, product(&back, ct, parts, numbered(lhs), rhs));
  if (q.mode != QUANTIZED_AFFINE || (!c->wanted[2] && !c->wanted[3])) return;
  pons_array rows = take_matrices(x, lhs);
  pons_array weight = p->transpose ? pons_matmul(transposed(ct), rows) : pons_matmul(transposed(rows), ct);
  pons_array per_code = in_groups(weight, q.group_size);
  if (c->wanted[3]) c->grads[3] = add_matrices(parts[2], rhs, pons_sum(per_code, .axes = PONS_AXES(-1)));
  if (!c->wanted[2]) return;
  pons_array codes = in_groups(take_matrices(codes_as_numbers(q, parts[0], parts[1]), rhs), q.group_size);
  pons_array scaled = pons_sum(pons_multiply(per_code, codes), .axes = PONS_AXES(-1));
  c->grads[2] = add_matrices(parts[1], rhs, scaled);
}

static void gather_qmm_jvp(const jvp_call *c) {
  const gather_qmm_params *p = c->params;
  const pons_array lhs = c->in[c->n_in - 2], rhs = c->in[c->n_in - 1];
  pons_array moved = c->tangents[0] ? product(p, c->tangents[0], c->in + 1, lhs, rhs) : NULL, scaled = NULL;
  if (p->mode == QUANTIZED_AFFINE && (c->tangents[2] || c->tangents[3])) {
    pons_array parts[3] = {c->in[1]};
    for (int i = 1; i < 3; i++) parts[i] = c->tangents[i + 1] ? c->tangents[i + 1] : zeros_of(c->in[i + 1]);
    scaled = product(p, c->in[0], parts, lhs, rhs);
  }
  c->out_tangents[0] = !moved ? scaled : !scaled ? moved : pons_add(moved, scaled);
}

static void gather_qmm_vmap(const vmap_call *c) {
  const gather_qmm_params *p = c->params;
  const gather_qmm_params params = {p->group_size, p->bits, p->mode, p->transpose, false, false};
  pons_array in[6];
  batch_matrices(c, 0, 1, c->n_in - 2, in);
  batch_matrices(c, 1, c->n_in - 3, c->n_in - 1, in);
  c->out[0] = node_make(&prim_gather_qmm, &params, c->n_in, in);
  c->out_axes[0] = 0;
}

static void gather_qmm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const gather_qmm_params *p = params;
  const quantization q = QUANTIZATION_OF(p);
  pons_array parts[3];
  for (int i = 0; i < quantized_parts(q); i++) parts[i] = take_matrices(in[i + 1], in[n_in - 1]);
  const pons_dtype dtype = dtype_of(in[0]), wide = quantized_wide(dtype);
  pons_array w = dequantized(q, parts, wide), x = as_dtype(take_matrices(in[0], in[n_in - 2]), wide);
  out[0] = as_dtype(pons_matmul(x, p->transpose ? transposed(w) : w), dtype);
}

const prim prim_gather_qmm = {
    .name = "GatherQMM",
    .params_size = sizeof(gather_qmm_params),
    .fields = {FIELD(INT, gather_qmm_params, group_size), FIELD(INT, gather_qmm_params, bits),
               FIELD_OF(gather_qmm_params, mode, QUANTIZED_MODES), FIELD(BOOL, gather_qmm_params, transpose),
               FIELD(BOOL, gather_qmm_params, left_sorted), FIELD(BOOL, gather_qmm_params, right_sorted)},
    .infer = gather_qmm_infer,
    .vjp = gather_qmm_vjp,
    .jvp = gather_qmm_jvp,
    .vmap = gather_qmm_vmap,
    .decompose = gather_qmm_decompose};

/* The scale of a matrix multiplies its products: a factor of the result. */
static pons_array times_global_scale(pons_array y, const node *w, pons_array scale, pons_array rhs) {
  const char *op = "gather_qmm";
  if (node_failed(y)) return y;
  if (scale->dtype != PONS_FLOAT32 || !shape_equal(scale->ndim, scale->shape, w->ndim - 2, w->shape))
    return node_fail(op, "global scales must be float32 of shape %s, not %s", shape_text(w->ndim - 2, w->shape),
                     node_text(scale));
  pons_array each = pons_divide(pons_take(pons_flatten(scale, 0, -1), rhs, 0), pons_float(448 * 6));
  pons_array wide = pons_expand_dims(each, PONS_AXES(-2, -1));
  return as_dtype(pons_multiply(as_dtype(y, pons_promote(dtype_of(y), PONS_FLOAT32)), wide), dtype_of(y));
}

pons_array pons_gather_qmm_with(struct pons_gather_qmm_args args) {
  const char *op = "gather_qmm";
  pons_array in[4] = {args.x, args.w, args.scales, args.biases}, lhs = args.lhs_indices, rhs = args.rhs_indices;
  quantization q = {args.group_size, args.bits, (int)args.mode};
  error *e = quantization_complete(op, &q);
  if (e) return node_error(e);
  pons_array bad = quantized_operands(op, q, in);
  if (!bad && lhs) bad = operand_fault(op, 1, &lhs);
  if (!bad && rhs) bad = operand_fault(op, 1, &rhs);
  if (!bad && args.global_scale) bad = operand_fault(op, 1, &args.global_scale);
  if (bad) return bad;
  if (args.global_scale && q.mode != QUANTIZED_NVFP4)
    return node_fail(op, "a global scale belongs to nvfp4 alone");
  if (!lhs && !rhs && !args.global_scale)
    return pons_quantized_matmul(in[0], in[1], in[2], in[3], args.no_transpose, q.group_size, q.bits,
                                 (pons_quantization)q.mode);
  if (in[0]->ndim < 2 || in[1]->ndim < 2)
    return node_fail(op, "matrices are needed: %s and %s", node_text(in[0]), node_text(in[1]));
  const gather_qmm_params params = {q.group_size, q.bits, q.mode, !args.no_transpose, args.sorted_indices && !rhs,
                                    args.sorted_indices && !lhs};
  e = matrix_indices(op, in[0], in[1], &lhs, &rhs);
  if (e) return node_error(e);
  pons_array y = product(&params, in[0], in + 1, lhs, rhs);
  return args.global_scale ? times_global_scale(y, in[1], args.global_scale, rhs) : y;
}
