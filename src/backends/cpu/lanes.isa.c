/* lanes.isa.c: loads elements of any dtype into lanes and stores them back. Built once per instruction set.
   Uses cpu/lanes.h. */
#include "backends/cpu/lanes.h"

static inline uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}
static inline float float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* The conversions of base/half.c without branches, so that they vectorise. */
static inline float half_up(uint16_t h) {
  uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, scaled = bits_of(float_of(magnitude) * 0x1p112f);
  uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0; /* infinity, NaN */
  return float_of(scaled | special | (uint32_t)(h & 0x8000) << 16);
}
static inline uint16_t half_down(float f) {
  uint32_t u = bits_of(f), magnitude = u & 0x7fffffffu;
  uint32_t normal = (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
  uint32_t denormal = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t special = magnitude > 0x7f800000u ? 0x7e00 | (magnitude >> 13 & 1023) : 0x7c00;
  uint32_t result = magnitude >= 0x477ff000u ? special : magnitude < 0x38800000u ? denormal : normal;
  return (uint16_t)(result | (u >> 16 & 0x8000));
}
static inline float bfloat_up(uint16_t h) { return float_of((uint32_t)h << 16); }
static inline uint16_t bfloat_down(float f) {
  uint32_t u = bits_of(f), rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? u >> 16 | 0x40 : rounded);
}

#define SAME(x) (x)

/* One loop for neighbours, which vectorises, and one for strides. */
#define LOAD(name, type, lane_type, CONVERT)                                             \
  static void load_##name(const void *from, int64_t stride, int64_t n, void *lanes) {    \
    const type *x = from;                                                                \
    lane_type *y = lanes;                                                                \
    if (stride == 1)                                                                     \
      for (int64_t i = 0; i < n; i++) y[i] = (lane_type)CONVERT(x[i]);                   \
    else                                                                                 \
      for (int64_t i = 0; i < n; i++) y[i] = (lane_type)CONVERT(x[i * stride]);          \
  }
#define STORE(name, type, lane_type, CONVERT)                                            \
  static void store_##name(const void *lanes, int64_t n, void *to, int64_t stride) {     \
    const lane_type *x = lanes;                                                          \
    type *y = to;                                                                        \
    if (stride == 1)                                                                     \
      for (int64_t i = 0; i < n; i++) y[i] = (type)CONVERT(x[i]);                        \
    else                                                                                 \
      for (int64_t i = 0; i < n; i++) y[i * stride] = (type)CONVERT(x[i]);               \
  }
#define BOTH(name, type, lane_type) LOAD(name, type, lane_type, SAME) STORE(name, type, lane_type, SAME)
#define NOT_ZERO(x) ((x) != 0)

LOAD(bool, uint8_t, uint64_t, NOT_ZERO)
STORE(bool, uint8_t, uint64_t, NOT_ZERO)
BOTH(uint8, uint8_t, uint64_t)
BOTH(uint16, uint16_t, uint64_t)
BOTH(uint32, uint32_t, uint64_t)
BOTH(uint64, uint64_t, uint64_t)
BOTH(int8, int8_t, int64_t)
BOTH(int16, int16_t, int64_t)
BOTH(int32, int32_t, int64_t)
BOTH(int64, int64_t, int64_t)
LOAD(float16, uint16_t, float, half_up)
STORE(float16, uint16_t, float, half_down)
BOTH(float32, float, float)
BOTH(float64, double, double)
LOAD(bfloat16, uint16_t, float, bfloat_up)
STORE(bfloat16, uint16_t, float, bfloat_down)

#define PAIRS(type)                                                                       \
  static void load_##type(const void *from, int64_t stride, int64_t n, void *lanes) {     \
    const type *x = from;                                                                 \
    type *y = lanes;                                                                      \
    for (int64_t i = 0; i < n; i++) y[i] = x[i * stride];                                 \
  }                                                                                       \
  static void store_##type(const void *lanes, int64_t n, void *to, int64_t stride) {      \
    const type *x = lanes;                                                                \
    type *y = to;                                                                         \
    for (int64_t i = 0; i < n; i++) y[i * stride] = x[i];                                 \
  }                                                                                       \
  static void truth_##type(const void *lanes, int64_t n, uint64_t *truth) {               \
    const type *x = lanes;                                                                \
    for (int64_t i = 0; i < n; i++) truth[i] = x[i].re != 0 || x[i].im != 0;              \
  }
PAIRS(complex64)
PAIRS(complex128)

#define TRUTH(name, type)                                                                \
  static void truth_##name(const void *lanes, int64_t n, uint64_t *truth) {              \
    const type *x = lanes;                                                               \
    for (int64_t i = 0; i < n; i++) truth[i] = x[i] != 0;                                \
  }
TRUTH(float, float)
TRUTH(double, double)
TRUTH(int, int64_t)
TRUTH(uint, uint64_t)

#define EACH(f)                                                                                              \
  {f##_bool,  f##_uint8, f##_uint16, f##_uint32,  f##_uint64,  f##_int8,    f##_int16,                       \
   f##_int32, f##_int64, f##_float16, f##_float32, f##_float64, f##_bfloat16, f##_complex64,                      \
   f##_complex128}
const lane_loops ISA_NAME(lane_loops) = {
    .load = EACH(load),
    .store = EACH(store),
    .truth = {truth_float, truth_double, truth_int, truth_uint, truth_complex64, truth_complex128},
};
