/* matmul_cpu.c: "Matmul" and "AddMM": batches of matrix products. A batch that multiplies one matrix from the right is
   one tall product. Uses cpu/gemm.h, cpu/cursor.h. */
#include "backends/cpu/cursor.h"
#include "backends/cpu/gemm.h"

typedef struct matmul_job {
  gemm product;  /* the first of the batch */
  cursor batch;  /* offsets of a, b, addend */
  int64_t count; /* products */
} matmul_job;

static gemm_matrix matrix_of(const operand *x) {
  const int n = x->ndim;
  return (gemm_matrix){.data = x->data, .dtype = x->dtype, .row = x->strides[n - 2], .col = x->strides[n - 1]};
}

/* If b is the same for the whole batch and rows of the others are evenly spaced through it: one product. */
static void join_batch(matmul_job *j, const operand *x, const operand *addend) {
  gemm *g = &j->product;
  cursor rows = cursor_new(x->ndim - 1, x->shape, 2, x->strides, addend ? addend->strides : x->strides);
  const int64_t m = cursor_size(&rows);
  for (int d = 0; d < j->batch.n; d++)
    if (j->batch.strides[1][d]) return;
  if (rows.n > 1 || !m) return;
  g->m = m;
  if (rows.n) g->a.row = rows.strides[0][0], g->addend.row = rows.strides[1][0];
  j->batch.n = 0;
}

static void *moved(const void *data, pons_dtype d, int64_t by) { return data ? element(data, d, by) : NULL; }

static void product_of(const void *context, int64_t index, gemm *g) {
  const matmul_job *j = context;
  if (!j->batch.n) return;
  cursor at;
  cursor_copy(&at, &j->batch);
  cursor_to(&at, index);
  g->a.data = moved(g->a.data, g->a.dtype, at.offset[0]);
  g->b.data = moved(g->b.data, g->b.dtype, at.offset[1]);
  g->addend.data = moved(g->addend.data, g->addend.dtype, at.offset[2]);
  g->out.data = moved(g->out.data, g->out.dtype, index * g->m * g->n);
}

/* alpha a b + beta addend, which is NULL for Matmul. */
static error *run(const launch *l, const char *op, float alpha, float beta, const operand *addend) {
  const operand *x = &l->in[0], *y = &l->in[1], *out = l->out;
  const int n = x->ndim;
  if (!operand_size(out)) return NULL;
  matmul_job j; /* no zeros: they would cost as much as a small product */
  j.product = (gemm){.m = x->shape[n - 2], .n = y->shape[n - 1], .k = x->shape[n - 1], .lane = lane_of(out->dtype)};
  gemm *g = &j.product;
  g->a = matrix_of(x), g->b = matrix_of(y);
  if (addend) g->addend = matrix_of(addend);
  g->alpha = alpha, g->beta = beta;
  g->out.data = out->data, g->out.dtype = out->dtype, g->out.row = g->n, g->out.col = 1;
  cursor_set(&j.batch, n - 2, x->shape, 3, x->strides, y->strides, addend ? addend->strides : x->strides);
  if (j.batch.n) join_batch(&j, x, addend);
  j.count = cursor_size(&j.batch);
  return cpu_gemm_batch(j.count, g, product_of, &j, op);
}

error *cpu_matmul(const launch *l) { return run(l, "matmul", 1, 0, NULL); }

error *cpu_addmm(const launch *l) {
  const addmm_params *p = l->params;
  return run(l, "addmm", p->alpha, p->beta, &l->in[2]);
}
