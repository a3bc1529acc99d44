/* cross_entropy_cpu.c: "CrossEntropy": of each row of logits the greatest, the logarithm of the sum of exponentials of what is left
   when that is taken from all, and the loss of the class that is known. A row is read from memory once. Computed in float32. Uses
   cpu/indices.h. */
#include "backends/cpu/indices.h"
#include <math.h>

typedef struct loss_job {
  const operand *logits, *targets;
  float *loss, *greatest, *log_sum; /* an element for each row */
  cursor rows;                      /* offsets of logits, targets */
  index_axis classes;
  int64_t n, stride; /* of a row */
  int64_t count, rows_per_piece;
} loss_job;

/* What exponentials can't tell: the greatest is infinite, or there is none. */
static float log_sum_of_infinite(const loss_job *j, const void *x, float greatest) {
  const pons_dtype d = j->logits->dtype;
  for (int64_t i = 0; i < j->n; i++)
    if (isnan(dtype_read(d, element(x, d, i * j->stride)))) return NAN;
  return greatest;
}

static void loss_of_row(const loss_job *j, int64_t row, const void *x, int64_t target) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype d = j->logits->dtype, form = PONS_FLOAT32;
  const bool anew = j->n > KEPT;
  _Alignas(64) float kept[KEPT], exps[KEPT];
  float greatest = -INFINITY, sum = 0, chosen;
  for (int64_t at = 0; at < j->n; at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    const float most = loops->greatest[form](row_part(d, x, j->stride, at, n, kept, true), n);
    if (most > greatest) greatest = most;
  }
  for (int64_t at = 0; at < j->n && !isinf(greatest); at += KEPT) {
    const int64_t n = smaller(j->n - at, KEPT);
    sum += loops->exps[form](row_part(d, x, j->stride, at, n, kept, anew), n, greatest, 0, exps);
  }
  cpu_lanes()->load[d](element(x, d, target * j->stride), 1, 1, &chosen);
  j->greatest[row] = isinf(greatest) ? 0 : greatest;
  j->log_sum[row] = isinf(greatest) ? log_sum_of_infinite(j, x, greatest) : logf(sum);
  j->loss[row] = j->log_sum[row] - (chosen - j->greatest[row]);
}

static void loss_piece(void *context, int64_t piece) {
  const loss_job *j = context;
  cursor rows = j->rows;
  const int64_t first = piece * j->rows_per_piece, end = smaller(first + j->rows_per_piece, j->count);
  cursor_to(&rows, first);
  for (int64_t row = first; row < end; row++, cursor_next(&rows)) {
    int64_t target;
    indices_load(j->targets->dtype, element(j->targets->data, j->targets->dtype, rows.offset[1]), 1, 1, &j->classes,
                 &target);
    loss_of_row(j, row, element(j->logits->data, j->logits->dtype, rows.offset[0]), target);
  }
}

const char *cpu_refuses_cross_entropy(const launch *l) {
  return l->in[0].dtype == PONS_FLOAT64 ? "computes in float32" : NULL;
}

error *cpu_cross_entropy(const launch *l) {
  const operand *x = &l->in[0], *targets = &l->in[1];
  const int last = x->ndim - 1;
  loss_job j = {.logits = x,
                .targets = targets,
                .loss = l->out[0].data,
                .greatest = l->out[1].data,
                .log_sum = l->out[2].data,
                .rows = cursor_new(last, x->shape, 2, x->strides, targets->strides),
                .classes = {last, x->shape[last], 1},
                .n = x->shape[last],
                .stride = x->strides[last]};
  error *why = indices_check("cross_entropy", targets, &j.classes);
  j.count = cursor_size(&j.rows);
  if (why || !j.count) return why;
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), loss_piece, &j);
  return NULL;
}
