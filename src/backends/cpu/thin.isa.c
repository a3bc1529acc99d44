/* thin.isa.c: the inner loops of products with few rows: the large matrix is read once, and turned into lanes in
   registers. Built once per instruction set. Uses cpu/gemm.h, cpu/registers.h. */
#include "backends/cpu/gemm.h"
#include "backends/cpu/registers.h"

#define INLINE static inline __attribute__((always_inline))

/* A register of the last elements of a row; zeros behind them. */
#if defined(__AVX512F__)
INLINE vector_float rest_float32(const float *from, int64_t n) {
  return (vector_float)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
}
INLINE vector_double rest_float64(const double *from, int64_t n) {
  return (vector_double)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), from);
}
#elif defined(__AVX2__)
INLINE __m256i lanes_below(int64_t bytes) {
  static const int32_t ones_and_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256((const __m256i *)(const void *)((const char *)(ones_and_zeros + 8) - bytes));
}
INLINE vector_float rest_float32(const float *from, int64_t n) {
  return (vector_float)_mm256_maskload_ps(from, lanes_below(4 * n));
}
INLINE vector_double rest_float64(const double *from, int64_t n) {
  return (vector_double)_mm256_maskload_pd(from, lanes_below(8 * n));
}
#else
#define REST_OF_FLOATS
#endif
#define REST(dtype, element, lane)                                                                             \
  INLINE vector_##lane rest_##dtype(const element *from, int64_t n) {                                          \
    element some[REGISTER_BYTES / sizeof(lane)] = {0};                                                         \
    memcpy(some, from, (size_t)n * sizeof *some);                                                              \
    return wide_##dtype(some);                                                                                 \
  }

/* The sums of the elements of four registers. */
INLINE void four_sums_double(vector_double a, vector_double b, vector_double c, vector_double d, double *to) {
  for (int i = 0; i < (int)(REGISTER_BYTES / sizeof *to); i++) to[0] += a[i], to[1] += b[i], to[2] += c[i], to[3] += d[i];
}

INLINE void four_sums_float(vector_float a, vector_float b, vector_float c, vector_float d, float *to) {
#if defined(__AVX__)
#if defined(__AVX512F__)
#define HALF(x) _mm256_add_ps(_mm512_castps512_ps256((__m512)x), _mm512_extractf32x8_ps((__m512)x, 1))
#else
#define HALF(x) (__m256) x
#endif
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(HALF(a), HALF(b)), _mm256_hadd_ps(HALF(c), HALF(d)));
  const __m128 sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
  _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to), sums));
#else
  for (int i = 0; i < (int)(REGISTER_BYTES / sizeof *to); i++) to[0] += a[i], to[1] += b[i], to[2] += c[i], to[3] += d[i];
#endif
}

/* ---- dots: up to two rows of x by four of w, or up to six by two: as many sums as there are registers for. They have
   names of their own: gcc keeps an array of them in memory. ---- */

#define ROWS_1(f, lane, LANE, direct) f(0, lane, LANE, direct)
#define ROWS_2(f, lane, LANE, direct) ROWS_1(f, lane, LANE, direct) f(1, lane, LANE, direct)
#define ROWS_3(f, lane, LANE, direct) ROWS_2(f, lane, LANE, direct) f(2, lane, LANE, direct)
#define ROWS_4(f, lane, LANE, direct) ROWS_3(f, lane, LANE, direct) f(3, lane, LANE, direct)
#define ROWS_5(f, lane, LANE, direct) ROWS_4(f, lane, LANE, direct) f(4, lane, LANE, direct)
#define ROWS_6(f, lane, LANE, direct) ROWS_5(f, lane, LANE, direct) f(5, lane, LANE, direct)
#define BEGIN(r, lane, LANE, direct)                                                                           \
  vector_##lane sum##r##0 = {0}, sum##r##1 = {0}, sum##r##2 = {0}, sum##r##3 = {0};                            \
  const lane *x##r = (const lane *)t->x + r * t->x_row;
