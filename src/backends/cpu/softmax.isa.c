/* softmax.isa.c: exponentials of a tile less their greatest, with their sum. Built once per instruction set.
   Uses cpu/lanes.h, kernel/scalar.h. */
#include "backends/cpu/lanes.h"
#include "kernel/scalar.h"

enum { WIDE = 32 };

/* WIDE partial sums, joined in a fixed order: the same bits on every instruction set. */
#define EXP_SUM(name, type, EXP)                                                            \
  static type exp_##name(const type *x, int64_t n, type shift, type *restrict exps) {                \
    type part[WIDE] = {0};                                                                  \
    int64_t i = 0;                                                                          \
    for (; i + WIDE <= n; i += WIDE)                                                        \
      for (int j = 0; j < WIDE; j++) {                                                      \
        const type e = EXP(x[i + j] - shift);                                               \
        exps[i + j] = e;                                                                    \
        part[j] += e;                                                                       \
      }                                                                                     \
    for (int j = 0; i < n; i++, j++) part[j] += exps[i] = EXP(x[i] - shift);                \
    for (int half = WIDE / 2; half; half /= 2)                                              \
      for (int j = 0; j < half; j++) part[j] += part[j + half];                             \
    return part[0];                                                                         \
  }                                                                                         \
  static void scale_##name(type *x, int64_t n, type factor) {                               \
    for (int64_t i = 0; i < n; i++) x[i] *= factor;                                         \
  }
EXP_SUM(float, float, k_exp_f32)
EXP_SUM(double, double, k_exp_f64)

const softmax_loops ISA_NAME(softmax_loops) = {exp_float, exp_double, scale_float, scale_double};
