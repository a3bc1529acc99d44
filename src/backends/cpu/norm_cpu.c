/* norm_cpu.c: "RMSNorm" and "LayerNorm": a row is read from memory once and stays in the cache for the passes
   that follow: mean, mean square of what remains, result. While that is written, the next row is fetched.

       y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b        RMSNorm: mean 0, no b

   Each operation is rounded as the decomposition in ops/norm.c has it. Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/program.h"
#include <math.h>

typedef struct norm_job {
  const operand *x, *out;
  cursor rows;
  int64_t n, stride; /* of a row */
  int64_t ahead;     /* see rows_ahead */
  int64_t count, rows_per_piece;
  const char *weight, *bias; /* n elements or lanes; no bias: NULL */
  double eps;
  bool centred, past_cache;
  bool tame;        /* weights are: see norm_part */
  bool whole_lines; /* each row of the result begins and ends with a cache line */
} norm_job;

const char *cpu_refuses_norm(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands of several dtypes";
  return NULL;
}

/* The part's result from `to` on, past the caches if told so, though they may not begin with a cache line there. */
static void put_part(const norm_job *j, norm_part p, void *to) {
  const pons_dtype d = j->out->dtype;
  p.to = to;
  p.past_cache = j->past_cache;
  if (!j->past_cache || (j->whole_lines && (d == PONS_FLOAT32 || d == PONS_BFLOAT16))) {
    cpu_norm_loops()->finish[d](&p);
    return;
  }
  _Alignas(64) double result[KEPT];
  p.to = result;
  p.past_cache = false;
  cpu_norm_loops()->finish[d](&p);
  cpu_copy_past_cache(to, result, (size_t)p.n * pons_dtype_size(d));
}

/* Sums are kept in double: a long row loses nothing. */
static void norm_row(const norm_job *j, const void *x, int64_t ahead, char *out) {
  const norm_loops *loops = cpu_norm_loops();
  const pons_dtype d = j->out->dtype;
  const bool anew = j->n > KEPT;
  _Alignas(64) double kept[KEPT];
  double mean = 0, squares = 0;
  for (int64_t at = 0; j->centred && at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    mean += loops->sum[d](row_part(d, x, j->stride, at, n, kept, true), n);
  }
  mean /= (double)j->n;
  if (d != PONS_FLOAT64) mean = (double)(float)mean;
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    squares += loops->squares[d](row_part(d, x, j->stride, at, n, kept, anew || !j->centred), n, mean);
  }
  const double factor = 1 / sqrt(squares / (double)j->n + j->eps);
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT), weight_at = at * (int64_t)pons_dtype_size(row_form(d));
    put_part(j,
             (norm_part){.x = row_part(d, x, j->stride, at, n, kept, anew),
                         .weight = j->weight + weight_at,
                         .bias = j->bias ? j->bias + weight_at : NULL,
                         .n = n,
                         .ahead = ahead,
                         .tame = j->tame && factor < 0x1p60, /* what is weighted is no more than the root of n, then */
                         .mean = mean,
                         .factor = factor},
             element(out, d, at));
  }
}

static void norm_piece(void *context, int64_t piece) {
  const norm_job *j = context;
  const pons_dtype d = j->out->dtype;
  cursor rows = j->rows;
  const int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  cursor_to(&rows, row);
  for (int64_t r = row; r < end; r++, cursor_next(&rows))
    norm_row(j, element(j->x->data, d, rows.offset[0]), r + 1 < end ? j->ahead : 0,
             element(j->out->data, d, r * j->n));
  if (j->past_cache) cpu_end_past_cache();
}

/* A weight or bias of n elements, or of one for all, as n elements or lanes: what loops take. */
static void spread(const operand *w, int64_t n, void *to) {
  const int64_t stride = w->ndim ? w->strides[0] : 0;
  if (row_form(w->dtype) == w->dtype)
    tile_copy(to, w->data, stride, n, pons_dtype_size(w->dtype));
  else
    cpu_lanes()->load[w->dtype](w->data, stride, n, to);
}

/* Weights of bfloat16: those below 2^64. Infinity and NaN are not. */
static bool are_tame(const uint16_t *weights, int64_t n) {
  bool tame = true;
  for (int64_t i = 0; i < n; i++) tame &= (weights[i] & 0x7fff) < 0x5f80;
  return tame;
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
  const size_t size = pons_dtype_size(l->out->dtype),
               bytes = (size_t)j.n * pons_dtype_size(row_form(l->out->dtype));
  buffer *weights = buffer_new(2 * bytes, op, &why);
  if (!weights) return why;
  char *lanes = buffer_data(weights);
  spread(&l->in[1], j.n, lanes);
  j.weight = lanes;
  j.tame = l->out->dtype == PONS_BFLOAT16 && are_tame((const uint16_t *)lanes, j.n);
  if (centred) {
    spread(&l->in[2], j.n, lanes + bytes);
    j.bias = lanes + bytes;
  }
  j.ahead = rows_ahead(x);
  j.past_cache = cpu_outgrows_cache((size_t)(j.count * j.n) * size);
  j.whole_lines = ((uintptr_t)l->out->data | (size_t)j.n * size) % 64 == 0;
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), norm_piece, &j);
  buffer_release(weights);
  return NULL;
}

error *cpu_rms_norm(const launch *l) { return run(l, "rms_norm", false); }
error *cpu_layer_norm(const launch *l) { return run(l, "layer_norm", true); }
