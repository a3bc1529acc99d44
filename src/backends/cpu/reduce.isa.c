/* reduce.isa.c: sums, products, least and greatest of lanes. Built once per instruction set.

   A fold keeps WIDE partial results, which vectorise, and joins them in a fixed order: the result has the
   same bits on every instruction set. Uses cpu/lanes.h. */
#include "backends/cpu/lanes.h"
#include <math.h>

enum { WIDE = 32 };

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
/* NaN wins: it is not less or greater than anything, and stays once it is the partial result. */
#define LEAST(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define GREATEST(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))

/* Of complex numbers the least is that by real part, then by imaginary part. */
#define COMPLEX_OPS(name, type)                                                               \
  static inline type add_##name(type a, type b) { return (type){a.re + b.re, a.im + b.im}; }  \
  static inline type multiply_##name(type a, type b) {                                        \
    return (type){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};                      \
  }                                                                                           \
  static inline bool is_nan_##name(type a) { return isnan(a.re) || isnan(a.im); }             \
  static inline bool less_##name(type a, type b) {                                            \
    return a.re < b.re || (a.re == b.re && a.im < b.im);                                      \
  }                                                                                           \
  static inline type least_##name(type a, type b) {                                           \
    return is_nan_##name(a) ? a : is_nan_##name(b) || less_##name(b, a) ? b : a;              \
  }                                                                                           \
  static inline type greatest_##name(type a, type b) {                                        \
    return is_nan_##name(a) ? a : is_nan_##name(b) || less_##name(a, b) ? b : a;              \
  }
COMPLEX_OPS(complex, complex64)
COMPLEX_OPS(wide, complex128)

#define FOLDS(name, type, OP, ...)                                                                         \
  static void fold_##name(const void *lanes, int64_t n, void *result) {                                    \
    const type *x = lanes;                                                                                 \
    type part[WIDE];                                                                                       \
    for (int j = 0; j < WIDE; j++) part[j] = (type)__VA_ARGS__;                                            \
    int64_t i = 0;                                                                                         \
    for (; i + WIDE <= n; i += WIDE)                                                                       \
      for (int j = 0; j < WIDE; j++) part[j] = OP(part[j], x[i + j]);                                      \
    for (int j = 0; i < n; i++, j++) part[j] = OP(part[j], x[i]);                                          \
    for (int half = WIDE / 2; half; half /= 2)                                                             \
      for (int j = 0; j < half; j++) part[j] = OP(part[j], part[j + half]);                                \
    *(type *)result = part[0];                                                                             \
  }                                                                                                        \
  static void columns_##name(const void *lanes, int64_t row_stride, int64_t rows, int64_t n, void *into) { \
    const type *x = lanes;                                                                                 \
    type *restrict y = into;                                                                               \
    int64_t r = 0;                                                                                         \
    for (; r + 4 <= rows; r += 4, x += 4 * row_stride) {                                                   \
      const type *x1 = x + row_stride, *x2 = x1 + row_stride, *x3 = x2 + row_stride;                       \
      for (int64_t j = 0; j < n; j++) y[j] = OP(OP(OP(OP(y[j], x[j]), x1[j]), x2[j]), x3[j]);              \
    }                                                                                                      \
    for (; r < rows; r++, x += row_stride)                                                                 \
      for (int64_t j = 0; j < n; j++) y[j] = OP(y[j], x[j]);                                               \
  }

FOLDS(sum_float, float, ADD, 0)
FOLDS(sum_double, double, ADD, 0)
FOLDS(sum_uint, uint64_t, ADD, 0)
FOLDS(sum_complex, complex64, add_complex, {0, 0})
FOLDS(sum_wide, complex128, add_wide, {0, 0})
FOLDS(prod_float, float, MULTIPLY, 1)
FOLDS(prod_double, double, MULTIPLY, 1)
FOLDS(prod_uint, uint64_t, MULTIPLY, 1)
FOLDS(prod_complex, complex64, multiply_complex, {1, 0})
FOLDS(prod_wide, complex128, multiply_wide, {1, 0})
FOLDS(min_float, float, LEAST, INFINITY)
FOLDS(min_double, double, LEAST, INFINITY)
FOLDS(min_int, int64_t, LEAST, INT64_MAX)
FOLDS(min_uint, uint64_t, LEAST, UINT64_MAX)
FOLDS(min_complex, complex64, least_complex, {INFINITY, INFINITY})
FOLDS(min_wide, complex128, least_wide, {(double)INFINITY, (double)INFINITY})
FOLDS(max_float, float, GREATEST, -INFINITY)
FOLDS(max_double, double, GREATEST, -INFINITY)
FOLDS(max_int, int64_t, GREATEST, INT64_MIN)
FOLDS(max_uint, uint64_t, GREATEST, 0)
FOLDS(max_complex, complex64, greatest_complex, {-INFINITY, -INFINITY})
FOLDS(max_wide, complex128, greatest_wide, {-(double)INFINITY, -(double)INFINITY})

/* Signed sums and products wrap, as unsigned ones do, with the same bits. */
#define BY_LANE(f, kind, signed_kind)                                                       \
  {                                                                                         \
    f##_##kind##_float, f##_##kind##_double, f##_##kind##_##signed_kind, f##_##kind##_uint, \
        f##_##kind##_complex, f##_##kind##_wide                                             \
  }
#define KINDS(f)                                                                                     \
  {[REDUCE_SUM] = BY_LANE(f, sum, uint), [REDUCE_PROD] = BY_LANE(f, prod, uint),                     \
   [REDUCE_MIN] = BY_LANE(f, min, int), [REDUCE_MAX] = BY_LANE(f, max, int)}
const reduce_loops ISA_NAME(reduce_loops) = {.fold = KINDS(fold), .columns = KINDS(columns)};
