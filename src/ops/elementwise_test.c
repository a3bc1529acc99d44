/* elementwise_test.c: dtypes that operands meet in and results have, casts and broadcasts in the graph,
   messages, values at the edges, gradients at points where slopes are known. */
#include "ops/ops_for_tests.h"
#include <math.h>

static const char *const short_names[PONS_DTYPE_COUNT] = {"b",   "u8",  "u16", "u32", "u64", "i8",   "i16",
                                                          "i32", "i64", "f16", "f32", "f64", "bf16", "c64", "c128"};

/* What MLX gives for operands of one dtype, in the order of the enum, and for complex128 what fits to it; "-": an
   error. */
static const struct {
  const char *op, *results;
} mlx_says[] = {
    {"abs", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 f32 f64"},
    {"negative", "- u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"sign", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"square", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"sqrt", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"rsqrt", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"exp", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"expm1", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 - -"},
    {"log", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"log2", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"log10", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"log1p", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"sin", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"cos", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"tan", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"arcsin", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"arccos", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"arctan", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"sinh", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"cosh", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"tanh", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"arcsinh", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"arccosh", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"arctanh", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"sigmoid", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 - -"},
    {"erf", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 - -"},
    {"erfinv", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 - -"},
    {"floor", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 - -"},
    {"ceil", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 - -"},
    {"round", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"logical_not", "b b b b b b b b b b b b b b b"},
    {"bitwise_invert", "b u8 u16 u32 u64 i8 i16 i32 i64 - - - - - -"},
    {"real", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 f32 f64"},
    {"imag", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 f32 f64"},
    {"conjugate", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"add", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"subtract", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"multiply", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"divide", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"floor_divide", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"remainder", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 - -"},
    {"power", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"maximum", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"minimum", "b u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 c64 c128"},
    {"arctan2", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 - -"},
    {"logaddexp", "f32 f32 f32 f32 f32 f32 f32 f32 f32 f16 f32 f64 bf16 c64 c128"},
    {"equal", "b b b b b b b b b b b b b b b"},
    {"not_equal", "b b b b b b b b b b b b b b b"},
    {"less", "b b b b b b b b b b b b b b b"},
    {"less_equal", "b b b b b b b b b b b b b b b"},
    {"greater", "b b b b b b b b b b b b b b b"},
    {"greater_equal", "b b b b b b b b b b b b b b b"},
    {"logical_and", "b b b b b b b b b b b b b b b"},
    {"logical_or", "b b b b b b b b b b b b b b b"},
    {"bitwise_and", "b u8 u16 u32 u64 i8 i16 i32 i64 - - - - - -"},
    {"bitwise_or", "b u8 u16 u32 u64 i8 i16 i32 i64 - - - - - -"},
    {"bitwise_xor", "b u8 u16 u32 u64 i8 i16 i32 i64 - - - - - -"},
    {"left_shift", "u8 u8 u16 u32 u64 i8 i16 i32 i64 - - - - - -"},
    {"right_shift", "u8 u8 u16 u32 u64 i8 i16 i32 i64 - - - - - -"},
};

static pons_array call(const char *op, pons_array x) {
#define UNARY(name, file, variant, types, result, ...) CALL_##result(name)
#define CALL_SAME(name) \
  if (!strcmp(op, #name)) return pons_##name(x);
#define CALL_BOOL(name) CALL_SAME(name)
#define CALL_REAL(name) CALL_SAME(name)
#define CALL_CAST(name)
#define BINARY(name, ...) \
  if (!strcmp(op, #name)) return pons_##name(x, x);
#define TERNARY(name, ...)
#include "kernel/elementwise.def"
  fail_msg("no op %s", op);
  return NULL;
}

static void results_have_the_dtypes_of_mlx(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof mlx_says / sizeof *mlx_says; i++) {
    text results = {0};
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      pons_array y = call(mlx_says[i].op, symbol(PONS_SHAPE(2), (pons_dtype)d));
      text_add(&results, d ? " %s" : "%s", pons_error_of(y) ? "-" : short_names[pons_dtype_of(y)]);
      pons_clear_error();
    }
    text_add(&results, " %s", mlx_says[i].op);
    char expected[200];
    snprintf(expected, sizeof expected, "%s %s", mlx_says[i].results, mlx_says[i].op);
    assert_string_equal(results.at, expected);
    text_free(&results);
  }
}

static void casts_and_broadcasts_are_nodes(void **unused) {
  (void)unused;
  pons_array f = symbol(PONS_SHAPE(2, 3), PONS_FLOAT32), i = symbol(PONS_SHAPE(3), PONS_INT32);
  check_graph(pons_add(f, f), "Add");
  check_graph(pons_add(f, i), "AsType Broadcast Add");
  check_graph(pons_exp(i), "AsType Exp");
  check_graph(pons_divide(i, i), "AsType AsType Divide");
  check_graph(pons_multiply(f, pons_float(2)), "Broadcast Multiply");
  check_graph(pons_multiply(f, pons_int(2)), "Broadcast Multiply"); /* the scalar is made anew, not cast */
  check_graph(pons_log2(f), "Log:log2");
  check_graph(pons_left_shift(i, i), "BitwiseBinary:left_shift");
  check_graph(pons_where(i, f, pons_float(0)), "AsType Broadcast Broadcast Select");
  check_graph(pons_astype(f, PONS_FLOAT32), "");
  check_graph(pons_real(f), "");
  check_graph(pons_logical_and(f, f), "AsType AsType LogicalAnd");
}

static void scalars_of_c_give_way(void **unused) {
  (void)unused;
  pons_array half = pons_astype(FLOATS(1, 2), PONS_FLOAT16), small = pons_astype(INTS(1, 2), PONS_UINT8);
  check(pons_add(half, pons_float(0.5)), "[1.5, 2.5] float16");
  check(pons_add(half, pons_int(1)), "[2, 3] float16");
  check(pons_add(small, pons_int(1)), "[2, 3] uint8");
  check(pons_add(small, pons_bool(true)), "[2, 3] uint8");
  check(pons_add(small, pons_float(0.5)), "[1.5, 2.5] float32");
  check(pons_add(pons_scalar(1, PONS_INT32), pons_float(0.5)), "1.5 float32");
  check(pons_add(small, pons_astype(pons_int(1), PONS_INT32)), "[2, 3] int32"); /* firm */
  check(pons_power(FLOATS(2.5), pons_int(2)), "[6.25] float32");
  check(pons_where(pons_bool(true), half, pons_float(0)), "[1, 2] float16");
}

static void values_at_the_edges(void **unused) {
  (void)unused;
  check(pons_floor_divide(INTS(7, -7, 7, 5), INTS(2, 2, -2, 0)), "[3, -4, -4, 0] int32");
  check(pons_remainder(INTS(7, -7, 7, 5), INTS(2, 2, -2, 0)), "[1, 1, -1, 5] int32");
  check(pons_remainder(FLOATS(7, -7, 7), FLOATS(2, 2, -2)), "[1, 1, -1] float32");
  check(pons_divide(INTS(1, 1), INTS(0, 4)), "[inf, 0.25] float32");
  check(pons_power(INTS(2, 2, 3), INTS(3, -1, 50)), "[8, 0, -794958903] int32");
  check(pons_maximum(FLOATS(NAN, 1, 2), FLOATS(1, NAN, 1)), "[nan, nan, 2] float32");
  check(pons_round(FLOATS(0.5f, 1.5f, -2.5f)), "[0, 2, -2] float32");
  check(pons_left_shift(INTS(1, 1), INTS(31, 33)), "[-2147483648, 0] int32");
  check(pons_astype(FLOATS(NAN, 3.7f, -3.7f, 1e10f), PONS_INT32), "[-2147483648, 3, -3, -2147483648] int32");
  check(pons_astype(FLOATS(300.5f, -3.5f), PONS_UINT8), "[44, 253] uint8");
  check(pons_equal(FLOATS(NAN, 1), FLOATS(NAN, 1)), "[False, True] bool");
  check(pons_equal_nan(FLOATS(NAN, 1), FLOATS(NAN, 2)), "[True, False] bool");
  check(pons_sign(pons_complex(3, 4)), "0.6+0.8j complex64");
  check(pons_log1p(pons_complex(-1, 1e-38f)), "-87.4982+1.5708j complex64"); /* log(1e-38) + pi/2 i */
  check(pons_abs(pons_complex(3, 4)), "5 float32");
  check(pons_imag(INTS(3)), "[0] int32");
  check(pons_logaddexp(FLOATS(-INFINITY, INFINITY), FLOATS(-INFINITY, 1)), "[-inf, inf] float32");
  check(pons_exp(pons_zeros(PONS_SHAPE(0, 2), PONS_FLOAT32)), "[] float32");
}

static void what_is_wrong_is_told(void **unused) {
  (void)unused;
  pons_array a = symbol(PONS_SHAPE(2, 3), PONS_FLOAT32), b = symbol(PONS_SHAPE(4), PONS_FLOAT32);
  pons_array z = symbol(PONS_SHAPE(2), PONS_COMPLEX64), t = symbol(PONS_SHAPE(2), PONS_BOOL);
  check_error(pons_add(a, b), "add: shapes do not broadcast: (2, 3) float32 and (4) float32");
  check_error(pons_where(t, a, b),
              "where: shapes do not broadcast: (2) bool, (2, 3) float32 and (4) float32");
  check_error(pons_negative(t),
              "negative: not defined for bool: (2) bool\nhint: pons_logical_not turns bools round");
  check_error(pons_sigmoid(z), "sigmoid: not defined for complex64: (2) complex64");
  check_error(pons_bitwise_and(t, a), "bitwise_and: not defined for float32: (2) bool and (2, 3) float32");
  check_error(pons_remainder(z, t), "remainder: not defined for complex64: (2) complex64 and (2) bool");
  check_error(pons_add(a, NULL), "add: operand 2 of 2 is NULL");
  check_error(pons_exp(NULL), "exp: operand 1 of 1 is NULL");
  check_error(pons_astype(a, (pons_dtype)77), "astype: 77 is no dtype");
  check_error(pons_exp(pons_add(a, b)), "add: shapes do not broadcast: (2, 3) float32 and (4) float32");
}

/* ---- gradients: what rules of their own and edges give ---- */

static pons_callback tried;
static void call_tried(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  tried(payload, in, n_in, out, n_out);
  out[0] = pons_sum(out[0]);
}
static void check_grad(pons_callback f, pons_array a, pons_array b, const char *by_a, const char *by_b) {
  tried = f;
  pons_function whole = pons_function_new(call_tried, 1, NULL, NULL), g = pons_grad(whole, PONS_AXES(0, 1));
  pons_array in[2] = {a, b}, out[2] = {NULL, NULL};
  assert_true(pons_call(g, in, 2, out, 2));
  check(out[0], by_a);
  check(out[1], by_b);
  pons_function_release(g);
  pons_function_release(whole);
}
#define RULE(name, expression)                                                                  \
  static void name(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) { \
    pons_array a = in[0], b = in[1];                                                            \
    (void)payload, (void)n_in, (void)n_out, (void)a, (void)b;                                   \
    out[0] = expression;                                                                        \
  }
RULE(of_maximum, pons_maximum(a, b))
RULE(of_power, pons_power(a, b))
RULE(of_remainder, pons_remainder(a, b))
RULE(of_select, pons_where(pons_greater(a, b), a, pons_multiply(b, pons_float(3))))
RULE(of_floor, pons_add(pons_floor(a), pons_astype(pons_astype(b, PONS_FLOAT16), PONS_FLOAT32)))
RULE(of_sum, pons_subtract(pons_multiply(a, pons_float(2)), b))
RULE(of_complex, pons_add(pons_abs(a), pons_imag(pons_conjugate(b))))
RULE(of_square, pons_real(pons_multiply(pons_square(a), pons_conjugate(b))))

static void gradients_follow_from_slopes(void **unused) {
  (void)unused;
  pons_array a = FLOATS(1, 2, 5), b = FLOATS(3, 2, 4);
  check_grad(of_maximum, a, b, "[0, 0, 1] float32", "[1, 1, 0] float32");
  check_grad(of_power, FLOATS(2, 0), FLOATS(3, 2), "[12, 0] float32", "[5.54518, 0] float32");
  check_grad(of_remainder, FLOATS(7, -7), FLOATS(2, 2), "[1, 1] float32", "[-3, 4] float32");
  check_grad(of_select, a, b, "[0, 0, 1] float32", "[3, 3, 0] float32");
  check_grad(of_floor, a, b, "[0, 0, 0] float32", "[1, 1, 1] float32");
  check_grad(of_sum, a, FLOATS(1), "[2, 2, 2] float32", "[-3] float32"); /* summed where it was repeated */
  check_grad(of_complex, pons_complex(3, 4), pons_complex(1, 2), "0.6+0.8j complex64", "0-1j complex64");
  /* y = re(a^2 conj b): by a 2 conj(a) b, by b a^2 */
  check_grad(of_square, pons_complex(1, 2), pons_complex(3, -1), "2-14j complex64", "-3+4j complex64");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(results_have_the_dtypes_of_mlx), TEST(casts_and_broadcasts_are_nodes),
      TEST(scalars_of_c_give_way),          TEST(values_at_the_edges),
      TEST(what_is_wrong_is_told),          TEST(gradients_follow_from_slopes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
