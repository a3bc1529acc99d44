/* norm_cpu.c: "RMSNorm" and "LayerNorm": a row is read from memory once and stays in the cache for the passes
   that follow: mean, mean square of what remains, result. While that is written, the next row is fetched.

       y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b        RMSNorm: mean 0, no b

   Halves are computed in float32 and rounded once. Rows of bfloat16 have loops of their own, whose mean and mean square are
   of one pass; those that would lose digits by that are taken as lanes. Where a kernel makes the rows, each is made where it is kept, if
   it is, else in memory of the thread's, and then read as if it had been there. Uses cpu/lanes.h, cpu/cursor.h, cpu/chain.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/chain.h"
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
  pons_dtype weights;        /* dtype of the following two */
  const char *weight, *bias; /* n elements or lanes; no bias: NULL */
  double eps;
  bool centred, past_cache;
  bool tame;        /* rows of bfloat16, elements next to each other */
  const chain *made; /* what makes the rows; NULL: they are x's */
  char *kept;        /* where rows that are made stay; NULL: nowhere */
  bool whole_lines; /* each row of the result begins and ends with a cache line */
} norm_job;

const char *cpu_refuses_norm(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands of several dtypes";
  return NULL;
}

/* The part's result of elements or lanes from `to` on, past the caches if told so, though they may not begin with a cache
   line there. */
static void put_part(const norm_job *j, pons_dtype form, norm_part p, void *to) {
  const pons_dtype d = j->out->dtype;
  p.to = to;
  p.past_cache = j->past_cache;
  if (form == d && (!j->past_cache || (j->whole_lines && d != PONS_FLOAT64))) {
    cpu_norm_loops()->finish[d](&p);
    return;
  }
  _Alignas(64) double result[KEPT];
  p.to = result;
  p.past_cache = false;
  cpu_norm_loops()->finish[form](&p);
  if (form == d) cpu_copy_past_cache(to, result, (size_t)p.n * pons_dtype_size(d));
  for (int64_t at = 0; form != d && at < p.n; at += TILE)
    lanes_put(d, element(result, form, at), smaller(p.n - at, TILE), element(to, d, at), j->past_cache);
}

/* A part of lanes whose weights are bfloat16. A function of its own: 64 KB more in the frame of norm_row cost rows of float32 6 % (measured). */
__attribute__((noinline)) static void put_widened(const norm_job *j, norm_part p, void *to) {
  float weights[KEPT], biases[KEPT];
  cpu_lanes()->load[PONS_BFLOAT16](p.weight, 1, p.n, weights);
  if (p.bias) cpu_lanes()->load[PONS_BFLOAT16](p.bias, 1, p.n, biases);
  p.weight = weights, p.bias = p.bias ? biases : NULL;
  put_part(j, PONS_FLOAT32, p, to);
}

/* Sums are kept in double: a long row loses nothing. */
static void norm_row(const norm_job *j, const void *x, int64_t ahead, char *out) {
  const norm_loops *loops = cpu_norm_loops();
  const pons_dtype d = j->out->dtype, form = row_form(d);
  const bool anew = j->n > KEPT;
  _Alignas(64) double kept[KEPT];
  double mean = 0, squares = 0;
  for (int64_t at = 0; j->centred && at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    mean += loops->sum[form](row_part(d, x, j->stride, at, n, kept, true), n);
  }
  mean /= (double)j->n;
  if (form != PONS_FLOAT64) mean = (double)(float)mean;
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    squares += loops->squares[form](row_part(d, x, j->stride, at, n, kept, anew || !j->centred), n, mean);
  }
  const double factor = 1 / sqrt(squares / (double)j->n + j->eps);
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    const norm_part part = {.x = row_part(d, x, j->stride, at, n, kept, anew),
                            .weight = element(j->weight, j->weights, at),
                            .bias = j->bias ? element(j->bias, j->weights, at) : NULL,
                            .n = n,
                            .ahead = row_form(d) == d ? ahead : 0,
                            .mean = mean,
                            .factor = factor};
    if (j->weights == PONS_BFLOAT16)
      put_widened(j, part, element(out, d, at));
    else
      put_part(j, form, part, element(out, d, at));
  }
}

/* Of bfloat16. False, and nothing is done: it must be taken as lanes, since the mean square would be a difference of much larger
   numbers, or is NaN. */
static bool tame_row(const norm_job *j, const void *x, int64_t ahead, void *out) {
  double sums[2];
  cpu_norm_loops()->moments(x, j->n, sums);
  const double mean = j->centred ? sums[0] / (double)j->n : 0, variance = sums[1] / (double)j->n - mean * mean;
  const double factor = 1 / sqrt(variance + j->eps);
  if (!(mean * mean <= 64 * variance)) return false;
  for (int64_t at = 0; at < j->n; at += KEPT)
    put_part(j, PONS_BFLOAT16,
             (norm_part){.x = element(x, PONS_BFLOAT16, at),
                         .weight = element(j->weight, PONS_BFLOAT16, at),
                         .bias = j->bias ? element(j->bias, PONS_BFLOAT16, at) : NULL,
                         .n = smaller(j->n - at, KEPT),
                         .ahead = ahead,
                         .mean = mean,
                         .factor = factor},
             element(out, PONS_BFLOAT16, at));
  return true;
}

