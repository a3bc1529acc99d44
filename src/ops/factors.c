/* factors.c: what the factorizations of linear algebra share: their checks, and the small steps of which
   their derivatives are made. Uses graph/. */
#include "ops/ops.h"

error *factor_check(const char *op, int n_in, const pons_array *in, bool square, bool complex) {
  error *e = check_count(op, n_in, 1);
  if (e) return e;
  const node *a = in[0];
  const bool fits =
      a->dtype == PONS_FLOAT32 || a->dtype == PONS_FLOAT64 || (complex && dtype_is_complex(dtype_of(a)));
  if (!fits)
    return fail(op, "takes float32%s float64%s, not %s", complex ? "," : " and",
                complex ? ", complex64 and complex128" : "", node_text(a));
  if (a->ndim < 2) return fail(op, "needs at least 2 axes, not %s", node_text(a));
  if (square && a->shape[a->ndim - 1] != a->shape[a->ndim - 2])
    return fail(op, "needs square matrices, not %s", node_text(a));
  return NULL;
}

void factor_vmap(const vmap_call *c) { batch_apply(c, c->params); }

pons_array matrix_transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

pons_array matrix_adjoint(pons_array x) {
  return matrix_transposed(dtype_is_complex(dtype_of(x)) ? pons_conjugate(x) : x);
}

pons_array matrix_hermitian(pons_array x) {
  return pons_multiply(pons_add(x, matrix_adjoint(x)),
                       pons_scalar(0.5, x->dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32));
}

pons_array matrix_part(pons_array x, int64_t row, int64_t rows_end, int64_t column, int64_t columns_end) {
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  const int n = x->ndim;
  if (n < 2) return x; /* it carries an error */
  memcpy(stop, x->shape, (size_t)n * sizeof *stop);
  start[n - 2] = row, stop[n - 2] = rows_end;
  start[n - 1] = column, stop[n - 1] = columns_end;
  return pons_slice(x, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
}

pons_array matrix_join(pons_array a, pons_array b, int axis) {
  return pons_concatenate((pons_array[]){a, b}, 2, axis);
}

pons_array matrix_diagonal(pons_array x) { return pons_diagonal(x, 0, -2, -1); }

pons_array matrix_from_diagonal(pons_array x, int64_t m, int64_t n) {
  if (x->ndim < 1) return x;
  const int64_t k = x->shape[x->ndim - 1];
  int64_t low[PONS_MAX_NDIM + 1] = {0}, high[PONS_MAX_NDIM + 1] = {0};
  pons_array rows = pons_expand_dims(x, PONS_AXES(-2));
  pons_array square = pons_where(pons_eye(k, k, 0, PONS_BOOL), rows, constant_like(0, x));
  if (m == k && n == k) return square;
  high[x->ndim - 1] = m - k;
  high[x->ndim] = n - k;
  return pons_pad(square, (pons_shape){x->ndim + 1, low}, (pons_shape){x->ndim + 1, high}, NULL);
}

pons_array matrix_gaps(pons_array values, int64_t rank) {
  if (values->ndim < 1) return values;
  const int64_t n = values->shape[values->ndim - 1];
  pons_array differences =
      pons_subtract(pons_expand_dims(values, PONS_AXES(-2)), pons_expand_dims(values, PONS_AXES(-1)));
  pons_array free =
      pons_greater_equal(pons_arange(0, (double)n, 1, PONS_INT32), pons_scalar((double)rank, PONS_INT32));
  pons_array both =
      pons_logical_and(pons_expand_dims(free, PONS_AXES(-2)), pons_expand_dims(free, PONS_AXES(-1)));
  pons_array none = pons_logical_or(pons_eye(n, n, 0, PONS_BOOL), both);
  pons_array one = constant_like(1, values), zero = constant_like(0, values);
  return pons_where(none, zero, pons_divide(one, pons_where(none, one, differences)));
}

pons_array matrix_product3(pons_array a, pons_array b, pons_array c) {
  return pons_matmul(pons_matmul(a, b), c);
}
