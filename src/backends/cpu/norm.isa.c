/* norm.isa.c: the passes of a norm over a row: sum, sum of squares, result. Built once per instruction set. Uses
   cpu/lanes.h, cpu/blocks.h. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/lanes.h"

#define EACH for (int k = 0; k < REGISTERS; k++)

/* ---- sums ---- */

/* Of each x, or (x - mean)^2. Sums of TILE elements are added up, so that rounding errors stay small. */
ALWAYS double sum(const float *x, int64_t n, bool squares, float mean) {
  block all = {0};
  for (int64_t left = n / BLOCK; left > 0;) {
    block part = {0};
    for (int turn = 0; turn < TILE / BLOCK && left > 0; turn++, left--, x += BLOCK) {
      const block b = block_load(PONS_FLOAT32, x);
      EACH {
        const vector_float apart = b.at[k] - SPLAT_FLOAT(mean);
        part.at[k] += squares ? apart * apart : b.at[k];
      }
    }
    EACH all.at[k] += part.at[k];
  }
  double result = block_sum(PONS_FLOAT32, &all);
  for (int64_t i = 0; i < n % BLOCK; i++) {
    const float apart = x[i] - mean;
    result += (double)(squares ? apart * apart : x[i]);
  }
  return result;
}
static double sum_float32(const void *x, int64_t n) { return sum(x, n, false, 0); }
static double squares_float32(const void *x, int64_t n, double mean) { return sum(x, n, true, (float)mean); }

/* Of bfloat16 both at once, of x and of x^2. */
typedef struct two_blocks {
  block x, squares;
} two_blocks;
ALWAYS void take_moments(const void *x, two_blocks *sums) {
  const block b = block_load(PONS_BFLOAT16, x);
  EACH sums->x.at[k] += b.at[k];
  EACH sums->squares.at[k] = FMA_FLOAT(b.at[k], b.at[k], sums->squares.at[k]);
}
static void moments(const uint16_t *x, int64_t n, double sums[2]) {
  two_blocks all = {0};
  for (int64_t left = n / BLOCK; left > 0;) {
    two_blocks part = {0};
    for (int turn = 0; turn < TILE / BLOCK && left > 0; turn++, left--, x += BLOCK) take_moments(x, &part);
    EACH all.x.at[k] += part.x.at[k];
    EACH all.squares.at[k] += part.squares.at[k];
  }
  block_room room;
  if (n % BLOCK) take_moments(block_padded(PONS_BFLOAT16, x, n % BLOCK, 0, &room), &all);
  sums[0] = block_sum(PONS_BFLOAT16, &all.x);
  sums[1] = block_sum(PONS_BFLOAT16, &all.squares);
}

/* ---- results ---- */

/* Of float32 each operation is rounded. What a row has in common is read from memory again for each block: with all of it in registers, and a
   loop for stores past the caches alone, results that outgrow the caches took 5 to 10 % longer (measured). */
ALWAYS void finish_blocks_float32(const norm_part *p, bool biased) {
  const int64_t step = block_bytes(PONS_FLOAT32), end = p->n / BLOCK * step;
  const char *x = p->x, *w = p->weight, *bias = p->bias;
  for (int64_t at = 0; at < end; at += step) {
    for (int line = 0; line < step; line += 64) __builtin_prefetch(x + at + p->ahead + line, 0, 2);
    const vector_float mean = SPLAT_FLOAT((float)p->mean), factor = SPLAT_FLOAT((float)p->factor);
    block b = block_load(PONS_FLOAT32, x + at);
    const block by = block_load(PONS_FLOAT32, w + at);
    EACH b.at[k] = b.at[k] - mean;
    EACH b.at[k] = b.at[k] * factor;
    EACH b.at[k] = b.at[k] * by.at[k];
    if (biased) {
      const block more = block_load(PONS_FLOAT32, bias + at);
      EACH b.at[k] = b.at[k] + more.at[k];
    }
    block_store_float32(b, (char *)p->to + at, p->past_cache);
  }
}
/* Of bfloat16 the result is. */
ALWAYS void finish_blocks_bfloat16(const norm_part *p, bool biased, bool past_cache) {
  const int64_t step = block_bytes(PONS_BFLOAT16), end = p->n / BLOCK * step, ahead = p->ahead;
  const char *x = p->x, *w = p->weight, *bias = p->bias;
  char *to = p->to;
  const vector_float factor = SPLAT_FLOAT((float)p->factor), shift = SPLAT_FLOAT((float)(-p->mean * p->factor));
  for (int64_t at = 0; at < end; at += step) {
    __builtin_prefetch(x + at + ahead, 0, 2);
    block b = block_load(PONS_BFLOAT16, x + at);
    const block by = block_load(PONS_BFLOAT16, w + at), more = biased ? block_load(PONS_BFLOAT16, bias + at) : by;
    EACH b.at[k] = biased ? FMA_FLOAT(b.at[k], factor, shift) : b.at[k] * factor;
    EACH b.at[k] = biased ? FMA_FLOAT(b.at[k], by.at[k], more.at[k]) : b.at[k] * by.at[k];
    block_store_bfloat16(b, to + at, past_cache);
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
static void finish_float32(const norm_part *p) {
  if (p->bias)
    finish_blocks_float32(p, true);
  else
    finish_blocks_float32(p, false);
  finish_rest(PONS_FLOAT32, p, finish_float32);
}
static void finish_bfloat16(const norm_part *p) {
  if (p->bias && p->past_cache)
    finish_blocks_bfloat16(p, true, true);
  else if (p->bias)
    finish_blocks_bfloat16(p, true, false);
  else if (p->past_cache)
    finish_blocks_bfloat16(p, false, true);
  else
    finish_blocks_bfloat16(p, false, false);
  finish_rest(PONS_BFLOAT16, p, finish_bfloat16);
}

/* ---- float64 ---- */

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

static void finish_float64(const norm_part *p) {
  const double *x = p->x, *w = p->weight, *b = p->bias;
  double *restrict y = p->to;
  for (int64_t i = 0; i < p->n; i++) {
    const double weighted = (x[i] - p->mean) * p->factor * w[i];
    y[i] = b ? weighted + b[i] : weighted;
  }
}

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
    .sum = {[PONS_FLOAT32] = sum_float32, [PONS_FLOAT64] = sum_float64},
    .squares = {[PONS_FLOAT32] = squares_float32, [PONS_FLOAT64] = squares_float64},
    .moments = moments,
    .finish = {[PONS_FLOAT32] = finish_float32, [PONS_FLOAT64] = finish_float64, [PONS_BFLOAT16] = finish_bfloat16},
};
