/* shape_ops_test.c: creation, reshaping, moving, broadcasting, joining: shapes, graphs, messages. */
#include "ops/ops_for_tests.h"
#include <limits.h>

static void creation(void **unused) {
  (void)unused;
  check(pons_zeros(PONS_SHAPE(2, 2), PONS_INT32), "[[0, 0], [0, 0]] int32");
  check(pons_full(PONS_SHAPE(2, 2), FLOATS(1, 2)), "[[1, 2], [1, 2]] float32");
  check(pons_arange(1, 6, 2, PONS_INT64), "[1, 3, 5] int64");
  check(pons_arange(0, -1, -0.25, PONS_FLOAT32), "[0, -0.25, -0.5, -0.75] float32");
  check(pons_eye(2, 3, 1, PONS_FLOAT32), "[[0, 1, 0], [0, 0, 1]] float32");
  check(pons_triu(counted(PONS_SHAPE(2, 3)), 1), "[[0, 1, 2], [0, 0, 5]] float32");
  check(pons_linspace(0, 1, 3, PONS_FLOAT32), "[0, 0.5, 1] float32");
  check(pons_triu(counted(PONS_SHAPE(2, 3)), INT_MIN), "[[0, 1, 2], [3, 4, 5]] float32");
  check(pons_tril(counted(PONS_SHAPE(2, 3)), INT_MIN), "[[0, 0, 0], [0, 0, 0]] float32");
  check(pons_triu(counted(PONS_SHAPE(2, 3)), INT_MAX), "[[0, 0, 0], [0, 0, 0]] float32");
  check(pons_tril(counted(PONS_SHAPE(2, 3)), INT_MAX), "[[0, 1, 2], [3, 4, 5]] float32");
  check_error(pons_tri(0, INT64_MAX, -7, PONS_FLOAT32), "arange: 0 to 9.22337e+18 by 1 are too many elements");
  check_error(pons_linspace(0, 1, INT64_MIN, PONS_FLOAT32), "linspace: -9223372036854775808 values");
  check_graph(pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32), "Broadcast Full");
  check_graph(pons_zeros(PONS_SCALAR, PONS_FLOAT32), "Full");
  check_error(pons_full(PONS_SHAPE(2, 3), FLOATS(1, 2)),
              "broadcast_to: (2) float32 does not broadcast to (2, 3)");
  check_error(pons_zeros(PONS_SHAPE(2, -3), PONS_FLOAT32), "full: negative size in shape (2, -3)");
  check_error(pons_arange(0, 1, 0, PONS_FLOAT32), "arange: the step is 0");
}

static void reshaping(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(2, 3));
  check(pons_reshape(x, PONS_SHAPE(3, -1)), "[[0, 1], [2, 3], [4, 5]] float32");
  check(pons_reshape(pons_transpose(x), PONS_SHAPE(6)), "[0, 3, 1, 4, 2, 5] float32");
  check(pons_flatten(pons_scalar(2, PONS_INT32), 0, -1), "[2] int32");
  check(pons_unflatten(FLOATS(1, 2, 3, 4), 0, PONS_SHAPE(2, 2)), "[[1, 2], [3, 4]] float32");
  check(pons_squeeze(pons_expand_dims(FLOATS(1, 2), PONS_AXES(0, -1)), PONS_AXES(-1)), "[[1, 2]] float32");
  pons_array s = symbol(PONS_SHAPE(2, 3), PONS_FLOAT32);
  assert_ptr_equal(pons_reshape(s, PONS_SHAPE(2, -1)), s);
  assert_ptr_equal(pons_flatten(s, 1, 1), s);
  check_graph(pons_flatten(s, 0, -1), "Flatten");
  check_graph(pons_flatten(symbol(PONS_SCALAR, PONS_INT8), 0, -1), "Reshape");
  check_error(pons_reshape(x, PONS_SHAPE(4, -1)), "reshape: cannot make shape (4, -1) of (2, 3) float32");
  check_error(pons_reshape(x, PONS_SHAPE(-1, -1)), "reshape: more than one size of (-1, -1) is -1");
  check_error(pons_reshape(pons_zeros(PONS_SHAPE(0), PONS_INT8), PONS_SHAPE(0, -1)),
              "reshape: cannot make shape (0, -1) of (0) int8");
  check_error(pons_squeeze(x, PONS_AXES(0)), "squeeze: axis 0 of (2, 3) float32 is not of size 1");
  check_error(pons_squeeze(x, PONS_AXES(2)), "squeeze: axis 2 is out of range for (2, 3) float32");
  check_error(pons_expand_dims(x, PONS_AXES(1, 1)), "expand_dims: axis 1 is given twice");
  check_error(pons_reshape(NULL, PONS_SHAPE(1)), "reshape: operand 1 of 1 is NULL");
}

