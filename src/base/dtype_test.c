/* dtype_test.c: promotion against a table printed by MLX 0.32.4, and by NumPy where complex128 is met; single elements at the edges of their
   types. */
#include "base/base.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A row per dtype of an array; columns: an array of each dtype, then a Python bool, int, float and
   complex. */
static const char *const table[PONS_DTYPE_COUNT] = {
    "bool       b u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 bf c8 cw | b i4 f4 c8",
    "uint8      u1 u1 u2 u4 u8 i2 i2 i4 i8 f2 f4 f8 bf c8 cw | u1 u1 f4 c8",
    "uint16     u2 u2 u2 u4 u8 i4 i4 i4 i8 f2 f4 f8 bf c8 cw | u2 u2 f4 c8",
    "uint32     u4 u4 u4 u4 u8 i8 i8 i8 i8 f2 f4 f8 bf c8 cw | u4 u4 f4 c8",
    "uint64     u8 u8 u8 u8 u8 f4 f4 f4 f4 f2 f4 f8 bf c8 cw | u8 u8 f4 c8",
    "int8       i1 i2 i4 i8 f4 i1 i2 i4 i8 f2 f4 f8 bf c8 cw | i1 i1 f4 c8",
    "int16      i2 i2 i4 i8 f4 i2 i2 i4 i8 f2 f4 f8 bf c8 cw | i2 i2 f4 c8",
    "int32      i4 i4 i4 i8 f4 i4 i4 i4 i8 f2 f4 f8 bf c8 cw | i4 i4 f4 c8",
    "int64      i8 i8 i8 i8 f4 i8 i8 i8 i8 f2 f4 f8 bf c8 cw | i8 i8 f4 c8",
    "float16    f2 f2 f2 f2 f2 f2 f2 f2 f2 f2 f4 f8 f4 c8 cw | f2 f2 f2 c8",
    "float32    f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f8 f4 c8 cw | f4 f4 f4 c8",
    "float64    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 cw cw | f8 f8 f8 cw",
    "bfloat16   bf bf bf bf bf bf bf bf bf f4 f4 f8 bf c8 cw | bf bf bf c8",
    "complex64  c8 c8 c8 c8 c8 c8 c8 c8 c8 c8 c8 cw c8 c8 cw | c8 c8 c8 c8",
    "complex128 cw cw cw cw cw cw cw cw cw cw cw cw cw cw cw | cw cw cw cw",
};
static const char *const short_names[PONS_DTYPE_COUNT] = {"b",  "u1", "u2", "u4", "u8", "i1", "i2",
                                                          "i4", "i8", "f2", "f4", "f8", "bf", "c8", "cw"};

static void check_meeting(const char *row, int column, pons_dtype got) {
  char words[21][12];
  int count = 0;
  for (const char *at = row; sscanf(at, "%11s", words[count]) == 1; count++)
    at = strstr(at, words[count]) + strlen(words[count]);
  assert_int_equal(count, 21);
  assert_string_equal(short_names[got], words[column]);
}

static void promotion_is_mlx_s_and_numpy_s(void **state) {
  (void)state;
  static const pons_dtype weak[4] = {PONS_BOOL, PONS_INT32, PONS_FLOAT32, PONS_COMPLEX64};
  for (int a = 0; a < PONS_DTYPE_COUNT; a++) {
    for (int b = 0; b < PONS_DTYPE_COUNT; b++) {
      check_meeting(table[a], 1 + b, pons_promote((pons_dtype)a, (pons_dtype)b));
      check_meeting(table[a], 1 + b, dtype_promote_weak((pons_dtype)a, false, (pons_dtype)b, false));
      check_meeting(table[a], 1 + b, dtype_promote_weak((pons_dtype)a, true, (pons_dtype)b, true));
    }
    for (int w = 0; w < 4; w++) {
      check_meeting(table[a], 17 + w, dtype_promote_weak((pons_dtype)a, false, weak[w], true));
      check_meeting(table[a], 17 + w, dtype_promote_weak(weak[w], true, (pons_dtype)a, false));
    }
  }
}

