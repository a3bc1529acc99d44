/* norm.isa.c: the three passes of a norm over a row of up to KEPT elements: sum, sum of squares, result. Built once per
   instruction set. Uses cpu/lanes.h, cpu/blocks.h, kernel/scalar.h. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/lanes.h"
#include "kernel/scalar.h"

/* ---- float32 and bfloat16 ---- */

/* Of each x, or (x - mean)^2. Sums of TILE elements are added up, so that rounding errors stay small. */
ALWAYS double sum(pons_dtype d, const void *row, int64_t n, bool squares, float mean) {
  const char *x = row;
  block all = {0};
  for (int64_t left = n / BLOCK; left > 0;) {
    block part = {0};
    for (int turn = 0; turn < TILE / BLOCK && left > 0; turn++, left--, x += block_bytes(d)) {
      const block b = block_load(d, x);
      for (int k = 0; k < REGISTERS; k++) {
        const vector_float apart = b.at[k] - SPLAT_FLOAT(mean);
        part.at[k] += squares ? apart * apart : b.at[k];
      }
    }
    for (int k = 0; k < REGISTERS; k++) all.at[k] += part.at[k];
  }
  double result = block_sum(d, &all);
  for (int64_t i = 0; i < n % BLOCK; i++) {
    const float one = element_as_float(d, x, i), apart = one - mean;
    result += (double)(squares ? apart * apart : one);
  }
  return result;
}

/* Each operation is rounded to d. Of a NaN the lower bits of a bfloat16's word are 0, as `rounded` wants it: all
   operands are bfloat16. */
#define EACH for (int k = 0; k < REGISTERS; k++)
ALWAYS block finish_block(pons_dtype d, const norm_part *p, bool tame, const char *x, const char *w, const char *bias) {
  const vector_float mean = SPLAT_FLOAT((float)p->mean), factor = SPLAT_FLOAT((float)p->factor);
  block b = block_load(d, x);
  const block by = block_load(d, w);
  EACH b.at[k] = b.at[k] - mean;
  EACH b.at[k] = b.at[k] * factor;
  EACH b.at[k] = tame ? rounded_tame(d, b.at[k]) : rounded(d, b.at[k]);
  EACH b.at[k] = b.at[k] * by.at[k];
  if (!bias) return b;
  const block more = block_load(d, bias);
  EACH b.at[k] = tame ? rounded_tame(d, b.at[k]) : rounded(d, b.at[k]);
  EACH b.at[k] = b.at[k] + more.at[k];
  return b;
}
ALWAYS void finish_blocks(pons_dtype d, const norm_part *p, bool tame, bool biased) {
  const int64_t step = block_bytes(d), end = p->n / BLOCK * step;
  const char *x = p->x, *w = p->weight, *bias = p->bias;
  for (int64_t at = 0; at < end; at += step) {
    for (int line = 0; line < step; line += 64) __builtin_prefetch(x + at + p->ahead + line, 0, 2);
    block_store(d, finish_block(d, p, tame, x + at, w + at, biased ? bias + at : NULL), (char *)p->to + at, p->past_cache);
  }
}
/* What fills no block is padded to one. */
typedef void finish_loop(const norm_part *p);
static void finish_rest(pons_dtype d, const norm_part *p, finish_loop *finish) {
  const int64_t left = p->n % BLOCK, at = p->n / BLOCK * block_bytes(d);
  if (!left) return;
  block_room some[4];
  norm_part one = *p;
  one.x = block_padded(d, (const char *)p->x + at, left, 0, &some[0]);
  one.weight = block_padded(d, (const char *)p->weight + at, left, 0, &some[1]);
  if (p->bias) one.bias = block_padded(d, (const char *)p->bias + at, left, 0, &some[2]);
  one.n = BLOCK, one.to = some[3].at, one.ahead = 0, one.past_cache = false;
  finish(&one);
  memcpy((char *)p->to + at, &some[3], (size_t)(left * block_bytes(d) / BLOCK));
}

#define FORM(name, d)                                                                   \
  static double sum_##name(const void *x, int64_t n) { return sum(d, x, n, false, 0); } \
  static double squares_##name(const void *x, int64_t n, double mean) {                 \
    return sum(d, x, n, true, (float)mean);                                             \
  }                                                                                     \
  static void finish_##name(const norm_part *p) {                                       \
    if (d == PONS_BFLOAT16 && !p->tame)                                                 \
      finish_blocks(d, p, false, p->bias != NULL);                                      \
    else if (p->bias)                                                                   \
      finish_blocks(d, p, true, true);                                                  \
    else                                                                                \
      finish_blocks(d, p, true, false);                                                 \
    finish_rest(d, p, finish_##name);                                                   \
  }
