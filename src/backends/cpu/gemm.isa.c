/* gemm.isa.c: the inner loops of our own matrix product: eight rows of the result at a time, a
   register of columns of each. Built once per instruction set. Uses cpu/gemm.h. */
#include "backends/cpu/gemm.h"

enum { STRIP = GEMM_STRIP };

/* As wide as the registers: compilers do badly with wider ones. */
#if defined(__AVX512F__)
#define REGISTER __attribute__((vector_size(64)))
#elif defined(__AVX__)
#define REGISTER __attribute__((vector_size(32)))
#else
#define REGISTER __attribute__((vector_size(16)))
#endif
typedef float register_float REGISTER;
typedef double register_double REGISTER;
typedef uint64_t register_uint REGISTER;

/* Eight rows of the result, or one, and as many columns as a register holds; `width` of them are stored. The
   sums have names of their own: gcc keeps an array of them in memory. */
#define EIGHT(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#define BEGIN(r) , sum##r = row
#define TAKE(r) sum##r += a[r * a_row] * row;
#define PUT(r) for (int j = 0; j < width; j++) c[r * c_row + j] += alpha * sum##r[j];
#define COLUMNS(name, type)                                                                                  \
  static void name##_8(int width, int64_t k, type alpha, const type *a, int64_t a_row, int64_t a_col,        \
                       const type *b, type *c, int64_t c_row) {                                              \
    register_##name row = {0} EIGHT(BEGIN);                                                                  \
    for (int64_t p = 0; p < k; p++, a += a_col, b += STRIP) {                                                \
      memcpy(&row, b, sizeof row);                                                                           \
      EIGHT(TAKE)                                                                                            \
    }                                                                                                        \
    EIGHT(PUT)                                                                                               \
  }                                                                                                          \
  static void name##_1(int width, int64_t k, type alpha, const type *a, int64_t a_col, const type *b,        \
                       type *c) {                                                                            \
    register_##name row = {0}, sum = row;                                                                    \
    for (int64_t p = 0; p < k; p++, a += a_col, b += STRIP) {                                                \
      memcpy(&row, b, sizeof row);                                                                           \
      sum += *a * row;                                                                                       \
    }                                                                                                        \
    for (int j = 0; j < width; j++) c[j] += alpha * sum[j];                                                  \
  }
#define GEMM(name, type)                                                                                     \
  COLUMNS(name, type)                                                                                        \
  static void add_##name(int64_t m, int64_t n, int64_t k, float alpha, const void *a_, int64_t a_row,        \
                         int64_t a_col, const void *panel, void *c_, int64_t c_row) {                        \
    enum { EACH = sizeof(register_##name) / sizeof(type) };                                                  \
    for (int64_t j = 0; j < n; j += EACH) {                                                                  \
      const type *a = a_, *b = (const type *)panel + j / STRIP * k * STRIP + j % STRIP;                      \
      type *c = (type *)c_ + j;                                                                              \
      int width = n - j < EACH ? (int)(n - j) : EACH;                                                        \
      int64_t i = 0;                                                                                         \
      for (; i + 8 <= m; i += 8, a += 8 * a_row, c += 8 * c_row)                                             \
        name##_8(width, k, (type)alpha, a, a_row, a_col, b, c, c_row);                                       \
      for (; i < m; i++, a += a_row, c += c_row) name##_1(width, k, (type)alpha, a, a_col, b, c);            \
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
