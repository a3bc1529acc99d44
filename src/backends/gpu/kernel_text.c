/* kernel_text.c: writes a kernel as text: a work item per element, which reads its inputs, computes the rows, and stores.

       KERNEL void fused(GLOBAL float *y0, int64_t to0, GLOBAL const uint16_t *x0, int64_t at0, ..., int64_t n) {
         const int64_t i = GLOBAL_ID;
         if (i >= n) return;
         const float v0 = k_float_from_half(x0[at0 + i]);
         ...
         y0[to0 + i] = v2;
       }

   Axes along which all operands lie alike are one axis. A value of the narrow floats is a float32 that was rounded
   to them. Uses kernel/. */
#include "backends/gpu/kernel_text.h"

/* How a dtype is held in memory, and as a value; what its functions' names end in. */
typedef struct typing {
  const char *element, *value, *suffix;
} typing;

static const typing typings[PONS_DTYPE_COUNT] = {
    [PONS_BOOL] = {"uint8_t", "bool", "b"},          [PONS_UINT8] = {"uint8_t", "uint8_t", "u8"},
    [PONS_UINT16] = {"uint16_t", "uint16_t", "u16"}, [PONS_UINT32] = {"uint32_t", "uint32_t", "u32"},
    [PONS_UINT64] = {"uint64_t", "uint64_t", "u64"}, [PONS_INT8] = {"int8_t", "int8_t", "i8"},
    [PONS_INT16] = {"int16_t", "int16_t", "i16"},    [PONS_INT32] = {"int32_t", "int32_t", "i32"},
    [PONS_INT64] = {"int64_t", "int64_t", "i64"},    [PONS_FLOAT16] = {"uint16_t", "float", "f32"},
    [PONS_FLOAT32] = {"float", "float", "f32"},      [PONS_FLOAT64] = {"double", "double", "f64"},
    [PONS_BFLOAT16] = {"uint16_t", "float", "f32"},  [PONS_COMPLEX64] = {"uint64_t", "uint64_t", ""},
};

const char *kernel_text_refuses(const kernel *k) {
  for (int i = 0; i < k->n_code; i++)
    if (k->code[i].result == PONS_COMPLEX64 || k->code[i].operand == PONS_COMPLEX64)
      return "complex numbers have no functions in the dialect";
  return NULL;
}

/* ---- the iteration space ---- */

typedef enum lying { REPEATED, IN_ORDER, STRIDED } lying;
typedef struct space {
  int n;
  int64_t sizes[PONS_MAX_NDIM];
  int64_t strides[KERNEL_MAX_INPUTS][PONS_MAX_NDIM];
  lying lies[KERNEL_MAX_INPUTS];
} space;

static space space_of(const kernel *k, const operand *in, const operand *out) {
  space s;
  int64_t *lists[KERNEL_MAX_INPUTS], row_major[PONS_MAX_NDIM];
  const size_t bytes = (size_t)out->ndim * sizeof *s.sizes;
  memcpy(s.sizes, out->shape, bytes);
  for (int i = 0; i < k->n_in; i++) lists[i] = memcpy(s.strides[i], in[i].strides, bytes);
  s.n = shape_collapse(out->ndim, s.sizes, k->n_in, lists);
  shape_row_major(s.n, s.sizes, row_major);
  for (int i = 0; i < k->n_in; i++) {
    bool repeated = true, in_order = true;
    for (int d = 0; d < s.n; d++) {
      repeated &= s.strides[i][d] == 0;
      in_order &= s.strides[i][d] == row_major[d];
    }
    s.lies[i] = repeated ? REPEATED : in_order ? IN_ORDER : STRIDED;
  }
  return s;
}

/* ---- values ---- */

static void add_load(text *t, int dtype, int i, const char *place) {
  const char *convert = dtype == PONS_FLOAT16    ? "k_float_from_half"
                        : dtype == PONS_BFLOAT16 ? "k_float_from_bfloat"
                                                 : "";
  text_add(t, "  const %s v%d = %s(x%d[at%d%s]);\n", typings[dtype].value, i, convert, i, i, place);
}

static bool is_real(int dtype) { return dtype >= PONS_FLOAT16 && dtype <= PONS_BFLOAT16; }

/* The value x of dtype `from` as one of dtype `to`, before it is rounded to a narrow float. */
static void add_conversion(text *t, int from, int to) {
  if (to == PONS_BOOL) {
    text_add(t, "x != 0");
  } else if (is_real(from) && !is_real(to)) {
    const bool wide = pons_dtype_size((pons_dtype)to) == 8;
    const bool is_signed = dtype_kind_of((pons_dtype)to) == KIND_SIGNED;
    text_add(t, "(%s)k_%c%d_from_%s(x)", typings[to].value, is_signed ? 'i' : 'u', wide ? 64 : 32,
             typings[from].suffix);
  } else {
    text_add(t, "(%s)x", typings[to].value);
  }
}

