/* checks.c: what constructors and infer functions ask about their operands and parameters, and small steps
   many ops take.

   Infer functions see parameters from files too: nothing about them may be taken for granted. Uses base/,
   graph/. */
#include "ops/ops.h"

/* ---- operands ---- */

pons_array operand_fault(const char *op, int n, const pons_array *in) {
  for (int i = 0; i < n; i++) {
    if (!in[i]) return node_fail(op, "operand %d of %d is NULL", i + 1, n);
    if (node_failed(in[i]))
      return node_make_as(&prim_alias, NULL, 1, in + i, PONS_FLOAT32, 0, NULL); /* hands the error on */
  }
  return NULL;
}

pons_array same_array(pons_array x) { return pons_scope_return(pons_scope_open(), x); }

error *check_count(const char *op, int n_in, int want) {
  if (n_in == want) return NULL;
  return fail(op, "takes %d operand%s, got %d", want, want == 1 ? "" : "s", n_in);
}

/* ---- axes ---- */

static error *seen_twice(const char *op, int64_t axis) {
  return fail(op, "axis %lld is given twice", (long long)axis);
}

error *axes_normal(const char *op, const node *x, pons_axes axes, int64_t *out, int *count) {
  const int n = x->ndim;
  if (!axes.at) {
    for (int i = 0; i < n; i++) out[i] = i;
    *count = n;
    return NULL;
  }
  uint32_t seen = 0;
  for (int i = 0; i < axes.count; i++) {
    const int axis = axis_normal(axes.at[i], n);
    if (axis < 0)
      return fail_as(PONS_ERROR_INDEX, op, "axis %d is out of range for %s", axes.at[i], node_text(x));
    if (seen >> axis & 1) return seen_twice(op, axes.at[i]);
    seen |= (uint32_t)1 << axis;
    out[i] = axis;
  }
  *count = axes.count > 0 ? axes.count : 0;
  return NULL;
}

void axes_sort(int64_t *axes, int count) {
  for (int i = 1; i < count; i++) {
    const int64_t axis = axes[i];
    int j = i;
    for (; j > 0 && axes[j - 1] > axis; j--) axes[j] = axes[j - 1];
    axes[j] = axis;
  }
}

error *axes_check(const char *op, int ndim, ints axes) {
  uint32_t seen = 0;
  for (int i = 0; i < axes.n; i++) {
    const int64_t axis = axes.at[i];
    if (axis < 0 || axis >= ndim)
      return fail_as(PONS_ERROR_INDEX, op, "axis %lld is out of range for %d axes", (long long)axis, ndim);
    if (seen >> axis & 1) return seen_twice(op, axis);
    seen |= (uint32_t)1 << axis;
  }
  return NULL;
}

error *axis_check(const char *op, const node *x, int axis) {
  if (axis >= 0 && axis < x->ndim) return NULL;
  return fail_as(PONS_ERROR_INDEX, op, "axis %d is out of range for %s", axis, node_text(x));
}

int axis_of(const char *op, const node *x, int axis, error **why) {
  const int normal = axis_normal(axis, x->ndim);
  if (normal < 0) *why = fail_as(PONS_ERROR_INDEX, op, "axis %d is out of range for %s", axis, node_text(x));
  return normal;
}

int axis_or_flat(const char *op, pons_array *x, int axis, error **why) {
  if (axis != PONS_FLAT) return axis_of(op, *x, axis, why);
  *x = pons_flatten(*x, 0, -1);
  if (node_failed(*x)) *why = error_keep((*x)->error);
  return 0;
}

/* ---- results ---- */

error *spec_set(const char *op, spec *out, pons_dtype dtype, int n, const int64_t *dims) {
  if (n < 0 || n > PONS_MAX_NDIM)
    return fail(op, "the result would have %d axes, at most %d are possible", n, PONS_MAX_NDIM);
  for (int i = 0; i < n; i++)
    if (dims[i] < 0) return fail(op, "negative size in shape %s", shape_text(n, dims));
  if (!shape_from((pons_shape){n, dims}, &out->shape))
    return fail_as(PONS_ERROR_OVERFLOW, op, "shape %s has too many elements", shape_text(n, dims));
  if (!dtype_is_valid((int)dtype)) return fail(op, "%d is no dtype", (int)dtype);
  out->dtype = dtype;
  return NULL;
}

spec spec_of(const node *x) { return (spec){(pons_dtype)x->dtype, node_shape(x)}; }

bool dtype_is_integer(pons_dtype d) {
  const dtype_kind kind = dtype_kind_of(d);
  return kind == KIND_SIGNED || kind == KIND_UNSIGNED;
}

/* ---- small steps ---- */

pons_array as_dtype(pons_array x, pons_dtype dtype) {
  if (x && !node_failed(x) && x->dtype == dtype) return x;
  return pons_astype(x, dtype);
}

pons_array as_shape(pons_array x, int n, const int64_t *dims) {
  if (x && !node_failed(x) && shape_equal(x->ndim, x->shape, n, dims)) return x;
  return pons_broadcast_to(x, (pons_shape){n, dims});
}

pons_array constant_like(double value, const node *x) { return pons_scalar(value, dtype_of(x)); }

pons_array zeros_of(const node *x) { return pons_zeros((pons_shape){x->ndim, x->shape}, dtype_of(x)); }
