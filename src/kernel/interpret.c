/* interpret.c: the judge of kernels, and kernels as text.

   Each row once more, written in C's plainest words and apart from scalar.h: floats in double, complex
   numbers in double, integers in int64 or uint64 and cut to their width afterwards. Uses base/. */
#include "kernel/kernel.h"
#include <complex.h>
#include <math.h>
#undef I

typedef struct number {
  double re, im;
  int64_t i; /* integers and bools; uint64 by its bits */
} number;

static bool is_integer(int dtype) { return dtype <= PONS_INT64; }
static bool is_signed(int dtype) { return dtype >= PONS_INT8 && dtype <= PONS_INT64; }
static int width_of(int dtype) {
  return dtype == PONS_BOOL ? 1 : 8 * (int)pons_dtype_size((pons_dtype)dtype);
}

/* What is left of i in `width` bits. */
static int64_t cut(int64_t i, int dtype) {
  int width = width_of(dtype);
  uint64_t u = (uint64_t)i;
  if (dtype == PONS_BOOL) return i != 0;
  if (width == 64) return i;
  u &= ((uint64_t)1 << width) - 1;
  if (is_signed(dtype) && u >> (width - 1)) return (int64_t)u - ((int64_t)1 << width);
  return (int64_t)u;
}

static number load(int dtype, const char *at) {
  number x = {0, 0, 0};
  float parts[2];
  double wide[2];
  if (is_integer(dtype)) x.i = dtype == PONS_BOOL ? *at != 0 : dtype_read_int((pons_dtype)dtype, at);
  else x.re = dtype_read((pons_dtype)dtype, at);
  if (dtype == PONS_COMPLEX64) memcpy(parts, at, sizeof parts), x.re = parts[0], x.im = parts[1];
  if (dtype == PONS_COMPLEX128) memcpy(wide, at, sizeof wide), x.re = wide[0], x.im = wide[1];
  return x;
}

static void store(int dtype, char *at, number x) {
  float parts[2] = {(float)x.re, (float)x.im};
  const double wide[2] = {x.re, x.im};
  if (dtype == PONS_COMPLEX64) memcpy(at, parts, sizeof parts);
  else if (dtype == PONS_COMPLEX128) memcpy(at, wide, sizeof wide);
  else if (is_integer(dtype)) dtype_write_int((pons_dtype)dtype, at, cut(x.i, dtype));
  else dtype_write((pons_dtype)dtype, at, x.re);
}

/* A value as its dtype holds it. */
static number rounded(int dtype, number x) {
  char bytes[16];
  store(dtype, bytes, x);
  return load(dtype, bytes);
}

/* ---- integers ---- */

static int64_t power_of(int64_t base, uint64_t exponent) {
  uint64_t result = 1, b = (uint64_t)base;
  for (; exponent; exponent >>= 1, b *= b)
    if (exponent & 1) result *= b;
  return (int64_t)result;
}

static int64_t quotient(int64_t a, int64_t b, bool floored) {
  if (b == 0) return 0;
  if (b == -1) return (int64_t)(0 - (uint64_t)a);
  return a / b - (floored && a % b != 0 && (a < 0) != (b < 0));
}

static int64_t modulo(int64_t a, int64_t b) {
  if (b == 0) return a;
  if (b == -1) return 0;
  return a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
}

static int64_t unsigned_row(int row, uint64_t a, uint64_t b) {
  switch (row) {
  case ROW_abs: case ROW_floor: case ROW_ceil: case ROW_round: return (int64_t)a;
  case ROW_sign: return a != 0;
  case ROW_divide: case ROW_floor_divide: return (int64_t)(b ? a / b : 0);
  case ROW_remainder: return (int64_t)(b ? a % b : a);
  case ROW_power: return power_of((int64_t)a, b);
  case ROW_maximum: return (int64_t)(a > b ? a : b);
  case ROW_minimum: return (int64_t)(a < b ? a : b);
  case ROW_less: return a < b;
  case ROW_less_equal: return a <= b;
  case ROW_greater: return a > b;
  case ROW_greater_equal: return a >= b;
  default: return 0;
  }
}

