/* softmax.isa.c: the three passes of a softmax over a row of up to KEPT elements: greatest, exponentials with their
   sum, each times a factor. Built once per instruction set. Uses cpu/lanes.h, cpu/blocks.h, kernel/scalar.h. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/lanes.h"
#include "kernel/scalar.h"
#include <math.h>

/* ---- float32 ---- */

/* exp(x) for x <= 0: 0 below -88, and not to be trusted where it is no normal number. The power of two is made of the low bits of
   t: of 8 x / log(2) as an integer, with a table of roots, else of x / log(2), 127 more, and a number that puts it there. What
   n log(2) loses is a fraction of what x, a difference, has lost. GROUP registers take each step together, so that none is
   waited for. */
enum { GROUP = 2 };
#define EACH for (int k = 0; k < GROUP; k++)
ALWAYS void exp_of_negatives(vector_float *x) {
#ifdef LOOK_UP
  const vector_float big = SPLAT_FLOAT(12582912.0f);
  const vector_word roots = EIGHTH_ROOTS;
  vector_float t[GROUP], n[GROUP], p[GROUP], scale[GROUP];
  EACH x[k] = MAX_FLOAT(SPLAT_FLOAT(-88.0296919f), x[k]); /* NaN stays */
  EACH t[k] = FMA_FLOAT(x[k], SPLAT_FLOAT(11.5415602f), big);
  EACH n[k] = t[k] - big;
  EACH scale[k] = (vector_float)((vector_word)LOOK_UP(roots, t[k]) + ((vector_word)t[k] << 20));
  EACH x[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(-8.66433978e-2f), x[k]);
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(1.66668585e-1f), x[k], SPLAT_FLOAT(5.00064731e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(1.0f)) * x[k];
  EACH x[k] = FMA_FLOAT(scale[k], p[k], scale[k]);
#else
  const vector_float big = SPLAT_FLOAT(12582912.0f + 127);
  vector_float t[GROUP], n[GROUP], p[GROUP];
  EACH x[k] = MAX_FLOAT(SPLAT_FLOAT(-88.1f), x[k]); /* NaN stays */
  EACH t[k] = FMA_FLOAT(x[k], SPLAT_FLOAT(1.44269504f), big);
  EACH n[k] = t[k] - big;
  EACH x[k] = FMA_FLOAT(n[k], SPLAT_FLOAT(-0.693147182f), x[k]);
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(8.29027221e-3f), x[k], SPLAT_FLOAT(4.18981612e-2f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(1.66676387e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(4.99991477e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(9.99999702e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(1.0f));
  EACH x[k] = p[k] * (vector_float)((vector_word)t[k] << 23);
#endif
}

/* 2^(x log2(e) - shift) for whole numbers `shift` where that is no more than 2; 0 below 2^-126.5; 7.5e-5 off: a hundredth or two of
   bfloat16's last place. t is x log2(e) to the nearest integer, less the shift and 127 more, in its low bits. What a product has lost by
   rounding where there is no multiply-add is little, since the shift is (see softmax_loops). */
ALWAYS void powers_of_tame(vector_float *x, float shift) {
  const vector_float log2_e = SPLAT_FLOAT(1.44269504f), big = SPLAT_FLOAT(12582912.0f + 127 - shift);
  const vector_float least = SPLAT_FLOAT((shift - 127) * 0.693147181f);
  vector_float t[GROUP], p[GROUP];
  EACH x[k] = MAX_FLOAT(least, x[k]); /* NaN stays */
  EACH t[k] = FMA_FLOAT(x[k], log2_e, big);
  EACH x[k] = FMA_FLOAT(x[k], log2_e, big - t[k]);
  EACH p[k] = FMA_FLOAT(SPLAT_FLOAT(5.51716700e-2f), x[k], SPLAT_FLOAT(2.42611127e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(6.93260986e-1f));
  EACH p[k] = FMA_FLOAT(p[k], x[k], SPLAT_FLOAT(9.99928073e-1f));
  EACH x[k] = p[k] * (vector_float)((vector_word)t[k] << 23);
}
#undef EACH

static float greatest_float32(const void *row, int64_t n) {
  const float *x = row;
  block most;
  block_room room;
  float part[LANES], result = -INFINITY;
  for (int k = 0; k < REGISTERS; k++) most.at[k] = SPLAT_FLOAT(-INFINITY);
  for (int64_t left = n; left > 0; left -= BLOCK, x += BLOCK) {
    const block b = block_load(PONS_FLOAT32, left < BLOCK ? block_padded(PONS_FLOAT32, x, left, -INFINITY, &room) : (const char *)x);
    for (int k = 0; k < REGISTERS; k++) most.at[k] = MAX_FLOAT(most.at[k], b.at[k]);
  }
  for (int half = REGISTERS / 2; half; half /= 2)
    for (int k = 0; k < half; k++) most.at[k] = MAX_FLOAT(most.at[k], most.at[k + half]);
  memcpy(part, most.at, sizeof part);
  for (int i = 0; i < LANES / 2; i++) part[i] = part[i] > part[i + LANES / 2] ? part[i] : part[i + LANES / 2];
  for (int i = 0; i < LANES / 2; i++) result = part[i] > result ? part[i] : result;
  return result;
}

/* Of bfloat16, as integers: the greatest of all, if it is not below 0; else of those below 0 the one whose bits are least. NaN
   may be greater than infinity, or left out. */
static float greatest_bfloat16(const void *row, int64_t n) {
  enum { HALVES = 2 * LANES };
  vector_ushort most = {0}, least = ~most;
  block_room room;
  most = most + 0x8000u;
  for (int64_t i = 0; i < n; i += BLOCK) {
    const char *x = (const char *)row + 2 * i;
    if (n - i < BLOCK) x = block_padded(PONS_BFLOAT16, x, n - i, -INFINITY, &room);
    for (int k = 0; k < BLOCK / HALVES; k++) {
      vector_ushort halves;
      memcpy(&halves, x + k * REGISTER_BYTES, sizeof halves);
      most = (vector_ushort)max_short((vector_short)most, (vector_short)halves);
      least = min_ushort(least, halves);
    }
  }
  int16_t greatest = INT16_MIN;
  uint16_t nearest = UINT16_MAX;
  for (int i = 0; i < HALVES; i++) {
    if ((int16_t)most[i] > greatest) greatest = (int16_t)most[i];
    if (least[i] < nearest) nearest = least[i];
  }
  const uint16_t bits = greatest >= 0 ? (uint16_t)greatest : nearest;
  return element_as_float(PONS_BFLOAT16, &bits, 0);
}

/* Exponentials of a block to `to`, added to `sum`. */
ALWAYS void exps_block(pons_dtype d, const void *x, float shift, void *to, block *sum) {
  block b = block_load(d, x);
  if (d == PONS_FLOAT32) {
    for (int k = 0; k < REGISTERS; k++) b.at[k] -= SPLAT_FLOAT(shift);
    for (int k = 0; k < REGISTERS; k += GROUP) exp_of_negatives(&b.at[k]);
  } else {
    for (int k = 0; k < REGISTERS; k += GROUP) powers_of_tame(&b.at[k], shift);
  }
  for (int k = 0; k < REGISTERS; k++) sum->at[k] += b.at[k];
  block_store_float32(b, to, false);
}

ALWAYS void finish_block(pons_dtype d, const void *x, float factor, void *y, bool past_cache) {
  block b = block_load(PONS_FLOAT32, x);
  for (int k = 0; k < REGISTERS; k++) b.at[k] *= SPLAT_FLOAT(factor);
  if (d == PONS_FLOAT32) block_store_float32(b, y, past_cache);
  else block_store_bfloat16(b, y, past_cache);
}

/* Whole blocks, at most TILE elements. What a store past the caches waits for is waited for by the stores behind it, but not by what is
   computed: so the row before, if there is one, is finished block by block meanwhile. */
ALWAYS block exps_of_blocks(pons_dtype d, const char *x, int64_t blocks, float shift, int64_t ahead, float *to, softmax_row *before) {
  block part = {0};
  for (; blocks > 0; blocks--, x += block_bytes(d), to += BLOCK) {
    for (int line = 0; line < block_bytes(d); line += 64) __builtin_prefetch(x + ahead + line, 0, 2);
    exps_block(d, x, shift, to, &part);
    if (!before) continue;
    finish_block(d, before->exps, before->factor, before->y, true);
    before->exps += BLOCK, before->y += block_bytes(d);
  }
  return part;
}

/* Sums of TILE elements are added up, so that rounding errors stay small. */
ALWAYS block exps_of_row(pons_dtype d, const void *row, int64_t n, float shift, int64_t ahead, float *to, softmax_row *before) {
  const char *x = row;
  block sum = {0};
  for (int64_t left = n / BLOCK; left > 0;) {
    const int64_t blocks = left < TILE / BLOCK ? left : TILE / BLOCK;
    const block part = exps_of_blocks(d, x, blocks, shift, ahead, to, before);
    for (int k = 0; k < REGISTERS; k++) sum.at[k] += part.at[k];
    left -= blocks, x += blocks * block_bytes(d), to += blocks * BLOCK;
  }
  if (n % BLOCK) {
    block_room room;
    exps_block(d, block_padded(d, x, n % BLOCK, -INFINITY, &room), shift, room.at, &sum);
    memcpy(to, &room, d == PONS_FLOAT32 ? (size_t)(n % BLOCK) * sizeof *to : sizeof room); /* a whole one of bfloat16 */
  }
  return sum;
}
ALWAYS float exps(pons_dtype d, const void *row, int64_t n, float shift, int64_t ahead, float *to) {
  const block sum = exps_of_row(d, row, n, shift, ahead, to, NULL);
  return (float)block_sum(d, &sum);
}

ALWAYS void finish(pons_dtype d, const float *x, int64_t n, float factor, void *to, bool past_cache) {
  char *y = to;
  for (; n > 0; n -= BLOCK, x += BLOCK, y += block_bytes(d)) {
    const bool rest = n < BLOCK;
    block_room room;
    if (rest) memcpy(&room, x, d == PONS_FLOAT32 ? (size_t)n * sizeof *x : sizeof room);
    finish_block(d, rest ? room.at : (const char *)x, factor, rest ? room.at : y, past_cache && !rest);
    if (rest) memcpy(y, &room, (size_t)(n * block_bytes(d) / BLOCK));
  }
}

_Static_assert((int)ROW_BLOCK == (int)BLOCK, "rows of whole blocks");
ALWAYS float exps_and_finish(pons_dtype d, const void *row, int64_t n, float shift, int64_t ahead, float *to, const softmax_row *before) {
  softmax_row left = *before;
  const block sum = exps_of_row(d, row, n, shift, ahead, to, &left);
  return (float)block_sum(d, &sum);
}

#define FORM(name, d)                                                                             \
  static float exps_##name(const void *x, int64_t n, float shift, int64_t ahead, float *to) {     \
    return exps(d, x, n, shift, ahead, to);                                                       \
  }                                                                                               \
  static float exps_and_finish_##name(const void *x, int64_t n, float shift, int64_t ahead,       \
                                      float *to, const softmax_row *before) {                     \
    return exps_and_finish(d, x, n, shift, ahead, to, before);                                    \
  }                                                                                               \
  static void finish_##name(const float *x, int64_t n, float factor, void *to, bool past_cache) { \
    finish(d, x, n, factor, to, past_cache);                                                      \
  }
FORM(float32, PONS_FLOAT32)
FORM(bfloat16, PONS_BFLOAT16)

/* Blocks that a row's rest is padded to, with zeros. */
ALWAYS block float_block(const float *x, int64_t left, block_room *room) {
  return block_load(PONS_FLOAT32, left < BLOCK ? block_padded(PONS_FLOAT32, x, left, 0, room) : (const char *)x);
}
static void back_float(const float *weights, int64_t n, float *x) {
  block sum = {0};
  block_room room;
  for (int64_t i = 0; i < n; i += BLOCK) {
    const block w = float_block(weights + i, n - i, &room), g = float_block(x + i, n - i, &room);
    for (int k = 0; k < REGISTERS; k++) sum.at[k] = FMA_FLOAT(w.at[k], g.at[k], sum.at[k]);
  }
  const vector_float mean = SPLAT_FLOAT((float)block_sum(PONS_FLOAT32, &sum));
  for (int64_t i = 0; i < n; i += BLOCK) {
    const block w = float_block(weights + i, n - i, &room);
    block g = float_block(x + i, n - i, &room);
    for (int k = 0; k < REGISTERS; k++) g.at[k] = w.at[k] * (g.at[k] - mean);
    block_store_float32(g, n - i < BLOCK ? room.at : (char *)(x + i), false);
    if (n - i < BLOCK) memcpy(x + i, &room, (size_t)(n - i) * sizeof *x);
  }
}

static float exp_float(const float *x, int64_t n, float shift, float *to) {
  return exps_float32(x, n, shift, 0, to);
}
static void weights_float(const float *x, int64_t n, float shift, float *to) {
  exps_of_row(PONS_FLOAT32, x, n, shift, 0, to, NULL);
}
static void scale_float(float *x, int64_t n, float factor) { finish_float32(x, n, factor, x, false); }

/* ---- float64 ---- */

static double exp_double(const double *x, int64_t n, double shift, double *to) {
  double part[BLOCK] = {0};
  for (int64_t i = 0; i < n; i++) part[i % BLOCK] += to[i] = k_exp_f64(x[i] - shift);
  for (int half = BLOCK / 2; half; half /= 2)
    for (int i = 0; i < half; i++) part[i] += part[i + half];
  return part[0];
}
static void scale_double(double *x, int64_t n, double factor) {
  for (int64_t i = 0; i < n; i++) x[i] *= factor;
}

const softmax_loops ISA_NAME(softmax_loops) = {
    .greatest = {[PONS_FLOAT32] = greatest_float32, [PONS_BFLOAT16] = greatest_bfloat16},
    .exps = {[PONS_FLOAT32] = exps_float32, [PONS_BFLOAT16] = exps_bfloat16},
    .exps_and_finish = {[PONS_FLOAT32] = exps_and_finish_float32, [PONS_BFLOAT16] = exps_and_finish_bfloat16},
    .finish = {[PONS_FLOAT32] = finish_float32, [PONS_BFLOAT16] = finish_bfloat16},
    .exp_float = exp_float,
    .weights_float = weights_float,
    .exp_double = exp_double,
    .back_float = back_float,
    .scale_float = scale_float,
    .scale_double = scale_double,
};
