/* quantize_cpu.c: "Quantize" in both directions, "ToFP8" and "FromFP8", group by group; ops/quantize.c has the
   formulas. Groups lie one behind the other in the results, so that a group's number tells where it is. Uses
   cpu/quantized.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/quantized.h"
#include <math.h>

enum { NVFP4_RANGE = 448 * 6 };

void cpu_scales(quantization q, pons_dtype d, const void *scales, int64_t first, int64_t n, float *to) {
  if (q.mode == QUANTIZED_AFFINE) cpu_lanes()->load[d](element(scales, d, first), 1, n, to);
  else if (q.mode == QUANTIZED_NVFP4) cpu_quantized_loops()->from_e4m3((const uint8_t *)scales + first, n, to);
  else cpu_quantized_loops()->from_e8m0((const uint8_t *)scales + first, n, to);
}

const char *cpu_refuses_quantize(const launch *l) {
  const quantize_params *p = l->params;
  const bool wide = l->in[0].dtype == PONS_FLOAT64 || l->out[0].dtype == PONS_FLOAT64 ||
                    (p->dequantize && l->in[1].dtype == PONS_FLOAT64);
  return wide ? "its loops are of float32" : NULL;
}

/* ---- quantize ---- */

typedef struct quantize_job {
  quantization q;
  const operand *w;
  cursor rows;
  int64_t row_groups, stride; /* of a row of w */
  int64_t groups, groups_per_piece;
  float widen; /* nvfp4: by the global scale */
  uint32_t *words;
  void *scales, *biases;
} quantize_job;

/* x as dtype d has it. */
static void round_to(pons_dtype d, float *x, int64_t n) {
  uint16_t narrow[GROUP_MOST];
  if (d == PONS_FLOAT32) return;
  cpu_lanes()->store[d](x, n, narrow, 1);
  cpu_lanes()->load[d](narrow, 1, n, x);
}

static void affine_group(const quantize_job *j, int64_t g, const float *w, uint8_t *codes) {
  const int n = j->q.group_size;
  const float top = (float)((1 << j->q.bits) - 1);
  float least, greatest;
  cpu_quantized_loops()->range(w, n, &least, &greatest);
  float scale = (greatest - least) / top, bias = least;
  scale = scale > 1e-7f ? scale : 1e-7f;
  if (j->q.bits > 1) {
    const bool below = fabsf(least) > fabsf(greatest);
    const float edge = below ? least : greatest;
    if (!below) scale = -scale;
    const float code = rintf(edge / scale);
    bias = code != 0 ? edge : 0;
    if (code != 0) scale = edge / code;
  }
  cpu_quantized_loops()->to_numbers(w, n, scale, bias, top, codes);
  cpu_lanes()->store[j->w->dtype](&scale, 1, element(j->scales, j->w->dtype, g), 1);
  cpu_lanes()->store[j->w->dtype](&bias, 1, element(j->biases, j->w->dtype, g), 1);
}

/* The exponent, biased by 127, of the power of two at or above x >= 0; that of 1 for 0. */
static uint8_t exponent_above(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits ? (uint8_t)((bits + 0x7fffff) >> 23) : 127;
}

static void float_group(const quantize_job *j, int64_t g, float *w, uint8_t *codes) {
  const quantized_loops *loops = cpu_quantized_loops();
  const int n = j->q.group_size;
  const pons_dtype d = j->w->dtype;
  uint8_t *code = (uint8_t *)j->scales + g;
  float least, greatest, scale;
  loops->range(w, n, &least, &greatest);
  float share = (-least > greatest ? -least : greatest) / (j->q.bits == 4 ? 6 : 448);
  round_to(d, &share, 1);
  if (j->q.mode == QUANTIZED_NVFP4) {
    share *= j->widen;
    loops->to_e4m3(&share, 1, code);
    loops->from_e4m3(code, 1, &scale);
    for (int i = 0; i < n; i++) w[i] = scale != 0 ? w[i] / scale : 0;
    round_to(d, w, n);
    for (int i = 0; i < n; i++) w[i] *= j->widen;
  } else {
    *code = exponent_above(share);
    loops->from_e8m0(code, 1, &scale);
    for (int i = 0; i < n; i++) w[i] /= scale;
  }
  if (j->q.bits == 4) loops->to_e2m1(w, n, codes);
  else loops->to_e4m3(w, n, codes);
}

static void pack(const uint8_t *codes, int n, int bits, uint32_t *words) {
  uint64_t held = 0;
  int count = 0;
  for (int i = 0; i < n; i++) {
    held |= (uint64_t)codes[i] << count;
    count += bits;
    if (count < 32) continue;
    *words++ = (uint32_t)held;
    held >>= 32;
    count -= 32;
  }
}

static void quantize_piece(void *context, int64_t piece) {
  const quantize_job *j = context;
  const int n = j->q.group_size;
  const int64_t words = n * j->q.bits / 32;
  int64_t g = piece * j->groups_per_piece;
  const int64_t end = smaller(g + j->groups_per_piece, j->groups);
  cursor rows;
  cursor_copy(&rows, &j->rows);
  for (int64_t row = -1; g < end; g++) {
    float w[GROUP_MOST];
    uint8_t codes[GROUP_MOST];
    if (g / j->row_groups != row) cursor_to(&rows, row = g / j->row_groups);
    const int64_t at = rows.offset[0] + g % j->row_groups * n * j->stride;
    cpu_lanes()->load[j->w->dtype](element(j->w->data, j->w->dtype, at), j->stride, n, w);
    if (j->q.mode == QUANTIZED_AFFINE) affine_group(j, g, w, codes);
    else float_group(j, g, w, codes);
    pack(codes, n, j->q.bits, j->words + g * words);
  }
}

