/* selftest_lines.c: checks of reductions, and what goes along lines: softmax, norms, scans, sorting, transforms. */
#include "selftest_checks.h"
#include <pons/nn.h>

CHECK(sum_of_all) { return pons_sum(normal(PONS_SHAPE(PICK(77, 3000), PICK(13, 501)), dtype, 11)); }
CHECK(sum_of_rows) {
  return pons_sum(normal(PONS_SHAPE(PICK(7, 300), PICK(131, 5000)), dtype, 12), .axes = PONS_AXES(1));
}
/* A residual sum that a norm makes, and others read too. */
static pons_array norm_of_residual(int64_t rows, int64_t n, pons_dtype dtype, bool centred) {
  const pons_array x = normal(PONS_SHAPE(rows, n), dtype, 112), row = normal(PONS_SHAPE(n), dtype, 113);
  const pons_array h = pons_add(x, normal(PONS_SHAPE(rows, n), dtype, 114));
  const pons_array y = centred ? pons_fast_layer_norm(h, row, row, 1e-5F) : pons_fast_rms_norm(h, row, 1e-5F);
  return pons_subtract(h, y);
}
CHECK(rms_norm_of_residual) { return norm_of_residual(PICK(5, 100), PICK(37, 4096), dtype, false); }
CHECK(layer_norm_of_residual) { return norm_of_residual(PICK(5, 100), PICK(136, 1024), dtype, true); }
/* What follows a sum is done by its launch, or, of a long one, by the last of its launches. */
CHECK(sum_then_mean) { return pons_mean(pons_square(normal(PONS_SHAPE(PICK(77, 3000), PICK(13, 501)), dtype, 108))); }
CHECK(sum_then_rsqrt) {
  const pons_array x = normal(PONS_SHAPE(PICK(7, 300), PICK(131, 5000)), dtype, 109), w = normal(PONS_SHAPE(1, PICK(7, 300)), dtype, 110);
  const pons_array root = pons_rsqrt(pons_add(pons_mean(pons_square(x), .axes = PONS_AXES(1)), pons_float(1)));
  return pons_subtract(root, pons_reshape(w, PONS_SHAPE(-1)));
}
CHECK(sum_then_log) {
  const pons_array x = normal(PONS_SHAPE(PICK(77, 4000), PICK(136, 304)), dtype, 111);
  return pons_log(pons_sum(pons_exp(x), .axes = PONS_AXES(0), .keepdims = true));
}
CHECK(sum_of_columns) {
  return pons_sum(normal(PONS_SHAPE(PICK(77, 4000), PICK(131, 300)), dtype, 13),
                  .axes = PONS_AXES(0));
}
CHECK(greatest_of_axes) {
  return pons_max(normal(PONS_SHAPE(PICK(5, 20), PICK(7, 300), 11, 13), dtype, 14),
                  .axes = PONS_AXES(0, 2));
}
CHECK(least_of_columns) {
  return pons_min(normal(PONS_SHAPE(PICK(77, 4000), PICK(131, 300)), dtype, 15), .axes = PONS_AXES(0));
}
CHECK(product_of_integers) {
  return pons_prod(small_integers(PONS_SHAPE(PICK(5, 500), 33), dtype, 15), .axes = PONS_AXES(1));
}
CHECK(any_of_rows) {
  return pons_any(pons_greater(normal(PONS_SHAPE(PICK(33, 3000), 40), dtype, 16), pons_float(2)),
                  .axes = PONS_AXES(1));
}
CHECK(all_of_rows) {
  return pons_all(pons_less(normal(PONS_SHAPE(PICK(33, 3000), 40), dtype, 16), pons_float(2)),
                  .axes = PONS_AXES(1));
}
CHECK(place_of_least) {
  return pons_argmin(normal(PONS_SHAPE(PICK(9, 90), PICK(37, 4000), 3), dtype, 17), 1, false);
}
CHECK(place_of_greatest) {
  return pons_argmax(normal(PONS_SHAPE(PICK(9, 90), PICK(37, 4000), 3), dtype, 17), 1, false);
}
CHECK(softmax_of_rows) {
  return pons_softmax(normal(PONS_SHAPE(PICK(9, 64), PICK(37, 5001)), dtype, 18));
}
CHECK(softmax_of_even_rows) { return pons_softmax(normal(PONS_SHAPE(PICK(9, 64), PICK(40, 4096)), dtype, 18)); }
CHECK(softmax_of_long_row) { return pons_softmax(normal(PONS_SHAPE(1, PICK(20001, 128256)), dtype, 18)); }
static pons_array losses(int64_t rows, int64_t n, pons_dtype dtype) {
  pons_array classes = small_integers(PONS_SHAPE(rows), PONS_UINT32, 111); /* fewer than 17 */
  return pons_fast_cross_entropy(normal(PONS_SHAPE(rows, n), dtype, 110), classes);
}
/* Rows that are made by what reads them: held, one by one, and in one pass. */
static pons_array masked(int64_t rows, int64_t n, pons_dtype dtype) {
  const pons_array mask = pons_greater(normal(PONS_SHAPE(n), dtype, 116), pons_float(-1));
  return pons_where(mask, pons_multiply(normal(PONS_SHAPE(rows, n), dtype, 115), pons_float(0.5)), pons_float(-(double)INFINITY));
}
CHECK(softmax_of_masked_rows) { return pons_softmax(masked(PICK(9, 64), PICK(37, 5001), dtype)); }
CHECK(softmax_of_masked_even_rows) { return pons_softmax(masked(PICK(9, 64), PICK(48, 4096), dtype)); }
CHECK(log_sum_exp_of_masked_rows) { return pons_logsumexp(masked(PICK(3, 64), PICK(2064, 128256), dtype), .axes = PONS_AXES(1)); }
CHECK(cross_entropy_of_made_rows) {
  const int64_t rows = PICK(3, 64), n = PICK(1037, 5001);
  const pons_array x = normal(PONS_SHAPE(rows, n), dtype, 117), bias = normal(PONS_SHAPE(n), dtype, 118);
  return pons_fast_cross_entropy(pons_add(x, bias), pons_remainder(pons_arange(0, rows, 1, PONS_INT32), pons_int(n)));
}
/* What follows rows is stored with them: 16 bytes at once, of further operands too, or one by one. */
static pons_array scaled_and_shifted(pons_array z) {
  const pons_dtype d = pons_dtype_of(z);
  const pons_shape shape = pons_shape_of(z);
  const pons_array scale = normal(PONS_SHAPE(shape.at[1]), d, 119), shift = normal(PONS_SHAPE(shape.at[0], shape.at[1]), d, 120);
  return pons_add(pons_multiply(z, pons_add(scale, pons_astype(pons_int(1), d))), shift);
}
CHECK(softmax_then_dropout) {
  const int64_t rows = PICK(9, 64), n = PICK(48, 4096);
  const pons_array mask = pons_greater(normal(PONS_SHAPE(rows, n), PONS_FLOAT32, 121), pons_float(0));
  return pons_where(mask, pons_multiply(pons_softmax(normal(PONS_SHAPE(rows, n), dtype, 122)), pons_float(2)), pons_float(0));
}
CHECK(softmax_then_log) { return pons_log(pons_softmax(normal(PONS_SHAPE(PICK(9, 64), PICK(37, 5001)), dtype, 123))); }
CHECK(rms_norm_then_scale) {
  const int64_t rows = PICK(5, 100), n = PICK(136, 4096);
  return scaled_and_shifted(pons_fast_rms_norm(normal(PONS_SHAPE(rows, n), dtype, 124), normal(PONS_SHAPE(n), dtype, 125), 1e-5F));
}
CHECK(layer_norm_of_residual_then_cast) {
  const int64_t rows = PICK(5, 100), n = PICK(128, 1024);
  const pons_array h = pons_add(normal(PONS_SHAPE(rows, n), dtype, 126), normal(PONS_SHAPE(rows, n), dtype, 127)), w = normal(PONS_SHAPE(n), dtype, 128);
  const pons_array y = pons_astype(pons_fast_layer_norm(h, w, w, 1e-5F), dtype == PONS_FLOAT32 ? PONS_BFLOAT16 : PONS_FLOAT32);
  return pons_concatenate((const pons_array[]){pons_astype(h, PONS_FLOAT32), pons_astype(y, PONS_FLOAT32)}, 2, 0);
}
CHECK(log_sum_exp_then_difference) {
  const int64_t rows = PICK(9, 64);
  return pons_subtract(pons_logsumexp(normal(PONS_SHAPE(rows, PICK(37, 5001)), dtype, 129), .axes = PONS_AXES(1)), normal(PONS_SHAPE(rows), dtype, 130));
}
CHECK(cross_entropy_of_rows) { return losses(PICK(9, 64), PICK(37, 5001), dtype); }
CHECK(cross_entropy_of_even_rows) { return losses(PICK(9, 64), PICK(40, 4096), dtype); }
CHECK(log_sum_exp_of_rows) {
  return pons_logsumexp(normal(PONS_SHAPE(PICK(9, 64), PICK(37, 5001)), dtype, 19),
                        .axes = PONS_AXES(-1));
}
CHECK(running_sum) {
  return pons_cumsum(normal(PONS_SHAPE(PICK(5, 20), PICK(301, 3001), 3), dtype, 20), .axis = 1);
}
CHECK(running_least_from_end) {
  return pons_cummin(small_integers(PONS_SHAPE(PICK(5, 200), PICK(30, 1000)), dtype, 21), .axis = -1,
                     .reverse = true, .exclusive = true);
}
/* Lines that are scanned in parts; along the first axis, from its end. */
CHECK(running_sum_of_long_lines) {
  return pons_cumsum(small_integers(PONS_SHAPE(PICK(20011, 200003), 3), dtype, 29), .axis = 0, .reverse = true, .exclusive = large);
}
CHECK(running_greatest_of_long_line) { return pons_cummax(normal(PONS_SHAPE(PICK(16385, 1000003)), dtype, 28)); }
/* Elements that are read and written 16 bytes at a time. */
CHECK(running_sum_of_even_lines) { return pons_cumsum(small_integers(PONS_SHAPE(3, PICK(1040, 400000)), dtype, 97), .axis = 1); }
CHECK(running_least_of_even_line_from_end) {
  return pons_cummin(normal(PONS_SHAPE(PICK(16400, 400000)), dtype, 97), .axis = 0, .reverse = true, .exclusive = true);
}
CHECK(sorted) { return pons_sort(normal(PONS_SHAPE(PICK(5, 20), PICK(37, 3001)), dtype, 22), -1); }
CHECK(sorted_places) {
  return pons_argsort(small_integers(PONS_SHAPE(PICK(37, 1500), 4), dtype, 23), 0);
}
/* Lines that are sorted by digits. */
CHECK(sorted_long) { return pons_sort(normal(PONS_SHAPE(PICK(2, 1), PICK(40001, 400000)), dtype, 98), -1); }
CHECK(sorted_long_places) { return pons_argsort(small_integers(PONS_SHAPE(PICK(70001, 300000), 2), dtype, 99), 0); }
CHECK(found_in_sorted) {
  pons_array all = normal(PONS_SHAPE(PICK(37, 3001)), dtype, 24);
  return pons_searchsorted(pons_sort(all, 0), normal(PONS_SHAPE(PICK(9, 900)), dtype, 25), true);
}
CHECK(rms_norm) {
  const int64_t n = PICK(37, 4096);
  return pons_fast_rms_norm(normal(PONS_SHAPE(PICK(5, 64), n), dtype, 26),
                            normal(PONS_SHAPE(n), dtype, 27), 1e-5f);
}
/* Rows that begin anywhere, and heads that lie between others. */
CHECK(rms_norm_of_parts) {
  const int64_t n = PICK(64, 4096);
  pons_array x = pons_slice(normal(PONS_SHAPE(PICK(5, 64), n + 3), dtype, 26), PONS_SHAPE(0, 3), PONS_SHAPE(PICK(5, 64), n + 3),
                            PONS_SHAPE(1, 1));
  return pons_fast_rms_norm(x, normal(PONS_SHAPE(n), dtype, 27), 1e-5f);
}
CHECK(rms_norm_of_heads) {
  pons_array x = pons_transpose(normal(PONS_SHAPE(2, PICK(3, 50), PICK(4, 32), 128), dtype, 26), .axes = PONS_AXES(0, 2, 1, 3));
  return pons_fast_rms_norm(x, normal(PONS_SHAPE(128), dtype, 27), 1e-5f);
}
CHECK(layer_norm) {
  const int64_t n = PICK(37, 4096);
  return pons_fast_layer_norm(normal(PONS_SHAPE(PICK(5, 64), n), dtype, 28),
                              normal(PONS_SHAPE(n), dtype, 29),
                              normal(PONS_SHAPE(n), dtype, 30), 1e-5f);
}
static void norm_at(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_out;
  out[0] = n_in == 3 ? pons_fast_layer_norm(in[0], in[1], in[2], 1e-5f) : pons_fast_rms_norm(in[0], in[1], 1e-5f);
}
static pons_array norm_gradients(int64_t rows, int64_t n, bool centred, pons_dtype dtype) {
  const pons_array in[] = {normal(PONS_SHAPE(rows, n), dtype, 26), normal(PONS_SHAPE(n), dtype, 27), normal(PONS_SHAPE(n), dtype, 28)};
  return gradients(norm_at, NULL, in, centred ? 3 : 2);
}
/* Rows for a few threads each, for all of a group, and read again for each sum. */
CHECK(rms_norm_gradients) { return norm_gradients(PICK(37, 1000), PICK(64, 768), false, dtype); }
CHECK(rms_norm_gradients_of_long_rows) { return norm_gradients(PICK(5, 100), PICK(1280, 4096), false, dtype); }
CHECK(layer_norm_gradients) { return norm_gradients(PICK(37, 1000), PICK(64, 768), true, dtype); }
CHECK(layer_norm_gradients_of_long_rows) { return norm_gradients(PICK(5, 100), PICK(1280, 4096), true, dtype); }
CHECK(layer_norm_gradients_of_odd_rows) { return norm_gradients(PICK(19, 60), PICK(37, 10001), true, dtype); }
CHECK(rotary) {
  return pons_fast_rope(normal(PONS_SHAPE(2, 3, PICK(5, 200), PICK(10, 128)), dtype, 31),
                        .dims = PICK(8, 128), .traditional = !large, .offset = pons_int(7));
}
CHECK(spectrum) { return pons_fft_fft(normal(PONS_SHAPE(PICK(3, 100), PICK(15, 512)), dtype, 32)); }
CHECK(half_spectrum) {
  return pons_fft_rfft(normal(PONS_SHAPE(PICK(3, 100), PICK(16, 1000)), dtype, 33));
}
CHECK(signal) {
  return pons_fft_irfft(pons_fft_rfft(normal(PONS_SHAPE(PICK(3, 100), PICK(16, 1024)), dtype, 34)));
}
/* What does not fit local memory, along memory and across it; lengths with large prime factors. */
CHECK(spectrum_of_long_lines) { return pons_fft_fft(normal(PONS_SHAPE(PICK(3, 2), PICK(1155, 1 << 17)), dtype, 36)); }
CHECK(spectrum_of_long_columns) {
  return pons_fft_ifft(normal(PONS_SHAPE(PICK(2310, 4096), PICK(3, 20)), dtype, 37), .axis = PONS_AXES(0));
}
CHECK(half_spectrum_of_long_lines) { return pons_fft_rfft(normal(PONS_SHAPE(PICK(3, 2), PICK(1155, 100000)), dtype, 38)); }
CHECK(long_signal) {
  pons_array x = normal(PONS_SHAPE(PICK(3, 2), PICK(578, 50001)), dtype, 39);
  return pons_fft_irfft(x, .n = PICK(1155, 100000));
}
CHECK(spectrum_of_prime_lines) { return pons_fft_fft(normal(PONS_SHAPE(PICK(3, 20), PICK(1031, 8209)), dtype, 33)); }
CHECK(half_spectrum_of_prime_lines) { return pons_fft_rfft(normal(PONS_SHAPE(PICK(3, 20), PICK(1031, 8209)), dtype, 34)); }
CHECK(signal_of_prime_lines) {
  pons_array x = normal(PONS_SHAPE(PICK(3, 20), PICK(516, 4105)), dtype, 35);
  return pons_fft_irfft(x, .n = PICK(1031, 8209));
}
CHECK(hadamard) {
  return pons_hadamard_transform(normal(PONS_SHAPE(PICK(5, 50), PICK(24, 2048)), dtype, 35));
}
CHECK(hadamard_of_long_lines) { return pons_hadamard_transform(normal(PONS_SHAPE(PICK(3, 1), PICK(20 * 512, 20 << 17)), dtype, 110)); }
CHECK(hadamard_of_strided_lines) {
  return pons_hadamard_transform(pons_swapaxes(normal(PONS_SHAPE(PICK(28 * 256, 12 << 13), PICK(3, 5)), dtype, 111), 0, 1));
}

