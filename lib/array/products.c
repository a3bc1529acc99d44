/* products.c: products made of matmul and multiply: inner, outer, tensordot, vecdot, kron. */
#include "operands.h"

/* Sum over the last axes of both: a's leading axes, then b's. */
pons_array pons_inner(pons_array a, pons_array b) {
  const int n = pons_ndim(a), m = pons_ndim(b);
  if (n == 0 || m == 0) return pons_multiply(a, b);
  const int64_t k = pons_dim(a, -1);
  if (k != pons_dim(b, -1))
    return pons_fail("inner", "last axes differ: %lld and %lld", (long long)k, (long long)pons_dim(b, -1));
  if (n + m - 2 > PONS_MAX_NDIM) return pons_fail("inner", "the result would have %d axes", n + m - 2);
  int64_t dims[2 * PONS_MAX_NDIM], rows = 1, columns = 1;
  int at = 0;
  for (int i = 0; i + 1 < n; i++) rows *= dims[at++] = pons_dim(a, i);
  for (int i = 0; i + 1 < m; i++) columns *= dims[at++] = pons_dim(b, i);
  pons_array right = pons_transpose(pons_reshape(b, PONS_SHAPE(columns, k)));
  return pons_reshape(pons_matmul(pons_reshape(a, PONS_SHAPE(rows, k)), right), (pons_shape){at, dims});
}

pons_array pons_outer(pons_array a, pons_array b) {
  return pons_multiply(pons_reshape(a, PONS_SHAPE(pons_size(a), 1)),
                       pons_reshape(b, PONS_SHAPE(pons_size(b))));
}

/* ---- tensordot: contracted axes go last in a and first in b, then both are matrices ---- */

/* x's axes in the order `first`, then `second`, as a matrix. */
static pons_array as_matrix(pons_array x, const int *first, int n_first, const int *second, int n_second) {
  int order[PONS_MAX_NDIM], n = 0;
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < n_first; i++) rows *= pons_dim(x, first[i]), order[n++] = first[i];
  for (int i = 0; i < n_second; i++) columns *= pons_dim(x, second[i]), order[n++] = second[i];
  return pons_reshape(pons_transpose(x, .axes = {n, order}), PONS_SHAPE(rows, columns));
}

/* The contracted axes as 0 .. ndim - 1, and the others, *n_rest of them. */
static pons_array sort_out(pons_array x, pons_axes axes, int *over, int *rest, int *n_rest) {
  bool taken[PONS_MAX_NDIM] = {false};
  for (int i = 0; i < axes.count; i++) {
    pons_array bad = axis_fault("tensordot", x, axes.at[i], &over[i]);
    if (!bad && taken[over[i]]) bad = pons_fail("tensordot", "axis %d is given twice", axes.at[i]);
    if (bad) return bad;
    taken[over[i]] = true;
  }
  *n_rest = 0;
  for (int i = 0; i < pons_ndim(x); i++)
    if (!taken[i]) rest[(*n_rest)++] = i;
  return NULL;
}

pons_array pons_tensordot_axes(pons_array a, pons_array b, pons_axes a_axes, pons_axes b_axes) {
  const char *op = "tensordot";
  const int count = a_axes.count;
  pons_array bad = fault_among(op, (pons_array[]){a, b}, 2);
  if (!bad && (count != b_axes.count || count < 0 || count > PONS_MAX_NDIM))
    bad = pons_fail(op, "%d axes of one array and %d of the other", count, b_axes.count);
  int over_a[PONS_MAX_NDIM], over_b[PONS_MAX_NDIM], rest_a[PONS_MAX_NDIM], rest_b[PONS_MAX_NDIM], n_a, n_b;
  if (!bad) bad = sort_out(a, a_axes, over_a, rest_a, &n_a);
  if (!bad) bad = sort_out(b, b_axes, over_b, rest_b, &n_b);
  for (int i = 0; !bad && i < count; i++)
    if (pons_dim(a, over_a[i]) != pons_dim(b, over_b[i]))
      bad = pons_fail(op, "axis %d of size %lld and axis %d of size %lld", over_a[i],
                      (long long)pons_dim(a, over_a[i]), over_b[i], (long long)pons_dim(b, over_b[i]));
  if (!bad && n_a + n_b > PONS_MAX_NDIM) bad = pons_fail(op, "the result would have %d axes", n_a + n_b);
  if (bad) return bad;
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < n_a; i++) dims[i] = pons_dim(a, rest_a[i]);
  for (int i = 0; i < n_b; i++) dims[n_a + i] = pons_dim(b, rest_b[i]);
  pons_array y =
      pons_matmul(as_matrix(a, rest_a, n_a, over_a, count), as_matrix(b, over_b, count, rest_b, n_b));
  return pons_reshape(y, (pons_shape){n_a + n_b, dims});
}

