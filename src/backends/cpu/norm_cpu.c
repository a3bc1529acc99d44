/* norm_cpu.c: "RMSNorm" and "LayerNorm": a row is read from memory once and stays in the cache for the passes
   that follow: mean, mean square of what remains, result. While that is written, the next row is fetched.

       y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b        RMSNorm: mean 0, no b

   Halves are computed in float32 and rounded once. Rows of bfloat16 have loops of their own, whose mean and mean square are
   of one pass; those that would lose digits by that are taken as lanes. Where a kernel makes the rows, each is made where it is kept, if
   it is, else in memory of the thread's, and then read as if it had been there. What another makes of the result is made part by part, while
   that is in the cache. Uses cpu/lanes.h, cpu/cursor.h, cpu/chain.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/chain.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/program.h"
#include <math.h>

typedef struct norm_job {
  const operand *x, *out; /* out: without memory, where `behind` reads it */
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
  const behind_chain *behind; /* what reads the result; NULL: nobody does */
  bool whole_lines; /* each row of the result begins and ends with a cache line */
} norm_job;

const char *cpu_refuses_norm(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands of several dtypes";
  return NULL;
}

/* The part's result, from element `at` of the row on, tile by tile for what reads it. */
__attribute__((noinline)) static void put_behind(const norm_job *j, pons_dtype form, const norm_part *p, const row_place *place, int64_t at) {
  const pons_dtype d = j->out->dtype;
  _Alignas(64) double lanes[TILE];
  for (int64_t from = 0; from < p->n; from += TILE) {
    norm_part tile = *p;
    tile.n = smaller(p->n - from, TILE);
    tile.x = element(p->x, form, from);
    tile.weight = element(p->weight, form, from);
    if (p->bias) tile.bias = element(p->bias, form, from);
    void *to = rows_behind_room(place->behind, place->first + at + from, tile.n);
    tile.to = form == d ? to : lanes;
    cpu_norm_loops()->finish[form](&tile);
    if (form != d) lanes_put(d, lanes, tile.n, to, false);
  }
}

/* The same to memory, past the caches if told so, though it may not begin with a cache line there. */
static void put_part(const norm_job *j, pons_dtype form, norm_part p, const row_place *place, int64_t at) {
  const pons_dtype d = j->out->dtype;
  if (place->behind && (form != d || p.n > TILE)) {
    put_behind(j, form, &p, place, at);
    return;
  }
  if (place->behind) {
    p.to = rows_behind_room(place->behind, place->first + at, p.n);
    cpu_norm_loops()->finish[form](&p);
    return;
  }
  void *to = element(place->out, d, at);
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
__attribute__((noinline)) static void put_widened(const norm_job *j, norm_part p, const row_place *to, int64_t at) {
  float weights[KEPT], biases[KEPT];
  cpu_lanes()->load[PONS_BFLOAT16](p.weight, 1, p.n, weights);
  if (p.bias) cpu_lanes()->load[PONS_BFLOAT16](p.bias, 1, p.n, biases);
  p.weight = weights, p.bias = p.bias ? biases : NULL;
  put_part(j, PONS_FLOAT32, p, to, at);
}

/* Sums are kept in double: a long row loses nothing. */
static void norm_row(const norm_job *j, const void *x, int64_t ahead, const row_place *to) {
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
      put_widened(j, part, to, at);
    else
      put_part(j, form, part, to, at);
  }
}

/* Of bfloat16. False, and nothing is done: it must be taken as lanes, since the mean square would be a difference of much larger
   numbers, or is NaN. */
static bool tame_row(const norm_job *j, const void *x, int64_t ahead, const row_place *to) {
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
             to, at);
  return true;
}

static void norm_rows(const norm_job *j, int64_t row, int64_t end, made_rows *made, rows_behind *behind) {
  const pons_dtype d = j->out->dtype;
  cursor rows = j->rows;
  if (!made) cursor_to(&rows, row);
  for (int64_t r = row; r < end; r++) {
    const void *x = made ? made_row(made, r, end) : element(j->x->data, d, rows.offset[0]);
    const int64_t ahead = made ? made_ahead(made, r, x) : r + 1 < end ? j->ahead : 0;
    const row_place to = {behind ? NULL : element(j->out->data, d, r * j->n), behind, r * j->n};
    if (!j->tame || !tame_row(j, x, ahead, &to)) norm_row(j, x, ahead, &to);
    if (!made) cursor_next(&rows);
  }
}

