/* norm_vjp_cpu.c: "RMSNormVJP" and "LayerNormVJP": gradients of x, weight (and bias) from the cotangent g. With
   n = (x - mean) r, which the norm weights, and r the inverse root of the mean square:

       dx = r (g w - mean(g w) - n mean(g w n))    dw = sum of g n    db = sum of g      RMSNorm: mean 0, no mean(g w)

   A row of x and of g is read from memory once and stays in the cache for the passes that follow. Rows are cut into
   pieces, each of which has sums of its own, joined in order. All in float32. Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include <math.h>

enum { LEAST_ROWS = 64, MOST_ROWS = 512 /* of a piece */ };

typedef struct norm_vjp_job {
  const operand *x, *g, *dx;
  cursor rows;                       /* over x and g */
  int64_t n, x_stride, g_stride;     /* of a row */
  int64_t count, rows_per_piece;
  float *weight, *sums;              /* n; of each piece dw and db, n each */
  double eps;
  bool centred;
  const char *op;
  error *_Atomic why;
} norm_vjp_job;

/* A row of a piece, as lanes. */
static void row_back(const norm_vjp_job *j, const float *x, const float *g, float *dx, float *dw, float *db) {
  const norm_loops *loops = cpu_norm_loops();
  const double n = (double)j->n, mean = j->centred ? (double)(float)(loops->sum[PONS_FLOAT32](x, j->n) / n) : 0;
  const double r = 1 / sqrt(loops->squares[PONS_FLOAT32](x, j->n, mean) / n + j->eps);
  norm_back b = {.x = x, .g = g, .weight = j->weight, .n = j->n, .mean = (float)mean, .factor = (float)r};
  double sums[2];
  loops->back_sums(&b, sums);
  b.level = j->centred ? (float)(sums[0] / n) : 0;
  b.along = (float)(sums[1] / n);
  b.dx = dx, b.dw = dw, b.db = db;
  loops->back(&b);
}

static void rows_piece(void *context, int64_t piece) {
  norm_vjp_job *j = context;
  cursor rows = j->rows;
  const pons_dtype d = j->dx->dtype;
  const int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  float *dw = j->sums + piece * 2 * j->n, *db = dw + j->n;
  error *why = NULL, *none = NULL;
  buffer *held = buffer_new((size_t)(3 * j->n) * sizeof(float), j->op, &why);
  if (!held) {
    if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
    return;
  }
  float *x_room = buffer_data(held), *g_room = x_room + j->n, *dx_room = g_room + j->n;
  memset(dw, 0, (size_t)(2 * j->n) * sizeof *dw);
  cursor_to(&rows, row);
  for (int64_t r = row; r < end; r++, cursor_next(&rows)) {
    const float *x = lanes_at(j->x->dtype, element(j->x->data, j->x->dtype, rows.offset[0]), j->x_stride, j->n, x_room);
    const float *g = lanes_at(j->g->dtype, element(j->g->data, j->g->dtype, rows.offset[1]), j->g_stride, j->n, g_room);
    void *to = element(j->dx->data, d, r * j->n);
    row_back(j, x, g, lane_is_direct(d) ? to : dx_room, dw, j->centred ? db : NULL);
    if (!lane_is_direct(d)) cpu_lanes()->store[d](dx_room, j->n, to, 1);
  }
  buffer_release(held);
}

/* The pieces' sums from `at` on, joined; zeros for a weight that stands for none. */
static error *store_sums(const norm_vjp_job *j, int64_t pieces, int64_t at, const operand *out) {
  error *why = NULL;
  if (out->ndim == 0 || !pieces) {
    memset(out->data, 0, (size_t)operand_size(out) * pons_dtype_size(out->dtype));
    return NULL;
  }
  buffer *held = buffer_new((size_t)j->n * (sizeof(double) + sizeof(float)), j->op, &why);
  if (!held) return why;
  double *all = buffer_data(held);
  float *lanes = (float *)(all + j->n);
  for (int64_t i = 0; i < j->n; i++) all[i] = 0;
  for (int64_t piece = 0; piece < pieces; piece++)
    for (int64_t i = 0; i < j->n; i++) all[i] += (double)j->sums[piece * 2 * j->n + at + i];
  for (int64_t i = 0; i < j->n; i++) lanes[i] = (float)all[i];
  cpu_lanes()->store[out->dtype](lanes, j->n, out->data, 1);
  buffer_release(held);
  return NULL;
}

const char *cpu_refuses_norm_vjp(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype == PONS_FLOAT64) return "computes in float32";
  return NULL;
}

static error *run(const launch *l, const char *op, bool centred) {
  const operand *x = l->in, *w = &l->in[1], *g = &l->in[l->n_in - 1];
  const int last = x->ndim - 1;
  norm_vjp_job j = {.x = x, .g = g, .dx = l->out, .centred = centred, .op = op};
  j.eps = (double)((const norm_params *)l->params)->eps;
  j.n = x->shape[last], j.x_stride = x->strides[last], j.g_stride = g->strides[last];
  j.rows = cursor_new(last, x->shape, 2, x->strides, g->strides);
  j.count = j.n ? cursor_size(&j.rows) : 0;
  const int64_t turns = turns_per_piece(j.count, j.n);
  j.rows_per_piece = turns < LEAST_ROWS ? LEAST_ROWS : smaller(turns, MOST_ROWS);
  const int64_t pieces = pieces_of(j.count, j.rows_per_piece);
  error *why = NULL;
  buffer *held = buffer_new((size_t)((1 + 2 * pieces) * j.n) * sizeof(float), op, &why);
  if (!held) return why;
  j.weight = buffer_data(held);
  j.sums = j.weight + j.n;
  cpu_lanes()->load[w->dtype](w->data, w->ndim ? w->strides[0] : 0, j.n, j.weight);
  parallel_for(pieces, rows_piece, &j);
  why = atomic_load(&j.why);
  for (int i = 1; i < l->n_out && !why; i++) why = store_sums(&j, pieces, (i - 1) * j.n, &l->out[i]);
  buffer_release(held);
  return why;
}

error *cpu_rms_norm_vjp(const launch *l) { return run(l, "rms_norm_vjp", false); }
error *cpu_layer_norm_vjp(const launch *l) { return run(l, "layer_norm_vjp", true); }
