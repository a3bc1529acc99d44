/* elementwise.isa.c: the rows of elementwise.def as loops over packed elements, for each real dtype; built once
   per instruction set, of which ISA is the name. The compiler makes vector code of them: the loops are
   declared independent, and what they call has no branches (scalar_float.h). Halves are converted in blocks
   and computed in float32, by the caller. Uses kernel/. */
#include "backends/cpu/row_loops.h"
#define ISA_NAME(name) PASTE(name##_, ISA)
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* ---- bool and integers ---- */

#define IN_ANY 1
#define IN_REALS 1
#define IN_BITS 1
#define IN_NUMERIC 0
#define IN_BOOLS 1
#define IN_INTEGERS 0
#define IN_FLOATS 0
#define IN_FLOATING 0
#define IN_COMPLEX 0
#define TO_I32(x) (int32_t)(x)
#define TO_U32(x) (uint32_t)(x)
#define TO_I64(x) (int64_t)(x)
#define TO_U64(x) (uint64_t)(x)
#define TO_REAL(x) (int32_t)(x) /* from a bool itself gcc makes no vectors */
#define SUFFIX b
#define ELEMENT uint8_t
#define VALUE bool
#define REAL_ELEMENT uint8_t
#include "backends/cpu/row_loops.def"
#undef IN_NUMERIC
#undef IN_BOOLS
#undef IN_INTEGERS
#undef TO_REAL
#define TO_REAL(x) (x)
#define IN_NUMERIC 1
#define IN_BOOLS 0
#define IN_INTEGERS 1
#define SUFFIX u8
#define ELEMENT uint8_t
#define VALUE uint8_t
#define REAL_ELEMENT uint8_t
#include "backends/cpu/row_loops.def"
#define SUFFIX u16
#define ELEMENT uint16_t
#define VALUE uint16_t
#define REAL_ELEMENT uint16_t
#include "backends/cpu/row_loops.def"
#define SUFFIX u32
#define ELEMENT uint32_t
#define VALUE uint32_t
#define REAL_ELEMENT uint32_t
#include "backends/cpu/row_loops.def"
#define SUFFIX u64
#define ELEMENT uint64_t
#define VALUE uint64_t
#define REAL_ELEMENT uint64_t
#include "backends/cpu/row_loops.def"
#define SUFFIX i8
#define ELEMENT int8_t
#define VALUE int8_t
#define REAL_ELEMENT int8_t
#include "backends/cpu/row_loops.def"
#define SUFFIX i16
#define ELEMENT int16_t
#define VALUE int16_t
#define REAL_ELEMENT int16_t
#include "backends/cpu/row_loops.def"
#define SUFFIX i32
#define ELEMENT int32_t
#define VALUE int32_t
#define REAL_ELEMENT int32_t
#include "backends/cpu/row_loops.def"
#define SUFFIX i64
#define ELEMENT int64_t
#define VALUE int64_t
#define REAL_ELEMENT int64_t
#include "backends/cpu/row_loops.def"

/* ---- floats ---- */

#undef IN_BITS
#undef IN_INTEGERS
#undef IN_FLOATS
#undef IN_FLOATING
#undef TO_I32
#undef TO_U32
#undef TO_I64
#undef TO_U64
#define IN_BITS 0
#define IN_INTEGERS 0
#define IN_FLOATS 1
#define IN_FLOATING 1
#define TO_I32(x) PASTE(k_i32_from_, SUFFIX)(x)
#define TO_U32(x) PASTE(k_u32_from_, SUFFIX)(x)
#define TO_I64(x) PASTE(k_i64_from_, SUFFIX)(x)
#define TO_U64(x) PASTE(k_u64_from_, SUFFIX)(x)

/* Angles: the loops below are right for operands that are not huge; what they call for are the three that
   follow them. Some functions have loops by registers, where these can do what a compiler does not find. */