#define ADD(r, lane, LANE, direct) ADD_TO(r, LANE, wide_##direct(x##r + p))
#define ADD_REST(r, lane, LANE, direct) ADD_TO(r, LANE, rest_##direct(x##r + p, t->k - p))
#define ADD_TO(r, LANE, from)                                                                                  \
  {                                                                                                            \
    __typeof__(sum##r##0) x = from;                                                                            \
    sum##r##0 = FMA_##LANE(x, w_0, sum##r##0), sum##r##1 = FMA_##LANE(x, w_1, sum##r##1);                      \
    if (four) sum##r##2 = FMA_##LANE(x, w_2, sum##r##2), sum##r##3 = FMA_##LANE(x, w_3, sum##r##3);            \
  }
#define PUT(r, lane, LANE, direct)                                                                             \
  {                                                                                                            \
    lane sums[4] = {0}, *y = (lane *)t->y + r * t->y_row;                                                      \
    four_sums_##lane(sum##r##0, sum##r##1, sum##r##2, sum##r##3, sums);                                        \
    for (int64_t i = 0; i < t->columns; i++) y[i] += sums[i];                                                  \
  }

/* Rows of w that there are not are the last one again. The next rows are fetched at the same time: short ones end
   before the processor expects them to. */
#define DOTS(dtype, element, lane, LANE, direct, ROWS, AT_ONCE)                                                \
  static void dots_##dtype##_##ROWS(const thin_part *t) {                                                      \
    enum { EACH = REGISTER_BYTES / sizeof(lane), four = AT_ONCE == 4 };                                        \
    const element *w0 = t->w, *w1 = t->columns > 1 ? w0 + t->w_row : w0;                                       \
    const element *w2 = t->columns > 2 ? w1 + t->w_row : w1, *w3 = t->columns > 3 ? w2 + t->w_row : w2;        \
    const int64_t ahead = AT_ONCE * t->w_row;                                                                  \
    vector_##lane w_0, w_1, w_2 = {0}, w_3 = {0};                                                              \
    int64_t p = 0;                                                                                             \
    ROWS(BEGIN, lane, LANE, direct)                                                                            \
    for (; p + EACH <= t->k; p += EACH) {                                                                      \
      if (p % (64 / sizeof(element)) == 0) {                                                                   \
        __builtin_prefetch(w0 + ahead + p, 0, 2), __builtin_prefetch(w1 + ahead + p, 0, 2);                    \
        if (four) __builtin_prefetch(w2 + ahead + p, 0, 2), __builtin_prefetch(w3 + ahead + p, 0, 2);          \
      }                                                                                                        \
      w_0 = wide_##dtype(w0 + p), w_1 = wide_##dtype(w1 + p);                                                  \
      if (four) w_2 = wide_##dtype(w2 + p), w_3 = wide_##dtype(w3 + p);                                        \
      ROWS(ADD, lane, LANE, direct)                                                                            \
    }                                                                                                          \
    if (p < t->k) {                                                                                            \
      w_0 = rest_##dtype(w0 + p, t->k - p), w_1 = rest_##dtype(w1 + p, t->k - p);                              \
      if (four) w_2 = rest_##dtype(w2 + p, t->k - p), w_3 = rest_##dtype(w3 + p, t->k - p);                    \
      ROWS(ADD_REST, lane, LANE, direct)                                                                       \
    }                                                                                                          \
    ROWS(PUT, lane, LANE, direct)                                                                              \
  }

#define ALL_DOTS(dtype, element, lane, LANE, direct)                                                           \
  DOTS(dtype, element, lane, LANE, direct, ROWS_1, 4)                                                          \
  DOTS(dtype, element, lane, LANE, direct, ROWS_2, 4)                                                          \
  DOTS(dtype, element, lane, LANE, direct, ROWS_3, 2)                                                          \
  DOTS(dtype, element, lane, LANE, direct, ROWS_4, 2)                                                          \
  DOTS(dtype, element, lane, LANE, direct, ROWS_5, 2)                                                          \
  DOTS(dtype, element, lane, LANE, direct, ROWS_6, 2)                                                          \
  static void dots_##dtype(const thin_part *all) {                                                             \
    static void (*const by_rows[])(const thin_part *) = {dots_##dtype##_ROWS_1, dots_##dtype##_ROWS_2,         \
                                                         dots_##dtype##_ROWS_3, dots_##dtype##_ROWS_4,         \
                                                         dots_##dtype##_ROWS_5, dots_##dtype##_ROWS_6};        \
    const int64_t at_once = all->rows > 2 ? 2 : 4, passes = (all->rows + 5) / 6;                               \
    for (int64_t j = 0; j < all->columns; j += at_once)                                                        \
      for (int64_t pass = 0; pass < passes; pass++) {                                                          \
        const int64_t r = all->rows * pass / passes;                                                           \
        thin_part t = *all;                                                                                    \
        t.rows = all->rows * (pass + 1) / passes - r;                                                          \
        t.columns = all->columns - j < at_once ? all->columns - j : at_once;                                   \
        t.x = (const lane *)all->x + r * all->x_row;                                                           \
        t.w = (const element *)all->w + j * all->w_row;                                                        \
        t.y = (lane *)all->y + r * all->y_row + j;                                                             \
        by_rows[t.rows - 1](&t);                                                                               \
      }                                                                                                        \
  }

