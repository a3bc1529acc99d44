/* quantized.isa.c: the loops of quantized.h. Built once per instruction set. Uses cpu/quantized.h, cpu/code_values.h,
   cpu/code_bytes.h, kernel/scalar.h. */
#include "backends/cpu/code_bytes.h"
#include "backends/cpu/code_values.h"
#include "backends/cpu/quantized.h"
#include "backends/cpu/registers.h"
#include "kernel/scalar.h"
#include <math.h>

/* ---- rows of codes ---- */

#define SUM_OF_HALVES(x, n) for (int half = (n) / 2; half; half /= 2) for (int i = 0; i < half; i++) x[i] += x[i + half]
INLINE float sum_of_values(const some_values *x) {
  float some[SOME_CODES];
  memcpy(some, x, sizeof some);
  SUM_OF_HALVES(some, SOME_CODES);
  return some[0];
}

/* The sums have names of their own: gcc keeps an array of them in memory. */
#if SOME_CODES == 16
#define ADD_PRODUCT(sum, a, b) sum = (some_values)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(sum))
#elif defined(__FMA__)
#define ADD_PRODUCT(sum, a, b) sum = (some_values)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(sum))
#else
#define ADD_PRODUCT(sum, a, b) sum += (a) * (b)
#endif
#define ONE(f) f(0)
#define MANY(f) f(0) f(1) f(2) f(3)
#define BEGIN_TOTAL(r) some_values total##r = {0}; float shift##r = 0;
#define BEGIN_SUM(r) some_values sum##r = {0};
#define TAKE(r)                                                                                                \
  memcpy(&row, x + r * d->x_row + SOME_CODES * h, sizeof row);                                                 \
  ADD_PRODUCT(sum##r, row, code);
#define END_SUM(r) total##r += sum##r * d->scales[g];
#define ADD_BIAS(r) shift##r += d->biases[g] * d->sums[r * d->sums_row + g];
#define PUT(r) d->out[r] += sum_of_values(&total##r) + shift##r;

#define DOT(name, kind, EACH)                                                                                  \
  static void name(const quantized_dot *d) {                                                                   \
    const float one = 1;                                                                                       \
    const uint32_t *unit = d->words;                                                                           \
    const float *x = d->x;                                                                                     \
    code_table table;                                                                                          \
    begin_codes(kind, &one, NULL, &table);                                                                     \
    EACH(BEGIN_TOTAL)                                                                                          \
    for (int64_t g = 0; g < d->groups; g++) {                                                                  \
      EACH(BEGIN_SUM)                                                                                          \
      for (int at = 0; at < d->group_size; at += UNIT_CODES(kind)) {                                           \
        _Pragma("GCC unroll 4") for (int h = 0; h < UNIT_CODES(kind) / SOME_CODES; h++) {                      \
          some_values code, row;                                                                               \
          plain_values(unit, kind, h, &table, &code);                                                          \
          EACH(TAKE)                                                                                           \
        }                                                                                                      \
        unit += UNIT_WORDS(kind);                                                                              \
        x += UNIT_CODES(kind);                                                                                 \
      }                                                                                                        \
      EACH(END_SUM)                                                                                            \
      if (d->biases) {                                                                                         \
        EACH(ADD_BIAS)                                                                                         \
      }                                                                                                        \
    }                                                                                                          \
    EACH(PUT)                                                                                                  \
  }

#define VALUES(name, kind)                                                                                     \
  static void name(const quantized_groups *q, float *values) {                                                 \
    const uint32_t *unit = q->words;                                                                           \
    for (int64_t g = 0; g < q->groups; g++) {                                                                  \
      code_table table;                                                                                        \
      begin_codes(kind, q->scales + g, q->biases ? q->biases + g : NULL, &table);                              \
      for (int at = 0; at < q->group_size; at += UNIT_CODES(kind), unit += UNIT_WORDS(kind))                   \
        _Pragma("GCC unroll 4") for (int h = 0; h < UNIT_CODES(kind) / SOME_CODES; h++, values += SOME_CODES) { \
          some_values some;                                                                                    \
          scaled_values(unit, kind, h, &table, &some);                                                         \
          memcpy(values, &some, sizeof some);                                                                  \
        }                                                                                                      \
    }                                                                                                          \
  }

#define KIND(kind) VALUES(values_##kind, kind) DOT(one_##kind, kind, ONE) DOT(many_##kind, kind, MANY)
KIND(0) KIND(1) KIND(2) KIND(3) KIND(4) KIND(5) KIND(6) KIND(7) KIND(8)
#define ALL(name) {name##_0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8}

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
