/* slopes.c: the records of the elementwise rows, with the gradients that follow from their slopes.

   A slope is an expression in the public ops; here k_mul(y, 2) reads pons_multiply(y, 2 as a scalar). From it

       jvp   tangent of y  = sum over the operands of slope * tangent
       vjp   gradient of x = cotangent of y * conjugate of the slope

   The rows marked OWN_RULE come first: complex parts, magnitudes and directions, which have no complex slope,
   casts, and `select`. Uses kernel/ (rows), graph/. */
#include "ops/ops.h"

/* ---- slopes as values: an array or a number ---- */

typedef struct slope {
  pons_array at; /* NULL: number */
  double number;
} slope;
static slope slope_array(pons_array a) { return (slope){a, 0}; }
static slope slope_number(double number) { return (slope){NULL, number}; }
#define SLOPE(value) _Generic((value), pons_array : slope_array, default : slope_number)(value)

static pons_array itself(pons_array a) { return a; }
#define ARRAY(value) _Generic((value), pons_array : itself, int : pons_int, double : pons_float)(value)
static int minus(int number) { return -number; }

#define k_neg(a) _Generic((a), int : minus, default : pons_negative)(a)
#define k_add(a, b) pons_add(ARRAY(a), ARRAY(b))
#define k_sub(a, b) pons_subtract(ARRAY(a), ARRAY(b))
#define k_mul(a, b) pons_multiply(ARRAY(a), ARRAY(b))
#define k_div(a, b) pons_divide(ARRAY(a), ARRAY(b))
#define k_pow(a, b) pons_power(ARRAY(a), ARRAY(b))
#define k_floor_div(a, b) pons_floor_divide(ARRAY(a), ARRAY(b))
#define k_square(a) pons_square(a)
#define k_rsqrt(a) pons_rsqrt(a)
#define k_exp(a) pons_exp(a)
#define k_log(a) pons_log(a)
#define k_sin(a) pons_sin(a)
#define k_cos(a) pons_cos(a)
#define k_sinh(a) pons_sinh(a)
#define k_cosh(a) pons_cosh(a)
#define k_where(c, a, b) pons_where(c, ARRAY(a), ARRAY(b))
#define k_equal(a, b) pons_equal(ARRAY(a), ARRAY(b))
#define k_less(a, b) pons_less(a, b)
#define k_less_equal(a, b) pons_less_equal(a, b)
#define k_greater(a, b) pons_greater(a, b)
#define k_greater_equal(a, b) pons_greater_equal(a, b)
#define k_mask(c) pons_astype(c, dtype_of(y)) /* 1 where c holds */

/* ---- the two rules ---- */

static pons_array times(slope s, pons_array x, bool conjugated) {
  if (s.at) return pons_multiply(x, conjugated ? pons_conjugate(s.at) : s.at);
  return s.number == 1 ? x : s.number == -1 ? pons_negative(x) : pons_multiply(x, pons_float(s.number));
}

/* Slopes of integers may be floats. */
static pons_array gradient(const vjp_call *c, int i, slope s) {
  return as_dtype(times(s, c->cotangents[0], true), dtype_of(c->in[i]));
}
static pons_array tangent(const jvp_call *c, int i, slope s) {
  return as_dtype(times(s, c->tangents[i], false), dtype_of(c->out[0]));
}

typedef slope unary_slope(pons_array x, pons_array y);
typedef slope binary_slope(pons_array a, pons_array b, pons_array y);

static void unary_vjp(const vjp_call *c, unary_slope *by_x) {
  if (c->wanted[0]) c->grads[0] = gradient(c, 0, by_x(c->in[0], c->out[0]));
}
static void unary_jvp(const jvp_call *c, unary_slope *by_x) {
  if (c->tangents[0]) c->out_tangents[0] = tangent(c, 0, by_x(c->in[0], c->out[0]));
}
static void binary_vjp(const vjp_call *c, binary_slope *by_a, binary_slope *by_b) {
  if (c->wanted[0]) c->grads[0] = gradient(c, 0, by_a(c->in[0], c->in[1], c->out[0]));
  if (c->wanted[1]) c->grads[1] = gradient(c, 1, by_b(c->in[0], c->in[1], c->out[0]));
}
static void binary_jvp(const jvp_call *c, binary_slope *by_a, binary_slope *by_b) {
  pons_array a = c->tangents[0] ? tangent(c, 0, by_a(c->in[0], c->in[1], c->out[0])) : NULL;
  pons_array b = c->tangents[1] ? tangent(c, 1, by_b(c->in[0], c->in[1], c->out[0])) : NULL;
  c->out_tangents[0] = a && b ? pons_add(a, b) : a ? a : b;
}

