/* rearrange.c: elements in another order: flip, roll, matrix_transpose, unstack. */
#include "operands.h"

pons_array pons_flip(pons_array x, pons_axes axes) {
  pons_array bad = fault_of("flip", x);
  if (bad) return bad;
  const int n = pons_ndim(x);
  int64_t start[PONS_MAX_NDIM], stop[PONS_MAX_NDIM], step[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) start[i] = 0, stop[i] = pons_dim(x, i), step[i] = 1;
  for (int i = 0; i < (axes.at ? axes.count : n); i++) {
    int at = i;
    if (axes.at) bad = axis_fault("flip", x, axes.at[i], &at);
    if (bad) return bad;
    start[at] = pons_dim(x, at) - 1, stop[at] = -pons_dim(x, at) - 1, step[at] = -1;
  }
  return pons_slice(x, (pons_shape){n, start}, (pons_shape){n, stop}, (pons_shape){n, step});
}

/* Elements `by` places on along an axis; those that leave come in at the other end. */
static pons_array rolled(pons_array x, int64_t by, int axis) {
  const int64_t size = pons_dim(x, axis);
  if (size == 0 || by % size == 0) return itself(x);
  const int64_t cut = by % size > 0 ? size - by % size : -(by % size);
  const pons_array parts[2] = {part_of(x, axis, cut, size, 1), part_of(x, axis, 0, cut, 1)};
  return pons_concatenate(parts, 2, axis);
}

pons_array pons_roll_with(struct pons_roll_args args) {
  pons_array x = args.x, bad = fault_of("roll", x);
  if (bad) return bad;
  if (!args.axes.at) {
    const int64_t size = pons_size(x);
    int64_t sum = 0; /* less than once around */
    for (int i = 0; i < args.shifts.count && size > 0; i++) sum = (sum + args.shifts.at[i] % size) % size;
    return pons_reshape(rolled(pons_flatten(x, 0, -1), sum, 0), pons_shape_of(x));
  }
  if (args.shifts.count != 1 && args.shifts.count < args.axes.count)
    return pons_fail("roll", "%d shifts for %d axes", args.shifts.count, args.axes.count);
  pons_array y = itself(x);
  for (int i = 0; i < args.axes.count; i++) {
    int at;
    bad = axis_fault("roll", x, args.axes.at[i], &at);
    if (bad) return bad;
    y = rolled(y, args.shifts.at[args.shifts.count > 1 ? i : 0], at);
  }
  return y;
}

pons_array pons_matrix_transpose(pons_array x) {
  pons_array bad = fault_of("matrix_transpose", x);
  if (bad) return bad;
  if (pons_ndim(x) < 2) return pons_fail("matrix_transpose", "needs at least two axes, not %d", pons_ndim(x));
  return pons_swapaxes(x, -2, -1);
}

void pons_unstack(pons_array x, int axis, pons_array *out) {
  int at;
  pons_array bad = fault_of("unstack", x);
  if (!bad) bad = axis_fault("unstack", x, axis, &at);
  if (bad) {
    out[0] = bad;
    return;
  }
  const int64_t count = pons_dim(x, at);
  if (count > 0) pons_split(x, (int)count, at, out);
  for (int64_t i = 0; i < count; i++) out[i] = pons_squeeze(out[i], PONS_AXES(at));
}
