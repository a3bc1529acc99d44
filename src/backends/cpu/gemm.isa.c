/* gemm.isa.c: the inner loops of products of matrices: tiles of the result that stay in registers, and copies of
   operands in the order in which tiles read them. Built once per instruction set. Uses cpu/gemm.h, cpu/registers.h.

   A tile is some rows by two or four registers of columns. Per step along k it reads one element of each row of a, which
   goes to all of a register, and the registers of b:

       SSE, AVX2  6 x 2 registers   12 sums, 2 of b, 2 of a: 12 multiply-adds beside 8 loads (BLIS's shape for Haswell)
       NEON       8 x 2             16 sums
       AVX-512    6 x 4             24 sums, 4 of b, 1 of a: 24 beside 10, so that b may come from L2, of which a piece is
                                    twice what L1 holds. Floats have tiles of half the width too, for the last columns. */
#include "backends/cpu/gemm.h"
#include "backends/cpu/registers.h"

#define INLINE static inline __attribute__((always_inline))

/* The sums have names of their own: gcc keeps an array of them in memory. */
#define ROWS_1(f, n, N) f(0, n, N)
#define ROWS_2(f, n, N) ROWS_1(f, n, N) f(1, n, N)
#define ROWS_3(f, n, N) ROWS_2(f, n, N) f(2, n, N)
#define ROWS_4(f, n, N) ROWS_3(f, n, N) f(3, n, N)
#define ROWS_5(f, n, N) ROWS_4(f, n, N) f(4, n, N)
#define ROWS_6(f, n, N) ROWS_5(f, n, N) f(5, n, N)
#define ROWS_7(f, n, N) ROWS_6(f, n, N) f(6, n, N)
#define ROWS_8(f, n, N) ROWS_7(f, n, N) f(7, n, N)
#define ACROSS_2(f, r, n, N) f(0, r, n, N) f(1, r, n, N)
#define ACROSS_4(f, r, n, N) ACROSS_2(f, r, n, N) f(2, r, n, N) f(3, r, n, N)
#define BEGIN_ONE(i, r, name, NAME) vector_##name sum##r##_##i = {0};
#define BEGIN(r, name, NAME) ACROSS_##name(BEGIN_ONE, r, name, NAME)
#define POINT(r, name, NAME) const name##_element *restrict a##r = rows[r];
#define FETCH_ONE(i, r, name, NAME) __builtin_prefetch(row + (i + 1) * name##_LANES - 1, 1);
#define FETCH(r, name, NAME) ACROSS_##name(FETCH_ONE, r, name, NAME) NEXT(row, c_row)
#define ADD_TO_ONE(i, r, name, NAME) ADD_PRODUCT_##NAME(sum##r##_##i, x, b_##i)
#define ADD_IN_PLACE(r, name, NAME)                                                                            \
  {                                                                                                            \
    const vector_##name x = SPLAT_##NAME(a##r[p + at]);                                                        \
    ACROSS_##name(ADD_TO_ONE, r, name, NAME)                                                                   \
  }
#define ADD_BY_STEPS(r, name, NAME)                                                                            \
  {                                                                                                            \
    const vector_##name x = SPLAT_##NAME(a[r]);                                                                \
    ACROSS_##name(ADD_TO_ONE, r, name, NAME)                                                                   \
  }
#define ADD_BY_FOURS(r, name, NAME)                                                                            \
  {                                                                                                            \
    const vector_##name x = SPLAT_##NAME(a[r * 4 + at]);                                                       \
    ACROSS_##name(ADD_TO_ONE, r, name, NAME)                                                                   \
  }
