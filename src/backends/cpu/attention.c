/* attention.c: what attention and its way back share: rows of q, their scores, and products with strips. Uses
   cpu/attention.h. */
#include "backends/cpu/attention.h"
#include <float.h>
#include <math.h>

attention attention_of(const attention_params *p, const operand *in, const operand *mask) {
  const operand *q = &in[0], *k = &in[1], *v = &in[2];
  return (attention){.q = q,
                     .k = k,
                     .v = v,
                     .mask = mask,
                     .scale = p->scale,
                     .causal = p->causal,
                     .kv_heads = k->shape[1],
                     .per = q->shape[1] / k->shape[1],
                     .length = q->shape[2],
                     .keys = k->shape[2],
                     .dim = q->shape[3],
                     .v_dim = v->shape[3],
                     .strip = cpu_gemm_loops()->tile_columns[LANE_FLOAT]};
}

row_place attention_place(const attention *a, int64_t kv_head, int64_t row) {
  return (row_place){kv_head / a->kv_heads, kv_head % a->kv_heads * a->per + row / a->length, row % a->length};
}

void attention_query(const attention *a, row_place p, float *to) {
  cpu_lanes()->load[a->q->dtype](at_place(a->q, p), a->q->strides[3], a->dim, to);
  cpu_softmax_loops()->scale_float(to, a->dim, a->scale);
}

void attention_mask(const attention *a, row_place p, int64_t key, int64_t n, float *scores) {
  const operand *m = a->mask;
  const int skipped = 4 - m->ndim; /* it broadcasts to (batch, heads, length, keys) */
  const int64_t at[] = {p.batch, p.head, p.at, key};
  int64_t offset = 0, step = 0;
  for (int d = 0; d < m->ndim; d++)
    if (m->shape[d] > 1) offset += at[d + skipped] * m->strides[d];
  if (m->ndim && m->shape[m->ndim - 1] > 1) step = m->strides[m->ndim - 1];
  const void *from = element(m->data, m->dtype, offset);
  if (m->dtype == PONS_BOOL) {
    const uint8_t *keep = from;
    for (int64_t i = 0; i < n; i++) scores[i] = keep[i * step] ? scores[i] : -FLT_MAX;
    return;
  }
  float some[TILE];
  for (int64_t i = 0; i < n; i += TILE) {
    const int64_t count = smaller(n - i, TILE);
    cpu_lanes()->load[m->dtype](element(from, m->dtype, i * step), step, count, some);
    for (int64_t e = 0; e < count; e++) scores[i + e] += some[e];
  }
}

int64_t attention_fill(float *row, int64_t n, float with) {
  enum { BLOCK = 32 };
  for (; n % BLOCK; n++) row[n] = with;
  return n;
}

float attention_greatest(const float *scores, int64_t n) {
  float greatest = cpu_softmax_loops()->greatest[PONS_FLOAT32](scores, n);
  if (greatest == -INFINITY) cpu_reduce_loops()->fold[REDUCE_MAX][LANE_FLOAT](scores, n, &greatest);
  return greatest;
}

gemm_matrix attention_matrix(const attention *a, const operand *x, int64_t kv_head, bool transposed) {
  const int64_t batch = kv_head / a->kv_heads, head = kv_head % a->kv_heads;
  return (gemm_matrix){.data = element(x->data, x->dtype, batch * x->strides[0] + head * x->strides[1]),
                       .dtype = x->dtype,
                       .row = x->strides[transposed ? 3 : 2],
                       .col = x->strides[transposed ? 2 : 3]};
}

void strips_pack(const gemm_matrix *x, int64_t first, int64_t rows, int64_t width, float *to, int64_t apart) {
  const int64_t strip = cpu_gemm_loops()->tile_columns[LANE_FLOAT];
  for (int64_t at = 0; at < width; at += strip, to += apart) {
    const int64_t some = smaller(width - at, strip);
    if (some < strip) memset(to, 0, (size_t)(rows * strip) * sizeof *to);
    gemm_read(x, LANE_FLOAT, first, at, rows, some, to, strip);
  }
}

const float *strips_weave(const float *x, int64_t row, int64_t rows, int64_t length, float *to) {
  const gemm_loops *loops = cpu_gemm_loops();
  if (!loops->weaves) return NULL;
  loops->weave[PONS_FLOAT32](x, row, 1, rows / loops->tile_rows, length, to);
  return to;
}

bool attention_by_head(int64_t heads) {
  enum { MANY = 16 }; /* for each thread, so that it does not matter which one has one more */
  const int64_t threads = parallel_threads();
  return heads % threads == 0 || heads >= MANY * threads;
}

/* A tile takes the part that its rows have together. */
void strips_multiply(const strips_product *p) {
  const gemm_loops *loops = cpu_gemm_loops();
  const int64_t strip = loops->tile_columns[LANE_FLOAT], each = loops->tile_rows;
  gemm_tile tiles[STRIPS_ROWS / 4];
  const void *rows[STRIPS_ROWS / 4 * GEMM_ROWS_MOST];
  int64_t n = 0, skipped = 0, ends[STRIPS_ROWS / 4], starts[STRIPS_ROWS / 4], lengths[STRIPS_ROWS / 4];
  for (int64_t i = 0, some; i < p->rows; i += some, n++) {
    some = gemm_rows_of_tile(p->rows - i, each);
    const bool woven = p->woven && some == each, by_steps = woven || p->a_step;
    const int64_t first = p->from ? p->from[i] : 0, last = p->to ? p->to[i + some - 1] : p->length;
    for (int64_t r = 0; r < some; r++) rows[n * GEMM_ROWS_MOST + r] = p->a + (i + r) * p->a_row + first;
    if (woven) rows[n * GEMM_ROWS_MOST] = p->woven + i * p->length + first * each;
    if (p->a_step) rows[n * GEMM_ROWS_MOST] = p->a + i + first * p->a_step;
    ends[n] = i + some, starts[n] = first * strip, lengths[n] = last > first ? last - first : 0;
    tiles[n] = (gemm_tile){.rows = some,
                           .runs = 1,
                           .order = by_steps ? GEMM_BY_STEPS : GEMM_BY_ROWS,
                           .a_step = p->a_step ? p->a_step : each,
                           .a = rows + n * GEMM_ROWS_MOST,
                           .b = starts + n,
                           .lengths = lengths + n,
                           .c = i * p->c_row};
  }
  for (int64_t s = 0; s < p->columns; s += strip) {
    while (p->needed && skipped < n && p->needed[ends[skipped] - 1] <= s) skipped++;
    loops->column[LANE_FLOAT](&(gemm_column){.tiles = tiles + skipped,
                                             .count = n - skipped,
                                             .width = strip,
                                             .b = p->strips + s / strip * p->apart,
                                             .b_step = strip,
                                             .alpha = p->alpha,
                                             .beta = p->beta,
                                             .c = p->c + s,
                                             .c_row = p->c_row});
  }
}
