/* kernel_text_test.c: kernels as text. */
#include "backends/gpu/kernel_text.h"
#include "device/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const int64_t sizes[] = {2, 3, 4}, plain[] = {12, 4, 1}, swapped[] = {1, 2, 6}, repeated[] = {0, 0, 0}, last[] = {0, 0, 1};
static location aligned = {0}, odd = {.offset = 2};

static void expect(const kernel *k, const operand *in, const operand *out, const char *wanted, int n_numbers) {
  kernel_numbers numbers;
  text written = {0};
  const kernel_form f = kernel_form_of(k, in, out, 96, &numbers);
  kernel_text_write(&written, k, &f);
  assert_string_equal(written.at, wanted);
  assert_int_equal(numbers.size, 24);
  assert_int_equal(numbers.n, n_numbers);
  text_free(&written);
}

static void axes_that_lie_alike_are_one(void **state) {
  (void)state;
  const kernel k = {
      2, 1, 1, {PONS_FLOAT16, PONS_FLOAT16}, {{ROW_add, PONS_FLOAT16, PONS_FLOAT16, {0, 1, -1}}}, {2}};
  const operand in[] = {{&odd, PONS_FLOAT16, 3, sizes, plain}, {&aligned, PONS_FLOAT16, 3, sizes, repeated}},
                out = {&aligned, PONS_FLOAT16, 3, sizes, plain};
  expect(
      &k, in, &out,
      "#define N(k) ((index_t)v.at[k])\n"
      "KERNEL fused(GLOBAL uint16_t *y0, GLOBAL const uint16_t *x0, GLOBAL const uint16_t *x1, NUMBERS) {\n"
      "  const index_t i = GLOBAL_ID;\n"
      "  if (i >= N(3)) return;\n"
      "  const float v0 = k_float_from_half(x0[N(1) + i]);\n"
      "  const float v1 = k_float_from_half(x1[N(2)]);\n"
      "  float v2;\n"
      "  {\n"
      "    const float a = v0;\n"
      "    const float b = v1;\n"
      "#undef K_SUFFIX\n"
      "#define K_SUFFIX f32\n"
      "    v2 = k_add(a, b);\n"
      "    v2 = k_nearest_half(v2);\n"
      "  }\n"
      "  y0[N(0) + i] = k_half_from_float(v2);\n"
      "}\n",
      4);
}

static void other_layouts_are_numbers(void **state) {
  (void)state;
  const kernel k = {1, 1, 1, {PONS_FLOAT32}, {{ROW_cast, PONS_FLOAT32, PONS_INT8, {0, -1, -1}}}, {1}};
  const operand in = {&aligned, PONS_FLOAT32, 3, sizes, swapped}, out = {&aligned, PONS_INT8, 3, sizes, plain};
  expect(&k, &in, &out,
         "#define N(k) ((index_t)v.at[k])\n"
         "KERNEL fused(GLOBAL int8_t *y0, GLOBAL const float *x0, NUMBERS) {\n"
         "  const index_t i = GLOBAL_ID;\n"
         "  if (i >= N(2)) return;\n"
         "  index_t rest = i;\n"
         "  const index_t p2 = rest % N(5);\n"
         "  rest /= N(5);\n"
         "  const index_t p1 = rest % N(4);\n"
         "  rest /= N(4);\n"
         "  const index_t p0 = rest;\n"
         "  const float v0 = (x0[N(1) + p0 * N(6) + p1 * N(7) + p2 * N(8)]);\n"
         "  int8_t v1;\n"
         "  {\n"
         "    const float x = v0;\n"
         "#undef K_SUFFIX\n"
         "#define K_SUFFIX f32\n"
         "    v1 = (int8_t)k_i32_from_f32(x);\n"
         "  }\n"
         "  y0[N(0) + i] = (v1);\n"
         "}\n",
         9);
}

static void parts_of_complex_numbers_are_cast(void **state) {
  (void)state;
  const kernel k = {1,
                    2,
                    2,
                    {PONS_COMPLEX64},
                    {{ROW_cast, PONS_COMPLEX64, PONS_UINT8, {0, -1, -1}},
                     {ROW_equal, PONS_COMPLEX64, PONS_BOOL, {0, 0, -1}}},
                    {1, 2}};
  const operand in = {&odd, PONS_COMPLEX64, 3, sizes, plain},
                out[] = {{&aligned, PONS_UINT8, 3, sizes, plain}, {&aligned, PONS_BOOL, 3, sizes, plain}};
  expect(&k, &in, out,
         "#define N(k) ((index_t)v.at[k])\n"
         "KERNEL fused(GLOBAL uint8_t *y0, GLOBAL uint8_t *y1, GLOBAL const complex64 *x0, NUMBERS) {\n"
         "  const index_t i = GLOBAL_ID;\n"
         "  if (i >= N(3)) return;\n"
         "  const complex64 v0 = (x0[N(2) + i]);\n"
         "  uint8_t v1;\n"
         "  {\n"
         "    const complex64 x = v0;\n"
         "#undef K_SUFFIX\n"
         "#define K_SUFFIX c64\n"
         "    v1 = (uint8_t)k_i32_from_f32(x.re);\n"
         "  }\n"
         "  bool v2;\n"
         "  {\n"
         "    const complex64 a = v0;\n"
         "    const complex64 b = v0;\n"
         "#undef K_SUFFIX\n"
         "#define K_SUFFIX c64\n"
         "    v2 = k_equal(a, b);\n"
         "  }\n"
         "  y0[N(0) + i] = (v1);\n"
         "  y1[N(1) + i] = (v2);\n"
         "}\n",
         4);
}

