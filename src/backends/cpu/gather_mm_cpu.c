/* gather_mm_cpu.c: "GatherMM" (matrices chosen by number) and "SegmentedMM" (parts of the inner dimension): many
   products of two matrices. Uses cpu/gemm.h, cpu/indices.h. */
#include "backends/cpu/gemm.h"
#include "backends/cpu/indices.h"

typedef struct products_job {
  gemm product;                /* of the first matrices */
  const int64_t *lhs, *rhs;    /* GatherMM: which matrices */
  const int64_t *from, *to;    /* SegmentedMM: which part of k */
  int64_t entries;
} products_job;

static void product_of(const void *context, int64_t entry, gemm *g) {
  const products_job *j = context;
  const int64_t left = j->lhs ? j->lhs[entry] * g->m * g->k : 0, right = j->rhs ? j->rhs[entry] * g->k * g->n : 0;
  const int64_t first = j->from ? j->from[entry] : 0;
  g->a.data = element(g->a.data, g->a.dtype, left + first * g->a.col);
  g->b.data = element(g->b.data, g->b.dtype, right + first * g->b.row);
  g->out.data = element(g->out.data, g->out.dtype, entry * g->m * g->n);
  if (j->from) g->k = j->to[entry] > first ? j->to[entry] - first : 0;
}

/* The rest of the job, with m, n, k and entries known. */
static error *run(products_job *j, const launch *l, const char *op) {
  gemm *g = &j->product;
  buffer *held[2] = {NULL};
  error *why = NULL;
  g->lane = lane_of(l->out->dtype);
  g->alpha = 1;
  g->a = (gemm_matrix){.dtype = l->in[0].dtype, .row = g->k, .col = 1};
  g->b = (gemm_matrix){.dtype = l->in[1].dtype, .row = g->n, .col = 1};
  g->a.data = cpu_packed(&l->in[0], op, &held[0], &why);
  if (!why) g->b.data = cpu_packed(&l->in[1], op, &held[1], &why);
  g->out.data = l->out->data, g->out.dtype = l->out->dtype, g->out.row = g->n, g->out.col = 1;
  if (!why) why = cpu_gemm_batch(j->entries, g, product_of, j, op);
  for (int i = 0; i < 2; i++) buffer_release(held[i]);
  return why;
}

error *cpu_gather_mm(const launch *l) {
  const char *op = "gather_mm";
  const operand *a = &l->in[0], *b = &l->in[1];
  const index_axis of_a = {0, shape_size(a->ndim - 2, a->shape), 1}, of_b = {0, shape_size(b->ndim - 2, b->shape), 1};
  const int64_t one = 1;
  error *why = NULL;
  buffer *rhs = NULL, *lhs = indices_offsets(op, &l->in[2], 1, &of_a, &one, &why);
  if (!why) rhs = indices_offsets(op, &l->in[3], 1, &of_b, &one, &why);
  if (!why && operand_size(l->out)) {
    products_job j = {.lhs = buffer_data(lhs), .rhs = buffer_data(rhs), .entries = operand_size(&l->in[2])};
    j.product.m = a->shape[a->ndim - 2];
    j.product.k = a->shape[a->ndim - 1];
    j.product.n = b->shape[b->ndim - 1];
    why = run(&j, l, op);
  }
  buffer_release(lhs);
  buffer_release(rhs);
  return why;
}

/* Reads segments into starts, then ends. */
static error *read_segments(const operand *segments, int64_t k, int64_t count, int64_t *places) {
  cursor at = cursor_new(segments->ndim, segments->shape, 1, segments->strides);
  cursor_to(&at, 0);
  for (int64_t i = 0; i < 2 * count; i++, cursor_next(&at)) {
    const pons_dtype d = segments->dtype;
    const int64_t place = dtype_read_int(d, element(segments->data, d, at.offset[0]));
    if (place < 0 || place > k)
      return fail("segmented_mm", "segment %lld %s at %lld, outside of the inner dimension of size %lld",
                  (long long)(i / 2), i % 2 ? "ends" : "begins", (long long)place, (long long)k);
    places[i % 2 * count + i / 2] = place;
  }
  return NULL;
}

error *cpu_segmented_mm(const launch *l) {
  const char *op = "segmented_mm";
  const operand *a = &l->in[0], *b = &l->in[1], *segments = &l->in[2];
  const int64_t count = operand_size(segments) / 2;
  error *why = NULL;
  if (!count) return NULL;
  buffer *places = buffer_new((size_t)(2 * count) * sizeof(int64_t), op, &why);
  if (!places) return why;
  why = read_segments(segments, a->shape[1], count, buffer_data(places));
  if (!why && operand_size(l->out)) {
    const int64_t *from = buffer_data(places);
    products_job j = {.from = from, .to = from + count, .entries = count};
    j.product.m = a->shape[0], j.product.k = a->shape[1], j.product.n = b->shape[1];
    why = run(&j, l, op);
  }
  buffer_release(places);
  return why;
}