#define SCALE_ONE(i, r, name, NAME) sum##r##_##i *= SPLAT_##NAME(alpha);
#define SCALE(r, name, NAME) ACROSS_##name(SCALE_ONE, r, name, NAME)
#define ADD_ONE(i, r, name, NAME)                                                                              \
  {                                                                                                            \
    vector_##name was;                                                                                         \
    memcpy(&was, old + i * name##_LANES, sizeof was);                                                          \
    sum##r##_##i = FMA_##NAME(SPLAT_##NAME(beta), was, sum##r##_##i);                                          \
  }
#define ADD(r, name, NAME) ACROSS_##name(ADD_ONE, r, name, NAME) NEXT(old, old_row)
#define PUT_ONE(i, r, name, NAME) memcpy(c + i * name##_LANES, &sum##r##_##i, sizeof sum##r##_##i);
#define PUT(r, name, NAME) ACROSS_##name(PUT_ONE, r, name, NAME) NEXT(c, c_row)

/* A pointer moved so that gcc does not see it: it would keep a dozen multiples of a step in memory. */
#define NEXT(pointer, step) pointer += step; __asm__("" : "+r"(pointer));
/* gcc would compare floats again for each tile, and wait for the result. */
#define ASK_ONCE(t)                                                                                            \
  int scaled = t->alpha != 1, added = t->beta != 0;                                                            \
  __asm__("" : "+r"(scaled), "+r"(added));
/* Multiply-adds told as text: gcc turns the order round until there are not registers enough. */
#if defined(__FMA__)
#define ADD_PRODUCT_FLOAT(sum, x, y) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
#define ADD_PRODUCT_DOUBLE(sum, x, y) __asm__("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
#else
#define ADD_PRODUCT_FLOAT(sum, x, y) sum = FMA_FLOAT(x, y, sum);
#define ADD_PRODUCT_DOUBLE(sum, x, y) sum = FMA_DOUBLE(x, y, sum);
#endif
#define ADD_PRODUCT_UINT(sum, x, y) sum = FMA_UINT(x, y, sum);

/* What comes before the sum of a tile, and after it. */
#define OPEN(name, NAME, ROWS)                                                                                 \
  name##_element *c = (name##_element *)t->c + tile->c, *row = c;                                              \
  ROWS(FETCH, name, NAME)                                                                                      \
  const name##_element *old = t->add ? (const name##_element *)t->add + tile->add : c;                         \
  const int64_t old_row = t->add ? t->add_row : c_row;                                                         \
  const name##_element alpha = (name##_element)t->alpha, beta = (name##_element)t->beta;                       \
  ROWS(BEGIN, name, NAME)
#define CLOSE(name, NAME, ROWS)                                                                                \
  if (scaled) {                                                                                                \
    ROWS(SCALE, name, NAME)                                                                                    \
  }                                                                                                            \
  if (added) {                                                                                                 \
    ROWS(ADD, name, NAME)                                                                                      \
  }                                                                                                            \
  ROWS(PUT, name, NAME)
#define LOAD_ONE(i, b, name, NAME)                                                                             \
  vector_##name b_##i;                                                                                         \
  memcpy(&b_##i, b + i * name##_LANES, sizeof b_##i);
/* Step `which` from where a is, of some rows. */
#define STEP(name, NAME, ROWS, ADD_ROW, which, b)                                                              \
  {                                                                                                            \
    enum { at = which };                                                                                       \
    ACROSS_##name(LOAD_ONE, b, name, NAME)                                                                     \
    ROWS(ADD_ROW, name, NAME)                                                                                  \
  }
#define STEP_ON(name, NAME, ROWS, which, b) STEP(name, NAME, ROWS, ADD_IN_PLACE, which, b) NEXT(b, b_step)
#define FOUR_STEPS(name, NAME, ROWS, b)                                                                        \
  {                                                                                                            \
    STEP_ON(name, NAME, ROWS, 0, b) STEP_ON(name, NAME, ROWS, 1, b)                                            \
    STEP_ON(name, NAME, ROWS, 2, b) STEP_ON(name, NAME, ROWS, 3, b)                                            \
  }

/* What is read soon comes from L3 without being waited for if it is asked for a little at a time. */
#define FETCH_TWICE                                                                                            \
  __builtin_prefetch(fetch, 0, 2), __builtin_prefetch(fetch + fetch_bytes, 0, 2);                              \
  fetch += 2 * fetch_bytes;

/* Tiles below each other, of so many rows each: UPPER and LOWER ones. The last four steps are those of the upper rows,
   which are then done, and then those of the lower ones: of registers that are stored all at once no more than eight
   wait aside for their sums, and what comes behind waits with the others. So it is with whole tiles, whose steps are
   taken by FOURS; the rest is to be small. */
#define TILE(name, NAME, ROWS, UPPER, LOWER, FOURS)                                                            \
  static const char *name##_##ROWS(const gemm_column *t, const gemm_tile *tile, int64_t count,                 \
                                   const char *fetch) {                                                        \
    const int64_t b_step = t->b_step, c_row = t->c_row, fetch_bytes = t->fetch_bytes;                          \
    ASK_ONCE(t)                                                                                                \
    for (; count > 0; count--, tile++) {                                                                       \
      const int64_t *begin = tile->b, *length = tile->lengths;                                                 \
      const void *const *rows = tile->a;                                                                       \
      OPEN(name, NAME, ROWS)                                                                                   \
      for (int64_t left = tile->runs; left > 0; left--, rows += GEMM_ROWS_MOST, begin++, length++) {           \
        const name##_element *b = (const name##_element *)t->b + *begin;                                       \
        const bool last = FOURS && *length >= 4;                                                               \
        const int64_t end = last ? *length - 4 : *length;                                                      \
        int64_t p = 0;                                                                                         \
        ROWS(POINT, name, NAME)                                                                                \
        for (; FOURS && p + 4 <= end; p += 4) {                                                                \
          FETCH_TWICE                                                                                          \
          FOUR_STEPS(name, NAME, ROWS, b)                                                                      \
        }                                                                                                      \
        _Pragma("GCC unroll 1") for (; p < end; p++) {                                                         \
          STEP_ON(name, NAME, ROWS, 0, b)                                                                      \
        }                                                                                                      \
        const name##_element *b_last = b;                                                                      \
        if (last) FOUR_STEPS(name, NAME, UPPER, b)                                                             \
        if (left == 1) {                                                                                       \
          CLOSE(name, NAME, UPPER)                                                                             \
        }                                                                                                      \
        if (last) FOUR_STEPS(name, NAME, LOWER, b_last)                                                        \
      }                                                                                                        \
      if (tile->runs == 0) {                                                                                   \
        CLOSE(name, NAME, UPPER)                                                                               \
      }                                                                                                        \
      CLOSE(name, NAME, LOWER)                                                                                 \
    }                                                                                                          \
    return fetch;                                                                                              \
  }
#define NO_ROWS(f, n, N)
#if defined(__aarch64__)
enum { TILE_ROWS = 8, TILE_REGISTERS = 2, STRIP_ROWS = TILE_ROWS };
#define TILE_ROWS_OF ROWS_8
#define UPPER_ROWS ROWS_4
#define LOWER_ROWS(f, n, N) f(4, n, N) f(5, n, N) f(6, n, N) f(7, n, N)
#define TILES_6_AND_MORE(name, NAME, FOURS)                                                                    \
  TILE(name, NAME, ROWS_6, ROWS_6, NO_ROWS, false)                                                             \
  TILE(name, NAME, ROWS_7, ROWS_7, NO_ROWS, false)                                                             \
  TILE(name, NAME, ROWS_8, UPPER_ROWS, LOWER_ROWS, FOURS)
#define AND_7_AND_8(name) , name##_ROWS_7, name##_ROWS_8
#else
enum { TILE_ROWS = 6, TILE_REGISTERS = REGISTER_BYTES == 64 ? 4 : 2, STRIP_ROWS = REGISTER_BYTES == 64 ? 48 : TILE_ROWS };
#define TILE_ROWS_OF ROWS_6
#define UPPER_ROWS ROWS_3
#define LOWER_ROWS(f, n, N) f(3, n, N) f(4, n, N) f(5, n, N)
#define TILES_6_AND_MORE(name, NAME, FOURS) TILE(name, NAME, ROWS_6, UPPER_ROWS, LOWER_ROWS, FOURS)
#define AND_7_AND_8(name)
#endif
#if REGISTER_BYTES == 64
#define ACROSS_float(f, r, n, N) ACROSS_4(f, r, n, N)
#define ACROSS_double(f, r, n, N) ACROSS_4(f, r, n, N)
#define ACROSS_uint(f, r, n, N) ACROSS_4(f, r, n, N)
#else
#define ACROSS_float(f, r, n, N) ACROSS_2(f, r, n, N)
#define ACROSS_double(f, r, n, N) ACROSS_2(f, r, n, N)
#define ACROSS_uint(f, r, n, N) ACROSS_2(f, r, n, N)
#endif
#define ACROSS_narrow(f, r, n, N) ACROSS_2(f, r, n, N)
/* `name`: of loops, for registers of `vector`, whose elements are of `type` and operations of NAME. */
#define TILES(name, type, vector, NAME, FOURS)                                                                 \
  typedef type name##_element;                                                                                 \
  typedef vector vector_##name;                                                                                \
  enum { name##_LANES = REGISTER_BYTES / sizeof(type) };                                                       \
  TILE(name, NAME, ROWS_1, ROWS_1, NO_ROWS, false)                                                             \
  TILE(name, NAME, ROWS_2, ROWS_2, NO_ROWS, false)                                                             \
  TILE(name, NAME, ROWS_3, ROWS_3, NO_ROWS, false)                                                             \
  TILE(name, NAME, ROWS_4, ROWS_4, NO_ROWS, false)                                                             \
  TILE(name, NAME, ROWS_5, ROWS_5, NO_ROWS, false)                                                             \
  TILES_6_AND_MORE(name, NAME, FOURS)
#if defined(__FMA__) || defined(__aarch64__)
TILES(float, float, vector_float, FLOAT, true)
TILES(double, double, vector_double, DOUBLE, true)
#else
TILES(float, float, vector_float, FLOAT, false)
TILES(double, double, vector_double, DOUBLE, false)
#endif
TILES(uint, uint64_t, vector_uint, UINT, false) /* signed ones have the same bits */

/* Whole tiles of floats, of one run, from rows in another order: four steps at a time, with TO_STEP behind each and TO_FOUR
   floats behind the four; TO_LAST from one to the next of those that are left over. */
enum { B_STEP = TILE_REGISTERS * float_LANES };
#define FOUR_STEPS_OF(name, ROWS, ADD_ROW, TO_FOUR, TO_STEP)                                                   \
  {                                                                                                            \
    STEP(name, FLOAT, ROWS, ADD_ROW, 0, b) TO_STEP STEP(name, FLOAT, ROWS, ADD_ROW, 1, (b + B_STEP)) TO_STEP   \
    STEP(name, FLOAT, ROWS, ADD_ROW, 2, (b + 2 * B_STEP)) TO_STEP                                              \
    STEP(name, FLOAT, ROWS, ADD_ROW, 3, (b + 3 * B_STEP)) TO_STEP                                              \
    a += TO_FOUR, b += 4 * B_STEP;                                                                             \
  }
#define LAST_STEPS_OF(name, ROWS, ADD_ROW, TO_FOUR, TO_STEP, TO_LAST)                                          \
  if (fours) FOUR_STEPS_OF(name, ROWS, ADD_ROW, TO_FOUR, TO_STEP)                                              \
  _Pragma("GCC unroll 1") for (uint64_t left = length % 4; left > 0; left--, a += TO_LAST, b += B_STEP)        \
      STEP(name, FLOAT, ROWS, ADD_ROW, 0, b)
#define ORDERED(name, order, ADD_ROW, TO_FOUR, TO_STEP, TO_LAST)                                               \
  static const char *name##_##order(const gemm_column *t, const gemm_tile *tile, int64_t count,                \
                                    const char *fetch) {                                                       \
    const int64_t c_row = t->c_row, fetch_bytes = t->fetch_bytes;                                              \
    ASK_ONCE(t)                                                                                                \
    for (; count > 0; count--, tile++) {                                                                       \
      const float *a = tile->a[0], *b = (const float *)t->b + tile->b[0];                                      \
      const uint64_t length = (uint64_t)tile->lengths[0];                                                      \
      const int64_t a_step = tile->a_step;                                                                     \
      (void)a_step; /* by fours */                                                                             \
      uint64_t fours = length / 4;                                                                             \
      OPEN(name, FLOAT, TILE_ROWS_OF)                                                                          \
      for (; fours > 1; fours--) {                                                                             \
        FETCH_TWICE                                                                                            \
        FOUR_STEPS_OF(name, TILE_ROWS_OF, ADD_ROW, TO_FOUR, TO_STEP)                                           \
      }                                                                                                        \
      const float *a_last = a, *b_last = b;                                                                    \
      LAST_STEPS_OF(name, UPPER_ROWS, ADD_ROW, TO_FOUR, TO_STEP, TO_LAST)                                      \
      CLOSE(name, FLOAT, UPPER_ROWS)                                                                           \
      a = a_last, b = b_last;                                                                                  \
      LAST_STEPS_OF(name, LOWER_ROWS, ADD_ROW, TO_FOUR, TO_STEP, TO_LAST)                                      \
      CLOSE(name, FLOAT, LOWER_ROWS)                                                                           \
    }                                                                                                          \
    return fetch;                                                                                              \
  }
#define ORDERS(name)                                                                                           \
  ORDERED(name, by_steps, ADD_BY_STEPS, 0, NEXT(a, a_step), a_step)                                            \
  ORDERED(name, by_fours, ADD_BY_FOURS, 4 * TILE_ROWS, , 1)
ORDERS(float)

/* Which of a column's loops takes the tile: by its rows, or, behind those, by their order. */
INLINE int64_t loop_of(const gemm_tile *t) { return t->order ? TILE_ROWS - 1 + t->order : t->rows - 1; }
typedef const char *tile_loop(const gemm_column *t, const gemm_tile *tile, int64_t count, const char *fetch);

#define LOOPS(name, ...)                                                                                       \
  static tile_loop *const name##_by_rows[] = {name##_ROWS_1, name##_ROWS_2, name##_ROWS_3, name##_ROWS_4,      \
                                              name##_ROWS_5, name##_ROWS_6 AND_7_AND_8(name), __VA_ARGS__};
LOOPS(float, float_by_steps, float_by_fours)
LOOPS(double, NULL)
LOOPS(uint, NULL)
#if REGISTER_BYTES == 64
TILES(narrow, float, vector_float, FLOAT, true)
ORDERS(narrow)
LOOPS(narrow, narrow_by_steps, narrow_by_fours)
#define HAS_NARROW(type) (sizeof(type) == sizeof(float))
#else
#define narrow_by_rows NULL
#define HAS_NARROW(type) false
#endif

#define COLUMN(name, type)                                                                                     \
  /* A column that reaches over the edge is computed beside the result. */                                     \
  static const char *name##_beside(const gemm_column *t, const gemm_tile *tile, tile_loop *loop,               \
                                   const char *fetch) {                                                        \
    enum { COLUMNS = TILE_REGISTERS * name##_LANES };                                                          \
    type sums[GEMM_ROWS_MOST * COLUMNS], *c = (type *)t->c + tile->c;                                          \
    const size_t bytes = (size_t)t->width * sizeof *sums;                                                      \
    gemm_tile one = *tile;                                                                                     \
    gemm_column beside = *t;                                                                                   \
    one.c = 0, beside.c = sums, beside.c_row = COLUMNS, beside.add = NULL;                                     \
    const type *old = t->add ? (const type *)t->add + tile->add : c;                                           \
    const int64_t old_row = t->add ? t->add_row : t->c_row;                                                    \
    for (int64_t r = 0; r < one.rows && t->beta != 0; r++) memcpy(sums + r * COLUMNS, old + r * old_row, bytes); \
    fetch = loop(&beside, &one, 1, fetch);                                                                     \
    for (int64_t r = 0; r < one.rows; r++) memcpy(c + r * t->c_row, sums + r * COLUMNS, bytes);                \
    return fetch;                                                                                              \
  }                                                                                                            \
  static void column_##name(const gemm_column *t) {                                                            \
    const bool narrow = HAS_NARROW(type) && t->width <= 2 * name##_LANES;                          \
    tile_loop *const *loops = narrow ? narrow_by_rows : name##_by_rows;                                        \
    const int64_t columns = (narrow ? 2 : TILE_REGISTERS) * name##_LANES;                                      \
    const char *fetch = t->fetch ? t->fetch : t->b; /* to look for what is not there would take longer */      \
    for (int64_t i = 0, some; i < t->count; i += some) {                                                       \
      const gemm_tile *tile = t->tiles + i;                                                                    \
      const int64_t loop = loop_of(tile);                                                                      \
      some = 1;                                                                                                \
      if (t->width < columns) {                                                                                \
        fetch = name##_beside(t, tile, loops[loop], fetch);                                                    \
        continue;                                                                                              \
      }                                                                                                        \
      while (i + some < t->count && loop_of(tile + some) == loop) some++;                                      \
      fetch = loops[loop](t, tile, some, fetch);                                                               \
    }                                                                                                          \
  }
