/* selftest_checks.c: what `pons selftest` computes: at least one result of each kernel that devices have. */
#include "selftest.h"
#include <pons/nn.h>
#include <string.h>

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
#define CHECK(name) static pons_array name(bool large, pons_dtype dtype)

/* ---- elementwise, copies ---- */

CHECK(fused_chain) {
  pons_array a = normal(PONS_SHAPE(PICK(37, 1024), PICK(53, 1024)), dtype, 1),
             b = normal(PONS_SHAPE(PICK(53, 1024)), dtype, 2);
  return pons_tanh(pons_add(pons_multiply(pons_exp(a), pons_transpose(b)), pons_sin(a)));
}
CHECK(complex_chain) {
  pons_array a = normal(PONS_SHAPE(PICK(37, 300), PICK(53, 512)), dtype, 67),
             b = normal(PONS_SHAPE(PICK(53, 512)), dtype, 68);
  pons_array turned = pons_multiply(pons_exp(a), pons_conjugate(b)), flat = pons_tanh(pons_divide(a, b));
  pons_array angles = pons_add(pons_arcsin(a), pons_arctan(pons_sqrt(b)));
  return pons_where(pons_less(a, b), pons_add(turned, flat),
                    pons_multiply(angles, pons_log(pons_add(a, pons_sin(b)))));
}
CHECK(fused_operands) {
  pons_array all = normal(PONS_SHAPE(PICK(37, 1024), 1), dtype, 2);
  for (int i = 0; i < 9; i++) all = pons_add(all, pons_sin(normal(PONS_SHAPE(PICK(53, 1024)), dtype, 200 + i)));
  return all;
}
CHECK(casts) {
  pons_array a = normal(PONS_SHAPE(PICK(1001, 1 << 20)), dtype, 3);
  return pons_astype(pons_multiply(pons_astype(a, PONS_BFLOAT16), pons_scalar(3, PONS_BFLOAT16)), PONS_INT32);
}
CHECK(transposed_copy) {
  return pons_contiguous(
      pons_transpose(normal(PONS_SHAPE(PICK(3, 16), PICK(5, 64), PICK(7, 512)), dtype, 4)));
}
CHECK(concatenated) {
  pons_array a = normal(PONS_SHAPE(PICK(3, 300), 5, 7), dtype, 5),
             b = normal(PONS_SHAPE(PICK(3, 300), 2, 7), dtype, 6);
  return pons_concatenate((pons_array[]){a, b, a}, 3, 1);
}
CHECK(padded) {
  return pons_pad(normal(PONS_SHAPE(PICK(5, 700), PICK(3, 301)), dtype, 7), PONS_SHAPE(1, 0),
                  PONS_SHAPE(2, 3));
}
CHECK(slice_added) {
  const int64_t n = PICK(9, 900);
  return pons_slice_update_add(normal(PONS_SHAPE(n, n), dtype, 8),
                               normal(PONS_SHAPE(n - 4, 3), dtype, 9), PONS_SHAPE(2, 1),
                               PONS_SHAPE(n - 2, 7), PONS_SHAPE(1, 2));
}
/* From where an array says: lines that begin so that several elements move at once, and others. */
CHECK(slice_from_array) {
  const int64_t n = PICK(19, 900);
  return pons_slice_dynamic(normal(PONS_SHAPE(3, n, 40), dtype, 100), small_integers(PONS_SHAPE(1), PONS_INT32, 101), PONS_AXES(1),
                            PONS_SHAPE(2, n - 17, 32));
}
CHECK(slice_from_arrays) {
  pons_array at = pons_remainder(small_integers(PONS_SHAPE(2), PONS_UINT8, 102), pons_scalar(3, PONS_UINT8));
  return pons_slice_dynamic(pons_swapaxes(normal(PONS_SHAPE(5, PICK(7, 700), 11), dtype, 103), 0, 1), at, PONS_AXES(2, 0),
                            PONS_SHAPE(PICK(5, 698), 4, 9));
}
CHECK(slice_put_at_array) {
  const int64_t n = PICK(18, 900);
  return pons_slice_update_dynamic(normal(PONS_SHAPE(3, n, 40), dtype, 104), normal(PONS_SHAPE(3, 2, 40), dtype, 105),
                                   small_integers(PONS_SHAPE(1), PONS_INT64, 106), PONS_AXES(1));
}
CHECK(slice_put_at_arrays) {
  pons_array at = pons_remainder(small_integers(PONS_SHAPE(2), PONS_INT32, 107), pons_int(3));
  return pons_slice_update_dynamic(normal(PONS_SHAPE(PICK(7, 300), 5, 64), dtype, 108), normal(PONS_SHAPE(PICK(5, 298), 3, 61), dtype, 109), at,
                                   PONS_AXES(0, 2));
}
CHECK(counted) { return pons_arange(-7, PICK(30, 300000), 1, dtype); }
CHECK(random_words) {
  return pons_random_bits(PONS_SHAPE(PICK(3, 301), 1001), (int)pons_dtype_size(dtype), pons_random_key(10));
}