static void names_and_sizes(void **state) {
  (void)state;
  static const size_t sizes[PONS_DTYPE_COUNT] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 2, 8, 16};
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    assert_int_equal(pons_dtype_size((pons_dtype)d), sizes[d]);
    assert_memory_equal(table[d], pons_dtype_name((pons_dtype)d), strlen(pons_dtype_name((pons_dtype)d)));
  }
  assert_int_equal(pons_dtype_size((pons_dtype)99), 0);
  assert_string_equal(pons_dtype_name((pons_dtype)-1), "invalid dtype");
  assert_int_equal(dtype_at_least_float(PONS_UINT8), PONS_FLOAT32);
  assert_int_equal(dtype_at_least_float(PONS_BFLOAT16), PONS_BFLOAT16);
}

static void check_element(pons_dtype d, double value, double expected) {
  unsigned char at[17]; /* element at an odd address */
  dtype_write(d, at + 1, value);
  double got = dtype_read(d, at + 1);
  if (isnan(expected)) assert_true(isnan(got));
  else assert_true(got == expected);
}

static void elements_by_double(void **state) {
  (void)state;
  check_element(PONS_UINT8, 255, 255);
  check_element(PONS_UINT8, -1, 255);
  check_element(PONS_INT8, -128.9, -128);
  check_element(PONS_INT32, 2.9, 2);
  check_element(PONS_INT64, INFINITY, 0x1p63); /* INT64_MAX, read as a double */
  check_element(PONS_INT64, -1e300, -0x1p63);
  check_element(PONS_INT32, NAN, 0);
  check_element(PONS_UINT64, 1e300, 0x1p64);
  check_element(PONS_UINT64, 0x1.8p63, 0x1.8p63);
  check_element(PONS_BOOL, 0.5, 1);
  check_element(PONS_BOOL, -0.0, 0);
  check_element(PONS_FLOAT16, 65504, 65504);
  check_element(PONS_FLOAT16, 1e6, INFINITY);
  check_element(PONS_BFLOAT16, 1.0 / 3, 0x1.56p-2);
  check_element(PONS_FLOAT32, 0.1, 0.1f);
  check_element(PONS_FLOAT64, 0.1, 0.1);
  check_element(PONS_FLOAT64, NAN, NAN);
  check_element(PONS_COMPLEX64, -2.5, -2.5);
  check_element(PONS_COMPLEX128, 0.1, 0.1);
}

static void check_integer(pons_dtype d, int64_t value, int64_t expected) {
  unsigned char at[17];
  dtype_write_int(d, at + 1, value);
  assert_true(dtype_read_int(d, at + 1) == expected);
}

static void elements_by_integer(void **state) {
  (void)state;
  check_integer(PONS_INT64, INT64_MIN, INT64_MIN);
  check_integer(PONS_INT64, (1ll << 53) + 1, (1ll << 53) + 1); /* no double in between */
  check_integer(PONS_UINT64, -1, -1);                          /* the same bits */
  check_integer(PONS_UINT32, -1, UINT32_MAX);
  check_integer(PONS_INT16, 40000, 40000 - 65536);
  check_integer(PONS_BOOL, 256, 1);
  check_integer(PONS_FLOAT32, -7, -7);
  check_integer(PONS_FLOAT64, INT64_MAX, INT64_MAX); /* rounds up to 2^63, comes back clamped */
  check_integer(PONS_FLOAT16, 2049, 2048);
  check_integer(PONS_COMPLEX64, 5, 5);
  check_integer(PONS_COMPLEX128, (1ll << 53) - 1, (1ll << 53) - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(promotion_is_mlx_s_and_numpy_s), cmocka_unit_test(names_and_sizes),
                                     cmocka_unit_test(elements_by_double),
                                     cmocka_unit_test(elements_by_integer)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