COLUMN(float, float)
COLUMN(double, double)
COLUMN(uint, uint64_t)

/* ---- copies ---- */

/* Eight elements as floats; through pointers, since a machine without registers of that width passes vectors
   otherwise. */
typedef float eight __attribute__((vector_size(32)));
typedef eight loose_eight __attribute__((aligned(4), may_alias)); /* anywhere: gcc copies by memcpy in halves */

INLINE void eight_float(const float *from, eight *to) { *to = *(const loose_eight *)from; }

INLINE void eight_bfloat16(const uint16_t *from, eight *to) {
  typedef uint16_t halves __attribute__((vector_size(16)));
  typedef uint32_t words __attribute__((vector_size(32)));
  halves x;
  memcpy(&x, from, sizeof x);
  const words bits = __builtin_convertvector(x, words) << 16;
  *to = (eight)bits;
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

#define EIGHT_TIMES(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#define LOAD_IF_THERE(q)                                                                                       \
  if (q < columns) load(from + q * column, x + q);                                                             \
  else x[q] = (eight){0};
#define STORE_LOOSE(q) *(loose_eight *)(to + q * to_row) = y[q];

#define TURN(name, type)                                                                                       \
  /* Eight elements of each of up to eight columns become eight rows of eight. */                              \
  INLINE void turn_block_##name(const type *from, int64_t column, int64_t columns, float *to, int64_t to_row) { \
    void (*const load)(const type *, eight *) = eight_##name;                                                  \
    eight x[8], y[8];                                                                                          \
    EIGHT_TIMES(LOAD_IF_THERE)                                                                                 \
    turn_eight(x, y);                                                                                          \
    EIGHT_TIMES(STORE_LOOSE)                                                                                   \
  }                                                                                                            \
  static void turn_##name(const void *from_, int64_t column, int64_t rows, int64_t columns, void *to_,         \
                          int64_t to_row) {                                                                    \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t i = 0; i < rows; i += 8)                                                                      \
      for (int64_t j = 0; j < columns; j += 8) {                                                               \
        const int64_t down = rows - i < 8 ? rows - i : 8, across = columns - j < 8 ? columns - j : 8;          \
        if (down == 8 && across == 8) {                                                                        \
          turn_block_##name(from + i + j * column, column, 8, to + i * to_row + j, to_row);                    \
          continue;                                                                                            \
        }                                                                                                      \
        eight x[8] = {{0}}, y[8];                                                                              \
        for (int64_t q = 0; q < across; q++) {                                                                 \
          type some[8] = {0};                                                                                  \
          memcpy(some, from + i + (j + q) * column, (size_t)down * sizeof *some);                              \
          eight_##name(some, x + q);                                                                           \
        }                                                                                                      \
        turn_eight(x, y);                                                                                      \
        for (int64_t q = 0; q < down; q++)                                                                     \
          memcpy(to + (i + q) * to_row + j, y + q, (size_t)across * sizeof(float));                            \
      }                                                                                                        \
  }
