/* quantize.c: Quantize, in both directions, and what quantized ops share. pons/quantized.h has the formats.

   Affine, per group, with n = 2^bits - 1: s = max((max - min) / n, 1e-7), negated unless |min| > |max|; edge = the end
   of larger magnitude; q = round(edge / s). If q is not 0, scale = edge / q and bias = edge, else bias = 0. So the edge
   is exact and so is 0 where the group spans it. One bit has no room for that: scale = max - min, bias = min. mx:
   scale = the power of two at or above max|w| / greatest code. nvfp4: scale = max|w| / 6 in E4M3; a global scale g
   widens its range by 2688 / g. Uses graph/. */
#include "ops/ops.h"
#include <math.h>

/* ---- what quantized ops share ---- */

static const struct {
  const char *name;
  int group_size, bits; /* of affine: if left out */
} modes[QUANTIZED_MODES] = {{"affine", 64, 4}, {"mxfp4", 32, 4}, {"mxfp8", 32, 8}, {"nvfp4", 16, 4}};

static const double greatest_code[QUANTIZED_MODES] = {[QUANTIZED_MXFP4] = 6, [QUANTIZED_MXFP8] = 448,
                                                      [QUANTIZED_NVFP4] = 6};
enum { NVFP4_RANGE = 448 * 6 };

error *quantization_check(const char *op, quantization q) {
  if (q.mode < 0 || q.mode >= QUANTIZED_MODES) return fail(op, "%d is no mode of quantization", q.mode);
  if (q.mode != QUANTIZED_AFFINE) {
    if (q.group_size == modes[q.mode].group_size && q.bits == modes[q.mode].bits) return NULL;
    return fail(op, "%s has groups of %d and %d bits, not %d and %d", modes[q.mode].name,
                modes[q.mode].group_size, modes[q.mode].bits, q.group_size, q.bits);
  }
  if (q.group_size != 32 && q.group_size != 64 && q.group_size != 128)
    return fail(op, "groups of %d are not supported: 32, 64 and 128 are", q.group_size);
  if (q.bits < 1 || q.bits > 8 || q.bits == 7)
    return fail(op, "%d bits are not supported: 1, 2, 3, 4, 5, 6 and 8 are", q.bits);
  return NULL;
}

error *quantization_complete(const char *op, quantization *q) {
  const bool known = q->mode >= 0 && q->mode < QUANTIZED_MODES;
  if (known && !q->group_size) q->group_size = modes[q->mode].group_size;
  if (known && !q->bits) q->bits = modes[q->mode].bits;
  return quantization_check(op, *q);
}

static bool is_float(const node *x) { return dtype_kind_of(dtype_of(x)) == KIND_FLOAT; }

error *quantized_check(const char *op, quantization q, const pons_array *in, int64_t *columns) {
  error *e = quantization_check(op, q);
  if (e) return e;
  const node *w = in[0], *scales = in[1];
  const bool affine = q.mode == QUANTIZED_AFFINE;
  if (w->dtype != PONS_UINT32 || w->ndim < 2)
    return fail(op, "codes must be uint32 of at least two axes, not %s", node_text(w));
  if (affine ? !is_float(scales) : scales->dtype != PONS_UINT8)
    return fail(op, "scales of %s must be %s, not %s", modes[q.mode].name, affine ? "floats" : "uint8",
                node_text(scales));
  const int64_t words = w->shape[w->ndim - 1];
  bool fits = scales->ndim == w->ndim && words <= INT64_MAX / 32 && words * 32 % q.bits == 0 &&
              shape_equal(w->ndim - 1, w->shape, scales->ndim - 1, scales->shape);
  if (fits) {
    *columns = words * 32 / q.bits;
    fits = *columns % q.group_size == 0 && *columns / q.group_size == scales->shape[w->ndim - 1];
  }
  if (!fits)
    return fail(op, "scales %s do not fit codes %s in groups of %d with %d bits", node_text(scales),
                node_text(w), q.group_size, q.bits);
  if (affine && (in[2]->dtype != scales->dtype ||
                 !shape_equal(in[2]->ndim, in[2]->shape, scales->ndim, scales->shape)))
    return fail(op, "biases %s are not like scales %s", node_text(in[2]), node_text(scales));
  return NULL;
}

