/* code_bytes.h: a row of x, as the bytes of whole numbers, times a row of codes of 4 bits (quantized.h). Of what a register holds of
   codes, the even ones and the odd ones are multiplied by three registers of bytes each; sums of four products (of eight, where one
   instruction does not add them to a word) are whole numbers still, and times scale and unit they are added up as floats. Part of
   quantized.isa.c, where there are instructions for it. Uses cpu/quantized.h, cpu/registers.h, kernel/scalar.h. */
#ifndef CPU_CODE_BYTES_H
#define CPU_CODE_BYTES_H
#include "backends/cpu/quantized.h"
#include "backends/cpu/registers.h"
#include "kernel/scalar.h"

#if defined(__AVX2__)
enum { CODES = 2 * REGISTER_BYTES, HALF = REGISTER_BYTES }; /* in a register; even ones */

/* The unit of BYTE_CODES elements, and these in it, in `whole`; false: there are infinities or NaN. */
static bool whole_numbers(const float *x, int32_t *whole, float *unit) {
  enum { LEAST = -120 };
  uint32_t most = 0;
  for (int i = 0; i < BYTE_CODES; i++) {
    const uint32_t bits = k_bits_f32(x[i]) & 0x7fffffffu;
    most = bits > most ? bits : most;
  }
  if (most >= 0x7f800000u) return false;
  const float fraction = k_from_bits_f32((most & 0x7fffffu) | 126u << 23); /* of what is normal */
  int exponent = (int)(most >> 23) - 126 - (fraction < 0.99f ? 23 : 22);   /* numbers are below 127.5 * 2^16 */
  if (exponent < LEAST) exponent = LEAST;
  const float each = k_from_bits_f32((uint32_t)(127 - exponent) << 23);
  *unit = k_from_bits_f32((uint32_t)(127 + exponent) << 23);
  for (int i = 0; i < BYTE_CODES; i++) whole[i] = (int32_t)__builtin_rintf(x[i] * each);
  return true;
}

/* What fills no register is filled up with zeros. */
static bool arrange_bytes(const float *x, int64_t n, int8_t *bytes, float *units) {
  for (int64_t at = 0; at < n; at += BYTE_CODES, units++) {
    int32_t whole[BYTE_CODES], even[BYTE_CODES / 2], odd[BYTE_CODES / 2];
    if (!whole_numbers(x + at, whole, units)) return false;
    for (int i = 0; i < BYTE_CODES / 2; i++) even[i] = whole[2 * i], odd[i] = whole[2 * i + 1];
    int8_t *to = bytes + at / CODES * 3 * CODES + at % CODES / 2;
    if (at % CODES == 0 && n - at < CODES) memset(to, 0, 3 * CODES);
    for (int part = 2; part >= 0; part--)
      for (int i = 0; i < BYTE_CODES / 2; i++) {
        const int8_t low = (int8_t)even[i], other = (int8_t)odd[i];
        to[part * CODES + i] = low, to[part * CODES + HALF + i] = other;
        even[i] = (even[i] - low) >> 8, odd[i] = (odd[i] - other) >> 8;
      }
  }
  return true;
}

#define INLINE_BYTES static inline __attribute__((always_inline))

#if !defined(__AVX512F__)

/* Of 32 bytes of codes, the sums of their products with one byte each of x: neighbours' sums, of 16 bits. */
INLINE_BYTES __m256i byte_products(__m256i even, __m256i odd, const int8_t *x) {
  const __m256i of_even = _mm256_loadu_si256((const __m256i *)(const void *)x);
  const __m256i of_odd = _mm256_loadu_si256((const __m256i *)(const void *)(x + HALF));
  return _mm256_add_epi16(_mm256_maddubs_epi16(even, of_even), _mm256_maddubs_epi16(odd, of_odd));
}

/* Of the 64 codes of 32 bytes the sums of their products with x, eight of them, in its unit. */
INLINE_BYTES __m256 sums_of_bytes(const uint32_t *words, const int8_t *x) {
  const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1), high = _mm256_set1_epi16(256);
  const __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)words);
  const __m256i even = _mm256_and_si256(codes, low), odd = _mm256_and_si256(_mm256_srli_epi16(codes, 4), low);
  const __m256i a = _mm256_madd_epi16(byte_products(even, odd, x), high);
  const __m256i b = _mm256_madd_epi16(byte_products(even, odd, x + CODES), one);
  const __m256i c = _mm256_madd_epi16(byte_products(even, odd, x + 2 * CODES), one);
  return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_add_epi32(a, b), 8), c));
}

