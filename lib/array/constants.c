/* constants.c: arrays that follow from a formula: linspace, eye, triangles. */
#include "dtypes.h"
#include "operands.h"

/* Between the ends as MLX does, in float32 but for float64: (1 - t) start + t stop. */
pons_array pons_linspace_with(struct pons_linspace_args args) {
  const int64_t count = args.count;
  if (count < 0) return pons_fail("linspace", "%lld values", (long long)count);
  const int64_t steps = args.exclude_stop ? count : count - 1;
  const pons_dtype lane = args.dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32;
  pons_array first = pons_scalar(args.start, lane), last = pons_scalar(args.stop, lane);
  if (count == 1) return pons_astype(pons_reshape(first, PONS_SHAPE(1)), args.dtype);
  pons_array t = pons_divide(pons_arange(0, (double)count, 1, lane), pons_scalar((double)steps, lane));
  pons_array rest = pons_subtract(pons_scalar(1, lane), t);
  return pons_astype(pons_add(pons_multiply(rest, first), pons_multiply(t, last)), args.dtype);
}

/* Row and column numbers (n, 1) and (1, m); the k-th diagonal is where they are equal. One beyond the corners is as
   good as any further out. */
static bool numbers(const char *op, int64_t n, int64_t m, int64_t k, pons_array *rows, pons_array *columns) {
  if (n < 0 || m < 0) {
    *rows = pons_fail(op, "%lld rows and %lld columns", (long long)n, (long long)m);
    return false;
  }
  if (k < -n) k = -n;
  if (k > m) k = m;
  *rows = pons_expand_dims(pons_arange(0, (double)n, 1, PONS_INT32), PONS_AXES(1));
  *columns = pons_expand_dims(pons_arange((double)-k, (double)m - (double)k, 1, PONS_INT32), PONS_AXES(0));
  return true;
}

pons_array pons_eye(int64_t n, int64_t m, int k, pons_dtype dtype) {
  pons_array rows, columns;
  return numbers("eye", n, m, k, &rows, &columns) ? pons_astype(pons_equal(rows, columns), dtype) : rows;
}

pons_array pons_identity(int64_t n, pons_dtype dtype) { return pons_eye(n, n, 0, dtype); }

static pons_array triangle(const char *op, int64_t n, int64_t m, int64_t k) {
  pons_array rows, columns;
  return numbers(op, n, m, k, &rows, &columns) ? pons_greater_equal(rows, columns) : rows;
}

pons_array pons_tri(int64_t n, int64_t m, int k, pons_dtype dtype) {
  return pons_astype(triangle("tri", n, m, k), dtype);
}

/* Where the lower triangle's truth is `lower`, x stays. */
static pons_array part(const char *op, pons_array x, int64_t k, bool lower) {
  if (x && !pons_error_of(x) && pons_ndim(x) < 2)
    return pons_fail(op, "needs at least 2 axes, not %d", pons_ndim(x));
  pons_array within =
      triangle(op, pons_dim(x, -2) < 0 ? 0 : pons_dim(x, -2), pons_dim(x, -1) < 0 ? 0 : pons_dim(x, -1), k);
  pons_array zero = like(0, x);
  return lower ? pons_where(within, x, zero) : pons_where(within, zero, x);
}

pons_array pons_tril(pons_array x, int k) { return part("tril", x, k, true); }
pons_array pons_triu(pons_array x, int k) { return part("triu", x, (int64_t)k - 1, false); }
