/* quantized_codes.h: what texts about codes of BITS in words have in front. A value is code * scale + bias (AFFINE), or a float of 4
   (E2M1) or 8 bits (E4M3) times its scale. S are the elements of scales as they lie, SCALE(s) what they stand for. Groups have
   GROUP_SIZE values, and lie one behind the other. Text: it is never compiled with the library.

   A product's numbers: 0 rows of x, 1 columns, 2 k, 3 products, 4 walk over matrices of codes (words, scales, biases), 5 walk over lhs
   and rhs, 6 walk over the matrices of x, 7 walk over its rows, 8 op, 9 and 10 kinds of lhs and rhs, 11 matrices of x, 12 of codes, 13
   column stride of x, 14 of the kernel's own. */

static inline float from_e4m3(uint32_t code) {
  const uint32_t size = code & 127;
  const float value = size < 8 ? (float)size * 0.001953125f : k_from_bits_f32((size << 20) + (120u << 23));
  return size == 127 ? NAN : code >> 7 ? -value : value;
}
/* A power of two; that of code 0 is too small for the fields of a float. */
static inline float from_e8m0(uint32_t code) {
  return code == 255 ? NAN : k_from_bits_f32(code == 0 ? 0x00400000u : code << 23);
}
static inline float from_e2m1(uint32_t code) {
  const uint32_t size = code & 7;
  const float value = size < 2 ? 0.5f * (float)size : k_from_bits_f32((size << 22) + (126u << 23));
  return code >> 3 ? -value : value;
}

#ifdef AFFINE
#define BIASES GLOBAL const S *biases,
#else
#define BIASES
#endif

/* Matrices of x and of codes that product i multiplies, and where operands begin. */
#ifdef INDEXED
#define INDEX_PARAMETERS GLOBAL int64_t *fault,
#define LISTS GLOBAL const uint8_t *lhs, GLOBAL const uint8_t *rhs,
#define LEFT(i)                                                                                          \
  (index_t)                                                                                              \
      checked_index(fault, N(8), index_at(lhs, v.at[FIRST - 2] + place_of(WALK(FIRST + 5), 0, i), N(9)), \
                    N(9) < 0, 0, N(11), 1)
#define RIGHT(i)                                                                                          \
  (index_t)                                                                                               \
      checked_index(fault, N(8), index_at(rhs, v.at[FIRST - 1] + place_of(WALK(FIRST + 5), 1, i), N(10)), \
                    N(10) < 0, 0, N(12), 1)
#define X_AT v.at[2]
#define WORDS_AT v.at[3]
#define SCALES_AT v.at[4]
#define BIASES_AT v.at[5]
#else
#define INDEX_PARAMETERS
#define LISTS
#define LEFT(i) (i)
#define RIGHT(i) (i)
#define X_AT v.at[1]
#define WORDS_AT v.at[2]
#define SCALES_AT v.at[3]
#define BIASES_AT v.at[4]
#endif
