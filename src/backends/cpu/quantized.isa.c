/* quantized.isa.c: the loops of quantized.h. Built once per instruction set.

   Eight codes are two windows of 32 bits, shifted to each its place: codes of b bits come in units of 32, which are b
   words, and no window reaches out of its unit. Uses cpu/quantized.h, kernel/scalar.h. */
#include "backends/cpu/code_bytes.h"
#include "backends/cpu/quantized.h"
#include "backends/cpu/registers.h"
#include "kernel/scalar.h"
#include <math.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef uint32_t eight_words __attribute__((vector_size(32)));
typedef int32_t eight_ints __attribute__((vector_size(32)));
typedef float eight __attribute__((vector_size(32)));
#define INLINE static inline __attribute__((always_inline))

/* ---- eight codes; vectors go through pointers, since a machine without registers of that width passes them
   otherwise ---- */

/* Four codes of `bits` from bit `bit` of a unit on: the word that holds them, and how far from its lowest bit. */
INLINE uint32_t window(const uint32_t *unit, int bits, int bit, uint32_t *shift) {
  const int last = 4 * bits - 4, at = bit / 8 < last ? bit / 8 : last;
  uint32_t word;
  memcpy(&word, (const char *)unit + at, sizeof word);
  *shift = (uint32_t)(bit - 8 * at);
  return word;
}

/* Codes 8 h .. 8 h + 7 of a unit. */
INLINE void eight_codes(const uint32_t *unit, int bits, int h, eight_words *codes) {
  if (bits == 4) {
    const uint32_t w = unit[h];
    const eight_words all = {w, w, w, w, w, w, w, w}, places = {0, 4, 8, 12, 16, 20, 24, 28};
    *codes = all >> places & 15;
    return;
  }
  uint32_t l, u;
  const uint32_t low = window(unit, bits, 8 * h * bits, &l), high = window(unit, bits, (8 * h + 4) * bits, &u);
  const uint32_t b = (uint32_t)bits;
  const eight_words all = {low, low, low, low, high, high, high, high};
  const eight_words places = {l, l + b, l + 2 * b, l + 3 * b, u, u + b, u + 2 * b, u + 3 * b};
  *codes = all >> places & ((1u << b) - 1);
}

/* A float of few bits has the fields of a wide one, but no hidden bit where the exponent is 0: there the next exponent
   is taken, and its power of two away again. */
#define SMALL_FLOAT(magnitude, fraction, bias, bits, less)                                                     \
  do {                                                                                                         \
    const eight_words hidden = (eight_words)((magnitude) < (1u << (fraction)));                                \
    bits = ((magnitude) << (23 - (fraction))) + ((127u - (bias)) << 23) + (hidden & (1u << 23));               \
    less = hidden & ((127u + 1 - (bias)) << 23);                                                               \
  } while (0)

INLINE void eight_e2m1(const eight_words *from, eight *values) {
  const eight_words codes = *from;
  const eight_words sign = codes >> 3 << 31;
#if defined(__AVX2__)
  const eight sizes = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  const eight size = (eight)_mm256_permutevar8x32_ps((__m256)sizes, (__m256i)codes); /* by their lower 3 bits */
#else
  eight_words bits, less;
  SMALL_FLOAT((codes & 7), 1, 1, bits, less);
  const eight size = (eight)bits - (eight)less;
#endif
  *values = (eight)((eight_words)size | sign);
}

INLINE void eight_e4m3(const eight_words *from, eight *values) {
  const eight_words codes = *from;
  const eight_words magnitude = codes & 127;
  eight_words bits, less;
  SMALL_FLOAT(magnitude, 3, 7, bits, less);
  const eight size = (eight)bits - (eight)less;
  const eight_words none = (eight_words)(magnitude == 127) & 0x7fc00000u;
  *values = (eight)((eight_words)size | none | codes >> 7 << 31);
}

INLINE void eight_values(const uint32_t *unit, int kind, int h, eight *values) {
  eight_words codes;
  eight_codes(unit, kind == CODES_E2M1 ? 4 : kind == CODES_E4M3 ? 8 : kind, h, &codes);
  if (kind == CODES_E2M1) eight_e2m1(&codes, values);
  else if (kind == CODES_E4M3) eight_e4m3(&codes, values);
  else *values = __builtin_convertvector((eight_ints)codes, eight);
}

/* ---- rows of codes ---- */

/* Words of a unit, and how many times eight codes it has: groups of E2M1 may be of 16. */
#define UNIT_WORDS(kind) ((kind) == CODES_E2M1 ? 2 : (kind) == CODES_E4M3 ? 8 : (kind))
#define UNIT_EIGHTS(kind) ((kind) == CODES_E2M1 ? 2 : 4)

