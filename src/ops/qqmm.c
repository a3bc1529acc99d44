/* qqmm.c: QQMatmul and GatherQQMM: products in which both sides are quantized, the left one on the way. Composites:
   quantize, dequantize, multiply. Rounding counts as identity for gradients: each side gets the cotangent times the
   rounded values of the other. Uses graph/. */
#include "ops/ops.h"

static pons_array transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

/* A side's values as they are after rounding; float32 if a global scale says so. */
static pons_array rounded(quantization q, pons_array x, pons_array global) {
  pons_array out[3];
  const bool row = x->ndim == 1;
  const pons_dtype dtype = dtype_of(x);
  if (row) x = pons_expand_dims(x, PONS_AXES(0));
  pons_quantize(out, x, q.group_size, q.bits, (pons_quantization)q.mode, global);
  pons_array y = pons_dequantize(out[0], out[1], out[2], q.group_size, q.bits, (pons_quantization)q.mode, global, PONS_AS(dtype));
  return row ? pons_squeeze(y, PONS_AXES(0)) : y;
}

/* For gradients: what rounding made of x, whose derivative by x is 1. */
static pons_array straight(pons_array rounded, pons_array x) {
  return pons_add(pons_stop_gradient(rounded), pons_subtract(x, pons_stop_gradient(x)));
}

static bool is_codes(const node *w) { return w->dtype == PONS_UINT32; }

static pons_array weight_values(quantization q, pons_array w, pons_array scales, pons_array global, pons_dtype dtype) {
  if (!is_codes(w)) return rounded(q, w, global);
  return pons_dequantize(w, scales, NULL, q.group_size, q.bits, (pons_quantization)q.mode, global, PONS_AS(dtype));
}

/* Which operand is what: scales follow if w is codes, then two global scales or none. */
typedef struct sides {
  pons_array x, w, scales, global_x, global_w;
} sides;

static sides sides_of(int n_in, const pons_array *in, int fixed) {
  sides s = {in[0], in[1], NULL, NULL, NULL};
  int at = fixed;
  if (is_codes(s.w) && at < n_in) s.scales = in[at++];
  if (at + 1 < n_in) s.global_x = in[at], s.global_w = in[at + 1];
  return s;
}

/* Checks all but the leading dimensions. */
static error *sides_check(const char *op, quantization q, int n_in, const pons_array *in, int fixed) {
  error *e = quantization_check(op, q);
  if (e) return e;
  if (q.mode == QUANTIZED_AFFINE) return fail(op, "affine codes have biases, for which there is no place");
  const node *x = in[0], *w = in[1];
  const int globals = n_in - fixed - is_codes(w);
  if (globals != 0 && (globals != 2 || q.mode != QUANTIZED_NVFP4)) return fail(op, "got %d operands", n_in);
  for (int i = 0; i < globals; i++) {
    const node *scale = in[n_in - 1 - i];
    if (scale->size != 1 || scale->dtype != PONS_FLOAT32)
      return fail(op, "a global scale is one float32, not %s", node_text(scale));
  }
  int64_t columns = w->ndim ? w->shape[w->ndim - 1] : 0;
  if (is_codes(w)) {
    e = quantized_check(op, q, (pons_array[]){in[1], in[fixed]}, &columns);
    if (e) return e;
  } else if (dtype_kind_of(dtype_of(w)) != KIND_FLOAT || w->ndim < 2) {
    return fail(op, "the right side must be codes or float matrices, not %s", node_text(w));
  }
  if (dtype_kind_of(dtype_of(x)) != KIND_FLOAT || x->ndim < 1)
    return fail(op, "the left side must be floats, not %s", node_text(x));
  if (x->shape[x->ndim - 1] != columns || columns % q.group_size)
    return fail(op, "inner dimensions differ or are not groups of %d: %s and %s", q.group_size, node_text(x),
                node_text(w));
  return NULL;
}

/* The sides' values with the derivatives that rounding leaves them. */
static pons_array left_for_gradients(quantization q, sides s) {
  return straight(rounded(q, s.x, s.global_x), s.x);
}
static pons_array right_for_gradients(quantization q, sides s) {
  pons_array w = weight_values(q, s.w, s.scales, s.global_w, dtype_of(s.x));
  return is_codes(s.w) ? w : straight(w, s.w);
}

static pons_array product(pons_array x, pons_array w, pons_dtype dtype) {
  return as_dtype(pons_matmul(x, transposed(w)), dtype);
}

/* ---- QQMatmul ---- */

