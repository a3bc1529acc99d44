/* kernel_text.c: writes a kernel as text: a work item per element, which reads its inputs, computes the rows, and stores.

       KERNEL fused(GLOBAL float *y0, GLOBAL const uint16_t *x0, NUMBERS) {
         const index_t i = GLOBAL_ID;
         if (i >= N(2)) return;
         const float v0 = k_float_from_half(x0[N(1) + i]);
         ...
         y0[N(0) + i] = v2;
       }

   Axes along which all operands lie alike are one axis. A value of the narrow floats is a float32 that was rounded
   to them. Uses typing.h, kernel/. */
#include "backends/gpu/kernel_text.h"
#include "backends/gpu/typing.h"

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

static void add_load(text *t, int dtype, int i, int number, const char *place) {
  text_add(t, "  const %s v%d = %s(x%d[N(%d)%s]);\n", gpu_typings[dtype].value, i, gpu_typings[dtype].load, i,
           number, place);
}

static bool is_integer(int dtype) { return dtype <= PONS_INT64; } /* or bool */

void kernel_text_add_conversion(text *t, int from, int to) {
  const char *x = from == PONS_COMPLEX64 ? "x.re" : "x";
  if (to == PONS_COMPLEX64) {
    text_add(t, from == to ? "x" : "complex_of((float)x, 0)");
  } else if (to == PONS_BOOL) {
    text_add(t, from == PONS_COMPLEX64 ? "x.re != 0 || x.im != 0" : "x != 0");
  } else if (is_integer(to) && !is_integer(from)) {
    const bool wide = pons_dtype_size((pons_dtype)to) == 8;
    const bool is_signed = dtype_kind_of((pons_dtype)to) == KIND_SIGNED;
    text_add(t, "(%s)k_%c%d_from_%s(%s)", gpu_typings[to].value, is_signed ? 'i' : 'u', wide ? 64 : 32,
             from == PONS_FLOAT64 ? "f64" : "f32", x);
  } else {
    text_add(t, "(%s)%s", gpu_typings[to].value, x);
  }
}

static void add_instruction(text *t, const instruction *c, int value, const uint8_t *dtypes) {
  static const char *const names[] = {"x", "a", "b", "c"};
  const int arity = row_table[c->row].arity;
  text_add(t, "  %s v%d;\n  {\n", gpu_typings[c->result].value, value);
  for (int i = 0; i < arity; i++)
    text_add(t, "    const %s %s = v%d;\n", gpu_typings[dtypes[c->arg[i]]].value,
             arity == 1 ? "x" : names[i + 1], c->arg[i]);
  text_add(t, "#undef K_SUFFIX\n#define K_SUFFIX %s\n    v%d = ", gpu_typings[c->operand].suffix, value);
  if (c->row == ROW_cast)
    kernel_text_add_conversion(t, dtypes[c->arg[0]], c->result);
  else
    text_add(t, "%s", row_table[c->row].value);
  text_add(t, ";\n");
  if (c->result == PONS_FLOAT16)
    text_add(t, "    v%d = k_float_from_half(k_half_from_float(v%d));\n", value, value);
  if (c->result == PONS_BFLOAT16)
    text_add(t, "    v%d = k_float_from_bfloat(k_bfloat_from_float(v%d));\n", value, value);
  text_add(t, "  }\n");
}

/* ---- the whole ---- */

static void add_head(text *t, const kernel *k, const operand *in, const operand *out, bool in_memory) {
  text_add(t, in_memory ? "#define N(k) ((index_t)numbers_[k])\nKERNEL fused("
                        : "#define N(k) ((index_t)v.at[k])\nKERNEL fused(");
  for (int i = 0; i < k->n_out; i++) text_add(t, "GLOBAL %s *y%d, ", gpu_typings[out[i].dtype].element, i);
  for (int i = 0; i < k->n_in; i++)
    text_add(t, "GLOBAL const %s *x%d, ", gpu_typings[in[i].dtype].element, i);
  text_add(t, "%sNUMBERS) {\n  const index_t i = GLOBAL_ID;\n  if (i >= N(%d)) return;\n",
           in_memory ? "GLOBAL const int64_t *numbers_, " : "", k->n_out + k->n_in);
}

/* The element's position along each axis: p0, p1, ... */
static void add_positions(text *t, int n, int first) {
  text_add(t, "  index_t rest = i;\n");
  for (int d = n - 1; d > 0; d--)
    text_add(t, "  const index_t p%d = rest %% N(%d);\n  rest /= N(%d);\n", d, first + d, first + d);
  text_add(t, "  const index_t p0 = rest;\n");
}

static int add_numbers(kernel_text *f, int n, const int64_t *values) {
  const int first = f->n_numbers;
  memcpy(f->numbers + first, values, (size_t)n * sizeof *values);
  f->n_numbers += n;
  return first;
}

/* Where the element of each input lies, as text; the numbers it needs are added. */
static void write_places(kernel_text *f, const kernel *k, const space *s, text *places) {
  for (int i = 0; i < k->n_in; i++) {
    text_add(&places[i], "%s", s->lies[i] == IN_ORDER ? " + i" : "");
    if (s->lies[i] != STRIDED) continue;
    const int first = add_numbers(f, s->n, s->strides[i]);
    for (int d = 0; d < s->n; d++) text_add(&places[i], " + p%d * N(%d)", d, first + d);
  }
}

static void write_body(text *t, const kernel *k, const operand *out, const text *places) {
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  for (int i = 0; i < k->n_in; i++) {
    dtypes[i] = k->in[i];
    add_load(t, k->in[i], i, k->n_out + i, places[i].at ? places[i].at : "");
  }
  for (int i = 0; i < k->n_code; i++) {
    dtypes[k->n_in + i] = k->code[i].result;
    add_instruction(t, &k->code[i], k->n_in + i, dtypes);
  }
  for (int i = 0; i < k->n_out; i++)
    text_add(t, "  y%d[N(%d) + i] = %s(v%d);\n", i, i, gpu_typings[out[i].dtype].store, k->out[i]);
  text_add(t, "}\n");
}

void kernel_text_write(kernel_text *f, const kernel *k, const operand *in, const operand *out, int by_value) {
  const space s = space_of(k, in, out);
  text places[KERNEL_MAX_INPUTS] = {{0}};
  bool strided = false;
  *f = (kernel_text){.size = shape_size(out->ndim, out->shape), .n_numbers = k->n_out + k->n_in};
  f->numbers[f->n_numbers++] = f->size;
  for (int i = 0; i < k->n_in; i++) strided |= s.lies[i] == STRIDED;
  const int sizes = strided ? add_numbers(f, s.n, s.sizes) : 0;
  write_places(f, k, &s, places);
  add_head(&f->text, k, in, out, f->n_numbers > by_value);
  if (strided) add_positions(&f->text, s.n, sizes);
  write_body(&f->text, k, out, places);
  for (int i = 0; i < k->n_in; i++) {
    f->text.failed |= places[i].failed;
    text_free(&places[i]);
  }
}