pons_array quantized_operands(const char *op, quantization q, pons_array in[4]) {
  const bool affine = q.mode == QUANTIZED_AFFINE;
  if (!affine && in[3]) return node_fail(op, "%s has no biases", modes[q.mode].name);
  pons_array bad = operand_fault(op, affine ? 4 : 3, in);
  if (bad) return bad;
  pons_dtype dtype = dtype_of(in[0]);
  for (int i = 2; i < 4 && affine; i++) {
    if (!is_float(in[i])) return node_fail(op, "scales and biases must be floats, not %s", node_text(in[i]));
    dtype = pons_promote(dtype, dtype_of(in[i]));
  }
  if (dtype_is_integer(dtype) || dtype == PONS_BOOL) dtype = PONS_FLOAT32;
  in[0] = as_dtype(in[0], dtype);
  for (int i = 2; i < 4 && affine; i++) in[i] = as_dtype(in[i], dtype);
  return operand_fault(op, affine ? 4 : 3, in);
}

static error *global_scale_check(const char *op, quantization q, const node *scale) {
  if (q.mode != QUANTIZED_NVFP4)
    return fail(op, "a global scale belongs to nvfp4, not to %s", modes[q.mode].name);
  if (scale->size != 1 || scale->dtype != PONS_FLOAT32)
    return fail(op, "a global scale is one float32, not %s", node_text(scale));
  return NULL;
}

pons_array in_groups(pons_array x, int group_size) {
  if (node_failed(x)) return x;
  return pons_unflatten(x, -1, PONS_SHAPE(x->shape[x->ndim - 1] / group_size, group_size));
}

static pons_array per_group(pons_array scales) { return pons_expand_dims(scales, PONS_AXES(-1)); }

pons_dtype quantized_wide(pons_dtype d) { return d == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32; }

/* ---- codes in words ---- */

static pons_array numbers(int64_t stop, int64_t step) {
  return pons_arange(0, (double)stop, (double)step, PONS_UINT32);
}

static pons_array low_bits(pons_array x, int bits) {
  return pons_bitwise_and(x, pons_scalar((1 << bits) - 1, PONS_UINT32));
}

/* (..., n) codes as (..., n * bits / 32) words. Codes that straddle words go bit by bit. */
static pons_array pack(pons_array codes, int bits) {
  if (node_failed(codes)) return codes;
  const int64_t words = codes->shape[codes->ndim - 1] / 32 * bits + codes->shape[codes->ndim - 1] % 32 * bits / 32;
  pons_array parts, places;
  if (32 % bits == 0) {
    parts = pons_unflatten(codes, -1, PONS_SHAPE(words, 32 / bits));
    places = numbers(32, bits);
  } else {
    parts = low_bits(pons_right_shift(per_group(codes), numbers(bits, 1)), 1);
    parts = pons_unflatten(pons_flatten(parts, -2, -1), -1, PONS_SHAPE(words, 32));
    places = numbers(32, 1);
  }
  return pons_sum(pons_left_shift(parts, places), .axes = PONS_AXES(-1));
}

static pons_array unpack(pons_array words, int bits) {
  if (32 % bits == 0)
    return pons_flatten(low_bits(pons_right_shift(per_group(words), numbers(32, bits)), bits), -2, -1);
  pons_array each = pons_flatten(low_bits(pons_right_shift(per_group(words), numbers(32, 1)), 1), -2, -1);
  return pons_sum(pons_left_shift(in_groups(each, bits), numbers(bits, 1)), .axes = PONS_AXES(-1));
}

/* ---- values of codes and of scales, from tables ---- */

