/* scalar_integer.h: arithmetic of integers and bools, and conversions to integers. Part of scalar.h.

   Work is done in an unsigned type of at least 32 bits: wrapping is defined there, and narrow operands
   don't become a signed int whose product overflows. Uses nothing. */
#ifndef SCALAR_INTEGER_H
#define SCALAR_INTEGER_H
#include <stdbool.h>
#include <stdint.h>

/* S: suffix, T: type, W: unsigned type to work in. */
#define K_INTEGERS(S, T, W)                                                                        \
  static inline T k_neg_##S(T a) { return (T)(0 - (W)a); }                                         \
  static inline T k_sign_##S(T a) { return (T)((a > 0) - (a < (T)1 && a != 0)); }                  \
  static inline T k_floor_##S(T a) { return a; }                                                   \
  static inline T k_ceil_##S(T a) { return a; }                                                    \
  static inline T k_round_##S(T a) { return a; }                                                   \
  static inline T k_invert_##S(T a) { return (T) ~(W)a; }                                          \
  static inline T k_add_##S(T a, T b) { return (T)((W)a + (W)b); }                                 \
  static inline T k_sub_##S(T a, T b) { return (T)((W)a - (W)b); }                                 \
  static inline T k_mul_##S(T a, T b) { return (T)((W)a * (W)b); }                                 \
  static inline T k_max_##S(T a, T b) { return a > b ? a : b; }                                    \
  static inline T k_min_##S(T a, T b) { return a < b ? a : b; }                                    \
  static inline bool k_equal_##S(T a, T b) { return a == b; }                                      \
  static inline bool k_less_##S(T a, T b) { return a < b; }                                        \
  static inline bool k_less_equal_##S(T a, T b) { return a <= b; }                                 \
  static inline T k_and_##S(T a, T b) { return a & b; }                                            \
  static inline T k_or_##S(T a, T b) { return a | b; }                                             \
  static inline T k_xor_##S(T a, T b) { return a ^ b; }                                            \
  static inline T k_shift_left_##S(T a, T b) {                                                     \
    const W most = sizeof(W) * 8 - 1;                                                              \
    return (W)b <= most ? (T)((W)a << ((W)b & most)) : 0;                                          \
  }                                                                                                \
  static inline T k_power_up_##S(T a, T b) { /* b >= 0 */                                          \
    W base = (W)a, result = 1;                                                                     \
    for (W e = (W)b; e; e >>= 1, base *= base) result *= e & 1 ? base : 1;                         \
    return (T)result;                                                                              \
  }

#define K_SIGNED(S, T, W, I) /* I: the signed type of W's size */                                  \
  K_INTEGERS(S, T, W)                                                                              \
  static inline T k_abs_##S(T a) { return a < 0 ? k_neg_##S(a) : a; }                              \
  static inline T k_div_##S(T a, T b) { return b == 0 ? 0 : b == -1 ? k_neg_##S(a) : (T)(a / b); } \
  static inline T k_mod_##S(T a, T b) {                                                            \
    if (b == 0) return a;                                                                          \
    if (b == -1) return 0;                                                                         \
    T r = (T)(a % b);                                                                              \
    return r != 0 && (r < 0) != (b < 0) ? (T)(r + b) : r;                                          \
  }                                                                                                \
  static inline T k_floor_div_##S(T a, T b) {                                                      \
    T q = k_div_##S(a, b);                                                                         \
    return b != 0 && b != -1 && (a < 0) != (b < 0) && a % b != 0 ? (T)(q - 1) : q;                 \
  }                                                                                                \
  static inline T k_pow_##S(T a, T b) { return b < 0 ? 0 : k_power_up_##S(a, b); }                 \
  static inline T k_shift_right_##S(T a, T b) {                                                    \
    const W most = sizeof(W) * 8 - 1;                                                              \
    return (T)((I)a >> ((W)b < most ? (W)b : most));                                               \
  }