/* Rows of a strip are short: a call for each would cost more than the copy. Where they are far apart the processor
   fetches none of them by itself. */
enum { AHEAD = 8 };
#define ROWS(name, type, full)                                                                                 \
  static void rows_##name(const void *from_, int64_t row, int64_t rows, int64_t columns, void *to_,            \
                          int64_t to_row) {                                                                    \
    enum { EACH = sizeof(vector_float) / sizeof(float) };                                                      \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t i = 0; i < rows; i++, from += row, to += to_row) {                                            \
      int64_t j = 0;                                                                                           \
      for (int64_t line = 0; line < columns; line += 64 / (int64_t)sizeof(type))                               \
        __builtin_prefetch(from + AHEAD * row + line);                                                         \
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
/* Rows for whole tiles by steps. Eight lanes are written for each step, of which the next overwrites what is too much; the
   last ones of a tile are written as they are. What lies in columns is read line by line, for all tiles; or copied as
   strips of some tiles, where b is read from L2 and need not stay in L1 beside them. */
#define WEAVE(name, type)                                                                                      \
  static void weave_tile_##name(const type *from, int64_t row, int64_t col, int64_t p, int64_t end, int64_t depth, \
                                float *to) {                                                                   \
    enum { EXTRA = 8 - TILE_ROWS };                                                                            \
    if (col == 1)                                                                                              \
      for (; p + 8 <= end && (depth - p - 8) * TILE_ROWS >= EXTRA; p += 8)                                     \
        turn_block_##name(from + p, row, TILE_ROWS, to + p * TILE_ROWS, TILE_ROWS);                            \
    else if (col >= EXTRA) /* what lies behind a row is the next one's */                                      \
      for (; p < end && p + 1 < depth; p++) {                                                                  \
        eight x;                                                                                               \
        eight_##name(from + p * col, &x);                                                                      \
        *(loose_eight *)(to + p * TILE_ROWS) = x;                                                              \
      }                                                                                                        \
    for (; p < end; p++) {                                                                                     \
      type some[8] = {0};                                                                                      \
      eight x;                                                                                                 \
      for (int r = 0; r < TILE_ROWS; r++) some[r] = from[r * row + p * col];                                   \
      eight_##name(some, &x);                                                                                  \
      memcpy(to + p * TILE_ROWS, &x, TILE_ROWS * sizeof *to);                                                  \
    }                                                                                                          \
  }                                                                                                            \
  static void weave_##name(const void *from_, int64_t row, int64_t col, int64_t tiles, int64_t depth, void *to_) { \
    const int64_t at_once = col == 1 ? depth : 8, count = tiles * TILE_ROWS, strip = STRIP_ROWS;               \
    const bool by_strips = strip > TILE_ROWS && col != 1;                                                      \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t p = 0, end; p < depth; p = end) {                                                             \
      end = depth - p < at_once ? depth : p + at_once;                                                         \
      for (int64_t i = 0, some; i < count && by_strips; i += some) {                                           \
        some = count - i < strip ? count - i : strip;                                                          \
        rows_##name(from + i + p * col, col, end - p, some, to + i * depth + p * some, some);                  \
      }                                                                                                        \
      for (int64_t i = 0; i < count && !by_strips; i += TILE_ROWS)                                             \
        weave_tile_##name(from + i * row, row, col, p, end, depth, to + i * depth);                            \
    }                                                                                                          \
  }
