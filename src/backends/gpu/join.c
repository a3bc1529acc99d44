/* join.c: what reductions and scans join elements with, and in which dtype. Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

pons_dtype gpu_wide_dtype(pons_dtype d) {
  if (d == PONS_FLOAT16 || d == PONS_BFLOAT16) return PONS_FLOAT32;
  return d == PONS_BOOL ? PONS_UINT8 : d;
}

const char *gpu_least_value(pons_dtype d) {
  static const char *const values[PONS_DTYPE_COUNT] = {[PONS_BOOL] = "0",
                                                       [PONS_UINT8] = "0",
                                                       [PONS_UINT16] = "0",
                                                       [PONS_UINT32] = "0",
                                                       [PONS_UINT64] = "0",
                                                       [PONS_INT8] = "(-128)",
                                                       [PONS_INT16] = "(-32768)",
                                                       [PONS_INT32] = "(-2147483647 - 1)",
                                                       [PONS_INT64] = "(-(int64_t)0x7fffffffffffffff - 1)",
                                                       [PONS_FLOAT16] = "(-INFINITY)",
                                                       [PONS_FLOAT32] = "(-INFINITY)",
                                                       [PONS_FLOAT64] = "((double)-INFINITY)",
                                                       [PONS_BFLOAT16] = "(-INFINITY)",
                                                       [PONS_COMPLEX64] = "complex_of(-INFINITY, -INFINITY)"};
  return values[d];
}

const char *gpu_greatest_value(pons_dtype d) {
  static const char *const values[PONS_DTYPE_COUNT] = {[PONS_BOOL] = "1",
                                                       [PONS_UINT8] = "255",
                                                       [PONS_UINT16] = "65535",
                                                       [PONS_UINT32] = "0xffffffffu",
                                                       [PONS_UINT64] = "(~(uint64_t)0)",
                                                       [PONS_INT8] = "127",
                                                       [PONS_INT16] = "32767",
                                                       [PONS_INT32] = "2147483647",
                                                       [PONS_INT64] = "((int64_t)0x7fffffffffffffff)",
                                                       [PONS_FLOAT16] = "INFINITY",
                                                       [PONS_FLOAT32] = "INFINITY",
                                                       [PONS_FLOAT64] = "((double)INFINITY)",
                                                       [PONS_BFLOAT16] = "INFINITY",
                                                       [PONS_COMPLEX64] = "complex_of(INFINITY, INFINITY)"};
  return values[d];
}

static const char *start_of(int kind, pons_dtype d) {
  if (kind == REDUCE_MIN) return gpu_greatest_value(d);
  if (kind == REDUCE_MAX) return gpu_least_value(d);
  if (d == PONS_COMPLEX64) return kind == REDUCE_PROD ? "complex_of(1, 0)" : "complex_of(0, 0)";
  return kind == REDUCE_PROD || kind == REDUCE_AND ? "1" : "0";
}

/* Of what is joined: sums and products are made in the result's dtype. */
pons_dtype gpu_joined_dtype(int kind, pons_dtype out) {
  return kind == REDUCE_AND || kind == REDUCE_OR ? PONS_UINT8 : gpu_wide_dtype(out);
}

void gpu_define_join(gpu_call *c, int kind, pons_dtype joined) {
  static const char *const names[REDUCE_KINDS] = {
      [REDUCE_AND] = "min",  [REDUCE_OR] = "max",  [REDUCE_SUM] = "add",
      [REDUCE_PROD] = "mul", [REDUCE_MIN] = "min", [REDUCE_MAX] = "max"};
  gpu_define_dtype(c, "A", joined);
  gpu_define_texts(c, "JOIN(a, b)", (const char *const[]){"k_", names[kind], "_", gpu_typings[joined].suffix, "(a, b)", NULL});
  gpu_define_text(c, "START", start_of(kind, joined));
}

/* A value of dtype `from` as one of `to`. */
static void define_conversion(gpu_call *c, const char *name, pons_dtype from, pons_dtype to) {
  if (from == to)
    gpu_define_text(c, name, "(x)");
  else
    gpu_define_texts(c, name, (const char *const[]){"(", gpu_typings[to].value, ")(x)", NULL});
}

/* The dtype of an element's value. */
static pons_dtype value_dtype(pons_dtype d) {
  return d == PONS_FLOAT16 || d == PONS_BFLOAT16 ? PONS_FLOAT32 : d;
}

void gpu_define_taken(gpu_call *c, pons_dtype from, pons_dtype joined, bool as_truth) {
  if (as_truth)
    gpu_define_text(c, "TAKEN(x)",
                    from == PONS_COMPLEX64 ? "(A_value)((x).re != 0 || (x).im != 0)" : "(A_value)((x) != 0)");
  else
    define_conversion(c, "TAKEN(x)", value_dtype(from), joined);
}

void gpu_define_given(gpu_call *c, pons_dtype joined, pons_dtype to) {
  define_conversion(c, "GIVEN(x)", joined, value_dtype(to));
}
