/* norm.c: RMSNorm, LayerNorm and their gradients as files from GPUs hold them, over the last axis. All are
   composites: computed in float32 (float64 for float64), weights and all, and rounded to the result's dtype once. Uses
   graph/. */
#include "ops/ops.h"

/* ---- what the four share ---- */

/* Checks in[0 .. n_weights]: x, then weights and biases, each of the last axis' length or one element that
   stands for none. */
static error *norm_check(const char *op, int n_in, int want, int n_weights, const pons_array *in,
                         pons_dtype *dtype) {
  error *e = check_count(op, n_in, want);
  if (e) return e;
  const node *x = in[0];
  if (x->ndim < 1) return fail(op, "a scalar has no axis");
  *dtype = dtype_of(x);
  for (int i = 1; i <= n_weights; i++) {
    const node *w = in[i];
    if (w->ndim > 1 || (w->ndim == 1 && w->shape[0] != x->shape[x->ndim - 1]))
      return fail(op, "%s must be of the length of the last axis of %s", node_text(w), node_text(x));
    *dtype = pons_promote(*dtype, dtype_of(w));
  }
  if (dtype_kind_of(*dtype) != KIND_FLOAT) return fail(op, "not defined for %s", pons_dtype_name(*dtype));
  return NULL;
}

static pons_dtype wide_dtype(pons_dtype d) { return d == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32; }

static pons_array mean_last(pons_array x) { return pons_mean(x, .axes = PONS_AXES(-1), .keepdims = true); }

static pons_array inverse_root(pons_array mean_square, float eps) {
  return pons_rsqrt(pons_add(mean_square, constant_like((double)eps, mean_square)));
}

/* sum over all axes but the last, in w's dtype; zeros for a weight that stands for none */
static pons_array weight_gradient(pons_array per_element, pons_array w) {
  if (w->ndim == 0) return zeros_of(w);
  int axes[PONS_MAX_NDIM];
  const int n = per_element->ndim - 1;
  for (int i = 0; i < n; i++) axes[i] = i;
  return as_dtype(n ? pons_sum(per_element, .axes = {n, axes}) : per_element, dtype_of(w));
}

/* Gradients of a norm's operands by the primitive that has them. */
static void by_vjp(const prim *p, const vjp_call *c) {
  pons_array in[4];
  memcpy(in, c->in, (size_t)c->n_in * sizeof *in);
  in[c->n_in] = c->cotangents[0];
  node_make_many(p, c->params, c->n_in + 1, in, c->grads, c->n_in);
}

/* ---- RMSNorm: x / sqrt(mean(x^2) + eps) * w ---- */

static error *rms_norm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  pons_dtype dtype;
  error *e = norm_check("rms_norm", n_in, 2, 1, in, &dtype);
  if (e) return e;
  *out = spec_of(in[0]);
  out->dtype = dtype;
  return NULL;
}

static void rms_norm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const norm_params *p = params;
  const pons_dtype dtype = pons_promote(dtype_of(in[0]), dtype_of(in[1]));
  const pons_dtype wide = wide_dtype(dtype);
  pons_array x = as_dtype(in[0], wide);
  pons_array y = pons_multiply(x, inverse_root(mean_last(pons_square(x)), p->eps));
  out[0] = as_dtype(pons_multiply(y, as_dtype(in[1], wide)), dtype);
}

static void rms_norm_vjp(const vjp_call *c) { by_vjp(&prim_rms_norm_vjp, c); }

const prim prim_rms_norm = {.name = "RMSNorm",
                            .params_size = sizeof(norm_params),
                            .fields = {FIELD(FLOAT, norm_params, eps)},
                            .infer = rms_norm_infer,
                            .vjp = rms_norm_vjp,
                            .decompose = rms_norm_decompose};

pons_array pons_fast_rms_norm(pons_array x, pons_array weight, float eps) {
  pons_array in[2] = {x, weight}, bad = operand_fault("rms_norm", weight ? 2 : 1, in);
  if (bad) return bad;
  if (weight && weight->ndim != 1) return node_fail("rms_norm", "the weight %s is no vector", node_text(weight));
  const pons_dtype dtype = weight ? pons_promote(dtype_of(x), dtype_of(weight)) : dtype_of(x);
  in[0] = as_dtype(x, dtype);
  in[1] = weight ? as_dtype(weight, dtype) : pons_scalar(1, dtype);
  const norm_params params = {eps};
  return node_make(&prim_rms_norm, &params, 2, in);
}

/* ---- LayerNorm: (x - mean(x)) / sqrt(variance(x) + eps) * w + b ---- */

static error *layer_norm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  pons_dtype dtype;
  error *e = norm_check("layer_norm", n_in, 3, 2, in, &dtype);
  if (e) return e;
  *out = spec_of(in[0]);
  out->dtype = dtype;
  return NULL;
}

static void layer_norm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const norm_params *p = params;
  const pons_dtype dtype = pons_promote(pons_promote(dtype_of(in[0]), dtype_of(in[1])), dtype_of(in[2]));
  const pons_dtype wide = wide_dtype(dtype);
  pons_array x = as_dtype(in[0], wide);
  pons_array centred = pons_subtract(x, mean_last(x));
  pons_array y = pons_multiply(centred, inverse_root(mean_last(pons_square(centred)), p->eps));
  out[0] = as_dtype(pons_add(pons_multiply(y, as_dtype(in[1], wide)), as_dtype(in[2], wide)), dtype);
}

