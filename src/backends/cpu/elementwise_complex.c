/* elementwise_complex.c: the rows of elementwise.def as loops over packed complex64 and complex128, and the casts to
   and from them. Built once: what takes time in them are the C library's functions. Uses kernel/. */
#include "backends/cpu/row_loops.h"
#define INDEPENDENT /* nothing vectorises here */

#define IN_ANY 1
#define IN_REALS 0
#define IN_BITS 0
#define IN_NUMERIC 1
#define IN_BOOLS 0
#define IN_INTEGERS 0
#define IN_FLOATS 0
#define IN_FLOATING 1
#define IN_COMPLEX 1
#define TO_I32(x) k_i32_from_f32(crealf(x))
#define TO_U32(x) k_u32_from_f32(crealf(x))
#define TO_I64(x) k_i64_from_f32(crealf(x))
#define TO_U64(x) k_u64_from_f32(crealf(x))
#define TO_REAL(x) crealf(x)
#define SUFFIX c64
#define ELEMENT k_complex
#define VALUE k_complex
#define REAL_ELEMENT float
#include "backends/cpu/row_loops.def"
#undef TO_I32
#undef TO_U32
#undef TO_I64
#undef TO_U64
#undef TO_REAL
#define TO_I32(x) k_i32_from_f64(creal(x))
#define TO_U32(x) k_u32_from_f64(creal(x))
#define TO_I64(x) k_i64_from_f64(creal(x))
#define TO_U64(x) k_u64_from_f64(creal(x))
#define TO_REAL(x) creal(x)
#define SUFFIX c128
#define ELEMENT k_complex_wide
#define VALUE k_complex_wide
#define REAL_ELEMENT double
#include "backends/cpu/row_loops.def"

/* ---- to complex numbers ---- */

#define CAST(from, element, to, result, part)                      \
  LOOP_HEAD(from_##from, to) {                                     \
    const element *xs = p;                                         \
    result *ys = out;                                              \
    (void)q, (void)r;                                              \
    for (int64_t i = 0; i < n; i++) ys[i] = (result)(part)xs[i];   \
  }
#define CASTS(from, element)                 \
  CAST(from, element, c64, k_complex, float) \
  CAST(from, element, c128, k_complex_wide, double)
CASTS(b, uint8_t)
CASTS(u8, uint8_t)
CASTS(u16, uint16_t)
CASTS(u32, uint32_t)
CASTS(u64, uint64_t)
CASTS(i8, int8_t)
CASTS(i16, int16_t)
CASTS(i32, int32_t)
CASTS(i64, int64_t)
CASTS(f32, float)
CASTS(f64, double)
CAST(c64, k_complex, c128, k_complex_wide, k_complex_wide)
CAST(c128, k_complex_wide, c64, k_complex, k_complex)

/* ---- the table ---- */

#define BOOL_LOOPS(name)
#define INTEGER_LOOPS(name)
#define FLOAT_LOOPS(name)
#define COMPLEX_LOOPS(name) TAKEN(name, c64, COMPLEX64) TAKEN(name, c128, COMPLEX128)
#define UNARY(name, file, variant, types, result, ...) ROW_LOOPS(name, types, result)
#define BINARY(name, file, variant, types, result, ...) ROW_LOOPS(name, types, result)
#define TERNARY(name, file, variant, types, result, ...) ROW_LOOPS(name, types, result)
#define TO_COMPLEX(from) {COMPLEX_LOOPS(from_##from)},
#define TO_REALS(from)                                                                                           \
  TAKEN(from, b, BOOL) TAKEN(from, u8, UINT8) TAKEN(from, u16, UINT16) TAKEN(from, u32, UINT32)                  \
  TAKEN(from, u64, UINT64) TAKEN(from, i8, INT8) TAKEN(from, i16, INT16) TAKEN(from, i32, INT32)                 \
  TAKEN(from, i64, INT64) TAKEN(from, f32, FLOAT32) TAKEN(from, f64, FLOAT64)

const loops loops_complex = {
    .row = {
#include "kernel/elementwise.def"
    },
    .cast = {
        [PONS_BOOL] = TO_COMPLEX(b)
        [PONS_UINT8] = TO_COMPLEX(u8)
        [PONS_UINT16] = TO_COMPLEX(u16)
        [PONS_UINT32] = TO_COMPLEX(u32)
        [PONS_UINT64] = TO_COMPLEX(u64)
        [PONS_INT8] = TO_COMPLEX(i8)
        [PONS_INT16] = TO_COMPLEX(i16)
        [PONS_INT32] = TO_COMPLEX(i32)
        [PONS_INT64] = TO_COMPLEX(i64)
        [PONS_FLOAT32] = TO_COMPLEX(f32)
        [PONS_FLOAT64] = TO_COMPLEX(f64)
        [PONS_COMPLEX64] = {TO_REALS(from_c64) TAKEN(from_c64, c128, COMPLEX128)},
        [PONS_COMPLEX128] = {TO_REALS(from_c128) TAKEN(from_c128, c64, COMPLEX64)},
    },
};
