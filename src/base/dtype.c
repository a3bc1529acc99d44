/* dtype.c: sizes and names of the dtypes, the dtype two operands meet in, and single elements by dtype.

   Rows stand in dtype.def; promotion is a table, measured on MLX but for complex128, where it is NumPy's. Uses half.c. */
#include "base/base.h"
#include <math.h>

typedef struct complex_pair {
  float real, imag;
} complex_pair;
typedef struct complex_wide_pair {
  double real, imag;
} complex_wide_pair;

typedef struct dtype_row {
  const char *name;
  uint8_t size, kind;
} dtype_row;

static const dtype_row rows[PONS_DTYPE_COUNT] = {
#define DTYPE(constant, name, type, kind) {#name, sizeof(type), KIND_##kind},
#include "base/dtype.def"
};

size_t pons_dtype_size(pons_dtype d) { return dtype_is_valid((int)d) ? rows[d].size : 0; }
const char *pons_dtype_name(pons_dtype d) { return dtype_is_valid((int)d) ? rows[d].name : "invalid dtype"; }
dtype_kind dtype_kind_of(pons_dtype d) { return (dtype_kind)rows[d].kind; }
bool dtype_is_inexact(pons_dtype d) { return rows[d].kind >= KIND_FLOAT; }
bool dtype_is_complex(pons_dtype d) { return rows[d].kind == KIND_COMPLEX; }
pons_dtype dtype_at_least_float(pons_dtype d) { return dtype_is_inexact(d) ? d : PONS_FLOAT32; }

pons_dtype dtype_of_parts(pons_dtype d) {
  return d == PONS_COMPLEX64 ? PONS_FLOAT32 : d == PONS_COMPLEX128 ? PONS_FLOAT64 : d;
}

pons_dtype dtype_made_complex(pons_dtype d) {
  return d == PONS_FLOAT64 || d == PONS_COMPLEX128 ? PONS_COMPLEX128 : PONS_COMPLEX64;
}

/* ---- promotion ----------------------------------------------------------------------------------------- */

enum {
  B = PONS_BOOL,
  U1 = PONS_UINT8,
  U2 = PONS_UINT16,
  U4 = PONS_UINT32,
  U8 = PONS_UINT64,
  I1 = PONS_INT8,
  I2 = PONS_INT16,
  I4 = PONS_INT32,
  I8 = PONS_INT64,
  F2 = PONS_FLOAT16,
  F4 = PONS_FLOAT32,
  F8 = PONS_FLOAT64,
  BF = PONS_BFLOAT16,
  C8 = PONS_COMPLEX64,
  CW = PONS_COMPLEX128
};

static const uint8_t meeting[PONS_DTYPE_COUNT][PONS_DTYPE_COUNT] = {
    {B, U1, U2, U4, U8, I1, I2, I4, I8, F2, F4, F8, BF, C8, CW},  /* bool */
    {U1, U1, U2, U4, U8, I2, I2, I4, I8, F2, F4, F8, BF, C8, CW}, /* uint8 */
    {U2, U2, U2, U4, U8, I4, I4, I4, I8, F2, F4, F8, BF, C8, CW}, /* uint16 */
    {U4, U4, U4, U4, U8, I8, I8, I8, I8, F2, F4, F8, BF, C8, CW}, /* uint32 */
    {U8, U8, U8, U8, U8, F4, F4, F4, F4, F2, F4, F8, BF, C8, CW}, /* uint64 */
    {I1, I2, I4, I8, F4, I1, I2, I4, I8, F2, F4, F8, BF, C8, CW}, /* int8 */
    {I2, I2, I4, I8, F4, I2, I2, I4, I8, F2, F4, F8, BF, C8, CW}, /* int16 */
    {I4, I4, I4, I8, F4, I4, I4, I4, I8, F2, F4, F8, BF, C8, CW}, /* int32 */
    {I8, I8, I8, I8, F4, I8, I8, I8, I8, F2, F4, F8, BF, C8, CW}, /* int64 */
    {F2, F2, F2, F2, F2, F2, F2, F2, F2, F2, F4, F8, F4, C8, CW}, /* float16 */
    {F4, F4, F4, F4, F4, F4, F4, F4, F4, F4, F4, F8, F4, C8, CW}, /* float32 */
    {F8, F8, F8, F8, F8, F8, F8, F8, F8, F8, F8, F8, F8, CW, CW}, /* float64 */
    {BF, BF, BF, BF, BF, BF, BF, BF, BF, F4, F4, F8, BF, C8, CW}, /* bfloat16 */
    {C8, C8, C8, C8, C8, C8, C8, C8, C8, C8, C8, CW, C8, C8, CW}, /* complex64 */
    {CW, CW, CW, CW, CW, CW, CW, CW, CW, CW, CW, CW, CW, CW, CW}, /* complex128 */
};

