/* softmax_cpu.c: "Softmax" and "LogSumExp" along the last axis, less the greatest so that nothing overflows.

   A row is read from memory once and stays in the cache for three passes: greatest, exponentials with their sum, each
   over the sum. Halves are computed in float, `precise` or not, and rounded once; rows of bfloat16 have loops of their own. Uses
   cpu/lanes.h, cpu/cursor.h, kernel/scalar.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include "kernel/scalar.h"
#include <math.h>

typedef struct softmax_job {
  const operand *x;
  cursor rows;
  int64_t n, stride; /* of a row */
  int64_t ahead;     /* see rows_ahead */
  int64_t count, rows_per_piece;
  const operand *out;
  bool log_sum; /* LogSumExp: one element per row */
  bool past_cache;
  bool tame;        /* rows of bfloat16, elements next to each other */
  bool by_two;      /* see rows_past_cache */
  bool whole_lines; /* each row of the result begins and ends with a cache line */
} softmax_job;

/* Of exponentials by the loops of `form`. */
static void put_row(const softmax_job *j, pons_dtype form, const float *exps, int64_t n, float factor, char *to) {
  const pons_dtype d = j->out->dtype;
  void (*finish)(const float *, int64_t, float, void *, bool) = cpu_softmax_loops()->finish[form];
  if (d == form && (!j->past_cache || j->whole_lines)) {
    finish(exps, n, factor, to, j->past_cache);
    return;
  }
  float tile[TILE];
  for (int64_t at = 0; at < n; at += TILE) {
    const int64_t count = smaller(n - at, TILE);
    finish(exps + at, count, factor, tile, false);
    if (d == form)
      cpu_copy_past_cache(element(to, d, at), tile, (size_t)count * pons_dtype_size(d));
    else
      lanes_put(d, tile, count, element(to, d, at), j->past_cache);
  }
}

/* What the sum of exponentials can't tell: the greatest is infinite, so that it is of NaNs. */
static double log_sum_of_infinite(const softmax_job *j, const void *x, double greatest) {
  for (int64_t i = 0; i < j->n; i++)
    if (isnan(dtype_read(j->x->dtype, element(x, j->x->dtype, i * j->stride)))) return (double)NAN;
  return greatest;
}

/* A row that is longer than KEPT is taken in parts, whose exponentials are computed again to be divided. */
static void row_float(const softmax_job *j, const void *x, int64_t ahead, void *out) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype d = j->x->dtype, form = row_form(d);
  const bool anew = j->n > KEPT;
  _Alignas(64) float kept[KEPT], exps[KEPT];
  float greatest = -INFINITY, sum = 0;
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    const float part = loops->greatest[form](row_part(d, x, j->stride, at, n, kept, true), n);
    if (part > greatest) greatest = part;
  }
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    const void *part = row_part(d, x, j->stride, at, n, kept, anew);
    sum += loops->exps[form](part, n, greatest, form == d ? ahead : 0, exps);
  }
  if (j->log_sum) {
    const float result =
        isinf(greatest) ? (float)log_sum_of_infinite(j, x, (double)greatest) : logf(sum) + greatest;
    cpu_lanes()->store[d](&result, 1, out, 1);
    return;
  }
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    if (anew) loops->exps[form](row_part(d, x, j->stride, at, n, kept, true), n, greatest, 0, exps);
    put_row(j, form, exps, n, 1 / sum, element(out, d, at));
  }
}

/* Rows of bfloat16 have loops of their own where the greatest is below 2^10 and not all are minus infinity: what those take away. */
static bool shift_of_tame(float greatest, float *shift) {
  *shift = rintf(greatest * 1.44269504f);
  return fabsf(greatest) < 1024;
}

/* Neighbours of bfloat16. False: nothing is done, there are others than those. */
static bool row_bfloat16(const softmax_job *j, const uint16_t *x, int64_t ahead, uint16_t *out) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype d = PONS_BFLOAT16;
  _Alignas(64) float exps[KEPT];
  float greatest = -INFINITY, sum = 0, shift;
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const float part = loops->greatest[d](x + at, smaller(j->n - at, KEPT));
    if (!(part <= greatest)) greatest = part;
  }
  if (!shift_of_tame(greatest, &shift)) return false;
  for (int64_t at = 0; at < j->n; at += KEPT)
    sum += loops->exps[d](x + at, smaller(j->n - at, KEPT), shift, ahead, exps);
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    if (j->n > KEPT) loops->exps[d](x + at, n, shift, 0, exps);
    put_row(j, d, exps, n, 1 / sum, (char *)(out + at));
  }
  return true;
}

/* Rows that are whole blocks of neighbours and go past the caches: each is finished with the exponentials of the next one. One of
   bfloat16 that is not tame is done by itself. */
static void rows_past_cache(const softmax_job *j, int64_t row, int64_t end) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype d = j->x->dtype;
  _Alignas(64) float exps[2 * KEPT]; /* of two rows, in turn */
  softmax_row before = {0};
  for (int64_t r = row; r < end; r++) {
    const void *x = element(j->x->data, d, r * j->n);
    char *out = element(j->out->data, d, r * j->n);
    const int64_t ahead = r + 1 < end ? j->ahead : 0;
    float shift = loops->greatest[d](x, j->n), *to = exps + r % 2 * j->n, sum;
    if (d == PONS_BFLOAT16 && !shift_of_tame(shift, &shift)) {
      if (before.y) loops->finish[d](before.exps, j->n, before.factor, before.y, true);
      row_float(j, x, ahead, out);
      before.y = NULL;
      continue;
    }
    if (before.y) sum = loops->exps_and_finish[d](x, j->n, shift, ahead, to, &before);
    else sum = loops->exps[d](x, j->n, shift, ahead, to);
    before = (softmax_row){to, 1 / sum, out};
  }
  if (before.y) loops->finish[d](before.exps, j->n, before.factor, before.y, true);
}

