/* product_ops_test.c: products, convolutions, softmax and composites, random keys: graphs as MLX writes them,
   messages. */
#include "ops/ops_for_tests.h"
#include <math.h>
#include <stdlib.h>

static void products(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(2, 3));
  check(pons_matmul(x, pons_transpose(x)), "[[5, 14], [14, 50]] float32");
  check(pons_matmul(FLOATS(1, 2), FLOATS(3, 4)), "11 float32");
  check(pons_matmul(pons_zeros(PONS_SHAPE(2, 0), PONS_FLOAT32), pons_zeros(PONS_SHAPE(0, 2), PONS_FLOAT32)),
        "[[0, 0], [0, 0]] float32");
  check(pons_addmm(FLOATS(1, 2), x, pons_transpose(x), 1, 10), "[[15, 34], [24, 70]] float32");
  check(pons_inner(FLOATS(1, 2), FLOATS(3, 4)), "11 float32");
  check(pons_outer(INTS(1, 2), INTS(3, 4)), "[[3, 4], [6, 8]] int32");
  pons_array batch = symbol(PONS_SHAPE(2, 3, 4), PONS_FLOAT32),
             matrix = symbol(PONS_SHAPE(4, 5), PONS_FLOAT32);
  pons_array vector = symbol(PONS_SHAPE(4), PONS_FLOAT32);
  check_graph(pons_matmul(batch, matrix), "Flatten Matmul Unflatten");
  check_graph(pons_matmul(batch, vector), "Flatten ExpandDims Matmul Unflatten Squeeze");
  check_graph(pons_matmul(vector, vector), "ExpandDims ExpandDims Matmul Squeeze");
  check_graph(pons_matmul(batch, symbol(PONS_SHAPE(1, 4, 5), PONS_FLOAT32)), "Broadcast Matmul");
  check_error(pons_matmul(x, x),
              "matmul: inner dimensions differ: (2, 3) float32 and (2, 3) float32\n"
              "hint: did you mean pons_matmul(a, pons_transpose(b))?");
  check_error(pons_matmul(x, pons_float(2)),
              "matmul: a scalar has no dimension to multiply over: (2, 3) float32 and () float32");
  check_error(pons_matmul(INTS(1), INTS(1)),
              "matmul: only floats and complex numbers can be multiplied so: (1) int32 and (1) int32");
  check_error(
      pons_matmul(symbol(PONS_SHAPE(2, 1, 4), PONS_FLOAT32), symbol(PONS_SHAPE(3, 4, 1), PONS_FLOAT32)),
      "matmul: leading dimensions do not broadcast: (2, 1, 4) float32 and (3, 4, 1) float32");
}

/* ---- what gradients of training are made of, so that no more is written than must be ---- */

typedef void called_function(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out);
/* That of the last operand. */
static pons_array gradient_of(called_function *called, const pons_array *in, int n_in, const pons_array *cotangents, int n_out) {
  pons_array y[2], grads[2];
  pons_function f = pons_function_new(called, n_out, NULL, NULL);
  assert_true(pons_vjp(f, in, n_in, cotangents, n_out, y, grads));
  pons_function_release(f);
  return grads[n_in - 1];
}

static void layer(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_matmul(in[0], pons_transpose(in[1]));
}
static void two_heads(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in;
  pons_split(in[0], n_out, -1, out);
  for (int i = 0; i < n_out; i++) out[i] = pons_swapaxes(pons_reshape(out[i], PONS_SHAPE(1, 3, 2, 1)), 1, 2);
}
static void picked(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_take_along_axis(in[0], pons_reshape(INTS(2, -3), PONS_SHAPE(2, 1)), 1);
}
static void log_sum(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_logsumexp(in[0], .axes = PONS_AXES(-1));
}

