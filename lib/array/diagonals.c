/* diagonals.c: diagonals read and written: diagonal, diag, trace. */
#include "operands.h"

/* The axis pair goes to the end, and one element per place along the diagonal is gathered from it. */
pons_array pons_diagonal(pons_array x, int offset, int axis1, int axis2) {
  pons_array bad = fault_of("diagonal", x);
  int rows, columns;
  if (!bad && pons_ndim(x) < 2) bad = pons_fail("diagonal", "needs at least two axes, not %d", pons_ndim(x));
  if (!bad) bad = axis_fault("diagonal", x, axis1, &rows);
  if (!bad) bad = axis_fault("diagonal", x, axis2, &columns);
  if (!bad && rows == columns) bad = pons_fail("diagonal", "axes %d and %d are one", axis1, axis2);
  if (bad) return bad;
  const int n = pons_ndim(x);
  int order[PONS_MAX_NDIM], at = 0;
  int64_t sizes[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++)
    if (i != rows && i != columns) sizes[at] = pons_dim(x, i), order[at++] = i;
  order[n - 2] = rows, order[n - 1] = columns;
  const int64_t first_row = offset < 0 ? -(int64_t)offset : 0, first_column = offset > 0 ? offset : 0;
  const int64_t left = pons_dim(x, rows) - first_row, right = pons_dim(x, columns) - first_column;
  const int64_t count = left < right ? left : right;
  if (count <= 0) {
    sizes[n - 2] = 0;
    return pons_zeros((pons_shape){n - 1, sizes}, pons_dtype_of(x));
  }
  sizes[n - 2] = sizes[n - 1] = 1;
  const pons_array places[2] = {
      pons_arange((double)first_row, (double)(first_row + count), 1, PONS_INT32),
      pons_arange((double)first_column, (double)(first_column + count), 1, PONS_INT32)};
  pons_array y = pons_gather(pons_transpose(x, .axes = {n, order}), places, PONS_AXES(n - 2, n - 1),
                             (pons_shape){n, sizes});
  return pons_moveaxis(pons_squeeze(y, PONS_AXES(-1, -2)), 0, -1);
}

/* A vector written on the k-th diagonal: beside it, as long as the matrix, it fills rows (or columns), of
   which the diagonal stays. */
static pons_array written(pons_array x, int k) {
  const int64_t beyond = k < 0 ? -(int64_t)k : k, n = pons_size(x) + beyond;
  pons_array line = pons_pad(x, PONS_SHAPE(0), PONS_SHAPE(beyond), NULL);
  if (k > 0) line = pons_expand_dims(line, PONS_AXES(1));
  return pons_where(pons_eye(n, n, k, PONS_BOOL), line, pons_scalar(0, pons_dtype_of(x)));
}

pons_array pons_diag(pons_array x, int k) {
  pons_array bad = fault_of("diag", x);
  if (bad) return bad;
  if (pons_ndim(x) == 2) return pons_diagonal(x, k, 0, 1);
  if (pons_ndim(x) == 1) return written(x, k);
  return pons_fail("diag", "needs one or two axes, not %d", pons_ndim(x));
}

pons_array pons_trace_with(struct pons_trace_args args) {
  const bool default_axes = args.axis1 == 0 && args.axis2 == 0;
  pons_array y = pons_diagonal(args.x, args.offset, args.axis1, default_axes ? 1 : args.axis2);
  if (args.dtype.given) y = pons_astype(y, args.dtype.dtype);
  return pons_sum(y, .axes = PONS_AXES(-1));
}
