/* cross_entropy_cpu.c: "CrossEntropy": of each row of logits the greatest, the logarithm of the sum of exponentials of what is left
   when that is taken from all, and the loss of the class that is known. A row is read from memory once, or made part by part. Computed in float32. Uses
   cpu/indices.h, cpu/softmax_rows.h. */
#include "backends/cpu/indices.h"
#include "backends/cpu/softmax_rows.h"
#include <math.h>

typedef struct loss_job {
  const operand *logits, *targets;
  const chain *made; /* what makes the logits; NULL: they are there */
  float *loss, *greatest, *log_sum; /* an element for each row */
  cursor rows;                      /* offsets of logits, targets */
  index_axis classes;
  int64_t n, stride; /* of a row */
  int64_t count, rows_per_piece;
} loss_job;

static void loss_of_row(const loss_job *j, int64_t row, const softmax_source *x, int64_t target) {
  _Alignas(64) float exps[KEPT];
  const softmax_sum s = softmax_sum_of(x, target, 0, exps);
  const bool endless = isinf(s.greatest);
  j->greatest[row] = endless ? 0 : s.greatest;
  j->log_sum[row] = endless ? (float)log_sum_of_infinite(x, (double)s.greatest) : logf(s.sum);
  j->loss[row] = j->log_sum[row] - (s.chosen - j->greatest[row]);
}

static void losses(const loss_job *j, int64_t first, int64_t end, made_rows *made) {
  softmax_source x = {j->logits->dtype, j->n, j->stride, NULL, made, 0};
  cursor rows = j->rows;
  cursor_to(&rows, first);
  for (x.row = first; x.row < end; x.row++, cursor_next(&rows)) {
    int64_t target;
    indices_load(j->targets->dtype, element(j->targets->data, j->targets->dtype, rows.offset[1]), 1, 1, &j->classes,
                 &target);
    if (!made) x.x = element(j->logits->data, x.dtype, rows.offset[0]);
    else if (made->bytes <= MADE_BYTES) x.x = made_row(made, x.row, end);
    loss_of_row(j, x.row, &x, target);
  }
}

/* A function of its own, for what it has on the stack. */
__attribute__((noinline)) static void losses_of_made(const loss_job *j, int64_t first, int64_t end) {
  made_rows made;
  made_rows_begin(&made, j->made, j->n, NULL);
  losses(j, first, end, &made);
}

static void loss_piece(void *context, int64_t piece) {
  const loss_job *j = context;
  const int64_t first = piece * j->rows_per_piece, end = smaller(first + j->rows_per_piece, j->count);
  if (j->made) losses_of_made(j, first, end);
  else losses(j, first, end, NULL);
}

const char *cpu_refuses_cross_entropy(const launch *l) {
  return l->in[0].dtype == PONS_FLOAT64 ? "computes in float32" : NULL;
}

/* Of x, or of what a chain makes, which is like x. */
static error *run(const launch *l, const operand *x, const chain *made) {
  const operand *targets = &l->in[made ? made->kernel->n_in : 1];
  const int last = x->ndim - 1;
  loss_job j = {.logits = x,
                .targets = targets,
                .made = made,
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

error *cpu_cross_entropy(const launch *l) { return run(l, l->in, NULL); }

/* ---- of what a kernel makes ---- */

static error *cross_entropy_made(const launch *l, const chains *with, void **kept) {
  (void)kept;
  row_chain c;
  row_chain_begin(&c, with->front, l->in, with->y);
  return run(l, with->y, &c.chain);
}

chained_run *cpu_cross_entropy_with(const launch *l, const chains *c) {
  const bool takes = !c || (c->front && !c->behind && c->front->n_out == 1 && chain_makes_rows(c->front, l->in, c->y));
  return takes ? cross_entropy_made : NULL;
}
