/* conformance_elementwise.c: a case per row of elementwise.def, in its test range, and mixtures of shapes,
   dtypes and C scalars. */
#include "kernel/kernel.h"
#include "conformance_cases.h"

/* Rows whose public op is called otherwise. */
#define pons_cast(x) pons_astype(x, PONS_FLOAT32)
#define pons_select(condition, a, b) pons_where(condition, a, b)

#define UNARY(name, ...) \
  static void name##_row(const pons_array *in, pons_array *out) { out[0] = pons_##name(in[0]); }
#define BINARY(name, ...) \
  static void name##_row(const pons_array *in, pons_array *out) { out[0] = pons_##name(in[0], in[1]); }
#define TERNARY(name, ...) \
  static void name##_row(const pons_array *in, pons_array *out) { out[0] = pons_##name(in[0], in[1], in[2]); }
#include "kernel/elementwise.def"

static void (*const builds[ROW_COUNT])(const pons_array *in, pons_array *out) = {
#define UNARY(name, ...) name##_row,
#define BINARY(name, ...) name##_row,
#define TERNARY(name, ...) name##_row,
#include "kernel/elementwise.def"
};

static bool has_slope(row r) {
  switch (r) {
    case ROW_floor:
    case ROW_ceil:
    case ROW_round:
    case ROW_floor_divide:
    case ROW_cast:
      return false; /* to float32: differences of float64 see its rounding */
    default: {
      const pons_dtype d = row_takes(r, PONS_FLOAT64) ? PONS_FLOAT64 : PONS_COMPLEX64;
      const pons_dtype result = row_takes(r, d) ? row_result(r, d) : PONS_BOOL;
      return result == PONS_FLOAT64 || result == PONS_FLOAT32 || conformance_is_complex(result);
    }
  }
}

static void fill(conformance_case *c, row r) {
  const row_info *info = &row_table[r];
  *c = (conformance_case){
      .name = info->name, .build = builds[r], .types = info->types, .n_in = info->arity, .n_out = 1};
  c->smooth = r == ROW_cast ? false : has_slope(r);
  static const input_layout layouts[3] = {LAYOUT_PLAIN, LAYOUT_TRANSPOSED, LAYOUT_STRIDED};
  for (int i = 0; i < info->arity; i++) {
    const bool second = i == 1 && info->arity == 2; /* broadcasts */
    c->in[i] = (case_input){CASE_TYPE, second ? 1 : 2, {2, 3}, info->low, info->high, layouts[i]};
    if (second) c->in[i].shape[0] = 3;
    if (r == ROW_select && i == 0) c->in[i].dtype = PONS_BOOL, c->in[i].low = 0, c->in[i].high = 2;
  }
}

/* ---- mixtures ---- */

static void add_weak(const pons_array *in, pons_array *out) {
  out[0] = pons_add(in[0], pons_int(3));
  out[1] = pons_multiply(pons_float(0.5), in[0]);
  out[2] = pons_power(in[0], pons_int(2));
}
static void mixed_dtypes(const pons_array *in, pons_array *out) {
  out[0] = pons_add(in[0], in[1]);
  out[1] = pons_less(in[1], in[0]);
}
static void chain(const pons_array *in, pons_array *out) {
  out[0] = pons_multiply(pons_tanh(pons_add(in[0], in[1])), pons_exp(pons_negative(pons_square(in[0]))));
}
static void astype_int(const pons_array *in, pons_array *out) {
  out[0] = pons_astype(in[0], PONS_INT32);
  out[1] = pons_astype(in[0], PONS_BOOL);
  out[2] = pons_astype(in[0], PONS_COMPLEX64);
}
static void astype_double(const pons_array *in, pons_array *out) {
  out[0] = pons_square(pons_astype(in[0], PONS_FLOAT64));
}
static void divmod(const pons_array *in, pons_array *out) { pons_divmod(in[0], in[1], out); }
static void divmod_remainder(const pons_array *in, pons_array *out) {
  pons_array both[2];
  pons_divmod(in[0], in[1], both);
  out[0] = both[1];
}
static void where_scalar(const pons_array *in, pons_array *out) {
  out[0] = pons_where(in[0], in[1], pons_float(0));
}

static const conformance_case mixtures[] = {
    {"add: with C scalars", add_weak, TYPES_ANY, false, 1, 3, {INPUT(PLAIN, 2, 2, 3)}},
    {"add: empty", add_row, TYPES_ANY, false, 2, 1, {INPUT(PLAIN, 2, 0, 3), INPUT(PLAIN, 1, 3)}},
    {"multiply: scalars", multiply_row, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 0, 0), INPUT(PLAIN, 0, 0)}},
    {"multiply: both broadcast",
     multiply_row,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 1, 3), INPUT(REPEATED, 2, 4, 1)}},
    {"add, less: with int32",
     mixed_dtypes,
     TYPES_ANY,
     false,
     2,
     2,
     {INPUT(PLAIN, 2, 2, 3), INDICES(5, 2, 2, 3)}},
    {"chain", chain, TYPES_FLOAT, true, 2, 1, {INPUT(PLAIN, 3, 2, 3, 4), INPUT(TRANSPOSED, 2, 3, 4)}},
    {"astype: to int, bool, complex", astype_int, TYPES_REAL, false, 1, 3, {INPUT(PLAIN, 2, 2, 3)}},
    {"astype: to float64", astype_double, TYPES_REAL, true, 1, 1, {INPUT(STRIDED, 2, 2, 3)}},
    {"divmod",
     divmod,
     TYPES_REAL & ~TYPE_BIT(PONS_BOOL),
     false,
     2,
     2,
     {INPUT_FROM(1, 9, PLAIN, 2, 2, 3), INPUT_FROM(1, 4, PLAIN, 1, 3)}},
    {"divmod: the remainder",
     divmod_remainder,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT_FROM(1, 9, PLAIN, 2, 2, 3), INPUT_FROM(1, 4, PLAIN, 1, 3)}},
    {"where: with a C scalar", where_scalar, TYPES_FLOAT, true, 2, 1, {MASK(1, 3), INPUT(PLAIN, 2, 2, 3)}},
};

const conformance_case *elementwise_cases(int *count) {
  enum { MIXTURES = sizeof mixtures / sizeof *mixtures };
  static conformance_case all[ROW_COUNT + MIXTURES];
  *count = ROW_COUNT + MIXTURES;
  if (!all[0].name) {
    for (int i = 0; i < MIXTURES; i++) all[ROW_COUNT + i] = mixtures[i];
    for (int r = ROW_COUNT; r-- > 0;) fill(&all[r], (row)r);
  }
  return all;
}
