/* fp8.c: ToFP8 and FromFP8: floats as E4M3 (1 sign, 4 exponent, 3 fraction bits, bias 7; no infinity) in uint8, and
   back. float64 goes by way of float32. Uses graph/. */
#include "ops/ops.h"
#include <math.h>

/* ---- ToFP8 ---- */

static error *to_fp8_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("to_fp8", n_in, 1);
  if (e) return e;
  if (dtype_kind_of(dtype_of(in[0])) != KIND_FLOAT)
    return fail("to_fp8", "only floats can be converted, not %s", node_text(in[0]));
  *out = spec_of(in[0]);
  out->dtype = PONS_UINT8;
  return NULL;
}

static pons_array word(double value) { return pons_scalar(value, PONS_UINT32); }

/* The float32's bits rounded to three of the fraction; below 2^-6, units of 2^-9. */
static void to_fp8_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  pons_array x = as_dtype(in[0], PONS_FLOAT32), most = pons_float(448), size = pons_abs(x);
  size = pons_where(pons_less(size, most), size, most); /* NaN is not less */
  pons_array bits = pons_view(size, PONS_UINT32);
  pons_array odd = pons_bitwise_and(pons_right_shift(bits, word(20)), word(1));
  pons_array normal = pons_add(bits, pons_add(odd, word((1 << 19) - 1)));
  normal = pons_subtract(pons_right_shift(normal, word(20)), word((127 - 7) << 3));
  pons_array small = as_dtype(pons_round(pons_multiply(size, pons_float(512))), PONS_UINT32);
  pons_array code = pons_where(pons_less(size, pons_float(0x1p-6)), small, normal);
  pons_array sign = pons_right_shift(pons_view(x, PONS_UINT32), word(31));
  out[0] = as_dtype(pons_add(code, pons_left_shift(sign, word(7))), PONS_UINT8);
}

static void fp8_vmap(const vmap_call *c) {
  c->out[0] = node_make(c->prim, c->params, 1, c->in);
  c->out_axes[0] = c->axes[0];
}

const prim prim_to_fp8 = {.name = "ToFP8",
                          .no_gradient = true,
                          .infer = to_fp8_infer,
                          .vmap = fp8_vmap,
                          .decompose = to_fp8_decompose};

pons_array pons_to_fp8(pons_array x) {
  pons_array bad = operand_fault("to_fp8", 1, &x);
  return bad ? bad : node_make(&prim_to_fp8, NULL, 1, &x);
}

/* ---- FromFP8 ---- */

static error *from_fp8_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const cast_params *p = params;
  error *e = check_count("from_fp8", n_in, 1);
  if (e) return e;
  if (in[0]->dtype != PONS_UINT8) return fail("from_fp8", "codes must be uint8, not %s", node_text(in[0]));
  if (!dtype_is_valid((int)p->dtype) || dtype_kind_of(p->dtype) != KIND_FLOAT)
    return fail("from_fp8", "values must be floats, not %s", pons_dtype_name(p->dtype));
  *out = spec_of(in[0]);
  out->dtype = p->dtype;
  return NULL;
}

static void from_fp8_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  float table[256];
  for (int i = 0; i < 256; i++) {
    const int exponent = i >> 3 & 15, fraction = i & 7;
    table[i] = exponent ? ldexpf((float)(8 + fraction), exponent - 10) : ldexpf((float)fraction, -9);
    if ((i & 127) == 127) table[i] = NAN;
    if (i & 128) table[i] = -table[i];
  }
  pons_array values = pons_take(pons_array_from(table, PONS_SHAPE(256), PONS_FLOAT32), in[0], 0);
  out[0] = as_dtype(values, ((const cast_params *)params)->dtype);
}

const prim prim_from_fp8 = {.name = "FromFP8",
                            .no_gradient = true,
                            .params_size = sizeof(cast_params),
                            .fields = {FIELD(DTYPE, cast_params, dtype)},
                            .infer = from_fp8_infer,
                            .vmap = fp8_vmap,
                            .decompose = from_fp8_decompose};

pons_array pons_from_fp8(pons_array x, pons_dtype dtype) {
  pons_array bad = operand_fault("from_fp8", 1, &x);
  const cast_params params = {dtype};
  return bad ? bad : node_make(&prim_from_fp8, &params, 1, &x);
}
