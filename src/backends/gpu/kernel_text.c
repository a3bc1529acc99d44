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

static void add_numbers(kernel_numbers *numbers, int n, const int64_t *values) {
  memcpy(numbers->at + numbers->n, values, (size_t)n * sizeof *values);
  numbers->n += n;
}

static kernel_lying lies(int n, const int64_t *strides, const int64_t *row_major) {
  bool repeated = true, in_order = true;
  for (int d = 0; d < n; d++) {
    repeated &= strides[d] == 0;
    in_order &= strides[d] == row_major[d];
  }
  return repeated ? KERNEL_REPEATED : in_order ? KERNEL_IN_ORDER : KERNEL_STRIDED;
}

static bool any_strided(const kernel *k, const kernel_form *f) {
  return memchr(f->lies, KERNEL_STRIDED, (size_t)k->n_in) != NULL;
}

kernel_form kernel_form_of(const kernel *k, const operand *in, const operand *out, int most_by_value, kernel_numbers *numbers) {
  kernel_form f = {0};
  int64_t sizes[PONS_MAX_NDIM], row_major[PONS_MAX_NDIM], strides[KERNEL_MAX_INPUTS][PONS_MAX_NDIM], *lists[KERNEL_MAX_INPUTS];
  const size_t bytes = (size_t)out->ndim * sizeof *sizes;
  memcpy(sizes, out->shape, bytes);
  for (int i = 0; i < k->n_in; i++) lists[i] = memcpy(strides[i], in[i].strides, bytes);
  const int n = shape_collapse(out->ndim, sizes, k->n_in, lists);
  shape_row_major(n, sizes, row_major);
  for (int i = 0; i < k->n_in; i++) f.lies[i] = (uint8_t)lies(n, strides[i], row_major);
  numbers->size = shape_size(out->ndim, out->shape);
  numbers->n = k->n_out + k->n_in;
  add_numbers(numbers, 1, &numbers->size);
  if (any_strided(k, &f)) {
    f.axes = (uint8_t)n;
    add_numbers(numbers, n, sizes);
  }
  for (int i = 0; i < k->n_in; i++)
    if (f.lies[i] == KERNEL_STRIDED) add_numbers(numbers, n, strides[i]);
  f.in_memory = numbers->n > most_by_value;
  return f;
}

/* ---- values ---- */

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

static int dtype_of_value(const kernel *k, int value) {
  return value < k->n_in ? k->in[value] : k->code[value - k->n_in].result;
}

static void add_head(text *t, const kernel *k, const kernel_form *f) {
  text_add(t, f->in_memory ? "#define N(k) ((index_t)numbers_[k])\nKERNEL fused("
                           : "#define N(k) ((index_t)v.at[k])\nKERNEL fused(");
  for (int i = 0; i < k->n_out; i++)
    text_add(t, "GLOBAL %s *y%d, ", gpu_typings[dtype_of_value(k, k->out[i])].element, i);
  for (int i = 0; i < k->n_in; i++) text_add(t, "GLOBAL const %s *x%d, ", gpu_typings[k->in[i]].element, i);
  text_add(t, "%sNUMBERS) {\n  const index_t i = GLOBAL_ID;\n  if (i >= N(%d)) return;\n",
           f->in_memory ? "GLOBAL const int64_t *numbers_, " : "", k->n_out + k->n_in);
}

/* The element's position along each axis: p0, p1, ... */
static void add_positions(text *t, int n, int first) {
  text_add(t, "  index_t rest = i;\n");
  for (int d = n - 1; d > 0; d--)
    text_add(t, "  const index_t p%d = rest %% N(%d);\n  rest /= N(%d);\n", d, first + d, first + d);
  text_add(t, "  const index_t p0 = rest;\n");
}

/* Each input's element; the strides of those that need them stand behind the sizes, one input after the other. */
static void add_loads(text *t, const kernel *k, const kernel_form *f, int first) {
  for (int i = 0; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    text_add(t, "  const %s v%d = %s(x%d[N(%d)%s", as->value, i, as->load, i, k->n_out + i,
             f->lies[i] == KERNEL_IN_ORDER ? " + i" : "");
    for (int d = 0; f->lies[i] == KERNEL_STRIDED && d < f->axes; d++) text_add(t, " + p%d * N(%d)", d, first++);
    text_add(t, "]);\n");
  }
}

void kernel_text_write(text *t, const kernel *k, const kernel_form *f) {
  const int sizes = k->n_out + k->n_in + 1;
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  for (int i = 0; i < k->n_in + k->n_code; i++) dtypes[i] = (uint8_t)dtype_of_value(k, i);
  add_head(t, k, f);
  if (f->axes > 0) add_positions(t, f->axes, sizes);
  add_loads(t, k, f, sizes + f->axes);
  for (int i = 0; i < k->n_code; i++) add_instruction(t, &k->code[i], k->n_in + i, dtypes);
  for (int i = 0; i < k->n_out; i++)
    text_add(t, "  y%d[N(%d) + i] = %s(v%d);\n", i, i, gpu_typings[dtypes[k->out[i]]].store, k->out[i]);
  text_add(t, "}\n");
}
