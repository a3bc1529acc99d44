/* softmax_cpu.c: "Softmax" and "LogSumExp" along the last axis, less the greatest so that nothing overflows.

   A row is read from memory once and stays in the cache for three passes: greatest, exponentials with their sum, each
   over the sum. Halves are computed in float, `precise` or not, and rounded once; rows of bfloat16 have loops of their own. Where a kernel makes
   the rows, each is made in memory of the thread's; longer ones where their softmax will be, or, if they are only summed up, part by part. What
   another makes of the softmax is made part by part, while that is in the cache; of logarithms, behind all. Uses cpu/softmax_rows.h, cpu/cursor.h,
   kernel/scalar.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/softmax_rows.h"
#include "kernel/scalar.h"
#include <math.h>

typedef struct softmax_job {
  const operand *x;
  cursor rows;
  int64_t n, stride; /* of a row */
  int64_t ahead;     /* see rows_ahead */
  int64_t count, rows_per_piece;
  const operand *out; /* without memory, where `behind` reads it */
  const chain *made; /* what makes the rows; NULL: they are x's */
  const behind_chain *behind; /* what reads the softmax; NULL: nobody does */
  lane kind; /* of the elements */
  bool log_sum; /* LogSumExp: one element per row */
  bool past_cache;
  bool tame;        /* rows of bfloat16, elements next to each other */
  bool by_two;      /* see rows_past_cache */
  bool whole_lines; /* each row of the result begins and ends with a cache line */
} softmax_job;

typedef void finish_loop(const float *x, int64_t n, float factor, void *to, bool past_cache);

/* Of exponentials, the row's from element `at` on, tile by tile for what reads it. */
__attribute__((noinline)) static void put_behind(const softmax_job *j, pons_dtype form, const float *exps, int64_t n, float factor,
                                                 const row_place *place, int64_t at) {
  const pons_dtype d = j->out->dtype;
  finish_loop *finish = cpu_softmax_loops()->finish[form];
  float lanes[TILE];
  for (int64_t from = 0; from < n; from += TILE) {
    const int64_t count = smaller(n - from, TILE);
    void *to = rows_behind_room(place->behind, place->first + at + from, count);
    finish(exps + from, count, factor, form == d ? to : lanes, false);
    if (form != d) lanes_put(d, lanes, count, to, false);
  }
}

/* The same by the loops of `form` to memory. */
static void put_row(const softmax_job *j, pons_dtype form, const float *exps, int64_t n, float factor, const row_place *place, int64_t from) {
  const pons_dtype d = j->out->dtype;
  finish_loop *finish = cpu_softmax_loops()->finish[form];
  if (place->behind && (form != d || n > TILE)) {
    put_behind(j, form, exps, n, factor, place, from);
    return;
  }
  if (place->behind) {
    finish(exps, n, factor, rows_behind_room(place->behind, place->first + from, n), false);
    return;
  }
  char *to = element(place->out, d, from);
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

/* As a source: row `r` of x, or a made one. */
static softmax_source source_of(const softmax_job *j, const void *x, made_rows *made, int64_t r) {
  return (softmax_source){j->x->dtype, j->n, j->stride, x, made, r};
}

/* A row that is longer than KEPT is taken in parts, whose exponentials are computed again to be divided. */
static void row_float(const softmax_job *j, const softmax_source *x, int64_t ahead, const row_place *to) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype d = x->dtype, form = row_form(d);
  _Alignas(64) float exps[KEPT];
  const softmax_sum s = softmax_sum_of(x, -1, ahead, exps);
  if (j->log_sum) {
    const float result = isinf(s.greatest) ? (float)log_sum_of_infinite(x, (double)s.greatest) : logf(s.sum) + s.greatest;
    cpu_lanes()->store[d](&result, 1, to->out, 1);
    return;
  }
  for (int64_t at = 0; at < j->n; at += KEPT) {
    _Alignas(64) float kept[KEPT];
    const int64_t n = smaller(j->n - at, KEPT);
    if (j->n > KEPT) loops->exps[form](softmax_part(x, at, n, kept, true), n, s.greatest, 0, exps);
    put_row(j, form, exps, n, 1 / s.sum, to, at);
  }
}

/* Rows of bfloat16 have loops of their own where the greatest is below 2^10 and not all are minus infinity: what those take away. */
static bool shift_of_tame(float greatest, float *shift) {
  *shift = rintf(greatest * 1.44269504f);
  return fabsf(greatest) < 1024;
}