static void gradients(void **unused) {
  (void)unused;
  /* A weight's lies as the weight does: sum over i of (4 i + j)(3 i + k). */
  const pons_array matrices[] = {counted(PONS_SHAPE(5, 3)), counted(PONS_SHAPE(4, 3))}, of_layer = counted(PONS_SHAPE(5, 4));
  const pons_array weight = gradient_of(layer, matrices, 2, &of_layer, 1);
  check(weight, "[[360, 400, 440], [390, 435, 480], [420, 470, 520], [450, 505, 560]] float32");
  assert_true(node_strides(weight)[0] == 3 && node_strides(weight)[1] == 1);
  /* Heads are put together as they lie. */
  const pons_array wide = counted(PONS_SHAPE(1, 3, 4)), of_heads[] = {counted(PONS_SHAPE(1, 2, 3, 1)), counted(PONS_SHAPE(1, 2, 3, 1))};
  const pons_array heads = gradient_of(two_heads, &wide, 1, of_heads, 2);
  check_graph(heads, "Arange Reshape Transpose Arange Reshape Transpose Concatenate Flatten");
  check(heads, "[[[0, 3, 0, 3], [1, 4, 1, 4], [2, 5, 2, 5]]] float32");
  /* One element of a line, without a line of zeros; weights of a sum elementwise, where the sum is fine enough. */
  const pons_array lines = counted(PONS_SHAPE(2, 3)), of_lines = pons_reshape(FLOATS(5, 7), PONS_SHAPE(2, 1));
  check(gradient_of(picked, &lines, 1, &of_lines, 1), "[[0, 0, 5], [7, 0, 0]] float32");
  const pons_array ones = FLOATS(1, 1), halves = pons_astype(lines, PONS_FLOAT16), half_ones = pons_astype(ones, PONS_FLOAT16);
  pons_eval(lines), pons_eval(halves);
  check_graph(gradient_of(log_sum, &lines, 1, &ones, 1), "Reshape Broadcast Reshape Copy LogSumExp Broadcast Subtract Exp Multiply");
  check_graph(gradient_of(log_sum, &halves, 1, &half_ones, 1), "AsType Reshape Broadcast AsType Copy Softmax Multiply");
}

/* The greatest of what is only made wider is looked for before. */
/* What is added to a product, with a row for all and without: of integers, so that all dtypes give the same. */
static void sums_with_products(void **unused) {
  (void)unused;
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT16};
  const int64_t m = 6, k = 8, n = 16;
  for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
    pons_array a = pons_astype(pons_reshape(pons_remainder(pons_arange(0, (double)(2 * m * k), 1, PONS_INT32), pons_int(5)),
                                            PONS_SHAPE(2, m, k)), dtypes[d]);
    pons_array b = pons_astype(pons_reshape(pons_remainder(pons_arange(0, (double)(k * n), 1, PONS_INT32), pons_int(3)),
                                            PONS_SHAPE(k, n)), dtypes[d]);
    pons_array x = pons_astype(pons_reshape(pons_remainder(pons_arange(0, (double)(2 * m * n), 1, PONS_INT32), pons_int(32)),
                                            PONS_SHAPE(2, m, n)), dtypes[d]);
    pons_array row = pons_astype(pons_arange(0, (double)n, 1, PONS_INT32), dtypes[d]), operands[] = {a, b, x, row};
    for (int i = 0; i < 4; i++) assert_true(pons_eval(operands[i]));
    pons_array sum = pons_astype(pons_add(x, pons_matmul(a, b)), PONS_FLOAT32),
               biased = pons_astype(pons_add(pons_addmm(row, a, b, 1, 1), x), PONS_FLOAT32),
               scaled = pons_astype(pons_add(pons_addmm(row, a, b, 1, 2), x), PONS_FLOAT32);
    const float *got[] = {pons_data(sum), pons_data(biased), pons_data(scaled)};
    assert_true(got[0] && got[1] && got[2]);
    for (int64_t i = 0; i < 2 * m * n; i++) {
      int64_t product = 0;
      for (int64_t j = 0; j < k; j++) product += (i / n * k + j) % 5 * ((j * n + i % n) % 3);
      assert_int_equal((int)got[0][i], (int)(i % 32 + product));
      assert_int_equal((int)got[1][i], (int)(i % 32 + product + i % n));
      assert_int_equal((int)got[2][i], (int)(i % 32 + product + 2 * (i % n)));
    }
  }
}

