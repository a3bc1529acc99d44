/* gemm.isa.c: the inner loops of products of matrices: tiles of the result that stay in registers, and copies of
   operands in the order in which tiles read them. Built once per instruction set. Uses cpu/gemm.h, cpu/registers.h.

   A tile is some rows by two registers of columns. Per step along k it reads one element of each row of a, which goes
   to all of a register, and two registers of b:

       columns: 16 floats (AVX2), 32 (AVX-512), 8 (SSE, NEON)
       rows:     6 with 16 registers (12 sums, 2 of b, 2 of a); 8 with 32, as many as there are pointers for

   so that 12 multiply-adds stand beside 8 loads: those are what the processor has to do (BLIS's shapes for Haswell). */
#include "backends/cpu/gemm.h"
#include "backends/cpu/registers.h"

#define INLINE static inline __attribute__((always_inline))

/* A row of c = alpha sum + beta c. */
#define PUT_ROW(name, type, NAME)                                                                              \
  INLINE void put_##name(vector_##name low, vector_##name high, const gemm_tile *t, type *c) {                 \
    const vector_##name alpha = SPLAT_##NAME((type)t->alpha), beta = SPLAT_##NAME((type)t->beta);              \
    low *= alpha, high *= alpha;                                                                               \
    if (t->beta != 0) {                                                                                        \
      vector_##name old_low, old_high;                                                                         \
      memcpy(&old_low, c, sizeof low);                                                                         \
      memcpy(&old_high, c + sizeof low / sizeof *c, sizeof high);                                              \
      low = FMA_##NAME(beta, old_low, low), high = FMA_##NAME(beta, old_high, high);                           \
    }                                                                                                          \
    memcpy(c, &low, sizeof low);                                                                               \
    memcpy(c + sizeof low / sizeof *c, &high, sizeof high);                                                    \
  }

/* The sums have names of their own: gcc keeps an array of them in memory. */
#define ROWS_1(f, n, N) f(0, n, N)
#define ROWS_2(f, n, N) ROWS_1(f, n, N) f(1, n, N)
#define ROWS_3(f, n, N) ROWS_2(f, n, N) f(2, n, N)
#define ROWS_4(f, n, N) ROWS_3(f, n, N) f(3, n, N)
#define ROWS_5(f, n, N) ROWS_4(f, n, N) f(4, n, N)
#define ROWS_6(f, n, N) ROWS_5(f, n, N) f(5, n, N)
#define ROWS_7(f, n, N) ROWS_6(f, n, N) f(6, n, N)
#define ROWS_8(f, n, N) ROWS_7(f, n, N) f(7, n, N)
#define BEGIN(r, name, NAME) vector_##name low##r = {0}, high##r = {0};
#define POINT(r, name, NAME) const name##_element *restrict a##r = rows[r];
#define FETCH(r, name, NAME) __builtin_prefetch(c + r * t->c_row, 1);
#define TAKE(r, name, NAME)                                                                                    \
  {                                                                                                            \
    const vector_##name x = SPLAT_##NAME(a##r[p]);                                                             \
    low##r = FMA_##NAME(x, b_low, low##r), high##r = FMA_##NAME(x, b_high, high##r);                           \
  }
#define PUT(r, name, NAME) put_##name(low##r, high##r, t, c + r * t->c_row);

#define TILE(name, NAME, ROWS)                                                                                 \
  static void name##_##ROWS(const gemm_tile *t) {                                                              \
    name##_element *c = t->c;                                                                                  \
    const int64_t step = t->b_step;                                                                            \
    ROWS(FETCH, name, NAME)                                                                                    \
    for (int64_t i = 0; i < t->fetch_bytes; i += 64) __builtin_prefetch((const char *)t->fetch + i, 0, 2);     \
    ROWS(BEGIN, name, NAME)                                                                                    \
    for (int64_t s = 0; s < t->runs; s++) {                                                                    \
      const void *const *rows = t->a + s * GEMM_ROWS_MOST;                                                     \
      const name##_element *restrict b = t->b[s];                                                              \
      const int64_t length = t->lengths[s];                                                                    \
      ROWS(POINT, name, NAME)                                                                                  \
      for (int64_t p = 0; p < length; p++, b += step) {                                                        \
        vector_##name b_low, b_high;                                                                           \
        memcpy(&b_low, b, sizeof b_low);                                                                       \
        memcpy(&b_high, b + sizeof b_low / sizeof *b, sizeof b_high);                                          \
        ROWS(TAKE, name, NAME)                                                                                 \
      }                                                                                                        \
    }                                                                                                          \
    ROWS(PUT, name, NAME)                                                                                      \
  }
