/* cross_entropy.c: the loss of logits whose class is known. */
#include "dtypes.h"
#include "operands.h"
#include <pons/fast.h>
#include <pons/transforms.h>

pons_array pons_fast_cross_entropy(pons_array logits, pons_array targets) {
  const char *op = "cross_entropy";
  pons_array bad = fault_among(op, (pons_array[]){logits, targets}, 2);
  if (bad) return bad;
  const pons_dtype dtype = pons_dtype_of(logits), index = pons_dtype_of(targets);
  const int n = pons_ndim(logits) - 1;
  if (!is_real_float(dtype)) return pons_fail(op, "not defined for logits of %s", pons_dtype_name(dtype));
  if (!pons_issubdtype((int)index, PONS_INTEGER))
    return pons_fail(op, "targets must be integers, not %s", pons_dtype_name(index));
  if (n < 0) return pons_fail(op, "logits need at least one axis");
  bool fits = pons_ndim(targets) == n;
  for (int i = 0; fits && i < n; i++) fits = pons_dim(targets, i) == pons_dim(logits, i);
  if (!fits) return pons_fail(op, "targets must have the shape of the logits without their last axis");
  pons_array wide = pons_astype(logits, dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32);
  /* the greatest becomes 0: what all logits have in common costs no digits */
  pons_array most = pons_stop_gradient(pons_max(wide, .axes = PONS_AXES(-1), .keepdims = true));
  pons_array x = pons_subtract(wide, most);
  pons_array chosen = pons_take_along_axis(x, pons_expand_dims(targets, PONS_AXES(-1)), -1);
  return pons_subtract(pons_logsumexp(x, .axes = PONS_AXES(-1)), pons_squeeze(chosen, PONS_AXES(-1)));
}