INLINE float sum_of_eight(const eight *x) {
  return (((*x)[0] + (*x)[4]) + ((*x)[2] + (*x)[6])) + (((*x)[1] + (*x)[5]) + ((*x)[3] + (*x)[7]));
}

/* The sums have names of their own: gcc keeps an array of them in memory. */
#define ONE(f) f(0)
#define MANY(f) f(0) f(1) f(2) f(3)
#define BEGIN_TOTAL(r) eight total##r = {0}; float shift##r = 0;
#define BEGIN_SUM(r) eight sum##r = {0};
#define TAKE(r)                                                                                                \
  memcpy(&row, x + r * d->x_row + 8 * h, sizeof row);                                                          \
  sum##r += row * code;
#define END_SUM(r) total##r += sum##r * d->scales[g];
#define ADD_BIAS(r) shift##r += d->biases[g] * d->sums[r * d->sums_row + g];
#define PUT(r) d->out[r] += sum_of_eight(&total##r) + shift##r;

#define DOT(name, kind, EACH)                                                                                  \
  static void name(const quantized_dot *d) {                                                                   \
    const uint32_t *unit = d->words;                                                                           \
    const float *x = d->x;                                                                                     \
    EACH(BEGIN_TOTAL)                                                                                          \
    for (int64_t g = 0; g < d->groups; g++) {                                                                  \
      EACH(BEGIN_SUM)                                                                                          \
      for (int at = 0; at < d->group_size; at += 8 * UNIT_EIGHTS(kind)) {                                      \
        _Pragma("GCC unroll 4") for (int h = 0; h < UNIT_EIGHTS(kind); h++) {                                  \
          eight code, row;                                                                                     \
          eight_values(unit, kind, h, &code);                                                                  \
          EACH(TAKE)                                                                                           \
        }                                                                                                      \
        unit += UNIT_WORDS(kind);                                                                              \
        x += 8 * UNIT_EIGHTS(kind);                                                                            \
      }                                                                                                        \
      EACH(END_SUM)                                                                                            \
      if (d->biases) {                                                                                         \
        EACH(ADD_BIAS)                                                                                         \
      }                                                                                                        \
    }                                                                                                          \
    EACH(PUT)                                                                                                  \
  }

#define VALUES(name, kind)                                                                                     \
  static void name(const uint32_t *words, int64_t n, float *values) {                                          \
    for (int64_t at = 0; at < n; at += 8 * UNIT_EIGHTS(kind), words += UNIT_WORDS(kind))                       \
      _Pragma("GCC unroll 4") for (int h = 0; h < UNIT_EIGHTS(kind); h++) {                                    \
        eight code;                                                                                            \
        eight_values(words, kind, h, &code);                                                                   \
        memcpy(values + at + 8 * h, &code, sizeof code);                                                       \
      }                                                                                                        \
  }

#define KIND(kind) VALUES(values_##kind, kind) DOT(one_##kind, kind, ONE) DOT(many_##kind, kind, MANY)
KIND(0) KIND(1) KIND(2) KIND(3) KIND(4) KIND(5) KIND(6) KIND(7) KIND(8)
#define ALL(name) {name##_0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8}

static void scale(float *values, int64_t groups, int group_size, const float *scales, const float *biases) {
  for (int64_t g = 0; g < groups; g++, values += group_size) {
    const float by = scales[g], bias = biases ? biases[g] : 0;
    if (biases)
      for (int i = 0; i < group_size; i++) values[i] = values[i] * by + bias;
    else
      for (int i = 0; i < group_size; i++) values[i] *= by;
  }
}

/* ---- words ---- */

enum { WORD_LANES = REGISTER_BYTES / 4 };
typedef uint32_t vector_words __attribute__((vector_size(REGISTER_BYTES)));
typedef int32_t vector_ints __attribute__((vector_size(REGISTER_BYTES)));

static void arrange(const float *x, int64_t n, int bits, float *to) {
  const int64_t codes = 32 / bits;
  for (int64_t v = 0; v < n; v += codes * WORD_LANES, to += codes * WORD_LANES) {
    float factor = 1;
    for (int64_t i = 0; i < codes; i++, factor /= (float)(1 << bits))
      for (int64_t lane = 0; lane < WORD_LANES; lane++)
        to[i * WORD_LANES + lane] = x[v + lane * codes + i] * (i == codes - 1 ? factor * (float)(1 << bits) : factor);
  }
}

