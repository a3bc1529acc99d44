/* half.c: float16 (1 sign, 5 exponent, 10 fraction bits) and bfloat16 (the upper half of a float32) to and
   from float32.

   To nearest, ties to even; a NaN stays one and keeps its upper fraction bits. Uses the C library alone. */
#include "base/base.h"

static uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static float float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13);
  if (exponent > 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
  float f = (float)fraction * 0x1p-24f; /* denormal or zero: exact */
  return sign ? -f : f;
}

uint16_t half_from_float(float f) {
  uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 1023)); /* NaN, made quiet */
  if (magnitude >= 0x477ff000)
    return (uint16_t)(sign | 0x7c00); /* from 65520, half way to what would follow 65504 */
  if (magnitude >= 0x38800000) { /* normal: from 2^-14 */
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - (112u << 23)) >> 13));
  }
  /* Denormal: adding 0.5 leaves the fraction, rounded by the machine to units of 2^-24, in the low bits. */
  return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000));
}

float bfloat_to_float(uint16_t h) { return float_of((uint32_t)h << 16); }

uint16_t bfloat_from_float(float f) {
  uint32_t u = bits_of(f);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40); /* NaN, made quiet */
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