FORM(float32, PONS_FLOAT32)
FORM(bfloat16, PONS_BFLOAT16)

/* ---- float16, whose operands are lanes, and float64 ---- */

static double sum_float64(const void *from, int64_t n) {
  const double *x = from;
  double part[BLOCK] = {0};
  for (int64_t i = 0; i < n; i++) part[i % BLOCK] += x[i];
  for (int i = 1; i < BLOCK; i++) part[0] += part[i];
  return part[0];
}
static double squares_float64(const void *from, int64_t n, double mean) {
  const double *x = from;
  double part[BLOCK] = {0};
  for (int64_t i = 0; i < n; i++) part[i % BLOCK] += (x[i] - mean) * (x[i] - mean);
  for (int i = 1; i < BLOCK; i++) part[0] += part[i];
  return part[0];
}

#define SAME(x) (x)
static inline float rounded_float16(float x) { return k_float_from_half(k_half_from_float(x)); }
#define FINISH(name, type, element, ROUND, NARROW)                                                      \
  static void finish_##name(const norm_part *p) {                                                       \
    const type *x = p->x, *w = p->weight, *b = p->bias, mean = (type)p->mean, factor = (type)p->factor; \
    element *restrict y = p->to;                                                                        \
    for (int64_t i = 0; i < p->n; i++) {                                                                \
      const type weighted = ROUND((x[i] - mean) * factor) * w[i];                                       \
      y[i] = NARROW(b ? ROUND(weighted) + b[i] : weighted);                                             \
    }                                                                                                   \
  }
FINISH(float64, double, double, SAME, SAME)
FINISH(float16, float, uint16_t, rounded_float16, k_half_from_float)

/* ---- the way back ---- */

static void back_sums(const norm_back *b, double sums[2]) {
  const vector_float mean = SPLAT_FLOAT(b->mean), factor = SPLAT_FLOAT(b->factor);
  block level = {0}, along = {0};
  int64_t i = 0;
  for (; i + BLOCK <= b->n; i += BLOCK)
    for (int k = 0; k < REGISTERS; k++) {
      const int64_t at = i + k * LANES;
      const vector_float gw = wide_float32(b->g + at) * wide_float32(b->weight + at);
      level.at[k] += gw;
      along.at[k] += gw * ((wide_float32(b->x + at) - mean) * factor);
    }
  sums[0] = block_sum(PONS_FLOAT32, &level);
  sums[1] = block_sum(PONS_FLOAT32, &along);
  for (; i < b->n; i++) {
    const float gw = b->g[i] * b->weight[i];
    sums[0] += (double)gw;
    sums[1] += (double)(gw * ((b->x[i] - b->mean) * b->factor));
  }
}

static void back(const norm_back *b) {
  const float *x = b->x, *g = b->g, *w = b->weight;
  float *restrict dx = b->dx, *restrict dw = b->dw, *restrict db = b->db;
  const float mean = b->mean, factor = b->factor, level = b->level, along = b->along;
  for (int64_t i = 0; i < b->n; i++) {
    const float normal = (x[i] - mean) * factor;
    dx[i] = factor * ((g[i] * w[i] - level) - normal * along);
    dw[i] += g[i] * normal;
  }
  for (int64_t i = 0; db && i < b->n; i++) db[i] += g[i];
}

const norm_loops ISA_NAME(norm_loops) = {
    .back_sums = back_sums,
    .back = back,
    .sum = {[PONS_FLOAT16] = sum_float32,
            [PONS_FLOAT32] = sum_float32,
            [PONS_FLOAT64] = sum_float64,
            [PONS_BFLOAT16] = sum_bfloat16},
    .squares = {[PONS_FLOAT16] = squares_float32,
                [PONS_FLOAT32] = squares_float32,
                [PONS_FLOAT64] = squares_float64,
                [PONS_BFLOAT16] = squares_bfloat16},
    .finish = {[PONS_FLOAT16] = finish_float16,
               [PONS_FLOAT32] = finish_float32,
               [PONS_FLOAT64] = finish_float64,
               [PONS_BFLOAT16] = finish_bfloat16},
};
