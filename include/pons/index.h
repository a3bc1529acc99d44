/* index.h: x[...] as in NumPy and MLX: a list of integers, slices, new axes, an ellipsis, arrays of indices
   and masks, for reading (pons_get) and for arrays with a part replaced or combined (pons_put and its kin);
   and results whose shape depends on values.

       pons_get(x, PONS_INDEX(pons_at_slice(1, PONS_END, 2), pons_at_int(-1)))    x[1::2, -1]
       pons_get(x, PONS_INDEX(PONS_ELLIPSIS, PONS_NEWAXIS, pons_at_array(i)))     x[..., None, i]
       pons_put(x, PONS_INDEX(pons_at_array(mask)), pons_float(0))                x[mask] = 0
       pons_put_add(x, PONS_INDEX(pons_at_array(i)), v)                           x.at[i].add(v)

   Every index is checked: out of range is an error with the index, the axis and its size. */
#ifndef PONS_INDEX_H
#define PONS_INDEX_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- lists of indices ---------------------------------------------------------------------------------- */

typedef enum pons_index_kind {
  PONS_INDEX_INT,
  PONS_INDEX_SLICE,
  PONS_INDEX_NEWAXIS,
  PONS_INDEX_ELLIPSIS,
  PONS_INDEX_ARRAY
} pons_index_kind;
typedef struct pons_index_item {
  pons_index_kind kind;
  int64_t start, stop, step; /* the integer is in `start` */
  pons_array array;
} pons_index_item;
typedef struct pons_index_list {
  int count;
  const pons_index_item *at;
} pons_index_list;
#define PONS_INDEX(...)                                                                         \
  ((pons_index_list){(int)(sizeof((pons_index_item[]){__VA_ARGS__}) / sizeof(pons_index_item)), \
                     (const pons_index_item[]){__VA_ARGS__}})

/* A start or stop that is left out, as in x[1:] and x[::-1]. */
#define PONS_END INT64_MIN
/* The axis goes; negative ones count from the end. */
static inline pons_index_item pons_at_int(int64_t i) {
  const pons_index_item item = {PONS_INDEX_INT, i, 0, 0, NULL};
  return item;
}
/* start:stop:step as in Python: negative ones count from the end, what lies outside is clipped. */
static inline pons_index_item pons_at_slice(int64_t start, int64_t stop, int64_t step) {
  const pons_index_item item = {PONS_INDEX_SLICE, start, stop, step, NULL};
  return item;
}
/* Integers of any dtype and shape, or a mask: bools of as many axes as it stands for. */
static inline pons_index_item pons_at_array(pons_array indices) {
  const pons_index_item item = {PONS_INDEX_ARRAY, 0, 0, 0, indices};
  return item;
}
/* All of an axis; an axis of size 1; as many whole axes as are left. */
#define PONS_ALL pons_at_slice(PONS_END, PONS_END, 1)
#define PONS_NEWAXIS ((pons_index_item){PONS_INDEX_NEWAXIS, 0, 0, 0, NULL})
#define PONS_ELLIPSIS ((pons_index_item){PONS_INDEX_ELLIPSIS, 0, 0, 0, NULL})

/* ---- reading and writing parts ------------------------------------------------------------------------- */

/* x[index]. Arrays and integers beside them broadcast; the axes of what they broadcast to come first where
   something stands between them, else they come in their place. A mask is read when this is called: the
   result's shape depends on its values. */
PONS_API pons_array pons_get(pons_array x, pons_index_list index);
/* x with x[index] = value, which broadcasts to x[index] and takes x's dtype. Of several values for one place
   one stays, which is not said. A mask alone is not read: it may be traced, and value may then also have
   one element for each true place, in order, or more, as MLX has it. */
PONS_API pons_array pons_put(pons_array x, pons_index_list index, pons_array value);
/* x with `value` combined in at [index], as x.at[index].add(value) and so on in MLX: values for one place all
   count. Integers can't be divided. */
PONS_API pons_array pons_put_add(pons_array x, pons_index_list index, pons_array value);
PONS_API pons_array pons_put_subtract(pons_array x, pons_index_list index, pons_array value);
PONS_API pons_array pons_put_multiply(pons_array x, pons_index_list index, pons_array value);
PONS_API pons_array pons_put_divide(pons_array x, pons_index_list index, pons_array value);
PONS_API pons_array pons_put_maximum(pons_array x, pons_index_list index, pons_array value);
PONS_API pons_array pons_put_minimum(pons_array x, pons_index_list index, pons_array value);
/* x with the places where `mask` is true, in row-major order, replaced by the elements of `value`: the mask
   has the shape of x's first axes. `value` has as many rows as there are true places (or more), or broadcasts
   to x where that has the mask. */
PONS_API pons_array pons_masked_scatter(pons_array x, pons_array mask, pons_array value);

/* ---- results whose shape depends on values ------------------------------------------------------------- */

/* These compute what they need when they are called. Where a function is traced without values (by pons_vmap,
   pons_compile, pons_export) they are errors; pons_where, pons_put with a mask and the like work there.
   Indices are int64. Gradients pass to the elements taken. */

/* Where x is not zero: pons_ndim(x) arrays of one axis, the indices along each axis, in row-major order. */
PONS_API void pons_nonzero(pons_array x, pons_array *out);
/* The same as rows: (count, ndim). */
PONS_API pons_array pons_argwhere(pons_array x);
/* The slices along `axis` (or elements of the flattened array, PONS_FLAT) where `condition`, of one axis,
   holds. */
PONS_API pons_array pons_compress(pons_array x, pons_array condition, int axis);
/* Each slice along `axis` (or element, PONS_FLAT) counts[i] times, or, of one count, all as often. */
PONS_API pons_array pons_repeat_each(pons_array x, pons_array counts, int axis);
/* The distinct elements, ascending, of one axis. As in the array API standard each NaN is one of its own. */
PONS_API pons_array pons_unique_values(pons_array x);
/* values; how often each occurs */
PONS_API void pons_unique_counts(pons_array x, pons_array out[2]);
/* values; of x's shape, which of them stands there */
PONS_API void pons_unique_inverse(pons_array x, pons_array out[2]);
/* values; where in the flattened x each occurs first; inverse; counts */
PONS_API void pons_unique_all(pons_array x, pons_array out[4]);

#ifdef __cplusplus
}
#endif
#endif
