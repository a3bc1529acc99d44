/* code_values.h: codes as floats, some neighbours at a time: in registers of 64 bytes sixteen of them, which are looked up in a table where they have
   no more than 5 bits; else eight. Codes of b bits come in units of 32, which are b words (of E2M1 in units of 16, for groups may be as small).

   Vectors go through pointers, since a machine without registers of that width passes them otherwise. Part of quantized.isa.c. Uses
   cpu/quantized.h, cpu/registers.h. */
#ifndef CPU_CODE_VALUES_H
#define CPU_CODE_VALUES_H
#include "backends/cpu/quantized.h"
#include "backends/cpu/registers.h"

#define INLINE static inline __attribute__((always_inline))
#define BITS_OF(kind) ((kind) == CODES_E2M1 ? 4 : (kind) == CODES_E4M3 ? 8 : (kind))
#define UNIT_CODES(kind) ((kind) == CODES_E2M1 ? 16 : 32)
#define UNIT_WORDS(kind) (UNIT_CODES(kind) * BITS_OF(kind) / 32)

#if defined(__AVX512F__)
#define SOME_CODES 16
#else
#define SOME_CODES 8
#endif
typedef uint32_t some_words __attribute__((vector_size(4 * SOME_CODES)));
typedef int32_t some_ints __attribute__((vector_size(4 * SOME_CODES)));
typedef float some_values __attribute__((vector_size(4 * SOME_CODES)));

#if SOME_CODES == 16
/* Of code c of b bits among those that begin with a byte: the two bytes that it lies in, and how far from their lowest bit. */
#define SIXTEEN(f, b)                                                                                                    \
  {f(b, 0), f(b, 1), f(b, 2), f(b, 3), f(b, 4), f(b, 5), f(b, 6), f(b, 7), f(b, 8), f(b, 9), f(b, 10), f(b, 11), f(b, 12), \
   f(b, 13), f(b, 14), f(b, 15)}
#define BYTES_AT(b, c) ((b) * (c) / 8 | ((b) * (c) / 8 + 1) << 8 | 0x80800000u)
#define SHIFT_AT(b, c) ((b) * (c) % 8)
#define BITS_AT(b, c) ((b) * (c))
#define WINDOWS_OF(b)                                                                              \
  case b: {                                                                                        \
    const some_words bytes = SIXTEEN(BYTES_AT, b), shifts = SIXTEEN(SHIFT_AT, b);                  \
    *codes = (some_words)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(some), (__m512i)bytes) >> shifts; \
    return;                                                                                        \
  }

/* Codes 16 h .. 16 h + 15 of a unit, in the lowest bits; above them are others. */
INLINE void codes_at(const uint32_t *unit, int bits, int h, some_words *codes) {
  const some_words of_one = SIXTEEN(BITS_AT, 1), of_two = SIXTEEN(BITS_AT, 2);
  const some_words of_four = {0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28};
  const char *from = (const char *)unit + 2 * bits * h;
  if (bits == 8) {
    *codes = (some_words)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
  } else if (bits == 4) {
    const __m512i low = _mm512_set1_epi32((int)unit[2 * h]);
    const __m128i high = _mm_loadu_si32(unit + 2 * h + 1);
    *codes = (some_words)_mm512_mask_broadcastd_epi32(low, 0xff00, high) >> of_four;
  } else if (bits <= 2) {
    const some_words all = (some_words)_mm512_set1_epi32((int)(unit[bits * h / 2] >> (bits == 1 ? 16 * h : 0)));
    *codes = all >> (bits == 1 ? of_one : of_two);
  } else {
    const __m128i some = _mm_maskz_loadu_epi8((__mmask16)((1u << 2 * bits) - 1), from);
    switch (bits) {
      WINDOWS_OF(3)
      WINDOWS_OF(5)
      WINDOWS_OF(6)
    }
  }
}
#else
/* Four codes of `bits` from bit `bit` of a unit on: the word that holds them, and how far from its lowest bit. */
INLINE uint32_t window(const uint32_t *unit, int bits, int bit, uint32_t *shift) {
  const int last = 4 * bits - 4, at = bit / 8 < last ? bit / 8 : last;
  uint32_t word;
  memcpy(&word, (const char *)unit + at, sizeof word);
  *shift = (uint32_t)(bit - 8 * at);
  return word;
}

/* Codes 8 h .. 8 h + 7 of a unit: two windows of 32 bits, shifted to each its place; no window reaches out of its unit. */
INLINE void codes_at(const uint32_t *unit, int bits, int h, some_words *codes) {
  if (bits == 4) {
    const uint32_t w = unit[h];
    const some_words all = {w, w, w, w, w, w, w, w}, places = {0, 4, 8, 12, 16, 20, 24, 28};
    *codes = all >> places & 15;
    return;
  }
  uint32_t l, u;
  const uint32_t low = window(unit, bits, 8 * h * bits, &l), high = window(unit, bits, (8 * h + 4) * bits, &u);
  const uint32_t b = (uint32_t)bits;
  const some_words all = {low, low, low, low, high, high, high, high};
  const some_words places = {l, l + b, l + 2 * b, l + 3 * b, u, u + b, u + 2 * b, u + 3 * b};
  *codes = all >> places & ((1u << b) - 1);
}
#endif

