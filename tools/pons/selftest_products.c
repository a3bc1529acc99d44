/* selftest_products.c: checks of products of matrices, layers, triangles. */
#include "selftest_checks.h"
#include <pons/nn.h>
#include <string.h>

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
CHECK(chosen_products_sorted) {
  const int64_t rows = PICK(70, 500), k = PICK(24, 136);
  pons_array w = normal(PONS_SHAPE(6, PICK(18, 200), k), dtype, 58);
  return pons_gather_mm(normal(PONS_SHAPE(rows, 1, k), dtype, 57), pons_swapaxes(w, -1, -2), NULL,
                        sorted_matrices(rows, 6, 59), .sorted_indices = true);
}

const check products_checks[] = {
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
    NO_MORE,
};
