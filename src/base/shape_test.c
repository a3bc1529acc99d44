/* shape_test.c: sizes that overflow, NumPy's broadcasting, and collapsing of axes, checked by walking. */
#include "base/base.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static void sizes_are_checked(void **state) {
  (void)state;
  shape s;
  int64_t size;
  assert_true(shape_from(PONS_SHAPE(2, 3, 4), &s));
  assert_int_equal(shape_size(s.n, s.dims), 24);
  assert_true(shape_from(PONS_SCALAR, &s));
  assert_int_equal(shape_size(s.n, s.dims), 1);
  assert_true(shape_from(PONS_SHAPE(0, 7), &s));
  assert_int_equal(shape_size(s.n, s.dims), 0);
  assert_int_equal(shape_size(3, (int64_t[]){1ll << 40, 1ll << 40, 0}), 0);
  assert_false(shape_from(PONS_SHAPE(2, -1), &s));
  assert_false(shape_from((pons_shape){33, (int64_t[33]){0}}, &s));
  assert_false(shape_from((pons_shape){-1, NULL}, &s));
  assert_false(shape_from((pons_shape){2, NULL}, &s));
  assert_false(shape_from(PONS_SHAPE(1ll << 32, 1ll << 31), &s));
  assert_false(shape_from(PONS_SHAPE(INT64_MAX), &s));
  assert_true(shape_size_checked(3, (int64_t[]){1ll << 40, 1ll << 40, 0}, &size) && size == 0);
  assert_true(shape_size_checked(2, (int64_t[]){1ll << 30, 1ll << 29}, &size) && size == 1ll << 59);
}

static void check_broadcast(pons_shape a, pons_shape b, const char *expected) {
  shape s;
  for (int turn = 0; turn < 2; turn++) {
    bool fits = turn == 0 ? shape_broadcast(a.count, a.at, b.count, b.at, &s)
                          : shape_broadcast(b.count, b.at, a.count, a.at, &s);
    assert_string_equal(fits ? shape_text(s.n, s.dims) : "no", expected);
  }
}

static void broadcasting(void **state) {
  (void)state;
  check_broadcast(PONS_SHAPE(2, 3), PONS_SHAPE(3), "(2, 3)");
  check_broadcast(PONS_SHAPE(2, 1), PONS_SHAPE(1, 3), "(2, 3)");
  check_broadcast(PONS_SHAPE(2, 3), PONS_SCALAR, "(2, 3)");
  check_broadcast(PONS_SCALAR, PONS_SCALAR, "()");
  check_broadcast(PONS_SHAPE(0), PONS_SHAPE(1), "(0)");
  check_broadcast(PONS_SHAPE(0), PONS_SHAPE(2), "no");
  check_broadcast(PONS_SHAPE(2, 3), PONS_SHAPE(2), "no");
  check_broadcast(PONS_SHAPE(1ll << 40, 1), PONS_SHAPE(1, 1ll << 40), "no"); /* too many elements */
}

static void axes_and_equality(void **state) {
  (void)state;
  assert_int_equal(axis_normal(-1, 3), 2);
  assert_int_equal(axis_normal(2, 3), 2);
  assert_int_equal(axis_normal(3, 3), -1);
  assert_int_equal(axis_normal(-4, 3), -1);
  assert_int_equal(axis_normal(0, 0), -1);
  assert_true(shape_equal(0, NULL, 0, NULL));
  assert_true(shape_equal(2, (int64_t[]){2, 3}, 2, (int64_t[]){2, 3}));
  assert_false(shape_equal(2, (int64_t[]){2, 3}, 1, (int64_t[]){2}));
}

static void row_major(void **state) {
  (void)state;
  int64_t strides[3];
  shape_row_major(3, (int64_t[]){2, 3, 4}, strides);
  assert_string_equal(shape_text(3, strides), "(12, 4, 1)");
  assert_true(shape_is_row_major(3, (int64_t[]){2, 3, 4}, strides));
  assert_false(shape_is_row_major(3, (int64_t[]){2, 3, 4}, (int64_t[]){12, 1, 3}));
  assert_true(shape_is_row_major(3, (int64_t[]){2, 1, 4},
                                 (int64_t[]){4, 99, 1})); /* an axis of 1 is never stepped along */
  assert_true(shape_is_row_major(2, (int64_t[]){0, 5}, (int64_t[]){7, 7}));
  assert_false(shape_is_row_major(1, (int64_t[]){5}, (int64_t[]){0}));
}

static void longest_text_fits(void **state) {
  (void)state;
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < PONS_MAX_NDIM; i++) dims[i] = INT64_MIN;
  const char *text = shape_text(PONS_MAX_NDIM, dims);
  assert_int_equal(strlen(text), PONS_MAX_NDIM * 20 + (PONS_MAX_NDIM - 1) * 2 + 2);
  assert_int_equal(text[strlen(text) - 1], ')');
}

/* Offsets met in row-major order. */
static int walk(int n, const int64_t *dims, const int64_t *strides, int64_t *offsets) {
  int count = 0;
  int64_t total = shape_size(n, dims);
  for (int64_t i = 0; i < total; i++) {
    int64_t rest = i, offset = 0;
    for (int a = n - 1; a >= 0; a--) offset += rest % dims[a] * strides[a], rest /= dims[a];
    offsets[count++] = offset;
  }
  return count;
}

static void collapsing_keeps_the_walk(void **state) {
  (void)state;
  unsigned seed = 1;
  int fewer = 0;
  for (int turn = 0; turn < 2000; turn++) {
    int64_t dims[5], list[2][5], *strides[2] = {list[0], list[1]};
    int64_t before[2][1024], after[1024];
    int n = rand_r(&seed) % 6;
    for (int i = 0; i < n; i++) dims[i] = 1 + rand_r(&seed) % 4;
    for (int k = 0; k < 2; k++) {
      shape_row_major(n, dims, list[k]);
      for (int i = 0; i < n; i++) {
        int what = rand_r(&seed) % 6;
        if (what == 0) list[k][i] = 0;
        if (what == 1) list[k][i] = -list[k][i];
      }
    }
    int count = 0;
    for (int k = 0; k < 2; k++) count = walk(n, dims, list[k], before[k]);
    int m = shape_collapse(n, dims, 2, strides);
    assert_in_range(m, 0, n);
    fewer += m < n;
    for (int k = 0; k < 2; k++) {
      assert_int_equal(walk(m, dims, list[k], after), count);
      assert_memory_equal(after, before[k], (size_t)count * sizeof *after);
    }
  }
  assert_true(fewer > 100);
}

static void contiguous_becomes_one_axis(void **state) {
  (void)state;
  int64_t dims[] = {2, 3, 1, 4}, strides[] = {12, 4, 4, 1}, *lists[] = {strides};
  assert_int_equal(shape_collapse(4, dims, 1, lists), 1);
  assert_int_equal(dims[0], 24);
  assert_int_equal(strides[0], 1);
  int64_t ones[] = {1, 1};
  assert_int_equal(shape_collapse(2, ones, 0, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_are_checked),          cmocka_unit_test(broadcasting),
      cmocka_unit_test(axes_and_equality),          cmocka_unit_test(row_major),
      cmocka_unit_test(longest_text_fits),          cmocka_unit_test(collapsing_keeps_the_walk),
      cmocka_unit_test(contiguous_becomes_one_axis)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
