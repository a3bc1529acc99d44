/* selftest_quantized.c: checks of quantized matrices and products by them. */
#include "selftest_checks.h"

/* Codes, scales and biases, made on the CPU. */
static void codes(pons_array w, int bits, pons_quantization mode, pons_array out[3]) {
  pons_stream before = pons_set_stream(pons_default_stream("cpu"));
  pons_quantize(out, w, .bits = mode == PONS_AFFINE ? bits : 0, .mode = mode);
  for (int i = 0; i < 3; i++)
    if (out[i]) pons_eval(out[i]);
  pons_set_stream(before);
}

static pons_array quantized(bool large, pons_dtype dtype, int bits, pons_quantization mode) {
  pons_array parts[3];
  pons_quantize(parts, normal(PONS_SHAPE(PICK(5, 200), PICK(128, 1024)), dtype, 90),
                .bits = mode == PONS_AFFINE ? bits : 0, .mode = mode);
  return parts[0];
}
static pons_array dequantized(bool large, pons_dtype dtype, int bits, pons_quantization mode) {
  pons_array p[3];
  codes(normal(PONS_SHAPE(PICK(5, 200), PICK(128, 1024)), dtype, 91), bits, mode, p);
  return pons_dequantize(p[0], p[1], p[2], .bits = mode == PONS_AFFINE ? bits : 0, .mode = mode);
}
static pons_array quantized_product(bool large, pons_dtype dtype, int64_t rows, bool no_transpose, int bits,
                                    pons_quantization mode) {
  pons_array p[3];
  const int64_t k = PICK(128, 1024), n = PICK(64, 512);
  codes(normal(PONS_SHAPE(no_transpose ? k : n, no_transpose ? n : k), dtype, 92), bits, mode, p);
  return pons_quantized_matmul(normal(PONS_SHAPE(rows, k), dtype, 93), p[0], p[1], p[2],
                               .no_transpose = no_transpose, .bits = mode == PONS_AFFINE ? bits : 0,
                               .mode = mode);
}
CHECK(quantized_4) { return quantized(large, dtype, 4, PONS_AFFINE); }
CHECK(quantized_8) { return quantized(large, dtype, 8, PONS_AFFINE); }
CHECK(quantized_6) { return quantized(large, dtype, 6, PONS_AFFINE); }
CHECK(quantized_mxfp4) { return quantized(large, dtype, 0, PONS_MXFP4); }
CHECK(quantized_mxfp8) { return quantized(large, dtype, 0, PONS_MXFP8); }
CHECK(quantized_nvfp4) { return quantized(large, dtype, 0, PONS_NVFP4); }
CHECK(dequantized_3) { return dequantized(large, dtype, 3, PONS_AFFINE); }
CHECK(dequantized_4) { return dequantized(large, dtype, 4, PONS_AFFINE); }
CHECK(dequantized_8) { return dequantized(large, dtype, 8, PONS_AFFINE); }
CHECK(dequantized_mxfp4) { return dequantized(large, dtype, 0, PONS_MXFP4); }
CHECK(dequantized_mxfp8) { return dequantized(large, dtype, 0, PONS_MXFP8); }
CHECK(dequantized_nvfp4) { return dequantized(large, dtype, 0, PONS_NVFP4); }
CHECK(codes_row_4) { return quantized_product(large, dtype, 1, false, 4, PONS_AFFINE); }
CHECK(codes_row_8) { return quantized_product(large, dtype, 1, false, 8, PONS_AFFINE); }
CHECK(codes_rows_5) { return quantized_product(large, dtype, 3, false, 5, PONS_AFFINE); }
CHECK(codes_rows_2) { return quantized_product(large, dtype, PICK(5, 8), false, 2, PONS_AFFINE); }
CHECK(codes_rows_4) { return quantized_product(large, dtype, PICK(7, 16), false, 4, PONS_AFFINE); }
CHECK(codes_rows_6) { return quantized_product(large, dtype, PICK(2, 4), false, 6, PONS_AFFINE); }
CHECK(codes_matrix_8) { return quantized_product(large, dtype, PICK(13, 100), false, 8, PONS_AFFINE); }
CHECK(codes_matrix_4) { return quantized_product(large, dtype, PICK(13, 100), false, 4, PONS_AFFINE); }
CHECK(codes_not_transposed_4) { return quantized_product(large, dtype, PICK(3, 33), true, 4, PONS_AFFINE); }
CHECK(codes_row_mxfp4) { return quantized_product(large, dtype, 1, false, 0, PONS_MXFP4); }
CHECK(codes_row_mxfp8) { return quantized_product(large, dtype, 1, false, 0, PONS_MXFP8); }
/* Where a library multiplies them, weights are rounded to halves first: of sums of some 16 the last digits go. */
CHECK(codes_matrix_halves) { return quantized_product(large, dtype, PICK(13, 100), false, 8, PONS_AFFINE); }
CHECK(codes_tiles_halves) { return quantized_product(large, dtype, PICK(29, 64), false, 4, PONS_AFFINE); }
CHECK(codes_not_transposed_halves) { return quantized_product(large, dtype, PICK(3, 33), true, 4, PONS_AFFINE); }
CHECK(codes_matrix_nvfp4) { return quantized_product(large, dtype, PICK(13, 100), false, 0, PONS_NVFP4); }
CHECK(chosen_codes) {
  pons_array p[3];
  codes(normal(PONS_SHAPE(17, PICK(32, 128), PICK(64, 256)), dtype, 94), 4, PONS_AFFINE, p);
  return pons_gather_qmm(normal(PONS_SHAPE(4, PICK(1, 5), PICK(64, 256)), dtype, 95), p[0], p[1], p[2],
                         NULL, small_integers(PONS_SHAPE(4), PONS_UINT32, 96), .bits = 4);
}

