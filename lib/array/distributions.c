/* distributions.c: distributions made of random bits, step by step as MLX makes them, so that the values are
   the same. */
#include "dtypes.h"
#include "operands.h"
#include <pons/linalg.h>
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
  pons_array lo = low ? pons_astype(low, dtype) : pons_scalar(0, dtype);
  pons_array range = pons_subtract(high ? pons_astype(high, dtype) : pons_scalar(1, dtype), lo);
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

/* As a shape, and the shape of a and b (may be NULL) together. False: they don't broadcast. */
typedef struct sizes {
  int count;
  int64_t at[PONS_MAX_NDIM];
} sizes;
static bool join_shapes(sizes *to, pons_shape from) {
  sizes joined = {.count = to->count > from.count ? to->count : from.count};
  if (joined.count > PONS_MAX_NDIM) return false;
  for (int i = 0; i < joined.count; i++) {
    const int own = i - (joined.count - to->count), other = i - (joined.count - from.count);
    const int64_t a = own >= 0 ? to->at[own] : 1, b = other >= 0 ? from.at[other] : 1;
    if (a != b && a != 1 && b != 1) return false;
    joined.at[i] = a == 1 ? b : a;
  }
  *to = joined;
  return true;
}
static pons_shape shape_of(const sizes *s) { return (pons_shape){s->count, s->at}; }

/* erfinv(u), u uniform in (-1, 1), which is a normal number over sqrt(2); halves are drawn in float32. */
static pons_array half_normal(pons_shape shape, pons_dtype dtype, pons_array key) {
  const pons_dtype drawn = dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32;
  pons_array low = pons_scalar(-BELOW_ONE, drawn), high = pons_scalar(1, drawn);
  return pons_astype(pons_erfinv(pons_random_uniform(low, high, shape, drawn, key)), dtype);
}

/* Real and imaginary part have variance 1/2 each. */
static pons_array complex_half_normal(pons_shape shape, pons_dtype dtype, pons_array key) {
  int64_t dims[PONS_MAX_NDIM + 1];
  if (shape.count < 0 || shape.count >= PONS_MAX_NDIM)
    return pons_fail("random_normal", "a shape of %d axes", shape.count);
  for (int i = 0; i < shape.count; i++) dims[i] = shape.at[i];
  dims[shape.count] = 2;
  pons_array pairs = half_normal((pons_shape){shape.count + 1, dims}, part_dtype(dtype), key);
  return pons_squeeze(pons_view(pairs, dtype), PONS_AXES(-1));
}

pons_array pons_random_normal(pons_shape shape, pons_dtype dtype, pons_array loc, pons_array scale,
                              pons_array key) {
  if (!is_inexact(dtype)) return pons_fail("random_normal", "not defined for %s", pons_dtype_name(dtype));
  const bool complex = is_complex_dtype(dtype);
  pons_array drawn = complex ? complex_half_normal(shape, dtype, key) : half_normal(shape, dtype, key);
  pons_array factor = pons_scalar(complex ? 1 : sqrt(2.0), dtype);
  if (scale) factor = pons_multiply(factor, pons_astype(scale, dtype));
  pons_array y = pons_multiply(factor, drawn);
  return loc ? pons_add(pons_astype(loc, dtype), y) : y;
}

/* z times the square root of the covariance, which is U diag(sqrt(S)) Vt. */
pons_array pons_random_multivariate_normal(pons_array mean, pons_array cov, pons_shape shape,
                                           pons_dtype dtype, pons_array key) {
  const char *op = "random_multivariate_normal";
  pons_array bad = fault_among(op, (pons_array[]){mean, cov}, 2), usv[3];
  if (bad) return bad;
  if (dtype != PONS_FLOAT32) return pons_fail(op, "dtype must be float32, not %s", pons_dtype_name(dtype));
  const int m = pons_ndim(mean), c = pons_ndim(cov);
  if (m < 1 || c < 2 || pons_dim(cov, -1) != pons_dim(cov, -2) || pons_dim(mean, -1) != pons_dim(cov, -1))
    return pons_fail(
        op,
        "a mean (..., n) and a covariance (..., n, n), not of %d and %d axes with %lld, and %lld by "
        "%lld elements along the last ones",
        m, c, (long long)pons_dim(mean, -1), (long long)pons_dim(cov, -2), (long long)pons_dim(cov, -1));
  sizes all = {0};
  if (!join_shapes(&all, shape) || !join_shapes(&all, (pons_shape){m - 1, pons_shape_of(mean).at}) ||
      !join_shapes(&all, (pons_shape){c - 2, pons_shape_of(cov).at}) || all.count >= PONS_MAX_NDIM)
    return pons_fail(op, "the shape and the leading axes of mean and covariance do not broadcast");
  all.at[all.count++] = pons_dim(mean, -1);
  pons_linalg_svd(pons_astype(cov, dtype), true, usv);
  pons_array scaled = pons_multiply(usv[0], pons_expand_dims(pons_sqrt(usv[1]), PONS_AXES(-2)));
  pons_array z = pons_expand_dims(pons_random_normal(shape_of(&all), dtype, NULL, NULL, key), PONS_AXES(-2));
  pons_array y = pons_squeeze(pons_matmul(z, pons_matmul(scaled, usv[2])), PONS_AXES(-2));
  return pons_add(pons_astype(mean, dtype), y);
}