static void layer_norm_vjp(const vjp_call *c) { by_vjp(&prim_layer_norm_vjp, c); }

const prim prim_layer_norm = {.name = "LayerNorm",
                              .params_size = sizeof(norm_params),
                              .fields = {FIELD(FLOAT, norm_params, eps)},
                              .infer = layer_norm_infer,
                              .vjp = layer_norm_vjp,
                              .decompose = layer_norm_decompose};

pons_array pons_fast_layer_norm(pons_array x, pons_array weight, pons_array bias, float eps) {
  pons_array in[3] = {x, weight, bias};
  for (int i = 0; i < 3; i++) {
    pons_array bad = i == 0 || in[i] ? operand_fault("layer_norm", 1, in + i) : NULL;
    if (bad) return bad;
  }
  for (int i = 1; i < 3; i++)
    if (in[i] && in[i]->ndim != 1)
      return node_fail("layer_norm", "the %s %s is no vector", i == 1 ? "weight" : "bias", node_text(in[i]));
  pons_dtype dtype = dtype_of(x);
  if (weight) dtype = pons_promote(dtype, dtype_of(weight));
  if (weight && bias) dtype = pons_promote(dtype, dtype_of(bias)); /* as MLX: a bias alone gives way */
  for (int i = 0; i < 3; i++) in[i] = in[i] ? as_dtype(in[i], dtype) : pons_scalar(i == 1, dtype);
  const norm_params params = {eps};
  return node_make(&prim_layer_norm, &params, 3, in);
}

/* ---- RMSNormVJP: x, w, g to dx, dw ---- */

static int two_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 2;
}

static int three_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 3;
}

/* The last operand is the cotangent; results are like the others. */
static error *norm_vjp_infer(const char *op, int n_weights, int n_in, const pons_array *in, spec *out) {
  pons_dtype dtype;
  error *e = norm_check(op, n_in, n_weights + 2, n_weights, in, &dtype);
  if (e) return e;
  const node *g = in[n_in - 1];
  if (!shape_equal(g->ndim, g->shape, in[0]->ndim, in[0]->shape) || dtype_kind_of(dtype_of(g)) != KIND_FLOAT)
    return fail(op, "cotangent %s does not fit %s", node_text(g), node_text(in[0]));
  for (int i = 0; i <= n_weights; i++) out[i] = spec_of(in[i]);
  return NULL;
}

static error *rms_norm_vjp_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  return norm_vjp_infer("rms_norm_vjp", 1, n_in, in, out);
}

/* With r = 1 / sqrt(mean(x^2) + eps) and n = x r:  dx = r (g w - n mean(g w n)),  dw = sum g n. */
static void rms_norm_vjp_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const norm_params *p = params;
  const pons_dtype wide = wide_dtype(dtype_of(in[0]));
  pons_array x = as_dtype(in[0], wide), w = as_dtype(in[1], wide), g = as_dtype(in[2], wide);
  pons_array r = inverse_root(mean_last(pons_square(x)), p->eps), normal = pons_multiply(x, r),
             gw = pons_multiply(g, w);
  pons_array along = pons_multiply(normal, mean_last(pons_multiply(gw, normal)));
  out[0] = as_dtype(pons_multiply(r, pons_subtract(gw, along)), dtype_of(in[0]));
  out[1] = weight_gradient(pons_multiply(g, normal), in[1]);
}

const prim prim_rms_norm_vjp = {.name = "RMSNormVJP",
                                .params_size = sizeof(norm_params),
                                .fields = {FIELD(FLOAT, norm_params, eps)},
                                .outputs = two_outputs,
                                .infer = rms_norm_vjp_infer,
                                .decompose = rms_norm_vjp_decompose};

/* ---- LayerNormVJP: x, w, b, g to dx, dw, db ---- */

static error *layer_norm_vjp_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  return norm_vjp_infer("layer_norm_vjp", 2, n_in, in, out);
}

/* As above with x centred first:  dx = r (g w - mean(g w) - n mean(g w n)),  db = sum g. */
static void layer_norm_vjp_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const norm_params *p = params;
  const pons_dtype wide = wide_dtype(dtype_of(in[0]));
  pons_array x = as_dtype(in[0], wide), w = as_dtype(in[1], wide), g = as_dtype(in[3], wide);
  pons_array centred = pons_subtract(x, mean_last(x));
  pons_array r = inverse_root(mean_last(pons_square(centred)), p->eps), normal = pons_multiply(centred, r);
  pons_array gw = pons_multiply(g, w), along = pons_multiply(normal, mean_last(pons_multiply(gw, normal)));
  out[0] =
      as_dtype(pons_multiply(r, pons_subtract(pons_subtract(gw, mean_last(gw)), along)), dtype_of(in[0]));
  out[1] = weight_gradient(pons_multiply(g, normal), in[1]);
  out[2] = weight_gradient(g, in[2]);
}

const prim prim_layer_norm_vjp = {.name = "LayerNormVJP",
                                  .params_size = sizeof(norm_params),
                                  .fields = {FIELD(FLOAT, norm_params, eps)},
                                  .outputs = three_outputs,
                                  .infer = layer_norm_vjp_infer,
                                  .decompose = layer_norm_vjp_decompose};
