/* attention.c: ScaledDotProductAttention, softmax(scale q kT + mask) v, and its way back: composites.

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

/* What the definition is made of; where heads share those of k and v, they are on an axis of their own behind those. */
typedef struct attention_parts {
  bool grouped;
  pons_array q, k, v, mask, scores; /* q is scaled; mask: bool or added, NULL for none; scores: with it */
} attention_parts;

/* `least`: what scores are that a mask of bools leaves out. */
static attention_parts parts_of(const attention_params *p, const pons_array *in, bool has_mask, double least) {
  const pons_dtype dtype = dtype_of(in[0]);
  const int64_t heads = in[0]->shape[1], kv_heads = in[1]->shape[1], per = heads / kv_heads;
  const int64_t length = in[0]->shape[2], keys = in[1]->shape[2];
  attention_parts a = {.grouped = per > 1, .k = in[1], .v = in[2]};
  a.q = pons_multiply(in[0], pons_scalar((double)p->scale, dtype));
  if (a.grouped) {
    a.q = group_heads(a.q, kv_heads, per);
    a.k = pons_expand_dims(a.k, PONS_AXES(2));
    a.v = pons_expand_dims(a.v, PONS_AXES(2));
  }
  a.scores = pons_matmul(a.q, pons_swapaxes(a.k, -1, -2));
  a.mask = p->causal ? causal_mask(length, keys) : NULL;
  if (!p->causal && has_mask) {
    a.mask = pons_broadcast_to(in[3], PONS_SHAPE(in[0]->shape[0], heads, length, keys));
    if (a.grouped) a.mask = group_heads(a.mask, kv_heads, per);
  }
  if (a.mask && pons_dtype_of(a.mask) == PONS_BOOL)
    a.scores = pons_where(a.mask, a.scores, pons_scalar(least, dtype));
  else if (a.mask)
    a.scores = pons_add(a.scores, as_dtype(a.mask, dtype));
  return a;
}

/* The scores, behind those of sinks. */
static pons_array scores_with_sinks(const attention_parts *a, const pons_array *in, pons_array sinks) {
  sinks = pons_expand_dims(as_dtype(sinks, dtype_of(a->scores)), PONS_AXES(0, 2, 3));
  if (a->grouped) sinks = group_heads(sinks, in[1]->shape[1], in[0]->shape[1] / in[1]->shape[1]);
  shape s = node_shape(a->scores);
  if (!node_failed(a->scores)) s.dims[s.n - 1] = 1;
  return pons_concatenate((pons_array[]){pons_broadcast_to(sinks, shape_public(&s)), a->scores}, 2, -1);
}

/* Of scores that are not rounded to halves, for what is made of the logarithms are differences. */
static pons_array log_sums(const attention_params *p, int n_in, const pons_array *in) {
  const pons_array wide[4] = {as_dtype(in[0], PONS_FLOAT32), as_dtype(in[1], PONS_FLOAT32), in[2], in[3 < n_in ? 3 : 0]};
  const attention_parts a = parts_of(p, wide, has_mask(p, n_in), least_of(dtype_of(in[0])));
  const pons_array scores = p->has_sinks ? scores_with_sinks(&a, in, in[n_in - 1]) : a.scores;
  const pons_array sums = pons_logsumexp(scores, .axes = PONS_AXES(-1), .keepdims = true);
  return a.grouped ? pons_flatten(sums, 1, 2) : sums;
}

static void attention_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const attention_params *p = params;
  const attention_parts a = parts_of(p, in, has_mask(p, n_in), least_of(dtype_of(in[0])));
  const pons_array scores = p->has_sinks ? scores_with_sinks(&a, in, in[n_in - 1]) : a.scores;
  pons_array weights = pons_softmax(scores, .precise = true);
  if (p->has_sinks && !node_failed(weights)) {
    int64_t start[5] = {0}, stop[5];
    const int n = weights->ndim;
    for (int i = 0; i < n; i++) stop[i] = weights->shape[i];
    start[n - 1] = 1;
    weights = pons_slice(weights, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
  }
  out[0] = pons_matmul(weights, a.v);
  if (a.grouped) out[0] = pons_flatten(out[0], 1, 2);
  if (p->output_logsumexp) out[1] = log_sums(p, n_in, in);
}

/* Sinks, masks that are learnt and slopes of logarithms of sums are left to the definition. What was not made to be differentiated (a
   file's, say) has no such logarithms: it is made once more. */
