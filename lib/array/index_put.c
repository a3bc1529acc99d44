/* index_put.c: x with x[...] replaced, or with values combined in.

   The value is broadcast to x[...], its axes are put in x's order, and it goes into x by a slice update;
   where arrays index, by a scatter into the slice, which then replaces that in x. A mask alone stays a
   mask. Uses index_plan.h. */
#include "index_plan.h"

/* ---- the value in x's order of axes ---- */

/* Broadcast to x[...]; more axes in front are fine while they have size 1. */
static pons_array as_result(const char *op, const index_plan *p, pons_array value) {
  const int extra = pons_ndim(value) - p->result_ndim;
  int first[PONS_MAX_NDIM];
  for (int i = 0; i < extra; i++) {
    first[i] = i;
    if (pons_dim(value, i) != 1)
      return pons_fail(op, "a value of %d axes for a place of %d", pons_ndim(value), p->result_ndim);
  }
  if (extra > 0) value = pons_squeeze(value, (pons_axes){extra, first});
  return pons_broadcast_to(value, (pons_shape){p->result_ndim, p->result});
}

/* As gather in index_get.c leaves it: places first, then the whole axes. */
static pons_array as_gathered(const index_plan *p, pons_array value) {
  const int n = pons_ndim(value);
  if (p->before == 0 || p->places == 0 || pons_error_of(value)) return value;
  int order[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++)
    order[i] = i < p->places ? p->before + i : i < p->places + p->before ? i - p->places : i;
  return pons_transpose(value, .axes = {n, order});
}

/* ---- the ways to combine ---- */

static pons_array combine(pons_scatter_mode mode, pons_array old, pons_array value) {
  switch (mode) {
    case PONS_SCATTER_MAX:
      return pons_maximum(old, value);
    case PONS_SCATTER_MIN:
      return pons_minimum(old, value);
    case PONS_SCATTER_SUM:
      return pons_add(old, value);
    case PONS_SCATTER_PROD:
      return pons_multiply(old, value);
    default:
      return value;
  }
}

static pons_array update_slice(pons_scatter_mode mode, const index_plan *p, pons_array value) {
  const int n = pons_ndim(p->x);
  const pons_shape start = {n, p->start}, stop = {n, p->stop}, step = {n, p->step};
  switch (mode) {
    case PONS_SCATTER_MAX:
      return pons_slice_update_max(p->x, value, start, stop, step);
    case PONS_SCATTER_MIN:
      return pons_slice_update_min(p->x, value, start, stop, step);
    case PONS_SCATTER_SUM:
      return pons_slice_update_add(p->x, value, start, stop, step);
    case PONS_SCATTER_PROD:
      return pons_slice_update_prod(p->x, value, start, stop, step);
    default:
      return pons_slice_update(p->x, value, start, stop, step);
  }
}

static pons_array put_at_slice(pons_scatter_mode mode, const index_plan *p, pons_array value) {
  value = pons_expand_dims(value, axes_list(p->n_gone, p->gone));
  return p->slice == p->x ? combine(mode, p->x, value) : update_slice(mode, p, value);
}

static pons_array put_at_arrays(pons_scatter_mode mode, const index_plan *p, pons_array value) {
  int axes[PONS_MAX_NDIM];
  for (int k = 0; k < p->n_arrays; k++) axes[k] = p->places + p->axes[k];
  value = pons_expand_dims(as_gathered(p, value), (pons_axes){p->n_arrays, axes});
  pons_array part = pons_scatter(p->part, p->arrays, value, (pons_axes){p->n_arrays, p->axes}, mode);
  part = pons_expand_dims(part, axes_list(p->n_gone, p->gone));
  return p->slice == p->x ? part : update_slice(PONS_SCATTER_NONE, p, part);
}

/* ---- a mask alone: it may be traced ---- */

static bool is_mask_alone(pons_index_list index) {
  return index.count == 1 && index.at[0].kind == PONS_INDEX_ARRAY && index.at[0].array &&
         !pons_error_of(index.at[0].array) && pons_dtype_of(index.at[0].array) == PONS_BOOL;
}

static pons_array put_at_mask(pons_scatter_mode mode, pons_array x, pons_array mask, pons_array value) {
  if (mode == PONS_SCATTER_NONE) return pons_masked_scatter(x, mask, value);
  pons_array there = pons_masked_scatter(x, mask, value);
  int last[PONS_MAX_NDIM], count = 0;
  for (int i = pons_ndim(mask); i < pons_ndim(x); i++) last[count++] = i;
  return pons_where(pons_expand_dims(mask, axes_list(count, last)), combine(mode, x, there), x);
}

static pons_array put(const char *op, pons_scatter_mode mode, pons_array x, pons_index_list index,
                      pons_array value) {
  if (!value) return pons_fail(op, "the value is NULL");
  if (pons_error_of(value)) return owned(value);
  if (x && is_mask_alone(index)) return put_at_mask(mode, x, index.at[0].array, value);
  index_plan p;
  pons_array bad = index_plan_make(op, x, index, &p);
  if (bad) return bad;
  value = pons_astype(as_result(op, &p, value), pons_dtype_of(x));
  value = pons_squeeze(value, axes_list(p.n_fresh, p.fresh));
  pons_array y = p.n_arrays ? put_at_arrays(mode, &p, value) : put_at_slice(mode, &p, value);
  return p.n_expanded ? pons_squeeze(y, (pons_axes){p.n_expanded, p.expanded}) : owned(y);
}

pons_array pons_put(pons_array x, pons_index_list index, pons_array value) {
  return put("put", PONS_SCATTER_NONE, x, index, value);
}
pons_array pons_put_add(pons_array x, pons_index_list index, pons_array value) {
  return put("put_add", PONS_SCATTER_SUM, x, index, value);
}
pons_array pons_put_multiply(pons_array x, pons_index_list index, pons_array value) {
  return put("put_multiply", PONS_SCATTER_PROD, x, index, value);
}
pons_array pons_put_maximum(pons_array x, pons_index_list index, pons_array value) {
  return put("put_maximum", PONS_SCATTER_MAX, x, index, value);
}
pons_array pons_put_minimum(pons_array x, pons_index_list index, pons_array value) {
  return put("put_minimum", PONS_SCATTER_MIN, x, index, value);
}
pons_array pons_put_subtract(pons_array x, pons_index_list index, pons_array value) {
  if (x && value) value = pons_astype(value, pons_dtype_of(x));
  return put("put_subtract", PONS_SCATTER_SUM, x, index, value ? pons_negative(value) : NULL);
}
/* By the product with 1 / value, so that several for one place all divide. */
pons_array pons_put_divide(pons_array x, pons_index_list index, pons_array value) {
  if (!x || !value) return put("put_divide", PONS_SCATTER_PROD, x, index, value);
  if (pons_dtype_of(x) < PONS_FLOAT16 && !pons_error_of(x))
    return pons_fail("put_divide", "%s can't hold quotients", pons_dtype_name(pons_dtype_of(x)));
  value = pons_astype(value, pons_dtype_of(x));
  return put("put_divide", PONS_SCATTER_PROD, x, index, pons_divide(pons_scalar(1, pons_dtype_of(x)), value));
}