static error *qqmm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const qqmm_params *p = params;
  const char *op = "qqmm";
  if (n_in < 2 || n_in > 5) return fail(op, "got %d operands", n_in);
  error *e = sides_check(op, QUANTIZATION_OF(p), n_in, in, 2);
  if (e) return e;
  if (in[1]->ndim != 2) return fail(op, "the right side must be one matrix, not %s", node_text(in[1]));
  shape s = node_shape(in[0]);
  s.dims[s.n - 1] = in[1]->shape[0];
  return spec_set(op, out, dtype_of(in[0]), s.n, s.dims);
}

static void qqmm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const quantization q = QUANTIZATION_OF((const qqmm_params *)params);
  const sides s = sides_of(n_in, in, 2);
  const pons_dtype dtype = dtype_of(s.x);
  pons_array x = rounded(q, s.x, s.global_x);
  if (s.scales && !s.global_w)
    out[0] = pons_quantized_matmul(x, s.w, s.scales, NULL, false, q.group_size, q.bits, (pons_quantization)q.mode);
  else
    out[0] = product(x, weight_values(q, s.w, s.scales, s.global_w, dtype), dtype);
}

static pons_array as_matrix(pons_array x) { return pons_reshape(x, PONS_SHAPE(-1, x->shape[x->ndim - 1])); }

static void qqmm_vjp(const vjp_call *c) {
  const quantization q = QUANTIZATION_OF((const qqmm_params *)c->params);
  const sides s = sides_of(c->n_in, c->in, 2);
  const pons_array ct = c->cotangents[0];
  if (c->wanted[0]) c->grads[0] = pons_matmul(ct, right_for_gradients(q, s));
  if (c->wanted[1] && !s.scales && !node_failed(ct))
    c->grads[1] = pons_matmul(transposed(as_matrix(ct)), as_matrix(left_for_gradients(q, s)));
}

/* What moving either side alone does to the product. */
static void qqmm_jvp(const jvp_call *c) {
  const quantization q = QUANTIZATION_OF((const qqmm_params *)c->params);
  const sides s = sides_of(c->n_in, c->in, 2);
  const pons_dtype dtype = dtype_of(s.x);
  pons_array x = c->tangents[0], w = s.scales ? NULL : c->tangents[1];
  if (x) x = product(x, right_for_gradients(q, s), dtype);
  if (w) w = product(left_for_gradients(q, s), w, dtype);
  c->out_tangents[0] = x && w ? pons_add(x, w) : x ? x : w;
}

const prim prim_qqmm = {.name = "QQMatmul",
                        .params_size = sizeof(qqmm_params),
                        .fields = {FIELD(INT, qqmm_params, group_size), FIELD(INT, qqmm_params, bits),
                                   FIELD_OF(qqmm_params, mode, QUANTIZED_MODES)},
                        .infer = qqmm_infer,
                        .vjp = qqmm_vjp,
                        .jvp = qqmm_jvp,
                        .decompose = qqmm_decompose};

/* ---- GatherQQMM ---- */

static error *gather_qqmm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const gather_qqmm_params *p = params;
  const char *op = "gather_qqmm";
  shape s;
  if (n_in < 4 || n_in > 7) return fail(op, "got %d operands", n_in);
  error *e = sides_check(op, QUANTIZATION_OF(p), n_in, in, 4);
  if (!e) e = matrix_indices_check(op, in[2], in[3], &s);
  if (e) return e;
  const node *x = in[0], *w = in[1];
  if (x->ndim < 2) return fail(op, "matrices are needed, not %s", node_text(x));
  if (s.n + 2 > PONS_MAX_NDIM) return fail(op, "the result would have more than %d axes", PONS_MAX_NDIM);
  s.dims[s.n++] = x->shape[x->ndim - 2];
  s.dims[s.n++] = w->shape[w->ndim - 2];
  return spec_set(op, out, dtype_of(x), s.n, s.dims);
}

static void gather_qqmm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const quantization q = QUANTIZATION_OF((const gather_qqmm_params *)params);
  const sides s = sides_of(n_in, in, 4);
  const pons_dtype dtype = dtype_of(s.x);
  pons_array x = rounded(q, s.x, s.global_x);
  if (s.scales && !s.global_w) {
    out[0] = pons_gather_qmm(x, s.w, s.scales, NULL, in[2], in[3], false, q.group_size, q.bits,
                             (pons_quantization)q.mode);
    return;
  }
  pons_array w = weight_values(q, s.w, s.scales, s.global_w, dtype);
  out[0] = as_dtype(pons_gather_mm(x, transposed(w), in[2], in[3]), dtype);
}

