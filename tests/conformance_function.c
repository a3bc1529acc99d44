/* conformance_function.c: cases of functions made of others, and of random numbers. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(reciprocal) { out[0] = pons_reciprocal(in[0]); }
CASE(clip) {
  out[0] = pons_clip(in[0], pons_float(-1), in[1]);
  out[1] = pons_clip(in[0], NULL, pons_float(0.5));
}
CASE(is) {
  pons_array odd = pons_divide(in[0], pons_subtract(in[0], in[0])); /* inf, nan */
  out[0] = pons_isnan(odd);
  out[1] = pons_isinf(odd);
  out[2] = pons_isfinite(odd);
}
CASE(is_any_type) {
  out[0] = pons_isnan(in[0]);
  out[1] = pons_isinf(in[0]);
  out[2] = pons_isfinite(in[0]);
}
CASE(close) {
  out[0] = pons_isclose(in[0], in[1], 0.5, 0.1);
  out[1] = pons_allclose(in[0], in[0], 1e-5, 1e-8);
  out[2] = pons_array_equal(in[0], in[1]);
  out[3] = pons_array_equal(in[0], pons_flatten(in[0], 0, -1));
}
const conformance_case *function_cases(int *count) {
  static const conformance_case cases[] = {
      {"reciprocal", reciprocal, TYPES_FLOAT, true, 1, 1, {INPUT_FROM(0.5, 3, TRANSPOSED, 2, 2, 3)}},
      {"clip", clip, TYPES_FLOAT, true, 2, 2, {INPUT(PLAIN, 2, 2, 3), INPUT_FROM(0, 1, PLAIN, 1, 3)}},
      {"isnan, isinf, isfinite", is, TYPES_FLOAT, false, 1, 3, {INPUT(PLAIN, 2, 2, 3)}},
      {"isnan, isinf, isfinite: of any type", is_any_type, TYPES_ANY, false, 1, 3, {INPUT(PLAIN, 2, 2, 3)}},
      {"isclose, allclose, array_equal",
       close,
       TYPES_REAL,
       false,
       2,
       4,
       {INPUT(PLAIN, 2, 2, 3), INPUT(TRANSPOSED, 2, 2, 3)}},
  };
  *count = sizeof cases / sizeof *cases;
  return cases;
}

/* ---- random numbers: the same bits for the same key ---- */