#define K_UNSIGNED(S, T, W)                                                \
  K_INTEGERS(S, T, W)                                                      \
  static inline T k_abs_##S(T a) { return a; }                             \
  static inline T k_div_##S(T a, T b) { return b == 0 ? 0 : a / b; }       \
  static inline T k_floor_div_##S(T a, T b) { return b == 0 ? 0 : a / b; } \
  static inline T k_mod_##S(T a, T b) { return b == 0 ? a : a % b; }       \
  static inline T k_pow_##S(T a, T b) { return k_power_up_##S(a, b); }     \
  static inline T k_shift_right_##S(T a, T b) {                            \
    const W most = sizeof(W) * 8 - 1;                                      \
    return (W)b <= most ? (T)((W)a >> ((W)b & most)) : 0;                  \
  }

K_SIGNED(i8, int8_t, uint32_t, int32_t)
K_SIGNED(i16, int16_t, uint32_t, int32_t)
K_SIGNED(i32, int32_t, uint32_t, int32_t)
K_SIGNED(i64, int64_t, uint64_t, int64_t)
K_UNSIGNED(u8, uint8_t, uint32_t)
K_UNSIGNED(u16, uint16_t, uint32_t)
K_UNSIGNED(u32, uint32_t, uint32_t)
K_UNSIGNED(u64, uint64_t, uint64_t)

/* Bools: arithmetic as in integers, then compared with 0. */
static inline bool k_abs_b(bool a) { return a; }
static inline bool k_sign_b(bool a) { return a; }
static inline bool k_floor_b(bool a) { return a; }
static inline bool k_ceil_b(bool a) { return a; }
static inline bool k_round_b(bool a) { return a; }
static inline bool k_invert_b(bool a) { return !a; }
static inline bool k_add_b(bool a, bool b) { return a | b; }
static inline bool k_sub_b(bool a, bool b) { return a ^ b; }
static inline bool k_mul_b(bool a, bool b) { return a & b; }
static inline bool k_div_b(bool a, bool b) { return a & b; }
static inline bool k_floor_div_b(bool a, bool b) { return a & b; }
static inline bool k_mod_b(bool a, bool b) { return a & !b; }
static inline bool k_pow_b(bool a, bool b) { return a | !b; }
static inline bool k_max_b(bool a, bool b) { return a | b; }
static inline bool k_min_b(bool a, bool b) { return a & b; }
static inline bool k_equal_b(bool a, bool b) { return a == b; }
static inline bool k_less_b(bool a, bool b) { return !a & b; }
static inline bool k_less_equal_b(bool a, bool b) { return !a | b; }
static inline bool k_and_b(bool a, bool b) { return a & b; }
static inline bool k_or_b(bool a, bool b) { return a | b; }
static inline bool k_xor_b(bool a, bool b) { return a ^ b; }

/* ---- floats to integers, rounded towards zero ----
   Outside the range, and for NaN: the least int32 or int64, of which narrower types take the low bits. */

#define K_TO_INTEGERS(S, T)                                                                          \
  static inline int32_t k_i32_from_##S(T x) {                                                        \
    return (int32_t)(x >= (T)-2147483648.0 && x < (T)2147483648.0 ? x : (T)-2147483648.0);           \
  }                                                                                                  \
  static inline uint32_t k_u32_from_##S(T x) {                                                       \
    bool high = x >= (T)2147483648.0;                                                                \
    return (uint32_t)k_i32_from_##S(high ? x - (T)2147483648.0 : x) ^ (uint32_t)high << 31;          \
  }                                                                                                  \
  static inline int64_t k_i64_from_##S(T x) {                                                        \
    return (int64_t)(x >= (T)-9223372036854775808.0 && x < (T)9223372036854775808.0                  \
                         ? x                                                                         \
                         : (T)-9223372036854775808.0);                                               \
  }                                                                                                  \
  static inline uint64_t k_u64_from_##S(T x) {                                                       \
    bool high = x >= (T)9223372036854775808.0;                                                       \
    return (uint64_t)k_i64_from_##S(high ? x - (T)9223372036854775808.0 : x) ^ (uint64_t)high << 63; \
  }
K_TO_INTEGERS(f32, float)
#if HAS_FLOAT64
K_TO_INTEGERS(f64, double)
#endif
#endif
