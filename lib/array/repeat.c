/* repeat.c: arrays put beside each other: stack, repeat, tile. */
#include <pons/ops.h>
#include <stdlib.h>

pons_array pons_stack(const pons_array *arrays, int count, int axis) {
  if (count < 1) return pons_fail("stack", "needs at least one array");
  pons_array *with_axis = malloc((size_t)count * sizeof *with_axis);
  if (!with_axis) return pons_fail_as(PONS_ERROR_MEMORY, "stack", "no memory for a list of %d arrays", count);
  for (int i = 0; i < count; i++) with_axis[i] = pons_expand_dims(arrays[i], PONS_AXES(axis));
  pons_array result = pons_concatenate(with_axis, count, axis);
  free(with_axis);
  return result;
}

/* Each element `repeats` times, one after the other. */
pons_array pons_repeat(pons_array x, int repeats, int axis) {
  if (repeats < 0) return pons_fail("repeat", "%d times", repeats);
  if (axis == PONS_FLAT) return pons_repeat(pons_flatten(x, 0, -1), repeats, 0);
  const int n = pons_ndim(x), at = axis < 0 ? axis + n : axis;
  if (pons_error_of(x)) return pons_expand_dims(x, PONS_AXES(0)); /* hands the error on */
  if (pons_dim(x, axis) < 0 || n == PONS_MAX_NDIM)
    return pons_fail_as(PONS_ERROR_INDEX, "repeat",
                        "axis %d is out of range for %d axes, of which there may be %d in all", axis, n,
                        PONS_MAX_NDIM - 1);
  int64_t wide[PONS_MAX_NDIM], dims[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) {
    dims[i] = pons_dim(x, i);
    wide[i + (i > at)] = dims[i];
  }
  wide[at + 1] = repeats;
  dims[at] =
      repeats && dims[at] > INT64_MAX / repeats ? INT64_MAX : dims[at] * repeats; /* then it is refused */
  pons_array y = pons_broadcast_to(pons_expand_dims(x, PONS_AXES(at + 1)), (pons_shape){n + 1, wide});
  return pons_reshape(y, (pons_shape){n, dims});
}

/* The whole array reps[i] times along axis i; as in NumPy the shorter of shape and reps is filled up with
   ones in front. */
pons_array pons_tile(pons_array x, pons_shape reps) {
  const int n = pons_ndim(x), m = reps.count;
  const int count = n > m ? n : m;
  if (m < 0 || count > PONS_MAX_NDIM) return pons_fail("tile", "%d repetitions for %d axes", m, n);
  int64_t apart[2 * PONS_MAX_NDIM], wide[2 * PONS_MAX_NDIM], dims[PONS_MAX_NDIM];
  int at = 0;
  for (int i = 0; i < count; i++) {
    const int64_t size = i < count - n ? 1 : pons_dim(x, i - (count - n)),
                  rep = i < count - m ? 1 : reps.at[i - (count - m)];
    if (rep < 0 || rep > (int64_t)1 << 31)
      return pons_fail("tile", "%lld times along axis %d", (long long)rep, i);
    if (rep != 1) apart[at] = 1, wide[at++] = rep;
    apart[at] = wide[at] = size;
    at++;
    dims[i] = size > ((int64_t)1 << 59) / (rep ? rep : 1) ? INT64_MAX : size * rep;
  }
  pons_array y = pons_broadcast_to(pons_reshape(x, (pons_shape){at, apart}), (pons_shape){at, wide});
  return pons_reshape(y, (pons_shape){count, dims});
}
