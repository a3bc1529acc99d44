/* selftest_checks.c: what `pons selftest` computes: at least one result of each kernel that devices have. */
#include "selftest.h"

/* ---- operands, made on the CPU ---- */

static pons_array ready(pons_array x) {
  pons_eval(x);
  return x;
}

static pons_array on_cpu(pons_array (*make)(pons_shape, pons_dtype, int), pons_shape shape, pons_dtype dtype,
                         int seed) {
  pons_stream before = pons_set_stream(pons_default_stream("cpu"));
  pons_array x = ready(make(shape, dtype, seed));
  pons_set_stream(before);
  return x;
}

static pons_array make_normal(pons_shape shape, pons_dtype dtype, int seed) {
  pons_array key = pons_random_key((uint64_t)seed);
  if (dtype == PONS_COMPLEX64) return pons_random_normal(shape, dtype, NULL, NULL, key);
  return pons_astype(pons_random_normal(shape, PONS_FLOAT32, NULL, NULL, key), dtype);
}
static pons_array normal(pons_shape shape, pons_dtype dtype, int seed) {
  return on_cpu(make_normal, shape, dtype, seed);
}

/* From 0 to below 17. */
static pons_array make_small(pons_shape shape, pons_dtype dtype, int seed) {
  pons_array x =
      pons_random_randint(pons_int(0), pons_int(17), shape, PONS_INT32, pons_random_key((uint64_t)seed));
  return pons_astype(x, dtype);
}
static pons_array small_integers(pons_shape shape, pons_dtype dtype, int seed) {
  return on_cpu(make_small, shape, dtype, seed);
}

#define PICK(odd, big) (large ? (big) : (odd))
#define CHECK(name) static pons_array name(bool large)

/* ---- elementwise, copies ---- */

CHECK(fused_chain) {
  pons_array a = normal(PONS_SHAPE(PICK(37, 1024), PICK(53, 1024)), PONS_FLOAT32, 1),
             b = normal(PONS_SHAPE(PICK(53, 1024)), PONS_FLOAT32, 2);
  return pons_tanh(pons_add(pons_multiply(pons_exp(a), pons_transpose(b)), pons_sin(a)));
}
CHECK(complex_chain) {
  pons_array a = normal(PONS_SHAPE(PICK(37, 300), PICK(53, 512)), PONS_COMPLEX64, 67),
             b = normal(PONS_SHAPE(PICK(53, 512)), PONS_COMPLEX64, 68);
  pons_array turned = pons_multiply(pons_exp(a), pons_conjugate(b)), flat = pons_tanh(pons_divide(a, b));
  pons_array angles = pons_add(pons_arcsin(a), pons_arctan(pons_sqrt(b)));
  return pons_where(pons_less(a, b), pons_add(turned, flat),
                    pons_multiply(angles, pons_log(pons_add(a, pons_sin(b)))));
}
CHECK(casts) {
  pons_array a = normal(PONS_SHAPE(PICK(1001, 1 << 20)), PONS_FLOAT16, 3);
  return pons_astype(pons_multiply(pons_astype(a, PONS_BFLOAT16), pons_scalar(3, PONS_BFLOAT16)), PONS_INT32);
}
CHECK(transposed_copy) {
  return pons_contiguous(
      pons_transpose(normal(PONS_SHAPE(PICK(3, 16), PICK(5, 64), PICK(7, 512)), PONS_FLOAT16, 4)));
}
CHECK(concatenated) {
  pons_array a = normal(PONS_SHAPE(PICK(3, 300), 5, 7), PONS_FLOAT32, 5),
             b = normal(PONS_SHAPE(PICK(3, 300), 2, 7), PONS_FLOAT32, 6);
  return pons_concatenate((pons_array[]){a, b, a}, 3, 1);
}
CHECK(padded) {
  return pons_pad(normal(PONS_SHAPE(PICK(5, 700), PICK(3, 301)), PONS_BFLOAT16, 7), PONS_SHAPE(1, 0),
                  PONS_SHAPE(2, 3));
}
CHECK(slice_added) {
  const int64_t n = PICK(9, 900);
  return pons_slice_update_add(normal(PONS_SHAPE(n, n), PONS_FLOAT32, 8),
                               normal(PONS_SHAPE(n - 4, 3), PONS_FLOAT32, 9), PONS_SHAPE(2, 1),
                               PONS_SHAPE(n - 2, 7), PONS_SHAPE(1, 2));
}
CHECK(counted) { return pons_arange(-7, PICK(30, 300000), 1, PONS_INT32); }
CHECK(random_words) { return pons_random_bits(PONS_SHAPE(PICK(3, 301), 1001), 4, pons_random_key(10)); }