/* The scales of the groups that a register's words belong to: one group, or two. */
INLINE vector_float scales_of_words(const float *scales, int64_t word, int shift) {
  const float low = scales[word >> shift], high = scales[(word + WORD_LANES / 2) >> shift];
  const vector_float s = SPLAT_FLOAT(low);
  if (1 << shift >= WORD_LANES) return s;
  const vector_float t = SPLAT_FLOAT(high);
#if REGISTER_BYTES == 64
  return __builtin_shufflevector(s, t, 0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31);
#elif REGISTER_BYTES == 32
  return __builtin_shufflevector(s, t, 0, 1, 2, 3, 12, 13, 14, 15);
#else
  return __builtin_shufflevector(s, t, 0, 1, 6, 7);
#endif
}

INLINE float sum_of_lanes(vector_float x) {
  float some[WORD_LANES];
  memcpy(some, &x, sizeof x);
  for (int half = WORD_LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) some[i] += some[i + half];
  return some[0];
}

INLINE float sum_of_biases(const quantized_words *d, int64_t row) {
  const int64_t groups = d->count / d->group_words;
  const float *sums = d->sums + row * d->sums_row;
  vector_float total = {0};
  float rest = 0;
  int64_t g = 0;
  for (; g + WORD_LANES <= groups; g += WORD_LANES)
    total = FMA_FLOAT(wide_float32(d->biases + g), wide_float32(sums + g), total);
  for (; g < groups; g++) rest += d->biases[g] * sums[g];
  return sum_of_lanes(total) + rest;
}

/* The sums have names of their own: gcc keeps an array of them in memory. */
#define ROWS_1(f) f(0)
#define ROWS_2(f) ROWS_1(f) f(1)
#define ROWS_3(f) ROWS_2(f) f(2)
#define BEGIN_WORDS(r) vector_float total##r = {0};
#define BEGIN_CODES(r) vector_float even##r = {0}, odd##r = {0};
#define TAKE_EVEN(r) even##r = FMA_FLOAT(code, wide_float32(x + r * d->x_row + i * WORD_LANES), even##r);
#define TAKE_ODD(r) odd##r = FMA_FLOAT(code, wide_float32(x + r * d->x_row + i * WORD_LANES), odd##r);
#define END_CODES(r) total##r = FMA_FLOAT(even##r + odd##r, scale, total##r);
#define PUT_WORDS(r) d->out[r * d->out_row] = sum_of_lanes(total##r) + sum_of_biases(d, r);
#define WORDS(name, BITS, ROWS)                                                                                \
  static void name(const quantized_words *d) {                                                                 \
    enum { CODES = 32 / BITS };                                                                                \
    const int shift = __builtin_ctzll((unsigned long long)d->group_words); /* group sizes are powers of two */ \
    const float *x = d->x;                                                                                     \
    ROWS(BEGIN_WORDS)                                                                                          \
    for (int64_t w = 0; w < d->count; w += WORD_LANES, x += CODES * WORD_LANES) {                              \
      vector_words words;                                                                                      \
      memcpy(&words, d->words + w, sizeof words);                                                              \
      const vector_float scale = scales_of_words(d->scales, w, shift);                                         \
      ROWS(BEGIN_CODES)                                                                                        \
      _Pragma("GCC unroll 16") for (int i = 0; i < CODES; i++) {                                               \
        const uint32_t mask = (uint32_t)((1u << BITS) - 1) << (i == CODES - 1 ? i - 1 : i) * BITS;             \
        const vector_words some = (i == CODES - 1 ? words >> BITS : words) & mask;                             \
        const vector_float code = __builtin_convertvector((vector_ints)some, vector_float);                    \
        if (i % 2) {                                                                                           \
          ROWS(TAKE_ODD)                                                                                       \
        } else {                                                                                               \
          ROWS(TAKE_EVEN)                                                                                      \
        }                                                                                                      \
      }                                                                                                        \
      ROWS(END_CODES)                                                                                          \
    }                                                                                                          \
    ROWS(PUT_WORDS)                                                                                            \
  }
