/* differences.c: differences of neighbours along an axis. */
#include "operands.h"

pons_array pons_diff(pons_array x, int n, int axis) {
  int at;
  pons_array bad = fault_of("diff", x);
  if (!bad && n < 0) bad = pons_fail("diff", "%d times", n);
  if (!bad) bad = axis_fault("diff", x, axis, &at);
  if (bad) return bad;
  pons_array y = itself(x);
  for (int64_t size = pons_dim(x, at); n > 0; n--) {
    pons_array later = part_of(y, at, size > 0, size, 1), earlier = part_of(y, at, 0, size - (size > 0), 1);
    y = pons_dtype_of(x) == PONS_BOOL ? pons_not_equal(later, earlier) : pons_subtract(later, earlier);
    if (--size < 0) break; /* nothing is left */
  }
  return y;
}