static void extremes_of_halves(void **unused) {
  (void)unused;
  pons_array halves = symbol(PONS_SHAPE(2, 3), PONS_BFLOAT16);
  check_graph(pons_max(pons_astype(halves, PONS_FLOAT32), .axes = PONS_AXES(1)), "Reduce Squeeze AsType");
  check_graph(pons_sum(pons_astype(halves, PONS_FLOAT32), .axes = PONS_AXES(1)), "AsType Reduce Squeeze");
  check(pons_min(pons_astype(pons_astype(FLOATS(3, -2, 7), PONS_FLOAT16), PONS_FLOAT32)), "-2 float32");
}

static void convolutions(void **unused) {
  (void)unused;
  pons_array x = pons_reshape(FLOATS(1, 2, 3, 4), PONS_SHAPE(1, 4, 1)),
             w = pons_reshape(FLOATS(1, 10), PONS_SHAPE(1, 2, 1));
  check(pons_flatten(pons_conv1d(x, w), 0, -1), "[21, 32, 43] float32");
  check(pons_flatten(pons_conv1d(x, w, .flip = true), 0, -1), "[12, 23, 34] float32");
  check(pons_flatten(pons_conv1d(x, w, .stride = PONS_AXES(2), .padding = PONS_AXES(1)), 0, -1),
        "[10, 32, 4] float32");
  check(pons_flatten(pons_conv_general(x, w, .input_dilation = PONS_AXES(2)), 0, -1),
        "[1, 20, 2, 30, 3, 40] float32");
  check_error(pons_conv1d(x, w, .groups = 2),
              "conv: channels of x (1, 4, 1) float32 and weight (1, 2, 1) float32 do not fit 2 groups");
  check_error(pons_conv1d(x, w, .stride = PONS_AXES(0)), "conv: stride of 0 along spatial axis 0");
  check_error(pons_conv1d(x, pons_zeros(PONS_SHAPE(1, 5, 1), PONS_FLOAT32)),
              "conv: the kernel of (1, 5, 1) float32 reaches over 5 of 4 places along spatial axis 0 of (1, "
              "4, 1) float32");
}

/* ---- convolutions as large as those that libraries multiply, beside the formula; sums of small integers are exact ---- */

typedef struct large_conv {
  int64_t size, channels, outputs, taps, stride, padding, dilation, spread;
  int groups;
  bool flip;
} large_conv;

static float small_integer(int64_t i) { return (float)(i * 7919 % 13 - 6); }

static pons_array small_integers(pons_shape shape) {
  int64_t count = 1;
  for (int i = 0; i < shape.count; i++) count *= shape.at[i];
  float *values = malloc((size_t)count * sizeof *values);
  assert_non_null(values);
  for (int64_t i = 0; i < count; i++) values[i] = small_integer(i);
  pons_array a = pons_array_from(values, shape, PONS_FLOAT32);
  free(values);
  return a;
}

/* One element of a convolution of (2, size, channels) with (outputs, taps, channels / groups). */
static float convolved_at(const large_conv *c, int64_t batch, int64_t place, int64_t output) {
  const int64_t each = c->channels / c->groups, group = output / (c->outputs / c->groups);
  float sum = 0;
  for (int64_t t = 0; t < c->taps; t++) {
    const int64_t at = place * c->stride + (c->flip ? c->taps - 1 - t : t) * c->dilation - c->padding;
    if (at < 0 || at % c->spread || at / c->spread >= c->size) continue;
    for (int64_t k = 0; k < each; k++)
      sum += small_integer((batch * c->size + at / c->spread) * c->channels + group * each + k) *
             small_integer((output * c->taps + t) * each + k);
  }
  return sum;
}

