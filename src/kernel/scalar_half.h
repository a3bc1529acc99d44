/* scalar_half.h: float16 and bfloat16 to and from float32 without branches. Part of scalar.h.

   To nearest, ties to even; a NaN stays a NaN. The same values as half_to_float and its like in base/. Uses
   nothing. */
#ifndef SCALAR_HALF_H
#define SCALAR_HALF_H
#include "kernel/scalar_float.h"

#ifndef K_HALF_CONVERSIONS /* a GPU language's prologue has them */
static inline float k_float_from_half(uint16_t h) {
  uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
  /* Denormals: set the fraction below 2^-14's exponent, then take 2^-14 away. */
  float small = k_from_bits_f32(magnitude + (113u << 23)) - 6.103515625e-05f;
  uint32_t bits = magnitude + (magnitude >= 0x0f800000u ? 224u << 23 : 112u << 23);
  bits = magnitude < 0x00800000u ? k_bits_f32(small) : bits;
  return k_from_bits_f32(bits | sign);
}
static inline uint16_t k_half_from_float(float f) {
  uint32_t u = k_bits_f32(f), magnitude = u & 0x7fffffffu, sign = u >> 16 & 0x8000u;
  uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
  /* Denormals: adding 0.5 leaves the fraction, rounded to units of 2^-24, in the low bits. */
  uint32_t small = k_bits_f32(k_from_bits_f32(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t bits = magnitude < 0x38800000u ? small : normal;
  bits = magnitude >= 0x477ff000u ? 0x7c00u : bits;
  bits = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : bits;
  return (uint16_t)(bits | sign);
}
static inline float k_float_from_bfloat(uint16_t h) { return k_from_bits_f32((uint32_t)h << 16); }
static inline uint16_t k_bfloat_from_float(float f) {
  uint32_t u = k_bits_f32(f), rounded = (u + 0x7fffu + (u >> 16 & 1)) >> 16;
  return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16 | 0x40u) : rounded);
}
#endif

/* What x becomes where it is stored as one, as a float32. */
static inline float k_nearest_half(float x) { return k_float_from_half(k_half_from_float(x)); }
#ifndef K_NEAREST_BFLOAT /* the same */
static inline float k_nearest_bfloat(float x) { return k_float_from_bfloat(k_bfloat_from_float(x)); }
#endif
#endif