/* ---- reductions and lines ---- */

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
/* The gradients of a function's operands, flat and one behind the other, from a cotangent that is the same each time. */
static pons_array gradients(void (*function)(void *, const pons_array *, int, pons_array *, int), void *payload,
                            const pons_array *at, int n) {
  pons_function f = pons_function_new(function, 1, payload, NULL);
  pons_array y, all[3];
  function(payload, at, n, &y, 1);
  pons_array cotangent = normal(pons_shape_of(y), pons_dtype_of(y), 78);
  pons_vjp(f, at, n, &cotangent, 1, &y, all);
  pons_function_release(f);
  for (int i = 0; i < n; i++) all[i] = pons_flatten(all[i], 0, -1);
  return pons_concatenate(all, n, 0);
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

/* ---- products ---- */

static pons_array product(bool large, pons_dtype dtype) {
  return pons_matmul(normal(PONS_SHAPE(2, PICK(37, 200), PICK(29, 301)), dtype, 40),
                     normal(PONS_SHAPE(PICK(29, 301), PICK(41, 130)), dtype, 41));
}
CHECK(product_float32) { return product(large, dtype); }
CHECK(product_float16) { return product(large, dtype); }
CHECK(product_bfloat16) { return product(large, dtype); }
CHECK(product_complex) { return product(large, dtype); }
CHECK(product_of_transposed) {
  return pons_matmul(pons_transpose(normal(PONS_SHAPE(PICK(29, 301), PICK(37, 200)), dtype, 42)),
                     pons_transpose(normal(PONS_SHAPE(PICK(41, 130), PICK(29, 301)), dtype, 43)));
}
CHECK(row_times_matrix) {
  return pons_matmul(normal(PONS_SHAPE(1, PICK(77, 1000)), dtype, 44),
                     normal(PONS_SHAPE(PICK(77, 1000), PICK(33, 999)), dtype, 45));
}
CHECK(matrix_times_column) {
  return pons_matmul(normal(PONS_SHAPE(PICK(33, 999), PICK(77, 1000)), dtype, 46),
                     normal(PONS_SHAPE(PICK(77, 1000), 1), dtype, 47));
}
CHECK(product_and_sum) {
  return pons_addmm(normal(PONS_SHAPE(PICK(41, 130)), dtype, 48),
                    normal(PONS_SHAPE(PICK(37, 200), PICK(29, 301)), dtype, 49),
                    normal(PONS_SHAPE(PICK(29, 301), PICK(41, 130)), dtype, 50), 0.5f, 2.0f);
}
/* Products of what codes stand for, so that devices may multiply the codes: x w^T, and x w with a batch. Sizes are multiples of 16. */
static pons_array make_bytes(pons_shape shape, pons_dtype dtype, int seed) {
  return pons_random_randint(pons_int(-128), pons_int(128), shape, dtype, pons_random_key((uint64_t)seed));
}
static pons_array make_fp8(pons_shape shape, pons_dtype dtype, int seed) {
  (void)dtype;
  return pons_to_fp8(make_normal(shape, PONS_FLOAT32, seed));
}
CHECK(product_of_int8) {
  pons_array x = on_cpu(make_bytes, PONS_SHAPE(PICK(5, 200), PICK(48, 512)), PONS_INT8, 51),
             w = on_cpu(make_bytes, PONS_SHAPE(PICK(20, 256), PICK(48, 512)), PONS_INT8, 52);
  return pons_matmul(pons_astype(x, dtype), pons_transpose(pons_astype(w, dtype)));
}
CHECK(products_of_int8) {
  pons_array x = on_cpu(make_bytes, PONS_SHAPE(3, PICK(5, 64), PICK(48, 512)), PONS_INT8, 53),
             w = on_cpu(make_bytes, PONS_SHAPE(3, PICK(48, 512), PICK(20, 256)), PONS_INT8, 54);
  return pons_matmul(pons_astype(x, dtype), pons_astype(w, dtype));
}
CHECK(product_of_fp8) {
  pons_array x = on_cpu(make_fp8, PONS_SHAPE(PICK(5, 200), PICK(48, 512)), dtype, 55),
             w = on_cpu(make_fp8, PONS_SHAPE(PICK(32, 256), PICK(48, 512)), dtype, 56);
  return pons_matmul(pons_from_fp8(x, dtype), pons_transpose(pons_from_fp8(w, dtype)));
}
CHECK(products_of_fp8) {
  pons_array x = on_cpu(make_fp8, PONS_SHAPE(3, PICK(5, 64), PICK(48, 512)), dtype, 57),
             w = on_cpu(make_fp8, PONS_SHAPE(3, PICK(48, 512), PICK(32, 256)), dtype, 58);
  return pons_matmul(pons_from_fp8(x, dtype), pons_from_fp8(w, dtype));
}
/* Layers whose activation a library may do: with a bias, with none and a sum in its place, in few rows. */
static pons_array layer_of(bool large, pons_dtype dtype) {
  pons_array x = normal(PONS_SHAPE(2, PICK(37, 200), PICK(29, 320)), dtype, 240),
             w = normal(PONS_SHAPE(PICK(41, 256), PICK(29, 320)), dtype, 241);
  return pons_addmm(normal(PONS_SHAPE(PICK(41, 256)), dtype, 242), x, pons_transpose(w), 0.25f, 1);
}
CHECK(layer_relu) { return pons_relu(layer_of(large, dtype)); }
CHECK(layer_gelu) { return pons_gelu_approx(layer_of(large, dtype)); }
CHECK(layer_relu_of_sum) {
  pons_array x = normal(PONS_SHAPE(3, PICK(37, 128), PICK(29, 320)), dtype, 243),
             w = normal(PONS_SHAPE(3, PICK(29, 320), PICK(41, 256)), dtype, 244),
             more = normal(PONS_SHAPE(3, PICK(37, 128), PICK(41, 256)), dtype, 245);
  return pons_relu(pons_add(pons_matmul(x, w), more));
}
CHECK(layer_relu_of_sum_with_row) {
  pons_array x = normal(PONS_SHAPE(PICK(37, 200), PICK(29, 320)), dtype, 251), w = normal(PONS_SHAPE(PICK(29, 320), PICK(41, 256)), dtype, 252);
  return pons_relu(pons_add(pons_matmul(x, w), normal(PONS_SHAPE(PICK(41, 256)), dtype, 253)));
}
CHECK(layer_gelu_of_row) {
  pons_array x = normal(PONS_SHAPE(1, PICK(77, 1024)), dtype, 246), w = normal(PONS_SHAPE(PICK(33, 512), PICK(77, 1024)), dtype, 247);
  return pons_gelu_approx(pons_matmul(x, pons_transpose(w)));
}
static void layer_at(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_relu(pons_addmm(in[2], in[0], pons_transpose(in[1]), 1, 1));
}
CHECK(layer_gradients) {
  const int64_t rows = PICK(37, 200), k = PICK(29, 320), columns = PICK(41, 256);
  return gradients(layer_at, NULL, (pons_array[]){normal(PONS_SHAPE(2, rows, k), dtype, 248), normal(PONS_SHAPE(columns, k), dtype, 249),
                                                  normal(PONS_SHAPE(columns), dtype, 250)}, 3);
}
/* Triangles far from singular, and t x for an x that is known: it is what is expected, so that the CPU needs no LAPACK for it. */
static pons_array make_lower(pons_shape shape, pons_dtype dtype, int seed) {
  const int n = (int)shape.at[shape.count - 1];
  pons_array few = pons_multiply(make_normal(shape, dtype, seed), pons_float(0.1));
  return pons_add(pons_tril(few, 0), pons_multiply(pons_eye(n, n, 0, dtype), pons_float(2)));
}
static pons_array solved(bool large, pons_dtype dtype, bool upper, int64_t columns) {
  const int64_t n = PICK(37, 601), batch = PICK(3, 1);
  pons_array t = on_cpu(make_lower, PONS_SHAPE(batch, n, n), dtype, 71), x = normal(PONS_SHAPE(batch, n, columns), dtype, 72);
  if (strcmp(pons_default_device(), "cpu") == 0) return x;
  pons_stream before = pons_set_stream(pons_default_stream("cpu"));
  if (upper) t = pons_swapaxes(t, -1, -2);
  pons_array b = ready(pons_matmul(t, x));
  pons_set_stream(before);
  return pons_linalg_solve_triangular(t, b, upper);
}
CHECK(solved_lower) { return solved(large, dtype, false, PICK(5, 70)); }
CHECK(solved_upper) { return solved(large, dtype, true, PICK(1, 33)); }
CHECK(chosen_products) {
  return pons_gather_mm(normal(PONS_SHAPE(4, PICK(5, 50), PICK(17, 65)), dtype, 51),
                        normal(PONS_SHAPE(17, PICK(17, 65), PICK(7, 70)), dtype, 52), NULL,
                        small_integers(PONS_SHAPE(4), PONS_UINT32, 53));
}
/* Rows in the order of their matrices, as those of experts are: several matrices in a tile of rows, rows beyond the last. */
static pons_array sorted_matrices(int64_t rows, int64_t matrices, int seed) {
  pons_array chosen = small_integers(PONS_SHAPE(rows), PONS_UINT32, seed);
  return pons_sort(pons_remainder(chosen, pons_astype(pons_int(matrices), PONS_UINT32)), 0);
}
CHECK(chosen_products_sorted) {
  const int64_t rows = PICK(70, 500), k = PICK(24, 136);
  pons_array w = normal(PONS_SHAPE(6, PICK(18, 200), k), dtype, 58);
  return pons_gather_mm(normal(PONS_SHAPE(rows, 1, k), dtype, 57), pons_swapaxes(w, -1, -2), NULL,
                        sorted_matrices(rows, 6, 59), .sorted_indices = true);
}
CHECK(convolution) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 40), PICK(8, 33), PICK(6, 32)), dtype, 54),
                     normal(PONS_SHAPE(PICK(4, 48), 3, 3, PICK(3, 16)), dtype, 55),
                     .stride = PONS_AXES(2, 1), .padding = PONS_AXES(1), .groups = 2);
}
CHECK(convolution_spread) {
  return pons_conv_general(normal(PONS_SHAPE(2, PICK(9, 200), PICK(3, 32)), dtype, 56),
                           normal(PONS_SHAPE(PICK(4, 48), 3, PICK(3, 32)), dtype, 57),
                           .input_dilation = PONS_AXES(2), .dilation = PONS_AXES(2), .padding = PONS_AXES(3),
                           .flip = true);
}
/* Large enough to be products of a library, each in its own way: rows that are cut into several pieces of memory, single taps, channels
   that come one by one, sums that are long. */
