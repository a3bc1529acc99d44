/* norm.isa.c: the loops of norms over a row's tile. Built once per instruction set. Uses cpu/lanes.h,
   kernel/scalar.h. */
#include "backends/cpu/lanes.h"
#include "kernel/scalar.h"

enum { WIDE = 32 };

/* WIDE partial sums, joined in a fixed order: the same bits on every instruction set. */
#define SQUARES(type)                                                                  \
  static type squares_##type(const type *x, int64_t n, type mean) {                    \
    type part[WIDE] = {0};                                                             \
    int64_t i = 0;                                                                     \
    for (; i + WIDE <= n; i += WIDE)                                                   \
      for (int j = 0; j < WIDE; j++) part[j] += (x[i + j] - mean) * (x[i + j] - mean); \
    for (int j = 0; i < n; i++, j++) part[j] += (x[i] - mean) * (x[i] - mean);         \
    for (int half = WIDE / 2; half; half /= 2)                                         \
      for (int j = 0; j < half; j++) part[j] += part[j + half];                        \
    return part[0];                                                                    \
  }
SQUARES(float)
SQUARES(double)

/* What a half keeps of a float. Of a NaN, the bits below a bfloat16's are 0 here: all operands were halves. */
static inline float rounded_bfloat16(float x) {
  uint32_t u = k_bits_f32(x);
  return k_from_bits_f32((u + 0x7fffu + (u >> 16 & 1)) & 0xffff0000u);
}
static inline float rounded_float16(float x) { return k_float_from_half(k_half_from_float(x)); }

#define SAME(x) (x)
#define FINISH(name, type, element, ROUND, NARROW)                                                        \
  static void finish_##name(const void *from, int64_t n, double middle, double times, const void *weight, \
                            const void *bias, void *to) {                                                 \
    const type *x = from, *w = weight, *b = bias, mean = (type)middle, factor = (type)times;              \
    element *restrict y = to;                                                                             \
    if (!b)                                                                                               \
      for (int64_t i = 0; i < n; i++) y[i] = NARROW(ROUND((x[i] - mean) * factor) * w[i]);                \
    else                                                                                                  \
      for (int64_t i = 0; i < n; i++) y[i] = NARROW(ROUND(ROUND((x[i] - mean) * factor) * w[i]) + b[i]);  \
  }
FINISH(float32, float, float, SAME, SAME)
FINISH(float64, double, double, SAME, SAME)
FINISH(float16, float, uint16_t, rounded_float16, k_half_from_float)
FINISH(bfloat16, float, uint16_t, rounded_bfloat16, k_bfloat_from_float)

const norm_loops ISA_NAME(norm_loops) = {
    squares_float,
    squares_double,
    {[PONS_FLOAT32] = finish_float32,
     [PONS_FLOAT64] = finish_float64,
     [PONS_FLOAT16] = finish_float16,
     [PONS_BFLOAT16] = finish_bfloat16},
};
