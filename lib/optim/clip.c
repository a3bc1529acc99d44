/* clip.c: gradients scaled to a common norm, as mlx.optimizers.clip_grad_norm does it. */
#include <pons/optim.h>

static pons_array squared_norm(pons_array g) {
  if (pons_dtype_of(g) == PONS_FLOAT16) g = pons_astype(g, PONS_FLOAT32); /* its squares overflow */
  return pons_sum(pons_square(g));
}

pons_array pons_clip_grad_norm(pons_named gradients, double max_norm) {
  if (!(max_norm >= 0)) return pons_fail("clip_grad_norm", "max_norm must not be negative, got %g", max_norm);
  pons_scope s = pons_scope_open();
  pons_array sum = pons_float(0);
  const int64_t count = pons_named_count(gradients);
  for (int64_t i = 0; i < count; i++) sum = pons_add(sum, squared_norm(pons_named_at(gradients, i)));
  pons_array norm = pons_sqrt(sum);
  pons_array scale =
      pons_minimum(pons_divide(pons_float(max_norm), pons_add(norm, pons_float(1e-6))), pons_float(1));
  for (int64_t i = 0; i < count; i++) {
    pons_array g = pons_named_at(gradients, i);
    pons_array scaled = pons_astype(pons_multiply(g, scale), pons_dtype_of(g));
    if (!pons_named_set(gradients, pons_named_key(gradients, i), scaled))
      return pons_scope_return(s, pons_fail("clip_grad_norm", "a scaled gradient could not be set"));
  }
  return pons_scope_return(s, norm);
}
