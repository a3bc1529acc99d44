/* gather_mm.c: GatherMM, products of matrices chosen by number, and what ops with such numbers share.

   Matrices are counted through all leading axes of their array. An index is of any integer dtype and may count from the
   end; that it is in range is seen when it is used. Uses graph/. */
#include "ops/ops.h"

/* ---- matrices by number ---- */

error *matrix_indices_check(const char *op, const node *lhs, const node *rhs, shape *places) {
  if (!dtype_is_integer(dtype_of(lhs)) || !dtype_is_integer(dtype_of(rhs)))
    return fail(op, "indices must be integers: %s and %s", node_text(lhs), node_text(rhs));
  if (!shape_equal(lhs->ndim, lhs->shape, rhs->ndim, rhs->shape))
    return fail(op, "indices differ in shape: %s and %s", node_text(lhs), node_text(rhs));
  *places = node_shape(lhs);
  return NULL;
}

/* 0, 1, ... in the shape of x's leading axes. */
static pons_array all_matrices(const node *x) {
  const int n = x->ndim - 2;
  const int64_t count = shape_size(n, x->shape);
  return pons_reshape(pons_arange(0, (double)count, 1, PONS_UINT32), (pons_shape){n, x->shape});
}

error *matrix_indices(const char *op, const node *a, const node *b, pons_array *lhs, pons_array *rhs) {
  if (!*lhs) *lhs = all_matrices(a);
  if (!*rhs) *rhs = all_matrices(b);
  shape s;
  if (!shape_broadcast((*lhs)->ndim, (*lhs)->shape, (*rhs)->ndim, (*rhs)->shape, &s))
    return fail(op, "indices do not broadcast: %s and %s", node_text(*lhs), node_text(*rhs));
  *lhs = as_shape(*lhs, s.n, s.dims);
  *rhs = as_shape(*rhs, s.n, s.dims);
  return NULL;
}

pons_array matrices_in_row(pons_array x) {
  if (node_failed(x) || x->ndim == 3) return x;
  const int64_t *matrix = x->shape + x->ndim - 2;
  return pons_reshape(x, PONS_SHAPE(shape_size(x->ndim - 2, x->shape), matrix[0], matrix[1]));
}

pons_array take_matrices(pons_array x, pons_array indices) { return pons_take(matrices_in_row(x), indices, 0); }

pons_array add_matrices(const node *x, pons_array indices, pons_array updates) {
  const int64_t *matrix = x->shape + x->ndim - 2;
  pons_array zeros = pons_zeros(PONS_SHAPE(shape_size(x->ndim - 2, x->shape), matrix[0], matrix[1]), dtype_of(x));
  pons_array sums = pons_scatter(zeros, &indices, pons_expand_dims(updates, PONS_AXES(-3)), PONS_AXES(0),
                                 PONS_SCATTER_SUM);
  return pons_reshape(sums, (pons_shape){x->ndim, x->shape});
}

void batch_matrices(const vmap_call *c, int x, int n, int at, pons_array *in) {
  bool batched = false;
  for (int i = x; i < x + n; i++) batched |= c->axes[i] >= 0;
  for (int i = x; i < x + n; i++) in[i] = batched ? batch_first(c, i) : c->in[i];
  in[at] = batch_first(c, at);
  if (!batched || node_failed(in[at])) return;
  const shape slice = batch_slice_shape(c, x);
  const int64_t each = shape_size(slice.n - 2, slice.dims);
  int64_t dims[PONS_MAX_NDIM + 1] = {c->size};
  for (int i = 1; i < in[at]->ndim; i++) dims[i] = 1;
  pons_array index = as_dtype(in[at], PONS_INT64), count = pons_scalar((double)each, PONS_INT64);
  index = pons_where(pons_less(index, pons_scalar(0, PONS_INT64)), pons_add(index, count), index);
  pons_array first = pons_multiply(pons_arange(0, (double)c->size, 1, PONS_INT64), count);
  in[at] = pons_add(index, pons_reshape(first, (pons_shape){in[at]->ndim, dims}));
}

/* ---- GatherMM ---- */