/* ---- reductions and lines ---- */

CHECK(sum_of_all) { return pons_sum(normal(PONS_SHAPE(PICK(77, 3000), PICK(13, 501)), PONS_FLOAT32, 11)); }
CHECK(sum_of_rows) {
  return pons_sum(normal(PONS_SHAPE(PICK(7, 300), PICK(131, 5000)), PONS_FLOAT16, 12), .axes = PONS_AXES(1));
}
CHECK(sum_of_columns) {
  return pons_sum(normal(PONS_SHAPE(PICK(77, 4000), PICK(131, 300)), PONS_BFLOAT16, 13),
                  .axes = PONS_AXES(0));
}
CHECK(greatest_of_axes) {
  return pons_max(normal(PONS_SHAPE(PICK(5, 20), PICK(7, 300), 11, 13), PONS_FLOAT32, 14),
                  .axes = PONS_AXES(0, 2));
}
CHECK(product_of_integers) {
  return pons_prod(small_integers(PONS_SHAPE(PICK(5, 500), 33), PONS_INT64, 15), .axes = PONS_AXES(1));
}
CHECK(any_of_rows) {
  return pons_any(pons_greater(normal(PONS_SHAPE(PICK(33, 3000), 40), PONS_FLOAT32, 16), pons_float(2)),
                  .axes = PONS_AXES(1));
}
CHECK(place_of_greatest) {
  return pons_argmax(normal(PONS_SHAPE(PICK(9, 90), PICK(37, 4000), 3), PONS_FLOAT32, 17), 1, false);
}
CHECK(softmax_of_rows) {
  return pons_softmax(normal(PONS_SHAPE(PICK(9, 64), PICK(37, 5001)), PONS_FLOAT32, 18));
}
CHECK(log_sum_exp_of_rows) {
  return pons_logsumexp(normal(PONS_SHAPE(PICK(9, 64), PICK(37, 5001)), PONS_FLOAT16, 19),
                        .axes = PONS_AXES(-1));
}
CHECK(running_sum) {
  return pons_cumsum(normal(PONS_SHAPE(PICK(5, 20), PICK(301, 3001), 3), PONS_FLOAT32, 20), .axis = 1);
}
CHECK(running_least_from_end) {
  return pons_cummin(small_integers(PONS_SHAPE(PICK(5, 200), PICK(30, 1000)), PONS_INT8, 21), .axis = -1,
                     .reverse = true, .exclusive = true);
}
CHECK(sorted) { return pons_sort(normal(PONS_SHAPE(PICK(5, 20), PICK(37, 3001)), PONS_FLOAT32, 22), -1); }
CHECK(sorted_places) {
  return pons_argsort(small_integers(PONS_SHAPE(PICK(37, 1500), 4), PONS_UINT8, 23), 0);
}
CHECK(found_in_sorted) {
  pons_array all = normal(PONS_SHAPE(PICK(37, 3001)), PONS_FLOAT32, 24);
  return pons_searchsorted(pons_sort(all, 0), normal(PONS_SHAPE(PICK(9, 900)), PONS_FLOAT32, 25), true);
}
CHECK(rms_norm) {
  const int64_t n = PICK(37, 4096);
  return pons_fast_rms_norm(normal(PONS_SHAPE(PICK(5, 64), n), PONS_FLOAT16, 26),
                            normal(PONS_SHAPE(n), PONS_FLOAT16, 27), 1e-5f);
}
CHECK(layer_norm) {
  const int64_t n = PICK(37, 4096);
  return pons_fast_layer_norm(normal(PONS_SHAPE(PICK(5, 64), n), PONS_FLOAT32, 28),
                              normal(PONS_SHAPE(n), PONS_FLOAT32, 29),
                              normal(PONS_SHAPE(n), PONS_FLOAT32, 30), 1e-5f);
}
CHECK(rotary) {
  return pons_fast_rope(normal(PONS_SHAPE(2, 3, PICK(5, 200), PICK(10, 128)), PONS_FLOAT32, 31),
                        .dims = PICK(8, 128), .traditional = !large, .offset = pons_int(7));
}
CHECK(spectrum) { return pons_fft_fft(normal(PONS_SHAPE(PICK(3, 100), PICK(15, 512)), PONS_COMPLEX64, 32)); }
CHECK(half_spectrum) {
  return pons_fft_rfft(normal(PONS_SHAPE(PICK(3, 100), PICK(16, 1000)), PONS_FLOAT32, 33));
}
CHECK(signal) {
  return pons_fft_irfft(pons_fft_rfft(normal(PONS_SHAPE(PICK(3, 100), PICK(16, 1024)), PONS_FLOAT32, 34)));
}
CHECK(hadamard) {
  return pons_hadamard_transform(normal(PONS_SHAPE(PICK(5, 50), PICK(24, 2048)), PONS_FLOAT32, 35));
}

