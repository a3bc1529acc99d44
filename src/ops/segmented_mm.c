/* segmented_mm.c: SegmentedMM, one product for each segment of the inner dimension. Uses graph/. */
#include "ops/ops.h"

static error *segmented_mm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  const char *op = "segmented_mm";
  error *e = check_count(op, n_in, 3);
  if (e) return e;
  const node *a = in[0], *b = in[1], *segments = in[2];
  if (a->ndim != 2 || b->ndim != 2)
    return fail(op, "operands must be matrices: %s and %s", node_text(a), node_text(b));
  if (a->dtype != b->dtype || dtype_kind_of(dtype_of(a)) != KIND_FLOAT)
    return fail(op, "operands must be of one float dtype: %s and %s", node_text(a), node_text(b));
  if (a->shape[1] != b->shape[0])
    return fail(op, "inner dimensions differ: %s and %s", node_text(a), node_text(b));
  if (!dtype_is_integer(dtype_of(segments)) || segments->ndim < 1 || segments->shape[segments->ndim - 1] != 2)
    return fail(op, "segments must be pairs of integers (..., 2), not %s", node_text(segments));
  shape s = node_shape(segments);
  if (s.n + 1 > PONS_MAX_NDIM) return fail(op, "the result would have more than %d axes", PONS_MAX_NDIM);
  s.dims[s.n - 1] = a->shape[0];
  s.dims[s.n++] = b->shape[1];
  return spec_set(op, out, dtype_of(a), s.n, s.dims);
}

/* What lies outside a segment is zero in its copy of a: (..., M, K) times b. */
static void segmented_mm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  const pons_array a = in[0], b = in[1], segments = in[2];
  pons_array places = pons_arange(0, (double)a->shape[1], 1, PONS_INT64);
  pons_array from = pons_index(segments, 0, -1), to = pons_index(segments, 1, -1);
  from = pons_expand_dims(as_dtype(from, PONS_INT64), PONS_AXES(-2, -1));
  to = pons_expand_dims(as_dtype(to, PONS_INT64), PONS_AXES(-2, -1));
  pons_array inside = pons_logical_and(pons_greater_equal(places, from), pons_less(places, to));
  out[0] = pons_matmul(pons_where(inside, a, constant_like(0, a)), b);
}

const prim prim_segmented_mm = {
    .name = "SegmentedMM", .infer = segmented_mm_infer, .decompose = segmented_mm_decompose};

pons_array pons_segmented_mm(pons_array a, pons_array b, pons_array segments) {
  pons_array in[3] = {a, b, segments}, bad = operand_fault("segmented_mm", 3, in);
  if (bad) return bad;
  const pons_dtype dtype = pons_promote(dtype_of(a), dtype_of(b));
  in[0] = as_dtype(a, dtype), in[1] = as_dtype(b, dtype);
  return node_make(&prim_segmented_mm, NULL, 3, in);
}