static error *quantize(const launch *l) {
  const quantize_params *p = l->params;
  const operand *w = l->in;
  quantize_job j = {.q = QUANTIZATION_OF(p), .w = w, .widen = 1};
  j.words = l->out[0].data;
  j.scales = l->out[1].data;
  j.biases = l->n_out > 2 ? l->out[2].data : NULL;
  if (l->n_in > 1) j.widen = NVFP4_RANGE / *(const float *)l->in[1].data;
  j.rows = cursor_new(w->ndim - 1, w->shape, 1, w->strides);
  j.stride = w->strides[w->ndim - 1];
  j.row_groups = w->shape[w->ndim - 1] / p->group_size;
  j.groups = cursor_size(&j.rows) * j.row_groups;
  if (!j.groups) return NULL;
  j.groups_per_piece = turns_per_piece(j.groups, 4 * p->group_size);
  parallel_for(pieces_of(j.groups, j.groups_per_piece), quantize_piece, &j);
  return NULL;
}

/* ---- dequantize ---- */

typedef struct dequantize_job {
  quantization q;
  const uint32_t *words;
  const void *scales, *biases;
  pons_dtype scale_dtype;
  float global;
  const operand *out;
  int64_t groups, groups_per_piece; /* of at most a tile */
} dequantize_job;

static void dequantize_piece(void *context, int64_t piece) {
  const dequantize_job *j = context;
  const int n = j->q.group_size;
  const int64_t first = piece * j->groups_per_piece, count = smaller(j->groups - first, j->groups_per_piece);
  float values[TILE], scales[TILE / GROUP_LEAST], biases[TILE / GROUP_LEAST];
  cpu_scales(j->q, j->scale_dtype, j->scales, first, count, scales);
  for (int64_t i = 0; i < count && j->global != 1; i++) scales[i] *= j->global;
  if (j->biases) cpu_scales(j->q, j->scale_dtype, j->biases, first, count, biases);
  const quantized_groups groups = {j->words + first * n * j->q.bits / 32, count, n, scales, j->biases ? biases : NULL};
  cpu_quantized_loops()->values[codes_of(j->q)](&groups, values);
  cpu_lanes()->store[j->out->dtype](values, count * n, element(j->out->data, j->out->dtype, first * n), 1);
}

static error *dequantize(const launch *l) {
  const quantize_params *p = l->params;
  dequantize_job j = {.q = QUANTIZATION_OF(p), .scale_dtype = l->in[1].dtype, .global = 1, .out = l->out};
  const bool affine = j.q.mode == QUANTIZED_AFFINE;
  const int parts = affine ? 3 : 2;
  if (l->n_in > parts) j.global = *(const float *)l->in[parts].data / NVFP4_RANGE;
  j.groups = operand_size(&l->in[1]);
  if (!j.groups) return NULL;
  buffer *held[3] = {NULL};
  const void *data[3] = {NULL};
  error *why = NULL;
  for (int i = 0; i < parts && !why; i++) data[i] = cpu_packed(&l->in[i], "dequantize", &held[i], &why);
  j.words = data[0], j.scales = data[1], j.biases = data[2];
  j.groups_per_piece = TILE / j.q.group_size;
  if (!why) parallel_for(pieces_of(j.groups, j.groups_per_piece), dequantize_piece, &j);
  for (int i = 0; i < parts; i++) buffer_release(held[i]);
  return why;
}

error *cpu_quantize(const launch *l) {
  return ((const quantize_params *)l->params)->dequantize ? dequantize(l) : quantize(l);
}

/* ---- E4M3 alone ---- */

typedef struct fp8_job {
  pons_dtype dtype; /* of the floats */
  const char *from;
  char *to;
  int64_t count;
} fp8_job;

static void to_fp8_piece(void *context, int64_t piece) {
  const fp8_job *j = context;
  const int64_t at = piece * TILE, n = smaller(j->count - at, TILE);
  float values[TILE];
  const void *from = element(j->from, j->dtype, at);
  if (j->dtype == PONS_FLOAT64)
    for (int64_t i = 0; i < n; i++) values[i] = (float)((const double *)from)[i];
  else
    cpu_lanes()->load[j->dtype](from, 1, n, values);
  cpu_quantized_loops()->to_e4m3(values, n, (uint8_t *)j->to + at);
}

static void from_fp8_piece(void *context, int64_t piece) {
  const fp8_job *j = context;
  const int64_t at = piece * TILE, n = smaller(j->count - at, TILE);
  float values[TILE];
  void *to = element(j->to, j->dtype, at);
  cpu_quantized_loops()->from_e4m3((const uint8_t *)j->from + at, n, values);
  if (j->dtype == PONS_FLOAT64)
    for (int64_t i = 0; i < n; i++) ((double *)to)[i] = (double)values[i];
  else
    cpu_lanes()->store[j->dtype](values, n, to, 1);
}

static error *run_fp8(const launch *l, const char *op, pons_dtype dtype, void (*body)(void *, int64_t)) {
  buffer *held = NULL;
  error *why = NULL;
  fp8_job j = {.dtype = dtype, .to = l->out->data, .count = operand_size(l->out)};
  if (!j.count) return NULL;
  j.from = cpu_packed(l->in, op, &held, &why);
  if (!why) parallel_for(pieces_of(j.count, TILE), body, &j);
  buffer_release(held);
  return why;
}

error *cpu_to_fp8(const launch *l) { return run_fp8(l, "to_fp8", l->in->dtype, to_fp8_piece); }
error *cpu_from_fp8(const launch *l) { return run_fp8(l, "from_fp8", l->out->dtype, from_fp8_piece); }
