/* index_ops_test.c: slices, gathers, scatters: shapes, graphs, values at the edges, messages. */
#include "ops/ops_for_tests.h"

static void slices(void **unused) {
  (void)unused;
  pons_array x = INTS(0, 1, 2, 3, 4);
  check(pons_slice(x, PONS_SHAPE(1), PONS_SHAPE(-1), PONS_SCALAR), "[1, 2, 3] int32");
  check(pons_slice(x, PONS_SHAPE(-1), PONS_SHAPE(-6), PONS_SHAPE(-2)), "[4, 2, 0] int32");
  check(pons_slice(x, PONS_SHAPE(-9), PONS_SHAPE(99), PONS_SHAPE(3)), "[0, 3] int32");
  check(pons_slice(x, PONS_SHAPE(-9), PONS_SHAPE(-9), PONS_SHAPE(-1)), "[] int32");
  check(pons_slice(x, PONS_SHAPE(3), PONS_SHAPE(1), PONS_SCALAR), "[] int32");
  check(pons_index(counted(PONS_SHAPE(2, 3)), -1, 1), "[2, 5] float32");
  check(pons_slice_update(x, INTS(9), PONS_SHAPE(4), PONS_SHAPE(1), PONS_SHAPE(-2)), "[0, 1, 9, 3, 9] int32");
  pons_array s = symbol(PONS_SHAPE(4), PONS_FLOAT32);
  assert_ptr_equal(pons_slice(s, PONS_SHAPE(0), PONS_SHAPE(9), PONS_SCALAR), s);
  check_graph(pons_index(s, 1, 0), "Slice Squeeze");
  /* normalising twice changes nothing: what a file holds is sliced again */
  pons_array twice = pons_slice(s, PONS_SHAPE(2), PONS_SHAPE(-9), PONS_SHAPE(-1));
  const slice_params *p = twice->params;
  assert_int_equal(node_make(&prim_slice, p, 1, &s)->shape[0], 3);
  check_error(pons_index(x, 5, 0), "index: index 5 is out of range for axis 0 of size 5");
  check_error(pons_slice(x, PONS_SHAPE(0), PONS_SHAPE(5), PONS_SHAPE(0)),
              "slice: the step along axis 0 is 0");
  check_error(pons_slice(x, PONS_SHAPE(0, 0), PONS_SHAPE(5), PONS_SCALAR),
              "slice: 2 starts, 1 stops and 0 steps for (5) int32");
}

static void gathers(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(2, 3));
  check(pons_take(x, INTS(2, -3), 1), "[[2, 0], [5, 3]] float32");
  check(pons_take(x, pons_scalar(1, PONS_UINT8), 0), "[3, 4, 5] float32");
  check(pons_take_along_axis(x, pons_reshape(INTS(1, -1), PONS_SHAPE(2, 1)), 1), "[[1], [5]] float32");
  pons_array where[2] = {INTS(1, 0), INTS(0, 1)};
  check(pons_gather(x, where, PONS_AXES(0, 1), PONS_SHAPE(1, 2)), "[[[3, 4]], [[1, 2]]] float32");
  pons_array s = symbol(PONS_SHAPE(2, 5, 3), PONS_FLOAT32), i = symbol(PONS_SHAPE(4), PONS_INT32);
  check_graph(pons_take(s, i, 0), "Gather Squeeze");
  check_graph(pons_take(s, i, 1), "Gather Transpose Squeeze");
  check_error(pons_take(x, FLOATS(1), 0), "gather: indices must be integers, not (1) float32");
  check_error(pons_take(pons_zeros(PONS_SHAPE(0, 2), PONS_INT8), INTS(0), 0),
              "take: 1 indices into axis 0 of (0, 2) int8, which is empty");
  check_error(pons_take_along_axis(x, INTS(0), 1),
              "take_along_axis: indices (1) int32 must have as many axes as (2, 3) float32");
  pons_array beyond = pons_take(x, INTS(1, 3), 1);
  assert_false(pons_eval(beyond)); /* seen when it is computed */
}

static void scatters(void **unused) {
  (void)unused;
  pons_array x = pons_zeros(PONS_SHAPE(4), PONS_INT32), twice = INTS(1, 1, -1);
  pons_array updates = pons_reshape(INTS(2, 3, 4), PONS_SHAPE(3, 1));
  check(pons_scatter(x, &twice, updates, PONS_AXES(0), PONS_SCATTER_SUM), "[0, 5, 0, 4] int32");
  check(pons_scatter(x, &twice, updates, PONS_AXES(0), PONS_SCATTER_MAX), "[0, 3, 0, 4] int32");
  check(pons_scatter_add_axis(x, twice, INTS(2, 3, 4), 0), "[0, 5, 0, 4] int32");
  check(pons_put_along_axis(x, INTS(0, 2), pons_int(7), 0), "[7, 0, 7, 0] int32");
  check_error(pons_scatter(x, &twice, INTS(1, 2, 3), PONS_AXES(0), PONS_SCATTER_SUM),
              "scatter: updates (3) int32 do not fit (4) int32 with indices of shape (3)");
  /* only files have it: per batch the k-th true place gets element k */
  pons_array mask = pons_reshape(pons_greater(INTS(1, 0, 1, 0, 1, 1), pons_int(0)), PONS_SHAPE(2, 3));
  pons_array in[3] = {pons_zeros(PONS_SHAPE(2, 3), PONS_INT32), mask,
                      pons_reshape(INTS(1, 2, 3, 4), PONS_SHAPE(2, 2))};
  check(node_make(&prim_masked_scatter, NULL, 3, in), "[[1, 0, 2], [0, 3, 4]] int32");
}

static void dynamic(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(3, 3)), start = INTS(1, 0);
  const dynamic_slice_params slice = {{2, (const int64_t[]){0, 1}}, {2, (const int64_t[]){2, 2}}};
  check(node_make(&prim_dynamic_slice, &slice, 2, (pons_array[]){x, start}), "[[3, 4], [6, 7]] float32");
  const axes_params update = {{2, (const int64_t[]){0, 1}}};
  pons_array in[3] = {x, pons_full(PONS_SHAPE(1, 2), pons_float(9)), start};
  check(node_make(&prim_dynamic_slice_update, &update, 3, in), "[[0, 1, 2], [9, 9, 5], [6, 7, 8]] float32");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(slices), TEST(gathers), TEST(scatters), TEST(dynamic)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