/* Functions of their own, for what they have on the stack. */
__attribute__((noinline)) static void norm_made_rows(const norm_job *j, int64_t row, int64_t end, rows_behind *behind) {
  made_rows rows;
  made_rows_begin(&rows, j->made, j->n, j->kept);
  norm_rows(j, row, end, &rows, behind);
}
__attribute__((noinline)) static void norm_followed_rows(const norm_job *j, int64_t row, int64_t end) {
  rows_behind behind;
  rows_behind_begin(&behind, j->behind);
  if (j->made) norm_made_rows(j, row, end, &behind);
  else norm_rows(j, row, end, NULL, &behind);
  rows_behind_end(&behind);
}

static void norm_piece(void *context, int64_t piece) {
  const norm_job *j = context;
  const int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  if (j->behind) norm_followed_rows(j, row, end);
  else if (j->made) norm_made_rows(j, row, end, NULL);
  else norm_rows(j, row, end, NULL, NULL);
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

/* The rows around it are of `with`: made, what its first operand is, which is like with->y, or NULL; behind, what reads its result, or NULL. */
static error *run(const launch *l, const chains *with, const chain *made, const behind_chain *behind, const char *op, bool centred) {
  const operand *x = made ? with->y : l->in, *weight = l->in + (made ? made->kernel->n_in : 1);
  const int last = x->ndim - 1;
  norm_job j = {.x = x, .out = behind ? with->z : l->out, .centred = centred, .made = made, .behind = behind};
  const size_t size = pons_dtype_size(x->dtype);
  if (made && with->front->n_out > 1) j.kept = l->out[l->n_out - 1].data;
  j.eps = (double)((const norm_params *)l->params)->eps;
  j.n = x->shape[last];
  j.stride = x->strides[last];
  j.rows = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.rows);
  if (!j.count || !j.n) return NULL;
  error *why = NULL;
  j.weights = x->dtype == PONS_FLOAT16 ? PONS_FLOAT32 : x->dtype;
  const size_t bytes = (size_t)j.n * pons_dtype_size(j.weights);
  buffer *weights = buffer_new(2 * bytes, op, &why);
  if (!weights) return why;
  char *lanes = buffer_data(weights);
  spread(&weight[0], j.n, lanes);
  j.weight = lanes;
  if (centred) {
    spread(&weight[1], j.n, lanes + bytes);
    j.bias = lanes + bytes;
  }
  j.tame = x->dtype == PONS_BFLOAT16 && (j.stride == 1 || j.n == 1);
  j.ahead = rows_ahead(x);
  j.past_cache = !behind && cpu_outgrows_cache((size_t)(j.count * j.n) * size);
  j.whole_lines = !behind && ((uintptr_t)l->out->data | (size_t)j.n * size) % 64 == 0;
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), norm_piece, &j);
  buffer_release(weights);
  return NULL;
}

error *cpu_rms_norm(const launch *l) { return run(l, NULL, NULL, NULL, "rms_norm", false); }
error *cpu_layer_norm(const launch *l) { return run(l, NULL, NULL, NULL, "layer_norm", true); }

/* ---- with rows around it ---- */

static error *run_with(const launch *l, const chains *with, const char *op, bool centred) {
  row_chain front;
  behind_chain behind;
  if (with->front) row_chain_begin(&front, with->front, l->in, with->y);
  if (with->behind) behind_chain_begin(&behind, l, with, with->z->shape[with->z->ndim - 1]);
  return run(l, with, with->front ? &front.chain : NULL, with->behind ? &behind : NULL, op, centred);
}
static error *rms_norm_with(const launch *l, const chains *with, void **kept) { return (void)kept, run_with(l, with, "rms_norm", false); }
static error *layer_norm_with(const launch *l, const chains *with, void **kept) { return (void)kept, run_with(l, with, "layer_norm", true); }

static bool takes(const launch *l, const chains *with) {
  const operand *x = with->y;
  if (with->behind && !chain_follows_rows(l, with)) return false;
  if (!with->front) return true;
  const int64_t bytes = x->shape[x->ndim - 1] * (int64_t)pons_dtype_size(x->dtype);
  return (with->front->n_out > 1 || bytes <= MADE_BYTES) && chain_makes_rows(with->front, l->in, x);
}

chained_run *cpu_rms_norm_with(const launch *l, const chains *c) { return !c || takes(l, c) ? rms_norm_with : NULL; }
chained_run *cpu_layer_norm_with(const launch *l, const chains *c) { return !c || takes(l, c) ? layer_norm_with : NULL; }