/* ---- products ---- */

static pons_array product(bool large, pons_dtype dtype) {
  return pons_matmul(normal(PONS_SHAPE(2, PICK(37, 200), PICK(29, 301)), dtype, 40),
                     normal(PONS_SHAPE(PICK(29, 301), PICK(41, 130)), dtype, 41));
}
CHECK(product_float32) { return product(large, PONS_FLOAT32); }
CHECK(product_float16) { return product(large, PONS_FLOAT16); }
CHECK(product_bfloat16) { return product(large, PONS_BFLOAT16); }
CHECK(product_complex) { return product(large, PONS_COMPLEX64); }
CHECK(product_of_transposed) {
  return pons_matmul(pons_transpose(normal(PONS_SHAPE(PICK(29, 301), PICK(37, 200)), PONS_FLOAT32, 42)),
                     pons_transpose(normal(PONS_SHAPE(PICK(41, 130), PICK(29, 301)), PONS_FLOAT32, 43)));
}
CHECK(row_times_matrix) {
  return pons_matmul(normal(PONS_SHAPE(1, PICK(77, 1000)), PONS_FLOAT32, 44),
                     normal(PONS_SHAPE(PICK(77, 1000), PICK(33, 999)), PONS_FLOAT32, 45));
}
CHECK(matrix_times_column) {
  return pons_matmul(normal(PONS_SHAPE(PICK(33, 999), PICK(77, 1000)), PONS_FLOAT16, 46),
                     normal(PONS_SHAPE(PICK(77, 1000), 1), PONS_FLOAT16, 47));
}
CHECK(product_and_sum) {
  return pons_addmm(normal(PONS_SHAPE(PICK(41, 130)), PONS_FLOAT32, 48),
                    normal(PONS_SHAPE(PICK(37, 200), PICK(29, 301)), PONS_FLOAT32, 49),
                    normal(PONS_SHAPE(PICK(29, 301), PICK(41, 130)), PONS_FLOAT32, 50), 0.5f, 2.0f);
}
CHECK(chosen_products) {
  return pons_gather_mm(normal(PONS_SHAPE(4, PICK(5, 50), PICK(17, 65)), PONS_FLOAT32, 51),
                        normal(PONS_SHAPE(17, PICK(17, 65), PICK(7, 70)), PONS_FLOAT32, 52), NULL,
                        small_integers(PONS_SHAPE(4), PONS_UINT32, 53));
}
CHECK(convolution) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 40), PICK(8, 33), PICK(6, 32)), PONS_FLOAT32, 54),
                     normal(PONS_SHAPE(PICK(4, 48), 3, 3, PICK(3, 16)), PONS_FLOAT32, 55),
                     .stride = PONS_AXES(2, 1), .padding = PONS_AXES(1), .groups = 2);
}
CHECK(convolution_spread) {
  return pons_conv_general(normal(PONS_SHAPE(2, PICK(9, 200), PICK(3, 32)), PONS_FLOAT16, 56),
                           normal(PONS_SHAPE(PICK(4, 48), 3, PICK(3, 32)), PONS_FLOAT16, 57),
                           .input_dilation = PONS_AXES(2), .dilation = PONS_AXES(2), .padding = PONS_AXES(3),
                           .flip = true);
}

