/* matmul_cpu.c: "Matmul" and "AddMM": batches of matrix products.

   Operands are used where they lie if their lanes are their elements and BLAS can read their strides, else
   packed first (halves to float). A batch that multiplies one matrix from the right is one tall product. The
   result is cut into blocks whose size depends on shapes alone: these are what threads share. Uses
   cpu/gemm.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/gemm.h"

typedef struct matmul_job {
  gemm product; /* of one batch entry */
  void (*multiply)(const gemm *g);
  cursor batch;           /* offsets of a and b */
  int64_t batches;
  int64_t height, width;  /* of a block of the result */
  int64_t down, across;   /* blocks of one result */
  int64_t blocks_per_piece;
} matmul_job;

/* A matrix operand in lanes. */
typedef struct side {
  const void *data;
  buffer *held;
  int64_t strides[PONS_MAX_NDIM];
} side;

/* An axis that repeats (stride 0) is packed once, and repeats still. */
static error *pack(const operand *x, const char *op, side *s) {
  int64_t shape[PONS_MAX_NDIM], count;
  error *why = NULL;
  for (int d = 0; d < x->ndim; d++) shape[d] = d < x->ndim - 2 && x->strides[d] == 0 ? 1 : x->shape[d];
  count = shape_size(x->ndim, shape);
  s->held = buffer_new((size_t)count * lane_size(lane_of(x->dtype)), op, &why);
  if (!s->held) return why;
  cpu_to_lanes(buffer_data(s->held), x->dtype, x->data, x->ndim, shape, x->strides);
  s->data = buffer_data(s->held);
  shape_row_major(x->ndim, shape, s->strides);
  for (int d = 0; d < x->ndim; d++)
    if (shape[d] != x->shape[d]) s->strides[d] = 0;
  return NULL;
}

static error *side_of(const operand *x, const char *op, bool any_strides, side *s) {
  int n = x->ndim;
  s->held = NULL;
  if (!lane_is_direct(x->dtype)) return pack(x, op, s);
  if (!any_strides && !blas_takes(x->shape[n - 2], x->shape[n - 1], x->strides[n - 2], x->strides[n - 1]))
    return pack(x, op, s);
  s->data = x->data;
  memcpy(s->strides, x->strides, (size_t)n * sizeof *s->strides);
  return NULL;
}

static void multiply_block(const matmul_job *j, const cursor *batch, int64_t index, int64_t block) {
  int64_t row = block / j->across * j->height, column = block % j->across * j->width;
  int64_t size = (int64_t)lane_size(j->product.lane);
  gemm g = j->product;
  if (g.k > 0) { /* without elements there may be no memory to count from */
    g.a = (const char *)g.a + (batch->offset[0] + row * g.a_row) * size;
    g.b = (const char *)g.b + (batch->offset[1] + column * g.b_col) * size;
  }
  g.c = (char *)g.c + (index * g.m * g.n + row * g.c_row + column) * size;
  g.m = smaller(g.m - row, j->height);
  g.n = smaller(g.n - column, j->width);
  j->multiply(&g);
}

static void matmul_piece(void *context, int64_t piece) {
  const matmul_job *j = context;
  cursor batch;
  cursor_copy(&batch, &j->batch);
  int64_t blocks = j->down * j->across, at = piece * j->blocks_per_piece, end = at + j->blocks_per_piece;
  if (end > blocks * j->batches) end = blocks * j->batches;
  for (int64_t entry = -1; at < end; at++) {
    if (at / blocks != entry) cursor_to(&batch, entry = at / blocks);
    multiply_block(j, &batch, entry, at % blocks);
  }
}

/* Blocks large enough that packing them costs BLAS little, yet 16 of them where the product is worth it. */
static void choose_blocks(matmul_job *j) {
  const gemm *g = &j->product;
  double work = (double)g->m * (double)g->n * (double)g->k;
  j->height = smaller(g->m, 256);
  j->width = smaller(g->n, 512);
  for (;;) {
    j->down = pieces_of(g->m, j->height);
    j->across = pieces_of(g->n, j->width);
    int64_t blocks = j->down * j->across * j->batches;
    if (blocks >= 16 || work / (double)(j->down * j->across) < (1 << 18)) break;
    if (j->width >= j->height && j->width > 64) j->width = (j->width / 2 + 15) / 16 * 16;
    else if (j->height > 32) j->height = (j->height / 2 + 15) / 16 * 16;
    else break;
  }
  double block_work = work / (double)(j->down * j->across);
  j->blocks_per_piece = block_work >= (1 << 19) ? 1 : (int64_t)((1 << 19) / (block_work + 64)) + 1;
}