CASE(bits) {
  out[0] = pons_random_bits(PONS_SHAPE(3, 5), 4, in[0]);
  out[1] = pons_random_bits(PONS_SHAPE(7), 1, in[0]);
  out[2] = pons_random_bits(PONS_SHAPE(3), 2, in[0]);
}
CASE(keys) {
  out[0] = pons_random_split(in[0], 3);
  out[1] = pons_random_key(0x123456789abcdef0u);
}
CASE(uniform) {
  out[0] = pons_random_uniform(pons_float(-1), pons_float(2), PONS_SHAPE(3, 4), PONS_FLOAT32, in[0]);
  out[1] = pons_random_uniform(NULL, NULL, PONS_SHAPE(5), PONS_FLOAT16, in[0]);
  out[2] = pons_random_uniform(NULL, NULL, PONS_SHAPE(5), PONS_BFLOAT16, in[0]);
}
CASE(uniform_between) {
  pons_array high = pons_add(in[1], pons_float(1));
  out[0] = pons_random_uniform(in[1], high, PONS_SHAPE(2, 3), PONS_FLOAT32, in[0]);
  out[1] = pons_random_uniform(in[1], high, PONS_SHAPE(2, 3), PONS_FLOAT16, in[0]);
}
CASE(normal) {
  out[0] = pons_random_normal(PONS_SHAPE(3, 4), PONS_FLOAT32, NULL, NULL, in[0]);
  out[1] = pons_random_normal(PONS_SHAPE(3), PONS_FLOAT32, pons_float(1), pons_float(2), in[0]);
  out[2] = pons_random_normal(PONS_SHAPE(3), PONS_BFLOAT16, NULL, NULL, in[0]);
  out[3] = pons_random_normal(PONS_SHAPE(3), PONS_COMPLEX64, NULL, NULL, in[0]);
}
CASE(normal_about) {
  out[0] = pons_random_normal(PONS_SHAPE(2, 3), PONS_FLOAT32, in[1], in[1], in[0]);
  out[1] = pons_random_normal(PONS_SHAPE(2, 3), PONS_FLOAT16, NULL, in[1], in[0]);
  out[2] = pons_random_normal(PONS_SHAPE(2, 3), PONS_BFLOAT16, in[1], NULL, in[0]);
  out[3] = pons_random_normal(PONS_SHAPE(2, 3), PONS_COMPLEX64, in[1], in[1], in[0]);
}
CASE(multivariate) {
  pons_array apart = pons_diag(pons_arange(1, 13, 4, PONS_FLOAT32), 0); /* keeps the variances distinct */
  pons_array cov = pons_add(pons_matmul(in[2], pons_swapaxes(in[2], -1, -2)), apart);
  out[0] = pons_random_multivariate_normal(in[1], cov, PONS_SCALAR, PONS_FLOAT32, in[0]);
  out[1] = pons_random_multivariate_normal(in[1], cov, PONS_SHAPE(4, 2), PONS_FLOAT32, in[0]);
}
CASE(laplace) {
  out[0] = pons_random_laplace(PONS_SHAPE(3, 4), PONS_FLOAT32, 0, 1, in[0]);
  out[1] = pons_random_laplace(PONS_SHAPE(5), PONS_FLOAT32, -1, 2.5, in[0]);
  out[2] = pons_random_laplace(PONS_SHAPE(5), PONS_FLOAT16, 0.1, 3, in[0]);
  out[3] = pons_random_laplace(PONS_SHAPE(5), PONS_BFLOAT16, 0, 1, in[0]);
}
CASE(wide_floats) { /* drawn as float32, computed in float64 */
  out[0] = pons_random_normal(PONS_SHAPE(4), PONS_FLOAT64, pons_float(1), pons_float(2), in[0]);
  out[1] = pons_random_laplace(PONS_SHAPE(5), PONS_FLOAT64, 0, 1, in[0]);
}
CASE(between_doubles) {
  out[0] = pons_random_uniform(in[1], in[2], PONS_SHAPE(2, 3), PONS_FLOAT64, in[0]);
  out[1] = pons_random_normal(PONS_SHAPE(2, 3), PONS_FLOAT64, in[1], in[2], in[0]);
}
CASE(bernoulli) { out[0] = pons_random_bernoulli(pons_float(0.3), PONS_SHAPE(20), in[0]); }
CASE(bernoulli_of) {
  out[0] = pons_random_bernoulli(in[1], PONS_SCALAR, in[0]);
  out[1] = pons_random_bernoulli(in[1], PONS_SHAPE(4, 3), in[0]);
}
CASE(randint) {
  out[0] = pons_random_randint(pons_int(-3), pons_int(9), PONS_SHAPE(20), PONS_INT32, in[0]);
  out[1] = pons_random_randint(pons_int(0), pons_int(200), PONS_SHAPE(20), PONS_UINT8, in[0]);
  out[2] = pons_random_randint(pons_int(5), pons_int(2), PONS_SHAPE(4), PONS_INT64, in[0]);
}
CASE(randint_between) {
  pons_array high = pons_add(in[1], pons_scalar(7, PONS_INT32));
  out[0] = pons_random_randint(in[1], high, PONS_SHAPE(5, 3), PONS_INT32, in[0]);
  out[1] = pons_random_randint(in[2], pons_int(20), PONS_SHAPE(5, 2), PONS_INT16, in[0]);
}
CASE(truncated) {
  out[0] = pons_random_truncated_normal(pons_float(-1), pons_float(2), PONS_SHAPE(8), PONS_FLOAT32, in[0]);
}
CASE(truncated_between) {
  pons_array high = pons_add(in[1], pons_float(1));
  out[0] = pons_random_truncated_normal(in[1], high, PONS_SCALAR, PONS_FLOAT32, in[0]);
  out[1] = pons_random_truncated_normal(in[1], high, PONS_SHAPE(2, 3), PONS_FLOAT16, in[0]);
}
CASE(truncated_at) {
  out[0] = pons_random_truncated_normal(in[1], pons_add(in[1], in[2]), PONS_SHAPE(2, 3), PONS_FLOAT32, in[0]);
}
CASE(gumbel) {
  out[0] = pons_random_gumbel(PONS_SHAPE(8), PONS_FLOAT32, in[0]);
  out[1] = pons_random_gumbel(PONS_SHAPE(8), PONS_FLOAT16, in[0]);
}
CASE(categorical) { out[0] = pons_random_categorical(in[1], 1, in[0]); }
CASE(categorical_forms) {
  out[0] = pons_random_categorical(in[1], 1, in[0], .num_samples = 4);
  out[1] = pons_random_categorical(in[1], 0, in[0], .num_samples = 5);
  out[2] = pons_random_categorical(in[1], -1, in[0], .shape = PONS_SHAPE(5, 3));
  out[3] = pons_random_categorical(in[1], 0, in[0], .shape = PONS_SHAPE(2, 5, 4));
}
CASE(categorical_of_one) { /* one row: by its running sum */
  out[0] = pons_random_categorical(in[1], 1, in[0]);
  out[1] = pons_random_categorical(in[1], -1, in[0], .num_samples = 5);
  out[2] = pons_random_categorical(in[2], 0, in[0], .shape = PONS_SHAPE(2, 3));
  out[3] = pons_random_categorical(in[2], 0, in[0]);
}
CASE(permutation) { out[0] = pons_random_permutation(9, in[0]); }
CASE(permutation_of) {
  out[0] = pons_random_permutation_of(in[1], 0, in[0]);
  out[1] = pons_random_permutation_of(in[1], -1, in[0]);
}

