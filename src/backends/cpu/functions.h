/* functions.h: functions of registers of floats, and the loops over them, which also write past the caches; where registers
   can be tables. GROUP registers take each step together, so that none is waited for. Part of elementwise.isa.c.

   A function may be right for operands up to a limit alone (those that are not NaN): beyond it, another loop is asked for what
   is there. Each element has the same value wherever it stands. Uses cpu/registers.h, kernel/scalar.h. */
#ifndef CPU_FUNCTIONS_H
#define CPU_FUNCTIONS_H
#include "backends/cpu/registers.h"
#include "kernel/scalar.h"

#define ALWAYS static inline __attribute__((always_inline))
enum { LANES = REGISTER_BYTES / 4, GROUP = 2, GROUP_LANES = GROUP * LANES };
#define EACH _Pragma("GCC unroll 2") for (int k = 0; k < GROUP; k++)

#if defined(__AVX512F__)
#define MIN_FLOAT(a, b) ((vector_float)_mm512_min_ps((__m512)(a), (__m512)(b))) /* b if that is NaN */
#define STREAM(to, v) _mm512_stream_ps(to, (__m512)(v))
#define ANY(v) (_mm512_movepi32_mask((__m512i)(v)) != 0) /* of truths */
#define MOST_WORD(a, b) ((vector_word)_mm512_max_epu32((__m512i)(a), (__m512i)(b)))
#else
#define MIN_FLOAT(a, b) ((vector_float)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define STREAM(to, v) _mm256_stream_ps(to, (__m256)(v))
#define ANY(v) (_mm256_movemask_ps((__m256)(v)) != 0)
#define MOST_WORD(a, b) ((vector_word)_mm256_max_epu32((__m256i)(a), (__m256i)(b)))
#endif

/* exp(x) for |x| < EXP_LIMIT, where it and its factors are normal numbers. x = (8 n + j) log(2) / 8 + r, and 2^(n + j/8) is made
   of the lowest bits of t. */
#define EXP_LIMIT 87.0f
ALWAYS void exp_of_group(vector_float *x) {
  const vector_word roots = EIGHTH_ROOTS;
  const vector_float big = SPLAT_FLOAT(12582912.0f);
  vector_float t[GROUP], n[GROUP], p[GROUP], scale[GROUP];
  EACH t[k] = FMA_FLOAT(x[k], SPLAT_FLOAT(11.5415602f), big);
  EACH n[k] = t[k] - big;
  EACH scale[k] = (vector_float)((vector_word)LOOK_UP(roots, t[k]) + ((vector_word)t[k] << 20));
  EACH x[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(-8.66433978e-2f), x[k]);
  EACH x[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(2.38081777e-10f), x[k]);
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(1.66668585e-1f), x[k], SPLAT_FLOAT(5.00064731e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(1.0f)) * x[k];
  EACH x[k] = FMA_FLOAT(scale[k], p[k], scale[k]);
}

/* sin(x) for |x| < K_ANGLE_LIMIT. x = n pi + r; the sign is that of (-1)^n. Half as much to compute as the sine and the cosine of
   which k_sin_small_f32 takes one, and up to 1.9 units in the last place off where that is 1.5. */
ALWAYS void sin_of_group(vector_float *x) {
  const vector_float big = SPLAT_FLOAT(K_BIG_F32);
  vector_float t[GROUP], n[GROUP], r[GROUP], s[GROUP], p[GROUP];
  EACH t[k] = FMA_FLOAT(x[k], SPLAT_FLOAT(0.318309873f), big);
  EACH n[k] = t[k] - big;
  EACH r[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(-3.14159274f), x[k]);
  EACH r[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(8.74227766e-8f), r[k]);
  EACH r[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(3.43019883e-15f), r[k]);
  EACH s[k] = r[k] * r[k];
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(2.60557908e-6f), s[k], SPLAT_FLOAT(-1.98094815e-4f));
  EACH p[k] = FMA_FLOAT(p[k], s[k], SPLAT_FLOAT(8.33305810e-3f));
  EACH p[k] = FMA_FLOAT(p[k], s[k], SPLAT_FLOAT(-1.66666582e-1f));
  EACH r[k] = FMA_FLOAT(p[k] * s[k], r[k], r[k]);
  EACH r[k] = (vector_float)((vector_word)r[k] ^ (vector_word)t[k] << 31);
  EACH x[k] = (vector_float)((vector_word)r[k] | ((vector_word)(x[k] == 0) & (vector_word)x[k])); /* -0 */
}