static int64_t signed_row(int row, int64_t a, int64_t b) {
  switch (row) {
  case ROW_abs: return a < 0 ? (int64_t)(0 - (uint64_t)a) : a;
  case ROW_sign: return a > 0 ? 1 : a < 0 ? -1 : 0;
  case ROW_floor: case ROW_ceil: case ROW_round: return a;
  case ROW_divide: return quotient(a, b, false);
  case ROW_floor_divide: return quotient(a, b, true);
  case ROW_remainder: return modulo(a, b);
  case ROW_power: return b < 0 ? 0 : power_of(a, (uint64_t)b);
  case ROW_maximum: return a > b ? a : b;
  case ROW_minimum: return a < b ? a : b;
  case ROW_less: return a < b;
  case ROW_less_equal: return a <= b;
  case ROW_greater: return a > b;
  case ROW_greater_equal: return a >= b;
  default: return 0;
  }
}

static int64_t integer_row(int row, int dtype, int64_t a, int64_t b) {
  const bool all_out = (uint64_t)b >= 64;
  const int count = all_out ? 63 : (int)b;
  switch (row) {
  case ROW_negative: return (int64_t)(0 - (uint64_t)a);
  case ROW_square: return (int64_t)((uint64_t)a * (uint64_t)a);
  case ROW_add: return (int64_t)((uint64_t)a + (uint64_t)b);
  case ROW_subtract: return (int64_t)((uint64_t)a - (uint64_t)b);
  case ROW_multiply: return (int64_t)((uint64_t)a * (uint64_t)b);
  case ROW_logical_not: return !a;
  case ROW_bitwise_invert: return dtype == PONS_BOOL ? !a : ~a;
  case ROW_equal: case ROW_equal_nan: return a == b;
  case ROW_not_equal: return a != b;
  case ROW_logical_and: case ROW_bitwise_and: return a & b;
  case ROW_logical_or: case ROW_bitwise_or: return a | b;
  case ROW_bitwise_xor: return a ^ b;
  case ROW_left_shift: return all_out ? 0 : (int64_t)((uint64_t)a << count);
  case ROW_right_shift: return is_signed(dtype) ? a >> count : all_out ? 0 : (int64_t)((uint64_t)a >> count);
  default: return is_signed(dtype) ? signed_row(row, a, b) : unsigned_row(row, (uint64_t)a, (uint64_t)b);
  }
}

/* ---- floats ---- */

static double erfinv_of(double x) { /* by halving */
  double low = 0, high = 6, a = fabs(x);
  if (!(a <= 1)) return NAN;
  if (a == 1) return copysign(INFINITY, x);
  for (int i = 0; i < 80; i++) {
    double middle = (low + high) / 2;
    bool below = a < 0.5 ? erf(middle) < a : erfc(middle) > 1 - a;
    *(below ? &low : &high) = middle;
  }
  return copysign(low, x);
}

static double float_row1(int row, double x) {
  switch (row) {
  case ROW_abs: return fabs(x);
  case ROW_negative: return -x;
  case ROW_sign: return x > 0 ? 1 : x < 0 ? -1 : 0;
  case ROW_square: return x * x;
  case ROW_sqrt: return sqrt(x);
  case ROW_rsqrt: return 1 / sqrt(x);
  case ROW_exp: return exp(x);
  case ROW_expm1: return expm1(x);
  case ROW_log: return log(x);
  case ROW_log2: return log2(x);
  case ROW_log10: return log10(x);
  case ROW_log1p: return log1p(x);
  case ROW_sin: return sin(x);
  case ROW_cos: return cos(x);
  case ROW_tan: return tan(x);
  case ROW_arcsin: return asin(x);
  case ROW_arccos: return acos(x);
  case ROW_arctan: return atan(x);
  case ROW_sinh: return sinh(x);
  case ROW_cosh: return cosh(x);
  case ROW_tanh: return tanh(x);
  case ROW_arcsinh: return asinh(x);
  case ROW_arccosh: return acosh(x);
  case ROW_arctanh: return atanh(x);
  case ROW_sigmoid: return 1 / (1 + exp(-x));
  case ROW_erf: return erf(x);
  case ROW_erfinv: return erfinv_of(x);
  case ROW_floor: return floor(x);
  case ROW_ceil: return ceil(x);
  default: return rint(x); /* ROW_round */
  }
}

static double logaddexp_of(double a, double b) {
  double high = fmax(a, b), low = fmin(a, b);
  if (isnan(a) || isnan(b)) return NAN;
  return isinf(high) ? high : high + log1p(exp(low - high));
}

