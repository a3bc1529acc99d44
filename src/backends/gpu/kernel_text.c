/* kernel_text.c: writes a kernel as text: a work item per element, which reads its inputs, computes the rows, and stores;

       KERNEL fused(GLOBAL float *y0, GLOBAL const uint16_t *x0, NUMBERS) {
         const index_t i = GLOBAL_ID;
         if (i >= N(2)) return;
         const float v0 = k_float_from_half(x0[N(1) + i]);
         ...
         y0[N(0) + i] = v2;
       }

   or one for several elements, which are read together and stored together, as wide as a device's memory wants it.

   Axes along which all operands lie alike are one axis. A value of the narrow floats is a float32 that was rounded
   to them. Uses typing.h, kernel/. */
#include "backends/gpu/kernel_text.h"
#include "backends/gpu/typing.h"
#include "device/device.h"

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

static bool is_strided(int lying) { return lying >= KERNEL_STRIDED; }

static bool any_strided(const kernel *k, const kernel_form *f) {
  bool any = false;
  for (int i = 0; i < k->n_in; i++) any |= is_strided(f->lies[i]);
  return any;
}

/* ---- elements of a thread ---- */

enum { WIDE = 16, MOST_EACH = 8, MOST_ROWS = 128 };

/* So many elements of an operand are read at once, or in parts of 16 bytes. */
int kernel_text_bytes_at_once(int dtype, int each) {
  const int bytes = each * (int)pons_dtype_size((pons_dtype)dtype);
  return bytes < WIDE ? bytes : WIDE;
}

static bool is_aligned(const operand *o, int each) {
  return ((const location *)o->data)->offset % kernel_text_bytes_at_once(o->dtype, each) == 0;
}

/* Lines of `each` elements of a strided input lie in order and aligned, or are one element repeated. */
static bool has_lines(const operand *o, int n, const int64_t *strides, int each) {
  const int64_t size = (int64_t)pons_dtype_size(o->dtype);
  if (strides[n - 1] == 0) return true;
  if (strides[n - 1] != 1 || !is_aligned(o, each)) return false;
  for (int d = 0; d < n - 1; d++)
    if (strides[d] * size % kernel_text_bytes_at_once(o->dtype, each) != 0) return false;
  return true;
}

static int lesser(int a, int b) { return a < b ? a : b; }

/* As many as fill 16 bytes of the narrowest operand, up to 8; fewer where there is much to compute. */
static int each_of(const kernel *k, const kernel_form *f, int least) {
  int each = MOST_EACH;
  for (int i = 0; i < k->n_in; i++)
    if (f->lies[i] != KERNEL_REPEATED) least = lesser(least, (int)pons_dtype_size((pons_dtype)k->in[i]));
  each = lesser(each, WIDE / least);
  while (each > 1 && each * k->n_code > MOST_ROWS) each /= 2;
  return each * least < 4 ? 1 : each;
}

int kernel_text_each(const kernel *k, const kernel_form *f) { return each_of(k, f, 8); }

static int most_each(const kernel *k, const operand *out, const kernel_form *f) {
  int least = 8;
  for (int i = 0; i < k->n_out; i++) least = lesser(least, (int)pons_dtype_size(out[i].dtype));
  return each_of(k, f, least);
}

static bool can_take(const kernel *k, const operand *in, const operand *out, const kernel_form *f, int n, const int64_t *sizes,
                     int64_t *const *strides, int each) {
  if (n == 0 || (any_strided(k, f) ? sizes[n - 1] : shape_size(n, sizes)) % each != 0) return false;
  for (int i = 0; i < k->n_out; i++)
    if (!is_aligned(&out[i], each)) return false;
  for (int i = 0; i < k->n_in; i++) {
    if (f->lies[i] == KERNEL_IN_ORDER && !is_aligned(&in[i], each)) return false;
    if (is_strided(f->lies[i]) && !has_lines(&in[i], n, strides[i], each)) return false;
  }
  return true;
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
    if (is_strided(f.lies[i])) add_numbers(numbers, n, strides[i]);
  const int each = most_each(k, out, &f);
  f.each = (uint8_t)(can_take(k, in, out, &f, n, sizes, lists, each) ? each : 1);
  for (int i = 0; i < k->n_in && f.each > 1; i++)
    if (is_strided(f.lies[i]) && strides[i][n - 1] == 1) f.lies[i] = KERNEL_STRIDED_LINES;
  f.in_memory = numbers->n > most_by_value;
  return f;
}

