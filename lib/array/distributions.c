/* distributions.c: distributions made of random bits, step by step as MLX makes them, so that the values are
   the same. */
#include "dtypes.h"
#include <pons/random.h>
#include <math.h>

#define BELOW_ONE 0x1.fffffep-1 /* the greatest float32 below 1 */

/* The greatest value below 1 that stays below 1 in `dtype`. */
static double below_one(pons_dtype dtype) {
  return dtype == PONS_FLOAT16 ? 0x1.ffcp-1 : dtype == PONS_BFLOAT16 ? 0x1.fep-1 : BELOW_ONE;
}

/* Bits as float32, 0 to 2^32. */
static pons_array words(pons_shape shape, pons_array key) {
  return pons_astype(pons_random_bits(shape, 4, key), PONS_FLOAT32);
}

pons_array pons_random_uniform(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                               pons_array key) {
  if (!is_real_float(dtype)) return pons_fail("random_uniform", "not defined for %s", pons_dtype_name(dtype));
  pons_array lo = pons_astype(low, dtype), range = pons_subtract(pons_astype(high, dtype), lo);
  pons_array unit = pons_divide(words(shape, key), pons_scalar(0x1p32, PONS_FLOAT32));
  unit = pons_minimum(unit, pons_scalar(below_one(dtype), PONS_FLOAT32));
  if (dtype != PONS_FLOAT32) unit = pons_astype(unit, dtype);
  pons_array y = pons_add(pons_multiply(range, unit), lo);
  if (pons_error_of(y)) return y;
  return pons_broadcast_to(y, shape); /* an error if low and high are larger than shape */
}

static pons_array unit_uniform(pons_shape shape, pons_dtype dtype, pons_array key) {
  return pons_random_uniform(pons_scalar(0, dtype), pons_scalar(1, dtype), shape, dtype, key);
}

/* sqrt(2) erfinv(u), u uniform in (-1, 1); halves are drawn in float32. */
pons_array pons_random_normal(pons_shape shape, pons_dtype dtype, double mean, double std, pons_array key) {
  if (!is_real_float(dtype)) return pons_fail("random_normal", "not defined for %s", pons_dtype_name(dtype));
  const pons_dtype drawn = dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32;
  pons_array u =
      pons_random_uniform(pons_scalar(-BELOW_ONE, drawn), pons_scalar(1, drawn), shape, drawn, key);
  pons_array scale = pons_scalar(sqrt(2.0), dtype);
  if (std != 1) scale = pons_multiply(scale, pons_scalar(std, dtype));
  pons_array y = pons_multiply(scale, pons_astype(pons_erfinv(u), dtype));
  return mean != 0 ? pons_add(pons_scalar(mean, dtype), y) : y;
}

/* True where the word is below p 2^32, a little more so that 1 is always true. */
pons_array pons_random_bernoulli(pons_array p, pons_shape shape, pons_array key) {
  pons_array y = pons_less(words(shape, key), pons_multiply(p, pons_scalar(4294967808.0, PONS_FLOAT32)));
  if (pons_error_of(y)) return y;
  return pons_broadcast_to(y, shape);
}

pons_array pons_random_randint(int64_t low, int64_t high, pons_shape shape, pons_dtype dtype,
                               pons_array key) {
  if (is_inexact(dtype)) return pons_fail("random_randint", "not defined for %s", pons_dtype_name(dtype));
  pons_array lo = pons_int(low), hi = pons_int(high);
  pons_array drawn = pons_astype(pons_floor(pons_random_uniform(lo, hi, shape, PONS_FLOAT32, key)), dtype);
  pons_array last =
      pons_subtract(pons_astype(hi, dtype), pons_scalar(1, dtype)); /* float32 may round up to high */
  return pons_maximum(pons_minimum(drawn, last), pons_astype(lo, dtype));
}

/* The normal's distribution function is drawn from uniformly between those of the bounds. */
pons_array pons_random_truncated_normal(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                                        pons_array key) {
  if (!is_real_float(dtype))
    return pons_fail("random_truncated_normal", "not defined for %s", pons_dtype_name(dtype));
  pons_array root = pons_scalar(sqrt(2.0), dtype), lo = pons_astype(low, dtype),
             hi = pons_astype(high, dtype);
  pons_array a = pons_erf(pons_divide(lo, root)), b = pons_erf(pons_divide(hi, root));
  pons_array y = pons_multiply(root, pons_erfinv(pons_random_uniform(a, b, shape, dtype, key)));
  return pons_maximum(pons_minimum(hi, y), lo);
}

pons_array pons_random_gumbel(pons_shape shape, pons_dtype dtype, pons_array key) {
  return pons_negative(pons_log(pons_negative(pons_log(unit_uniform(shape, dtype, key)))));
}

/* Gumbel noise on the logits makes the greatest one a draw (Gumbel 1954). */
pons_array pons_random_categorical(pons_array logits, int axis, pons_array key) {
  pons_array noise = pons_random_gumbel(pons_shape_of(logits), PONS_FLOAT32, key);
  return pons_argmax(pons_add(noise, logits), axis, false);
}

pons_array pons_random_permutation(int64_t n, pons_array key) {
  if (n < 0) return pons_fail("random_permutation", "of %lld elements", (long long)n);
  return pons_argsort(pons_random_bits(PONS_SHAPE(n), 4, key), 0);
}