CHECK(convolution_of_images) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 120), PICK(8, 101), PICK(16, 64)), dtype, 70),
                     normal(PONS_SHAPE(PICK(20, 16), 5, 5, PICK(16, 64)), dtype, 71), .stride = PONS_AXES(PICK(2, 1), 1),
                     .padding = PONS_AXES(2, 3), .dilation = PONS_AXES(1, 2));
}
CHECK(convolution_of_three_colours) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(37, 113), PICK(41, 97), 3), dtype, 72), normal(PONS_SHAPE(PICK(16, 64), 7, 7, 3), dtype, 73),
                     .stride = PONS_AXES(2), .padding = PONS_AXES(3));
}
CHECK(convolution_of_pixels) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 56), PICK(8, 55), PICK(32, 64)), dtype, 74),
                     normal(PONS_SHAPE(PICK(32, 96), 1, 1, PICK(16, 32)), dtype, 75), .groups = 2);
}
CHECK(convolution_of_volumes) {
  return pons_conv3d(normal(PONS_SHAPE(1, PICK(5, 20), PICK(7, 19), PICK(6, 21), 32), dtype, 76),
                     normal(PONS_SHAPE(PICK(32, 64), 3, 2, 3, 16), dtype, 77), .stride = PONS_AXES(1, 2, 1), .padding = PONS_AXES(1, 0, 2),
                     .groups = 2, .flip = true);
}
/* Few channels in a group: one, colours. */
CHECK(convolution_depthwise) {
  const int64_t channels = PICK(12, 64);
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 60), PICK(8, 57), channels), dtype, 88), normal(PONS_SHAPE(channels, 3, 3, 1), dtype, 89),
                     .stride = PONS_AXES(PICK(2, 1), 1), .padding = PONS_AXES(1), .groups = (int)channels);
}
CHECK(convolution_to_three_colours) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 60), PICK(8, 57), PICK(20, 64)), dtype, 90),
                     normal(PONS_SHAPE(3, 3, 3, PICK(20, 64)), dtype, 91), .padding = PONS_AXES(1));
}
CHECK(convolution_transposed) {
  return pons_conv_transpose2d(normal(PONS_SHAPE(2, PICK(9, 40), PICK(8, 37), PICK(12, 32)), dtype, 92),
                               normal(PONS_SHAPE(PICK(20, 48), 4, 4, PICK(12, 32)), dtype, 93), .stride = PONS_AXES(2),
                               .padding = PONS_AXES(1));
}

