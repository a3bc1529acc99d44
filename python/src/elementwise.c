/* elementwise.c: functions of one, two or three operands, element by element. */
#include "binding.h"

/* name(a), name(a, b): what the annotations allow is the same for all, as scalars are arrays without axes. */
#define UNARY(id, what)                                                            \
  FUNCTION(id, "(a: array, /, *, stream: StreamOrDevice = None) -> array", what) { \
    return wrap(pons_##id(s[0].array));                                            \
  }
#define BINARY(id, what)                                                                               \
  FUNCTION(id, "(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array", \
           what) {                                                                                     \
    pons_array in[2];                                                                                  \
    return operands_of(&s[0], &s[1], in) ? wrap(pons_##id(in[0], in[1])) : NULL;                       \
  }
/* The stream may be passed by place as well, and the operands by name. */
#define OPEN_BINARY(id, what)                                                                            \
  FUNCTION(id, "(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array", what) { \
    pons_array in[2];                                                                                    \
    return operands_of(&s[0], &s[1], in) ? wrap(pons_##id(in[0], in[1])) : NULL;                         \
  }
#define OPEN_UNARY(id, what)                                                 \
  FUNCTION(id, "(a: array, stream: StreamOrDevice = None) -> array", what) { \
    return wrap(pons_##id(s[0].array));                                      \
  }

UNARY(abs, "The absolute value; of a complex number its magnitude.")
UNARY(negative, "-a")
UNARY(sign, "-1, 0 or 1; of a complex number a / |a|.")
UNARY(square, "a * a")
UNARY(sqrt, "The square root.")
UNARY(rsqrt, "1 / sqrt(a)")
UNARY(reciprocal, "1 / a")
UNARY(exp, "The exponential.")
UNARY(expm1, "exp(a) - 1, precise near 0.")
UNARY(log, "The natural logarithm.")
UNARY(log2, "The logarithm to base 2.")
UNARY(log10, "The logarithm to base 10.")
UNARY(log1p, "log(1 + a), precise near 0.")
UNARY(sin, "The sine.")
UNARY(cos, "The cosine.")
UNARY(tan, "The tangent.")
UNARY(arcsin, "The inverse sine.")
UNARY(arccos, "The inverse cosine.")
UNARY(arctan, "The inverse tangent.")
UNARY(sinh, "The hyperbolic sine.")
UNARY(cosh, "The hyperbolic cosine.")
UNARY(tanh, "The hyperbolic tangent.")
UNARY(arcsinh, "The inverse hyperbolic sine.")
UNARY(arccosh, "The inverse hyperbolic cosine.")
UNARY(arctanh, "The inverse hyperbolic tangent.")
UNARY(sigmoid, "1 / (1 + exp(-a))")
UNARY(erf, "The error function.")
UNARY(erfinv, "The inverse of the error function.")
UNARY(floor, "The greatest integer not above.")
UNARY(ceil, "The least integer not below.")
UNARY(trunc, "Rounded towards zero.")
UNARY(logical_not, "Is it false, or 0?")
UNARY(real, "The real part.")
UNARY(imag, "The imaginary part.")
UNARY(positive, "a itself.")
UNARY(degrees, "Radians as degrees.")
UNARY(radians, "Degrees as radians.")
OPEN_UNARY(bitwise_invert, "Each bit of an integer inverted.")
OPEN_UNARY(isnan, "Is it NaN?")
OPEN_UNARY(isinf, "Is it infinite?")
OPEN_UNARY(isfinite, "Is it neither infinite nor NaN?")
OPEN_UNARY(isposinf, "Is it infinite and positive?")
OPEN_UNARY(isneginf, "Is it infinite and negative?")
FUNCTION(conjugate, "(a: array, *, stream: StreamOrDevice = None) -> array", "The complex conjugate.") {
  return wrap(pons_conjugate(s[0].array));
}
FUNCTION(conj, "(a: array, *, stream: StreamOrDevice = None) -> array", "The complex conjugate.") {
  return wrap(pons_conjugate(s[0].array));
}

OPEN_BINARY(add, "a + b")
OPEN_BINARY(subtract, "a - b")
OPEN_BINARY(multiply, "a * b")
OPEN_BINARY(divide, "a / b; of integers a float32.")
OPEN_BINARY(floor_divide, "a / b rounded down.")
OPEN_BINARY(remainder, "The remainder of a / b, with the sign of b.")
BINARY(power, "a to the power of b.")
BINARY(maximum, "The greater one; NaN if either is.")
BINARY(minimum, "The lesser one; NaN if either is.")
BINARY(arctan2, "The angle of (b, a), in radians.")
BINARY(logaddexp, "log(exp(a) + exp(b))")
OPEN_BINARY(equal, "a == b")
OPEN_BINARY(not_equal, "a != b")
OPEN_BINARY(less, "a < b")
OPEN_BINARY(less_equal, "a <= b")
OPEN_BINARY(greater, "a > b")
OPEN_BINARY(greater_equal, "a >= b")
BINARY(logical_and, "Are both true?")
BINARY(logical_or, "Is one of them true?")
BINARY(logical_xor, "Is just one of them true?")
OPEN_BINARY(bitwise_and, "The bits set in both.")
OPEN_BINARY(bitwise_or, "The bits set in one of them.")
OPEN_BINARY(bitwise_xor, "The bits set in just one of them.")
OPEN_BINARY(left_shift, "a << b")
OPEN_BINARY(right_shift, "a >> b")

FUNCTION(divmod, "(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array",
         "The quotient, rounded down, and the remainder: a list of two arrays.") {
  pons_array in[2], out[2];
  if (!operands_of(&s[0], &s[1], in)) return NULL;
  pons_divmod(in[0], in[1], out);
  return wrap_list(out, 2);
}

FUNCTION(round, "(a: array, /, decimals: int = 0, stream: StreamOrDevice = None) -> array",
         "Rounded to so many decimals, half to even.") {
  return wrap(pons_round_decimals(s[0].array, (int)s[1].i));
}

FUNCTION(where,
         "(condition: scalar | array, x: scalar | array, y: scalar | array, /, *, stream: StreamOrDevice = "
         "None) -> array",
         "x where the condition is true, else y.") {
  pons_array in[2];
  return operands_of(&s[1], &s[2], in) ? wrap(pons_where(s[0].array, in[0], in[1])) : NULL;
}

FUNCTION(clip,
         "(a: array, /, a_min: scalar | array | None, a_max: scalar | array | None, *, stream: "
         "StreamOrDevice = None) -> "
         "array",
         "a between a_min and a_max; one of them may be None.") {
  pons_array low[2] = {NULL, NULL}, high[2] = {NULL, NULL};
  if (s[1].kind == SLOT_ARRAY && !operands_of(&s[0], &s[1], low)) return NULL;
  if (s[2].kind == SLOT_ARRAY && !operands_of(&s[0], &s[2], high)) return NULL;
  if (low[1] || high[1]) return wrap(pons_clip(s[0].array, low[1], high[1]));
  PyErr_SetString(PyExc_ValueError, "clip: at most one of a_min and a_max may be None");
  return NULL;
}

FUNCTION(nan_to_num,
         "(a: scalar | array, nan: float = 0, posinf: float | None = None, neginf: float | None = None, *, "
         "stream: "
         "StreamOrDevice = None) -> array",
         "a with these in the place of NaN and infinities; None: the greatest and the least finite number.") {
  return wrap(pons_nan_to_num(s[0].array, .nan = s[1].number,
                              .posinf = s[2].kind == SLOT_FLOAT ? &s[2].number : NULL,
                              .neginf = s[3].kind == SLOT_FLOAT ? &s[3].number : NULL));
}

#define CLOSENESS(id, what)                                                                                 \
  FUNCTION(id,                                                                                              \
           "(a: array, b: array, /, rtol: float = 1e-05, atol: float = 1e-08, *, equal_nan: bool = False, " \
           "stream: "                                                                                       \
           "StreamOrDevice = None) -> array",                                                               \
           what) {                                                                                          \
    pons_array in[2];                                                                                       \
    if (!operands_of(&s[0], &s[1], in)) return NULL;                                                        \
    return wrap(pons_##id(in[0], in[1], s[2].number, s[3].number, .equal_nan = s[4].flag));                 \
  }
CLOSENESS(isclose, "|a - b| <= atol + rtol |b|")
CLOSENESS(allclose, "Is |a - b| <= atol + rtol |b| everywhere?")

FUNCTION(
    array_equal,
    "(a: scalar | array, b: scalar | array, equal_nan: bool = False, stream: StreamOrDevice = None) -> array",
    "Are shapes and elements equal?") {
  return wrap(pons_array_equal(s[0].array, s[1].array, .equal_nan = s[2].flag));
}

FUNCTION(stop_gradient, "(a: array, /, *, stream: StreamOrDevice = None) -> array",
         "a; no gradient passes.") {
  return wrap(pons_stop_gradient(s[0].array));
}

static PyMethodDef rows[] = {ROW(abs),
                             ROW(negative),
                             ROW(sign),
                             ROW(square),
                             ROW(sqrt),
                             ROW(rsqrt),
                             ROW(reciprocal),
                             ROW(exp),
                             ROW(expm1),
                             ROW(log),
                             ROW(log2),
                             ROW(log10),
                             ROW(log1p),
                             ROW(sin),
                             ROW(cos),
                             ROW(tan),
                             ROW(arcsin),
                             ROW(arccos),
                             ROW(arctan),
                             ROW(sinh),
                             ROW(cosh),
                             ROW(tanh),
                             ROW(arcsinh),
                             ROW(arccosh),
                             ROW(arctanh),
                             ROW(sigmoid),
                             ROW(erf),
                             ROW(erfinv),
                             ROW(floor),
                             ROW(ceil),
                             ROW(trunc),
                             ROW(logical_not),
                             ROW(real),
                             ROW(imag),
                             ROW(positive),
                             ROW(degrees),
                             ROW(radians),
                             ROW(bitwise_invert),
                             ROW(isnan),
                             ROW(isinf),
                             ROW(isfinite),
                             ROW(isposinf),
                             ROW(isneginf),
                             ROW(conjugate),
                             ROW(conj),
                             ROW(add),
                             ROW(subtract),
                             ROW(multiply),
                             ROW(divide),
                             ROW(floor_divide),
                             ROW(remainder),
                             ROW(power),
                             ROW(maximum),
                             ROW(minimum),
                             ROW(arctan2),
                             ROW(logaddexp),
                             ROW(equal),
                             ROW(not_equal),
                             ROW(less),
                             ROW(less_equal),
                             ROW(greater),
                             ROW(greater_equal),
                             ROW(logical_and),
                             ROW(logical_or),
                             ROW(logical_xor),
                             ROW(bitwise_and),
                             ROW(bitwise_or),
                             ROW(bitwise_xor),
                             ROW(left_shift),
                             ROW(right_shift),
                             ROW(divmod),
                             ROW(round),
                             ROW(where),
                             ROW(clip),
                             ROW(nan_to_num),
                             ROW(isclose),
                             ROW(allclose),
                             ROW(array_equal),
                             ROW(stop_gradient),
                             ALIAS("acos", arccos),
                             ALIAS("acosh", arccosh),
                             ALIAS("asin", arcsin),
                             ALIAS("asinh", arcsinh),
                             ALIAS("atan", arctan),
                             ALIAS("atan2", arctan2),
                             ALIAS("atanh", arctanh),
                             ALIAS("pow", power),
                             ALIAS("bitwise_left_shift", left_shift),
                             ALIAS("bitwise_right_shift", right_shift),
                             END_OF_ROWS};

int add_elementwise(PyObject *module) { return PyModule_AddFunctions(module, rows); }