/* A float of few bits has the fields of a wide one, but no hidden bit where the exponent is 0: there the next exponent
   is taken, and its power of two away again. */
#define SMALL_FLOAT(magnitude, fraction, bias, bits, less)                                                     \
  do {                                                                                                         \
    const some_words hidden = (some_words)((magnitude) < (1u << (fraction)));                                \
    bits = ((magnitude) << (23 - (fraction))) + ((127u - (bias)) << 23) + (hidden & (1u << 23));               \
    less = hidden & ((127u + 1 - (bias)) << 23);                                                               \
  } while (0)

#if SOME_CODES == 8
INLINE void values_of_e2m1(const some_words *from, some_values *values) {
  const some_words codes = *from;
  const some_words sign = codes >> 3 << 31;
#if defined(__AVX2__)
  const some_values sizes = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  const some_values size = (some_values)_mm256_permutevar8x32_ps((__m256)sizes, (__m256i)codes); /* by their lower 3 bits */
#else
  some_words bits, less;
  SMALL_FLOAT((codes & 7), 1, 1, bits, less);
  const some_values size = (some_values)bits - (some_values)less;
#endif
  *values = (some_values)((some_words)size | sign);
}
#endif

INLINE void values_of_e4m3(const some_words *from, some_values *values) {
  const some_words codes = *from;
  const some_words magnitude = codes & 127;
  some_words bits, less;
  SMALL_FLOAT(magnitude, 3, 7, bits, less);
  const some_values size = (some_values)bits - (some_values)less;
  const some_words none = (some_words)(magnitude == 127) & 0x7fc00000u;
  *values = (some_values)((some_words)size | none | codes >> 7 << 31);
}

/* What codes of up to 5 bits stand for, times scale, and bias added; of others scale and bias by themselves. */
typedef struct code_table {
#if SOME_CODES == 16
  some_values values[2];
#endif
  float scale, bias;
  bool biased;
} code_table;

#if SOME_CODES == 16
#define LOOKED_UP(kind) ((kind) <= 5)
#define NUMBER_AT(b, c) (float)((c) % (1 << (b)))
INLINE void begin_codes(int kind, const float *scale, const float *bias, code_table *t) {
  static const float sizes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
  const some_values one = SIXTEEN(NUMBER_AT, 1), two = SIXTEEN(NUMBER_AT, 2), three = SIXTEEN(NUMBER_AT, 3), four = SIXTEEN(NUMBER_AT, 4);
  *t = (code_table){.biased = bias != NULL, .scale = *scale, .bias = bias ? *bias : 0};
  if (!LOOKED_UP(kind)) return;
  if (kind == CODES_E2M1) memcpy(&t->values[0], sizes, sizeof sizes);
  else t->values[0] = kind == 1 ? one : kind == 2 ? two : kind == 3 ? three : four;
  t->values[1] = four + 16;
  for (int i = 0; i < (kind == 5 ? 2 : 1); i++) {
    t->values[i] *= t->scale;
    if (bias) t->values[i] += t->bias;
  }
}
#else
#define LOOKED_UP(kind) 0
INLINE void begin_codes(int kind, const float *scale, const float *bias, code_table *t) {
  (void)kind;
  *t = (code_table){.biased = bias != NULL, .scale = *scale, .bias = bias ? *bias : 0};
}
#endif

/* Codes SOME_CODES h and so on of a unit as they are: without scale and bias if they are not looked up. */
INLINE void plain_values(const uint32_t *unit, int kind, int h, const code_table *t, some_values *values) {
  some_words codes;
  codes_at(unit, BITS_OF(kind), h, &codes);
#if SOME_CODES == 16
  if (kind == 5) {
    *values = (some_values)_mm512_permutex2var_ps((__m512)t->values[0], (__m512i)codes, (__m512)t->values[1]);
    return;
  }
  if (LOOKED_UP(kind)) {
    *values = (some_values)_mm512_permutexvar_ps((__m512i)codes, (__m512)t->values[0]);
    return;
  }
  if (kind == 6) codes &= 63;
#else
  (void)t;
  if (kind == CODES_E2M1) {
    values_of_e2m1(&codes, values);
    return;
  }
#endif
  if (kind == CODES_E4M3) values_of_e4m3(&codes, values);
  else *values = __builtin_convertvector((some_ints)codes, some_values);
}
INLINE void scaled_values(const uint32_t *unit, int kind, int h, const code_table *t, some_values *values) {
  plain_values(unit, kind, h, t, values);
  if (LOOKED_UP(kind)) return;
  *values *= t->scale;
  if (t->biased) *values += t->bias;
}
#endif
