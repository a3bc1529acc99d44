/* block_masked_mm.c: BlockMaskedMM, a product in which square blocks of the operands and of the result are left out or
   scaled. A mask has an element per block: bool, or a factor of the operands' dtype. Uses graph/. */
#include "ops/ops.h"

static int64_t blocks(int64_t size, int block) { return size / block + (size % block > 0); }

/* Operands: a, b; then the result's mask alone (3), those of a and b (4), or the three (5). */
static const node *mask_of_result(int n_in, const pons_array *in) { return n_in == 3 || n_in == 5 ? in[2] : NULL; }
static bool has_operand_masks(int n_in) { return n_in >= 4; }

static error *mask_check(const char *op, const node *mask, const node *like, int64_t rows, int64_t columns, int block) {
  shape s = node_shape(like);
  s.dims[s.n - 2] = blocks(rows, block);
  s.dims[s.n - 1] = blocks(columns, block);
  if (shape_equal(mask->ndim, mask->shape, s.n, s.dims) && (mask->dtype == PONS_BOOL || mask->dtype == like->dtype))
    return NULL;
  return fail(op, "mask %s is not of the blocks %s, bool or %s", node_text(mask), shape_text(s.n, s.dims),
              pons_dtype_name(dtype_of(like)));
}

static error *block_masked_mm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const int block = ((const block_masked_mm_params *)params)->block_size;
  const char *op = "block_masked_mm";
  if (n_in < 2 || n_in > 5) return fail(op, "got %d operands", n_in);
  if (block != 32 && block != 64) return fail(op, "blocks of %d are not supported: 32 and 64 are", block);
  const node *a = in[0], *b = in[1];
  const int n = a->ndim;
  if (n < 2 || b->ndim != n || !shape_equal(n - 2, a->shape, n - 2, b->shape))
    return fail(op, "leading dimensions differ: %s and %s", node_text(a), node_text(b));
  if (a->dtype != b->dtype || dtype_kind_of(dtype_of(a)) != KIND_FLOAT)
    return fail(op, "operands must be of one float dtype: %s and %s", node_text(a), node_text(b));
  const int64_t rows = a->shape[n - 2], inner = a->shape[n - 1], columns = b->shape[n - 1];
  if (inner != b->shape[n - 2]) return fail(op, "inner dimensions differ: %s and %s", node_text(a), node_text(b));
  error *e = NULL;
  if (mask_of_result(n_in, in)) e = mask_check(op, in[2], a, rows, columns, block);
  if (!e && has_operand_masks(n_in)) e = mask_check(op, in[n_in - 2], a, rows, inner, block);
  if (!e && has_operand_masks(n_in)) e = mask_check(op, in[n_in - 1], b, inner, columns, block);
  shape s = node_shape(a);
  s.dims[n - 1] = columns;
  return e ? e : spec_set(op, out, dtype_of(a), n, s.dims);
}

/* An element for each of x's: the mask's, repeated over its block. */
static pons_array over_blocks(pons_array mask, int64_t rows, int64_t columns, int block) {
  if (node_failed(mask)) return mask;
  pons_array wide = pons_repeat(pons_repeat(mask, block, -2), block, -1);
  if (node_failed(wide)) return wide;
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  const int n = wide->ndim;
  for (int i = 0; i < n; i++) stop[i] = wide->shape[i];
  stop[n - 2] = rows, stop[n - 1] = columns;
  return pons_slice(wide, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
}

static pons_array masked(pons_array x, pons_array mask, int block) {
  if (node_failed(x)) return x;
  pons_array wide = over_blocks(mask, x->shape[x->ndim - 2], x->shape[x->ndim - 1], block);
  return mask->dtype == PONS_BOOL ? pons_where(wide, x, constant_like(0, x)) : pons_multiply(x, wide);
}

static void block_masked_mm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const int block = ((const block_masked_mm_params *)params)->block_size;
  pons_array a = in[0], b = in[1];
  if (has_operand_masks(n_in)) {
    a = masked(a, in[n_in - 2], block);
    b = masked(b, in[n_in - 1], block);
  }
  out[0] = pons_matmul(a, b);
  if (mask_of_result(n_in, in)) out[0] = masked(out[0], in[2], block);
}

