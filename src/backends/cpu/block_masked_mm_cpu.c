/* block_masked_mm_cpu.c: "BlockMaskedMM": block by block of the result; blocks that a mask leaves out cost nothing. Uses
   cpu/gemm.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/gemm.h"

typedef struct blocks_job {
  gemm product;            /* of one batch entry */
  int64_t block, down, across, deep; /* size of a block; blocks along m, n, k */
  const operand *masks[3]; /* of the result, of a, of b; NULL: none */
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

/* One block of the result: the sum over the blocks along k, each scaled by what the masks say. */
static void block_piece(void *context, int64_t piece) {
  const blocks_job *j = context;
  const int64_t column = piece % j->across, row = piece / j->across % j->down, entry = piece / j->across / j->down;
  const int64_t size = (int64_t)lane_size(j->product.lane);
  gemm g = j->product;
  const char *a = (const char *)g.a + (entry * g.m * g.k + row * j->block * g.a_row) * size;
  const char *b = (const char *)g.b + (entry * g.k * g.n + column * j->block * g.b_col) * size;
  g.c = (char *)g.c + (entry * g.m * g.n + row * j->block * g.c_row + column * j->block) * size;
  g.m = smaller(g.m - row * j->block, j->block);
  g.n = smaller(g.n - column * j->block, j->block);
  for (int64_t r = 0; r < g.m; r++) memset((char *)g.c + r * g.c_row * size, 0, (size_t)(g.n * size));
  const float all = factor_at(j->masks[0], entry, row, column);
  g.beta = 1;
  for (int64_t p = 0; p < j->deep && all != 0; p++) {
    g.alpha = all * factor_at(j->masks[1], entry, row, p) * factor_at(j->masks[2], entry, p, column);
    if (g.alpha == 0) continue;
    g.k = smaller(j->product.k - p * j->block, j->block);
    g.a = a + p * j->block * g.a_col * size;
    g.b = b + p * j->block * g.b_row * size;
    cpu_gemm(&g);
  }
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
  g->a_row = g->k, g->a_col = 1, g->b_row = g->n, g->b_col = 1, g->c_row = g->n;
  j.down = pieces_of(g->m, j.block), j.across = pieces_of(g->n, j.block), j.deep = pieces_of(g->k, j.block);
  const bool direct = lane_is_direct(out->dtype);
  buffer *held[3] = {NULL};
  error *why = NULL;
  g->a = cpu_packed_lanes(a, op, &held[0], &why);
  if (!why) g->b = cpu_packed_lanes(b, op, &held[1], &why);
  if (!why && !direct) held[2] = buffer_new((size_t)count * lane_size(g->lane), op, &why);
  if (!why) {
    g->c = direct ? out->data : buffer_data(held[2]);
    parallel_for(count / g->m / g->n * j.down * j.across, block_piece, &j);
    if (!direct) cpu_from_lanes(out->dtype, out->data, g->c, count);
  }
  for (int i = 0; i < 3; i++) buffer_release(held[i]);
  return why;
}
