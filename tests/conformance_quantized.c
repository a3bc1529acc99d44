/* conformance_quantized.c: cases of codes of few bits and of products with them. Codes are random words: every word is a
   row of codes. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)


CASE(quantize) { pons_quantize(out, in[0]); }
CASE(quantize_scales) {
  pons_array all[3];
  pons_quantize(all, in[0], .group_size = 32, .bits = 3);
  out[0] = all[1];
  out[1] = all[2];
}
CASE(quantize_narrow) {
  pons_array all[3];
  for (int i = 0; i < 3; i++) {
    pons_quantize(all, in[0], .group_size = 32, .bits = i + 1);
    out[i] = all[0];
  }
  out[3] = all[1];
}
CASE(quantize_odd) {
  pons_array all[3];
  const int bits[3] = {5, 6, 8};
  for (int i = 0; i < 3; i++) {
    pons_quantize(all, in[0], .group_size = 128, .bits = bits[i]);
    out[i] = all[0];
  }
  out[3] = all[2];
}
CASE(quantize_mxfp4) { pons_quantize(out, in[0], .mode = PONS_MXFP4); }
CASE(quantize_mxfp8) { pons_quantize(out, in[0], .mode = PONS_MXFP8); }
CASE(quantize_nvfp4) { pons_quantize(out, in[0], .mode = PONS_NVFP4); }
CASE(quantize_nvfp4_global) { pons_quantize(out, in[0], .mode = PONS_NVFP4, .global_scale = pons_float(2.5)); }

CASE(dequantize) { out[0] = pons_dequantize(in[0], in[1], in[2]); }
CASE(dequantize_bits) {
  const int bits[4] = {1, 2, 3, 5};
  for (int i = 0; i < 4; i++) {
    const int64_t start[2] = {0, 0}, stop[2] = {2, 2 * bits[i]};
    pons_array words = pons_slice(in[0], (pons_shape){2, start}, (pons_shape){2, stop}, PONS_SCALAR);
    out[i] = pons_dequantize(words, in[1], in[2], .group_size = 32, .bits = bits[i]);
  }
}
CASE(dequantize_more_bits) {
  const int bits[2] = {6, 8};
  for (int i = 0; i < 2; i++) {
    const int64_t start[2] = {0, 0}, stop[2] = {2, 4 * bits[i]};
    pons_array words = pons_slice(in[0], (pons_shape){2, start}, (pons_shape){2, stop}, PONS_SCALAR);
    out[i] = pons_dequantize(words, in[1], in[2], .group_size = 128, .bits = bits[i]);
  }
}
/* Scales around 1: those of an E8M0 or an E4M3 that is a number. */
static pons_array mild(pons_array bytes, int base, int width) {
  pons_array narrow = pons_remainder(bytes, pons_scalar(width, PONS_UINT8));
  return pons_add(narrow, pons_scalar(base, PONS_UINT8));
}
CASE(dequantize_mxfp4) {
  out[0] = pons_dequantize(in[0], mild(in[1], 123, 8), .mode = PONS_MXFP4);
  out[1] = pons_dequantize(in[0], mild(in[1], 123, 8), .mode = PONS_MXFP4, .dtype = PONS_AS(PONS_FLOAT32));
}
CASE(dequantize_mxfp8) {
  pons_array codes = pons_bitwise_and(in[0], pons_scalar(0x7e7e7e7e, PONS_UINT32)); /* none is NaN */
  out[0] = pons_dequantize(codes, mild(in[1], 123, 8), .mode = PONS_MXFP8, .dtype = PONS_AS(PONS_FLOAT32));
}
CASE(dequantize_nvfp4) {
  out[0] = pons_dequantize(in[0], mild(in[1], 0, 126), .mode = PONS_NVFP4, .dtype = PONS_AS(PONS_FLOAT32));
  out[1] = pons_dequantize(in[0], mild(in[1], 0, 126), .mode = PONS_NVFP4, .global_scale = pons_float(2.5));
}

