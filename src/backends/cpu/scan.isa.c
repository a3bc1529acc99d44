/* scan.isa.c: running sums of floats, vectors of them at a time. Built once per instruction set; the order of
   additions is the same for all. Uses cpu/lanes.h. */
#include "backends/cpu/lanes.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define PICK __builtin_shufflevector
typedef float eight_floats __attribute__((vector_size(32)));
typedef double four_doubles __attribute__((vector_size(32)));
typedef eight_floats eight_floats_at __attribute__((aligned(4))); /* wherever they lie */
typedef four_doubles four_doubles_at __attribute__((aligned(8)));

/* ---- what a vector of 32 bytes is made of: halves of 16 ---- */

/* Both halves so many bytes later, after zeros; one element for all; the first half of a, the second of b. Compilers make two
   instructions of the first, and permutations of the others. */
#if defined(__AVX2__)
#define LATER(v, bytes, ...) ((__typeof__(v))_mm256_bslli_epi128((__m256i)(v), bytes))
#define ALL_FLOAT(x) ((eight_floats)_mm256_broadcast_ss(&(x)))
#define ALL_DOUBLE(x) ((four_doubles)_mm256_broadcast_sd(&(x)))
#define HALVES(a, b, ...) ((__typeof__(a))_mm256_blend_ps((__m256)(a), (__m256)(b), 0xf0))
#else
#define LATER(v, bytes, ...) PICK((__typeof__(v)){0}, v, __VA_ARGS__)
#define ALL_FLOAT(x) ((eight_floats){x, x, x, x, x, x, x, x})
#define ALL_DOUBLE(x) ((four_doubles){x, x, x, x})
#define HALVES(a, b, ...) PICK(a, b, __VA_ARGS__)
#endif
/* Each element plus all before it in its half. */
#define WITHIN_FLOAT(v)                          \
  v += LATER(v, 4, 0, 8, 9, 10, 4, 12, 13, 14);  \
  v += LATER(v, 8, 0, 1, 8, 9, 4, 5, 12, 13);
#define WITHIN_DOUBLE(v) v += LATER(v, 8, 0, 4, 2, 6);
#define HALVES_FLOAT(a, b) HALVES(a, b, 0, 1, 2, 3, 12, 13, 14, 15)
#define HALVES_DOUBLE(a, b) HALVES(a, b, 0, 1, 6, 7)
/* Past the caches: to a multiple of 32 bytes. */
#if defined(__AVX__)
#define PUT_PAST_CACHE(to, v) _mm256_stream_si256((__m256i *)(to), (__m256i)(v))
#else
#define PUT_PAST_CACHE(to, v) memcpy(to, &(v), sizeof(v))
#endif
/* The vector one element later, after the last of the one before. */
#define NEXT_FLOAT(before, v) PICK(before, v, 7, 8, 9, 10, 11, 12, 13, 14)
#define NEXT_DOUBLE(before, v) PICK(before, v, 3, 4, 5, 6)

/* ---- the loop ---- */

/* Four vectors at a time. The last of each half is taken from memory, where a load gives it to all elements; only one addition of a vector
   waits for the one before. */
#define SUMS(name, KIND, type, vector, N)                                                                \
  static inline __attribute__((always_inline)) void sum_of_##name(const void *from, void *to, int64_t n, \
                                                                  bool exclusive, void *carry, bool past_cache) { \
    const type *x = from;                                                                               \
    type *y = to, last = *(type *)carry;                                                                \
    vector so_far = ALL_##KIND(last), before = so_far;                                                  \
    int64_t i = 0;                                                                                      \
    for (; i + 4 * N <= n; i += 4 * N) {                                                                \
      vector v[4];                                                                                      \
      type part[4 * N];                                                                                 \
      for (int q = 0; q < 4; q++) {                                                                     \
        v[q] = *(const vector##_at *)(x + i + q * N);                                                   \
        WITHIN_##KIND(v[q])                                                                             \
        *(vector##_at *)(part + q * N) = v[q];                                                          \
      }                                                                                                 \
      __asm__("" : "+m"(part)); /* or compilers take elements from registers, by permutations */        \
      for (int q = 0; q < 4; q++) {                                                                     \
        const vector first = ALL_##KIND(part[q * N + N / 2 - 1]), second = ALL_##KIND(part[q * N + N - 1]); \
        v[q] += HALVES_##KIND(so_far, so_far + first);                                                  \
        so_far += first + second;                                                                       \
        const vector result = exclusive ? NEXT_##KIND(before, v[q]) : v[q];                             \
        if (past_cache) PUT_PAST_CACHE(y + i + q * N, result);                                          \
        else *(vector##_at *)(y + i + q * N) = result;                                                  \
        before = v[q];                                                                                  \
      }                                                                                                 \
    }                                                                                                   \
    last = so_far[0];                                                                                   \
    for (; i < n; i++) {                                                                                \
      const type sum = last;                                                                            \
      last += x[i];                                                                                     \
      y[i] = exclusive ? sum : last;                                                                    \
    }                                                                                                   \
    *(type *)carry = last;                                                                              \
  }                                                                                                     \
  static void sum_##name(const void *from, void *to, int64_t n, bool exclusive, void *carry) {          \
    sum_of_##name(from, to, n, exclusive, carry, false);                                                \
  }                                                                                                     \
  static void sum_##name##_past_cache(const void *from, void *to, int64_t n, bool exclusive, void *carry) { \
    sum_of_##name(from, to, n, exclusive, carry, true);                                                 \
  }
SUMS(float, FLOAT, float, eight_floats, 8)
SUMS(double, DOUBLE, double, four_doubles, 4)

const scan_loops ISA_NAME(scan_loops) = {
    .sum = {[LANE_FLOAT] = sum_float, [LANE_DOUBLE] = sum_double},
    .sum_past_cache = {[LANE_FLOAT] = sum_float_past_cache, [LANE_DOUBLE] = sum_double_past_cache},
};