/* The gradient of the sum of a convolution's results, weighted. */
typedef struct convolution_call {
  pons_array x, w;
  bool of_weight;
  int64_t stride, dilation;
  int groups;
} convolution_call;
static void convolution_at(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const convolution_call *c = payload;
  (void)n_in, (void)n_out;
  out[0] = pons_conv2d(c->of_weight ? c->x : in[0], c->of_weight ? in[0] : c->w, .stride = PONS_AXES(c->stride), .padding = PONS_AXES(1),
                       .dilation = PONS_AXES(c->dilation), .groups = c->groups);
}
static pons_array convolution_gradient(convolution_call c) {
  pons_function f = pons_function_new(convolution_at, 1, &c, NULL);
  pons_array at = c.of_weight ? c.w : c.x, y, gradient = NULL;
  convolution_at(&c, &at, 1, &y, 1);
  pons_array cotangent = normal(pons_shape_of(y), pons_dtype_of(y), 78);
  pons_vjp(f, &at, 1, &cotangent, 1, &y, &gradient);
  pons_function_release(f);
  return gradient;
}
static pons_array image_gradient(bool large, pons_dtype dtype, bool of_weight, int64_t stride, int groups, int64_t taps) {
  return convolution_gradient(
      (convolution_call){normal(PONS_SHAPE(PICK(3, 8), PICK(9, 56), PICK(8, 55), PICK(16, 64)), dtype, 79),
                         normal(PONS_SHAPE(taps == 5 ? 16 : PICK(32, 48), taps, taps, PICK(16, 64) / groups), dtype, 80), of_weight, stride, 3 - stride, groups});
}
CHECK(convolution_gradient_of_input) { return image_gradient(large, dtype, false, 1, 1, 3); }
CHECK(convolution_gradient_of_input_strided) { return image_gradient(large, dtype, false, 2, 2, 3); }
CHECK(convolution_gradient_of_weight) { return image_gradient(large, dtype, true, 1, 1, 5); }
CHECK(convolution_gradient_of_weight_strided) { return image_gradient(large, dtype, true, 2, 1, 3); }
CHECK(convolution_gradient_of_weight_in_groups) { return image_gradient(large, dtype, true, 1, 2, 3); }
static pons_array depthwise_gradient(bool large, pons_dtype dtype, bool of_weight) {
  const int64_t channels = PICK(12, 64);
  return convolution_gradient((convolution_call){normal(PONS_SHAPE(PICK(3, 8), PICK(9, 56), PICK(8, 55), channels), dtype, 94),
                                                 normal(PONS_SHAPE(channels, 3, 3, 1), dtype, 95), of_weight, 2, 1, (int)channels});
}
CHECK(convolution_gradient_of_input_depthwise) { return depthwise_gradient(large, dtype, false); }
CHECK(convolution_gradient_of_weight_depthwise) { return depthwise_gradient(large, dtype, true); }

