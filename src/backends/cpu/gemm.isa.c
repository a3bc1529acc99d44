/* gemm.isa.c: the inner loops of our own matrix product: four rows of the result at a time, a strip of them
   in registers. Built once per instruction set. Uses cpu/gemm.h. */
#include "backends/cpu/gemm.h"

enum { STRIP = GEMM_STRIP };

/* A strip's numbers side by side: compilers make what registers there are of it. */
typedef float strip_float __attribute__((vector_size(STRIP * sizeof(float))));
typedef double strip_double __attribute__((vector_size(STRIP * sizeof(double))));
typedef uint64_t strip_uint __attribute__((vector_size(STRIP * sizeof(uint64_t))));

/* ROWS rows of the result and STRIP columns, of which `width` are stored. */
#define STRIPS(name, type, ROWS)                                                                             \
  static void name##_##ROWS(int width, int64_t k, type alpha, const type *a, int64_t a_row, int64_t a_col,   \
                            const type *b, type *c, int64_t c_row) {                                         \
    strip_##name sum[ROWS], row;                                                                             \
    for (int r = 0; r < ROWS; r++) sum[r] = (strip_##name){0};                                               \
    for (int64_t p = 0; p < k; p++, a += a_col, b += STRIP) {                                                \
      memcpy(&row, b, sizeof row);                                                                           \
      for (int r = 0; r < ROWS; r++) sum[r] += a[r * a_row] * row;                                           \
    }                                                                                                        \
    for (int r = 0; r < ROWS; r++)                                                                           \
      for (int j = 0; j < width; j++) c[r * c_row + j] += alpha * sum[r][j];                                 \
  }
#define GEMM(name, type)                                                                                     \
  STRIPS(name, type, 4)                                                                                      \
  STRIPS(name, type, 1)                                                                                      \
  static void add_##name(int64_t m, int64_t n, int64_t k, float alpha, const void *a_, int64_t a_row,        \
                         int64_t a_col, const void *panel, void *c_, int64_t c_row) {                        \
    const type *b = panel;                                                                                   \
    for (int64_t j = 0; j < n; j += STRIP, b += k * STRIP) {                                                 \
      const type *a = a_;                                                                                    \
      type *c = (type *)c_ + j;                                                                              \
      int width = n - j < STRIP ? (int)(n - j) : STRIP;                                                      \
      int64_t i = 0;                                                                                         \
      for (; i + 4 <= m; i += 4, a += 4 * a_row, c += 4 * c_row)                                             \
        name##_4(width, k, (type)alpha, a, a_row, a_col, b, c, c_row);                                       \
      for (; i < m; i++, a += a_row, c += c_row)                                                             \
        name##_1(width, k, (type)alpha, a, a_row, a_col, b, c, c_row);                                       \
    }                                                                                                        \
  }
GEMM(float, float)
GEMM(double, double)
GEMM(uint, uint64_t) /* signed ones have the same bits */

static void add_complex(int64_t m, int64_t n, int64_t k, float alpha, const void *a_, int64_t a_row,
                        int64_t a_col, const void *panel, void *c_, int64_t c_row) {
  const complex64 *a = a_, *b = panel;
  complex64 *c = c_;
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      const complex64 *column = b + j / STRIP * k * STRIP + j % STRIP;
      complex64 sum = {0, 0};
      for (int64_t p = 0; p < k; p++) {
        complex64 x = a[i * a_row + p * a_col], y = column[p * STRIP];
        sum.re += x.re * y.re - x.im * y.im;
        sum.im += x.re * y.im + x.im * y.re;
      }
      c[i * c_row + j].re += alpha * sum.re;
      c[i * c_row + j].im += alpha * sum.im;
    }
}

const gemm_loops ISA_NAME(gemm_loops) = {{add_float, add_double, add_uint, add_uint, add_complex}};
