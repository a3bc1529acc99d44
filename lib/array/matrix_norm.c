/* matrix_norm.c: norms of vectors and matrices. */
#include "dtypes.h"
#include "operands.h"
#include <pons/linalg.h>
#include <math.h>

enum { MOST_AXES = 2 };

/* Which axes, from 0, the first two into out. NULL, or an error. */
static pons_array axes_of(pons_array x, pons_axes axes, int *out, int *count) {
  *count = axes.at ? axes.count : pons_ndim(x);
  for (int i = 0; i < *count && i < MOST_AXES; i++) {
    pons_array bad = axis_fault("linalg_norm", x, axes.at ? axes.at[i] : i, &out[i]);
    if (bad) return bad;
    if (i && out[i] == out[0]) return pons_fail("linalg_norm", "axis %d is given twice", axes.at[i]);
  }
  return NULL;
}

static pons_array root_of_squares(pons_array x, pons_axes axes, bool keepdims) {
  pons_array squares;
  if (is_complex_dtype(pons_dtype_of(x))) {
    squares = pons_add(pons_square(pons_real(x)), pons_square(pons_imag(x)));
  } else {
    squares = pons_square(pons_astype(x, at_least_float(pons_dtype_of(x))));
  }
  return pons_sqrt(pons_sum(squares, .axes = axes, .keepdims = keepdims));
}

static pons_array vector_norm(pons_array x, double p, int axis, bool keepdims) {
  const pons_axes axes = PONS_AXES(axis);
  const pons_dtype dtype = at_least_float(pons_dtype_of(x));
  pons_array y, size = pons_abs(x);
  if (p == 2) return root_of_squares(x, axes, keepdims);
  if (pons_dtype_of(size) != dtype && !is_complex_dtype(dtype)) size = pons_astype(size, dtype);
  if (p == 0)
    y = pons_sum(pons_not_equal(x, like(0, x)), .axes = axes, .keepdims = keepdims);
  else if (p == 1)
    y = pons_sum(size, .axes = axes, .keepdims = keepdims);
  else if (p == INFINITY)
    y = pons_max(size, .axes = axes, .keepdims = keepdims);
  else if (p == -INFINITY)
    y = pons_min(size, .axes = axes, .keepdims = keepdims);
  else
    y = pons_power(pons_sum(pons_power(size, like(p, size)), .axes = axes, .keepdims = keepdims),
                   like(1 / p, size));
  return pons_astype(y, dtype); /* a complex array's is complex, in MLX */
}

/* The singular values of the matrices along two axes, along the last axis of the result. */
static pons_array singular_values(pons_array x, const int *axes) {
  int order[PONS_MAX_NDIM], at = 0;
  for (int i = 0; i < pons_ndim(x); i++)
    if (i != axes[0] && i != axes[1]) order[at++] = i;
  order[at++] = axes[0];
  order[at++] = axes[1];
  pons_array s;
  pons_linalg_svd(pons_transpose(x, .axes = {at, order}), false, &s);
  return s;
}

/* The axes back as axes of size 1. */
static pons_array kept(pons_array y, const int *axes, bool keepdims) {
  return keepdims ? pons_expand_dims(y, PONS_AXES(axes[0], axes[1])) : y;
}

static pons_array matrix_norm(pons_array x, double p, const int *axes, bool keepdims) {
  const bool least = p < 0;
  const pons_dtype dtype = at_least_float(pons_dtype_of(x));
  pons_array y;
  if (p == 2 || p == -2) {
    pons_array s = singular_values(x, axes);
    y = least ? pons_min(s, .axes = PONS_AXES(-1)) : pons_max(s, .axes = PONS_AXES(-1));
    return pons_astype(kept(y, axes, keepdims), dtype);
  }
  if (p != 1 && p != -1 && !isinf(p))
    return pons_fail("linalg_norm", "there is no norm of order %g of a matrix", p);
  const int summed = isinf(p) ? axes[1] : axes[0], compared = isinf(p) ? axes[0] : axes[1];
  pons_array size = pons_abs(x);
  if (pons_dtype_of(size) != dtype && !is_complex_dtype(dtype)) size = pons_astype(size, dtype);
  pons_array sums = pons_sum(size, .axes = PONS_AXES(summed), .keepdims = true);
  y = least ? pons_min(sums, .axes = PONS_AXES(compared), .keepdims = true)
            : pons_max(sums, .axes = PONS_AXES(compared), .keepdims = true);
  return pons_astype(keepdims ? y : pons_squeeze(y, PONS_AXES(axes[0], axes[1])), dtype);
}

pons_array pons_linalg_norm_with(struct pons_norm_args args) {
  pons_array x = args.x, why = fault_of("linalg_norm", x);
  int axes[MOST_AXES], count;
  if (why) return why;
  if (args.ord.kind == PONS_ORD_KIND_DEFAULT && !args.axes.at)
    return root_of_squares(x, args.axes, args.keepdims);
  why = axes_of(x, args.axes, axes, &count);
  if (why) return why;
  switch (args.ord.kind) {
    case PONS_ORD_KIND_NUMBER:
      if (count == 1) return vector_norm(x, args.ord.p, axes[0], args.keepdims);
      if (count == 2) return matrix_norm(x, args.ord.p, axes, args.keepdims);
      return pons_fail("linalg_norm", "a norm of order %g is along 1 or 2 axes, not %d", args.ord.p, count);
    case PONS_ORD_KIND_FRO:
    case PONS_ORD_KIND_NUC:
      if (count != 2)
        return pons_fail("linalg_norm", "this norm is one of matrices, along 2 axes, not %d", count);
      if (args.ord.kind == PONS_ORD_KIND_FRO) break;
      return kept(pons_sum(singular_values(x, axes), .axes = PONS_AXES(-1)), axes, args.keepdims);
    default:
      if (count > MOST_AXES) return pons_fail("linalg_norm", "a norm is along at most 2 axes, not %d", count);
  }
  return root_of_squares(x, (pons_axes){count, count ? axes : PONS_NO_AXES.at}, args.keepdims);
}