static pons_array attention(bool large, pons_dtype dtype, int64_t queries, bool causal, pons_dtype mask) {
  const int64_t keys = PICK(37, 300), dim = PICK(20, 64);
  pons_array m = NULL;
  if (mask == PONS_BOOL)
    m = pons_greater(normal(PONS_SHAPE(queries, keys), PONS_FLOAT32, 63), pons_float(0));
  else if (mask == PONS_FLOAT32)
    m = normal(PONS_SHAPE(1, 4, queries, keys), dtype, 64);
  return pons_fast_scaled_dot_product_attention(normal(PONS_SHAPE(2, 4, queries, dim), dtype, 60),
                                                normal(PONS_SHAPE(2, 2, keys, dim), dtype, 61),
                                                normal(PONS_SHAPE(2, 2, keys, dim + 4), dtype, 62),
                                                .mask = m, .causal = causal);
}
CHECK(attention_of_one) { return attention(large, dtype, 1, false, PONS_INT8); }
CHECK(attention_causal) { return attention(large, dtype, PICK(19, 100), true, PONS_INT8); }
CHECK(attention_bool_mask) { return attention(large, dtype, PICK(19, 100), false, PONS_BOOL); }
CHECK(attention_added_mask) { return attention(large, dtype, PICK(19, 100), false, PONS_FLOAT32); }

/* As language models have it: heads that share keys, (batch, length, heads, features) in memory, features of each size that kernels are
   made for. */
