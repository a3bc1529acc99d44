/* index_list_test.c: what pons_get, pons_put and functions whose shape depends on values say when they can't;
   which nodes they make; gradients through masks. */
#include "ops/ops_for_tests.h"

#define AT(x) PONS_INDEX(pons_at_array(x))

static void wrong_indices(void **unused) {
  (void)unused;
  pons_array x = counted(PONS_SHAPE(2, 3)), one = pons_float(1);
  check_error(pons_get(x, PONS_INDEX(PONS_ALL, pons_at_int(3))),
              "get: index 3 is out of range for axis 1 of size 3");
  check_error(pons_put(x, PONS_INDEX(pons_at_int(-3)), one),
              "put: index -3 is out of range for axis 0 of size 2");
  check_error(pons_get(x, PONS_INDEX(PONS_ALL, PONS_ALL, pons_at_int(0))),
              "get: indices for 3 axes; the array has 2");
  check_error(pons_get(x, PONS_INDEX(PONS_ELLIPSIS, PONS_ELLIPSIS)), "get: more than one ellipsis");
  check_error(pons_get(x, PONS_INDEX(pons_at_slice(0, 1, 0))),
              "get: the step of the slice along axis 0 is 0");
  check_error(pons_get(x, AT(FLOATS(1))), "get: index arrays hold integers or bools, not float32");
  check_error(pons_get(x, PONS_INDEX(pons_at_array(INTS(0, 1)), pons_at_array(INTS(0, 1, 2)))),
              "get: index arrays do not broadcast: one has 3 where others have 2 elements");
  check_error(pons_get(x, AT(pons_zeros(PONS_SHAPE(3), PONS_BOOL))),
              "get: axis 0 of the mask has size 3, axis 0 of the array 2");
  check_error(pons_put(x, PONS_INDEX(pons_at_int(0)), pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32)),
              "put: a value of 2 axes for a place of 1");
  check_error(pons_put_divide(INTS(1, 2), AT(INTS(0)), pons_int(2)),
              "put_divide: int32 can't hold quotients");
  check_error(pons_put(x, AT(pons_zeros(PONS_SHAPE(3), PONS_BOOL)), one),
              "masked_scatter: mask (3) bool does not have the shape of the first axes of (2, 3) float32");
  assert_false(pons_eval(pons_get(x, AT(INTS(0, 5)))));
  assert_string_equal(pons_error(), "take: index 5 is out of range for axis 0 of size 2");
}

static void graphs(void **unused) {
  (void)unused;
  pons_array x = symbol(PONS_SHAPE(4, 5, 6), PONS_FLOAT32), i = symbol(PONS_SHAPE(2), PONS_INT32);
  assert_ptr_equal(pons_get(x, PONS_INDEX(PONS_ELLIPSIS)), x);
  check_graph(pons_get(x, PONS_INDEX(pons_at_int(1), PONS_ALL, pons_at_int(2))), "Slice Squeeze");
  check_graph(pons_get(x, PONS_INDEX(PONS_NEWAXIS, pons_at_slice(1, 3, 1))), "Slice ExpandDims");
  check_graph(pons_get(x, AT(i)), "Gather Squeeze");
  check_graph(pons_put(x, PONS_INDEX(pons_at_slice(1, 3, 1)), pons_float(1)), "Broadcast SliceUpdate");
  check_graph(pons_put_add(x, AT(i), pons_float(1)), "Broadcast ExpandDims Scatter");
  check_graph(pons_put(x, AT(symbol(PONS_SHAPE(4), PONS_BOOL)), pons_float(1)),
              "ExpandDims Reshape Broadcast ExpandDims Reshape Broadcast MaskedScatter Squeeze");
}

static void selected(void *unused, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)unused, (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_get(in[0], AT(pons_greater(in[0], pons_float(1)))));
}

static void functions_of_values(void **unused) {
  (void)unused;
  pons_array x = symbol(PONS_SHAPE(4), PONS_FLOAT32), m = pons_greater(x, pons_float(0)), room[4];
  const char *because =
      "the result's shape would depend on values, which a function has not while it is traced\nhint: ";
  assert_false(pons_has_value(m));
  assert_true(pons_has_value(pons_add(INTS(1), INTS(2))));
  const pons_array made[] = {pons_get(x, AT(m)), pons_argwhere(x), pons_compress(x, m, 0),
                             pons_repeat_each(x, pons_astype(x, PONS_INT32), 0), pons_unique_values(x)};
  for (int i = 0; i < 5; i++) {
    assert_non_null(pons_error_of(made[i]));
    assert_non_null(strstr(pons_error_of(made[i]), because));
  }
  assert_string_equal(strstr(pons_error_of(made[0]), "hint"),
                      "hint: use pons_where, or pons_put with the mask alone, which keep the shape");
  pons_nonzero(pons_reshape(INTS(0, 1, 0, 2), PONS_SHAPE(2, 2)), room);
  check(room[0], "[0, 1] int64");
  check(room[1], "[1, 1] int64");
  check(pons_repeat_each(INTS(7, 8, 9), INTS(2, 0, 1), 0), "[7, 7, 9] int32");
  pons_unique_all(INTS(5, 3, 5, 1), room);
  check(room[0], "[1, 3, 5] int32");
  check(room[1], "[3, 1, 0] int64");
  check(room[2], "[2, 1, 2, 0] int64");
  check(room[3], "[1, 1, 2] int64");
  pons_clear_error();
  check_error(pons_repeat_each(INTS(1, 2), INTS(1, -1), 0), "repeat_each: count 1 is -1");
  const size_t limit = pons_set_memory_limit(1 << 20);
  check_error(pons_repeat_each(INTS(1, 2), INTS(1, 2000000000), 0), "repeat_each: no memory for 2000000001 indices");
  pons_set_memory_limit(limit);
  check_error(pons_repeat_each(INTS(1, 2), INTS(1, 1, 1), 0), "repeat_each: 3 counts for 2 slices");
}

/* A mask that depends on what is differentiated is read, and the gradient goes to what it selects. */
static void gradients_of_selections(void **unused) {
  (void)unused;
  pons_function f = pons_function_new(selected, 1, NULL, NULL), g = pons_grad(f, PONS_AXES(0));
  pons_array x = FLOATS(0, 2, 1, 5), dx;
  assert_true(pons_call(g, &x, 1, &dx, 1));
  check(dx, "[0, 1, 0, 1] float32");
  pons_function_release(g);
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(wrong_indices), TEST(graphs), TEST(functions_of_values),
                                     TEST(gradients_of_selections)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