CASE(quantized_matmul) { out[0] = pons_quantized_matmul(in[0], in[1], in[2], in[3], .group_size = 32); }
CASE(quantized_matmul_plain) {
  out[0] = pons_quantized_matmul(in[0], in[1], in[2], in[3], .no_transpose = true, .group_size = 32);
}
CASE(quantized_matmul_three) {
  out[0] = pons_quantized_matmul(in[0], in[1], in[2], in[3], .group_size = 64, .bits = 3);
}
CASE(quantized_matmul_one) {
  out[0] = pons_quantized_matmul(in[0], in[1], in[2], in[3], .group_size = 32, .bits = 1);
}
CASE(quantized_matmul_eight) {
  out[0] = pons_quantized_matmul(in[0], in[1], in[2], in[3], .group_size = 32, .bits = 8);
}
CASE(quantized_matmul_two) {
  out[0] = pons_quantized_matmul(in[0], in[1], in[2], in[3], .group_size = 32, .bits = 2);
}
CASE(quantized_matmul_mxfp4) {
  out[0] = pons_quantized_matmul(in[0], in[1], mild(in[2], 123, 6), .mode = PONS_MXFP4);
}
CASE(quantized_matmul_nvfp4) {
  out[0] = pons_quantized_matmul(in[0], in[1], mild(in[2], 40, 20), .mode = PONS_NVFP4);
}
CASE(quantized_matmul_mxfp8) {
  pons_array codes = pons_bitwise_and(in[1], pons_scalar(0xbfbfbfbf, PONS_UINT32)); /* below 2 */
  out[0] = pons_quantized_matmul(in[0], codes, mild(in[2], 123, 6), .mode = PONS_MXFP8);
}
CASE(gather_qmm) {
  out[0] = pons_gather_qmm(in[0], in[1], in[2], in[3], .rhs_indices = in[4], .group_size = 32);
}
CASE(gather_qmm_plain) {
  out[0] = pons_gather_qmm(in[0], in[1], in[2], in[3], in[4], pons_slice(in[4], PONS_SHAPE(0), PONS_SHAPE(2), PONS_SCALAR),
                           .no_transpose = true, .group_size = 32);
}
CASE(gather_qmm_mxfp4) {
  out[0] = pons_gather_qmm(in[0], in[1], mild(in[2], 123, 6), .lhs_indices = in[3], .rhs_indices = in[3],
                           .mode = PONS_MXFP4);
}
CASE(qqmm) { out[0] = pons_qqmm(in[0], in[1], mild(in[2], 40, 20)); }
CASE(qqmm_floats) { out[0] = pons_qqmm(in[0], in[1], .mode = PONS_MXFP8); }
CASE(qqmm_global) {
  out[0] = pons_qqmm(in[0], in[1], .global_scale_x = pons_float(2), .global_scale_w = pons_float(3));
}
CASE(gather_qqmm) { out[0] = pons_gather_qqmm(in[0], in[1], .rhs_indices = in[2]); }

/* ---- those products with rounding as identity: r + (x - x) is r with the derivative of x ---- */

static pons_array identity_of(pons_array x, pons_quantization mode, pons_array global) {
  pons_array codes[3];
  pons_quantize(codes, x, .mode = mode, .global_scale = global);
  pons_array r = pons_dequantize(codes[0], codes[1], .mode = mode, .global_scale = global,
                                 .dtype = PONS_AS(PONS_FLOAT64));
  return pons_add(pons_stop_gradient(r), pons_subtract(x, pons_stop_gradient(x)));
}
CASE(qqmm_unrounded) {
  pons_array w =
      pons_dequantize(in[1], mild(in[2], 40, 20), .mode = PONS_NVFP4, .dtype = PONS_AS(PONS_FLOAT64));
  out[0] = pons_matmul(identity_of(in[0], PONS_NVFP4, NULL), pons_swapaxes(w, -1, -2));
}
CASE(qqmm_floats_unrounded) {
  pons_array w = identity_of(in[1], PONS_MXFP8, NULL);
  out[0] = pons_matmul(identity_of(in[0], PONS_MXFP8, NULL), pons_swapaxes(w, -1, -2));
}
CASE(gather_qqmm_unrounded) {
  pons_array w = pons_take(identity_of(in[1], PONS_NVFP4, NULL), in[2], 0);
  out[0] = pons_matmul(identity_of(in[0], PONS_NVFP4, NULL), pons_swapaxes(w, -1, -2));
}
conformance_function conformance_unrounded(const conformance_case *c) {
  static const conformance_function pairs[][2] = {
      {qqmm, qqmm_unrounded}, {qqmm_floats, qqmm_floats_unrounded}, {gather_qqmm, gather_qqmm_unrounded}};
  for (int i = 0; i < 3; i++)
    if (pairs[i][0] == c->build) return pairs[i][1];
  return NULL;
}