static pons_array attention(bool large, int64_t queries, bool causal, pons_dtype mask) {
  const int64_t keys = PICK(37, 300), dim = PICK(20, 64);
  pons_array m = NULL;
  if (mask == PONS_BOOL)
    m = pons_greater(normal(PONS_SHAPE(queries, keys), PONS_FLOAT32, 63), pons_float(0));
  else if (mask == PONS_FLOAT32)
    m = normal(PONS_SHAPE(1, 4, queries, keys), PONS_FLOAT32, 64);
  return pons_fast_scaled_dot_product_attention(normal(PONS_SHAPE(2, 4, queries, dim), PONS_FLOAT32, 60),
                                                normal(PONS_SHAPE(2, 2, keys, dim), PONS_FLOAT32, 61),
                                                normal(PONS_SHAPE(2, 2, keys, dim + 4), PONS_FLOAT32, 62),
                                                .mask = m, .causal = causal);
}
CHECK(attention_of_one) { return attention(large, 1, false, PONS_INT8); }
CHECK(attention_causal) { return attention(large, PICK(19, 100), true, PONS_INT8); }
CHECK(attention_bool_mask) { return attention(large, PICK(19, 100), false, PONS_BOOL); }
CHECK(attention_added_mask) { return attention(large, PICK(19, 100), false, PONS_FLOAT32); }

/* ---- places ---- */

CHECK(taken_rows) {
  return pons_take(normal(PONS_SHAPE(17, PICK(5, 501)), PONS_FLOAT16, 70),
                   small_integers(PONS_SHAPE(PICK(9, 900)), PONS_INT32, 71), 0);
}
CHECK(taken_along) {
  return pons_take_along_axis(normal(PONS_SHAPE(PICK(5, 300), 17), PONS_FLOAT32, 72),
                              small_integers(PONS_SHAPE(PICK(5, 300), 40), PONS_UINT8, 73), 1);
}
CHECK(put_along) {
  return pons_put_along_axis(normal(PONS_SHAPE(PICK(5, 300), 17), PONS_FLOAT32, 74),
                             small_integers(PONS_SHAPE(PICK(5, 300), 40), PONS_INT64, 75),
                             normal(PONS_SHAPE(PICK(5, 300), 40), PONS_FLOAT32, 76), 1);
}
CHECK(added_along) {
  return pons_scatter_add_axis(small_integers(PONS_SHAPE(17, PICK(5, 300)), PONS_INT16, 77),
                               small_integers(PONS_SHAPE(50, PICK(5, 300)), PONS_INT32, 78),
                               small_integers(PONS_SHAPE(50, PICK(5, 300)), PONS_INT16, 79), 0);
}
static pons_array scattered(bool large, pons_dtype dtype, pons_scatter_mode mode) {
  const int64_t n = PICK(40, 2000), width = PICK(3, 33);
  pons_array at = small_integers(PONS_SHAPE(n), PONS_INT32, 80);
  return pons_scatter(small_integers(PONS_SHAPE(17, width), dtype, 81), &at,
                      small_integers(PONS_SHAPE(n, 1, width), dtype, 82), PONS_AXES(0), mode);
}
CHECK(scattered_last) { return scattered(large, PONS_FLOAT32, PONS_SCATTER_NONE); }
CHECK(scattered_sum) { return scattered(large, PONS_FLOAT32, PONS_SCATTER_SUM); }
CHECK(scattered_sum_narrow) { return scattered(large, PONS_UINT8, PONS_SCATTER_SUM); }
CHECK(scattered_sum_wide) { return scattered(large, PONS_INT64, PONS_SCATTER_SUM); }
CHECK(scattered_product) { return scattered(large, PONS_INT32, PONS_SCATTER_PROD); }
CHECK(scattered_greatest) { return scattered(large, PONS_FLOAT16, PONS_SCATTER_MAX); }
CHECK(scattered_least) { return scattered(large, PONS_BFLOAT16, PONS_SCATTER_MIN); }