pons_dtype pons_promote(pons_dtype a, pons_dtype b) {
  if (!dtype_is_valid((int)a)) return a;
  if (!dtype_is_valid((int)b)) return b;
  return (pons_dtype)meeting[a][b];
}

/* Signed and unsigned integers are one kind here: uint8 array + 1 stays uint8. */
static int rank(pons_dtype d) {
  dtype_kind k = dtype_kind_of(d);
  return k == KIND_UNSIGNED ? KIND_SIGNED : (int)k;
}

pons_dtype dtype_promote_weak(pons_dtype a, bool a_weak, pons_dtype b, bool b_weak) {
  if (a_weak && !b_weak && rank(a) <= rank(b)) return b;
  if (b_weak && !a_weak && rank(b) <= rank(a)) return a;
  return pons_promote(a, b);
}

/* ---- single elements ----------------------------------------------------------------------------------- */

#define LOAD(type, p) (*(type *)memcpy(&(type){0}, p, sizeof(type)))

double dtype_read(pons_dtype d, const void *p) {
  switch (d) {
    case PONS_BOOL: return LOAD(uint8_t, p) != 0;
    case PONS_UINT64: return (double)LOAD(uint64_t, p);
    case PONS_FLOAT16: return half_to_float(LOAD(uint16_t, p));
    case PONS_BFLOAT16: return bfloat_to_float(LOAD(uint16_t, p));
    case PONS_FLOAT32: return LOAD(float, p);
    case PONS_FLOAT64: return LOAD(double, p);
    case PONS_COMPLEX64: return LOAD(complex_pair, p).real;
    case PONS_COMPLEX128: return LOAD(complex_wide_pair, p).real;
    default: return (double)dtype_read_int(d, p);
  }
}

/* What has no place in an int64 goes to its nearest; NaN to 0. In C such a conversion is undefined. */
static int64_t int_from_double(double value) {
  if (isnan(value)) return 0;
  if (value >= 0x1p63) return INT64_MAX;
  if (value <= -0x1p63) return INT64_MIN;
  return (int64_t)value;
}

static uint64_t uint_from_double(double value) {
  if (value < 0x1p63) return (uint64_t)int_from_double(value);
  return value >= 0x1p64 ? UINT64_MAX : (uint64_t)value; /* false for NaN: that went to 0 above */
}

int64_t dtype_read_int(pons_dtype d, const void *p) {
  switch (d) {
    case PONS_BOOL: return LOAD(uint8_t, p) != 0;
    case PONS_UINT8: return LOAD(uint8_t, p);
    case PONS_UINT16: return LOAD(uint16_t, p);
    case PONS_UINT32: return LOAD(uint32_t, p);
    case PONS_UINT64: return (int64_t)LOAD(uint64_t, p);
    case PONS_INT8: return LOAD(int8_t, p);
    case PONS_INT16: return LOAD(int16_t, p);
    case PONS_INT32: return LOAD(int32_t, p);
    case PONS_INT64: return LOAD(int64_t, p);
    default: return int_from_double(dtype_read(d, p));
  }
}

#define STORE(type, p, value) memcpy(p, &(type){(type)(value)}, sizeof(type))

void dtype_write(pons_dtype d, void *p, double value) {
  switch (d) {
    case PONS_BOOL: STORE(uint8_t, p, value != 0); break;
    case PONS_UINT64: STORE(uint64_t, p, uint_from_double(value)); break;
    case PONS_FLOAT16: STORE(uint16_t, p, half_from_float((float)value)); break;
    case PONS_BFLOAT16: STORE(uint16_t, p, bfloat_from_float((float)value)); break;
    case PONS_FLOAT32: STORE(float, p, value); break;
    case PONS_FLOAT64: STORE(double, p, value); break;
    case PONS_COMPLEX64: memcpy(p, &(complex_pair){(float)value, 0}, sizeof(complex_pair)); break;
    case PONS_COMPLEX128: memcpy(p, &(complex_wide_pair){value, 0}, sizeof(complex_wide_pair)); break;
    default: dtype_write_int(d, p, int_from_double(value));
  }
}

void dtype_write_int(pons_dtype d, void *p, int64_t value) {
  uint64_t bits = (uint64_t)value; /* keeps the low bits, as a cast to a narrower type does */
  switch (d) {
    case PONS_BOOL: STORE(uint8_t, p, value != 0); break;
    case PONS_UINT8:
    case PONS_INT8: STORE(uint8_t, p, bits); break;
    case PONS_UINT16:
    case PONS_INT16: STORE(uint16_t, p, bits); break;
    case PONS_UINT32:
    case PONS_INT32: STORE(uint32_t, p, bits); break;
    case PONS_UINT64:
    case PONS_INT64: STORE(uint64_t, p, bits); break;
    case PONS_FLOAT64: STORE(double, p, value); break;
    case PONS_FLOAT32: STORE(float, p, value); break;
    case PONS_COMPLEX128: dtype_write(d, p, (double)value); break;
    default: dtype_write(d, p, (double)(float)value);
  }
}
