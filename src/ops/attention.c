/* attention.c: ScaledDotProductAttention, softmax(scale q kT + mask) v, a composite.

   q (batch, heads, L, dim), k and v (batch, kv heads, S, ...); head h attends with kv head h * kv heads /
   heads. Then, as parameters tell, a mask that broadcasts to (batch, heads, L, S), and sinks (heads), each a
   score without a value. Uses graph/. */
#include "ops/ops.h"
#include <float.h>
#include <math.h>

static int attention_outputs(const void *params, int n_in) {
  (void)n_in;
  return ((const attention_params *)params)->output_logsumexp ? 2 : 1;
}

static bool has_mask(const attention_params *p, int n_in) { return n_in - p->has_sinks == 4; }

static error *attention_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const attention_params *p = params;
  const char *op = "scaled_dot_product_attention";
  if (n_in < 3 + p->has_sinks || n_in > 4 + p->has_sinks) return fail(op, "got %d operands", n_in);
  const node *q = in[0], *k = in[1], *v = in[2];
  if (q->ndim != 4 || k->ndim != 4 || v->ndim != 4)
    return fail(op, "q, k and v must have 4 axes: %s, %s, %s", node_text(q), node_text(k), node_text(v));
  if (q->dtype != k->dtype || q->dtype != v->dtype || dtype_kind_of(dtype_of(q)) != KIND_FLOAT)
    return fail(op, "q, k and v must be of one float dtype: %s, %s, %s", node_text(q), node_text(k),
                node_text(v));
  if (k->shape[0] != q->shape[0] || v->shape[0] != q->shape[0] || k->shape[3] != q->shape[3] ||
      k->shape[1] != v->shape[1] || k->shape[2] != v->shape[2] || k->shape[1] == 0 ||
      q->shape[1] % k->shape[1])
    return fail(op, "q, k and v do not fit: %s, %s, %s", node_text(q), node_text(k), node_text(v));
  const int64_t scores[4] = {q->shape[0], q->shape[1], q->shape[2], k->shape[2]};
  if (has_mask(p, n_in)) {
    const node *mask = in[3];
    shape s;
    if (!shape_broadcast(4, scores, mask->ndim, mask->shape, &s) || !shape_equal(4, scores, s.n, s.dims) ||
        (mask->dtype != PONS_BOOL && mask->dtype != q->dtype))
      return fail(op, "mask %s does not fit scores of %s %s", node_text(mask), shape_text(4, scores),
                  pons_dtype_name(dtype_of(q)));
  }
  if (p->has_sinks &&
      (in[n_in - 1]->ndim != 1 || in[n_in - 1]->shape[0] != q->shape[1] || in[n_in - 1]->dtype != q->dtype))
    return fail(op, "sinks %s do not fit %s", node_text(in[n_in - 1]), node_text(q));
  const int64_t result[4] = {q->shape[0], q->shape[1], q->shape[2], v->shape[3]};
  error *e = spec_set(op, out, dtype_of(q), 4, result);
  const int64_t sums[4] = {q->shape[0], q->shape[1], q->shape[2], 1};
  if (!e && p->output_logsumexp) e = spec_set(op, out + 1, PONS_FLOAT32, 4, sums);
  return e;
}

static double least_of(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT16:
      return -65504;
    case PONS_BFLOAT16:
      return -0x1.fep127;
    case PONS_FLOAT64:
      return -DBL_MAX;
    default:
      return (double)-FLT_MAX;
  }
}

/* heads (axis 1) to (kv heads, heads per kv head) */
static pons_array group_heads(pons_array x, int64_t kv_heads, int64_t per) {
  return pons_unflatten(x, 1, PONS_SHAPE(kv_heads, per));
}

static pons_array causal_mask(int64_t l, int64_t s) {
  pons_array rows = pons_arange((double)(s - l), (double)s, 1, PONS_INT32),
             columns = pons_arange(0, (double)s, 1, PONS_INT32);
  return pons_greater_equal(pons_expand_dims(rows, PONS_AXES(1)), pons_expand_dims(columns, PONS_AXES(0)));
}

