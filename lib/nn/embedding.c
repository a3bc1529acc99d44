/* embedding.c: vectors by number, and zeroing at random. */
#include "parameters.h"
#include <math.h>

bool pons_embedding_init(pons_named p, const char *prefix, int64_t count, int64_t n, pons_array key) {
  pons_scope s = pons_scope_open();
  const bool fine =
      parameter_add(p, prefix, "weight", pons_init_normal(PONS_SHAPE(count, n), 0, 1 / sqrt((double)n), key));
  pons_scope_close(s);
  return fine;
}

pons_array pons_embedding(pons_named p, const char *prefix, pons_array ids) {
  return pons_take(parameter(p, prefix, "weight"), ids, 0);
}

pons_array pons_dropout(pons_array x, float rate, pons_array key) {
  if (!(rate >= 0 && rate < 1)) return pons_fail("dropout", "rate %g is not in [0, 1)", (double)rate);
  if (rate == 0) return x;
  if (!key) return pons_fail("dropout", "a key is needed");
  pons_scope s = pons_scope_open();
  pons_array keep = pons_random_bernoulli(pons_float(1 - rate), pons_shape_of(x), key);
  pons_array scale = pons_scalar(1 / (1 - (double)rate), pons_dtype_of(x));
  return pons_scope_return(s, pons_multiply(pons_multiply(scale, keep), x));
}