#define loop_sin_f32 small_sin
#define loop_cos_f32 small_cos
#define loop_tan_f32 small_tan
#if defined(__AVX2__)
#define loop_exp_f32 plain_exp
#define loop_tanh_f32 plain_tanh
#define loop_erf_f32 plain_erf
static loop small_sin __attribute__((unused)), plain_tanh __attribute__((unused)), plain_erf __attribute__((unused));
#endif
#undef k_sin
#undef k_cos
#undef k_tan
#define k_sin(x) k_sin_small_f32(x)
#define k_cos(x) k_cos_small_f32(x)
#define k_tan(x) k_tan_small_f32(x)
#define SUFFIX f32
#define ELEMENT float
#define VALUE float
#define REAL_ELEMENT float
#include "backends/cpu/row_loops.def"
#undef loop_sin_f32
#undef loop_cos_f32
#undef loop_tan_f32
#undef loop_exp_f32
#undef loop_tanh_f32
#undef loop_erf_f32
#undef k_sin
#undef k_cos
#undef k_tan
#define k_sin(x) K(sin)(x)
#define k_cos(x) K(cos)(x)
#define k_tan(x) K(tan)(x)

/* Of |x|, which are in the order of their values; those of NaN are above all. */
static uint32_t greatest_bits(const float *xs, int64_t n) {
  uint32_t greatest = 0;
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, xs + i, sizeof bits);
    bits &= 0x7fffffff;
    greatest = bits > greatest ? bits : greatest;
  }
  return greatest;
}

static void with_huge_angles(float *ys, const float *xs, int64_t n, loop *small, float (*any)(float)) {
  enum { BLOCK = 512 };
  const float limit_value = K_ANGLE_LIMIT;
  uint32_t limit;
  memcpy(&limit, &limit_value, sizeof limit);
  float kept[BLOCK];
  for (int64_t at = 0; at < n; at += BLOCK) {
    int64_t count = n - at < BLOCK ? n - at : BLOCK;
    const bool huge = greatest_bits(xs + at, count) >= limit;
    if (huge) memcpy(kept, xs + at, (size_t)count * sizeof *kept); /* ys may be xs */
    small(ys + at, xs + at, NULL, NULL, count);
    for (int64_t i = 0; huge && i < count; i++)
      if (!(k_abs_f32(kept[i]) < K_ANGLE_LIMIT)) ys[at + i] = any(kept[i]);
  }
}
LOOP_HEAD(cos, f32) { (void)q, (void)r, with_huge_angles(out, p, n, small_cos, cosf); }
LOOP_HEAD(tan, f32) { (void)q, (void)r, with_huge_angles(out, p, n, small_tan, tanf); }

#if defined(__AVX2__)
#include "backends/cpu/functions.h"
static void exp_beyond(float *y, const float *x) {
  float others[GROUP_LANES];
  plain_exp(others, x, NULL, NULL, GROUP_LANES);
  call_with_others(exp_of_group, EXP_LIMIT, x, others, y);
}
static void sin_beyond(float *y, const float *x) {
  float others[GROUP_LANES] = {0};
  _Pragma("GCC unroll 1") for (int i = 0; i < GROUP_LANES; i++)
    if (!(k_abs_f32(x[i]) < K_ANGLE_LIMIT)) others[i] = sinf(x[i]);
  call_with_others(sin_of_group, K_ANGLE_LIMIT, x, others, y);
}
#define FUNCTION(name, limit, beyond)                                                                                  \
  __attribute__((noinline)) static void loop_##name(float *y, const float *x, int64_t n, bool past_cache) {                                      \
    loop_of_groups(name##_of_group, limit, beyond, loop_##name, y, x, n, past_cache);                                  \
  }                                                                                                                    \
  LOOP_HEAD(name, f32) { (void)q, (void)r, loop_##name(out, p, n, false); }                                            \
  static void far_##name(void *out, const void *p, const void *q, const void *r, int64_t n) {                          \
    (void)q, (void)r, loop_##name(out, p, n, true);                                                                    \
  }
FUNCTION(exp, EXP_LIMIT, exp_beyond)
FUNCTION(sin, K_ANGLE_LIMIT, sin_beyond)
FUNCTION(tanh, 0, NULL)
FUNCTION(erf, 0, NULL)
#define FAR_BINARY(name, OP)                                                                                           \
  static void far_##name(void *out, const void *p, const void *q, const void *r, int64_t n) {                          \
    const float *as = p, *bs = q;                                                                                      \
    float *ys = out;                                                                                                   \
    int64_t i = 0;                                                                                                     \
    for (; i + GROUP_LANES <= n; i += GROUP_LANES) {                                                                   \
      STREAM(ys + i, wide_float32(as + i) OP wide_float32(bs + i));                                                    \
      STREAM(ys + i + LANES, wide_float32(as + i + LANES) OP wide_float32(bs + i + LANES));                            \
    }                                                                                                                  \
    LOOP(name, f32)(ys + i, as + i, bs + i, r, n - i);                                                                 \
  }