/* The inverse of the distribution function at u, uniform in (-1, 1): its sign and what is beyond it. */
pons_array pons_random_laplace(pons_shape shape, pons_dtype dtype, double loc, double scale, pons_array key) {
  if (!is_real_float(dtype)) return pons_fail("random_laplace", "not defined for %s", pons_dtype_name(dtype));
  const pons_dtype drawn = dtype == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32;
  pons_array u =
      pons_random_uniform(pons_scalar(-BELOW_ONE, drawn), pons_scalar(1, drawn), shape, drawn, key);
  pons_array beyond = pons_log1p(pons_negative(pons_abs(u)));
  pons_array y = pons_astype(pons_multiply(pons_sign(u), beyond), dtype);
  if (scale != 1) y = pons_multiply(pons_scalar(scale, dtype), y);
  return loc != 0 ? pons_add(pons_scalar(loc, dtype), y) : y;
}

/* True where the word is below p 2^32, a little more so that 1 is always true. */
pons_array pons_random_bernoulli(pons_array p, pons_shape shape, pons_array key) {
  pons_array bad = fault_of("random_bernoulli", p);
  if (bad) return bad;
  if (!is_real_float(pons_dtype_of(p)))
    return pons_fail("random_bernoulli", "the probability must be a float, not %s",
                     pons_dtype_name(pons_dtype_of(p)));
  if (shape.count == 0) shape = pons_shape_of(p);
  pons_array y = pons_less(words(shape, key), pons_multiply(p, pons_scalar(4294967808.0, PONS_FLOAT32)));
  if (pons_error_of(y)) return y;
  return pons_broadcast_to(y, shape);
}

pons_array pons_random_randint(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                               pons_array key) {
  pons_array bad = fault_among("random_randint", (pons_array[]){low, high}, 2);
  if (bad) return bad;
  if (is_inexact(dtype)) return pons_fail("random_randint", "not defined for %s", pons_dtype_name(dtype));
  if (dtype == PONS_BOOL) /* which has no number above 1 to stay below */
    return pons_astype(pons_random_randint(low, high, shape, PONS_INT32, key), dtype);
  pons_array drawn = pons_floor(pons_random_uniform(low, high, shape, PONS_FLOAT32, key));
  pons_array last = /* float32 may round up to high */
      pons_subtract(pons_astype(high, dtype), pons_scalar(1, dtype));
  return pons_maximum(pons_minimum(pons_astype(drawn, dtype), last), pons_astype(low, dtype));
}

/* The normal's distribution function is drawn from uniformly between those of the bounds. */
pons_array pons_random_truncated_normal(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                                        pons_array key) {
  if (!is_real_float(dtype))
    return pons_fail("random_truncated_normal", "not defined for %s", pons_dtype_name(dtype));
  pons_array bad = fault_among("random_truncated_normal", (pons_array[]){low, high}, 2);
  if (bad) return bad;
  sizes own = {0};
  if (!join_shapes(&own, pons_shape_of(low)) || !join_shapes(&own, pons_shape_of(high)))
    return pons_fail("random_truncated_normal", "the bounds do not broadcast");
  if (shape.count == 0) shape = shape_of(&own);
  pons_array root = pons_scalar(sqrt(2.0), dtype), lo = pons_astype(low, dtype),
             hi = pons_astype(high, dtype);
  pons_array a = pons_erf(pons_divide(lo, root)), b = pons_erf(pons_divide(hi, root));
  pons_array y = pons_multiply(root, pons_erfinv(pons_random_uniform(a, b, shape, dtype, key)));
  return pons_maximum(pons_minimum(hi, y), lo);
}