static error *gather_mm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  const char *op = "gather_mm";
  shape s;
  error *e = check_count(op, n_in, 4);
  if (!e) e = matrix_indices_check(op, in[2], in[3], &s);
  if (e) return e;
  const node *a = in[0], *b = in[1];
  if (a->ndim < 2 || b->ndim < 2) return fail(op, "matrices are needed: %s and %s", node_text(a), node_text(b));
  if (a->dtype != b->dtype || dtype_kind_of(dtype_of(a)) != KIND_FLOAT)
    return fail(op, "operands must be of one float dtype: %s and %s", node_text(a), node_text(b));
  if (a->shape[a->ndim - 1] != b->shape[b->ndim - 2])
    return fail(op, "inner dimensions differ: %s and %s", node_text(a), node_text(b));
  if (s.n + 2 > PONS_MAX_NDIM) return fail(op, "the result would have more than %d axes", PONS_MAX_NDIM);
  s.dims[s.n++] = a->shape[a->ndim - 2];
  s.dims[s.n++] = b->shape[b->ndim - 1];
  return spec_set(op, out, dtype_of(a), s.n, s.dims);
}

static pons_array transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

static pons_array gathered_product(pons_array a, pons_array b, pons_array lhs, pons_array rhs) {
  const gather_mm_params params = {false, false};
  return node_make(&prim_gather_mm, &params, 4, (pons_array[]){a, b, lhs, rhs});
}

/* The cotangents by number: they lie as the indices do. */
static void gather_mm_vjp(const vjp_call *c) {
  const pons_array a = c->in[0], b = c->in[1], lhs = c->in[2], rhs = c->in[3], ct = c->cotangents[0];
  pons_array number = all_matrices(ct);
  if (c->wanted[0]) c->grads[0] = add_matrices(a, lhs, gathered_product(ct, transposed(b), number, rhs));
  if (c->wanted[1]) c->grads[1] = add_matrices(b, rhs, gathered_product(transposed(a), ct, lhs, number));
}

static void gather_mm_jvp(const jvp_call *c) {
  const pons_array *in = c->in, *t = c->tangents;
  pons_array left = t[0] ? gathered_product(t[0], in[1], in[2], in[3]) : NULL;
  pons_array right = t[1] ? gathered_product(in[0], t[1], in[2], in[3]) : NULL;
  c->out_tangents[0] = !left ? right : !right ? left : pons_add(left, right);
}

static void gather_mm_vmap(const vmap_call *c) {
  pons_array in[4];
  batch_matrices(c, 0, 1, 2, in);
  batch_matrices(c, 1, 1, 3, in);
  c->out[0] = gathered_product(in[0], in[1], in[2], in[3]);
  c->out_axes[0] = 0;
}

static void gather_mm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = pons_matmul(take_matrices(in[0], in[2]), take_matrices(in[1], in[3]));
}

const prim prim_gather_mm = {
    .name = "GatherMM",
    .params_size = sizeof(gather_mm_params),
    .fields = {FIELD(BOOL, gather_mm_params, left_sorted), FIELD(BOOL, gather_mm_params, right_sorted)},
    .infer = gather_mm_infer,
    .vjp = gather_mm_vjp,
    .jvp = gather_mm_jvp,
    .vmap = gather_mm_vmap,
    .decompose = gather_mm_decompose};

pons_array pons_gather_mm_with(struct pons_gather_mm_args args) {
  const char *op = "gather_mm";
  pons_array a = args.a, b = args.b, lhs = args.lhs_indices, rhs = args.rhs_indices;
  pons_array bad = operand_fault(op, 2, (pons_array[]){a, b});
  if (!bad && lhs) bad = operand_fault(op, 1, &lhs);
  if (!bad && rhs) bad = operand_fault(op, 1, &rhs);
  if (bad) return bad;
  if (!lhs && !rhs) return pons_matmul(a, b);
  if (!a->ndim || !b->ndim) return node_fail(op, "matrices are needed: %s and %s", node_text(a), node_text(b));
  const pons_dtype dtype = pons_promote(dtype_of(a), dtype_of(b));
  const bool row = a->ndim == 1, column = b->ndim == 1;
  if (row) a = pons_expand_dims(a, PONS_AXES(0));
  if (column) b = pons_expand_dims(b, PONS_AXES(1));
  a = as_dtype(a, dtype), b = as_dtype(b, dtype);
  bad = operand_fault(op, 2, (pons_array[]){a, b});
  if (bad) return bad;
  const gather_mm_params params = {args.sorted_indices && !rhs, args.sorted_indices && !lhs};
  error *e = matrix_indices(op, a, b, &lhs, &rhs);
  if (e) return node_error(e);
  pons_array y = node_make(&prim_gather_mm, &params, 4, (pons_array[]){a, b, lhs, rhs});
  if (node_failed(y) || (!row && !column)) return y;
  if (row && column) return pons_squeeze(y, PONS_AXES(-2, -1));
  return row ? pons_squeeze(y, PONS_AXES(-2)) : pons_squeeze(y, PONS_AXES(-1));
}