#define KEY \
  { PONS_UINT32, 1, {2}, 0, 4e9, LAYOUT_PLAIN }

const conformance_case *random_cases(int *count) {
  static const conformance_case cases[] = {
      {"random_bits", bits, TYPES_ONE, false, 1, 3, {KEY}},
      {"random_key, random_split", keys, TYPES_ONE, false, 1, 2, {KEY}},
      {"random_uniform", uniform, TYPES_ONE, false, 1, 3, {KEY}},
      {"random_uniform: between arrays", uniform_between, TYPES_ONE, false, 2, 2, {KEY, INPUT(PLAIN, 1, 3)}},
      {"random_normal", normal, TYPES_ONE, false, 1, 4, {KEY}},
      {"random_normal: about arrays", normal_about, TYPES_ONE, false, 2, 4, {KEY, INPUT(PLAIN, 1, 3)}},
      {"random_multivariate_normal",
       multivariate,
       TYPES_ONE,
       true,
       3,
       2,
       {KEY, INPUT(PLAIN, 2, 2, 3), INPUT(PLAIN, 2, 3, 3)}},
      {"random_laplace", laplace, TYPES_ONE, false, 1, 4, {KEY}},
      {"random_normal, random_laplace: float64", wide_floats, TYPES_ONE, false, 1, 2, {KEY}},
      {"random_uniform, random_normal: float64 between arrays",
       between_doubles,
       TYPE_BIT(PONS_FLOAT64),
       true,
       3,
       2,
       {KEY, INPUT(PLAIN, 1, 3), INPUT(PLAIN, 1, 3)}},
      {"random_bernoulli", bernoulli, TYPES_ONE, false, 1, 1, {KEY}},
      {"random_bernoulli: of an array",
       bernoulli_of,
       TYPES_FLOAT,
       false,
       2,
       2,
       {KEY, INPUT_FROM(0, 1, PLAIN, 1, 3)}},
      {"random_randint", randint, TYPES_ONE, false, 1, 3, {KEY}},
      {"random_randint: between arrays",
       randint_between,
       TYPES_ONE,
       false,
       3,
       2,
       {KEY, INDICES(9, 1, 3), INPUT(PLAIN, 1, 2)}},
      {"random_truncated_normal", truncated, TYPES_ONE, false, 1, 1, {KEY}},
      {"random_truncated_normal: between arrays",
       truncated_between,
       TYPES_ONE,
       false,
       2,
       2,
       {KEY, INPUT(PLAIN, 1, 3)}},
      {"random_truncated_normal: float32 between arrays",
       truncated_at,
       TYPES_ONE,
       true,
       3,
       1,
       {KEY, INPUT_FROM(-1, 1, PLAIN, 1, 3), INPUT_FROM(0.5, 1, PLAIN, 2, 2, 3)}},
      {"random_gumbel", gumbel, TYPES_ONE, false, 1, 2, {KEY}},
      {"random_categorical", categorical, TYPES_FLOAT, false, 2, 1, {KEY, INPUT(PLAIN, 2, 3, 4)}},
      {"random_categorical: several per row",
       categorical_forms,
       TYPES_FLOAT,
       false,
       2,
       4,
       {KEY, INPUT(PLAIN, 2, 3, 4)}},
      {"random_categorical: of one row",
       categorical_of_one,
       TYPES_ONE,
       false,
       3,
       4,
       {KEY, INPUT(PLAIN, 2, 1, 4), INPUT(PLAIN, 1, 5)}},
      {"random_permutation_of", permutation_of, TYPES_ANY, false, 2, 2, {KEY, INPUT(PLAIN, 2, 3, 4)}},
      {"random_permutation", permutation, TYPES_ONE, false, 1, 1, {KEY}},
  };
  *count = sizeof cases / sizeof *cases;
  return cases;
}
