/* equations.c: linear equations, pseudo-inverses and determinants, made of factorizations. */
#include "dtypes.h"
#include "operands.h"
#include <pons/linalg.h>
#include <pons/transforms.h>
#include <float.h>

/* Conjugate, if complex. */
static pons_array transposed(pons_array x) {
  return pons_swapaxes(is_complex_dtype(pons_dtype_of(x)) ? pons_conjugate(x) : x, -1, -2);
}

static bool is_square(pons_array x) { return pons_ndim(x) >= 2 && pons_dim(x, -1) == pons_dim(x, -2); }

/* ---- equations ---- */

/* Promotes both, makes a matrix of a vector b. NULL, or why they are no equation. */
static pons_array equation(const char *op, pons_array *a, pons_array *b) {
  pons_array bad = fault_among(op, (pons_array[]){*a, *b}, 2);
  if (bad) return bad;
  const pons_dtype dtype = pons_promote(pons_dtype_of(*a), pons_dtype_of(*b));
  if (dtype != PONS_FLOAT32 && dtype != PONS_FLOAT64 && !is_complex_dtype(dtype))
    return pons_fail(op, "operands must promote to float32, float64, complex64 or complex128, not %s and %s",
                     pons_dtype_name(pons_dtype_of(*a)), pons_dtype_name(pons_dtype_of(*b)));
  if (!is_square(*a))
    return pons_fail(op,
                     "the first operand must be square matrices; it has %d axes, the last ones %lld by %lld",
                     pons_ndim(*a), (long long)pons_dim(*a, -2), (long long)pons_dim(*a, -1));
  if (pons_ndim(*b) < 1) return pons_fail(op, "the second operand needs at least 1 axis");
  const int64_t n = pons_dim(*a, -1), m = pons_dim(*b, pons_ndim(*b) == 1 ? -1 : -2);
  if (n != m) return pons_fail(op, "%lld equations, but %lld right-hand sides", (long long)n, (long long)m);
  *a = pons_astype(*a, dtype);
  *b = pons_astype(*b, dtype);
  if (pons_ndim(*b) == 1) *b = pons_expand_dims(*b, PONS_AXES(-1));
  return NULL;
}

/* The rows of b in the order in which L U has them; leading axes broadcast. */
static pons_array reordered(pons_array b, pons_array rows) {
  pons_array order = pons_expand_dims(pons_argsort(rows, -1), PONS_AXES(-1));
  const int n = pons_ndim(b) > pons_ndim(order) ? pons_ndim(b) : pons_ndim(order);
  int64_t dims[2][PONS_MAX_NDIM];
  pons_array both[2] = {b, order};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < n; i++) {
      const int own = i - (n - pons_ndim(both[k])), other = i - (n - pons_ndim(both[1 - k]));
      dims[k][i] = own >= 0 ? pons_dim(both[k], own) : 1;
      if (i < n - 2 && dims[k][i] == 1 && other >= 0) dims[k][i] = pons_dim(both[1 - k], other);
    }
  for (int k = 0; k < 2; k++) both[k] = pons_broadcast_to(both[k], (pons_shape){n, dims[k]});
  return pons_take_along_axis(both[0], both[1], -2);
}

pons_array pons_linalg_solve(pons_array a, pons_array b) {
  const bool vector = b && pons_ndim(b) == 1;
  pons_array bad = equation("linalg_solve", &a, &b), lu[3];
  if (bad) return bad;
  pons_linalg_lu(a, lu);
  pons_array y = pons_linalg_solve_triangular(lu[1], reordered(b, lu[0]), false);
  pons_array x = pons_linalg_solve_triangular(lu[2], y, true);
  return vector ? pons_squeeze(x, PONS_AXES(-1)) : x;
}

pons_array pons_linalg_cholesky_inv(pons_array a, bool upper) {
  pons_array inverse = pons_linalg_tri_inv(a, upper);
  if (pons_error_of(inverse)) return inverse;
  return upper ? pons_matmul(inverse, transposed(inverse)) : pons_matmul(transposed(inverse), inverse);
}

/* ---- the Moore-Penrose inverse ---- */

static void pseudo_inverse(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  const int64_t m = pons_dim(in[0], -2), n = pons_dim(in[0], -1), k = m < n ? m : n;
  pons_array usv[3];
  pons_linalg_svd(in[0], true, usv);
  const double eps = pons_dtype_of(in[0]) == PONS_FLOAT64 ? DBL_EPSILON : (double)FLT_EPSILON;
  pons_array first = pons_arange(0, (double)k, 1, PONS_INT32);
  pons_array u = pons_take(usv[0], first, -1), v = transposed(pons_take(usv[2], first, -2)), s = usv[1];
  pons_array most = pons_max(s, .axes = PONS_AXES(-1), .keepdims = true);
  pons_array counts = pons_greater(s, pons_multiply(most, like(10 * (double)(m > n ? m : n) * eps, s)));
  pons_array inverse = pons_where(counts, pons_reciprocal(pons_where(counts, s, like(1, s))), like(0, s));
  out[0] = pons_matmul(pons_multiply(v, pons_expand_dims(inverse, PONS_AXES(-2))), transposed(u));
}