static void attention_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const attention_params *p = params;
  const pons_dtype dtype = dtype_of(in[0]);
  const int64_t heads = in[0]->shape[1], kv_heads = in[1]->shape[1], per = heads / kv_heads;
  const int64_t length = in[0]->shape[2], keys = in[1]->shape[2];
  const bool grouped = per > 1;
  pons_array q = pons_multiply(in[0], pons_scalar((double)p->scale, dtype)), k = in[1], v = in[2];
  if (grouped) {
    q = group_heads(q, kv_heads, per);
    k = pons_expand_dims(k, PONS_AXES(2));
    v = pons_expand_dims(v, PONS_AXES(2));
  }
  pons_array scores = pons_matmul(q, pons_swapaxes(k, -1, -2));
  pons_array mask = p->causal ? causal_mask(length, keys) : NULL;
  if (!p->causal && has_mask(p, n_in)) {
    mask = pons_broadcast_to(in[3], PONS_SHAPE(in[0]->shape[0], heads, length, keys));
    if (grouped) mask = group_heads(mask, kv_heads, per);
  }
  if (mask && pons_dtype_of(mask) == PONS_BOOL)
    scores = pons_where(mask, scores, pons_scalar(least_of(dtype), dtype));
  else if (mask)
    scores = pons_add(scores, mask);
  if (p->has_sinks) {
    pons_array sinks = pons_expand_dims(in[n_in - 1], PONS_AXES(0, 2, 3));
    if (grouped) sinks = group_heads(sinks, kv_heads, per);
    shape s = node_shape(scores);
    if (!node_failed(scores)) s.dims[s.n - 1] = 1;
    scores = pons_concatenate((pons_array[]){pons_broadcast_to(sinks, shape_public(&s)), scores}, 2, -1);
  }
  pons_array weights = pons_softmax(scores, .precise = true);
  if (p->has_sinks && !node_failed(weights)) {
    int64_t start[5] = {0}, stop[5];
    const int n = weights->ndim;
    for (int i = 0; i < n; i++) stop[i] = weights->shape[i];
    start[n - 1] = 1;
    weights = pons_slice(weights, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
  }
  out[0] = pons_matmul(weights, v);
  if (grouped) out[0] = pons_flatten(out[0], 1, 2);
  if (!p->output_logsumexp) return;
  out[1] = pons_logsumexp(pons_astype(scores, PONS_FLOAT32), .axes = PONS_AXES(-1), .keepdims = true);
  if (grouped) out[1] = pons_flatten(out[1], 1, 2);
}

static bool attention_whole(const void *params) { return ((const attention_params *)params)->force_fused; }

const prim prim_attention = {
    .name = "ScaledDotProductAttention",
    .params_size = sizeof(attention_params),
    .fields = {FIELD(FLOAT, attention_params, scale), FIELD(BOOL, attention_params, causal),
               FIELD(BOOL, attention_params, has_sinks), FIELD(BOOL, attention_params, output_logsumexp),
               FIELD(BOOL, attention_params, force_fused)},
    .outputs = attention_outputs,
    .infer = attention_infer,
    .decompose = attention_decompose,
    .whole = attention_whole};

pons_array pons_fast_attention_with(struct pons_attention_args args) {
  const char *op = "scaled_dot_product_attention";
  pons_array in[5] = {args.q, args.k, args.v}, bad = operand_fault(op, 3, in);
  if (!bad && args.mask) bad = operand_fault(op, 1, &args.mask);
  if (!bad && args.sinks) bad = operand_fault(op, 1, &args.sinks);
  if (bad) return bad;
  if (args.q->ndim != 4)
    return node_fail(op, "q must be (batch, heads, length, dim), not %s", node_text(args.q));
  if (args.causal && args.mask) return node_fail(op, "either a mask or causal");
  const pons_dtype dtype = pons_promote(pons_promote(dtype_of(args.q), dtype_of(args.k)), dtype_of(args.v));
  for (int i = 0; i < 3; i++) in[i] = as_dtype(in[i], dtype);
  int n = 3;
  if (args.mask) {
    const bool keeps = args.mask->dtype == PONS_BOOL;
    if (!keeps && pons_promote(dtype_of(args.mask), dtype) != dtype)
      return node_fail(op, "mask %s is wider than %s", node_text(args.mask), pons_dtype_name(dtype));
    in[n++] = keeps ? args.mask : as_dtype(args.mask, dtype);
  }
  if (args.sinks && pons_promote(dtype_of(args.sinks), dtype) != dtype)
    return node_fail(op, "sinks %s are wider than %s", node_text(args.sinks), pons_dtype_name(dtype));
  if (args.sinks) in[n++] = as_dtype(args.sinks, dtype);
  const int64_t dim = args.q->shape[3];
  const float scale = args.scale != 0 ? args.scale : dim > 0 ? (float)(1 / sqrt((double)dim)) : 1;
  const attention_params params = {.scale = scale, .causal = args.causal, .has_sinks = args.sinks != NULL, .force_fused = args.force_fused};
  return node_make(&prim_attention, &params, n, in);
}
