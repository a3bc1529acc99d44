/* reduce_ops_test.c: reductions, scans, sorting: dtypes of results, graphs, values at the edges, messages. */
#include "ops/ops_for_tests.h"
#include <math.h>

static void sums(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(2, 3));
  check(pons_sum(x), "15 float32");
  check(pons_sum(x, .axes = PONS_AXES(-1), .keepdims = true), "[[3], [12]] float32");
  check(pons_prod(INTS(2, 3, 4)), "24 int32");
  check(pons_sum(pons_astype(INTS(200, 100), PONS_UINT8)), "300 uint32");
  check(pons_sum(pons_greater(INTS(1, -1, 2), pons_int(0))), "2 int32");
  check(pons_sum(pons_zeros(PONS_SHAPE(0), PONS_FLOAT32)), "0 float32");
  check(pons_mean(INTS(1, 2)), "1.5 float32");
  check(pons_variance(FLOATS(1, 2, 3, 4), .ddof = 1), "1.66667 float32");
  check(pons_std(FLOATS(1, 3)), "1 float32");
  pons_array s = symbol(PONS_SHAPE(2, 1, 3), PONS_INT8);
  check_graph(pons_sum(s), "Reduce Squeeze");
  check_graph(pons_sum(s, .axes = PONS_AXES(1)), "AsType Squeeze");
  check_graph(pons_sum(s, .axes = PONS_AXES(0), .keepdims = true), "Reduce");
  check_graph(pons_mean(symbol(PONS_SHAPE(2, 3), PONS_FLOAT32), .axes = PONS_AXES(0)),
              "Reduce Squeeze Broadcast Multiply");
  assert_ptr_equal(pons_sum(s, .axes = PONS_NO_AXES), s);
  check_error(pons_sum(x, .axes = PONS_AXES(2)), "sum: axis 2 is out of range for (2, 3) float32");
  check_error(pons_sum(x, .axes = PONS_AXES(0, -2)), "sum: axis -2 is given twice");
}

static void extremes(void **unused) {
  (void)unused;
  check(pons_max(FLOATS(1, NAN, 3)), "nan float32");
  check(pons_argmax(FLOATS(1, 3, 3), 0, false), "1 uint32");
  check(pons_argmin(INTS(2, 1, 1), 0, true), "[1] uint32");
  check(pons_logsumexp(FLOATS(1000, 1000)), "1000.69 float32");
  check(pons_logsumexp(FLOATS(-INFINITY, -INFINITY)), "-inf float32");
  check(pons_all(INTS(1, 2, 0)), "False bool");
  check(pons_any(INTS(1, 2, 0)), "True bool");
  check_graph(pons_logsumexp(symbol(PONS_SHAPE(2, 3), PONS_FLOAT32), .axes = PONS_AXES(1)),
              "LogSumExp Squeeze");
  check_error(pons_max(pons_zeros(PONS_SHAPE(0, 2), PONS_FLOAT32)),
              "max: axis 0 of (0, 2) float32 has no element to choose from");
  check_error(pons_argmax(pons_zeros(PONS_SHAPE(2, 0), PONS_FLOAT32), 1, false),
              "argmax: axis 1 of (2, 0) float32 has no element to choose from");
}

static pons_array floats(int n, const float *values) { return pons_array_from(values, PONS_SHAPE(n), PONS_FLOAT32); }

/* Values repeat, so that the first of several is meant: the greatest, 7, stands at 5 first, and the least, 0, at 6; a NaN wins over
   both. */
static void extremes_of_long_lines(void **unused) {
  (void)unused;
  enum { LONGEST = 5003, NAN_AT = 4999 };
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT16, PONS_INT8, PONS_INT32};
  static const int lengths[] = {2056, LONGEST, 37};
  float line[LONGEST];
  for (int i = 0; i < LONGEST; i++) line[i] = (float)((i + 2) % 8);
  for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
      pons_array x = pons_astype(floats(lengths[k], line), dtypes[d]), two = pons_stack((pons_array[]){x, x}, 2, 0);
      check(pons_argmax(x, 0, false), "5 uint32");
      check(pons_argmin(x, 0, false), "6 uint32");
      check(pons_argmax(two, 1, false), "[5, 5] uint32");
      check(pons_argmin(pons_slice(x, PONS_SHAPE(1), PONS_SHAPE(lengths[k]), PONS_SHAPE(1)), 0, false), "5 uint32");
    }
  line[NAN_AT] = line[NAN_AT + 1] = NAN;
  check(pons_argmax(pons_astype(floats(LONGEST, line), PONS_BFLOAT16), 0, false), "4999 uint32");
  check(pons_argmin(floats(LONGEST, line), 0, false), "4999 uint32");
}

static void scans(void **unused) {
  (void)unused;
  check(pons_cumsum(INTS(1, 2, 3), .axis = 0), "[1, 3, 6] int32");
  check(pons_cumsum(INTS(1, 2, 3), .axis = 0, .reverse = true, .exclusive = true), "[5, 3, 0] int32");
  check(pons_cumprod(INTS(1, 2, 3), .axis = -1), "[1, 2, 6] int32");
  check(pons_cummax(INTS(1, 3, 2), .axis = 0), "[1, 3, 3] int32");
  check(pons_cumsum(pons_astype(INTS(100, 100), PONS_INT8), .axis = 0), "[100, -56] int8");
  check_error(pons_cumsum(INTS(1), .axis = 1), "cumsum: axis 1 is out of range for (1) int32");
}

static void sorting(void **unused) {
  (void)unused;
  check(pons_sort(FLOATS(3, NAN, 1), 0), "[1, 3, nan] float32");
  check(pons_argsort(INTS(2, 1, 2, 1), 0), "[1, 3, 0, 2] uint32");
  check(pons_index(pons_partition(INTS(5, 1, 4, 2, 3), 2, 0), 2, 0), "3 int32");
  check(pons_sort(pons_topk(INTS(5, 1, 4, 2, 3), 2, 0), 0), "[4, 5] int32");
  check_graph(pons_topk(symbol(PONS_SHAPE(2, 4), PONS_FLOAT32), 2, -1), "Partition Slice");
  check_error(pons_partition(INTS(1, 2), 2, 0),
              "partition: element 2 along axis 0 of (2) int32 does not exist");
  check_error(pons_topk(INTS(1, 2), 3, 0), "topk: 3 of 2 elements along axis 0");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(sums), TEST(extremes), TEST(extremes_of_long_lines), TEST(scans), TEST(sorting)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
