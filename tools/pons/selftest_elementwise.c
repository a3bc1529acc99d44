/* selftest_elementwise.c: checks of elementwise chains, copies and slices. */
#include "selftest_checks.h"

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

const check elementwise_checks[] = {
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
    NO_MORE,
};
