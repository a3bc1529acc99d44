/* block_masked_mm_cpu.c: "BlockMaskedMM": block by block of the result; blocks that a mask leaves out cost nothing. Uses
   cpu/gemm.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/gemm.h"

typedef struct blocks_job {
  gemm product;            /* of one batch entry */
  int64_t block, down, across, deep; /* size of a block; blocks along m, n, k */
  const operand *masks[3]; /* of the result, of a, of b; NULL: none */
  error *_Atomic why;
} blocks_job;

/* 0: the block is left out, so that what is not finite in it does not count. */
static float factor_at(const operand *mask, int64_t entry, int64_t row, int64_t column) {
  if (!mask) return 1;
  const int n = mask->ndim;
  int64_t at = row * mask->strides[n - 2] + column * mask->strides[n - 1];
  for (int d = n - 3; d >= 0; d--) {
    at += entry % mask->shape[d] * mask->strides[d];
    entry /= mask->shape[d];
  }
  return (float)dtype_read(mask->dtype, element(mask->data, mask->dtype, at));
}

/* One block of the result, in lanes at `sums`: the sum over the blocks along k, each scaled by what the masks say. */
static error *add_blocks(const blocks_job *j, int64_t entry, int64_t row, int64_t column, gemm *g) {
  const gemm *all = &j->product;
  const float factor = factor_at(j->masks[0], entry, row, column);
  error *why = NULL;
  for (int64_t p = 0; p < j->deep && factor != 0 && !why; p++) {
    g->alpha = factor * factor_at(j->masks[1], entry, row, p) * factor_at(j->masks[2], entry, p, column);
    if (g->alpha == 0) continue;
    const int64_t depth = p * j->block;
    g->k = smaller(all->k - depth, j->block);
    g->a.data = element(all->a.data, all->a.dtype, (entry * all->m + row * j->block) * all->k + depth);
    g->b.data = element(all->b.data, all->b.dtype, (entry * all->k + depth) * all->n + column * j->block);
    why = cpu_gemm(g, "block_masked_mm");
  }
  return why;
}

static void block_piece(void *context, int64_t piece) {
  blocks_job *j = context;
  const int64_t column = piece % j->across, row = piece / j->across % j->down, entry = piece / j->across / j->down;
  const gemm *all = &j->product;
  gemm g = *all;
  g.m = smaller(g.m - row * j->block, j->block);
  g.n = smaller(g.n - column * j->block, j->block);
  error *none = NULL, *why = NULL;
  const int64_t size = (int64_t)lane_size(g.lane);
  buffer *sums = buffer_new((size_t)(g.m * g.n * size), "block_masked_mm", &why);
  if (sums) {
    g.out.data = memset(buffer_data(sums), 0, (size_t)(g.m * g.n * size));
    g.out.dtype = lane_dtype(g.lane);
    g.out.row = g.n;
    g.beta = 1;
    why = add_blocks(j, entry, row, column, &g);
    for (int64_t r = 0; r < g.m && !why; r++)
      cpu_lanes()->store[all->out.dtype]((const char *)g.out.data + r * g.n * size, g.n,
                                         element(all->out.data, all->out.dtype,
                                                 (entry * all->m + row * j->block + r) * all->n + column * j->block),
                                         1);
  }
  buffer_release(sums);
  if (why && !atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
}

/* Factors are float32 in a product. */
const char *cpu_refuses_block_masked_mm(const launch *l) {
  for (int i = 2; i < l->n_in; i++)
    if (l->in[i].dtype == PONS_FLOAT64) return "factors of float64";
  return NULL;
}

error *cpu_block_masked_mm(const launch *l) {
  const char *op = "block_masked_mm";
  const operand *a = &l->in[0], *b = &l->in[1], *out = l->out;
  const int n = out->ndim;
  const int64_t count = operand_size(out);
  if (!count) return NULL;
  blocks_job j = {.block = ((const block_masked_mm_params *)l->params)->block_size};
  if (l->n_in == 3 || l->n_in == 5) j.masks[0] = &l->in[2];
  if (l->n_in >= 4) j.masks[1] = &l->in[l->n_in - 2], j.masks[2] = &l->in[l->n_in - 1];
  gemm *g = &j.product;
  g->lane = lane_of(out->dtype);
  g->m = out->shape[n - 2], g->n = out->shape[n - 1], g->k = a->shape[n - 1];
  g->a = (gemm_matrix){.dtype = a->dtype, .row = g->k, .col = 1};
  g->b = (gemm_matrix){.dtype = b->dtype, .row = g->n, .col = 1};
  g->out.data = out->data, g->out.dtype = out->dtype, g->out.row = g->n, g->out.col = 1;
  j.down = pieces_of(g->m, j.block), j.across = pieces_of(g->n, j.block), j.deep = pieces_of(g->k, j.block);
  buffer *held[2] = {NULL};
  error *why = NULL;
  g->a.data = cpu_packed(a, op, &held[0], &why);
  if (!why) g->b.data = cpu_packed(b, op, &held[1], &why);
  if (!why) {
    parallel_for(count / g->m / g->n * j.down * j.across, block_piece, &j);
    why = atomic_load(&j.why);
  }
  for (int i = 0; i < 2; i++) buffer_release(held[i]);
  return why;
}