FAR_BINARY(add, +)
FAR_BINARY(subtract, -)
FAR_BINARY(multiply, *)
#define FAR_LOOPS                                                                                                      \
  [ROW_exp] = far_exp, [ROW_sin] = far_sin, [ROW_tanh] = far_tanh, [ROW_erf] = far_erf, [ROW_add] = far_add,           \
  [ROW_subtract] = far_subtract, [ROW_multiply] = far_multiply
#else
LOOP_HEAD(sin, f32) { (void)q, (void)r, with_huge_angles(out, p, n, small_sin, sinf); }
#define FAR_LOOPS NULL
#endif

#define SUFFIX f64
#define ELEMENT double
#define VALUE double
#define REAL_ELEMENT double
#include "backends/cpu/row_loops.def"

/* ---- halves to and from float32 ---- */

LOOP_HEAD(from_f16, f32) {
  const uint16_t *xs = p;
  float *ys = out;
  (void)q, (void)r;
  for (int64_t i = 0; i < n; i++) ys[i] = k_float_from_half(xs[i]);
}
LOOP_HEAD(from_f32, f16) {
  const float *xs = p;
  uint16_t *ys = out;
  (void)q, (void)r;
  for (int64_t i = 0; i < n; i++) ys[i] = k_half_from_float(xs[i]);
}
LOOP_HEAD(from_bf16, f32) {
  const uint16_t *xs = p;
  float *ys = out;
  (void)q, (void)r;
  for (int64_t i = 0; i < n; i++) ys[i] = k_float_from_bfloat(xs[i]);
}
LOOP_HEAD(from_f32, bf16) {
  const float *xs = p;
  uint16_t *ys = out;
  (void)q, (void)r;
  for (int64_t i = 0; i < n; i++) ys[i] = k_bfloat_from_float(xs[i]);
}

/* ---- the table ---- */

#define BOOL_LOOPS(name) TAKEN(name, b, BOOL)
#define INTEGER_LOOPS(name)                                                                             \
  TAKEN(name, u8, UINT8) TAKEN(name, u16, UINT16) TAKEN(name, u32, UINT32) TAKEN(name, u64, UINT64)     \
  TAKEN(name, i8, INT8) TAKEN(name, i16, INT16) TAKEN(name, i32, INT32) TAKEN(name, i64, INT64)
#define FLOAT_LOOPS(name) TAKEN(name, f32, FLOAT32) TAKEN(name, f64, FLOAT64)
#define COMPLEX_LOOPS(name)
#define CASTS_OF(suffix) LOOPS_ANY(from_##suffix)
#define UNARY(name, file, variant, types, result, ...) ROW_LOOPS(name, types, result)
#define BINARY(name, file, variant, types, result, ...) ROW_LOOPS(name, types, result)
#define TERNARY(name, file, variant, types, result, ...) ROW_LOOPS(name, types, result)

const loops ISA_NAME(loops) = {
    .row = {
#include "kernel/elementwise.def"
    },
    .far = {FAR_LOOPS},
    .cast = {
        [PONS_BOOL] = CASTS_OF(b)
        [PONS_UINT8] = CASTS_OF(u8)
        [PONS_UINT16] = CASTS_OF(u16)
        [PONS_UINT32] = CASTS_OF(u32)
        [PONS_UINT64] = CASTS_OF(u64)
        [PONS_INT8] = CASTS_OF(i8)
        [PONS_INT16] = CASTS_OF(i16)
        [PONS_INT32] = CASTS_OF(i32)
        [PONS_INT64] = CASTS_OF(i64)
        [PONS_FLOAT16] = {[PONS_FLOAT32] = LOOP(from_f16, f32)},
        [PONS_BFLOAT16] = {[PONS_FLOAT32] = LOOP(from_bf16, f32)},
        [PONS_FLOAT32] = {BOOL_LOOPS(from_f32) INTEGER_LOOPS(from_f32) FLOAT_LOOPS(from_f32)
                          TAKEN(from_f32, f16, FLOAT16) TAKEN(from_f32, bf16, BFLOAT16)},
        [PONS_FLOAT64] = CASTS_OF(f64)
    },
};