CASE(to_fp8) { out[0] = pons_to_fp8(in[0]); }
CASE(from_fp8) {
  out[0] = pons_from_fp8(in[0], PONS_BFLOAT16);
  out[1] = pons_from_fp8(in[0], PONS_FLOAT32);
}

CASE(gather_mm) { out[0] = pons_gather_mm(in[0], in[1], .rhs_indices = in[2]); }
CASE(gather_mm_both) { out[0] = pons_gather_mm(in[0], in[1], in[2], in[3]); }
CASE(gather_mm_row) { out[0] = pons_gather_mm(in[0], in[1], .rhs_indices = in[2]); }
CASE(segmented_mm) { out[0] = pons_segmented_mm(in[0], in[1], in[2]); }
CASE(block_masked_mm) { out[0] = pons_block_masked_mm(in[0], in[1], .block_size = 32, .mask_out = in[2]); }
CASE(block_masked_mm_operands) {
  out[0] = pons_block_masked_mm(in[0], in[1], .block_size = 32, .mask_lhs = in[2], .mask_rhs = in[3]);
}
CASE(block_masked_mm_factors) {
  out[0] = pons_block_masked_mm(in[0], in[1], .block_size = 32, .mask_out = in[2], .mask_lhs = in[3]);
}

#define WORDS(ndim, ...) \
  { PONS_UINT32, ndim, {__VA_ARGS__}, 0, 4294967296.0, LAYOUT_PLAIN }
#define TURNED_WORDS(ndim, ...) \
  { PONS_UINT32, ndim, {__VA_ARGS__}, 0, 4294967296.0, LAYOUT_TRANSPOSED }
#define BYTES(ndim, ...) \
  { PONS_UINT8, ndim, {__VA_ARGS__}, 0, 256, LAYOUT_PLAIN }
#define SCALES(LAYOUT, ndim, ...) INPUT_FROM(-0.1, 0.1, LAYOUT, ndim, __VA_ARGS__)
#define NARROW_FLOATS (TYPES_FLOAT & ~TYPE_BIT(PONS_FLOAT64))