static void large_convolutions(void **unused) {
  (void)unused;
  static const large_conv cases[] = {{701, 32, 16, 7, 1, 3, 1, 1, 1, false}, {1401, 32, 32, 9, 2, 4, 3, 1, 2, false},
                                     {701, 3, 32, 65, 1, 7, 1, 1, 1, true},  {401, 32, 32, 5, 1, 2, 2, 2, 1, true},
                                     {2201, 64, 32, 1, 1, 0, 1, 1, 2, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const large_conv *c = &cases[i];
    pons_array y = pons_conv_general(small_integers(PONS_SHAPE(2, c->size, c->channels)),
                                     small_integers(PONS_SHAPE(c->outputs, c->taps, c->channels / c->groups)), .stride = PONS_AXES(c->stride),
                                     .padding = PONS_AXES(c->padding), .dilation = PONS_AXES(c->dilation),
                                     .input_dilation = PONS_AXES(c->spread), .groups = c->groups, .flip = c->flip);
    assert_true(pons_eval(y));
    const float *got = pons_data(y);
    const int64_t places = pons_shape_of(y).at[1];
    assert_true(places > 300);
    for (int64_t e = 0; e < 2 * places * c->outputs; e++)
      if (got[e] != convolved_at(c, e / (places * c->outputs), e / c->outputs % places, e % c->outputs))
        fail_msg("case %zu, element %lld: %g", i, (long long)e, (double)got[e]);
  }
}

/* Many rows, each times the matrix that a sorted list names. Of small integers, so that all sums are exact. */
enum { ROWS = 100, EXPERTS = 3, COLUMNS = 10, DEPTH = 64 };
static pons_array below(int limit, pons_shape shape) {
  return pons_astype(pons_remainder(counted(shape), pons_int(limit)), PONS_FLOAT16);
}
static pons_array indices(pons_array x) { return pons_astype(x, PONS_UINT32); }

static void check_rows(pons_array y, pons_array x, pons_array w, pons_array named) {
  pons_array own = pons_swapaxes(pons_take(w, named, 0), -1, -2); /* a matrix for each row */
  check(pons_array_equal(y, pons_matmul(x, own)), "True bool");
}

static void rows_of_experts(void **unused) {
  (void)unused;
  pons_array x = below(2, PONS_SHAPE(ROWS, 1, DEPTH)), w = below(16, PONS_SHAPE(EXPERTS, COLUMNS, DEPTH)),
             turned = pons_swapaxes(w, -1, -2), rows = pons_arange(0, ROWS, 1, PONS_INT32), y, c[3];
  pons_array sorted = indices(pons_floor_divide(rows, pons_int(37)));
  y = pons_gather_mm(x, turned, NULL, sorted, .sorted_indices = true);
  check_rows(y, x, w, sorted);
  pons_quantize(c, w, .bits = 4);
  y = pons_gather_qmm(x, c[0], c[1], c[2], NULL, sorted, .bits = 4, .sorted_indices = true);
  check_rows(y, x, pons_dequantize(c[0], c[1], c[2], .bits = 4), sorted);
  /* a promise that was not kept */
  pons_array mixed = indices(pons_remainder(rows, pons_int(EXPERTS)));
  y = pons_gather_mm(x, turned, NULL, mixed, .sorted_indices = true);
  check_rows(y, x, w, mixed);
  y = pons_gather_mm(x, turned, NULL, indices(pons_floor_divide(rows, pons_int(33))), .sorted_indices = true);
  assert_null(pons_data(y));
  assert_string_equal(pons_error(), "gather_mm: index 3 is out of range for axis 0 of size 3");
  pons_clear_error();
}

static void softmaxes(void **unused) {
  (void)unused;
  check(pons_softmax(FLOATS(0, 0)), "[0.5, 0.5] float32");
  check(pons_softmax(FLOATS(1000, 1000)), "[0.5, 0.5] float32");
  check(pons_softmax(INTS(1, 1)), "[0.5, 0.5] float32");
  pons_array s = symbol(PONS_SHAPE(2, 3), PONS_FLOAT32);
  check_graph(pons_softmax(s), "Softmax");
  check_graph(pons_softmax(s, .axes = PONS_AXES(0)),
              "Reduce StopGradient Broadcast Subtract Exp Reduce Broadcast Divide");
  check_error(pons_softmax(s, .axes = PONS_AXES(2)), "softmax: axis 2 is out of range for (2, 3) float32");
}

static void composites(void **unused) {
  (void)unused;
  check(pons_fast_rms_norm(FLOATS(3, 3), NULL, 0), "[1, 1] float32");
  check(pons_fast_layer_norm(FLOATS(1, 3), FLOATS(2, 2), FLOATS(0, 1), 0), "[-2, 3] float32");
  check(pons_fast_rope(counted(PONS_SHAPE(1, 1, 2)), .dims = 2), "[[[0, 1]]] float32");
  pons_array q = counted(PONS_SHAPE(1, 1, 2, 2)), k = pons_zeros(PONS_SHAPE(1, 1, 2, 2), PONS_FLOAT32);
  check(pons_flatten(pons_fast_scaled_dot_product_attention(q, k, q, .causal = true), 0, -1),
        "[0, 1, 1, 2] float32");
  check_error(pons_fast_rms_norm(FLOATS(1, 2), FLOATS(1), 0),
              "rms_norm: (1) float32 must be of the length of the last axis of (2) float32");
  check_error(pons_fast_rope(counted(PONS_SHAPE(1, 2, 4)), .dims = 3),
              "rope: 3 dims of (1, 2, 4) float32 cannot be turned in pairs");
}

/* No device has a kernel for attention in float64. */
static void attention_in_one_step_or_not_at_all(void **unused) {
  (void)unused;
  pons_array q = counted(PONS_SHAPE(1, 1, 2, 2)), wide = pons_astype(q, PONS_FLOAT64);
  check(pons_array_equal(pons_fast_scaled_dot_product_attention(q, q, q, .force_fused = true),
                         pons_fast_scaled_dot_product_attention(q, q, q)),
        "True bool");
  assert_non_null(pons_data(pons_fast_scaled_dot_product_attention(wide, wide, wide)));
  assert_null(pons_data(pons_fast_scaled_dot_product_attention(wide, wide, wide, .force_fused = true)));
  if (!strstr(pons_error(), "(1, 1, 2, 2) float64, which was asked for")) fail_msg("%s", pons_error());
  pons_clear_error();
}

/* The functions made of bits are held against MLX by op_results_test.py. */
static void random_keys(void **unused) {
  (void)unused;
  check(pons_random_key(7), "[0, 7] uint32");
  check(pons_random_bits(PONS_SHAPE(3), 4, pons_random_key(0)),
        "[4146024105, 1351547692, 2718843009] uint32");
  /* as MLX after mx.random.seed(1234) */
  pons_random_seed(1234);
  check(pons_random_uniform(pons_float(0), pons_float(1), PONS_SHAPE(3), PONS_FLOAT32, NULL),
        "[0.220595, 0.839185, 0.904439] float32");
  check(pons_random_normal(PONS_SHAPE(3), PONS_FLOAT32, NULL, NULL, NULL),
        "[-1.2221, 0.209282, -0.190036] float32");
  check(pons_random_randint(pons_int(0), pons_int(100), PONS_SHAPE(5), PONS_INT32, NULL), "[48, 32, 53, 65, 78] int32");
  check_error(pons_random_bits(PONS_SHAPE(2), 4, INTS(1, 2)),
              "random_bits: a key is (2) uint32, not (2) int32");
  check_error(pons_random_bits(PONS_SHAPE(2), 3, NULL), "random_bits: a width of 3 bytes, not 1, 2 or 4");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(products), TEST(gradients), TEST(sums_with_products), TEST(extremes_of_halves), TEST(convolutions), TEST(large_convolutions), TEST(rows_of_experts), TEST(softmaxes), TEST(composites),
                                     TEST(attention_in_one_step_or_not_at_all),
                                     TEST(random_keys)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