/* Neighbours of bfloat16. False: nothing is done, there are others than those. */
static bool row_bfloat16(const softmax_job *j, const uint16_t *x, int64_t ahead, const row_place *to) {
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
    put_row(j, d, exps, n, 1 / sum, to, at);
  }
  return true;
}

/* Rows that are whole blocks of neighbours, or made, and go past the caches: each is finished with the exponentials of the next one. One of
   bfloat16 that is not tame is done by itself. */
static void rows_past_cache(const softmax_job *j, int64_t row, int64_t end, made_rows *made) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype d = j->x->dtype;
  _Alignas(64) float exps[2 * KEPT]; /* of two rows, in turn */
  softmax_row before = {0};
  for (int64_t r = row; r < end; r++) {
    const void *x = made ? made_row(made, r, end) : element(j->x->data, d, r * j->n);
    char *out = element(j->out->data, d, r * j->n);
    const int64_t ahead = made ? made_ahead(made, r, x) : r + 1 < end ? j->ahead : 0;
    float shift = loops->greatest[d](x, j->n), *to = exps + r % 2 * j->n, sum;
    if (d == PONS_BFLOAT16 && !shift_of_tame(shift, &shift)) {
      if (before.y) loops->finish[d](before.exps, j->n, before.factor, before.y, true);
      const softmax_source source = source_of(j, x, NULL, r);
      row_float(j, &source, ahead, &(row_place){.out = out});
      before.y = NULL;
      continue;
    }
    if (before.y) sum = loops->exps_and_finish[d](x, j->n, shift, ahead, to, &before);
    else sum = loops->exps[d](x, j->n, shift, ahead, to);
    before = (softmax_row){to, 1 / sum, out};
  }
  if (before.y) loops->finish[d](before.exps, j->n, before.factor, before.y, true);
}

static void put_doubles(const softmax_job *j, const double *x, int64_t n, const row_place *to, int64_t at) {
  double *out = (double *)to->out + at;
  for (int64_t from = 0; to->behind && from < n; from += TILE) {
    const int64_t count = smaller(n - from, TILE);
    memcpy(rows_behind_room(to->behind, to->first + at + from, count), x + from, (size_t)count * sizeof *x);
  }
  if (to->behind) return;
  if (j->past_cache) cpu_copy_past_cache(out, x, (size_t)n * sizeof *x);
  else memcpy(out, x, (size_t)n * sizeof *x);
}

static void row_double(const softmax_job *j, const void *x, const row_place *to) {
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
    const softmax_source source = source_of(j, x, NULL, 0);
    *(double *)to->out = isinf(greatest) ? log_sum_of_infinite(&source, greatest) : log(sum) + greatest;
    return;
  }
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    if (anew) loops->exp_double(row_part(PONS_FLOAT64, x, j->stride, at, n, kept, true), n, greatest, exps);
    loops->scale_double(exps, n, 1 / sum);
    put_doubles(j, exps, n, to, at);
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

/* Row `r`, at x; NULL: it is made part by part. */
static void softmax_row_of(const softmax_job *j, int64_t r, const void *x, made_rows *made, rows_behind *behind, int64_t ahead) {
  const int64_t first = j->log_sum ? r : r * j->n;
  const row_place to = {behind ? NULL : element(j->out->data, j->out->dtype, first), behind, first};
  const softmax_source source = source_of(j, x, made, r);
  if (j->tame && row_bfloat16(j, x, ahead, &to)) return;
  switch (j->kind) {
    case LANE_FLOAT: row_float(j, &source, ahead, &to); return;
    case LANE_DOUBLE: row_double(j, x, &to); return;
    case LANE_COMPLEX: row_complex(j, x, to.out); return;
    default: row_wide(j, x, to.out);
  }
}

static bool is_long(const operand *x) { return x->shape[x->ndim - 1] * (int64_t)pons_dtype_size(x->dtype) > MADE_BYTES; }

static void softmax_rows(const softmax_job *j, int64_t row, int64_t end, made_rows *made, rows_behind *behind) {
  const bool by_parts = made && is_long(j->x) && j->log_sum;
  cursor rows = j->rows;
  if (j->by_two) {
    rows_past_cache(j, row, end, made);
    return;
  }
  if (!made) cursor_to(&rows, row);
  for (int64_t r = row; r < end; r++) {
    const void *x = by_parts ? NULL : made ? made_row(made, r, end) : element(j->x->data, j->x->dtype, rows.offset[0]);
    softmax_row_of(j, r, x, made, behind, !x ? 0 : made ? made_ahead(made, r, x) : r + 1 < end ? j->ahead : 0);
    if (!made) cursor_next(&rows);
  }
}