static float e2m1(int code) {
  static const float magnitudes[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return code & 8 ? -magnitudes[code & 7] : magnitudes[code & 7];
}

static float e8m0(int code) { return ldexpf(1, code - 127); }

static pons_array look_up(float (*value)(int), int count, pons_array codes, pons_dtype dtype) {
  float table[256];
  for (int i = 0; i < count; i++) table[i] = value(i);
  return as_dtype(pons_take(pons_array_from(table, PONS_SHAPE(count), PONS_FLOAT32), codes, 0), dtype);
}

static pons_array code_values(quantization q, pons_array codes, pons_dtype dtype) {
  if (q.mode == QUANTIZED_AFFINE) return as_dtype(codes, dtype);
  return q.bits == 4 ? look_up(e2m1, 16, codes, dtype) : pons_from_fp8(as_dtype(codes, PONS_UINT8), dtype);
}

static pons_array scale_values(quantization q, pons_array scales, pons_dtype dtype) {
  if (q.mode == QUANTIZED_AFFINE) return as_dtype(scales, dtype);
  return q.mode == QUANTIZED_NVFP4 ? pons_from_fp8(scales, dtype) : look_up(e8m0, 256, scales, dtype);
}

/* ---- Quantize ---- */

static int quantize_outputs(const void *params, int n_in) {
  (void)n_in;
  const quantize_params *p = params;
  return p->dequantize ? 1 : quantized_parts(QUANTIZATION_OF(p));
}

static error *dequantize_infer(const quantize_params *p, int n_in, const pons_array *in, spec *out) {
  const char *op = "dequantize";
  const quantization q = QUANTIZATION_OF(p);
  error *e = quantization_check(op, q);
  if (e) return e;
  const int parts = quantized_parts(q);
  const bool global = q.mode == QUANTIZED_NVFP4 && n_in == parts + 1;
  int64_t columns;
  e = check_count(op, n_in, parts + global);
  if (!e) e = quantized_check(op, q, in, &columns);
  if (!e && global) e = global_scale_check(op, q, in[parts]);
  if (e) return e;
  if (!dtype_is_valid((int)p->dtype) || dtype_kind_of(p->dtype) != KIND_FLOAT)
    return fail(op, "values must be floats, not %s", pons_dtype_name(p->dtype));
  shape s = node_shape(in[0]);
  s.dims[s.n - 1] = columns;
  return spec_set(op, out, p->dtype, s.n, s.dims);
}

static error *quantize_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const quantize_params *p = params;
  const char *op = "quantize";
  if (p->dequantize) return dequantize_infer(p, n_in, in, out);
  const quantization q = QUANTIZATION_OF(p);
  error *e = quantization_check(op, q);
  if (e) return e;
  if (n_in != 1 && n_in != 2) return fail(op, "got %d operands", n_in);
  const node *w = in[0];
  if (!is_float(w)) return fail(op, "only floats can be quantized, not %s", node_text(w));
  if (w->ndim < 2) return fail(op, "at least two axes are needed: %s", node_text(w));
  const int64_t columns = w->shape[w->ndim - 1];
  if (columns % q.group_size)
    return fail(op, "the last axis of %s does not divide into groups of %d", node_text(w), q.group_size);
  if (n_in == 2) e = global_scale_check(op, q, in[1]);
  shape s = node_shape(w);
  s.dims[s.n - 1] = columns / 32 * q.bits + columns % 32 * q.bits / 32; /* groups of 16 are of 64 bits */
  if (!e) e = spec_set(op, out, PONS_UINT32, s.n, s.dims);
  s.dims[s.n - 1] = columns / q.group_size;
  const bool affine = q.mode == QUANTIZED_AFFINE;
  for (int i = 1; i < quantized_parts(q) && !e; i++)
    e = spec_set(op, out + i, affine ? dtype_of(w) : PONS_UINT8, s.n, s.dims);
  return e;
}

static pons_array least_scale(pons_array scale) {
  return pons_maximum(scale, constant_like(1e-7, scale));
}

static void quantize_affine(quantization q, pons_array w, pons_array *out) {
  const pons_dtype dtype = dtype_of(w);
  pons_array groups = in_groups(as_dtype(w, quantized_wide(dtype)), q.group_size);
  pons_array greatest = pons_max(groups, .axes = PONS_AXES(-1), .keepdims = true),
             least = pons_min(groups, .axes = PONS_AXES(-1), .keepdims = true);
  pons_array top = pons_scalar((1 << q.bits) - 1, quantized_wide(dtype)), zero = pons_scalar(0, quantized_wide(dtype));
  pons_array scale = least_scale(pons_divide(pons_subtract(greatest, least), top)), bias = least;
  if (q.bits > 1) {
    pons_array below = pons_greater(pons_abs(least), pons_abs(greatest));
    scale = pons_where(below, scale, pons_negative(scale));
    pons_array edge = pons_where(below, least, greatest), code = pons_round(pons_divide(edge, scale));
    pons_array none = pons_equal(code, zero);
    scale = pons_where(none, scale, pons_divide(edge, pons_where(none, pons_scalar(1, quantized_wide(dtype)), code)));
    bias = pons_where(none, zero, edge);
  }
  pons_array codes = pons_round(pons_divide(pons_subtract(groups, bias), scale));
  codes = as_dtype(pons_clip(codes, zero, top), PONS_UINT32);
  out[0] = pack(pons_flatten(codes, -2, -1), q.bits);
  out[1] = as_dtype(pons_squeeze(scale, PONS_AXES(-1)), dtype);
  out[2] = as_dtype(pons_squeeze(bias, PONS_AXES(-1)), dtype);
}