/* The same by fours: of each row four neighbours, then those of the next. Behind the last ones is what came before. */
#define BY_FOURS(name, type)                                                                                   \
  static void fours_##name(const void *from_, int64_t row, int64_t tiles, int64_t depth, void *to_) {          \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t i = 0; i < tiles; i++, from += TILE_ROWS * row)                                               \
      for (int64_t p = 0; p < depth; p += 8) {                                                                 \
        const int64_t some = depth - p;                                                                        \
        for (int r = 0; r < TILE_ROWS; r++) {                                                                  \
          eight x;                                                                                             \
          if (some >= 8) {                                                                                     \
            eight_##name(from + r * row + p, &x);                                                              \
          } else {                                                                                             \
            type few[8] = {0};                                                                                 \
            memcpy(few, from + r * row + p, (size_t)some * sizeof *few);                                       \
            eight_##name(few, &x);                                                                             \
          }                                                                                                    \
          memcpy(to + 4 * r, &x, sizeof x / 2);                                                                \
          if (some > 4) memcpy(to + 4 * (TILE_ROWS + r), (const char *)&x + sizeof x / 2, sizeof x / 2);       \
        }                                                                                                      \
        to += some > 4 ? 8 * TILE_ROWS : 4 * TILE_ROWS;                                                        \
      }                                                                                                        \
  }
