/* fft_radix.h: elements of lines side by side in registers, and transforms of a few of them, in place. For fft.isa.c alone: what it
   means depends on the instruction set. Uses cpu/registers.h, cpu/turn.h. */
#ifndef CPU_FFT_RADIX_H
#define CPU_FFT_RADIX_H
#include "backends/cpu/fft_plan.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/registers.h"
#include "backends/cpu/turn.h"

/* A cache line has eight pairs: fewer lines would take a part of it. */
enum { LANES = REGISTER_BYTES / sizeof(float), V = REGISTER_BYTES > 32 ? LANES : 8, E = 2 * V };
#define INLINE static inline __attribute__((always_inline))
#define EACH_LINE for (int v = 0; v < V; v++)
#define EACH_REGISTER for (int v = 0; v < V; v += LANES)
#define UNROLL _Pragma("GCC unroll 8")

/* ---- a register of lines ---- */

typedef struct pair {
  vector_float r, i;
} pair;

INLINE pair get(const float *x) { return (pair){wide_float32(x), wide_float32(x + V)}; }
INLINE void put(float *y, pair a) {
  memcpy(y, &a.r, sizeof a.r);
  memcpy(y + V, &a.i, sizeof a.i);
}
INLINE pair exchanged(pair a, bool swap) { return swap ? (pair){a.i, a.r} : a; }
/* The same of neighbouring pairs. In registers of two halves it takes one instruction each if lines are in another order
   there, so they are: line LINE_AT(v) is in lane v, and the other way round. */
#if REGISTER_BYTES == 64
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define BACKWARDS 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
#elif REGISTER_BYTES == 32
#define EVENS 0, 2, 8, 10, 4, 6, 12, 14
#define ODDS 1, 3, 9, 11, 5, 7, 13, 15
#define LOWER 0, 8, 1, 9, 4, 12, 5, 13
#define UPPER 2, 10, 3, 11, 6, 14, 7, 15
#define BACKWARDS 7, 6, 5, 4, 3, 2, 1, 0
#else
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#define LOWER 0, 4, 1, 5
#define UPPER 2, 6, 3, 7
#define BACKWARDS 3, 2, 1, 0
#endif
#if REGISTER_BYTES == 32
#define LINE_AT(v) (((v) & ~6) | ((v) << 1 & 4) | ((v) >> 1 & 2))
#define IN_ORDER(x) PICK(x, x, 0, 1, 4, 5, 2, 3, 6, 7)
#define LOWER_EIGHT LOWER
#define UPPER_EIGHT UPPER
#define EVENS_EIGHT EVENS
#define ODDS_EIGHT ODDS
#else
#define LINE_AT(v) (v)
#define IN_ORDER(x) (x)
#define LOWER_EIGHT 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER_EIGHT 4, 12, 5, 13, 6, 14, 7, 15
#define EVENS_EIGHT 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS_EIGHT 1, 3, 5, 7, 9, 11, 13, 15
#endif
INLINE pair get_pairs(const float *x) {
  const vector_float a = wide_float32(x), b = wide_float32(x + LANES);
  return (pair){PICK(a, b, EVENS), PICK(a, b, ODDS)};
}
INLINE void put_pairs(float *y, pair a) {
  const vector_float low = PICK(a.r, a.i, LOWER), high = PICK(a.r, a.i, UPPER);
  memcpy(y, &low, sizeof low);
  memcpy(y + LANES, &high, sizeof high);
}
INLINE pair plus(pair a, pair b) { return (pair){a.r + b.r, a.i + b.i}; }
INLINE pair minus(pair a, pair b) { return (pair){a.r - b.r, a.i - b.i}; }
INLINE pair plus_i(pair a, pair b) { return (pair){a.r - b.i, a.i + b.r}; } /* a + i b */
INLINE pair minus_i(pair a, pair b) { return (pair){a.r + b.i, a.i - b.r}; }
INLINE pair scaled(pair a, float c) { return (pair){a.r * SPLAT_FLOAT(c), a.i * SPLAT_FLOAT(c)}; }
/* a + c b */
INLINE pair add_scaled(pair a, float c, pair b) {
  return (pair){FMA_FLOAT(b.r, SPLAT_FLOAT(c), a.r), FMA_FLOAT(b.i, SPLAT_FLOAT(c), a.i)};
}
INLINE pair times(pair a, pair w) {
  return (pair){FMA_FLOAT(a.r, w.r, -(a.i * w.i)), FMA_FLOAT(a.r, w.i, a.i * w.r)};
}
INLINE pair turned(pair a, const float *w) { return times(a, (pair){SPLAT_FLOAT(w[0]), SPLAT_FLOAT(w[1])}); }