/* If b is the same for the whole batch and the rows of a are evenly spaced through it: one product. */
static void join_batch(matmul_job *j, const side *a, const operand *x) {
  gemm *g = &j->product;
  cursor rows = cursor_new(x->ndim - 1, x->shape, 1, a->strides);
  int64_t m = cursor_size(&rows), row = rows.n ? rows.strides[0][rows.n - 1] : g->a_row;
  for (int d = 0; d < j->batch.n; d++)
    if (j->batch.strides[1][d]) return;
  if (rows.n > 1 || !m || (j->multiply != portable_gemm && !blas_takes(m, g->k, row, g->a_col))) return;
  g->m = m;
  g->a_row = row;
  j->batch.n = 0;
}

static void lay_out(matmul_job *j, const launch *l, const side *a, const side *b) {
  const operand *x = &l->in[0], *y = &l->in[1];
  int n = x->ndim;
  gemm *g = &j->product;
  g->m = x->shape[n - 2];
  g->k = x->shape[n - 1];
  g->n = y->shape[n - 1];
  g->a = a->data, g->a_row = a->strides[n - 2], g->a_col = a->strides[n - 1];
  g->b = b->data, g->b_row = b->strides[n - 2], g->b_col = b->strides[n - 1];
  cursor_set(&j->batch, n - 2, x->shape, 2, a->strides, b->strides);
  if (j->batch.n) join_batch(j, a, x);
  g->c_row = g->n;
  j->batches = cursor_size(&j->batch);
}

/* alpha a b + beta c; c is NULL for Matmul. */
static error *run(const launch *l, const char *op, void (*multiply)(const gemm *), float alpha, float beta,
                  const operand *c) {
  const operand *out = l->out;
  bool in_place = lane_is_direct(out->dtype);
  int64_t count = operand_size(out);
  if (!count) return NULL;
  side a, b;
  a.held = b.held = NULL;
  buffer *result = NULL;
  error *why = side_of(&l->in[0], op, multiply == portable_gemm, &a);
  if (!why) why = side_of(&l->in[1], op, multiply == portable_gemm, &b);
  if (!why && !in_place) result = buffer_new((size_t)count * lane_size(lane_of(out->dtype)), op, &why);
  if (!why) {
    matmul_job j; /* no zeros: they would cost as much as a small product */
    j.multiply = multiply;
    j.product = (gemm){.lane = lane_of(out->dtype), .alpha = alpha, .beta = beta};
    j.product.c = in_place ? out->data : buffer_data(result);
    lay_out(&j, l, &a, &b);
    choose_blocks(&j);
    if (beta != 0) cpu_to_lanes(j.product.c, c->dtype, c->data, c->ndim, c->shape, c->strides);
    parallel_for(pieces_of(j.down * j.across * j.batches, j.blocks_per_piece), matmul_piece,
                 &j);
    if (!in_place) cpu_from_lanes(out->dtype, out->data, j.product.c, count);
  }
  buffer_release(a.held);
  buffer_release(b.held);
  buffer_release(result);
  return why;
}

error *cpu_matmul_blas(const launch *l) { return run(l, "matmul", cpu_gemm, 1, 0, NULL); }
error *cpu_matmul_portable(const launch *l) { return run(l, "matmul", portable_gemm, 1, 0, NULL); }

error *cpu_addmm_blas(const launch *l) {
  const addmm_params *p = l->params;
  return run(l, "addmm", cpu_gemm, p->alpha, p->beta, &l->in[2]);
}

error *cpu_addmm_portable(const launch *l) {
  const addmm_params *p = l->params;
  return run(l, "addmm", portable_gemm, p->alpha, p->beta, &l->in[2]);
}

/* For the lists of implementations. */
const char *cpu_refuses_without_blas(const launch *l) {
  lane kind = lane_of(l->out->dtype);
  return kind == LANE_INT || kind == LANE_UINT ? "BLAS has no integers" : blas_missing();
}
