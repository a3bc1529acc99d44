/* Tests of reading and of exchange: text, DLPack's errors and lifetimes. src/run/share_test.py compares with
   MLX and NumPy. */
#include "run/dlpack.h"
#include "run/run.h"
#include <pons/ops.h>
#include <setjmp.h>

#include <cmocka.h>
#undef fail

static void check_text(pons_array a, const char *expected) {
  char *is = pons_to_text(a);
  assert_non_null(is);
  assert_string_equal(is, expected);
  pons_free(is);
}

static void arrays_print_as_mlx_prints_them(void **state) {
  (void)state;
  const float x[] = {1.5F, 2, 3, 4e10F};
  check_text(pons_array_from(x, PONS_SHAPE(2, 2), PONS_FLOAT32),
             "array([[1.5, 2],\n       [3, 4e+10]], dtype=float32)");
  check_text(pons_float(-0.5), "array(-0.5, dtype=float32)");
  check_text(pons_arange(0, 20, 1, PONS_INT32), "array([0, 1, 2, ..., 17, 18, 19], dtype=int32)");
  check_text(pons_complex(1, -2), "array(1-2j, dtype=complex64)");
  check_text(pons_array_from((double[]){1, -2}, PONS_SCALAR, PONS_COMPLEX128), "array(1-2j, dtype=complex128)");
  check_text(pons_transpose(pons_array_from(x, PONS_SHAPE(2, 2), PONS_FLOAT32)),
             "array([[1.5, 3],\n       [2, 4e+10]], dtype=float32)");
}

static void digits_as_asked(void **state) {
  (void)state;
  const float x[] = {3.14159274F, 1e-7F, 123456.789F, INFINITY};
  pons_array a = pons_array_from(x, PONS_SHAPE(4), PONS_FLOAT32);
  assert_int_equal(pons_get_printoptions().precision, -1);
  pons_set_printoptions((pons_printoptions){.precision = 2});
  check_text(a, "array([3.14, 0.00, 123456.79, inf], dtype=float32)");
  pons_set_printoptions((pons_printoptions){.precision = -1});
  check_text(a, "array([3.14159, 1e-07, 123457, inf], dtype=float32)");
}

static void buffers_are_counted_once(void **state) {
  (void)state;
  pons_array a = pons_arange(0, 100, 1, PONS_FLOAT32);
  assert_true(pons_get_array_buffer_size(&a, 1) == 0);
  assert_string_equal(pons_error(), "get_array_buffer_size: array 1 of 1 is not evaluated");
  pons_clear_error();
  pons_array both[] = {a, pons_reshape(a, PONS_SHAPE(10, 10))};
  pons_eval_many(both, 2);
  const size_t bytes = pons_get_array_buffer_size(both, 2);
  assert_true(bytes >= 400 && bytes <= 512);
}

static void what_carries_an_error_has_no_text(void **state) {
  (void)state;
  assert_null(pons_to_text(node_fail("test", "wanted")));
  pons_clear_error();
}

static void items_are_converted(void **state) {
  (void)state;
  const int64_t big = INT64_C(9007199254740993);
  assert_int_equal(pons_item_int(pons_array_from(&big, PONS_SCALAR, PONS_INT64)), big);
  assert_true(pons_item(pons_bool(true)) == 1);
  assert_int_equal(pons_item_int(pons_float(-2.75)), -2);
}

/* ---- DLPack ---- */

static int given_back;
static void give_back(DLManagedTensor *self) {
  (void)self;
  given_back++;
}

static float memory[6] = {0, 1, 2, 3, 4, 5};
static DLManagedTensor tensor_on_memory(int64_t *shape, int64_t *strides) {
  given_back = 0;
  return (DLManagedTensor){.dl_tensor = {.data = memory,
                                         .device = {kDLCPU, 0},
                                         .ndim = 2,
                                         .dtype = {kDLFloat, 32, 1},
                                         .shape = shape,
                                         .strides = strides},
                           .deleter = give_back};
}

static void foreign_memory_is_read_in_place_and_given_back(void **state) {
  (void)state;
  int64_t shape[] = {3, 2}, strides[] = {1, 3};
  DLManagedTensor t = tensor_on_memory(shape, strides);
  pons_scope s = pons_scope_open();
  pons_array a = pons_from_dlpack(&t);
  assert_ptr_equal(node_data(a), memory);
  pons_array y = pons_add(a, pons_float(1));
  const float *data = pons_data(y);
  assert_true(data[1] == 4 && data[5] == 6);
  assert_int_equal(given_back, 0);
  pons_scope_close(s);
  assert_int_equal(given_back, 1);
}

static void what_cannot_be_read_is_given_back_at_once(void **state) {
  (void)state;
  int64_t shape[] = {3, 2}, negative[] = {3, -2};
  DLManagedTensor t = tensor_on_memory(shape, NULL);
  t.dl_tensor.device.device_type = 2;
  assert_string_equal(pons_error_of(pons_from_dlpack(&t)),
                      "from_dlpack: memory of device type 2 can't be read by the CPU");
  assert_int_equal(given_back, 1);
  t = tensor_on_memory(shape, NULL);
  t.dl_tensor.dtype.lanes = 4;
  assert_string_equal(pons_error_of(pons_from_dlpack(&t)),
                      "from_dlpack: no dtype for code 2 with 32 bits and 4 lanes");
  assert_int_equal(given_back, 1);
  t = tensor_on_memory(negative, NULL);
  assert_non_null(pons_error_of(pons_from_dlpack(&t)));
  assert_int_equal(given_back, 1);
  t = tensor_on_memory(shape, NULL);
  t.dl_tensor.byte_offset = 2;
  assert_non_null(strstr(pons_error_of(pons_from_dlpack(&t)), "not aligned"));
  assert_int_equal(given_back, 1);
  assert_non_null(pons_error_of(pons_from_dlpack(NULL)));
  pons_clear_error();
}

static void lent_memory_outlives_the_array_and_is_not_overwritten(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x =
      pons_keep(pons_transpose(pons_reshape(pons_arange(0, 6, 1, PONS_FLOAT32), PONS_SHAPE(2, 3))));
  DLManagedTensor *t = pons_to_dlpack(x);
  assert_non_null(t);
  pons_scope_close(s);
  s = pons_scope_open();
  pons_array y = pons_keep(pons_add(x, pons_float(1)));
  pons_release(x);
  pons_scope_close(s);
  assert_true(pons_eval(y));
  pons_release(y);
  assert_int_equal(t->dl_tensor.strides[0], 1);
  assert_int_equal(t->dl_tensor.strides[1], 3);
  for (int i = 0; i < 6; i++) assert_true(((const float *)t->dl_tensor.data)[i] == (float)i);
  t->deleter(t);
}

static int open_scope(void **state) {
  static pons_scope scope;
  scope = pons_scope_open();
  *state = &scope;
  return 0;
}
static int close_scope(void **state) {
  pons_scope_close(*(pons_scope *)*state);
  return pons_ok() && pons_live_arrays() == 0 && pons_get_active_memory() == 0 ? 0 : 1;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
  const struct CMUnitTest tests[] = {
      TEST(arrays_print_as_mlx_prints_them),
      TEST(what_carries_an_error_has_no_text),
      TEST(digits_as_asked),
      TEST(buffers_are_counted_once),
      TEST(items_are_converted),
      TEST(foreign_memory_is_read_in_place_and_given_back),
      TEST(what_cannot_be_read_is_given_back_at_once),
      TEST(lent_memory_outlives_the_array_and_is_not_overwritten),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