pons_array pons_random_gumbel(pons_shape shape, pons_dtype dtype, pons_array key) {
  return pons_negative(pons_log(pons_negative(pons_log(unit_uniform(shape, dtype, key)))));
}

/* ---- categorical ---- */

/* The shape of the result. NULL, or an error. */
static pons_array shape_of_draws(const struct pons_categorical_args *args, int axis, sizes *out) {
  const char *op = "random_categorical";
  const pons_shape own = pons_shape_of(args->logits);
  sizes rows = {0};
  for (int i = 0; i < own.count; i++)
    if (i != axis) rows.at[rows.count++] = own.at[i];
  *out = rows;
  if (args->num_samples && args->shape.at)
    return pons_fail(op, "either a shape or a number of samples, not both");
  if (args->num_samples) out->at[out->count++] = args->num_samples;
  if (!args->shape.at) return NULL;
  bool fits = join_shapes(out, args->shape) && out->count == args->shape.count && out->count < PONS_MAX_NDIM;
  for (int i = 0; fits && i < out->count; i++) fits = out->at[i] == args->shape.at[i];
  return fits ? NULL : pons_fail(op, "the logits' rows do not broadcast to the shape asked for");
}

/* One distribution for all draws: where in the running sum of the probabilities each of them falls. */
static pons_array draws_of_one(pons_array logits, const sizes *drawn, pons_array key) {
  pons_array x = pons_flatten(logits, 0, -1);
  if (pons_dtype_of(x) != PONS_FLOAT64) x = pons_astype(x, PONS_FLOAT32);
  pons_array most = pons_max(x), endless = pons_isinf(most), weights = pons_exp(pons_subtract(x, most));
  weights = pons_where(endless, pons_astype(pons_equal(x, most), pons_dtype_of(x)), weights);
  pons_array before = pons_cumsum(weights, 0, .exclusive = true);
  pons_array u = pons_random_uniform(NULL, NULL, shape_of(drawn), PONS_FLOAT32, key);
  pons_array at = pons_multiply(pons_astype(u, pons_dtype_of(x)), pons_sum(weights));
  return pons_subtract(pons_searchsorted(before, at, true), pons_scalar(1, PONS_UINT32));
}

/* Gumbel noise on the logits makes the greatest one a draw (Gumbel 1954). With a shape, its axes are matched
   with those of the logits from the last one on. */
pons_array pons_random_categorical_with(struct pons_categorical_args args) {
  int axis;
  pons_array x = args.logits, bad = fault_of("random_categorical", x);
  sizes drawn;
  if (!bad) bad = axis_fault("random_categorical", x, args.axis, &axis);
  if (!bad) bad = shape_of_draws(&args, axis, &drawn);
  if (bad) return bad;
  const int64_t outcomes = pons_dim(x, axis);
  if (pons_size(x) == outcomes && drawn.count > 0) return draws_of_one(x, &drawn, args.key);
  if (drawn.count == PONS_MAX_NDIM)
    return pons_fail("random_categorical", "the result would have too many axes");
  if (args.num_samples)
    x = pons_expand_dims(x, PONS_AXES(-1));
  else
    axis += drawn.count + 1 - pons_ndim(x);
  sizes noise = {.count = drawn.count + 1};
  for (int i = 0; i < noise.count; i++) noise.at[i] = i == axis ? outcomes : drawn.at[i < axis ? i : i - 1];
  return pons_argmax(pons_add(pons_random_gumbel(shape_of(&noise), PONS_FLOAT32, args.key), x), axis, false);
}

/* ---- permutations ---- */

pons_array pons_random_permutation(int64_t n, pons_array key) {
  if (n < 0) return pons_fail("random_permutation", "of %lld elements", (long long)n);
  return pons_argsort(pons_random_bits(PONS_SHAPE(n), 4, key), 0);
}

pons_array pons_random_permutation_of(pons_array x, int axis, pons_array key) {
  int at;
  pons_array bad = fault_of("random_permutation", x);
  if (!bad) bad = axis_fault("random_permutation", x, axis, &at);
  return bad ? bad : pons_take(x, pons_random_permutation(pons_dim(x, at), key), at);
}