static pons_array heads_of(int64_t length, int64_t heads, int64_t features, pons_dtype dtype, int seed) {
  return pons_swapaxes(normal(PONS_SHAPE(1, length, heads, features), dtype, seed), 1, 2);
}
static pons_array model_attention(pons_dtype dtype, int64_t queries, int64_t keys, int64_t dim, bool causal) {
  return pons_fast_scaled_dot_product_attention(heads_of(queries, 6, dim, dtype, 65), heads_of(keys, 2, dim, dtype, 66),
                                                heads_of(keys, 2, dim, dtype, 67), .causal = causal);
}
CHECK(attention_prefill_64) { return model_attention(dtype, PICK(37, 700), PICK(37, 700), 64, true); }
CHECK(attention_prefill_80) { return model_attention(dtype, PICK(21, 260), PICK(37, 300), 80, false); }
CHECK(attention_prefill_96) { return model_attention(dtype, PICK(21, 260), PICK(37, 300), 96, true); }
CHECK(attention_prefill_128) { return model_attention(dtype, PICK(37, 700), PICK(37, 700), 128, true); }
CHECK(attention_prefill_192) { return model_attention(dtype, PICK(21, 130), PICK(37, 300), 192, true); }
CHECK(attention_prefill_256) { return model_attention(dtype, PICK(21, 130), PICK(37, 300), 256, true); }
/* Heads enough for kernels whose blocks are large. */
static pons_array many_heads(bool large, pons_dtype dtype, int64_t dim, bool causal) {
  const int64_t heads = PICK(3, 140), keys = PICK(37, 150);
  return pons_fast_scaled_dot_product_attention(normal(PONS_SHAPE(1, heads, PICK(19, 130), dim), dtype, 96),
                                                normal(PONS_SHAPE(1, heads, keys, dim), dtype, 97),
                                                normal(PONS_SHAPE(1, heads, keys, dim), dtype, 98), .causal = causal);
}
CHECK(attention_many_heads_64) { return many_heads(large, dtype, 64, true); }
CHECK(attention_many_heads_128) { return many_heads(large, dtype, 128, false); }
CHECK(attention_many_heads_256) { return many_heads(large, dtype, 256, true); }
CHECK(attention_decode_64) { return model_attention(dtype, 1, PICK(333, 5000), 64, false); }
CHECK(attention_decode_128) { return model_attention(dtype, 1, PICK(333, 5000), 128, false); }
CHECK(attention_decode_some) { return model_attention(dtype, PICK(3, 8), PICK(333, 1000), 128, true); }
CHECK(attention_sinks) {
  const int64_t n = PICK(37, 500);
  return pons_fast_scaled_dot_product_attention(heads_of(n, 6, 64, dtype, 65), heads_of(n, 2, 64, dtype, 66),
                                                heads_of(n, 2, 64, dtype, 67), .sinks = normal(PONS_SHAPE(6), dtype, 68),
                                                .mask = pons_greater(normal(PONS_SHAPE(n, n), PONS_FLOAT32, 69), pons_float(0)));
}

/* Gradients of the same. */
typedef struct attention_call {
  bool causal;
  pons_array mask;
} attention_call;
static void attention_at(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const attention_call *c = payload;
  (void)n_in, (void)n_out;
  out[0] = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2], .causal = c->causal, .mask = c->mask);
}
static pons_array model_attention_gradients(pons_dtype dtype, int64_t n, int64_t dim, attention_call c) {
  return gradients(attention_at, &c, (pons_array[]){heads_of(n, 6, dim, dtype, 65), heads_of(n, 2, dim, dtype, 66),
                                                    heads_of(n, 2, dim, dtype, 67)}, 3);
}
CHECK(attention_gradients_64) { return model_attention_gradients(dtype, PICK(37, 260), 64, (attention_call){.causal = true}); }
CHECK(attention_gradients_128) { return model_attention_gradients(dtype, PICK(37, 200), 128, (attention_call){.causal = true}); }
CHECK(attention_gradients_bool_mask) {
  const int64_t n = PICK(37, 200);
  return model_attention_gradients(
      dtype, n, 64, (attention_call){.mask = pons_greater(normal(PONS_SHAPE(n, n), PONS_FLOAT32, 69), pons_float(0))});
}
CHECK(attention_gradients_added_mask) {
  const int64_t n = PICK(37, 200);
  return model_attention_gradients(dtype, n, 64, (attention_call){.mask = normal(PONS_SHAPE(1, 6, n, n), dtype, 64)});
}

/* ---- places ---- */

