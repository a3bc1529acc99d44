/* index_plan.h: what a list of indices means for an array: a slice of it, axes that go, axes that arrays
   index, and how the result's axes lie. For lib/array/ alone. */
#ifndef LIB_ARRAY_INDEX_PLAN_H
#define LIB_ARRAY_INDEX_PLAN_H
#include <pons/index.h>
#include <pons/ops.h>

typedef struct index_plan {
  pons_array x;                            /* with an axis of size 1 for each mask without axes */
  int expanded[PONS_MAX_NDIM], n_expanded; /* those axes */
  /* The slice, per axis of x; along axes with an integer it is that one element. */
  int64_t start[PONS_MAX_NDIM], stop[PONS_MAX_NDIM], step[PONS_MAX_NDIM];
  int gone[PONS_MAX_NDIM], n_gone;   /* the axes with an integer */
  pons_array slice, part;            /* the slice of x; the same without those axes */
  int axes[PONS_MAX_NDIM], n_arrays; /* the axes of `part` that arrays index */
  pons_array arrays[PONS_MAX_NDIM];  /* of integers, broadcast to one shape */
  int places;                        /* how many axes that shape has */
  int64_t place_shape[PONS_MAX_NDIM];
  /* The result: `before` whole axes, the places, the other whole axes; then the new axes put in. */
  int before;
  int fresh[PONS_MAX_NDIM], n_fresh; /* positions in the result, ascending */
  int result_ndim;
  int64_t result[PONS_MAX_NDIM];
} index_plan;

/* Fills `p`. Returns NULL, or an array that carries an error. */
pons_array index_plan_make(const char *op, pons_array x, pons_index_list index, index_plan *p);

/* `x` itself as a result: the innermost scope owns it too. */
static inline pons_array owned(pons_array x) { return pons_scope_return(pons_scope_open(), x); }
static inline pons_axes axes_list(int count, const int *at) {
  return count ? (pons_axes){count, at} : PONS_NO_AXES;
}
#endif
