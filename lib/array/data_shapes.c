/* data_shapes.c: results whose shape depends on values: nonzero, argwhere, compress, repeat by counts,
   unique.

   What decides is computed and read when the function is called; the result is then taken by index arrays, so
   gradients pass as through any take. */
#include "dtypes.h"
#include <pons/device.h>
#include <pons/eval.h>
#include <pons/index.h>
#include <stdlib.h>

/* The elements, or NULL and in *why an array that carries the reason. */
static const void *read(const char *op, pons_array x, const char *instead, pons_array *why) {
  *why = NULL;
  if (pons_error_of(x)) {
    *why = x;
  } else if (!pons_has_value(x)) {
    *why =
        pons_fail(op,
                  "the result's shape would depend on values, which a function has not while it is traced\n"
                  "hint: %s",
                  instead);
  } else {
    const void *data = pons_data(x);
    if (data) return data;
    *why = pons_error_of(x)
               ? x
               : pons_fail_as(pons_last_error_kind(), op, "the values can't be computed: %s", pons_error());
  }
  pons_scope_return(pons_scope_open(), *why); /* the scope holds what it is given back */
  return NULL;
}

static pons_array integers(int64_t *list, int64_t count) {
  return pons_from_data(list, PONS_SHAPE(count), PONS_INT64, free, list);
}

static int64_t *room(const char *op, int64_t count, pons_array *why) {
  const size_t bytes = (size_t)(count + 1) * sizeof(int64_t);
  int64_t *list = bytes <= pons_get_memory_limit() ? malloc(bytes) : NULL; /* the system may promise more than it has */
  if (!list) *why = pons_fail_as(PONS_ERROR_MEMORY, op, "no memory for %lld indices", (long long)count);
  return list;
}

/* ---- nonzero ---- */

static const char *const instead_of_masks =
    "use pons_where, or pons_put with the mask alone, which keep the shape";

/* The places in row-major order where x is not zero. NULL and *why on an error. */
static int64_t *true_places(const char *op, pons_array x, int64_t *count, pons_array *why) {
  pons_array truth = pons_dtype_of(x) == PONS_BOOL ? x : pons_astype(x, PONS_BOOL);
  const uint8_t *at = read(op, truth, instead_of_masks, why);
  const int64_t size = pons_size(x);
  *count = 0;
  if (*why) return NULL;
  for (int64_t i = 0; i < size; i++) *count += at[i] != 0;
  int64_t *list = room(op, *count, why), *to = list;
  for (int64_t i = 0; list && i < size; i++)
    if (at[i]) *to++ = i;
  return list;
}

/* Of each place the coordinates: to[k * stride] along the axis that counts in `steps`, of `size`. */
static void coordinates(const int64_t *places, int64_t count, int64_t steps, int64_t size, int64_t *to,
                        int stride) {
  for (int64_t k = 0; k < count; k++) to[k * stride] = places[k] / steps % size;
}

void pons_nonzero(pons_array x, pons_array *out) {
  const int n = x ? pons_ndim(x) : 0;
  int64_t count = 0, steps = 1;
  pons_array why = NULL;
  int64_t *places = x ? true_places("nonzero", x, &count, &why) : NULL;
  for (int axis = n - 1; axis >= 0; axis--) {
    const int64_t size = pons_dim(x, axis);
    int64_t *list = why ? NULL : room("nonzero", count, &why);
    if (list) {
      coordinates(places, count, steps, size, list, 1);
      out[axis] = integers(list, count);
    } else {
      out[axis] = why;
    }
    steps *= size > 0 ? size : 1;
  }
  free(places);
}

pons_array pons_argwhere(pons_array x) {
  if (!x) return pons_fail("argwhere", "the array is NULL");
  const int n = pons_ndim(x);
  int64_t count, steps = 1;
  pons_array why;
  int64_t *places = true_places("argwhere", x, &count, &why);
  int64_t *list = places ? room("argwhere", count * n, &why) : NULL;
  for (int axis = n - 1; list && axis >= 0; axis--) {
    coordinates(places, count, steps, pons_dim(x, axis), list + axis, n);
    steps *= pons_dim(x, axis) > 0 ? pons_dim(x, axis) : 1;
  }
  free(places);
  return list ? pons_from_data(list, PONS_SHAPE(count, n), PONS_INT64, free, list) : why;
}

/* ---- slices by condition and by counts ---- */

pons_array pons_compress(pons_array x, pons_array condition, int axis) {
  if (!x || !condition) return pons_fail("compress", "an operand is NULL");
  if (pons_ndim(condition) != 1)
    return pons_fail("compress", "the condition has %d axes, not one", pons_ndim(condition));
  pons_array why;
  int64_t count, *places = true_places("compress", condition, &count, &why);
  return places ? pons_take(x, integers(places, count), axis) : why;
}