/* ---- rules of their own ---- */

static bool is_complex(pons_array x) { return dtype_is_complex(dtype_of(x)); }

static void abs_vjp(const vjp_call *c) {
  if (c->wanted[0]) c->grads[0] = pons_multiply(c->cotangents[0], pons_sign(c->in[0]));
}
static void abs_jvp(const jvp_call *c) {
  if (!c->tangents[0]) return;
  pons_array sign = pons_sign(c->in[0]);
  if (is_complex(sign))
    c->out_tangents[0] = pons_real(pons_multiply(pons_conjugate(sign), c->tangents[0]));
  else
    c->out_tangents[0] = pons_multiply(sign, c->tangents[0]);
}

/* What of `moved` turns z: i s Im(conj(s) moved) / |z| with s = z / |z|, which is its own adjoint; 0 at 0. Real
   signs have slope 0. */
static pons_array turn(pons_array z, pons_array s, pons_array moved) {
  pons_array across = pons_imag(pons_multiply(pons_conjugate(s), moved)), size = pons_abs(z);
  pons_array none = constant_like(0, size), is_none = pons_equal(size, none);
  pons_array angle = pons_divide(across, pons_where(is_none, constant_like(1, size), size));
  return pons_multiply(pons_multiply(s, pons_complex(0, 1)), angle); /* s is 0 where z is */
}
static void sign_vjp(const vjp_call *c) {
  if (c->wanted[0] && is_complex(c->in[0])) c->grads[0] = turn(c->in[0], c->out[0], c->cotangents[0]);
}
static void sign_jvp(const jvp_call *c) {
  if (c->tangents[0] && is_complex(c->in[0])) c->out_tangents[0] = turn(c->in[0], c->out[0], c->tangents[0]);
}

static void real_vjp(const vjp_call *c) {
  if (c->wanted[0]) c->grads[0] = pons_astype(c->cotangents[0], dtype_of(c->in[0]));
}
static void real_jvp(const jvp_call *c) {
  if (c->tangents[0]) c->out_tangents[0] = pons_real(c->tangents[0]);
}
static void imag_vjp(const vjp_call *c) {
  if (c->wanted[0])
    c->grads[0] = pons_multiply(pons_astype(c->cotangents[0], dtype_of(c->in[0])), pons_complex(0, 1));
}
static void imag_jvp(const jvp_call *c) {
  if (c->tangents[0]) c->out_tangents[0] = pons_imag(c->tangents[0]);
}
static void conjugate_vjp(const vjp_call *c) {
  if (c->wanted[0]) c->grads[0] = pons_conjugate(c->cotangents[0]);
}
static void conjugate_jvp(const jvp_call *c) {
  if (c->tangents[0]) c->out_tangents[0] = pons_conjugate(c->tangents[0]);
}

/* As in MLX gradients pass through casts to integers too. */
static void cast_vjp(const vjp_call *c) {
  if (c->wanted[0]) c->grads[0] = pons_astype(c->cotangents[0], dtype_of(c->in[0]));
}
static void cast_jvp(const jvp_call *c) {
  const cast_params *p = c->params;
  if (c->tangents[0]) c->out_tangents[0] = pons_astype(c->tangents[0], p->dtype);
}