#define WORDS_OF(BITS)                                                                                         \
  WORDS(words_##BITS##_1, BITS, ROWS_1)                                                                        \
  WORDS(words_##BITS##_2, BITS, ROWS_2)                                                                        \
  WORDS(words_##BITS##_3, BITS, ROWS_3)
WORDS_OF(2)
WORDS_OF(4)
WORDS_OF(8)

static void dot_words(const quantized_words *d, int bits) {
  static void (*const loops[3][WORD_ROWS])(const quantized_words *) = {
      {words_2_1, words_2_2, words_2_3}, {words_4_1, words_4_2, words_4_3}, {words_8_1, words_8_2, words_8_3}};
  loops[bits == 2 ? 0 : bits == 4 ? 1 : 2][d->rows - 1](d);
}

/* ---- bytes ---- */

static void from_e4m3(const uint8_t *codes, int64_t n, float *values) {
  for (int64_t i = 0; i < n; i++) {
    const uint32_t magnitude = codes[i] & 127u, hidden = magnitude < 8;
    const float less = k_from_bits_f32(hidden ? 121u << 23 : 0);
    const float size = k_from_bits_f32((magnitude << 20) + ((120u + hidden) << 23)) - less;
    const uint32_t none = magnitude == 127 ? 0x7fc00000u : 0;
    values[i] = k_from_bits_f32(k_bits_f32(size) | none | (uint32_t)(codes[i] & 128) << 24);
  }
}

static void from_e8m0(const uint8_t *codes, int64_t n, float *values) {
  for (int64_t i = 0; i < n; i++) values[i] = k_from_bits_f32(codes[i] ? (uint32_t)codes[i] << 23 : 1u << 22);
}

/* To nearest, ties to even: the bits rounded to three of the fraction; below 2^-6, units of 2^-9. */
static void to_e4m3(const float *values, int64_t n, uint8_t *codes) {
  for (int64_t i = 0; i < n; i++) {
    const uint32_t u = k_bits_f32(values[i]);
    float size = k_from_bits_f32(u & 0x7fffffffu);
    size = size < 448 ? size : 448; /* NaN is not less */
    const uint32_t bits = k_bits_f32(size), normal = (bits + 0x7ffffu + (bits >> 20 & 1)) >> 20;
    /* Adding 2^14 leaves units of 2^-9 in the lowest bits. */
    const uint32_t small = k_bits_f32(size + 16384) - k_bits_f32(16384);
    codes[i] = (uint8_t)((size < 0x1p-6f ? small : normal - (120u << 3)) | (u >> 31) << 7);
  }
}

static void to_e2m1(const float *values, int64_t n, uint8_t *codes) {
  for (int64_t i = 0; i < n; i++) {
    const float x = values[i], size = x < 0 ? -x : x;
    const int code = (size > 0.25f) + (size > 0.75f) + (size > 1.25f) + (size > 1.75f) + (size > 2.5f) +
                     (size > 3.5f) + (size > 5);
    codes[i] = (uint8_t)(code | (x < 0 && code ? 8 : 0));
  }
}

static void to_numbers(const float *w, int64_t n, float by, float bias, float top, uint8_t *codes) {
  for (int64_t i = 0; i < n; i++) {
    const float code = __builtin_rintf((w[i] - bias) / by);
    codes[i] = (uint8_t)(int)(code > 0 ? code < top ? code : top : 0);
  }
}

static void range(const float *w, int64_t n, float *least, float *greatest) {
  enum { WIDE = 16 };
  float low[WIDE], high[WIDE];
  for (int j = 0; j < WIDE; j++) low[j] = high[j] = w[j];
  for (int64_t i = WIDE; i < n; i += WIDE)
    for (int j = 0; j < WIDE; j++) {
      low[j] = w[i + j] < low[j] ? w[i + j] : low[j];
      high[j] = w[i + j] > high[j] ? w[i + j] : high[j];
    }
  for (int j = 1; j < WIDE; j++) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
  }
  *least = low[0], *greatest = high[0];
}

#define TABLE(name, bytes, by_words)                                                                                     \
  const quantized_loops name = {                                                                               \
      .values = ALL(values),                                                                                   \
      .dot_one = ALL(one),                                                                                     \
      .dot_many = ALL(many),                                                                                   \
      .word_lanes = WORD_LANES,                                                                                \
      .dot_words = dot_words,                                                                                  \
      .arrange = arrange,                                                                                      \
      .arrange_bytes = ARRANGE_BYTES,                                                                          \
      .dot_bytes = bytes,                                                                                      \
      .rows_by_words = by_words,                                                                               \
      .scale = scale,                                                                                          \
      .from_e4m3 = from_e4m3,                                                                                  \
      .from_e8m0 = from_e8m0,                                                                                  \
      .to_e4m3 = to_e4m3,                                                                                      \
      .to_e2m1 = to_e2m1,                                                                                      \
      .to_numbers = to_numbers,                                                                                \
      .range = range,                                                                                          \
  };
#if defined(__AVX2__)
#define ARRANGE_BYTES arrange_bytes
TABLE(ISA_NAME(quantized_loops), dot_bytes, WORD_ROWS)
#else
#define ARRANGE_BYTES NULL
TABLE(ISA_NAME(quantized_loops), NULL, WORD_ROWS)
#endif
#if defined(__AVX512F__)
TABLE(quantized_loops_avx512vnni, dot_bytes_vnni, 1)
#endif