static void moving(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(2, 3));
  check(pons_transpose(x), "[[0, 3], [1, 4], [2, 5]] float32");
  assert_int_equal(pons_dim(pons_moveaxis(counted(PONS_SHAPE(2, 3, 4)), 0, -1), 2), 2);
  check(pons_broadcast_to(FLOATS(1, 2), PONS_SHAPE(2, 2)), "[[1, 2], [1, 2]] float32");
  check(pons_as_strided(x, PONS_SHAPE(2, 2), PONS_SHAPE(1, -2), 3), "[[3, 1], [4, 2]] float32");
  check(pons_view(FLOATS(1), PONS_UINT16), "[0, 16256] uint16");
  check(pons_view(pons_astype(INTS(1, -2), PONS_FLOAT32), PONS_UINT16), "[0, 16256, 0, 49152] uint16"); /* of a cast */
  check(pons_view(pons_view(FLOATS(1, 2), PONS_UINT8), PONS_FLOAT32), "[1, 2] float32");
  check_error(pons_transpose(x, .axes = PONS_AXES(0, 0)), "transpose: axis 0 is given twice");
  check_error(pons_transpose(x, .axes = PONS_AXES(0)), "transpose: 1 axes given for (2, 3) float32");
  check_error(pons_swapaxes(x, 0, 5), "swapaxes: axis 5 is out of range for (2, 3) float32");
  check_error(pons_as_strided(x, PONS_SHAPE(4), PONS_SHAPE(2), 0),
              "as_strided: shape (4), strides (2) and offset 0 reach beyond (6) float32");
  check_error(pons_view(pons_zeros(PONS_SHAPE(3), PONS_UINT8), PONS_INT16),
              "view: (3) uint8 does not divide into elements of int16");
}

static void joining(void **unused) {
  (void)unused;
  pons_array pieces[3] = {INTS(1, 2), INTS(3), FLOATS(0.5)};
  check(pons_concatenate(pieces, 3, 0), "[1, 2, 3, 0.5] float32");
  check(pons_stack((pons_array[]){INTS(1, 2), INTS(3, 4)}, 2, 1), "[[1, 3], [2, 4]] int32");
  pons_array out[3];
  pons_split_at(INTS(1, 2, 3, 4), PONS_AXES(1, 3), 0, out);
  check(out[1], "[2, 3] int32");
  pons_split(INTS(1, 2, 3, 4), 2, 0, out);
  check(out[1], "[3, 4] int32");
  check(pons_pad(INTS(1, 2), PONS_SHAPE(1), PONS_SHAPE(2), pons_int(7)), "[7, 1, 2, 7, 7] int32");
  check(pons_repeat(INTS(1, 2), 2, 0), "[1, 1, 2, 2] int32");
  check(pons_tile(INTS(1, 2), PONS_SHAPE(2, 2)), "[[1, 2, 1, 2], [1, 2, 1, 2]] int32");
  pons_array s = symbol(PONS_SHAPE(2, 4), PONS_FLOAT32);
  check_graph(pons_repeat(s, 3, 1), "ExpandDims Broadcast Reshape");
  check_graph(pons_tile(s, PONS_SHAPE(2, 1)), "Reshape Broadcast Reshape");
  check_error(pons_concatenate((pons_array[]){INTS(1), counted(PONS_SHAPE(1, 1))}, 2, 0),
              "concatenate: (1) float32 and (1, 1) float32 do not fit along axis 0");
  pons_split(INTS(1, 2, 3), 2, 0, out);
  check_error(out[0], "split: axis 0 of (3) int32 does not divide into 2 equal parts");
  check_error(pons_pad(INTS(1), PONS_SHAPE(-1), PONS_SHAPE(0), NULL), "pad: sizes -1 and 0 along axis 0");
}

static void depends(void **unused) {
  (void)unused;
  pons_array out[2], in[2] = {FLOATS(1, 2), INTS(3)}, after = pons_exp(FLOATS(1));
  pons_depends(in, 2, &after, 1, out);
  check(out[0], "[1, 2] float32");
  check(out[1], "[3] int32");
  check(pons_stop_gradient(FLOATS(1, 2)), "[1, 2] float32");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(creation), TEST(reshaping), TEST(moving), TEST(joining),
                                     TEST(depends)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
