/* index_get.c: x[...]: a slice, then a gather along the axes that arrays index, then the axes in their order.
   Uses index_plan.h. */
#include "index_plan.h"

/* The slices of one element along the indexed axes, which go; places first. */
static pons_array gather(const index_plan *p) {
  const int n = pons_ndim(p->part);
  int64_t sizes[PONS_MAX_NDIM], dims[2 * PONS_MAX_NDIM];
  int axes[PONS_MAX_NDIM], count = 0;
  bool empty = false;
  for (int i = 0; i < n; i++) sizes[i] = pons_dim(p->part, i);
  for (int k = 0; k < p->n_arrays; k++) {
    empty |= sizes[p->axes[k]] == 0; /* then it has no places either, or that is an error */
    sizes[p->axes[k]] = sizes[p->axes[k]] > 0;
    axes[k] = p->places + p->axes[k];
  }
  pons_array y = pons_gather(p->part, p->arrays, (pons_axes){p->n_arrays, p->axes}, (pons_shape){n, sizes});
  if (!empty || pons_error_of(y)) return pons_squeeze(y, (pons_axes){p->n_arrays, axes});
  for (int i = 0; i < p->places; i++) dims[count++] = p->place_shape[i];
  for (int i = 0, k = 0; i < n; i++)
    if (k < p->n_arrays && p->axes[k] == i)
      k++;
    else
      dims[count++] = sizes[i];
  return pons_reshape(y, (pons_shape){count, dims});
}

/* The places' axes from the front to behind the first whole ones. */
static pons_array places_to_their_place(const index_plan *p, pons_array y) {
  const int n = pons_ndim(y);
  if (p->before == 0 || p->places == 0 || pons_error_of(y)) return y;
  int order[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++)
    order[i] = i < p->before ? p->places + i : i < p->before + p->places ? i - p->before : i;
  return pons_transpose(y, .axes = {n, order});
}

pons_array pons_get(pons_array x, pons_index_list index) {
  if (index.count == 1 && index.at[0].kind == PONS_INDEX_INT && x && pons_ndim(x) > 0)
    return pons_index(x, index.at[0].start, 0);
  index_plan p;
  pons_array bad = index_plan_make("get", x, index, &p);
  if (bad) return bad;
  pons_array y = p.n_arrays ? places_to_their_place(&p, gather(&p)) : p.part;
  return pons_expand_dims(y, axes_list(p.n_fresh, p.fresh));
}
