/* products.c: inner and outer products. */
#include <pons/ops.h>

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
