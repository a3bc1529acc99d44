/* norm_cpu.c: "RMSNorm" and "LayerNorm": a row is read from memory once and stays in the cache for the passes
   that follow: mean, mean square of what remains, result.

       y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b        RMSNorm: mean 0, no b

   Each operation is rounded as the decomposition in ops/norm.c has it. Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include <math.h>

typedef struct norm_job {
  const operand *x, *out;
  cursor rows;
  int64_t n, stride; /* of a row */
  int64_t count, rows_per_piece;
  const char *weight, *bias; /* n lanes; no bias: NULL */
  double eps;
  bool centred, past_cache;
} norm_job;

const char *cpu_refuses_norm(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands of several dtypes";
  return NULL;
}

/* Sums of tiles are added up in double: a long row loses nothing. */
#define ROW(type, lane_kind)                                                                     \
  static void row_##type(const norm_job *j, const void *x, char *out) {                          \
    const norm_loops *loops = cpu_norm_loops();                                                  \
    const pons_dtype d = j->out->dtype;                                                          \
    const int64_t size = (int64_t)pons_dtype_size(d);                                            \
    type kept[KEPT], result[TILE], part;                                                         \
    double sum = 0, squares = 0;                                                                 \
    for (int64_t at = 0; j->centred && at < j->n; at += TILE) {                                  \
      const int64_t n = smaller(j->n - at, TILE);                                                \
      const void *lanes = row_lanes(d, x, j->stride, j->n, at, n, kept, true);                   \
      cpu_reduce_loops()->fold[REDUCE_SUM][lane_kind](lanes, n, &part);                          \
      sum += (double)part;                                                                       \
    }                                                                                            \
    const type mean = (type)(sum / (double)j->n);                                                \
    for (int64_t at = 0; at < j->n; at += TILE) {                                                \
      const int64_t n = smaller(j->n - at, TILE);                                                \
      const void *lanes = row_lanes(d, x, j->stride, j->n, at, n, kept, !j->centred);            \
      squares += (double)loops->squares_##type(lanes, n, mean);                                  \
    }                                                                                            \
    const double factor = 1 / sqrt(squares / (double)j->n + j->eps);                             \
    for (int64_t at = 0; at < j->n; at += TILE) {                                                \
      const int64_t n = smaller(j->n - at, TILE), lane_at = at * (int64_t)sizeof(type);          \
      const void *lanes = row_lanes(d, x, j->stride, j->n, at, n, kept, false);                  \
      char *to = out + at * size;                                                                \
      loops->finish[d](lanes, n, (double)mean, factor, j->weight + lane_at,                      \
                       j->bias ? j->bias + lane_at : NULL, j->past_cache ? (char *)result : to); \
      if (j->past_cache) cpu_copy_past_cache(to, result, (size_t)(n * size));                    \
    }                                                                                            \
  }
ROW(float, LANE_FLOAT)
ROW(double, LANE_DOUBLE)

static void norm_piece(void *context, int64_t piece) {
  const norm_job *j = context;
  const pons_dtype d = j->out->dtype;
  cursor rows = j->rows;
  int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  cursor_to(&rows, row);
  for (; row < end; row++, cursor_next(&rows)) {
    char *out = element(j->out->data, d, row * j->n);
    const void *x = element(j->x->data, d, rows.offset[0]);
    if (lane_of(d) == LANE_DOUBLE)
      row_double(j, x, out);
    else
      row_float(j, x, out);
  }
}

/* A weight or bias of n elements, or of one for all, as n lanes. */
static void spread(const operand *w, int64_t n, void *lanes) {
  const int64_t stride = w->ndim ? w->strides[0] : 0;
  cpu_to_lanes(lanes, w->dtype, w->data, 1, &n, &stride);
}

static error *run(const launch *l, const char *op, bool centred) {
  const operand *x = l->in;
  const int last = x->ndim - 1;
  norm_job j = {.x = x, .out = l->out, .centred = centred};
  j.eps = (double)((const norm_params *)l->params)->eps;
  j.n = x->shape[last];
  j.stride = x->strides[last];
  j.rows = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.rows);
  if (!j.count || !j.n) return NULL;
  error *why = NULL;
  const size_t bytes = (size_t)j.n * lane_size(lane_of(l->out->dtype));
  buffer *weights = buffer_new(2 * bytes, op, &why);
  if (!weights) return why;
  char *lanes = buffer_data(weights);
  spread(&l->in[1], j.n, lanes);
  j.weight = lanes;
  if (centred) {
    spread(&l->in[2], j.n, lanes + bytes);
    j.bias = lanes + bytes;
  }
  j.past_cache = cpu_outgrows_cache((size_t)(j.count * j.n) * pons_dtype_size(l->out->dtype));
  j.rows_per_piece = turns_per_piece(j.count, 2 * j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), norm_piece, &j);
  buffer_release(weights);
  return NULL;
}

error *cpu_rms_norm(const launch *l) { return run(l, "rms_norm", false); }
error *cpu_layer_norm(const launch *l) { return run(l, "layer_norm", true); }