/* With 64 codes to a scale, eight scales are multiplied by the units of x at once. */
static float dot_bytes(const quantized_bytes *d) {
  enum { SOME = 8, WORDS = CODES / 8 };
  const uint32_t *words = d->words;
  const int8_t *x = d->x;
  const int shift = __builtin_ctz((unsigned)d->group_size); /* a power of two */
  const int64_t units = d->count / CODES, groups = d->count >> shift;
  __m256 total = _mm256_setzero_ps();
  int64_t at = 0, g = 0;
  for (; at + SOME <= units && d->group_size == CODES; at += SOME) {
    float factors[SOME];
    _mm256_storeu_ps(factors, _mm256_mul_ps(_mm256_loadu_ps(d->scales + at), _mm256_loadu_ps(d->units + at)));
    _Pragma("GCC unroll 8") for (int i = 0; i < SOME; i++, words += WORDS, x += 3 * CODES) {
      __builtin_prefetch((const char *)words + d->ahead);
      total = _mm256_fmadd_ps(sums_of_bytes(words, x), _mm256_broadcast_ss(factors + i), total);
    }
  }
  for (; at < units; at++, words += WORDS, x += 3 * CODES) {
    const float *low = d->scales + (at * CODES >> shift), *high = d->scales + ((at * CODES + HALF) >> shift);
    __builtin_prefetch((const char *)words + d->ahead);
    const __m256 scale = _mm256_insertf128_ps(_mm256_broadcast_ss(low), _mm_broadcast_ss(high), 1);
    total = _mm256_fmadd_ps(sums_of_bytes(words, x), _mm256_mul_ps(scale, _mm256_broadcast_ss(d->units + at)), total);
  }
  for (; g + SOME <= groups; g += SOME)
    total = _mm256_fmadd_ps(_mm256_loadu_ps(d->biases + g), _mm256_loadu_ps(d->sums + g), total);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
  float sums[4], rest = 0;
  _mm_storeu_ps(sums, four);
  for (; g < groups; g++) rest += d->biases[g] * d->sums[g];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest;
}

#else

/* n floats, up to 16 of them, in front of zeros. */
INLINE_BYTES __m512 some_floats(const float *from, int64_t n) {
  return _mm512_maskz_loadu_ps((__mmask16)(n >= 16 ? 0xffff : n > 0 ? (1 << n) - 1 : 0), from);
}

/* A register of codes times x: sixteen sums, in its unit. */
typedef __m512i byte_products(__m512i even, __m512i odd, const int8_t *x);
INLINE_BYTES __m512i add_pairs(__m512i even, __m512i odd, const int8_t *x, __m512i by) {
  const __m512i of_even = _mm512_maddubs_epi16(even, _mm512_loadu_si512(x)), of_odd = _mm512_maddubs_epi16(odd, _mm512_loadu_si512(x + HALF));
  return _mm512_madd_epi16(_mm512_add_epi16(of_even, of_odd), by);
}
INLINE_BYTES __m512i products_by_pairs(__m512i even, __m512i odd, const int8_t *x) {
  const __m512i one = _mm512_set1_epi16(1), a = add_pairs(even, odd, x, _mm512_set1_epi16(256));
  const __m512i b = add_pairs(even, odd, x + CODES, one), c = add_pairs(even, odd, x + 2 * CODES, one);
  return _mm512_add_epi32(_mm512_slli_epi32(_mm512_add_epi32(a, b), 8), c);
}
#define VNNI __attribute__((target("avx512vnni")))
VNNI INLINE_BYTES __m512i add_fours(__m512i even, __m512i odd, const int8_t *x) {
  const __m512i of_even = _mm512_dpbusd_epi32(_mm512_setzero_si512(), even, _mm512_loadu_si512(x));
  return _mm512_dpbusd_epi32(of_even, odd, _mm512_loadu_si512(x + HALF));
}
VNNI INLINE_BYTES __m512i products_by_fours(__m512i even, __m512i odd, const int8_t *x) {
  const __m512i a = _mm512_slli_epi32(add_fours(even, odd, x), 16), b = _mm512_slli_epi32(add_fours(even, odd, x + CODES), 8);
  return _mm512_add_epi32(_mm512_add_epi32(a, b), add_fours(even, odd, x + 2 * CODES));
}