CHECK(chosen_codes_sorted) {
  pons_array p[3];
  const int64_t rows = PICK(70, 500), k = PICK(64, 256);
  codes(normal(PONS_SHAPE(6, PICK(32, 160), k), dtype, 94), 4, PONS_AFFINE, p);
  return pons_gather_qmm(normal(PONS_SHAPE(rows, 1, k), dtype, 95), p[0], p[1], p[2], NULL,
                         sorted_matrices(rows, 6, 96), .bits = 4, .sorted_indices = true);
}

const check quantized_checks[] = {
    EXACT(quantized_4, PONS_FLOAT32, HALVES),
    EXACT(quantized_8, PONS_FLOAT32, HALVES),
    EXACT(quantized_6, PONS_FLOAT32, HALVES),
    EXACT(quantized_mxfp4, PONS_FLOAT32, HALVES),
    EXACT(quantized_mxfp8, PONS_FLOAT32, HALVES),
    EXACT(quantized_nvfp4, PONS_FLOAT32, HALVES),
    CLOSE(dequantized_3, PONS_FLOAT32, HALVES),
    CLOSE(dequantized_4, PONS_FLOAT32, HALVES),
    CLOSE(dequantized_8, PONS_FLOAT32, HALVES),
    NEAR(dequantized_mxfp4, PONS_FLOAT32, HALVES),
    NEAR(dequantized_mxfp8, PONS_FLOAT32, HALVES),
    NEAR(dequantized_nvfp4, PONS_FLOAT32, HALVES),
    WITHIN(codes_row_4, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_row_8, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_rows_5, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_rows_2, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_rows_4, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_rows_6, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_matrix_8, PONS_FLOAT32, 0, 1e-4, 1e-3),
    WITHIN(codes_matrix_4, PONS_FLOAT32, 0, 1e-4, 1e-3),
    WITHIN(codes_not_transposed_4, PONS_FLOAT32, 0, 1e-4, 1e-3),
    WITHIN(codes_matrix_halves, PONS_BFLOAT16, IN(PONS_FLOAT16), 2e-2, 0.5),
    WITHIN(codes_tiles_halves, PONS_BFLOAT16, IN(PONS_FLOAT16), 2e-2, 0.5),
    WITHIN(codes_not_transposed_halves, PONS_BFLOAT16, IN(PONS_FLOAT16), 2e-2, 0.5),
    WITHIN(codes_row_mxfp4, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_row_mxfp8, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(codes_matrix_nvfp4, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(chosen_codes, PONS_FLOAT32, HALVES, 1e-4, 1e-3),
    WITHIN(chosen_codes_sorted, PONS_BFLOAT16, IN(PONS_FLOAT16), 2e-2, 0.1),
    NO_MORE,
};
