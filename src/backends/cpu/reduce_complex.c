/* reduce_complex.c: sums, products, least and greatest of complex lanes. Built once, not per instruction set. Uses
   cpu/reduce_folds.h. */
#include "backends/cpu/reduce_folds.h"
#include <math.h>

#define FOLDED(function, name) cpu_##function##_##name

/* The least is that by real part, then by imaginary part; a NaN in either wins. */
#define COMPLEX_OPS(type, part)                                                              \
  static inline type add_##type(type a, type b) { return (type){a.re + b.re, a.im + b.im}; } \
  static inline type multiply_##type(type a, type b) {                                       \
    return (type){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};                     \
  }                                                                                          \
  static inline bool is_nan_##type(type a) { return isnan(a.re) || isnan(a.im); }            \
  static inline bool less_##type(type a, type b) {                                           \
    return a.re < b.re || (a.re == b.re && a.im < b.im);                                     \
  }                                                                                          \
  static inline type least_##type(type a, type b) {                                          \
    return is_nan_##type(a) ? a : is_nan_##type(b) || less_##type(b, a) ? b : a;             \
  }                                                                                          \
  static inline type greatest_##type(type a, type b) {                                       \
    return is_nan_##type(a) ? a : is_nan_##type(b) || less_##type(a, b) ? b : a;             \
  }                                                                                          \
  FOLDS(COMPLEX_HEAD, sum_##type, type, add_##type, {0, 0})                                  \
  FOLDS(COMPLEX_HEAD, prod_##type, type, multiply_##type, {1, 0})                            \
  FOLDS(COMPLEX_HEAD, min_##type, type, least_##type, {(part)INFINITY, (part)INFINITY})      \
  FOLDS(COMPLEX_HEAD, max_##type, type, greatest_##type, {-(part)INFINITY, -(part)INFINITY})
COMPLEX_OPS(complex64, float)
COMPLEX_OPS(complex128, double)
