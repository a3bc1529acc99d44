/* rope.c: RoPE, rotary positions (Su et al. 2021, arXiv:2104.09864), a composite.

   Position t turns pair i of the first `dims` features by the angle (t + offset) scale base^(-2i / dims), or
   / freqs[i]. Pairs are (2i, 2i + 1) if traditional, else (i, i + dims/2). Uses graph/. */
#include "ops/ops.h"
#include <math.h>

static error *rope_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const rope_params *p = params;
  if (n_in != 2 && n_in != 3) return fail("rope", "takes x, offset and perhaps freqs, got %d operands", n_in);
  const node *x = in[0], *offset = in[1];
  if (x->ndim < 3 || dtype_kind_of(dtype_of(x)) != KIND_FLOAT)
    return fail("rope", "x must be floats (batch, ..., length, dim), not %s", node_text(x));
  if (p->dims < 2 || p->dims % 2 || p->dims > x->shape[x->ndim - 1])
    return fail("rope", "%d dims of %s cannot be turned in pairs", p->dims, node_text(x));
  if (!dtype_is_integer(dtype_of(offset)) || offset->ndim > 1 ||
      (offset->ndim == 1 && offset->shape[0] != 1 && offset->shape[0] != x->shape[0]))
    return fail("rope", "offset must be one integer, or one per batch of %s, not %s", node_text(x),
                node_text(offset));
  if (n_in == 3 &&
      (in[2]->ndim != 1 || in[2]->shape[0] != p->dims / 2 || dtype_kind_of(dtype_of(in[2])) != KIND_FLOAT))
    return fail("rope", "freqs must be (%d), not %s", p->dims / 2, node_text(in[2]));
  *out = spec_of(x);
  return NULL;
}

/* Angles (length, dims/2), or (batch, 1, length, dims/2) with an offset per batch. */
static pons_array angles(const rope_params *p, const node *x, pons_array offset, pons_array freqs,
                         pons_dtype dtype) {
  const int half = p->dims / 2;
  pons_array t = pons_arange(0, (double)x->shape[x->ndim - 2], 1, dtype);
  if (offset->ndim == 1) offset = pons_expand_dims(offset, PONS_AXES(1, 2));
  t = pons_multiply(pons_add(t, pons_astype(offset, dtype)), pons_scalar((double)p->scale, dtype));
  pons_array per_pair;
  if (freqs) {
    per_pair = pons_reciprocal(as_dtype(freqs, dtype));
  } else {
    pons_array pairs = pons_arange(0, -(double)half, -1, dtype);
    per_pair = pons_exp(pons_multiply(pairs, pons_scalar(log((double)p->base) / half, dtype)));
  }
  return pons_multiply(pons_expand_dims(t, PONS_AXES(-1)), per_pair);
}

/* x[..., start:stop:step] */
static pons_array features(pons_array x, int64_t start, int64_t stop, int64_t step) {
  int64_t from[PONS_MAX_NDIM] = {0}, to[PONS_MAX_NDIM], by[PONS_MAX_NDIM];
  const int n = x->ndim;
  for (int i = 0; i < n; i++) to[i] = x->shape[i], by[i] = 1;
  from[n - 1] = start, to[n - 1] = stop, by[n - 1] = step;
  return pons_slice(x, (pons_shape){n, from}, (pons_shape){n, to}, (pons_shape){n, by});
}

static void rope_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const rope_params *p = params;
  pons_array x = in[0];
  const pons_dtype dtype = dtype_of(x), wide = dtype == PONS_FLOAT64 ? dtype : PONS_FLOAT32;
  if (x->ndim == 3) x = pons_expand_dims(x, PONS_AXES(1)); /* (batch, heads, length, dim) */
  if (x->ndim > 4) x = pons_flatten(x, 1, x->ndim - 3);
  if (node_failed(x)) {
    out[0] = x;
    return;
  }
  const int64_t dim = x->shape[3], half = p->dims / 2;
  pons_array a = p->traditional ? features(x, 0, p->dims, 2) : features(x, 0, half, 1);
  pons_array b = p->traditional ? features(x, 1, p->dims, 2) : features(x, half, p->dims, 1);
  pons_array angle = angles(p, x, in[1], n_in == 3 ? in[2] : NULL, wide);
  pons_array cos = as_dtype(pons_cos(angle), dtype), sin = as_dtype(pons_sin(angle), dtype);
  if (!p->forward) sin = pons_negative(sin);
  pons_array turned[3] = {pons_subtract(pons_multiply(a, cos), pons_multiply(b, sin)),
                          pons_add(pons_multiply(a, sin), pons_multiply(b, cos)), NULL};
  int count = 2;
  if (p->traditional) {
    pons_array pairs[2] = {pons_expand_dims(turned[0], PONS_AXES(4)),
                           pons_expand_dims(turned[1], PONS_AXES(4))};
    turned[0] = pons_reshape(pons_concatenate(pairs, 2, 4),
                             PONS_SHAPE(x->shape[0], x->shape[1], x->shape[2], p->dims));
    count = 1;
  }
  if (p->dims < dim) turned[count++] = features(x, p->dims, dim, 1);
  out[0] = pons_reshape(pons_concatenate(turned, count, 3), pons_shape_of(in[0]));
}

const prim prim_rope = {.name = "RoPE",
                        .params_size = sizeof(rope_params),
                        .fields = {FIELD(INT, rope_params, dims), FIELD(BOOL, rope_params, traditional),
                                   FIELD(FLOAT, rope_params, base), FIELD(FLOAT, rope_params, scale),
                                   FIELD(BOOL, rope_params, forward)},
                        .infer = rope_infer,
                        .decompose = rope_decompose};

pons_array pons_fast_rope_with(struct pons_rope_args args) {
  pons_array in[3] = {args.x, args.offset, args.freqs};
  for (int i = 0; i < 3; i++) {
    pons_array bad = i == 0 || in[i] ? operand_fault("rope", 1, in + i) : NULL;
    if (bad) return bad;
  }
  if (!in[1]) in[1] = pons_scalar(0, PONS_INT32);
  if (in[2]) in[2] = as_dtype(in[2], dtype_at_least_float(dtype_of(in[2])));
  const rope_params params = {.dims = args.dims,
                              .traditional = args.traditional,
                              .base = args.freqs       ? 1
                                      : args.base != 0 ? args.base
                                                       : 10000,
                              .scale = args.scale != 0 ? args.scale : 1,
                              .forward = true};
  return node_make(&prim_rope, &params, args.freqs ? 3 : 2, in);
}