/* ---- quantized ---- */

/* Codes, scales and biases, made on the CPU. */
static void codes(pons_array w, int bits, pons_quantization mode, pons_array out[3]) {
  pons_stream before = pons_set_stream(pons_default_stream("cpu"));
  pons_quantize(out, w, .bits = mode == PONS_AFFINE ? bits : 0, .mode = mode);
  for (int i = 0; i < 3; i++)
    if (out[i]) pons_eval(out[i]);
  pons_set_stream(before);
}

static pons_array quantized(bool large, int bits, pons_quantization mode) {
  pons_array parts[3];
  pons_quantize(parts, normal(PONS_SHAPE(PICK(5, 200), PICK(128, 1024)), PONS_FLOAT32, 90),
                .bits = mode == PONS_AFFINE ? bits : 0, .mode = mode);
  return parts[0];
}
static pons_array dequantized(bool large, int bits, pons_quantization mode) {
  pons_array p[3];
  codes(normal(PONS_SHAPE(PICK(5, 200), PICK(128, 1024)), PONS_FLOAT32, 91), bits, mode, p);
  return pons_dequantize(p[0], p[1], p[2], .bits = mode == PONS_AFFINE ? bits : 0, .mode = mode);
}
static pons_array quantized_product(bool large, int64_t rows, bool no_transpose, int bits,
                                    pons_quantization mode) {
  pons_array p[3];
  const int64_t k = PICK(128, 1024), n = PICK(64, 512);
  codes(normal(PONS_SHAPE(no_transpose ? k : n, no_transpose ? n : k), PONS_FLOAT32, 92), bits, mode, p);
  return pons_quantized_matmul(normal(PONS_SHAPE(rows, k), PONS_FLOAT32, 93), p[0], p[1], p[2],
                               .no_transpose = no_transpose, .bits = mode == PONS_AFFINE ? bits : 0,
                               .mode = mode);
}
CHECK(quantized_4) { return quantized(large, 4, PONS_AFFINE); }
CHECK(quantized_6) { return quantized(large, 6, PONS_AFFINE); }
CHECK(quantized_mxfp4) { return quantized(large, 0, PONS_MXFP4); }
CHECK(quantized_mxfp8) { return quantized(large, 0, PONS_MXFP8); }
CHECK(quantized_nvfp4) { return quantized(large, 0, PONS_NVFP4); }
CHECK(dequantized_3) { return dequantized(large, 3, PONS_AFFINE); }
CHECK(dequantized_8) { return dequantized(large, 8, PONS_AFFINE); }
CHECK(dequantized_mxfp4) { return dequantized(large, 0, PONS_MXFP4); }
CHECK(dequantized_mxfp8) { return dequantized(large, 0, PONS_MXFP8); }
CHECK(dequantized_nvfp4) { return dequantized(large, 0, PONS_NVFP4); }
CHECK(codes_row_4) { return quantized_product(large, 1, false, 4, PONS_AFFINE); }
CHECK(codes_rows_5) { return quantized_product(large, 3, false, 5, PONS_AFFINE); }
CHECK(codes_matrix_8) { return quantized_product(large, PICK(13, 100), false, 8, PONS_AFFINE); }
CHECK(codes_not_transposed_4) { return quantized_product(large, PICK(3, 33), true, 4, PONS_AFFINE); }
CHECK(codes_row_mxfp4) { return quantized_product(large, 1, false, 0, PONS_MXFP4); }
CHECK(codes_row_mxfp8) { return quantized_product(large, 1, false, 0, PONS_MXFP8); }
CHECK(codes_matrix_nvfp4) { return quantized_product(large, PICK(13, 100), false, 0, PONS_NVFP4); }
CHECK(chosen_codes) {
  pons_array p[3];
  codes(normal(PONS_SHAPE(17, PICK(32, 128), PICK(64, 256)), PONS_FLOAT32, 94), 4, PONS_AFFINE, p);
  return pons_gather_qmm(normal(PONS_SHAPE(4, PICK(1, 5), PICK(64, 256)), PONS_FLOAT32, 95), p[0], p[1], p[2],
                         NULL, small_integers(PONS_SHAPE(4), PONS_UINT32, 96), .bits = 4);
}