/* The index of each slice as often as it is wanted. */
static pons_array repeated(const int64_t *counts, int64_t n, int64_t step) {
  int64_t total = 0, at = 0;
  pons_array why = NULL;
  for (int64_t i = 0; i < n; i++) {
    const int64_t some = counts[i * step];
    if (some < 0)
      return pons_fail("repeat_each", "count %lld is %lld", (long long)(i * step), (long long)some);
    if (some > ((int64_t)1 << 40) - total)
      return pons_fail_as(PONS_ERROR_OVERFLOW, "repeat_each", "too many elements");
    total += some;
  }
  int64_t *list = room("repeat_each", total, &why);
  if (!list) return why;
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < counts[i * step]; k++) list[at++] = i;
  return integers(list, total);
}

pons_array pons_repeat_each(pons_array x, pons_array counts, int axis) {
  if (!x || !counts) return pons_fail("repeat_each", "an operand is NULL");
  const pons_dtype d = pons_dtype_of(counts);
  const int64_t n = axis == PONS_FLAT ? pons_size(x) : pons_dim(x, axis), given = pons_size(counts);
  if (!pons_error_of(counts) && (d > PONS_INT64 || pons_ndim(counts) > 1))
    return pons_fail("repeat_each", "counts are integers along at most one axis, not %s along %d",
                     pons_dtype_name(d), pons_ndim(counts));
  if (n < 0) return pons_take(x, counts, axis); /* which tells what is wrong */
  if (given != 1 && given != n && !pons_error_of(counts))
    return pons_fail("repeat_each", "%lld counts for %lld slices", (long long)given, (long long)n);
  pons_array why;
  const int64_t *list = read("repeat_each", pons_astype(counts, PONS_INT64),
                             "use pons_repeat, which repeats all as often", &why);
  return why ? why : pons_take(x, repeated(list, n, given != 1), axis);
}

/* ---- unique ---- */

typedef struct distinct {
  pons_array values, first, inverse, counts;
} distinct;

/* What the sorted order tells: order[i] is where the i-th least element stands, fresh[i] whether it differs
   from the one before. The sort is stable, so the first of equal ones is that which occurs first. */
static void count_runs(const uint32_t *order, const uint8_t *fresh, int64_t n, int64_t *first,
                       int64_t *inverse, int64_t *counts) {
  int64_t at = -1;
  for (int64_t i = 0; i < n; i++) {
    if (i == 0 || fresh[i - 1]) {
      first[++at] = order[i];
      counts[at] = 0;
    }
    counts[at]++;
    inverse[order[i]] = at;
  }
}

static pons_array fill_runs(const char *op, const uint32_t *order, const uint8_t *fresh, pons_array flat,
                            pons_array x, distinct *d) {
  const int64_t n = pons_size(x);
  int64_t many = n > 0;
  pons_array why = NULL;
  for (int64_t i = 0; i + 1 < n; i++) many += fresh[i] != 0;
  int64_t *first = room(op, many, &why), *inverse = room(op, n, &why), *counts = room(op, many, &why);
  if (why) {
    free(first);
    free(inverse);
    free(counts);
    return why;
  }
  count_runs(order, fresh, n, first, inverse, counts);
  d->first = integers(first, many);
  d->inverse = pons_reshape(integers(inverse, n), pons_shape_of(x));
  d->counts = integers(counts, many);
  d->values = pons_take(flat, d->first, 0);
  return NULL;
}

/* NULL, or an array that carries an error. */
static pons_array find_distinct(const char *op, pons_array x, distinct *d) {
  static const char *const instead = "use pons_unique with a size, or pons_sort";
  if (!x) return pons_fail(op, "the array is NULL");
  const int64_t n = pons_size(x);
  pons_array flat = pons_reshape(x, PONS_SHAPE(n)), why;
  pons_array order = pons_argsort(flat, 0), sorted = pons_take(flat, order, 0);
  pons_array before = pons_slice(sorted, PONS_SHAPE(0), PONS_SHAPE(n - (n > 0)), PONS_SCALAR);
  pons_array fresh = pons_not_equal(pons_slice(sorted, PONS_SHAPE(1), PONS_SHAPE(n), PONS_SCALAR), before);
  const uint32_t *at = read(op, order, instead, &why);
  const uint8_t *differs = why ? NULL : read(op, fresh, instead, &why);
  return why ? why : fill_runs(op, at, differs, flat, x, d);
}

pons_array pons_unique_values(pons_array x) {
  distinct d;
  pons_array bad = find_distinct("unique_values", x, &d);
  return bad ? bad : d.values;
}

void pons_unique_counts(pons_array x, pons_array out[2]) {
  distinct d;
  pons_array bad = find_distinct("unique_counts", x, &d);
  out[0] = bad ? bad : d.values;
  out[1] = bad ? bad : d.counts;
}

void pons_unique_inverse(pons_array x, pons_array out[2]) {
  distinct d;
  pons_array bad = find_distinct("unique_inverse", x, &d);
  out[0] = bad ? bad : d.values;
  out[1] = bad ? bad : d.inverse;
}

void pons_unique_all(pons_array x, pons_array out[4]) {
  distinct d;
  pons_array bad = find_distinct("unique_all", x, &d);
  out[0] = bad ? bad : d.values;
  out[1] = bad ? bad : d.first;
  out[2] = bad ? bad : d.inverse;
  out[3] = bad ? bad : d.counts;
}