/* Functions of their own, for what they have on the stack. */
__attribute__((noinline)) static void softmax_made_rows(const softmax_job *j, int64_t row, int64_t end, rows_behind *behind) {
  made_rows rows;
  made_rows_begin(&rows, j->made, j->n, is_long(j->x) ? j->out->data : NULL);
  softmax_rows(j, row, end, &rows, behind);
}
__attribute__((noinline)) static void softmax_followed_rows(const softmax_job *j, int64_t row, int64_t end) {
  rows_behind behind;
  rows_behind_begin(&behind, j->behind);
  if (j->made) softmax_made_rows(j, row, end, &behind);
  else softmax_rows(j, row, end, NULL, &behind);
  rows_behind_end(&behind);
}

static void softmax_piece(void *context, int64_t piece) {
  const softmax_job *j = context;
  const int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  if (j->behind) softmax_followed_rows(j, row, end);
  else if (j->made) softmax_made_rows(j, row, end, NULL);
  else softmax_rows(j, row, end, NULL, NULL);
  if (j->past_cache) cpu_end_past_cache();
}

/* Of x, or of what a chain makes, which is like x; to `out`, or for what reads it. */
static error *run(const operand *x, const chain *made, const operand *out, const behind_chain *behind, bool log_sum) {
  const int last = x->ndim - 1;
  const size_t size = pons_dtype_size(out->dtype);
  softmax_job j = {.x = x, .out = out, .made = made, .behind = behind, .kind = lane_of(x->dtype), .log_sum = log_sum};
  j.n = x->shape[last];
  j.stride = x->strides[last];
  j.rows = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.rows);
  if (!j.count || (!j.n && !log_sum)) return NULL;
  j.ahead = made ? 0 : rows_ahead(x);
  j.tame = !log_sum && x->dtype == PONS_BFLOAT16 && (j.stride == 1 || j.n == 1);
  j.past_cache = !log_sum && !behind && !(made && is_long(x)) && cpu_outgrows_cache((size_t)operand_size(out) * size);
  j.whole_lines = ((uintptr_t)out->data | (size_t)j.n * size) % 64 == 0;
  j.by_two = (x->dtype == PONS_FLOAT32 || j.tame) && j.past_cache && j.whole_lines && (made || j.ahead) && j.n <= KEPT && j.n % ROW_BLOCK == 0;
  j.rows_per_piece = smaller(turns_per_piece(j.count, j.n) * (j.by_two ? 8 : 1), j.count); /* a piece's first row is fetched by none */
  parallel_for(pieces_of(j.count, j.rows_per_piece), softmax_piece, &j);
  return NULL;
}

error *cpu_softmax(const launch *l) { return run(l->in, NULL, l->out, NULL, false); }
error *cpu_log_sum_exp(const launch *l) { return run(l->in, NULL, l->out, NULL, true); }

/* ---- with rows around it ---- */

static error *run_made(const launch *l, const chains *with, const behind_chain *behind, bool log_sum) {
  const operand *out = behind ? with->z : l->out;
  if (!with->front) return run(l->in, NULL, out, behind, log_sum);
  row_chain front;
  row_chain_begin(&front, with->front, l->in, with->y);
  return run(with->y, &front.chain, out, behind, log_sum);
}

static error *softmax_with(const launch *l, const chains *with, void **kept) {
  (void)kept;
  if (!with->behind) return run_made(l, with, NULL, false);
  behind_chain behind;
  behind_chain_begin(&behind, l, with, with->z->shape[with->z->ndim - 1]);
  return run_made(l, with, &behind, false);
}

static error *log_sums(const launch *l, const chains *with) { return run_made(l, with, NULL, true); }
static error *log_sum_exp_with(const launch *l, const chains *with, void **kept) { return cpu_run_then(l, with, kept, "logsumexp", log_sums); }

static bool takes_front(const launch *l, const chains *with) {
  return !with->front || (with->front->n_out == 1 && chain_makes_rows(with->front, l->in, with->y));
}

/* A long row that is made would lie where results of what reads it will be. */
chained_run *cpu_softmax_with(const launch *l, const chains *c) {
  if (c && c->behind && ((c->front && is_long(c->y)) || !chain_follows_rows(l, c))) return NULL;
  return !c || takes_front(l, c) ? softmax_with : NULL;
}
/* Of long rows parts are floats. */
chained_run *cpu_log_sum_exp_with(const launch *l, const chains *c) {
  return !c || (takes_front(l, c) && (!c->front || lane_of(c->y->dtype) == LANE_FLOAT || !is_long(c->y))) ? log_sum_exp_with : NULL;
}
