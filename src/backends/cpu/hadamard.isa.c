/* hadamard.isa.c: the transform of one line of lanes. Built once per instruction set. Uses cpu/lanes.h. */
#include "backends/cpu/lanes.h"

enum { MOST = 28 }; /* rows */

/* Butterflies over each row of 2^k, then the matrix of signs over the rows, a column at a time. */
#define TRANSFORM(type)                                                                             \
  static void butterflies_##type(type *x, int64_t n) {                                              \
    for (int64_t h = 1; h < n; h *= 2)                                                              \
      for (int64_t i = 0; i < n; i += 2 * h) {                                                      \
        type *restrict a = x + i, *restrict b = a + h;                                              \
        for (int64_t j = 0; j < h; j++) {                                                           \
          const type low = a[j], high = b[j];                                                       \
          a[j] = low + high;                                                                        \
          b[j] = low - high;                                                                        \
        }                                                                                           \
      }                                                                                             \
  }                                                                                                 \
  static void rows_##type(type *x, int m, int64_t n, const float *signs) {                          \
    for (int64_t j = 0; j < n; j++) {                                                               \
      type column[MOST];                                                                            \
      for (int i = 0; i < m; i++) column[i] = x[i * n + j];                                         \
      for (int i = 0; i < m; i++) {                                                                 \
        type sum = 0;                                                                               \
        for (int k = 0; k < m; k++) sum += column[k] * (type)signs[i * m + k];                      \
        x[i * n + j] = sum;                                                                         \
      }                                                                                             \
    }                                                                                               \
  }                                                                                                 \
  static void transform_##type(type *x, int m, int64_t n, float scale, const float *signs) {        \
    for (int i = 0; i < m; i++) butterflies_##type(x + i * (n / m), n / m);                         \
    if (m > 1) rows_##type(x, m, n / m, signs);                                                     \
    for (int64_t j = 0; j < n; j++) x[j] *= (type)scale;                                            \
  }
TRANSFORM(float)
TRANSFORM(double)

const hadamard_loops ISA_NAME(hadamard_loops) = {transform_float, transform_double};