CHECK(taken_rows) {
  return pons_take(normal(PONS_SHAPE(17, PICK(5, 501)), dtype, 70),
                   small_integers(PONS_SHAPE(PICK(9, 900)), PONS_INT32, 71), 0);
}
CHECK(taken_along) {
  return pons_take_along_axis(normal(PONS_SHAPE(PICK(5, 300), 17), dtype, 72),
                              small_integers(PONS_SHAPE(PICK(5, 300), 40), PONS_UINT8, 73), 1);
}
CHECK(put_along) {
  return pons_put_along_axis(normal(PONS_SHAPE(PICK(5, 300), 17), dtype, 74),
                             small_integers(PONS_SHAPE(PICK(5, 300), 40), PONS_INT64, 75),
                             normal(PONS_SHAPE(PICK(5, 300), 40), dtype, 76), 1);
}
CHECK(added_along) {
  return pons_scatter_add_axis(small_integers(PONS_SHAPE(17, PICK(5, 300)), dtype, 77),
                               small_integers(PONS_SHAPE(50, PICK(5, 300)), PONS_INT32, 78),
                               small_integers(PONS_SHAPE(50, PICK(5, 300)), dtype, 79), 0);
}
static pons_array scattered_rows(int64_t n, int64_t width, pons_dtype dtype, pons_scatter_mode mode) {
  pons_array at = small_integers(PONS_SHAPE(n), PONS_INT32, 80);
  return pons_scatter(small_integers(PONS_SHAPE(17, width), dtype, 81), &at,
                      small_integers(PONS_SHAPE(n, 1, width), dtype, 82), PONS_AXES(0), mode);
}
static pons_array scattered(bool large, pons_dtype dtype, pons_scatter_mode mode) {
  return scattered_rows(PICK(40, 2000), PICK(3, 33), dtype, mode);
}
CHECK(scattered_last) { return scattered(large, dtype, PONS_SCATTER_NONE); }
CHECK(scattered_sum) { return scattered(large, dtype, PONS_SCATTER_SUM); }
/* So few that sums stay below 256, where bfloat16 no longer holds every integer and the order counts. */
CHECK(scattered_sum_bfloat16) { return scattered_rows(40, PICK(3, 933), dtype, PONS_SCATTER_SUM); }
CHECK(scattered_sum_narrow) { return scattered(large, dtype, PONS_SCATTER_SUM); }
CHECK(scattered_sum_wide) { return scattered(large, dtype, PONS_SCATTER_SUM); }
CHECK(scattered_product) { return scattered(large, dtype, PONS_SCATTER_PROD); }
CHECK(scattered_greatest) { return scattered(large, dtype, PONS_SCATTER_MAX); }
CHECK(scattered_least) { return scattered(large, dtype, PONS_SCATTER_MIN); }

/* ---- quantized ---- */

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

/* Sets of dtypes that a check is made in, too, with --every-dtype. */
#define IN(dtype) (1u << (dtype))
#define HALVES (IN(PONS_FLOAT16) | IN(PONS_BFLOAT16))
#define FLOATS (HALVES | IN(PONS_FLOAT32) | IN(PONS_FLOAT64))
#define INTEGERS                                                                                                       \
  (IN(PONS_UINT8) | IN(PONS_UINT16) | IN(PONS_UINT32) | IN(PONS_UINT64) | IN(PONS_INT8) | IN(PONS_INT16) | IN(PONS_INT32) | \
   IN(PONS_INT64))
#define REALS (FLOATS | INTEGERS)
#define NUMBERS (REALS | IN(PONS_COMPLEX64))
#define SIZES (IN(PONS_UINT8) | IN(PONS_INT16) | IN(PONS_INT32) | IN(PONS_INT64)) /* one of each: elements are only moved */