/* ---- sums: four rows of w at a time are added to each row of y ---- */

#define SUMS(dtype, element, lane, LANE, direct)                                                               \
  static void sums_##dtype(const thin_part *t) {                                                               \
    enum { EACH = REGISTER_BYTES / sizeof(lane) };                                                             \
    const element *w = t->w;                                                                                   \
    const lane *x = t->x;                                                                                      \
    for (int64_t p = 0; p < t->k; p += 4, w += 4 * t->w_row, x += 4) {                                         \
      const int64_t some = t->k - p < 4 ? t->k - p : 4;                                                        \
      const element *w0 = w, *w1 = some > 1 ? w + t->w_row : w;                                                \
      const element *w2 = some > 2 ? w + 2 * t->w_row : w, *w3 = some > 3 ? w + 3 * t->w_row : w;              \
      for (int64_t r = 0; r < t->rows; r++) {                                                                  \
        const lane *f = x + r * t->x_row;                                                                      \
        const vector_##lane f0 = SPLAT_##LANE(f[0]), f1 = SPLAT_##LANE(some > 1 ? f[1] : 0);                   \
        const vector_##lane f2 = SPLAT_##LANE(some > 2 ? f[2] : 0), f3 = SPLAT_##LANE(some > 3 ? f[3] : 0);    \
        lane *y = (lane *)t->y + r * t->y_row;                                                                 \
        int64_t j = 0;                                                                                         \
        for (; j + EACH <= t->columns; j += EACH) {                                                            \
          if (r == 0 && j % (64 / sizeof(element)) == 0) { /* the next rows */                                 \
            __builtin_prefetch(w0 + 4 * t->w_row + j, 0, 2), __builtin_prefetch(w1 + 4 * t->w_row + j, 0, 2);  \
            __builtin_prefetch(w2 + 4 * t->w_row + j, 0, 2), __builtin_prefetch(w3 + 4 * t->w_row + j, 0, 2);  \
          }                                                                                                    \
          vector_##lane sum = wide_##direct(y + j);                                                            \
          sum = FMA_##LANE(f0, wide_##dtype(w0 + j), sum);                                                     \
          if (some > 1) sum = FMA_##LANE(f1, wide_##dtype(w1 + j), sum);                                       \
          if (some > 2) sum = FMA_##LANE(f2, wide_##dtype(w2 + j), sum);                                       \
          if (some > 3) sum = FMA_##LANE(f3, wide_##dtype(w3 + j), sum);                                       \
          memcpy(y + j, &sum, sizeof sum);                                                                     \
        }                                                                                                      \
        if (j == t->columns) continue;                                                                         \
        const int64_t n = t->columns - j;                                                                      \
        vector_##lane sum = wide_##direct(y + j);                                                              \
        sum = FMA_##LANE(f0, rest_##dtype(w0 + j, n), sum);                                                    \
        if (some > 1) sum = FMA_##LANE(f1, rest_##dtype(w1 + j, n), sum);                                      \
        if (some > 2) sum = FMA_##LANE(f2, rest_##dtype(w2 + j, n), sum);                                      \
        if (some > 3) sum = FMA_##LANE(f3, rest_##dtype(w3 + j, n), sum);                                      \
        memcpy(y + j, &sum, sizeof sum);                                                                       \
      }                                                                                                        \
    }                                                                                                          \
  }

#ifdef REST_OF_FLOATS
REST(float32, float, float)
REST(float64, double, double)
#endif
REST(bfloat16, uint16_t, float)
REST(float16, uint16_t, float)

#define LOOPS(dtype, element, lane, LANE, direct)                                                              \
  ALL_DOTS(dtype, element, lane, LANE, direct) SUMS(dtype, element, lane, LANE, direct)
LOOPS(float32, float, float, FLOAT, float32)
LOOPS(bfloat16, uint16_t, float, FLOAT, float32)
LOOPS(float16, uint16_t, float, FLOAT, float32)
LOOPS(float64, double, double, DOUBLE, float64)

#define EACH_DTYPE(f)                                                                                          \
  {                                                                                                            \
    [PONS_FLOAT32] = f##_float32, [PONS_BFLOAT16] = f##_bfloat16, [PONS_FLOAT16] = f##_float16,                \
    [PONS_FLOAT64] = f##_float64                                                                               \
  }
const thin_loops ISA_NAME(thin_loops) = {.dots = EACH_DTYPE(dots), .sums = EACH_DTYPE(sums)};