#define STRIPS(name, type, full)                                                                               \
  static void strips_##name(const void *from_, int64_t row, int64_t rows, int64_t strips, void *to_,           \
                            int64_t to_strip) {                                                                \
    const type *from = from_;                                                                                  \
    float *to = to_;                                                                                           \
    for (int64_t i = 0; i < rows; i++, from += row, to += B_STEP)                                              \
      for (int64_t s = 0; s < strips; s++)                                                                     \
        for (int k = 0; k < TILE_REGISTERS; k++) {                                                             \
          const vector_float x = wide_##full(from + s * B_STEP + k * (int)float_LANES);                        \
          memcpy(to + s * to_strip + k * (int)float_LANES, &x, sizeof x);                                      \
        }                                                                                                      \
  }
#define COPIES(name, type, full)                                                                               \
  TURN(name, type) ROWS(name, type, full) WEAVE(name, type) BY_FOURS(name, type) STRIPS(name, type, full)
COPIES(float, float, float32)
COPIES(bfloat16, uint16_t, bfloat16)
COPIES(float16, uint16_t, float16)

#define COLUMNS_OF(type) (TILE_REGISTERS * REGISTER_BYTES / (int)sizeof(type))
const gemm_loops ISA_NAME(gemm_loops) = {
    .weaves = TILE_REGISTERS == 2, /* rows of wide tiles are read seldom enough */
    .tile_rows = TILE_ROWS,
    .strip_rows = STRIP_ROWS,
    .tile_columns = {COLUMNS_OF(float), COLUMNS_OF(double), COLUMNS_OF(double),
                     COLUMNS_OF(double), COLUMNS_OF(float), COLUMNS_OF(double)},
    .column = {column_float, column_double, column_uint, column_uint, column_float, column_double},
    .turn = {[PONS_FLOAT32] = turn_float, [PONS_BFLOAT16] = turn_bfloat16, [PONS_FLOAT16] = turn_float16},
    .rows = {[PONS_FLOAT32] = rows_float, [PONS_BFLOAT16] = rows_bfloat16, [PONS_FLOAT16] = rows_float16},
    .weave = {[PONS_FLOAT32] = weave_float, [PONS_BFLOAT16] = weave_bfloat16, [PONS_FLOAT16] = weave_float16},
    .fours = {[PONS_FLOAT32] = fours_float, [PONS_BFLOAT16] = fours_bfloat16, [PONS_FLOAT16] = fours_float16},
    .strips = {[PONS_FLOAT32] = strips_float, [PONS_BFLOAT16] = strips_bfloat16, [PONS_FLOAT16] = strips_float16},
};
