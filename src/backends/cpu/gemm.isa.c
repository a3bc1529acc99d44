/* gemm.isa.c: the inner loops of our own matrix product: four rows of the result at a time, a strip of them
   in registers. Built once per instruction set. Uses cpu/gemm.h. */
#include "backends/cpu/gemm.h"

enum { STRIP = 16 };

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
static inline complex64 plus_complex(complex64 a, complex64 b) {
  return (complex64){a.re + b.re, a.im + b.im};
}
static inline complex64 times_complex(complex64 a, complex64 b) {
  return (complex64){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
#define REAL(type, x) (type)(x)
#define WITH_ZERO(type, x) ((type){(x), 0})

/* ROWS rows and `width` <= STRIP columns; the compiler sees ROWS, and STRIP where the width is full. */
#define STRIPS(name, type, PLUS, TIMES, SCALAR)                                                           \
  static inline void strip_##name(int rows, int width, int64_t n, int64_t k, type alpha, const type *a,   \
                                  int64_t a_row, int64_t a_col, const type *b, type *c, int64_t c_row) {  \
    type sum[4][STRIP];                                                                                   \
    for (int r = 0; r < rows; r++)                                                                        \
      for (int j = 0; j < width; j++) sum[r][j] = SCALAR(type, 0);                                        \
    for (int64_t p = 0; p < k; p++)                                                                       \
      for (int r = 0; r < rows; r++) {                                                                    \
        type x = a[r * a_row + p * a_col];                                                                \
        for (int j = 0; j < width; j++) sum[r][j] = PLUS(sum[r][j], TIMES(x, b[p * n + j]));              \
      }                                                                                                   \
    for (int r = 0; r < rows; r++)                                                                        \
      for (int j = 0; j < width; j++) c[r * c_row + j] = PLUS(c[r * c_row + j], TIMES(alpha, sum[r][j])); \
  }                                                                                                       \
  static void add_##name(int64_t m, int64_t n, int64_t k, float factor, const void *a_, int64_t a_row,    \
                         int64_t a_col, const void *b_, void *c_, int64_t c_row) {                        \
    const type *a = a_, *b = b_, alpha = SCALAR(type, factor);                                            \
    type *c = c_;                                                                                         \
    for (int64_t i = 0; i < m; i += 4)                                                                    \
      for (int64_t j = 0; j < n; j += STRIP) {                                                            \
        int width = n - j < STRIP ? (int)(n - j) : STRIP, rows = m - i < 4 ? (int)(m - i) : 4;            \
        const type *x = a + i * a_row;                                                                    \
        type *y = c + i * c_row + j;                                                                      \
        if (rows == 4 && width == STRIP)                                                                  \
          strip_##name(4, STRIP, n, k, alpha, x, a_row, a_col, b + j, y, c_row);                          \
        else                                                                                              \
          strip_##name(rows, width, n, k, alpha, x, a_row, a_col, b + j, y, c_row);                       \
      }                                                                                                   \
  }
STRIPS(float, float, ADD, MULTIPLY, REAL)
STRIPS(double, double, ADD, MULTIPLY, REAL)
STRIPS(uint, uint64_t, ADD, MULTIPLY, REAL) /* signed ones have the same bits */
STRIPS(complex, complex64, plus_complex, times_complex, WITH_ZERO)

const gemm_loops ISA_NAME(gemm_loops) = {{add_float, add_double, add_uint, add_uint, add_complex}};