/* dX = -X dA X + X X^T dA^T (I - A X) + (I - X A) dA^T X^T X, where the rank does not change (Golub and
   Pereyra 1973). in: A, X, and the cotangent G. */
static void pseudo_inverse_vjp(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array a = in[0], x = in[1], xt = transposed(x), gt = transposed(in[2]);
  pons_array direct = pons_matmul(pons_matmul(xt, in[2]), xt);
  pons_array right = pons_matmul(gt, pons_matmul(x, xt)), left = pons_matmul(pons_matmul(xt, x), gt);
  pons_array beside = pons_subtract(right, pons_matmul(a, pons_matmul(x, right)));
  pons_array below = pons_subtract(left, pons_matmul(pons_matmul(left, x), a));
  out[0] = pons_subtract(pons_add(beside, below), direct);
}

pons_array pons_linalg_pinv(pons_array a) {
  pons_array usv[1];
  pons_linalg_svd(a, false, usv); /* its checks */
  if (pons_error_of(usv[0])) return usv[0];
  if (pons_dim(usv[0], -1) == 0)
    return pons_broadcast_to(pons_scalar(0, pons_dtype_of(a)), pons_shape_of(transposed(a)));
  pons_function f = pons_function_new(pseudo_inverse, 1, NULL, NULL);
  pons_function vjp = pons_function_new(pseudo_inverse_vjp, 1, NULL, NULL);
  pons_function custom = f && vjp ? pons_custom_function(f, (struct pons_custom_rules){.vjp = vjp}) : NULL;
  pons_array x = pons_apply(custom, a);
  pons_function_release(custom);
  pons_function_release(vjp);
  pons_function_release(f);
  return x;
}

/* ---- determinants ---- */

static bool is_factored_as_it_is(pons_dtype d) { return d == PONS_FLOAT64 || is_complex_dtype(d); }

/* U's diagonal (..., n) and 1 or -1 (...), the sign of the exchanges of rows. Narrow floats and integers are
   widened. NULL, or an error. */
static pons_array triangle_of(const char *op, pons_array a, pons_array *diagonal, pons_array *sign) {
  pons_array bad = fault_of(op, a);
  if (bad) return bad;
  if (!is_square(a))
    return pons_fail(op, "needs square matrices; the operand has %d axes, the last ones %lld by %lld",
                     pons_ndim(a), (long long)pons_dim(a, -2), (long long)pons_dim(a, -1));
  const int64_t n = pons_dim(a, -1);
  pons_array lu[2];
  pons_linalg_lu_factor(is_factored_as_it_is(pons_dtype_of(a)) ? a : pons_astype(a, PONS_FLOAT32), lu);
  if (pons_error_of(lu[0])) return lu[0];
  *diagonal = pons_diagonal(lu[0], 0, -2, -1);
  pons_array exchanged = pons_not_equal(lu[1], pons_arange(0, (double)n, 1, PONS_UINT32));
  *sign = pons_prod(pons_where(exchanged, like(-1, lu[0]), like(1, lu[0])), .axes = PONS_AXES(-1));
  return NULL;
}

static pons_dtype result_dtype(pons_array a) { return at_least_float(pons_dtype_of(a)); }

pons_array pons_linalg_det(pons_array a) {
  pons_array diagonal = NULL, sign = NULL, bad = triangle_of("linalg_det", a, &diagonal, &sign);
  if (bad) return bad;
  return pons_astype(pons_multiply(sign, pons_prod(diagonal, .axes = PONS_AXES(-1))), result_dtype(a));
}

void pons_linalg_slogdet(pons_array a, pons_array out[2]) {
  pons_array diagonal = NULL, sign = NULL, bad = triangle_of("linalg_slogdet", a, &diagonal, &sign);
  if (bad) {
    out[0] = out[1] = bad;
    return;
  }
  pons_array signs = pons_prod(pons_sign(diagonal), .axes = PONS_AXES(-1));
  out[0] = pons_astype(pons_multiply(sign, signs), result_dtype(a));
  pons_array logarithm = pons_sum(pons_log(pons_abs(diagonal)), .axes = PONS_AXES(-1));
  out[1] = is_complex_dtype(pons_dtype_of(a)) ? logarithm : pons_astype(logarithm, result_dtype(a));
}