/* How many of the middles between neighbouring codes |x| exceeds is its code; a tie goes to the smaller one. No code
   stands for -0. */
static pons_array nearest_e2m1(pons_array x) {
  static const float middles[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
  pons_array size = pons_abs(x), code = NULL;
  for (int i = 0; i < 7; i++) {
    pons_array more = as_dtype(pons_greater(size, constant_like((double)middles[i], x)), PONS_UINT32);
    code = code ? pons_add(code, more) : more;
  }
  pons_array zero = pons_scalar(0, PONS_UINT32);
  pons_array minus = pons_logical_and(pons_less(x, constant_like(0, x)), pons_not_equal(code, zero));
  return pons_add(code, pons_where(minus, pons_scalar(8, PONS_UINT32), zero));
}

/* The exponent, biased by 127, of the power of two at or above x >= 0; that of 1 for 0. */
static pons_array exponent_above(pons_array x) {
  pons_array bits = pons_view(as_dtype(x, PONS_FLOAT32), PONS_UINT32);
  pons_array up = pons_right_shift(pons_add(bits, pons_scalar(0x7fffff, PONS_UINT32)), pons_scalar(23, PONS_UINT32));
  return pons_where(pons_equal(bits, pons_scalar(0, PONS_UINT32)), pons_scalar(127, PONS_UINT32), up);
}

/* Divisions are rounded to the dtype of w, as MLX does it. */
static void quantize_float(quantization q, int n_in, const pons_array *in, pons_array *out) {
  const pons_dtype dtype = dtype_of(in[0]);
  pons_array groups = in_groups(in[0], q.group_size);
  pons_array greatest = pons_max(pons_abs(groups), .axes = PONS_AXES(-1), .keepdims = true);
  pons_array share = pons_divide(greatest, pons_scalar(greatest_code[q.mode], dtype)), codes;
  if (q.mode == QUANTIZED_NVFP4) {
    pons_array widen = pons_float(1);
    if (n_in == 2) widen = pons_divide(pons_float(NVFP4_RANGE), pons_reshape(in[1], PONS_SCALAR));
    pons_array scale = pons_to_fp8(pons_multiply(as_dtype(share, quantized_wide(dtype)), widen));
    pons_array value = scale_values(q, scale, dtype), none = pons_equal(value, pons_scalar(0, dtype));
    groups = pons_divide(groups, pons_where(none, pons_scalar(1, dtype), value));
    groups = pons_multiply(as_dtype(groups, quantized_wide(dtype)), widen);
    codes = nearest_e2m1(pons_where(none, pons_scalar(0, quantized_wide(dtype)), groups));
    out[1] = pons_squeeze(scale, PONS_AXES(-1));
  } else {
    pons_array scale = as_dtype(exponent_above(share), PONS_UINT8);
    groups = pons_divide(groups, scale_values(q, scale, dtype));
    codes = q.bits == 4 ? nearest_e2m1(groups) : as_dtype(pons_to_fp8(groups), PONS_UINT32);
    out[1] = pons_squeeze(scale, PONS_AXES(-1));
  }
  out[0] = pack(pons_flatten(codes, -2, -1), q.bits);
}

static pons_array dequantize_parts(const quantize_params *p, int n_in, const pons_array *in) {
  const quantization q = QUANTIZATION_OF(p);
  const int parts = quantized_parts(q);
  pons_dtype wide = quantized_wide(p->dtype);
  if (q.mode == QUANTIZED_AFFINE) wide = pons_promote(wide, dtype_of(in[1]));
  pons_array scale = per_group(scale_values(q, in[1], wide));
  if (n_in > parts) {
    pons_array global = as_dtype(pons_reshape(in[parts], PONS_SCALAR), wide);
    scale = pons_multiply(scale, pons_divide(global, pons_scalar(NVFP4_RANGE, wide)));
  }
  pons_array values = pons_multiply(in_groups(code_values(q, unpack(in[0], q.bits), wide), q.group_size), scale);
  if (q.mode == QUANTIZED_AFFINE) values = pons_add(values, per_group(as_dtype(in[2], wide)));
  return as_dtype(pons_flatten(values, -2, -1), p->dtype);
}

static void quantize_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const quantize_params *p = params;
  if (p->dequantize) out[0] = dequantize_parts(p, n_in, in);
  else if (p->mode == QUANTIZED_AFFINE) quantize_affine(QUANTIZATION_OF(p), in[0], out);
  else quantize_float(QUANTIZATION_OF(p), n_in, in, out);
}