static void select_vjp(const vjp_call *c) {
  pons_array zero = constant_like(0, c->cotangents[0]);
  if (c->wanted[1]) c->grads[1] = pons_where(c->in[0], c->cotangents[0], zero);
  if (c->wanted[2]) c->grads[2] = pons_where(c->in[0], zero, c->cotangents[0]);
}
static void select_jvp(const jvp_call *c) {
  pons_array zero = constant_like(0, c->out[0]), a = c->tangents[1], b = c->tangents[2];
  if (a || b)
    c->out_tangents[0] =
        as_shape(pons_where(c->in[0], a ? a : zero, b ? b : zero), c->out[0]->ndim, c->out[0]->shape);
}

/* ---- the rows: functions of the slopes, then records ---- */

/* NONE, OWN or GIVEN for the token that a slope begins with. */
#define SECOND(first, second, ...) second
#define KIND_OF(...) SECOND(__VA_ARGS__, GIVEN, none)
#define IS_NO_SLOPE none, NONE
#define IS_OWN_RULE none, OWN
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#define UNARY_RULE_NONE(name, slope_x)
#define UNARY_RULE_OWN(name, slope_x)
#define UNARY_RULE_GIVEN(name, slope_x)                                    \
  static slope name##_by_x(pons_array x, pons_array y) {                   \
    (void)x, (void)y;                                                      \
    return SLOPE(slope_x);                                                 \
  }                                                                        \
  static void name##_vjp(const vjp_call *c) { unary_vjp(c, name##_by_x); } \
  static void name##_jvp(const jvp_call *c) { unary_jvp(c, name##_by_x); }
#define BINARY_RULE_NONE(name, slope_a, slope_b)
#define BINARY_RULE_GIVEN(name, slope_a, slope_b)                                        \
  static slope name##_by_a(pons_array a, pons_array b, pons_array y) {                   \
    (void)a, (void)b, (void)y;                                                           \
    return SLOPE(slope_a);                                                               \
  }                                                                                      \
  static slope name##_by_b(pons_array a, pons_array b, pons_array y) {                   \
    (void)a, (void)b, (void)y;                                                           \
    return SLOPE(slope_b);                                                               \
  }                                                                                      \
  static void name##_vjp(const vjp_call *c) { binary_vjp(c, name##_by_a, name##_by_b); } \
  static void name##_jvp(const jvp_call *c) { binary_jvp(c, name##_by_a, name##_by_b); }
#define UNARY(name, file, variant, types, result, value, slope, low, high) \
  PASTE(UNARY_RULE_, KIND_OF(IS_##slope))(name, slope)
#define BINARY(name, file, variant, types, result, value, slope_a, slope_b, low, high) \
  PASTE(BINARY_RULE_, KIND_OF(IS_##slope_a))(name, slope_a, slope_b)
#define TERNARY(...)
#include "kernel/elementwise.def"

/* Rows that share a name in files are told apart here: "Log:log2". */
#define RECORD_NAME(name, file, variant) ((variant) < 0 ? #file : #file ":" #name)
#define GRADIENT_NONE(name) .no_gradient = true
#define GRADIENT_OWN(name) .vjp = name##_vjp, .jvp = name##_jvp
#define GRADIENT_GIVEN(name) .vjp = name##_vjp, .jvp = name##_jvp
#define PARAMS_SAME
#define PARAMS_BOOL
#define PARAMS_REAL
#define PARAMS_CAST .params_size = sizeof(cast_params), .fields = {FIELD(DTYPE, cast_params, dtype)},
#define RECORD(row_name, file, variant, result, kind) \
  {.name = RECORD_NAME(row_name, file, variant),      \
   .row = 1 + ROW_##row_name,                         \
   PARAMS_##result PASTE(GRADIENT_, kind)(row_name)},
#define UNARY(name, file, variant, types, result, value, slope, low, high) \
  RECORD(name, file, variant, result, KIND_OF(IS_##slope))
#define BINARY(name, file, variant, types, result, value, slope_a, slope_b, low, high) \
  RECORD(name, file, variant, result, KIND_OF(IS_##slope_a))
#define TERNARY(name, file, variant, types, result, value, low, high) RECORD(name, file, variant, result, OWN)
const prim elementwise_prims[ROW_COUNT] = {
#include "kernel/elementwise.def"
};