static void add_instruction(text *t, const instruction *c, int value, const uint8_t *dtypes) {
  static const char *const names[] = {"x", "a", "b", "c"};
  const int arity = row_table[c->row].arity;
  text_add(t, "  %s v%d;\n  {\n", typings[c->result].value, value);
  for (int i = 0; i < arity; i++)
    text_add(t, "    const %s %s = v%d;\n", typings[dtypes[c->arg[i]]].value, arity == 1 ? "x" : names[i + 1],
             c->arg[i]);
  text_add(t, "#undef K_SUFFIX\n#define K_SUFFIX %s\n    v%d = ", typings[c->operand].suffix, value);
  if (c->row == ROW_cast)
    add_conversion(t, dtypes[c->arg[0]], c->result);
  else
    text_add(t, "%s", row_table[c->row].value);
  text_add(t, ";\n");
  if (c->result == PONS_FLOAT16)
    text_add(t, "    v%d = k_float_from_half(k_half_from_float(v%d));\n", value, value);
  if (c->result == PONS_BFLOAT16)
    text_add(t, "    v%d = k_float_from_bfloat(k_bfloat_from_float(v%d));\n", value, value);
  text_add(t, "  }\n");
}

static void add_store(text *t, int dtype, int k, int value) {
  const char *convert = dtype == PONS_FLOAT16    ? "k_half_from_float"
                        : dtype == PONS_BFLOAT16 ? "k_bfloat_from_float"
                                                 : "";
  text_add(t, "  y%d[to%d + i] = %s(v%d);\n", k, k, convert, value);
}

/* ---- the whole ---- */

static void add_head(text *t, const kernel *k, const operand *in, const operand *out, bool has_layout) {
  text_add(t, "KERNEL void fused(");
  for (int i = 0; i < k->n_out; i++)
    text_add(t, "GLOBAL %s *y%d, int64_t to%d, ", typings[out[i].dtype].element, i, i);
  for (int i = 0; i < k->n_in; i++)
    text_add(t, "GLOBAL const %s *x%d, int64_t at%d, ", typings[in[i].dtype].element, i, i);
  text_add(t, "int64_t n%s) {\n  const int64_t i = GLOBAL_ID;\n  if (i >= n) return;\n",
           has_layout ? ", GLOBAL const int64_t *layout" : "");
}

/* The element's position along each axis: p0, p1, ... */
static void add_positions(text *t, const space *s) {
  text_add(t, "  int64_t rest = i;\n");
  for (int d = s->n - 1; d > 0; d--)
    text_add(t, "  const int64_t p%d = rest %% layout[%d];\n  rest /= layout[%d];\n", d, d, d);
  text_add(t, "  const int64_t p0 = rest;\n");
}

static void add_place(text *t, const space *s, int first) {
  for (int d = 0; d < s->n; d++) text_add(t, " + p%d * layout[%d]", d, first + d);
}

void kernel_text_write(kernel_text *f, const kernel *k, const operand *in, const operand *out) {
  const space s = space_of(k, in, out);
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  bool strided = false;
  text *t = &f->text;
  *f = (kernel_text){.size = shape_size(out->ndim, out->shape)};
  for (int i = 0; i < k->n_in; i++) strided |= s.lies[i] == STRIDED;
  add_head(t, k, in, out, strided);
  if (strided) {
    add_positions(t, &s);
    memcpy(f->layout, s.sizes, (size_t)s.n * sizeof *s.sizes);
    f->n_layout = s.n;
  }
  for (int i = 0; i < k->n_in; i++) {
    text place = {0};
    dtypes[i] = k->in[i];
    if (s.lies[i] == IN_ORDER) text_add(&place, " + i");
    if (s.lies[i] == STRIDED) {
      add_place(&place, &s, f->n_layout);
      memcpy(f->layout + f->n_layout, s.strides[i], (size_t)s.n * sizeof *s.strides[i]);
      f->n_layout += s.n;
    }
    add_load(t, k->in[i], i, place.at ? place.at : "");
    text_free(&place);
  }
  for (int i = 0; i < k->n_code; i++) {
    dtypes[k->n_in + i] = k->code[i].result;
    add_instruction(t, &k->code[i], k->n_in + i, dtypes);
  }
  for (int i = 0; i < k->n_out; i++) add_store(t, dtypes[k->out[i]], i, k->out[i]);
  text_add(t, "}\n");
}