/* ---- transforms of a radix, in place ---- */

INLINE void two(pair *x) {
  const pair a = x[0];
  x[0] = plus(a, x[1]);
  x[1] = minus(a, x[1]);
}

INLINE void three(pair *x) {
  const pair sum = plus(x[1], x[2]), apart = scaled(minus(x[1], x[2]), 0.866025403784438647f);
  const pair rest = add_scaled(x[0], -0.5f, sum);
  x[0] = plus(x[0], sum);
  x[1] = minus_i(rest, apart);
  x[2] = plus_i(rest, apart);
}

INLINE void four(pair *x) {
  const pair even = plus(x[0], x[2]), apart = minus(x[0], x[2]), odd = plus(x[1], x[3]), side = minus(x[1], x[3]);
  x[0] = plus(even, odd);
  x[1] = minus_i(apart, side);
  x[2] = minus(even, odd);
  x[3] = plus_i(apart, side);
}

INLINE void five(pair *x) {
  const float c1 = 0.309016994374947424f, s1 = 0.951056516295153572f; /* of a fifth of a turn */
  const float c2 = -0.809016994374947424f, s2 = 0.587785252292473129f;
  const pair a = plus(x[1], x[4]), b = plus(x[2], x[3]), c = minus(x[1], x[4]), d = minus(x[2], x[3]);
  const pair near = add_scaled(add_scaled(x[0], c1, a), c2, b), far = add_scaled(add_scaled(x[0], c2, a), c1, b);
  const pair wide = add_scaled(scaled(c, s1), s2, d), narrow = add_scaled(scaled(c, s2), -s1, d);
  x[0] = plus(x[0], plus(a, b));
  x[1] = minus_i(near, wide);
  x[2] = minus_i(far, narrow);
  x[3] = plus_i(far, narrow);
  x[4] = plus_i(near, wide);
}

INLINE void eight(pair *x) {
  const float h = 0.707106781186547524f;
  pair even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
  four(even);
  four(odd);
  const pair first = minus_i(odd[1], odd[1]), third = plus_i(odd[3], odd[3]); /* times 1 - i, 1 + i */
  x[0] = plus(even[0], odd[0]);
  x[1] = add_scaled(even[1], h, first);
  x[2] = minus_i(even[2], odd[2]);
  x[3] = add_scaled(even[3], -h, third);
  x[4] = minus(even[0], odd[0]);
  x[5] = add_scaled(even[1], -h, first);
  x[6] = plus_i(even[2], odd[2]);
  x[7] = add_scaled(even[3], h, third);
}

/* With sums and differences of elements j and radix - j only cosines and only sines are needed. */
INLINE void odd(int radix, const float *roots, pair *x) {
  const int half = radix / 2;
  pair sum[FFT_MAX_RADIX / 2 + 1], apart[FFT_MAX_RADIX / 2 + 1], all = x[0];
  for (int j = 1; j <= half; j++) {
    sum[j] = plus(x[j], x[radix - j]);
    apart[j] = minus(x[j], x[radix - j]);
    all = plus(all, sum[j]);
  }
  for (int k = 1; k <= half; k++) {
    pair t = x[0], u = {0};
    for (int j = 1, at = k; j <= half; j++, at = at + k < radix ? at + k : at + k - radix) {
      t = add_scaled(t, roots[2 * at], sum[j]);
      u = add_scaled(u, roots[2 * at + 1], apart[j]);
    }
    x[k] = minus_i(t, u);
    x[radix - k] = plus_i(t, u);
  }
  x[0] = all;
}
#endif