const check lines_checks[] = {
    WITHIN(sum_of_all, PONS_FLOAT32, NUMBERS, 1e-4, 1e-2),
    ABOUT(sum_of_rows, PONS_FLOAT16, NUMBERS),
    ABOUT(rms_norm_of_residual, PONS_BFLOAT16, FLOATS),
    ABOUT(layer_norm_of_residual, PONS_FLOAT32, FLOATS),
    WITHIN(sum_then_mean, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    ABOUT(sum_then_rsqrt, PONS_FLOAT16, FLOATS),
    ABOUT(sum_then_log, PONS_FLOAT32, FLOATS),
    WITHIN(sum_of_columns, PONS_BFLOAT16, NUMBERS, 2e-2, 0.2),
    EXACT(greatest_of_axes, PONS_FLOAT32, REALS),
    EXACT(least_of_columns, PONS_FLOAT32, REALS),
    EXACT(product_of_integers, PONS_INT64, INTEGERS),
    EXACT(any_of_rows, PONS_FLOAT32, 0),
    EXACT(all_of_rows, PONS_FLOAT32, 0),
    EXACT(place_of_greatest, PONS_FLOAT32, REALS),
    EXACT(place_of_least, PONS_FLOAT32, REALS),
    CLOSE(softmax_of_rows, PONS_FLOAT32, FLOATS),
    CLOSE(softmax_of_even_rows, PONS_FLOAT32, FLOATS),
    CLOSE(softmax_of_long_row, PONS_FLOAT32, FLOATS),
    CLOSE(softmax_of_masked_rows, PONS_FLOAT32, FLOATS),
    CLOSE(softmax_of_masked_even_rows, PONS_FLOAT32, FLOATS),
    CLOSE(log_sum_exp_of_masked_rows, PONS_FLOAT32, FLOATS),
    CLOSE(cross_entropy_of_made_rows, PONS_FLOAT32, FLOATS),
    CLOSE(softmax_then_dropout, PONS_FLOAT32, FLOATS),
    WITHIN(softmax_then_log, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    ABOUT(rms_norm_then_scale, PONS_BFLOAT16, FLOATS),
    ABOUT(layer_norm_of_residual_then_cast, PONS_FLOAT32, FLOATS),
    NEAR(log_sum_exp_then_difference, PONS_FLOAT16, FLOATS),
    CLOSE(cross_entropy_of_rows, PONS_FLOAT32, FLOATS),
    CLOSE(cross_entropy_of_even_rows, PONS_FLOAT32, FLOATS),
    NEAR(log_sum_exp_of_rows, PONS_FLOAT16, FLOATS),
    WITHIN(running_sum, PONS_FLOAT32, NUMBERS, 1e-4, 1e-3),
    EXACT(running_least_from_end, PONS_INT8, REALS),
    EXACT(running_sum_of_long_lines, PONS_INT32, IN(PONS_INT8) | IN(PONS_UINT64) | IN(PONS_FLOAT64)),
    EXACT(running_greatest_of_long_line, PONS_FLOAT32, FLOATS),
    EXACT(running_sum_of_even_lines, PONS_FLOAT32, INTEGERS | IN(PONS_FLOAT64)),
    EXACT(running_least_of_even_line_from_end, PONS_FLOAT32, FLOATS | IN(PONS_INT8)),
    EXACT(sorted, PONS_FLOAT32, REALS),
    EXACT(sorted_places, PONS_UINT8, REALS),
    EXACT(sorted_long, PONS_FLOAT32, REALS),
    EXACT(sorted_long_places, PONS_FLOAT32, REALS),
    EXACT(found_in_sorted, PONS_FLOAT32, REALS),
    ABOUT(rms_norm, PONS_FLOAT16, FLOATS),
    ABOUT(rms_norm_of_parts, PONS_BFLOAT16, FLOATS),
    ABOUT(rms_norm_of_heads, PONS_BFLOAT16, FLOATS),
    WITHIN(rms_norm_gradients, PONS_FLOAT32, FLOATS, 1e-4, 1e-3),
    WITHIN(rms_norm_gradients_of_long_rows, PONS_FLOAT32, 0, 1e-4, 1e-3),
    WITHIN(layer_norm_gradients, PONS_FLOAT32, FLOATS, 1e-4, 1e-3),
    ABOUT(layer_norm_gradients_of_long_rows, PONS_BFLOAT16, 0),
    WITHIN(layer_norm_gradients_of_odd_rows, PONS_FLOAT32, FLOATS, 1e-4, 1e-3),
    CLOSE(layer_norm, PONS_FLOAT32, FLOATS),
    WITHIN(rotary, PONS_FLOAT32, HALVES, 2e-5, 2e-4), /* angles of 200, of which a unit in the last place is 1.5e-5 */
    WITHIN(spectrum, PONS_COMPLEX64, 0, 1e-4, 1e-3),
    WITHIN(half_spectrum, PONS_FLOAT32, 0, 1e-4, 1e-3),
    WITHIN(signal, PONS_FLOAT32, 0, 1e-4, 1e-4),
    WITHIN(spectrum_of_long_lines, PONS_COMPLEX64, 0, 1e-4, 5e-3),
    WITHIN(spectrum_of_long_columns, PONS_COMPLEX64, 0, 1e-4, 1e-4),
    WITHIN(half_spectrum_of_long_lines, PONS_FLOAT32, 0, 1e-4, 5e-3),
    WITHIN(long_signal, PONS_COMPLEX64, 0, 1e-4, 1e-4),
    WITHIN(spectrum_of_prime_lines, PONS_COMPLEX64, 0, 1e-4, 1e-3),
    WITHIN(half_spectrum_of_prime_lines, PONS_FLOAT32, 0, 1e-4, 1e-3),
    WITHIN(signal_of_prime_lines, PONS_COMPLEX64, 0, 1e-4, 1e-4),
    CLOSE(hadamard, PONS_FLOAT32, FLOATS),
    CLOSE(hadamard_of_long_lines, PONS_FLOAT32, FLOATS),
    CLOSE(hadamard_of_strided_lines, PONS_FLOAT32, FLOATS),
    NO_MORE,
};