/* The scales of sixteen units from `unit` on, each times its unit: two registers of them if groups are of half as many codes. */
INLINE_BYTES void factors_from(const quantized_bytes *d, int64_t unit, int halves, __m512 *factors) {
  const int64_t n = d->count / BYTE_CODES - unit;
  const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  const __m512 units = some_floats(d->units + unit, n);
  if (halves == 2) {
    const __m512 low = _mm512_permutexvar_ps(twice, units);
    const __m512 high = _mm512_permutexvar_ps(_mm512_add_epi32(twice, _mm512_set1_epi32(8)), units);
    factors[0] = _mm512_mul_ps(some_floats(d->scales + 2 * unit, 2 * n), low);
    factors[1] = _mm512_mul_ps(some_floats(d->scales + 2 * unit + 16, 2 * n - 16), high);
  } else if (d->group_size == BYTE_CODES) {
    factors[0] = _mm512_mul_ps(some_floats(d->scales + unit, n), units);
  } else {
    factors[0] = _mm512_mul_ps(_mm512_permutexvar_ps(twice, some_floats(d->scales + unit / 2, (n + 1) / 2)), units);
  }
}

/* `halves` of BYTE_CODES codes have a scale. */
INLINE_BYTES float dot_registers(const quantized_bytes *d, byte_products *multiply, int halves) {
  enum { SOME = 8, WORDS = CODES / 8 }; /* registers that sixteen units are of */
  const __m512i low = _mm512_set1_epi8(15), lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i place = halves == 2 ? _mm512_srli_epi32(lanes, 2) : _mm512_srli_epi32(lanes, 3);
  const int64_t groups = d->count >> __builtin_ctz((unsigned)d->group_size); /* a power of two */
  const uint32_t *words = d->words;
  const int8_t *x = d->x;
  __m512 total = _mm512_setzero_ps(), factors[2] = {total, total};
#define TAKE_CODES(codes, i)                                                                                                  \
  const __m512i all = codes, even = _mm512_and_si512(all, low), odd = _mm512_and_si512(_mm512_srli_epi16(all, 4), low);       \
  const __m512i at = _mm512_add_epi32(place, _mm512_set1_epi32((i) % (SOME / halves) * 2 * halves));                          \
  const __m512 factor = _mm512_permutexvar_ps(at, factors[halves == 2 ? (i) / (SOME / 2) : 0]);                               \
  total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(multiply(even, odd, x)), factor, total);
  int64_t left = d->count;
  for (; left >= SOME * CODES; left -= SOME * CODES) {
    factors_from(d, (d->count - left) / BYTE_CODES, halves, factors);
    _Pragma("GCC unroll 8") for (int i = 0; i < SOME; i++, words += WORDS, x += 3 * CODES) {
      __builtin_prefetch((const char *)words + d->ahead);
      TAKE_CODES(_mm512_loadu_si512(words), i)
    }
  }
  if (left) factors_from(d, (d->count - left) / BYTE_CODES, halves, factors);
  for (int i = 0; left > 0; i++, left -= CODES, words += WORDS, x += 3 * CODES) {
    TAKE_CODES(_mm512_maskz_loadu_epi32((__mmask16)(left < CODES ? 0xff : 0xffff), words), i)
  }
#undef TAKE_CODES
  for (int64_t g = 0; g < groups; g += 16)
    total = _mm512_fmadd_ps(some_floats(d->biases + g, groups - g), some_floats(d->sums + g, groups - g), total);
  return _mm512_reduce_add_ps(total);
}
static float dot_bytes(const quantized_bytes *d) {
  return d->group_size < BYTE_CODES ? dot_registers(d, products_by_pairs, 2) : dot_registers(d, products_by_pairs, 1);
}
VNNI static float dot_bytes_vnni(const quantized_bytes *d) {
  return d->group_size < BYTE_CODES ? dot_registers(d, products_by_fours, 2) : dot_registers(d, products_by_fours, 1);
}
#endif
#endif
#endif
