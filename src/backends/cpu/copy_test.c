/* copy_test.c: copies between any two layouts, and what is put together from them: "Concatenate", "Pad",
   "Full", "View". */
#include "backends/cpu/operands_for_tests.h"

static void check_same(const made *x, const made *y) {
  int64_t count = operand_size(&x->op);
  for (int64_t i = 0; i < count; i++)
    assert_memory_equal(made_element(x, i), made_element(y, i), pons_dtype_size(x->op.dtype));
}

static void random_shape(int n, int64_t *shape, int64_t greatest) {
  for (int i = 0; i < n; i++) shape[i] = random_int(0, 12) ? random_int(1, greatest) : random_int(0, 1);
}

static void between_any_layouts(void **state) {
  (void)state;
  for (int turn = 0; turn < 300; turn++) {
    int64_t shape[5];
    int n = (int)random_int(0, 5);
    pons_dtype d = (pons_dtype)random_int(0, PONS_DTYPE_COUNT - 1);
    random_shape(n, shape, n < 3 ? 150 : 9);
    made x, y;
    make(&x, d, n, shape, true);
    make_out(&y, d, n, shape);
    run_well(cpu_full, &(launch){NULL, 1, 1, &x.op, &y.op});
    check_same(&x, &y);
    unmake(&x);
    unmake(&y);
  }
}

static void large_transposes_and_lines(void **state) {
  (void)state;
  const int64_t shapes[][3] = {{300, 400, 1}, {70000, 1, 1}, {3, 200, 130}, {100001, 2, 1}};
  for (int k = 0; k < 8; k++) {
    made x, y;
    int64_t reversed[3], strides[3];
    for (int i = 0; i < 3; i++) reversed[i] = shapes[k % 4][2 - i];
    make(&x, PONS_FLOAT32, 3, shapes[k % 4], false);
    for (int i = 0; i < 3; i++) strides[i] = x.strides[2 - i];
    memcpy(x.shape, reversed, sizeof reversed);
    memcpy(x.strides, strides, sizeof strides);
    make_out(&y, PONS_FLOAT32, 3, reversed);
    run_well(cpu_full, &(launch){NULL, 1, 1, &x.op, &y.op});
    check_same(&x, &y);
    unmake(&x);
    unmake(&y);
  }
}

/* Any alignment and length; nothing beside them is written. */
static void copies_past_the_cache(void **state) {
  (void)state;
  char from[700], to[700];
  for (int i = 0; i < 700; i++) from[i] = (char)random_bits();
  for (int turn = 0; turn < 500; turn++) {
    const size_t at = (size_t)random_int(0, 130), start = (size_t)random_int(0, 130),
                 n = (size_t)random_int(0, 700 - 130 - 1);
    memset(to, 0x5a, sizeof to);
    cpu_copy_past_cache(to + at, from + start, n);
    assert_memory_equal(to + at, from + start, n);
    for (size_t i = 0; i < sizeof to; i++) assert_true((i >= at && i < at + n) || to[i] == 0x5a);
  }
  assert_false(cpu_outgrows_cache(1 << 20));
  assert_true(cpu_outgrows_cache(1 << 28));
}

static void concatenates(void **state) {
  (void)state;
  for (int turn = 0; turn < 60; turn++) {
    int64_t shape[4], whole[4];
    int n = (int)random_int(1, 4), count = (int)random_int(1, 4), axis = (int)random_int(0, n - 1);
    made parts[4], y;
    operand in[4];
    random_shape(n, shape, 7);
    memcpy(whole, shape, sizeof whole);
    whole[axis] = 0;
    for (int i = 0; i < count; i++) {
      shape[axis] = random_int(0, 5);
      whole[axis] += shape[axis];
      make(&parts[i], PONS_INT16, n, shape, true);
      in[i] = parts[i].op;
    }
    make_out(&y, PONS_INT16, n, whole);
    run_well(cpu_concatenate, &(launch){&(axis_params){axis}, count, 1, in, &y.op});
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
      made slice = y;
      slice.op.data = (char *)y.op.data + at * y.strides[axis] * 2;
      slice.op.shape = parts[i].shape;
      memcpy(slice.shape, parts[i].shape, sizeof slice.shape);
      check_same(&slice, &parts[i]);
      at += parts[i].shape[axis];
      unmake(&parts[i]);
    }
    unmake(&y);
  }
}

static void pads(void **state) {
  (void)state;
  for (int turn = 0; turn < 60; turn++) {
    int64_t shape[3], whole[3], low[3], high[3], axes[3] = {2, 0, 1};
    made x, y, value;
    random_shape(3, shape, 6);
    for (int i = 0; i < 3; i++) low[i] = random_int(0, 2), high[i] = random_int(0, 2);
    for (int i = 0; i < 3; i++) whole[axes[i]] = shape[axes[i]] + low[i] + high[i];
    make(&x, PONS_FLOAT64, 3, shape, true);
    make(&value, PONS_FLOAT64, 0, NULL, false);
    make_out(&y, PONS_FLOAT64, 3, whole);
    operand in[] = {x.op, value.op};
    pad_params params = {{3, axes}, {3, low}, {3, high}};
    run_well(cpu_pad, &(launch){&params, 2, 1, in, &y.op});
    int64_t before[3];
    for (int i = 0; i < 3; i++) before[axes[i]] = low[i];
    for (int64_t i = 0; i < operand_size(&y.op); i++) {
      int64_t at[3] = {i / whole[2] / whole[1] - before[0], i / whole[2] % whole[1] - before[1],
                       i % whole[2] - before[2]};
      bool inside = true;
      for (int k = 0; k < 3; k++) inside = inside && at[k] >= 0 && at[k] < shape[k];
      assert_memory_equal(made_element(&y, i), inside ? made_at(&x, at) : (char *)value.op.data,
                          sizeof(double));
    }
    unmake(&x);
    unmake(&value);
    unmake(&y);
  }
}

static void views_keep_bytes(void **state) {
  (void)state;
  made x, y;
  make(&x, PONS_FLOAT32, 2, (int64_t[]){3, 4}, false);
  int64_t strides[2] = {x.strides[1], x.strides[0]}, shape[2] = {4, 3};
  memcpy(x.strides, strides, sizeof strides);
  memcpy(x.shape, shape, sizeof shape);
  make_out(&y, PONS_UINT16, 2, (int64_t[]){4, 6});
  run_well(cpu_view, &(launch){&(cast_params){PONS_UINT16}, 1, 1, &x.op, &y.op});
  for (int64_t i = 0; i < 12; i++) assert_memory_equal(made_element(&x, i), (char *)y.op.data + 4 * i, 4);
  unmake(&x);
  unmake(&y);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(between_any_layouts), cmocka_unit_test(large_transposes_and_lines), cmocka_unit_test(copies_past_the_cache),
      cmocka_unit_test(concatenates),        cmocka_unit_test(pads),
      cmocka_unit_test(views_keep_bytes),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
