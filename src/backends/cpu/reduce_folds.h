/* reduce_folds.h: loops that fold lanes into one, or rows of them into a row: what reduce.isa.c and reduce_complex.c are
   made of. Part of backends/cpu/. */
#ifndef CPU_REDUCE_FOLDS_H
#define CPU_REDUCE_FOLDS_H
#include "backends/cpu/lanes.h"

/* A fold keeps REDUCE_WIDE partial results, which vectorise, and joins them in a fixed order: the result has the same bits on
   every instruction set. */

/* HEAD(function, name): how the function begins, to its arguments. FOLDED(function, name), which who includes this defines: its name. */
#define FOLDS(HEAD, name, type, OP, ...)                                                            \
  HEAD(fold_on, name)(const void *lanes, int64_t n, void *parts) {                                  \
    const type *x = lanes;                                                                          \
    type part[REDUCE_WIDE];                                                                         \
    memcpy(part, parts, sizeof part);                                                               \
    int64_t i = 0;                                                                                  \
    for (; i + REDUCE_WIDE <= n; i += REDUCE_WIDE)                                                  \
      for (int j = 0; j < REDUCE_WIDE; j++) part[j] = OP(part[j], x[i + j]);                        \
    for (int j = 0; i < n; i++, j++) part[j] = OP(part[j], x[i]);                                   \
    memcpy(parts, part, sizeof part);                                                               \
  }                                                                                                 \
  HEAD(fold_end, name)(void *parts, void *result) {                                                 \
    type *part = parts;                                                                             \
    for (int half = REDUCE_WIDE / 2; half; half /= 2)                                               \
      for (int j = 0; j < half; j++) part[j] = OP(part[j], part[j + half]);                         \
    *(type *)result = part[0];                                                                      \
  }                                                                                                 \
  HEAD(fold, name)(const void *lanes, int64_t n, void *result) {                                    \
    type part[REDUCE_WIDE];                                                                         \
    for (int j = 0; j < REDUCE_WIDE; j++) part[j] = (type)__VA_ARGS__;                              \
    FOLDED(fold_on, name)(lanes, n, part);                                                          \
    FOLDED(fold_end, name)(part, result);                                                           \
  }                                                                                                 \
  HEAD(columns, name)(const void *lanes, int64_t row_stride, int64_t rows, int64_t n, void *into) { \
    const type *x = lanes;                                                                          \
    type *restrict y = into;                                                                        \
    int64_t r = 0;                                                                                  \
    for (; r + 4 <= rows; r += 4, x += 4 * row_stride) {                                            \
      const type *x1 = x + row_stride, *x2 = x1 + row_stride, *x3 = x2 + row_stride;                \
      for (int64_t j = 0; j < n; j++) y[j] = OP(OP(OP(OP(y[j], x[j]), x1[j]), x2[j]), x3[j]);       \
    }                                                                                               \
    for (; r < rows; r++, x += row_stride)                                                          \
      for (int64_t j = 0; j < n; j++) y[j] = OP(y[j], x[j]);                                        \
  }

/* reduce_complex.c: those of complex lanes, by real part, then by imaginary part where they are compared. */
#define COMPLEX_HEAD(function, name) void cpu_##function##_##name
#define COMPLEX_FOLDS(name)                                                \
  COMPLEX_HEAD(fold, name)(const void *lanes, int64_t n, void *result);    \
  COMPLEX_HEAD(fold_on, name)(const void *lanes, int64_t n, void *parts);  \
  COMPLEX_HEAD(fold_end, name)(void *parts, void *result);                 \
  COMPLEX_HEAD(columns, name)(const void *lanes, int64_t row_stride, int64_t rows, int64_t n, void *into);
#define COMPLEX_FOLDS_OF(kind) COMPLEX_FOLDS(kind##_complex64) COMPLEX_FOLDS(kind##_complex128)
COMPLEX_FOLDS_OF(sum)
COMPLEX_FOLDS_OF(prod)
COMPLEX_FOLDS_OF(min)
COMPLEX_FOLDS_OF(max)
#endif
