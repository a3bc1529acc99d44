/* half.h: float16 for doubles of libraries that multiply: slow, and plainly right. Uses the C library alone. */
#ifndef DOUBLES_HALF_H
#define DOUBLES_HALF_H
#include <math.h>
#include <stdint.h>

static inline double half_value(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
  return h >> 15 ? -size : size;
}

/* The nearest, the even one of two. */
static inline uint16_t half_nearest(double x) {
  uint16_t low = 0, high = 0x7c00;
  const double size = fabs(x);
  if (x != x) return 0x7e00;
  if (size >= 65520) return (uint16_t)(0x7c00 | (signbit(x) ? 0x8000 : 0));
  while (low + 1 < high) {
    const uint16_t middle = (uint16_t)((low + high) / 2);
    if (half_value(middle) <= size)
      low = middle;
    else
      high = middle;
  }
  const double below = size - half_value(low), above = (high == 0x7c00 ? 65536 : half_value(high)) - size;
  const uint16_t nearest = below < above || (below == above && low % 2 == 0) ? low : high;
  return (uint16_t)(nearest | (signbit(x) ? 0x8000 : 0));
}
#endif