/* All operands have the leading axes: the batch is one more. */
static void block_masked_mm_vmap(const vmap_call *c) { batch_apply(c, c->params); }

const prim prim_block_masked_mm = {.name = "BlockMaskedMM",
                                   .params_size = sizeof(block_masked_mm_params),
                                   .fields = {FIELD(INT, block_masked_mm_params, block_size)},
                                   .infer = block_masked_mm_infer,
                                   .vmap = block_masked_mm_vmap,
                                   .decompose = block_masked_mm_decompose};

static pons_array fitting_mask(pons_array mask, pons_array like, int64_t rows, int64_t columns, int block) {
  shape s = node_shape(like);
  s.dims[s.n - 2] = blocks(rows, block);
  s.dims[s.n - 1] = blocks(columns, block);
  if (!mask) mask = pons_scalar(1, PONS_BOOL);
  if (mask->dtype != PONS_BOOL) mask = as_dtype(mask, dtype_of(like));
  return as_shape(mask, s.n, s.dims);
}

/* Both of one dtype, that of a factor if one is. */
static void alike(pons_array *x, pons_array *y) {
  if (node_failed(*x) || node_failed(*y) || (*x)->dtype == (*y)->dtype) return;
  if ((*x)->dtype == PONS_BOOL) *x = as_dtype(*x, dtype_of(*y));
  else *y = as_dtype(*y, dtype_of(*x));
}

static pons_array with_leading(pons_array x, const shape *lead) {
  shape s = *lead;
  s.dims[s.n++] = x->shape[x->ndim - 2];
  s.dims[s.n++] = x->shape[x->ndim - 1];
  return as_shape(x, s.n, s.dims);
}

pons_array pons_block_masked_mm_with(struct pons_block_masked_mm_args args) {
  const char *op = "block_masked_mm";
  pons_array a = args.a, b = args.b, masks[3] = {args.mask_out, args.mask_lhs, args.mask_rhs};
  pons_array bad = operand_fault(op, 2, (pons_array[]){a, b});
  for (int i = 0; i < 3 && !bad; i++)
    if (masks[i]) bad = operand_fault(op, 1, masks + i);
  if (bad) return bad;
  const block_masked_mm_params params = {args.block_size ? args.block_size : 64};
  if (params.block_size != 32 && params.block_size != 64)
    return node_fail(op, "blocks of %d are not supported: 32 and 64 are", params.block_size);
  if (!masks[0] && !masks[1] && !masks[2]) return pons_matmul(a, b);
  shape lead;
  if (a->ndim < 2 || b->ndim < 2 || !shape_broadcast(a->ndim - 2, a->shape, b->ndim - 2, b->shape, &lead) ||
      lead.n + 2 > PONS_MAX_NDIM)
    return node_fail(op, "matrices whose leading dimensions broadcast are needed: %s and %s", node_text(a), node_text(b));
  const pons_dtype dtype = pons_promote(dtype_of(a), dtype_of(b));
  a = with_leading(as_dtype(a, dtype), &lead);
  b = with_leading(as_dtype(b, dtype), &lead);
  bad = operand_fault(op, 2, (pons_array[]){a, b});
  if (bad) return bad;
  const int64_t rows = a->shape[lead.n], inner = a->shape[lead.n + 1], columns = b->shape[lead.n + 1];
  pons_array in[5] = {a, b};
  int n = 2;
  if (masks[0]) in[n++] = fitting_mask(masks[0], a, rows, columns, params.block_size);
  if (masks[1] || masks[2]) {
    in[n] = fitting_mask(masks[1], a, rows, inner, params.block_size);
    in[n + 1] = fitting_mask(masks[2], b, inner, columns, params.block_size);
    alike(&in[n], &in[n + 1]);
    n += 2;
  }
  return node_make(&prim_block_masked_mm, &params, n, in);
}
