/* dtypes.h: what functions of arrays ask about dtypes. For lib/array/ alone. */
#ifndef LIB_ARRAY_DTYPES_H
#define LIB_ARRAY_DTYPES_H
#include <pons/ops.h>

static inline bool is_real_float(pons_dtype d) {
  return d == PONS_FLOAT16 || d == PONS_FLOAT32 || d == PONS_FLOAT64 || d == PONS_BFLOAT16;
}
static inline bool is_complex_dtype(pons_dtype d) { return d == PONS_COMPLEX64 || d == PONS_COMPLEX128; }
static inline bool is_inexact(pons_dtype d) { return is_real_float(d) || is_complex_dtype(d); }
/* Of the parts of a complex dtype. */
static inline pons_dtype part_dtype(pons_dtype d) { return d == PONS_COMPLEX128 ? PONS_FLOAT64 : PONS_FLOAT32; }
/* In which integers are divided. */
static inline pons_dtype at_least_float(pons_dtype d) { return is_inexact(d) ? d : PONS_FLOAT32; }
/* A constant of x's dtype that does not give way to other operands. */
static inline pons_array like(double value, pons_array x) { return pons_scalar(value, pons_dtype_of(x)); }
#endif