static const conformance_case cases[] = {
    {"quantize", quantize, NARROW_FLOATS, false, 1, 3, {INPUT(PLAIN, 2, 3, 128)}},
    {"quantize: scales, a transpose", quantize_scales, TYPES_FLOAT, true, 1, 2, {INPUT(TRANSPOSED, 3, 2, 2, 64)}},
    {"quantize: 1 to 3 bits", quantize_narrow, NARROW_FLOATS, false, 1, 4, {INPUT(PLAIN, 2, 3, 64)}},
    {"quantize: 5 to 8 bits", quantize_odd, NARROW_FLOATS, false, 1, 4, {INPUT(STRIDED, 2, 2, 256)}},
    {"quantize: mxfp4", quantize_mxfp4, TYPES_FLOAT, false, 1, 2, {INPUT(PLAIN, 2, 3, 64)}},
    {"quantize: mxfp8", quantize_mxfp8, TYPES_FLOAT, false, 1, 2, {INPUT(TRANSPOSED, 2, 3, 64)}},
    {"quantize: nvfp4", quantize_nvfp4, TYPES_FLOAT, false, 1, 2, {INPUT(PLAIN, 2, 3, 64)}},
    {"quantize: nvfp4, global scale", quantize_nvfp4_global, TYPES_FLOAT, false, 1, 2, {INPUT(PLAIN, 2, 3, 64)}},
    {"dequantize",
     dequantize,
     TYPES_FLOAT,
     true,
     3,
     1,
     {WORDS(2, 3, 16), SCALES(PLAIN, 2, 3, 2), INPUT(TRANSPOSED, 2, 3, 2)}},
    {"dequantize: 1 to 5 bits",
     dequantize_bits,
     TYPES_FLOAT,
     true,
     3,
     4,
     {WORDS(2, 2, 10), SCALES(PLAIN, 2, 2, 2), INPUT(PLAIN, 2, 2, 2)}},
    {"dequantize: 6 and 8 bits",
     dequantize_more_bits,
     TYPES_FLOAT,
     true,
     3,
     2,
     {WORDS(2, 2, 32), SCALES(TRANSPOSED, 2, 2, 1), INPUT(PLAIN, 2, 2, 1)}},
    {"dequantize: mxfp4", dequantize_mxfp4, TYPES_ONE, false, 2, 2, {TURNED_WORDS(2, 3, 8), BYTES(2, 3, 2)}},
    {"dequantize: mxfp8", dequantize_mxfp8, TYPES_ONE, false, 2, 1, {WORDS(2, 3, 16), BYTES(2, 3, 2)}},
    {"dequantize: nvfp4", dequantize_nvfp4, TYPES_ONE, false, 2, 2, {WORDS(2, 3, 4), BYTES(2, 3, 2)}},
    {"quantized_matmul",
     quantized_matmul,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 2, 3, 64), WORDS(2, 5, 8), SCALES(PLAIN, 2, 5, 2), SCALES(TRANSPOSED, 2, 5, 2)}},
    {"quantized_matmul: vector",
     quantized_matmul,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(STRIDED, 1, 64), TURNED_WORDS(2, 5, 8), SCALES(PLAIN, 2, 5, 2), SCALES(PLAIN, 2, 5, 2)}},
    {"quantized_matmul: rows of two axes",
     quantized_matmul,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 3, 2, 3, 32), WORDS(2, 3, 4), SCALES(PLAIN, 2, 3, 1), SCALES(PLAIN, 2, 3, 1)}},
    {"quantized_matmul: batches broadcast",
     quantized_matmul,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 4, 2, 1, 2, 32), WORDS(3, 3, 2, 4), SCALES(PLAIN, 3, 3, 2, 1), SCALES(PLAIN, 3, 3, 2, 1)}},
    {"quantized_matmul: not transposed",
     quantized_matmul_plain,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(TRANSPOSED, 2, 3, 5), WORDS(2, 5, 8), SCALES(PLAIN, 2, 5, 2), SCALES(PLAIN, 2, 5, 2)}},
    {"quantized_matmul: 3 bits",
     quantized_matmul_three,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 2, 2, 128), WORDS(2, 3, 12), SCALES(PLAIN, 2, 3, 2), SCALES(PLAIN, 2, 3, 2)}},
    {"quantized_matmul: 1 bit",
     quantized_matmul_one,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 2, 6, 32), WORDS(2, 3, 1), SCALES(PLAIN, 2, 3, 1), SCALES(PLAIN, 2, 3, 1)}},
    {"quantized_matmul: 8 bits",
     quantized_matmul_eight,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 2, 5, 64), WORDS(2, 3, 16), INPUT_FROM(0, 0.01, PLAIN, 2, 3, 2), SCALES(PLAIN, 2, 3, 2)}},
    {"quantized_matmul: many rows",
     quantized_matmul_two,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(PLAIN, 2, 20, 320), WORDS(2, 70, 20), SCALES(PLAIN, 2, 70, 10), SCALES(PLAIN, 2, 70, 10)}},
    {"quantized_matmul: mxfp4",
     quantized_matmul_mxfp4,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 5, 64), WORDS(2, 3, 8), BYTES(2, 3, 2)}},
    {"quantized_matmul: mxfp8",
     quantized_matmul_mxfp8,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 64), WORDS(2, 3, 16), BYTES(2, 3, 2)}},
    {"quantized_matmul: nvfp4",
     quantized_matmul_nvfp4,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 48), WORDS(2, 3, 6), BYTES(2, 3, 3)}},
    {"gather_qmm",
     gather_qmm,
     TYPES_FLOAT,
     true,
     5,
     1,
     {INPUT(PLAIN, 3, 3, 2, 32), WORDS(3, 2, 4, 4), SCALES(PLAIN, 3, 2, 4, 1), SCALES(PLAIN, 3, 2, 4, 1), INDICES(2, 1, 3)}},
    {"gather_qmm: not transposed",
     gather_qmm_plain,
     TYPES_FLOAT,
     true,
     5,
     1,
     {INPUT(PLAIN, 3, 3, 2, 4), WORDS(3, 3, 4, 4), SCALES(PLAIN, 3, 3, 4, 1), SCALES(PLAIN, 3, 3, 4, 1), INDICES(3, 1, 2)}},
    {"gather_qmm: mxfp4",
     gather_qmm_mxfp4,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(TRANSPOSED, 3, 3, 2, 32), WORDS(3, 3, 4, 4), BYTES(3, 3, 4, 1), INDICES(3, 2, 2, 2)}},
    {"qqmm", qqmm, TYPES_FLOAT, false, 3, 1, {INPUT(PLAIN, 2, 1, 32), WORDS(2, 3, 4), BYTES(2, 3, 2)}},
    {"qqmm: floats", qqmm_floats, TYPES_FLOAT, false, 2, 1, {INPUT(PLAIN, 2, 3, 32), INPUT(TRANSPOSED, 2, 4, 32)}},
    {"qqmm: global scales", qqmm_global, TYPES_FLOAT, false, 2, 1, {INPUT(PLAIN, 2, 3, 32), INPUT(PLAIN, 2, 4, 32)}},
    {"gather_qqmm",
     gather_qqmm,
     TYPES_FLOAT,
     false,
     3,
     1,
     {INPUT(PLAIN, 3, 3, 2, 16), INPUT(PLAIN, 3, 2, 4, 16), INDICES(2, 1, 3)}},
    {"to_fp8", to_fp8, TYPES_FLOAT, false, 1, 1, {INPUT_FROM(-500, 500, TRANSPOSED, 2, 5, 40)}},
    {"from_fp8", from_fp8, TYPES_ONE, false, 1, 2, {BYTES(2, 5, 40)}},
    {"gather_mm",
     gather_mm,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 3, 3, 2, 4), INPUT(TRANSPOSED, 3, 2, 4, 5), INDICES(2, 1, 3)}},
    {"gather_mm: both, broadcast",
     gather_mm_both,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(TRANSPOSED, 4, 2, 2, 3, 4), INPUT(PLAIN, 3, 3, 4, 2), INDICES(4, 2, 2, 1), INDICES(3, 1, 3)}},
    {"gather_mm: row",
     gather_mm_row,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 1, 4), INPUT(PLAIN, 3, 3, 4, 2), INDICES(3, 1, 2)}},
    {"segmented_mm",
     segmented_mm,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(TRANSPOSED, 2, 3, 6), INPUT(PLAIN, 2, 6, 4), INDICES(7, 3, 2, 2, 2)}},
    {"block_masked_mm",
     block_masked_mm,
     TYPES_FLOAT,
     false,
     3,
     1,
     {INPUT(PLAIN, 2, 70, 40), INPUT(TRANSPOSED, 2, 40, 50), MASK(2, 3, 2)}},
    {"block_masked_mm: masks of operands",
     block_masked_mm_operands,
     TYPES_FLOAT,
     false,
     4,
     1,
     {INPUT(PLAIN, 3, 2, 34, 66), INPUT(PLAIN, 2, 66, 5), MASK(3, 2, 2, 3), MASK(2, 3, 1)}},
    {"block_masked_mm: factors",
     block_masked_mm_factors,
     TYPES_FLOAT,
     true,
     4,
     1,
     {INPUT(TRANSPOSED, 2, 3, 33), INPUT(PLAIN, 2, 33, 2), INPUT(PLAIN, 2, 1, 1), INPUT(PLAIN, 2, 1, 2)}},
};

const conformance_case *quantized_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