/* As k_tanh_f32 and k_erf_f32 have it: the same bits. */
ALWAYS void tanh_of_group(vector_float *x) {
  const vector_float big = SPLAT_FLOAT(K_BIG_F32 + 127);
  vector_float t[GROUP], r[GROUP], p[GROUP], scale[GROUP];
  EACH r[k] = MIN_FLOAT(SPLAT_FLOAT(10.0f), (vector_float)((vector_word)x[k] & 0x7fffffff)); /* NaN stays */
  EACH t[k] = FMA_FLOAT(r[k], SPLAT_FLOAT(2.88539008f), big);
  EACH scale[k] = (vector_float)((vector_word)t[k] << 23);
  EACH r[k] = FMA_FLOAT(t[k] - big, SPLAT_FLOAT(-0.346573591f), r[k]);
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(8.88480647e-2f), r[k], SPLAT_FLOAT(2.67730571e-1f));
  EACH p[k] = FMA_FLOAT(p[k], r[k], SPLAT_FLOAT(6.66675229e-1f));
  EACH p[k] = FMA_FLOAT(p[k], r[k], SPLAT_FLOAT(1.33332345f));
  EACH p[k] = FMA_FLOAT(p[k], r[k], SPLAT_FLOAT(1.99999993f));
  EACH p[k] = FMA_FLOAT(p[k], r[k] * r[k], r[k] + r[k]);
  EACH p[k] = FMA_FLOAT(scale[k], p[k], scale[k] - 1);
  EACH p[k] = p[k] / (p[k] + 2);
  EACH x[k] = (vector_float)(((vector_word)p[k] & 0x7fffffff) | ((vector_word)x[k] & 0x80000000));
}
ALWAYS void erf_of_group(vector_float *x) {
  vector_float s[GROUP], p[GROUP], q[GROUP];
  EACH x[k] = MAX_FLOAT(SPLAT_FLOAT(-4.0f), MIN_FLOAT(SPLAT_FLOAT(4.0f), x[k])); /* NaN stays */
  EACH s[k] = x[k] * x[k];
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(1.98575481e-06f), s[k], SPLAT_FLOAT(2.84415641e-04f));
  EACH q[k] = FMA_FLOAT(SPLAT_FLOAT(3.74006304e-05f), s[k], SPLAT_FLOAT(1.18493650e-03f));
  EACH p[k] = FMA_FLOAT(p[k], s[k], SPLAT_FLOAT(3.88124841e-03f));
  EACH q[k] = FMA_FLOAT(q[k], s[k], SPLAT_FLOAT(1.51991351e-02f));
  EACH p[k] = FMA_FLOAT(p[k], s[k], SPLAT_FLOAT(5.30736186e-02f));
  EACH q[k] = FMA_FLOAT(q[k], s[k], SPLAT_FLOAT(1.15288712e-01f));
  EACH p[k] = FMA_FLOAT(p[k], s[k], SPLAT_FLOAT(1.93441853e-01f));
  EACH q[k] = FMA_FLOAT(q[k], s[k], SPLAT_FLOAT(5.04590452e-01f));
  EACH p[k] = FMA_FLOAT(p[k], s[k], SPLAT_FLOAT(1.12778485e+00f));
  EACH q[k] = FMA_FLOAT(q[k], s[k], SPLAT_FLOAT(9.99473333e-01f));
  EACH x[k] = MAX_FLOAT(SPLAT_FLOAT(-1.0f), MIN_FLOAT(SPLAT_FLOAT(1.0f), x[k] * p[k] / q[k]));
}

/* ---- loops ---- */

typedef void group_function(vector_float *x);
typedef void group_beyond(float *y, const float *x); /* y may be x */

ALWAYS void group_load(vector_float *v, const float *x) { EACH v[k] = wide_float32(x + k * LANES); }
ALWAYS void group_store(const vector_float *v, float *y) { EACH memcpy(y + k * LANES, &v[k], sizeof v[k]); }

/* Is one NaN or not below the limit? */
ALWAYS bool group_is_beyond(const vector_float *x, float limit) {
  const vector_word most = MOST_WORD((vector_word)x[0] & 0x7fffffff, (vector_word)x[1] & 0x7fffffff);
  return ANY(~(vector_word)((vector_float)most < limit));
}

/* What f says below the limit, else `others`, which may be y. */
ALWAYS void call_with_others(group_function *f, float limit, const float *x, const float *others, float *y) {
  vector_float v[GROUP], w[GROUP];
  group_load(v, x);
  group_load(w, others);
  vector_word near[GROUP];
  EACH near[k] = (vector_word)((vector_float)((vector_word)v[k] & 0x7fffffff) < limit);
  f(v);
  EACH v[k] = (vector_float)(((vector_word)v[k] & near[k]) | ((vector_word)w[k] & ~near[k]));
  group_store(v, y);
}

/* Whole groups up to one beyond the limit (0: there is none): how many elements those were. */
ALWAYS int64_t groups_below(group_function *f, float limit, float *y, const float *x, int64_t n, bool past_cache) {
  int64_t i = 0;
  for (; i + GROUP_LANES <= n; i += GROUP_LANES) {
    vector_float v[GROUP];
    group_load(v, x + i);
    if (limit > 0 && __builtin_expect(group_is_beyond(v, limit), 0)) break;
    f(v);
    if (past_cache) EACH STREAM(y + i + k * LANES, v[k]);
    else group_store(v, y + i);
  }
  return i;
}

/* f, or for groups beyond the limit `beyond`. y may be x; past the caches: it is a multiple of 64. `self` is the whole, for
   what fills no group. */
typedef void groups_loop(float *y, const float *x, int64_t n, bool past_cache);
ALWAYS void loop_of_groups(group_function *f, float limit, group_beyond *beyond, groups_loop *self, float *y, const float *x,
                           int64_t n, bool past_cache) {
  for (;;) {
    const int64_t done = groups_below(f, limit, y, x, n, past_cache);
    n -= done, x += done, y += done;
    if (n < GROUP_LANES) break;
    beyond(y, x);
    n -= GROUP_LANES, x += GROUP_LANES, y += GROUP_LANES;
  }
  if (!n) return;
  float room[GROUP_LANES] = {0};
  memcpy(room, x, (size_t)n * sizeof *x);
  self(room, room, GROUP_LANES, false);
  memcpy(y, room, (size_t)n * sizeof *y);
}
#undef EACH
#endif