/* Rows, a line that all rows share, and a number. */
static void what_lies_in_order_is_read_at_once(void **state) {
  (void)state;
  const kernel k = {3,
                    2,
                    1,
                    {PONS_FLOAT32, PONS_FLOAT32, PONS_FLOAT32},
                    {{ROW_multiply, PONS_FLOAT32, PONS_FLOAT32, {0, 1, -1}}, {ROW_add, PONS_FLOAT32, PONS_FLOAT32, {3, 2, -1}}},
                    {4}};
  const operand in[] = {{&aligned, PONS_FLOAT32, 3, sizes, plain},
                        {&aligned, PONS_FLOAT32, 3, sizes, last},
                        {&odd, PONS_FLOAT32, 3, sizes, repeated}},
                out = {&aligned, PONS_FLOAT32, 3, sizes, plain};
  expect(&k, in, &out,
         "#define N(k) ((index_t)v.at[k])\n"
         "KERNEL fused(GLOBAL float *y0, GLOBAL const float *x0, GLOBAL const float *x1, GLOBAL const float *x2, NUMBERS) {\n"
         "  const index_t i = 4 * (index_t)GLOBAL_ID;\n"
         "  if (i >= N(4)) return;\n"
         "  index_t rest = i;\n"
         "  const index_t p1 = rest % N(6);\n"
         "  rest /= N(6);\n"
         "  const index_t p0 = rest;\n"
         "  words4 w0[1];\n"
         "  UNROLL for (int e = 0; e < 1; e++) w0[e] = load_words4(x0 + N(1) + i + 4 * e);\n"
         "  words4 w1[1];\n"
         "  UNROLL for (int e = 0; e < 1; e++) w1[e] = load_words4(x1 + N(2) + p0 * N(7) + p1 * N(8) + 4 * e);\n"
         "  const float v2 = (x2[N(3)]);\n"
         "  words4 u0[1];\n"
         "  UNROLL for (int e = 0; e < 1; e++) u0[e] = no_words4();\n"
         "  UNROLL for (int e = 0; e < 4; e++) {\n"
         "  const float v0 = (k_from_bits_f32(PART_4(w0[e / 4], e % 4)));\n"
         "  const float v1 = (k_from_bits_f32(PART_4(w1[e / 4], e % 4)));\n"
         "  float v3;\n"
         "  {\n"
         "    const float a = v0;\n"
         "    const float b = v1;\n"
         "#undef K_SUFFIX\n"
         "#define K_SUFFIX f32\n"
         "    v3 = k_mul(a, b);\n"
         "  }\n"
         "  float v4;\n"
         "  {\n"
         "    const float a = v3;\n"
         "    const float b = v2;\n"
         "#undef K_SUFFIX\n"
         "#define K_SUFFIX f32\n"
         "    v4 = k_add(a, b);\n"
         "  }\n"
         "  JOIN_PART_4(u0[e / 4], e % 4, k_bits_f32((v4)));\n"
         "  }\n"
         "  UNROLL for (int e = 0; e < 1; e++) store_words4(y0 + N(0) + i + 4 * e, u0[e]);\n"
         "}\n",
         9);
}

/* Rows behind, of which a thread has four neighbours of float32, with a line that all rows share, as bfloat16, and a number. */
static void what_becomes_of_rows_is_stored_at_once(void **state) {
  (void)state;
  const kernel k = {3, 1, 2, {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT32}, {{ROW_cast, PONS_FLOAT32, PONS_BFLOAT16, {0, -1, -1}}}, {3, 0}};
  const kernel_form f = {.each = 4, .lies = {KERNEL_IN_ORDER, KERNEL_IN_ORDER, KERNEL_REPEATED}};
  text written = {0};
  kernel_text_write_behind(&written, &k, &f);
  assert_non_null(strstr(written.at, "#define RESULTS GLOBAL uint16_t *y0, GLOBAL float *y1,\n"));
  assert_non_null(strstr(written.at, "#define BEGIN_MORE(row) const index_t further0 = MORE_BEGIN(0, row); const index_t further1 = MORE_BEGIN(1, row);\n"));
  const char *put = strstr(written.at, "#define PUT_EACH");
  assert_non_null(put);
  assert_string_equal(
      put,
      "#define PUT_EACH(result, w) {"
      " words4 w1[1]; UNROLL for (int q = 0; q < 1; q++) w1[q] = load_words2(more0 + MORE_PLACE(0, result) + 4 * q);"
      " const float v2 = (more1[MORE_PLACE(1, result)]);"
      " words4 u0[1]; UNROLL for (int q = 0; q < 1; q++) u0[q] = no_words4();"
      " words4 u1[1]; UNROLL for (int q = 0; q < 1; q++) u1[q] = no_words4();"
      " UNROLL for (int e = 0; e < 4; e++) { const Y_value v0 = Y_load(Y_PART(w, e));"
      " const float v1 = k_float_from_bfloat((uint16_t)(PART_2(w1[e / 4], e % 4)));"
      " JOIN_PART_2(u0[e / 4], e % 4, (k_bfloat_from_float(behind0(v0, v1, v2))));"
      " JOIN_PART_4(u1[e / 4], e % 4, k_bits_f32((behind1(v0, v1, v2)))); }"
      " UNROLL for (int q = 0; q < 1; q++) store_words2(y0 + v.at[0] + (result) + 4 * q, u0[q]);"
      " UNROLL for (int q = 0; q < 1; q++) store_words4(y1 + v.at[1] + (result) + 4 * q, u1[q]); }\n");
  text_free(&written);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(axes_that_lie_alike_are_one),
                                     cmocka_unit_test(other_layouts_are_numbers),
                                     cmocka_unit_test(parts_of_complex_numbers_are_cast),
                                     cmocka_unit_test(what_lies_in_order_is_read_at_once),
                                     cmocka_unit_test(what_becomes_of_rows_is_stored_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
