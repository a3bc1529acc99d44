/* selftest_operands.c: the numbers that checks compute with, made on the CPU. */
#include "selftest_checks.h"

pons_array ready(pons_array x) {
  pons_eval(x);
  return x;
}

pons_array on_cpu(pons_array (*make)(pons_shape, pons_dtype, int), pons_shape shape, pons_dtype dtype, int seed) {
  pons_stream before = pons_set_stream(pons_default_stream("cpu"));
  pons_array x = ready(make(shape, dtype, seed));
  pons_set_stream(before);
  return x;
}

pons_array make_normal(pons_shape shape, pons_dtype dtype, int seed) {
  pons_array key = pons_random_key((uint64_t)seed);
  if (dtype == PONS_COMPLEX64) return pons_random_normal(shape, dtype, NULL, NULL, key);
  return pons_astype(pons_random_normal(shape, PONS_FLOAT32, NULL, NULL, key), dtype);
}
pons_array normal(pons_shape shape, pons_dtype dtype, int seed) {
  return on_cpu(make_normal, shape, dtype, seed);
}

static pons_array make_small(pons_shape shape, pons_dtype dtype, int seed) {
  pons_array x =
      pons_random_randint(pons_int(0), pons_int(17), shape, PONS_INT32, pons_random_key((uint64_t)seed));
  return pons_astype(x, dtype);
}
pons_array small_integers(pons_shape shape, pons_dtype dtype, int seed) {
  return on_cpu(make_small, shape, dtype, seed);
}

pons_array sorted_matrices(int64_t rows, int64_t matrices, int seed) {
  pons_array chosen = small_integers(PONS_SHAPE(rows), PONS_UINT32, seed);
  return pons_sort(pons_remainder(chosen, pons_astype(pons_int(matrices), PONS_UINT32)), 0);
}

pons_array gradients(void (*function)(void *, const pons_array *, int, pons_array *, int), void *payload, const pons_array *at, int n) {
  pons_function f = pons_function_new(function, 1, payload, NULL);
  pons_array y, all[3];
  function(payload, at, n, &y, 1);
  pons_array cotangent = normal(pons_shape_of(y), pons_dtype_of(y), 78);
  pons_vjp(f, at, n, &cotangent, 1, &y, all);
  pons_function_release(f);
  for (int i = 0; i < n; i++) all[i] = pons_flatten(all[i], 0, -1);
  return pons_concatenate(all, n, 0);
}
