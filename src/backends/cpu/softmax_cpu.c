/* softmax_cpu.c: "Softmax" and "LogSumExp" along the last axis, less the greatest so that nothing overflows.

   A row is taken tile by tile: greatest, then sum of exponentials, then (Softmax) each over the sum. Halves
   are computed in float, `precise` or not. Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include <complex.h>
#include <math.h>

typedef struct softmax_job {
  const operand *x;
  cursor rows;
  int64_t n, stride; /* of a row */
  int64_t count, rows_per_piece;
  const operand *out;
  bool log_sum; /* LogSumExp: one element per row */
  bool past_cache;
} softmax_job;

static const void *row_tile(const softmax_job *j, int64_t row_offset, int64_t at, int64_t n, void *kept, bool first) {
  return row_lanes(j->x->dtype, element(j->x->data, j->x->dtype, row_offset), j->stride, j->n, at, n, kept, first);
}

static int64_t tile_length(int64_t n, int64_t at) { return smaller(n - at, TILE); }

/* One row in `type`. The exponentials of a row of up to KEPT are kept; else they are computed again to be
   divided. */
#define ROW(name, type, lane_kind, LOG)                                                                \
  static void row_##name(const softmax_job *j, int64_t row_offset, void *out) {                        \
    const softmax_loops *loops = cpu_softmax_loops();                                                  \
    pons_dtype dtype = j->out->dtype;                                                                  \
    type tile[KEPT], exps[KEPT], greatest = -(type)INFINITY, sum = 0, part;                            \
    for (int64_t at = 0; at < j->n; at += TILE) {                                                      \
      int64_t n = tile_length(j->n, at);                                                               \
      cpu_reduce_loops()->fold[REDUCE_MAX][lane_kind](row_tile(j, row_offset, at, n, tile, true), n, &part); \
      if (part > greatest || part != part) greatest = part;                                            \
    }                                                                                                  \
    if (j->log_sum && isinf(greatest)) { /* all -inf, or one inf: the sum would be of NaNs */          \
      cpu_lanes()->store[dtype](&greatest, 1, out, 1);                                                 \
      return;                                                                                          \
    }                                                                                                  \
    for (int64_t at = 0; at < j->n; at += TILE) {                                                      \
      int64_t n = tile_length(j->n, at);                                                               \
      type *to = exps + (j->n > KEPT ? 0 : at);                                                        \
      sum += loops->exp_##name(row_tile(j, row_offset, at, n, tile, false), n, greatest, to);                 \
    }                                                                                                  \
    if (j->log_sum) {                                                                                  \
      type result = LOG(sum) + greatest;                                                               \
      cpu_lanes()->store[dtype](&result, 1, out, 1);                                                   \
      return;                                                                                          \
    }                                                                                                  \
    for (int64_t at = 0; at < j->n; at += TILE) {                                                      \
      int64_t n = tile_length(j->n, at);                                                               \
      type *kept = exps + (j->n > KEPT ? 0 : at);                                                      \
      if (j->n > KEPT) loops->exp_##name(row_tile(j, row_offset, at, n, tile, false), n, greatest, exps);     \
      loops->scale_##name(kept, n, 1 / sum);                                                           \
      lanes_put(dtype, kept, n, element(out, dtype, at), j->past_cache);                               \
    }                                                                                                  \
  }
ROW(float, float, LANE_FLOAT, logf)
ROW(double, double, LANE_DOUBLE, log)

static double complex as_complex(complex64 z) {
  double parts[2] = {(double)z.re, (double)z.im};
  double complex result;
  memcpy(&result, parts, sizeof result); /* re + im * I would make a NaN of an infinite part */
  return result;
}

/* The greatest is that by real part, then imaginary part. */
static void row_complex(const softmax_job *j, int64_t row_offset, void *out) {
  const complex64 *x = element(j->x->data, PONS_COMPLEX64, row_offset);
  complex64 *y = out, greatest = {-INFINITY, -INFINITY};
  for (int64_t i = 0; i < j->n; i++)
    cpu_reduce_loops()->columns[REDUCE_MAX][LANE_COMPLEX](&x[i * j->stride], 0, 1, 1, &greatest);
  double complex shift = as_complex(greatest), sum = 0;
  for (int64_t i = 0; i < j->n; i++) sum += cexp(as_complex(x[i * j->stride]) - shift);
  if (j->log_sum) {
    double complex result = isinf(greatest.re) ? shift : clog(sum) + shift;
    *y = (complex64){(float)creal(result), (float)cimag(result)};
    return;
  }
  for (int64_t i = 0; i < j->n; i++) {
    double complex value = cexp(as_complex(x[i * j->stride]) - shift) / sum;
    y[i] = (complex64){(float)creal(value), (float)cimag(value)};
  }
}

static void softmax_piece(void *context, int64_t piece) {
  const softmax_job *j = context;
  cursor rows = j->rows;
  int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  lane kind = lane_of(j->x->dtype);
  cursor_to(&rows, row);
  for (; row < end; row++, cursor_next(&rows)) {
    void *out = element(j->out->data, j->out->dtype, j->log_sum ? row : row * j->n);
    if (kind == LANE_FLOAT) row_float(j, rows.offset[0], out);
    else if (kind == LANE_DOUBLE) row_double(j, rows.offset[0], out);
    else row_complex(j, rows.offset[0], out);
  }
}

static error *run(const launch *l, bool log_sum) {
  const operand *x = l->in;
  int last = x->ndim - 1;
  softmax_job j = {.x = x, .out = l->out, .log_sum = log_sum};
  j.n = x->shape[last];
  j.stride = x->strides[last];
  j.rows = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.rows);
  if (!j.count || (!j.n && !log_sum)) return NULL;
  j.past_cache = !log_sum && cpu_outgrows_cache((size_t)operand_size(l->out) * pons_dtype_size(l->out->dtype));
  j.rows_per_piece = turns_per_piece(j.count, 4 * j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), softmax_piece, &j);
  return NULL;
}

error *cpu_softmax(const launch *l) { return run(l, false); }
error *cpu_log_sum_exp(const launch *l) { return run(l, true); }