/* ---- what stands for a text ---- */

size_t kernel_text_key(const kernel *k, const kernel_form *f, char *bytes) {
  const uint8_t counts[] = {(uint8_t)k->n_in, (uint8_t)k->n_code, (uint8_t)k->n_out, 0};
  char *to = bytes;
#define ADD(part, size) memcpy(to, part, size), to += (size)
  ADD(counts, sizeof counts);
  ADD(f, offsetof(kernel_form, lies) + (size_t)k->n_in);
  ADD(k->in, (size_t)k->n_in * sizeof *k->in);
  ADD(k->out, (size_t)k->n_out * sizeof *k->out);
  for (int i = 0; i < k->n_code; i++)
    ADD(&k->code[i], offsetof(instruction, arg) + (size_t)row_table[k->code[i].row].arity * sizeof *k->code[i].arg);
#undef ADD
  return (size_t)(to - bytes);
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
    /* narrow ones are the low bits of an int32, unsigned ones too: scalar_integer.h */
    const bool wide = pons_dtype_size((pons_dtype)to) == 8, is_unsigned = wide ? to == PONS_UINT64 : to == PONS_UINT32;
    text_add(t, "(%s)k_%c%d_from_%s(%s)", gpu_typings[to].value, is_unsigned ? 'u' : 'i', wide ? 64 : 32,
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
    text_add(t, "    v%d = k_nearest_half(v%d);\n", value, value);
  if (c->result == PONS_BFLOAT16)
    text_add(t, "    v%d = k_nearest_bfloat(v%d);\n", value, value);
  text_add(t, "  }\n");
}

/* ---- the whole ---- */

static int dtype_of_value(const kernel *k, int value) {
  return value < k->n_in ? k->in[value] : k->code[value - k->n_in].result;
}

/* The dtypes of all values. */
static void dtypes_of(const kernel *k, uint8_t *dtypes) {
  for (int i = 0; i < k->n_in + k->n_code; i++) dtypes[i] = (uint8_t)dtype_of_value(k, i);
}

static void add_head(text *t, const kernel *k, const kernel_form *f) {
  text_add(t, f->in_memory ? "#define N(k) ((index_t)numbers_[k])\nKERNEL fused("
                           : "#define N(k) ((index_t)v.at[k])\nKERNEL fused(");
  for (int i = 0; i < k->n_out; i++)
    text_add(t, "GLOBAL %s *y%d, ", gpu_typings[dtype_of_value(k, k->out[i])].element, i);
  for (int i = 0; i < k->n_in; i++) text_add(t, "GLOBAL const %s *x%d, ", gpu_typings[k->in[i]].element, i);
  text_add(t, "%sNUMBERS) {\n", f->in_memory ? "GLOBAL const int64_t *numbers_, " : "");
  if (f->each > 1)
    text_add(t, "  const index_t i = %d * (index_t)GLOBAL_ID;\n", f->each);
  else
    text_add(t, "  const index_t i = GLOBAL_ID;\n");
  text_add(t, "  if (i >= N(%d)) return;\n", k->n_out + k->n_in);
}

/* The element's position along each axis: p0, p1, ... */
static void add_positions(text *t, int n, int first) {
  text_add(t, "  index_t rest = i;\n");
  for (int d = n - 1; d > 0; d--)
    text_add(t, "  const index_t p%d = rest %% N(%d);\n  rest /= N(%d);\n", d, first + d, first + d);
  text_add(t, "  const index_t p0 = rest;\n");
}

/* Which of input i's elements is the first; `first`: the number of its first stride. */
static void add_place(text *t, const kernel *k, const kernel_form *f, int i, int first) {
  text_add(t, "N(%d)%s", k->n_out + i, f->lies[i] == KERNEL_IN_ORDER ? " + i" : "");
  for (int d = 0; is_strided(f->lies[i]) && d < f->axes; d++) text_add(t, " + p%d * N(%d)", d, first + d);
}

static bool is_read_at_once(const kernel_form *f, int i) {
  return f->each > 1 && (f->lies[i] == KERNEL_IN_ORDER || f->lies[i] == KERNEL_STRIDED_LINES);
}

/* How `each` elements of a dtype are cut into parts that are read at once. */
typedef struct cut {
  int parts, per_part, words; /* elements and words of one */
} cut;
static cut cut_of(int dtype, int each) {
  const int bytes = kernel_text_bytes_at_once(dtype, each), size = (int)pons_dtype_size((pons_dtype)dtype);
  return (cut){each * size / bytes, bytes / size, bytes / 4};
}

/* Each input's element, or what is read for all of a thread's; the strides of those that need them stand behind the sizes, one
   input after the other. */
static void add_loads(text *t, const kernel *k, const kernel_form *f, int first) {
  for (int i = 0; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    const cut parts = cut_of(k->in[i], f->each);
    if (is_read_at_once(f, i))
      text_add(t, "  words4 w%d[%d];\n  UNROLL for (int e = 0; e < %d; e++) w%d[e] = load_words%d(x%d + ", i, parts.parts, parts.parts, i,
               parts.words, i);
    else
      text_add(t, "  const %s v%d = %s(x%d[", as->value, i, as->load, i);
    add_place(t, k, f, i, first);
    if (is_read_at_once(f, i))
      text_add(t, " + %d * e);\n", parts.per_part);
    else
      text_add(t, "]);\n");
    if (is_strided(f->lies[i])) first += f->axes;
  }
}

static void add_rows(text *t, const kernel *k, const uint8_t *dtypes) {
  for (int i = 0; i < k->n_code; i++) add_instruction(t, &k->code[i], k->n_in + i, dtypes);
}

/* The rows for one element after the other of what was read. */
static void add_each(text *t, const kernel *k, const kernel_form *f, const uint8_t *dtypes) {
  for (int i = 0; i < k->n_out; i++) {
    const int parts = cut_of(dtypes[k->out[i]], f->each).parts;
    text_add(t, "  words4 u%d[%d];\n  UNROLL for (int e = 0; e < %d; e++) u%d[e] = no_words4();\n", i, parts, parts, i);
  }
  text_add(t, "  UNROLL for (int e = 0; e < %d; e++) {\n", f->each);
  for (int i = 0; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    const int per_part = cut_of(k->in[i], f->each).per_part;
    if (is_read_at_once(f, i))
      text_add(t, "  const %s v%d = %s(%s(PART_%d(w%d[e / %d], e %% %d)));\n", as->value, i, as->load, as->from_bits,
               (int)pons_dtype_size((pons_dtype)k->in[i]), i, per_part, per_part);
  }
  add_rows(t, k, dtypes);
  for (int i = 0; i < k->n_out; i++) {
    const gpu_typing *as = &gpu_typings[dtypes[k->out[i]]];
    const int per_part = cut_of(dtypes[k->out[i]], f->each).per_part;
    text_add(t, "  JOIN_PART_%d(u%d[e / %d], e %% %d, %s(%s(v%d)));\n", (int)pons_dtype_size((pons_dtype)dtypes[k->out[i]]), i,
             per_part, per_part, as->bits, as->store, k->out[i]);
  }
  text_add(t, "  }\n");
  for (int i = 0; i < k->n_out; i++) {
    const cut parts = cut_of(dtypes[k->out[i]], f->each);
    text_add(t, "  UNROLL for (int e = 0; e < %d; e++) store_words%d(y%d + N(%d) + i + %d * e, u%d[e]);\n", parts.parts,
             parts.words, i, i, parts.per_part, i);
  }
}

void kernel_text_write(text *t, const kernel *k, const kernel_form *f) {
  const int sizes = k->n_out + k->n_in + 1;
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  dtypes_of(k, dtypes);
  add_head(t, k, f);
  if (f->axes > 0) add_positions(t, f->axes, sizes);
  add_loads(t, k, f, sizes + f->axes);
  if (f->each > 1) {
    add_each(t, k, f, dtypes);
  } else {
    add_rows(t, k, dtypes);
    for (int i = 0; i < k->n_out; i++)
      text_add(t, "  y%d[N(%d) + i] = %s(v%d);\n", i, i, gpu_typings[dtypes[k->out[i]]].store, k->out[i]);
  }
  text_add(t, "}\n");
}

/* ---- as a part of another kernel ---- */

/* The function of that name, which gives the kernel's result of that number. */
static void add_function(text *t, const kernel *k, const char *name, int result) {
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  dtypes_of(k, dtypes);
  text_add(t, "static inline %s %s(", gpu_typings[dtypes[k->out[result]]].value, name);
  for (int i = 0; i < k->n_in; i++) text_add(t, "%s%s v%d", i ? ", " : "", gpu_typings[k->in[i]].value, i);
  text_add(t, ") {\n");
  add_rows(t, k, dtypes);
  text_add(t, "  return v%d;\n}\n", k->out[result]);
}

/* What LOAD_EACH finds of each operand, and the value that ELEMENT_OF_EACH makes of the neighbour e. */
static void add_neighbours(text *t, const kernel *k, const kernel_form *f) {
  text_add(t, "#define LOAD_EACH(i)");
  for (int i = 0; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    const cut parts = cut_of(k->in[i], f->each);
    if (is_read_at_once(f, i))
      text_add(t, " words4 w%d[%d]; UNROLL for (int q = 0; q < %d; q++) w%d[q] = load_words%d(from%d + ELEMENT(%d, i) + %d * q);", i, parts.parts,
               parts.parts, i, parts.words, i, i, parts.per_part);
    else
      text_add(t, " const %s r%d = %s(from%d[ELEMENT(%d, i)]);", as->value, i, as->load, i, i);
  }
  text_add(t, "\n#define ELEMENT_OF_EACH(e) chain(");
  for (int i = 0; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    const int per_part = cut_of(k->in[i], f->each).per_part;
    text_add(t, i ? ", " : "");
    if (is_read_at_once(f, i))
      text_add(t, "%s((%s)%s(PART_%d(w%d[(e) / %d], (e) %% %d)))", as->load, as->element, as->from_bits,
               (int)pons_dtype_size((pons_dtype)k->in[i]), i, per_part, per_part);
    else
      text_add(t, "r%d", i);
  }
  text_add(t, ")\n");
}

void kernel_text_write_chain(text *t, const kernel *k, const kernel_form *f) {
  add_function(t, k, "chain", 0);
  text_add(t, "#define CHAIN\n#define OPERANDS");
  for (int i = 0; i < k->n_in; i++) text_add(t, " GLOBAL const %s *x%d,", gpu_typings[k->in[i]].element, i);
  text_add(t, "\n#define BEGIN(result)");
  for (int i = 0; i < k->n_in; i++) text_add(t, " GLOBAL const %s *from%d = x%d + PLACE(%d, result);", gpu_typings[k->in[i]].element, i, i, i);
  text_add(t, "\n#define ELEMENT_AT(i) chain(");
  for (int i = 0; i < k->n_in; i++) text_add(t, "%s%s(from%d[ELEMENT(%d, i)])", i ? ", " : "", gpu_typings[k->in[i]].load, i, i);
  text_add(t, ")\n");
  if (f->each > 1) add_neighbours(t, k, f);
}

/* The kernel's results v<o> of values v0, ... to the places behind `result`. */
static void add_call_of_behind(text *t, const kernel *k, int o) {
  text_add(t, "behind%d(", o);
  for (int i = 0; i < k->n_in; i++) text_add(t, i ? ", v%d" : "v%d", i);
  text_add(t, ")");
}

/* PUT_EACH: operands that are read at once as words, then value by value, to words of each result. */
static void add_put_each(text *t, const kernel *k, const kernel_form *f, const uint8_t *dtypes) {
  text_add(t, "#define PUT_EACH(result, w) {");
  for (int i = 1; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    const cut parts = cut_of(k->in[i], f->each);
    if (is_read_at_once(f, i))
      text_add(t, " words4 w%d[%d]; UNROLL for (int q = 0; q < %d; q++) w%d[q] = load_words%d(more%d + MORE_PLACE(%d, result) + %d * q);", i,
               parts.parts, parts.parts, i, parts.words, i - 1, i - 1, parts.per_part);
    else
      text_add(t, " const %s v%d = %s(more%d[MORE_PLACE(%d, result)]);", as->value, i, as->load, i - 1, i - 1);
  }
  for (int o = 0; o < k->n_out; o++) {
    const int parts = cut_of(dtypes[k->out[o]], f->each).parts;
    text_add(t, " words4 u%d[%d]; UNROLL for (int q = 0; q < %d; q++) u%d[q] = no_words4();", o, parts, parts, o);
  }
  text_add(t, " UNROLL for (int e = 0; e < %d; e++) { const Y_value v0 = Y_load(Y_PART(w, e));", f->each);
  for (int i = 1; i < k->n_in; i++) {
    const gpu_typing *as = &gpu_typings[k->in[i]];
    const int per_part = cut_of(k->in[i], f->each).per_part;
    if (is_read_at_once(f, i))
      text_add(t, " const %s v%d = %s((%s)%s(PART_%d(w%d[e / %d], e %% %d)));", as->value, i, as->load, as->element, as->from_bits,
               (int)pons_dtype_size((pons_dtype)k->in[i]), i, per_part, per_part);
  }
  for (int o = 0; o < k->n_out; o++) {
    const gpu_typing *as = &gpu_typings[dtypes[k->out[o]]];
    const int per_part = cut_of(dtypes[k->out[o]], f->each).per_part;
    text_add(t, " JOIN_PART_%d(u%d[e / %d], e %% %d, %s(%s(", (int)pons_dtype_size((pons_dtype)dtypes[k->out[o]]), o, per_part, per_part, as->bits,
             as->store);
    add_call_of_behind(t, k, o);
    text_add(t, ")));");
  }
  text_add(t, " }");
  for (int o = 0; o < k->n_out; o++) {
    const cut parts = cut_of(dtypes[k->out[o]], f->each);
    text_add(t, " UNROLL for (int q = 0; q < %d; q++) store_words%d(y%d + v.at[%d] + (result) + %d * q, u%d[q]);", parts.parts, parts.words, o, o,
             parts.per_part, o);
  }
  text_add(t, " }\n");
}

void kernel_text_write_behind(text *t, const kernel *k, const kernel_form *f) {
  uint8_t dtypes[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  char name[24];
  dtypes_of(k, dtypes);
  for (int o = 0; o < k->n_out; o++) {
    snprintf(name, sizeof name, "behind%d", o);
    add_function(t, k, name, o);
  }
  text_add(t, "#define BEHIND_OUTS %d\n#define RESULTS", k->n_out);
  for (int o = 0; o < k->n_out; o++) text_add(t, " GLOBAL %s *y%d,", gpu_typings[dtypes[k->out[o]]].element, o);
  text_add(t, "\n#define MORE");
  for (int i = 1; i < k->n_in; i++) text_add(t, " GLOBAL const %s *more%d,", gpu_typings[k->in[i]].element, i - 1);
  text_add(t, "\n#define BEGIN_MORE(row)");
  for (int i = 1; i < k->n_in; i++) text_add(t, " const index_t further%d = MORE_BEGIN(%d, row);", i - 1, i - 1);
  text_add(t, "\n#define PUT(result, value) { const Y_value v0 = Y_load(Y_store(value));");
  for (int i = 1; i < k->n_in; i++)
    text_add(t, " const %s v%d = %s(more%d[MORE_PLACE(%d, result)]);", gpu_typings[k->in[i]].value, i, gpu_typings[k->in[i]].load, i - 1,
             i - 1);
  for (int o = 0; o < k->n_out; o++) {
    text_add(t, " y%d[v.at[%d] + (result)] = %s(", o, o, gpu_typings[dtypes[k->out[o]]].store);
    add_call_of_behind(t, k, o);
    text_add(t, ");");
  }
  text_add(t, " }\n");
  if (f->each > 1) add_put_each(t, k, f, dtypes);
  else text_add(t, "#define PUT_EACH(result, w) UNROLL for (int e = 0; e < PER; e++) PUT((result) + e, Y_load(Y_PART(w, e)))\n");
}