static double float_row2(int row, int dtype, double a, double b) {
  number q = {a / b, 0, 0};
  double r;
  switch (row) {
  case ROW_add: return a + b;
  case ROW_subtract: return a - b;
  case ROW_multiply: return a * b;
  case ROW_divide: return a / b;
  case ROW_floor_divide: return floor(rounded(dtype == PONS_FLOAT64 ? dtype : PONS_FLOAT32, q).re);
  case ROW_remainder:
    r = fmod(a, b);
    return r == 0 ? copysign(0, b) : (r < 0) != (b < 0) ? r + b : r;
  case ROW_power: return pow(a, b);
  case ROW_maximum: return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
  case ROW_minimum: return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
  case ROW_arctan2: return atan2(a, b);
  default: return logaddexp_of(a, b); /* ROW_logaddexp */
  }
}

/* ---- complex numbers ---- */

static double _Complex complex_of(double re, double im) {
  double parts[2] = {re, im};
  double _Complex z;
  memcpy(&z, parts, sizeof z);
  return z;
}

static double _Complex complex_row1(int row, double _Complex x) {
  switch (row) {
  case ROW_negative: return -x;
  case ROW_sign: return x == 0 ? 0 : x / cabs(x);
  case ROW_square: return x * x;
  case ROW_sqrt: return csqrt(x);
  case ROW_rsqrt: return 1 / csqrt(x);
  case ROW_exp: return cexp(x);
  case ROW_log: return clog(x);
  case ROW_log2: return clog(x) / log(2);
  case ROW_log10: return clog(x) / log(10);
  case ROW_log1p: return clog(1 + x);
  case ROW_sin: return csin(x);
  case ROW_cos: return ccos(x);
  case ROW_tan: return ctan(x);
  case ROW_arcsin: return casin(x);
  case ROW_arccos: return cacos(x);
  case ROW_arctan: return catan(x);
  case ROW_sinh: return csinh(x);
  case ROW_cosh: return ccosh(x);
  case ROW_tanh: return ctanh(x);
  case ROW_arcsinh: return casinh(x);
  case ROW_arccosh: return cacosh(x);
  case ROW_arctanh: return catanh(x);
  case ROW_round: return complex_of(rint(creal(x)), rint(cimag(x)));
  default: return conj(x); /* ROW_conjugate */
  }
}

static bool complex_less(double _Complex a, double _Complex b) {
  return creal(a) < creal(b) || (creal(a) == creal(b) && cimag(a) < cimag(b));
}

static double _Complex complex_row2(int row, double _Complex a, double _Complex b) {
  switch (row) {
  case ROW_add: return a + b;
  case ROW_subtract: return a - b;
  case ROW_multiply: return a * b;
  case ROW_divide: case ROW_floor_divide: return a / b;
  case ROW_power: return cpow(a, b);
  case ROW_maximum: return a != a ? a : b != b ? b : complex_less(b, a) ? a : b;
  case ROW_minimum: return a != a ? a : b != b ? b : complex_less(a, b) ? a : b;
  default: /* ROW_logaddexp */
    return complex_less(a, b) ? b + clog(1 + cexp(a - b)) : a + clog(1 + cexp(b - a));
  }
}

/* ---- any ---- */

static bool compared(int row, number x, number y) {
  double _Complex a = complex_of(x.re, x.im), b = complex_of(y.re, y.im);
  bool less = complex_less(a, b), more = complex_less(b, a);
  switch (row) {
  case ROW_equal: return a == b;
  case ROW_equal_nan: return a == b || (a != a && b != b);
  case ROW_not_equal: return a != b;
  case ROW_less: return less;
  case ROW_less_equal: return less || a == b;
  case ROW_greater: return more;
  default: return more || a == b; /* ROW_greater_equal */
  }
}

static int64_t float_to_int(double x, int dtype) {
  /* through the int32 or int64 that x86 converts to; unsigned ones of that width by halves */
  bool wide = width_of(dtype) == 64, is_unsigned = dtype == PONS_UINT32 || dtype == PONS_UINT64;
  double limit = wide ? 0x1p63 : 0x1p31;
  bool high = is_unsigned && x >= limit;
  if (high) x -= limit;
  int64_t least = wide ? INT64_MIN : INT32_MIN, i = x >= -limit && x < limit ? (int64_t)x : least;
  return high ? (int64_t)((uint64_t)i ^ (uint64_t)least) : i;
}