#define TILES(name, type, NAME)                                                                                \
  typedef type name##_element;                                                                                 \
  PUT_ROW(name, type, NAME)                                                                                    \
  TILE(name, NAME, ROWS_1)                                                                                     \
  TILE(name, NAME, ROWS_2)                                                                                     \
  TILE(name, NAME, ROWS_3)                                                                                     \
  TILE(name, NAME, ROWS_4)                                                                                     \
  TILE(name, NAME, ROWS_5)                                                                                     \
  TILE(name, NAME, ROWS_6)                                                                                     \
  TILE(name, NAME, ROWS_7)                                                                                     \
  TILE(name, NAME, ROWS_8)                                                                                     \
  /* A tile that reaches over the edge is computed beside the result. */                                       \
  static void tile_##name(const gemm_tile *t) {                                                                \
    enum { COLUMNS = 2 * sizeof(vector_##name) / sizeof(type) };                                               \
    static void (*const by_rows[])(const gemm_tile *) = {name##_ROWS_1, name##_ROWS_2, name##_ROWS_3,          \
                                                         name##_ROWS_4, name##_ROWS_5, name##_ROWS_6,          \
                                                         name##_ROWS_7, name##_ROWS_8};                        \
    if (t->width == COLUMNS) {                                                                                 \
      by_rows[t->rows - 1](t);                                                                                 \
      return;                                                                                                  \
    }                                                                                                          \
    type sums[GEMM_ROWS_MOST * COLUMNS];                                                                       \
    const size_t bytes = (size_t)t->width * sizeof *sums;                                                      \
    gemm_tile beside = *t;                                                                                     \
    beside.c = sums, beside.c_row = COLUMNS;                                                                   \
    for (int64_t r = 0; r < t->rows && t->beta != 0; r++)                                                      \
      memcpy(sums + r * COLUMNS, (type *)t->c + r * t->c_row, bytes);                                          \
    by_rows[t->rows - 1](&beside);                                                                             \
    for (int64_t r = 0; r < t->rows; r++) memcpy((type *)t->c + r * t->c_row, sums + r * COLUMNS, bytes);      \
  }
TILES(float, float, FLOAT)
TILES(double, double, DOUBLE)
TILES(uint, uint64_t, UINT) /* signed ones have the same bits */

/* ---- copies ---- */

/* Eight elements as floats; through pointers, since a machine without registers of that width passes vectors
   otherwise. */
typedef float eight __attribute__((vector_size(32)));

INLINE void eight_float(const float *from, eight *to) { memcpy(to, from, sizeof *to); }

INLINE void eight_bfloat16(const uint16_t *from, eight *to) {
  typedef uint16_t halves __attribute__((vector_size(16)));
  typedef uint32_t words __attribute__((vector_size(32)));
  halves x;
  memcpy(&x, from, sizeof x);
  const words bits = __builtin_convertvector(x, words) << 16;
  memcpy(to, &bits, sizeof *to);
}

INLINE void eight_float16(const uint16_t *from, eight *to) {
#if defined(__F16C__)
  *to = (eight)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#else
  cpu_lanes()->load[PONS_FLOAT16](from, 1, 8, to);
#endif
}

#define PAIRS(a, b, low, high)                                                                                 \
  low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);                                               \
  high = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define FOURS(a, b, low, high)                                                                                 \
  low = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);                                               \
  high = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define HALVES(a, b, low, high)                                                                                \
  low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);                                               \
  high = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