#define EXACT(name) \
  { #name, name, 0, 0 }
#define CLOSE(name) \
  { #name, name, 2e-5, 2e-5 }
#define NEAR(name) \
  { #name, name, 2e-3, 2e-3 } /* of float16 */
#define ABOUT(name) \
  { #name, name, 2e-2, 2e-2 } /* of bfloat16, or of long sums in float16 */
const check checks[] = {
    CLOSE(fused_chain),
    {"complex_chain", complex_chain, 1e-3, 1e-3}, /* tanh beside its poles */
    EXACT(casts),
    EXACT(transposed_copy),
    EXACT(concatenated),
    EXACT(padded),
    EXACT(slice_added),
    EXACT(counted),
    EXACT(random_words),
    {"sum_of_all", sum_of_all, 1e-4, 1e-2},
    ABOUT(sum_of_rows),
    {"sum_of_columns", sum_of_columns, 2e-2, 0.2},
    EXACT(greatest_of_axes),
    EXACT(product_of_integers),
    EXACT(any_of_rows),
    EXACT(place_of_greatest),
    CLOSE(softmax_of_rows),
    NEAR(log_sum_exp_of_rows),
    {"running_sum", running_sum, 1e-4, 1e-3},
    EXACT(running_least_from_end),
    EXACT(sorted),
    EXACT(sorted_places),
    EXACT(found_in_sorted),
    ABOUT(rms_norm),
    CLOSE(layer_norm),
    CLOSE(rotary),
    {"spectrum", spectrum, 1e-4, 1e-3},
    {"half_spectrum", half_spectrum, 1e-4, 1e-3},
    {"signal", signal, 1e-4, 1e-4},
    CLOSE(hadamard),
    {"product_float32", product_float32, 1e-4, 1e-4},
    ABOUT(product_float16),
    {"product_bfloat16", product_bfloat16, 2e-2, 0.2},
    {"product_complex", product_complex, 1e-4, 1e-4},
    {"product_of_transposed", product_of_transposed, 1e-4, 1e-4},
    {"row_times_matrix", row_times_matrix, 1e-4, 1e-4},
    ABOUT(matrix_times_column),
    {"product_and_sum", product_and_sum, 1e-4, 1e-4},
    CLOSE(chosen_products),
    {"convolution", convolution, 1e-4, 1e-4},
    ABOUT(convolution_spread),
    CLOSE(attention_of_one),
    CLOSE(attention_causal),
    CLOSE(attention_bool_mask),
    CLOSE(attention_added_mask),
    EXACT(taken_rows),
    EXACT(taken_along),
    EXACT(put_along),
    EXACT(added_along),
    EXACT(scattered_last),
    EXACT(scattered_sum),
    EXACT(scattered_sum_narrow),
    EXACT(scattered_sum_wide),
    EXACT(scattered_product),
    EXACT(scattered_greatest),
    EXACT(scattered_least),
    EXACT(quantized_4),
    EXACT(quantized_6),
    EXACT(quantized_mxfp4),
    EXACT(quantized_mxfp8),
    EXACT(quantized_nvfp4),
    CLOSE(dequantized_3),
    CLOSE(dequantized_8),
    NEAR(dequantized_mxfp4),
    NEAR(dequantized_mxfp8),
    NEAR(dequantized_nvfp4),
    {"codes_row_4", codes_row_4, 1e-4, 1e-3},
    {"codes_rows_5", codes_rows_5, 1e-4, 1e-3},
    {"codes_matrix_8", codes_matrix_8, 1e-4, 1e-3},
    {"codes_not_transposed_4", codes_not_transposed_4, 1e-4, 1e-3},
    {"codes_row_mxfp4", codes_row_mxfp4, 1e-4, 1e-3},
    {"codes_row_mxfp8", codes_row_mxfp8, 1e-4, 1e-3},
    {"codes_matrix_nvfp4", codes_matrix_nvfp4, 1e-4, 1e-3},
    {"chosen_codes", chosen_codes, 1e-4, 1e-3},
};
const int n_checks = sizeof checks / sizeof *checks;