#define WITHIN(name, dtype, also, rtol, atol) {#name, name, dtype, also, rtol, atol}
#define EXACT(name, dtype, also) WITHIN(name, dtype, also, 0, 0)
#define CLOSE(name, dtype, also) WITHIN(name, dtype, also, 2e-5, 2e-5)
#define NEAR(name, dtype, also) WITHIN(name, dtype, also, 2e-3, 2e-3)  /* of float16 */
#define ABOUT(name, dtype, also) WITHIN(name, dtype, also, 2e-2, 2e-2) /* of bfloat16, or of long sums in float16 */
const check checks[] = {
    CLOSE(fused_chain, PONS_FLOAT32, HALVES),
    WITHIN(complex_chain, PONS_COMPLEX64, 0, 1e-3, 1e-3), /* tanh beside its poles */
    CLOSE(fused_operands, PONS_FLOAT32, 0),
    EXACT(casts, PONS_FLOAT16, 0),
    EXACT(transposed_copy, PONS_FLOAT16, 0),
    EXACT(concatenated, PONS_FLOAT32, SIZES),
    EXACT(padded, PONS_BFLOAT16, SIZES),
    EXACT(slice_added, PONS_FLOAT32, NUMBERS),
    EXACT(slice_from_array, PONS_FLOAT16, SIZES),
    EXACT(slice_from_arrays, PONS_FLOAT32, SIZES),
    EXACT(slice_put_at_array, PONS_BFLOAT16, SIZES),
    EXACT(slice_put_at_arrays, PONS_FLOAT32, SIZES),
    EXACT(counted, PONS_INT32, REALS),
    EXACT(random_words, PONS_UINT32, IN(PONS_UINT8) | IN(PONS_UINT16)),
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
    WITHIN(product_float32, PONS_FLOAT32, IN(PONS_FLOAT64), 1e-4, 1e-4),
    ABOUT(product_float16, PONS_FLOAT16, 0),
    WITHIN(product_bfloat16, PONS_BFLOAT16, 0, 2e-2, 0.2),
    WITHIN(product_complex, PONS_COMPLEX64, 0, 1e-4, 1e-4),
    WITHIN(product_of_transposed, PONS_FLOAT32, HALVES, 1e-4, 1e-4),
    WITHIN(row_times_matrix, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    ABOUT(matrix_times_column, PONS_FLOAT16, FLOATS),
    WITHIN(product_and_sum, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    EXACT(product_of_int8, PONS_FLOAT32, IN(PONS_BFLOAT16)),
    EXACT(products_of_int8, PONS_FLOAT32, IN(PONS_BFLOAT16)),
    WITHIN(product_of_fp8, PONS_BFLOAT16, IN(PONS_FLOAT16), 2e-2, 0.2),
    WITHIN(products_of_fp8, PONS_BFLOAT16, IN(PONS_FLOAT16), 2e-2, 0.2),
    WITHIN(layer_relu, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(layer_gelu, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    ABOUT(layer_relu_of_sum, PONS_FLOAT16, FLOATS),
    WITHIN(layer_relu_of_sum_with_row, PONS_BFLOAT16, FLOATS, 2e-2, 0.2),
    WITHIN(layer_gelu_of_row, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(layer_gradients, PONS_FLOAT32, FLOATS, 1e-4, 1e-3),
    WITHIN(solved_lower, PONS_FLOAT32, IN(PONS_FLOAT64) | IN(PONS_COMPLEX64), 1e-4, 1e-4),
    WITHIN(solved_upper, PONS_FLOAT32, IN(PONS_FLOAT64) | IN(PONS_COMPLEX64), 1e-4, 1e-4),
    CLOSE(chosen_products, PONS_FLOAT32, HALVES),
    ABOUT(chosen_products_sorted, PONS_BFLOAT16, IN(PONS_FLOAT16)),
    WITHIN(convolution, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    ABOUT(convolution_spread, PONS_FLOAT16, FLOATS),
    WITHIN(convolution_of_images, PONS_FLOAT32, FLOATS, 1e-3, 1e-3),
    WITHIN(convolution_of_three_colours, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_of_pixels, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_of_volumes, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_input, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_input_strided, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_weight, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    WITHIN(convolution_gradient_of_weight_strided, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    WITHIN(convolution_gradient_of_weight_in_groups, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    WITHIN(convolution_depthwise, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_to_three_colours, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_transposed, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_input_depthwise, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_weight_depthwise, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    CLOSE(attention_of_one, PONS_FLOAT32, HALVES),
    CLOSE(attention_causal, PONS_FLOAT32, HALVES),
    CLOSE(attention_bool_mask, PONS_FLOAT32, HALVES),
    CLOSE(attention_added_mask, PONS_FLOAT32, HALVES),
    ABOUT(attention_prefill_64, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_prefill_80, PONS_BFLOAT16, HALVES),
    ABOUT(attention_prefill_96, PONS_FLOAT16, HALVES),
    ABOUT(attention_prefill_128, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_prefill_192, PONS_BFLOAT16, HALVES),
    ABOUT(attention_prefill_256, PONS_BFLOAT16, HALVES),
    ABOUT(attention_many_heads_64, PONS_FLOAT16, HALVES),
    ABOUT(attention_many_heads_128, PONS_BFLOAT16, HALVES),
    ABOUT(attention_many_heads_256, PONS_BFLOAT16, HALVES),
    ABOUT(attention_decode_64, PONS_FLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_decode_128, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_decode_some, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_sinks, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_gradients_64, PONS_BFLOAT16, IN(PONS_FLOAT32)),
    ABOUT(attention_gradients_128, PONS_BFLOAT16, 0),
    ABOUT(attention_gradients_bool_mask, PONS_BFLOAT16, 0),
    ABOUT(attention_gradients_added_mask, PONS_FLOAT16, 0),
    EXACT(taken_rows, PONS_FLOAT16, SIZES),
    EXACT(taken_along, PONS_FLOAT32, SIZES),
    EXACT(put_along, PONS_FLOAT32, SIZES),
    EXACT(added_along, PONS_INT16, NUMBERS),
    EXACT(scattered_last, PONS_FLOAT32, SIZES),
    EXACT(scattered_sum, PONS_FLOAT32, NUMBERS & ~IN(PONS_BFLOAT16)),
    EXACT(scattered_sum_bfloat16, PONS_BFLOAT16, 0),
    EXACT(scattered_sum_narrow, PONS_UINT8, 0),
    EXACT(scattered_sum_wide, PONS_INT64, 0),
    EXACT(scattered_product, PONS_INT32, 0),
    EXACT(scattered_greatest, PONS_FLOAT16, 0),
    EXACT(scattered_least, PONS_BFLOAT16, 0),
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
};
const int n_checks = sizeof checks / sizeof *checks;