static number cast(int from, int to, number x) {
  number y = {x.re, x.im, x.i};
  if (is_integer(from)) y.re = from == PONS_UINT64 ? (double)(uint64_t)x.i : (double)x.i;
  if (is_integer(to) && !is_integer(from))
    y.i = to == PONS_BOOL ? x.re != 0 || x.im != 0 : float_to_int(x.re, to);
  if (to == PONS_FLOAT16 || to == PONS_BFLOAT16 || to == PONS_FLOAT32) { /* int64 to float32: once rounded */
    if (is_integer(from)) y.re = (double)(from == PONS_UINT64 ? (float)(uint64_t)x.i : (float)x.i);
    y.re = (double)(float)y.re;
  }
  if (!dtype_is_complex((pons_dtype)to) || !dtype_is_complex((pons_dtype)from)) y.im = 0;
  return y;
}

static number evaluate(const instruction *in, const number *v, const uint8_t *dtypes) {
  number x = v[in->arg[0]], y = row_table[in->row].arity > 1 ? v[in->arg[1]] : x, z = {0, 0, 0};
  int type = in->operand;
  if (in->row == ROW_cast) return cast(dtypes[in->arg[0]], in->result, x);
  if (in->row == ROW_select) return x.i ? y : v[in->arg[2]];
  if (is_integer(type)) {
    z.i = integer_row(in->row, type, x.i, y.i);
  } else if (row_table[in->row].result == RESULT_BOOL) {
    z.i = compared(in->row, x, y);
  } else if (dtype_is_complex((pons_dtype)type)) {
    double _Complex a = complex_of(x.re, x.im), b = complex_of(y.re, y.im);
    if (in->row == ROW_abs) return (number){cabs(a), 0, 0};
    if (in->row == ROW_real) return (number){x.re, 0, 0};
    if (in->row == ROW_imag) return (number){x.im, 0, 0};
    a = row_table[in->row].arity == 1 ? complex_row1(in->row, a) : complex_row2(in->row, a, b);
    z.re = creal(a), z.im = cimag(a);
  } else {
    z.re = row_table[in->row].arity == 1 ? float_row1(in->row, x.re) : float_row2(in->row, type, x.re, y.re);
  }
  return z;
}

static int64_t offset_of(const operand *o, int64_t element) {
  int64_t offset = 0;
  for (int d = o->ndim - 1; d >= 0; d--) {
    offset += element % o->shape[d] * o->strides[d];
    element /= o->shape[d];
  }
  return offset;
}

void kernel_interpret(const kernel *k, const operand *in, const operand *out) {
  number v[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  int64_t size = shape_size(out[0].ndim, out[0].shape);
  for (int64_t e = 0; e < size; e++) {
    for (int i = 0; i < k->n_in; i++) {
      dtypes[i] = k->in[i];
      int64_t bytes = offset_of(&in[i], e) * (int64_t)pons_dtype_size((pons_dtype)k->in[i]);
      v[i] = load(k->in[i], (const char *)in[i].data + bytes);
    }
    for (int i = 0; i < k->n_code; i++) {
      dtypes[k->n_in + i] = k->code[i].result;
      v[k->n_in + i] = rounded(k->code[i].result, evaluate(&k->code[i], v, dtypes));
    }
    for (int o = 0; o < k->n_out; o++) {
      int dtype = dtypes[k->out[o]];
      store(dtype, (char *)out[o].data + e * (int64_t)pons_dtype_size((pons_dtype)dtype), v[k->out[o]]);
    }
  }
}

void kernel_print(text *t, const kernel *k) {
  for (int i = 0; i < k->n_in; i++) text_add(t, "in %d: %s; ", i, pons_dtype_name((pons_dtype)k->in[i]));
  for (int i = 0; i < k->n_code; i++) {
    const instruction *c = &k->code[i];
    text_add(t, "v%d = %s", k->n_in + i, row_table[c->row].name);
    for (int a = 0; a < row_table[c->row].arity; a++) text_add(t, " v%d", c->arg[a]);
    text_add(t, " %s; ", pons_dtype_name((pons_dtype)c->result));
  }
  text_add(t, "out:");
  for (int o = 0; o < k->n_out; o++) text_add(t, " v%d", k->out[o]);
}