/* Groups lie along the last axis: more axes in front change nothing, unless the global scale is one of many. */
static void quantize_vmap(const vmap_call *c) {
  const quantize_params *p = c->params;
  const int arrays = p->dequantize ? quantized_parts(QUANTIZATION_OF(p)) : 1;
  pons_array in[4];
  if (c->n_in > arrays && c->axes[arrays] >= 0) return;
  for (int i = 0; i < c->n_in; i++) in[i] = i < arrays ? batch_first(c, i) : c->in[i];
  node_make_many(c->prim, p, c->n_in, in, c->out, c->n_out);
  for (int k = 0; k < c->n_out; k++) c->out_axes[k] = 0;
}

const prim prim_quantize = {
    .name = "Quantize",
    .params_size = sizeof(quantize_params),
    .fields = {FIELD(INT, quantize_params, group_size), FIELD(INT, quantize_params, bits),
               FIELD_OF(quantize_params, mode, QUANTIZED_MODES), FIELD(BOOL, quantize_params, dequantize),
               FIELD_UNSTORED(DTYPE, quantize_params, dtype)},
    .outputs = quantize_outputs,
    .infer = quantize_infer,
    .vmap = quantize_vmap,
    .decompose = quantize_decompose};

/* ---- constructors ---- */

static pons_array make_values(quantization q, int n_in, const pons_array *in, pons_dtype dtype) {
  const quantize_params params = {q.group_size, q.bits, q.mode, true, dtype};
  pons_array out;
  node_make_many(&prim_quantize, &params, n_in, in, &out, 1);
  return out;
}

pons_array dequantized(quantization q, const pons_array *in, pons_dtype dtype) {
  return make_values(q, quantized_parts(q), in, dtype);
}

pons_array codes_as_numbers(quantization q, pons_array codes, const node *scales) {
  const pons_array zeros = zeros_of(scales), in[3] = {codes, pons_ones_like(zeros), zeros};
  return dequantized(q, in, dtype_of(scales));
}

static void fail_all(pons_array bad, pons_array out[3]) { out[0] = out[1] = out[2] = bad; }

void pons_quantize_with(struct pons_quantize_args args, pons_array out[3]) {
  const pons_array in[2] = {args.w, args.global_scale};
  const int n_in = args.global_scale ? 2 : 1;
  pons_array bad = operand_fault("quantize", n_in, in);
  quantization q = {args.group_size, args.bits, (int)args.mode};
  error *e = bad ? NULL : quantization_complete("quantize", &q);
  if (e) bad = node_error(e);
  if (bad) {
    fail_all(bad, out);
    return;
  }
  const quantize_params params = {q.group_size, q.bits, q.mode, false, PONS_UINT32};
  out[2] = NULL;
  node_make_many(&prim_quantize, &params, n_in, in, out, quantized_parts(q));
}

pons_array pons_dequantize_with(struct pons_dequantize_args args) {
  const char *op = "dequantize";
  quantization q = {args.group_size, args.bits, (int)args.mode};
  error *e = quantization_complete(op, &q);
  if (e) return node_error(e);
  const bool affine = q.mode == QUANTIZED_AFFINE;
  if (!affine && args.biases) return node_fail(op, "%s has no biases", modes[q.mode].name);
  pons_array in[4] = {args.w, args.scales};
  int n = 2;
  if (affine) in[n++] = args.biases;
  if (args.global_scale) in[n++] = args.global_scale;
  pons_array bad = operand_fault(op, n, in);
  if (bad) return bad;
  if (args.global_scale) e = global_scale_check(op, q, args.global_scale);
  if (e) return node_error(e);
  pons_dtype dtype = PONS_BFLOAT16;
  if (affine) {
    dtype = pons_promote(dtype_of(in[1]), dtype_of(in[2]));
    in[1] = as_dtype(in[1], dtype), in[2] = as_dtype(in[2], dtype);
  }
  if (args.dtype.given) dtype = args.dtype.dtype;
  if (args.global_scale) dtype = pons_promote(dtype, PONS_FLOAT32);
  return make_values(q, n, in, dtype);
}