static void attention_vjp(const vjp_call *c) {
  const attention_params *p = c->params;
  *c->undecided = p->has_sinks || (c->n_out == 2 && c->met[1]) || (c->n_in == 4 && c->wanted[3]);
  if (*c->undecided) return;
  attention_params params = *p;
  params.output_logsumexp = true;
  pons_array made[2], in[7];
  int n = 0;
  if (c->n_out == 1) node_make_many(&prim_attention, &params, c->n_in, c->in, made, 2);
  for (; n < c->n_in; n++) in[n] = c->in[n];
  for (int i = 0; i < 2; i++) in[n++] = c->n_out == 2 ? c->out[i] : made[i];
  in[n++] = c->cotangents[0];
  params = (attention_params){.scale = p->scale, .causal = p->causal};
  node_make_many(&prim_attention_vjp, &params, n, in, c->grads, 3);
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
    .vjp = attention_vjp,
    .decompose = attention_decompose,
    .whole = attention_whole};

/* ---- ScaledDotProductAttentionVJP: what ScaledDotProductAttention was given and made (q, k, v, a mask if there is one; the result and
   the logarithms of sums), and the cotangent, to dq, dk, dv ---- */

static int three_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 3;
}

static error *attention_vjp_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const attention_params *p = params;
  const char *op = "scaled_dot_product_attention_vjp";
  if (p->has_sinks || p->output_logsumexp) return fail(op, "there is no such rule with sinks or logarithms of sums");
  if (n_in < 6) return fail(op, "got %d operands", n_in);
  const attention_params forward = {.output_logsumexp = true};
  error *e = attention_infer(&forward, n_in - 3, in, out);
  if (e) return e;
  const char *const names[] = {"result", "logarithms of sums", "cotangent"};
  for (int i = 0; i < 3; i++) {
    const node *x = in[n_in - 3 + i];
    const spec *s = &out[i == 1];
    if (!shape_equal(x->ndim, x->shape, s->shape.n, s->shape.dims) || x->dtype != s->dtype)
      return fail(op, "the %s %s: %s %s is wanted", names[i], node_text(x), shape_text(s->shape.n, s->shape.dims), pons_dtype_name(s->dtype));
  }
  for (int i = 0; i < 3; i++) out[i] = spec_of(in[i]);
  return NULL;
}

/* The sum over the heads that share one, on axis 2. */
static pons_array sum_of_group(const attention_parts *a, pons_array x) {
  return a->grouped ? pons_sum(x, .axes = PONS_AXES(2)) : x;
}

/* With P = softmax(S), S = scale q kT + mask and dP = g vT:  dv = PT g,  dS = P (dP - sum of P dP along a row),
   dq = scale dS k,  dk = scale dST q. */
static void attention_vjp_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const attention_params *p = params;
  const pons_dtype dtype = dtype_of(in[0]);
  const attention_parts a = parts_of(p, in, n_in == 7, least_of(dtype));
  pons_array g = in[n_in - 1];
  if (a.grouped) g = group_heads(g, in[1]->shape[1], in[0]->shape[1] / in[1]->shape[1]);
  pons_array weights = pons_softmax(a.scores, .precise = true);
  pons_array weighted = pons_multiply(weights, pons_matmul(g, pons_swapaxes(a.v, -1, -2)));
  pons_array sum = pons_sum(weighted, .axes = PONS_AXES(-1), .keepdims = true);
  pons_array slopes = pons_subtract(weighted, pons_multiply(weights, sum));
  if (a.mask && pons_dtype_of(a.mask) == PONS_BOOL) slopes = pons_where(a.mask, slopes, pons_scalar(0, dtype));
  out[0] = pons_multiply(pons_matmul(slopes, a.k), pons_scalar((double)p->scale, dtype));
  if (a.grouped) out[0] = pons_flatten(out[0], 1, 2);
  out[1] = sum_of_group(&a, pons_matmul(pons_swapaxes(slopes, -1, -2), a.q));
  out[2] = sum_of_group(&a, pons_matmul(pons_swapaxes(weights, -1, -2), g));
}

const prim prim_attention_vjp = {
    .name = "ScaledDotProductAttentionVJP",
    .params_size = sizeof(attention_params),
    .fields = {FIELD(FLOAT, attention_params, scale), FIELD(BOOL, attention_params, causal)},
    .outputs = three_outputs,
    .infer = attention_vjp_infer,
    .decompose = attention_vjp_decompose};

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
  attention_params params = {.scale = scale, .causal = args.causal, .has_sinks = args.sinks != NULL, .force_fused = args.force_fused};
  for (int i = 0; i < n; i++) params.output_logsumexp |= in[i]->traced;
  params.output_logsumexp &= trace_is_wanted_back() && !args.sinks;
  if (!params.output_logsumexp) return node_make(&prim_attention, &params, n, in);
  pons_array results[2];
  node_make_many(&prim_attention, &params, n, in, results, 2);
  return results[0];
}