/* A function of its own, for what it has on the stack. */
__attribute__((noinline)) static void norm_made_rows(const norm_job *j, int64_t row, int64_t end) {
  made_rows rows;
  made_rows_begin(&rows, j->made, j->n, j->kept);
  for (int64_t r = row; r < end; r++) {
    const void *x = made_row(&rows, r, end);
    void *out = element(j->out->data, j->out->dtype, r * j->n);
    const int64_t ahead = made_ahead(&rows, r, x);
    if (!j->tame || !tame_row(j, x, ahead, out)) norm_row(j, x, ahead, out);
  }
  if (j->past_cache) cpu_end_past_cache();
}

static void norm_piece(void *context, int64_t piece) {
  const norm_job *j = context;
  const pons_dtype d = j->out->dtype;
  const int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  if (j->made) {
    norm_made_rows(j, row, end);
    return;
  }
  cursor rows = j->rows;
  cursor_to(&rows, row);
  for (int64_t r = row; r < end; r++, cursor_next(&rows)) {
    const void *x = element(j->x->data, d, rows.offset[0]);
    void *out = element(j->out->data, d, r * j->n);
    const int64_t ahead = r + 1 < end ? j->ahead : 0;
    if (!j->tame || !tame_row(j, x, ahead, out)) norm_row(j, x, ahead, out);
  }
  if (j->past_cache) cpu_end_past_cache();
}

/* A weight or bias of n elements, or of one for all, as n elements, or as lanes of float16. */
static void spread(const operand *w, int64_t n, void *to) {
  const int64_t stride = w->ndim ? w->strides[0] : 0;
  if (w->dtype == PONS_FLOAT16)
    cpu_lanes()->load[w->dtype](w->data, stride, n, to);
  else
    tile_copy(to, w->data, stride, n, pons_dtype_size(w->dtype));
}

/* Of x and the operands behind it; of what a chain makes, it is like x. */
static error *run(const launch *l, const operand *x, const chain *made, const char *op, bool centred) {
  const operand *weight = l->in + (made ? made->kernel->n_in : 1);
  const int last = x->ndim - 1;
  norm_job j = {.x = x, .out = l->out, .centred = centred, .made = made, .kept = l->n_out > 1 ? l->out[1].data : NULL};
  j.eps = (double)((const norm_params *)l->params)->eps;
  j.n = x->shape[last];
  j.stride = x->strides[last];
  j.rows = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.rows);
  if (!j.count || !j.n) return NULL;
  error *why = NULL;
  j.weights = l->out->dtype == PONS_FLOAT16 ? PONS_FLOAT32 : l->out->dtype;
  const size_t size = pons_dtype_size(l->out->dtype), bytes = (size_t)j.n * pons_dtype_size(j.weights);
  buffer *weights = buffer_new(2 * bytes, op, &why);
  if (!weights) return why;
  char *lanes = buffer_data(weights);
  spread(&weight[0], j.n, lanes);
  j.weight = lanes;
  if (centred) {
    spread(&weight[1], j.n, lanes + bytes);
    j.bias = lanes + bytes;
  }
  j.tame = l->out->dtype == PONS_BFLOAT16 && (j.stride == 1 || j.n == 1);
  j.ahead = rows_ahead(x);
  j.past_cache = cpu_outgrows_cache((size_t)(j.count * j.n) * size);
  j.whole_lines = ((uintptr_t)l->out->data | (size_t)j.n * size) % 64 == 0;
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), norm_piece, &j);
  buffer_release(weights);
  return NULL;
}

error *cpu_rms_norm(const launch *l) { return run(l, l->in, NULL, "rms_norm", false); }
error *cpu_layer_norm(const launch *l) { return run(l, l->in, NULL, "layer_norm", true); }

/* ---- of what a kernel makes ---- */

static error *run_made(const launch *l, const chains *with, const char *op, bool centred) {
  row_chain c;
  row_chain_begin(&c, with->front, l->in, with->y);
  return run(l, with->y, &c.chain, op, centred);
}
static error *rms_norm_made(const launch *l, const chains *with, void **kept) { return (void)kept, run_made(l, with, "rms_norm", false); }
static error *layer_norm_made(const launch *l, const chains *with, void **kept) { return (void)kept, run_made(l, with, "layer_norm", true); }

static bool takes(const launch *l, const chains *with) {
  const operand *x = with->y;
  if (!with->front || with->behind) return false;
  const int64_t bytes = x->shape[x->ndim - 1] * (int64_t)pons_dtype_size(x->dtype);
  return (with->front->n_out > 1 || bytes <= MADE_BYTES) && chain_makes_rows(with->front, l->in, x);
}

chained_run *cpu_rms_norm_with(const launch *l, const chains *c) { return !c || takes(l, c) ? rms_norm_made : NULL; }
chained_run *cpu_layer_norm_with(const launch *l, const chains *c) { return !c || takes(l, c) ? layer_norm_made : NULL; }