/* Columns become rows. */
INLINE void turn_eight(const eight *x, eight *y) {
  eight a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
  PAIRS(x[0], x[1], a0, a1);
  PAIRS(x[2], x[3], a2, a3);
  PAIRS(x[4], x[5], a4, a5);
  PAIRS(x[6], x[7], a6, a7);
  FOURS(a0, a2, b0, b1);
  FOURS(a1, a3, b2, b3);
  FOURS(a4, a6, b4, b5);
  FOURS(a5, a7, b6, b7);
  HALVES(b0, b4, y[0], y[4]);
  HALVES(b1, b5, y[1], y[5]);
  HALVES(b2, b6, y[2], y[6]);
  HALVES(b3, b7, y[3], y[7]);
}

#define TURN(name, type)                                                                                       \
  static void turn_##name(const void *from_, int64_t column, int64_t rows, int64_t columns, void *to_,         \
                          int64_t to_row) {                                                                    \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t i = 0; i < rows; i += 8)                                                                      \
      for (int64_t j = 0; j < columns; j += 8) {                                                               \
        const int64_t down = rows - i < 8 ? rows - i : 8, across = columns - j < 8 ? columns - j : 8;          \
        eight x[8], y[8];                                                                                      \
        if (down == 8 && across == 8) {                                                                        \
          for (int q = 0; q < 8; q++) eight_##name(from + i + (j + q) * column, x + q);                        \
          turn_eight(x, y);                                                                                    \
          for (int q = 0; q < 8; q++) memcpy(to + (i + q) * to_row + j, y + q, sizeof *y);                     \
          continue;                                                                                            \
        }                                                                                                      \
        for (int64_t q = 0; q < across; q++) {                                                                 \
          type some[8] = {0};                                                                                  \
          memcpy(some, from + i + (j + q) * column, (size_t)down * sizeof *some);                              \
          eight_##name(some, x + q);                                                                           \
        }                                                                                                      \
        for (int64_t q = across; q < 8; q++) x[q] = (eight){0};                                                \
        turn_eight(x, y);                                                                                      \
        for (int64_t q = 0; q < down; q++)                                                                     \
          memcpy(to + (i + q) * to_row + j, y + q, (size_t)across * sizeof(float));                            \
      }                                                                                                        \
  }
/* Rows of a strip are short: a call for each would cost more than the copy. */
#define ROWS(name, type, full)                                                                                 \
  static void rows_##name(const void *from_, int64_t row, int64_t rows, int64_t columns, void *to_,            \
                          int64_t to_row) {                                                                    \
    enum { EACH = sizeof(vector_float) / sizeof(float) };                                                      \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t i = 0; i < rows; i++, from += row, to += to_row) {                                            \
      int64_t j = 0;                                                                                           \
      for (; j + EACH <= columns; j += EACH) {                                                                 \
        const vector_float x = wide_##full(from + j);                                                          \
        memcpy(to + j, &x, sizeof x);                                                                          \
      }                                                                                                        \
      if (j == columns) continue;                                                                              \
      type some[EACH] = {0};                                                                                   \
      memcpy(some, from + j, (size_t)(columns - j) * sizeof *some);                                            \
      const vector_float x = wide_##full(some);                                                                \
      memcpy(to + j, &x, (size_t)(columns - j) * sizeof *to);                                                  \
    }                                                                                                          \
  }
#define COPIES(name, type, full) TURN(name, type) ROWS(name, type, full)
COPIES(float, float, float32)
COPIES(bfloat16, uint16_t, bfloat16)
COPIES(float16, uint16_t, float16)

#if REGISTER_BYTES == 64 || defined(__aarch64__)
enum { TILE_ROWS = 8 };
#else
enum { TILE_ROWS = 6 };
#endif
#define PER_REGISTER(type) (REGISTER_BYTES / (int)sizeof(type))
const gemm_loops ISA_NAME(gemm_loops) = {
    .tile_rows = TILE_ROWS,
    .tile_columns = {2 * PER_REGISTER(float), 2 * PER_REGISTER(double), 2 * PER_REGISTER(double),
                2 * PER_REGISTER(double), 2 * PER_REGISTER(float)},
    .tile = {tile_float, tile_double, tile_uint, tile_uint, tile_float},
    .turn = {[PONS_FLOAT32] = turn_float, [PONS_BFLOAT16] = turn_bfloat16, [PONS_FLOAT16] = turn_float16},
    .rows = {[PONS_FLOAT32] = rows_float, [PONS_BFLOAT16] = rows_bfloat16, [PONS_FLOAT16] = rows_float16},
};
