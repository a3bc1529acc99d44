/* rows.c: the rows of elementwise.def as data. Uses base/. */
#include "kernel/kernel.h"
#include "kernel/scalar_float.h"

const float k_one_f32 = 1;

enum {
  ANY = (1 << PONS_DTYPE_COUNT) - 1,
  BOOLS = 1 << PONS_BOOL,
  COMPLEX = 1 << PONS_COMPLEX64 | 1 << PONS_COMPLEX128,
  FLOATS = 1 << PONS_FLOAT16 | 1 << PONS_BFLOAT16 | 1 << PONS_FLOAT32 | 1 << PONS_FLOAT64,
  FLOATING = FLOATS | COMPLEX,
  NUMERIC = ANY & ~BOOLS,
  REALS = ANY & ~COMPLEX,
  BITS = ANY & ~FLOATING,
  INTEGERS = BITS & ~BOOLS
};

const row_info row_table[ROW_COUNT] = {
#define ROW(name, file, variant, arity, types, result, value, low, high) \
  {#name, #file, variant, arity, types, RESULT_##result, low, high, #value},
#define UNARY(name, file, variant, types, result, value, slope, low, high) \
  ROW(name, file, variant, 1, types, result, value, low, high)
#define BINARY(name, file, variant, types, result, value, slope_a, slope_b, low, high) \
  ROW(name, file, variant, 2, types, result, value, low, high)
#define TERNARY(name, file, variant, types, result, value, low, high) \
  ROW(name, file, variant, 3, types, result, value, low, high)
#include "kernel/elementwise.def"
};

pons_dtype row_result(row r, pons_dtype operand) {
  switch (row_table[r].result) {
  case RESULT_BOOL: return PONS_BOOL;
  case RESULT_REAL: return dtype_of_parts(operand);
  default: return operand;
  }
}