static void gather_qqmm_vjp(const vjp_call *c) {
  const quantization q = QUANTIZATION_OF((const gather_qqmm_params *)c->params);
  const sides s = sides_of(c->n_in, c->in, 4);
  const pons_array ct = c->cotangents[0], lhs = c->in[2], rhs = c->in[3];
  if (c->wanted[0]) {
    pons_array w = take_matrices(right_for_gradients(q, s), rhs);
    c->grads[0] = add_matrices(s.x, lhs, as_dtype(pons_matmul(ct, w), dtype_of(s.x)));
  }
  if (!c->wanted[1] || s.scales) return;
  pons_array x = take_matrices(left_for_gradients(q, s), lhs);
  c->grads[1] = add_matrices(s.w, rhs, as_dtype(pons_matmul(transposed(ct), x), dtype_of(s.w)));
}

static void gather_qqmm_jvp(const jvp_call *c) {
  const quantization q = QUANTIZATION_OF((const gather_qqmm_params *)c->params);
  const sides s = sides_of(c->n_in, c->in, 4);
  const pons_dtype dtype = dtype_of(s.x);
  pons_array x = c->tangents[0], w = s.scales ? NULL : c->tangents[1];
  if (x) x = as_dtype(pons_gather_mm(x, transposed(right_for_gradients(q, s)), c->in[2], c->in[3]), dtype);
  if (w) w = as_dtype(pons_gather_mm(left_for_gradients(q, s), transposed(w), c->in[2], c->in[3]), dtype);
  c->out_tangents[0] = x && w ? pons_add(x, w) : x ? x : w;
}

const prim prim_gather_qqmm = {
    .name = "GatherQQMM",
    .params_size = sizeof(gather_qqmm_params),
    .fields = {FIELD(INT, gather_qqmm_params, group_size), FIELD(INT, gather_qqmm_params, bits),
               FIELD_OF(gather_qqmm_params, mode, QUANTIZED_MODES),
               FIELD(BOOL, gather_qqmm_params, left_sorted), FIELD(BOOL, gather_qqmm_params, right_sorted)},
    .infer = gather_qqmm_infer,
    .vjp = gather_qqmm_vjp,
    .jvp = gather_qqmm_jvp,
    .decompose = gather_qqmm_decompose};

/* ---- constructors ---- */

/* Appends scales and global scales to in[n ..]; the new count, or -1 and *why. */
static int add_scales(const char *op, pons_array *in, int n, pons_array scales, pons_array global_x, pons_array global_w,
                      error **why) {
  if (is_codes(in[1]) != (scales != NULL))
    *why = fail(op, "codes have scales, floats have none: %s", node_text(in[1]));
  else if (!global_x != !global_w)
    *why = fail(op, "global scales must be given for both sides or for none");
  if (*why) return -1;
  if (scales) in[n++] = scales;
  if (global_x) in[n++] = global_x, in[n++] = global_w;
  return n;
}

static error *complete(const char *op, quantization *q) {
  if (q->mode == QUANTIZED_AFFINE) q->mode = QUANTIZED_NVFP4;
  return quantization_complete(op, q);
}

pons_array pons_qqmm_with(struct pons_qqmm_args args) {
  const char *op = "qqmm";
  pons_array in[5] = {args.x, args.w}, bad = operand_fault(op, 2, in);
  if (bad) return bad;
  quantization q = {args.group_size, args.bits, (int)args.mode};
  error *e = complete(op, &q);
  const int n = e ? -1 : add_scales(op, in, 2, args.scales, args.global_scale_x, args.global_scale_w, &e);
  if (e) return node_error(e);
  bad = operand_fault(op, n, in);
  const qqmm_params params = {q.group_size, q.bits, q.mode};
  return bad ? bad : node_make(&prim_qqmm, &params, n, in);
}

pons_array pons_gather_qqmm_with(struct pons_gather_qqmm_args args) {
  const char *op = "gather_qqmm";
  pons_array in[7] = {args.x, args.w}, lhs = args.lhs_indices, rhs = args.rhs_indices;
  pons_array bad = operand_fault(op, 2, in);
  if (!bad && lhs) bad = operand_fault(op, 1, &lhs);
  if (!bad && rhs) bad = operand_fault(op, 1, &rhs);
  if (bad) return bad;
  quantization q = {args.group_size, args.bits, (int)args.mode};
  error *e = complete(op, &q);
  if (!e && (in[0]->ndim < 2 || in[1]->ndim < 2))
    e = fail(op, "matrices are needed: %s and %s", node_text(in[0]), node_text(in[1]));
  const gather_qqmm_params params = {q.group_size, q.bits, q.mode, args.sorted_indices && !rhs,
                                     args.sorted_indices && !lhs};
  if (!e) e = matrix_indices(op, in[0], in[1], &lhs, &rhs);
  const int n = e ? -1 : add_scales(op, in, 4, args.scales, args.global_scale_x, args.global_scale_w, &e);
  if (e) return node_error(e);
  in[2] = lhs, in[3] = rhs;
  bad = operand_fault(op, n, in);
  return bad ? bad : node_make(&prim_gather_qqmm, &params, n, in);
}