pons_array pons_tensordot(pons_array a, pons_array b, int axes) {
  pons_array bad = fault_among("tensordot", (pons_array[]){a, b}, 2);
  if (bad) return bad;
  if (axes < 0 || axes > pons_ndim(a) || axes > pons_ndim(b))
    return pons_fail("tensordot", "%d axes of arrays that have %d and %d", axes, pons_ndim(a), pons_ndim(b));
  int last[PONS_MAX_NDIM], first[PONS_MAX_NDIM];
  for (int i = 0; i < axes; i++) first[i] = i, last[i] = pons_ndim(a) - axes + i;
  return pons_tensordot_axes(a, b, (pons_axes){axes, last}, (pons_axes){axes, first});
}

/* ---- vecdot, kron ---- */

pons_array pons_vecdot(pons_array a, pons_array b, int axis) {
  int at;
  pons_array bad = fault_among("vecdot", (pons_array[]){a, b}, 2);
  if (!bad) bad = axis_fault("vecdot", a, axis, &at);
  if (!bad) bad = axis_fault("vecdot", b, axis, &(int){0});
  if (!bad && axis < 0 && pons_ndim(a) != pons_ndim(b))
    bad = pons_fail("vecdot", "axis %d is not one place in arrays of %d and %d axes", axis, pons_ndim(a),
                    pons_ndim(b));
  if (!bad && pons_dim(a, at) != pons_dim(b, at))
    bad = pons_fail("vecdot", "axis %d has sizes %lld and %lld", axis, (long long)pons_dim(a, at),
                    (long long)pons_dim(b, at));
  if (bad) return bad;
  return pons_sum(pons_multiply(pons_conjugate(a), b), .axes = PONS_AXES(at));
}

/* Each axis of the result is a's and b's together, a's the outer one. */
pons_array pons_kron(pons_array a, pons_array b) {
  pons_array bad = fault_among("kron", (pons_array[]){a, b}, 2);
  if (bad) return bad;
  const int n = pons_ndim(a) > pons_ndim(b) ? pons_ndim(a) : pons_ndim(b);
  if (2 * n > PONS_MAX_NDIM) return pons_fail("kron", "arrays of %d axes are too deep", n);
  if (pons_size(a) == 0 || pons_size(b) == 0) return pons_fail("kron", "an array is empty");
  int64_t outer[PONS_MAX_NDIM], inner[PONS_MAX_NDIM], dims[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) {
    const int a_at = i - n + pons_ndim(a), b_at = i - n + pons_ndim(b);
    outer[2 * i] = a_at < 0 ? 1 : pons_dim(a, a_at), outer[2 * i + 1] = 1;
    inner[2 * i] = 1, inner[2 * i + 1] = b_at < 0 ? 1 : pons_dim(b, b_at);
    dims[i] = outer[2 * i] * inner[2 * i + 1];
  }
  pons_array y =
      pons_multiply(pons_reshape(a, (pons_shape){2 * n, outer}), pons_reshape(b, (pons_shape){2 * n, inner}));
  return pons_reshape(y, (pons_shape){n, dims});
}