static void row_double(const softmax_job *j, const void *x, double *out) {
  const softmax_loops *loops = cpu_softmax_loops();
  const bool anew = j->n > KEPT;
  _Alignas(64) double kept[KEPT], exps[KEPT];
  double greatest = -(double)INFINITY, sum = 0;
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    const double *part = row_part(PONS_FLOAT64, x, j->stride, at, n, kept, true);
    for (int64_t i = 0; i < n; i++)
      if (part[i] > greatest) greatest = part[i];
  }
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    sum += loops->exp_double(row_part(PONS_FLOAT64, x, j->stride, at, n, kept, anew), n, greatest, exps);
  }
  if (j->log_sum) {
    *out = isinf(greatest) ? log_sum_of_infinite(j, x, greatest) : log(sum) + greatest;
    return;
  }
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    if (anew) loops->exp_double(row_part(PONS_FLOAT64, x, j->stride, at, n, kept, true), n, greatest, exps);
    loops->scale_double(exps, n, 1 / sum);
    if (j->past_cache)
      cpu_copy_past_cache(out + at, exps, (size_t)n * sizeof *exps);
    else
      memcpy(out + at, exps, (size_t)n * sizeof *exps);
  }
}

/* The greatest is that by real part, then imaginary part. */
#define COMPLEX_ROW(name, type, part, lane_kind)                                                 \
  static void row_##name(const softmax_job *j, const type *x, void *out) {                       \
    type *y = out, greatest = {-(part)INFINITY, -(part)INFINITY};                                \
    for (int64_t i = 0; i < j->n; i++)                                                           \
      cpu_reduce_loops()->columns[REDUCE_MAX][lane_kind](&x[i * j->stride], 0, 1, 1, &greatest); \
    const double complex shift = k_of_c128((double)greatest.re, (double)greatest.im);            \
    double complex sum = 0;                                                                      \
    for (int64_t i = 0; i < j->n; i++)                                                           \
      sum += cexp(k_of_c128((double)x[i * j->stride].re, (double)x[i * j->stride].im) - shift);  \
    if (j->log_sum) {                                                                            \
      const double complex result = isinf(greatest.re) ? shift : clog(sum) + shift;              \
      *y = (type){(part)creal(result), (part)cimag(result)};                                     \
      return;                                                                                    \
    }                                                                                            \
    for (int64_t i = 0; i < j->n; i++) {                                                         \
      const type z = x[i * j->stride];                                                           \
      const double complex value = cexp(k_of_c128((double)z.re, (double)z.im) - shift) / sum;    \
      y[i] = (type){(part)creal(value), (part)cimag(value)};                                     \
    }                                                                                            \
  }
COMPLEX_ROW(complex, complex64, float, LANE_COMPLEX)
COMPLEX_ROW(wide, complex128, double, LANE_WIDE_COMPLEX)

static void softmax_piece(void *context, int64_t piece) {
  const softmax_job *j = context;
  cursor rows = j->rows;
  const int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  const lane kind = lane_of(j->x->dtype);
  if (j->by_two) rows_past_cache(j, row, end);
  else cursor_to(&rows, row);
  for (int64_t r = row; r < end && !j->by_two; r++, cursor_next(&rows)) {
    const void *x = element(j->x->data, j->x->dtype, rows.offset[0]);
    void *out = element(j->out->data, j->out->dtype, j->log_sum ? r : r * j->n);
    const int64_t ahead = r + 1 < end ? j->ahead : 0;
    if (j->tame && row_bfloat16(j, x, ahead, out)) continue;
    if (kind == LANE_FLOAT)
      row_float(j, x, ahead, out);
    else if (kind == LANE_DOUBLE)
      row_double(j, x, out);
    else if (kind == LANE_COMPLEX)
      row_complex(j, x, out);
    else
      row_wide(j, x, out);
  }
  if (j->past_cache) cpu_end_past_cache();
}

static error *run(const launch *l, bool log_sum) {
  const operand *x = l->in;
  const int last = x->ndim - 1;
  const size_t size = pons_dtype_size(l->out->dtype);
  softmax_job j = {.x = x, .out = l->out, .log_sum = log_sum};
  j.n = x->shape[last];
  j.stride = x->strides[last];
  j.rows = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.rows);
  if (!j.count || (!j.n && !log_sum)) return NULL;
  j.ahead = rows_ahead(x);
  j.tame = !log_sum && x->dtype == PONS_BFLOAT16 && (j.stride == 1 || j.n == 1);
  j.past_cache = !log_sum && cpu_outgrows_cache((size_t)operand_size(l->out) * size);
  j.whole_lines = ((uintptr_t)l->out->data | (size_t)j.n * size) % 64 == 0;
  j.by_two = (x->dtype == PONS_FLOAT32 || j.tame) && j.past_cache && j.whole_lines && j.ahead && j.n <= KEPT && j.n % ROW_BLOCK == 0;
  j.rows_per_piece = smaller(turns_per_piece(j.count, j.n) * (j.by_two ? 8 : 1), j.count); /* a piece's first row is fetched by none */
  parallel_for(pieces_of(j.count, j.rows_per_piece), softmax_piece, &j);
  return NULL;
}

error *cpu_softmax(const launch *l) { return run(l, false); }
error *cpu_log_sum_exp(const launch *l) { return run(l, true); }
