/* interpret_gpu.c: any elementwise kernel by one text, for devices on which no text can be compiled: a thread per element, which
   reads the inputs, goes through the instructions, as numbers, and stores.

       slots    what was read, then a value per instruction: 64 bits each, narrow floats as float32
       rows     for each kind of operand a function that chooses the row: the same expressions as in kernel_text.c

   There are four texts: a small one gets its numbers by value, in a large one they are a memory; and each with rows of complex
   numbers and without. Uses gpu.h, kernel_text.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/kernel_text.h"
#include "backends/gpu/typing.h"
#include <pthread.h>

extern const char complex_functions[]; /* complex_functions.h */

/* ---- the text ---- */

/* How a suffix of kernel/scalar.h lies in a slot. */
typedef struct kind {
  pons_dtype dtype; /* one that is computed with so */
  const char *value, *bits; /* from a slot; to one */
} kind;
static const kind kinds[] = {
    {PONS_BOOL, "((s) != 0)", "(uint64_t)((v) != 0)"},
    {PONS_UINT8, "(uint8_t)(s)", "(uint64_t)(v)"},
    {PONS_UINT16, "(uint16_t)(s)", "(uint64_t)(v)"},
    {PONS_UINT32, "(uint32_t)(s)", "(uint64_t)(v)"},
    {PONS_UINT64, "(s)", "(v)"},
    {PONS_INT8, "(int8_t)(s)", "(uint64_t)(int64_t)(v)"},
    {PONS_INT16, "(int16_t)(s)", "(uint64_t)(int64_t)(v)"},
    {PONS_INT32, "(int32_t)(s)", "(uint64_t)(int64_t)(v)"},
    {PONS_INT64, "(int64_t)(s)", "(uint64_t)(v)"},
    {PONS_FLOAT32, "k_from_bits_f32((uint32_t)(s))", "(uint64_t)k_bits_f32(v)"},
    {PONS_FLOAT64, "k_from_bits_f64(s)", "k_bits_f64(v)"},
    {PONS_COMPLEX64, "complex_from_bits(s)", "complex_bits(v)"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* One of the texts: how many operands it takes, values it holds. */
typedef struct form {
  int memories, slots; /* with that of the numbers, if they are one */
  bool in_memory, has_complex;
} form;
enum { SMALL_OPERANDS = 6, SMALL_SLOTS = 24, LARGE_OPERANDS = KERNEL_MAX_OUTPUTS + KERNEL_MAX_INPUTS + 1 };
static const form forms[2][2] = {
    {{SMALL_OPERANDS, SMALL_SLOTS, false, false}, {SMALL_OPERANDS, SMALL_SLOTS, false, true}},
    {{LARGE_OPERANDS, KERNEL_MAX_INPUTS + KERNEL_MAX_CODE, true, false},
     {LARGE_OPERANDS, KERNEL_MAX_INPUTS + KERNEL_MAX_CODE, true, true}}};

/* Does the text compute with it? What it does not is only moved, as 64 bits. */
static bool computes(const form *f, int dtype) {
  const bool is_held = !(GPU_CANNOT_HOLD >> dtype & 1);
  return is_held && (f->has_complex || dtype_kind_of((pons_dtype)dtype) != KIND_COMPLEX);
}

/* Is it, as a value, of this kind? */
static bool is_kind(int dtype, const kind *k) {
  return !(GPU_CANNOT_HOLD >> dtype & 1) && !strcmp(gpu_typings[dtype].suffix, gpu_typings[k->dtype].suffix);
}

static bool takes(int row, const kind *k) {
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    if (row_takes((enum row)row, (pons_dtype)d) && is_kind(d, k)) return true;
  return false;
}

static void add_row(text *t, int row, const kind *k) {
  static const char *const names[] = {"a", "b", "c"};
  const row_info *r = &row_table[row];
  const char *suffix = gpu_typings[k->dtype].suffix, *type = gpu_typings[k->dtype].value;
  text_add(t, "    case %d: {\n", row);
  for (int i = 0; i < r->arity; i++) {
    const bool truth = r->arity == 3 && i == 0;
    text_add(t, "      const %s %s = VALUE_%s(s%d);\n", truth ? "bool" : type, r->arity == 1 ? "x" : names[i],
             truth ? "b" : suffix, i);
  }
  const bool is_part = r->result == RESULT_REAL && k->dtype == PONS_COMPLEX64;
  text_add(t, "      return BITS_%s(%s);\n    }\n", r->result == RESULT_BOOL ? "b" : is_part ? "f32" : suffix, r->value);
}

static void add_rows(text *t, const kind *k) {
  const char *suffix = gpu_typings[k->dtype].suffix;
  text_add(t,
           "#define VALUE_%s(s) (%s)\n#define BITS_%s(v) (%s)\n#undef K_SUFFIX\n#define K_SUFFIX %s\n"
           "static inline uint64_t rows_%s(int row, uint64_t s0, uint64_t s1, uint64_t s2) {\n  switch (row) {\n",
           suffix, k->value, suffix, k->bits, suffix, suffix);
  for (int row = 0; row < ROW_COUNT; row++)
    if (row != ROW_cast && takes(row, k)) add_row(t, row, k);
  text_add(t, "    default: return 0;\n  }\n}\n");
}

/* Integers are converted from 64 bits, whatever they are in memory. */
static void add_casts(text *t, const form *f, pons_dtype from) {
  const char *suffix = gpu_typings[from].suffix;
  text_add(t, "static inline uint64_t cast_%s(int to, uint64_t s) {\n  const %s x = VALUE_%s(s);\n  switch (to) {\n",
           suffix, gpu_typings[from].value, suffix);
  for (int to = 0; to < PONS_DTYPE_COUNT; to++) {
    if (!computes(f, to)) continue;
    text_add(t, "    case %d: return BITS_%s((%s)(", to, gpu_typings[to].suffix, gpu_typings[to].value);
    kernel_text_add_conversion(t, from, to);
    text_add(t, "));\n");
  }
  text_add(t, "    default: return 0;\n  }\n}\n");
}

/* By the function of its kind, for each dtype. */
static void add_choices(text *t, const form *f, const char *head, const char *call, bool of_casts) {
  text_add(t, "%s", head);
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    const char *suffix = gpu_typings[d].suffix;
    const dtype_kind k = dtype_kind_of((pons_dtype)d);
    if (!computes(f, d)) continue;
    if (of_casts && k <= KIND_SIGNED) suffix = k == KIND_SIGNED ? "i64" : "u64";
    text_add(t, "    case %d: return %s_%s%s;\n", d, of_casts ? "cast" : "rows", suffix, call);
  }
  text_add(t, "    default: return 0;\n  }\n}\n");
}

static void add_memory(text *t, const form *f) {
  text_add(t, "static inline uint64_t load(GLOBAL const uint8_t *x, int dtype, int64_t i) {\n  switch (dtype) {\n");
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    const gpu_typing *g = &gpu_typings[d];
    if (!computes(f, d)) continue;
    text_add(t, "    case %d: return BITS_%s(%s(((GLOBAL const %s *)x)[i]));\n", d, g->suffix, g->load, g->element);
  }
  text_add(t, "    default: return ((GLOBAL const uint64_t *)x)[i];\n  }\n}\n"
              "static inline void store(GLOBAL uint8_t *y, int dtype, int64_t i, uint64_t s) {\n  switch (dtype) {\n");
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    const gpu_typing *g = &gpu_typings[d];
    if (!computes(f, d)) continue;
    text_add(t, "    case %d: ((GLOBAL %s *)y)[i] = %s(VALUE_%s(s)); break;\n", d, g->element, g->store, g->suffix);
  }
  text_add(t, "    default: ((GLOBAL uint64_t *)y)[i] = s;\n  }\n}\n");
}

/* Numbers, from P(0) on. */
enum { COUNT, IS_WIDE, N_IN, N_CODE, N_OUT, N_AXES, REST };
/* P(REST) on: a word for each input, instruction and result, sizes, strides of each input. */
static const char run[] =
    "static inline uint64_t rounded(int dtype, uint64_t s) {\n"
    "  const float x = VALUE_f32(s);\n"
    "  if (dtype == HALF) return BITS_f32(k_nearest_half(x));\n"
    "  return BITS_f32(k_nearest_bfloat(x));\n"
    "}\n"
    "static inline int64_t divided(int64_t i, int64_t size, bool is_wide) {\n"
    "  return is_wide ? i / size : (int64_t)((uint32_t)i / (uint32_t)size);\n"
    "}\n";
static const char body[] =
    "  const int64_t i = GLOBAL_ID;\n"
    "  const int n_in = (int)P(2), n_code = (int)P(3), n_out = (int)P(4), n = (int)P(5);\n"
    "  const int code = 6 + n_in, results = code + n_code, sizes = results + n_out;\n"
    "  uint64_t slots[SLOTS];\n"
    "  int64_t rest = i;\n"
    "  if (i >= P(0)) return;\n"
    "  for (int k = 0; k < n_in; k++) slots[k] = 0;\n"
    "  for (int d = n - 1; d >= 0; d--) {\n"
    "    const int64_t left = d ? divided(rest, P(sizes + d), P(1) != 0) : 0;\n"
    "    const int64_t at = rest - left * P(sizes + d);\n"
    "    for (int k = 0; k < n_in; k++) slots[k] += (uint64_t)(at * P(sizes + n + k * n + d));\n"
    "    rest = left;\n"
    "  }\n"
    "  for (int k = 0; k < n_in; k++)\n"
    "    slots[k] = load(memories[n_out + k], (int)P(6 + k), v.at[n_out + k] + (int64_t)slots[k]);\n"
    "  for (int k = 0; k < n_code; k++) {\n"
    "    const int64_t c = P(code + k);\n"
    "    const int row = (int)(c & 255), operand = (int)(c >> 8 & 255), result = (int)(c >> 16 & 255);\n"
    "    const uint64_t a = slots[c >> 24 & 255], b = slots[c >> 32 & 255], d = slots[c >> 40 & 255];\n"
    "    const uint64_t s = row == CAST ? cast(operand, result, a) : rows(operand, row, a, b, d);\n"
    "    slots[n_in + k] = result == HALF || result == BFLOAT ? rounded(result, s) : s;\n"
    "  }\n"
    "  for (int k = 0; k < n_out; k++)\n"
    "    store(memories[k], (int)(P(results + k) & 255), v.at[k] + i, slots[P(results + k) >> 8]);\n"
    "}\n";

static void add_entry(text *t, const form *f) {
  if (f->in_memory) text_add(t, "#define P(k) numbers_[k]\n");
  else text_add(t, "#define P(k) v.at[%d + (k)]\n", f->memories);
  text_add(t, "#define SLOTS %d\n#define CAST %d\n#define HALF %d\n#define BFLOAT %d\n%sKERNEL interpret(", f->slots,
           ROW_cast, PONS_FLOAT16, PONS_BFLOAT16, run);
  const int operands = f->memories - f->in_memory;
  for (int i = 0; i < operands; i++) text_add(t, "GLOBAL uint8_t *m%d, ", i);
  text_add(t, "%sNUMBERS) {\n  GLOBAL uint8_t *const memories[] = {", f->in_memory ? "GLOBAL const int64_t *numbers_, " : "");
  for (int i = 0; i < operands; i++) text_add(t, "%sm%d", i ? ", " : "", i);
  text_add(t, "};\n%s", body);
}

static void write_text(text *t, const form *f) {
  static const pons_dtype converted[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_INT64, PONS_UINT64, PONS_COMPLEX64};
  for (int i = 0; i < KINDS; i++)
    if (computes(f, kinds[i].dtype)) add_rows(t, &kinds[i]);
  for (size_t i = 0; i < sizeof converted / sizeof *converted; i++)
    if (computes(f, converted[i])) add_casts(t, f, converted[i]);
  add_choices(t, f, "static inline uint64_t cast(int from, int to, uint64_t s) {\n  switch (from) {\n", "(to, s)", true);
  add_choices(t, f,
              "static inline uint64_t rows(int dtype, int row, uint64_t s0, uint64_t s1, uint64_t s2) {\n  switch (dtype) {\n",
              "(row, s0, s1, s2)", false);
  add_memory(t, f);
  add_entry(t, f);
}

/* Made when it is first asked for; NULL: no memory. */
static const char *text_of(const form *f) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static char *texts[2][2];
  pthread_mutex_lock(&lock);
  char **made = &texts[f->in_memory][f->has_complex];
  if (!*made) {
    text t = {0};
    write_text(&t, f);
    *made = text_take(&t);
  }
  pthread_mutex_unlock(&lock);
  return *made;
}

/* ---- a kernel as numbers ---- */

enum { MOST_NUMBERS = REST + KERNEL_MAX_INPUTS + KERNEL_MAX_CODE + KERNEL_MAX_OUTPUTS + (1 + KERNEL_MAX_INPUTS) * PONS_MAX_NDIM };

static int64_t word_of(const kernel *k, const instruction *c) {
  const int from = c->arg[0] < k->n_in ? k->in[c->arg[0]] : k->code[c->arg[0] - k->n_in].result;
  const int64_t operand = c->row == ROW_cast ? from : c->operand;
  int64_t word = c->row | operand << 8 | (int64_t)c->result << 16;
  for (int i = 0; i < row_table[c->row].arity; i++) word |= (int64_t)c->arg[i] << (24 + 8 * i);
  return word;
}

static int write_numbers(const kernel *k, const operand *in, const operand *out, int64_t *numbers) {
  int64_t sizes[PONS_MAX_NDIM], strides[KERNEL_MAX_INPUTS][PONS_MAX_NDIM], *lists[KERNEL_MAX_INPUTS];
  const size_t bytes = (size_t)out->ndim * sizeof *sizes;
  int count = REST;
  memcpy(sizes, out->shape, bytes);
  for (int i = 0; i < k->n_in; i++) lists[i] = memcpy(strides[i], in[i].strides, bytes);
  const int n = shape_collapse(out->ndim, sizes, k->n_in, lists);
  const int64_t size = shape_size(out->ndim, out->shape);
  numbers[COUNT] = size;
  numbers[IS_WIDE] = size > INT32_MAX;
  numbers[N_IN] = k->n_in;
  numbers[N_CODE] = k->n_code;
  numbers[N_OUT] = k->n_out;
  numbers[N_AXES] = n;
  for (int i = 0; i < k->n_in; i++) numbers[count++] = in[i].dtype;
  for (int i = 0; i < k->n_code; i++) numbers[count++] = word_of(k, &k->code[i]);
  for (int i = 0; i < k->n_out; i++) numbers[count++] = out[i].dtype | (int64_t)k->out[i] << 8;
  for (int d = 0; d < n; d++) numbers[count++] = sizes[d];
  for (int i = 0; i < k->n_in; i++)
    for (int d = 0; d < n; d++) numbers[count++] = strides[i][d];
  return count;
}

/* ---- the launch ---- */

static bool fits(const kernel *k, const form *f, int count) {
  return k->n_in + k->n_out <= f->memories && k->n_in + k->n_code <= f->slots && f->memories + count <= GPU_NUMBERS;
}

static error *launch_form(gpu_call *c, const form *f, const kernel *k, const operand *in, const operand *out,
                          const int64_t *numbers, int count) {
  error *why = NULL;
  void *memory = NULL;
  const char *text = text_of(f);
  for (int i = 0; i < k->n_out; i++) gpu_written(c, &out[i]);
  for (int i = 0; i < k->n_in; i++) gpu_read(c, &in[i]);
  while (c->n_memories < f->memories - f->in_memory) gpu_memory(c, NULL, false);
  if (f->in_memory)
    why = gpu_memory_of_numbers(c, count, numbers, &memory);
  else
    gpu_number_list(c, count, numbers);
  gpu_one_each(c, numbers[COUNT]);
  c->wide = false; /* one text: its places have 64 bits */
  if (!why && !text) why = fail_no_memory(c->backend->name);
  if (why) text_free(&c->text);
  else why = gpu_run(c, text, "interpret");
  if (memory) c->backend->memory->give(c->index, memory);
  return why;
}

error *gpu_interpret(const gpu_backend *b, const kernel *k, const operand *in, const operand *out) {
  int64_t *numbers = mem_alloc(MOST_NUMBERS * sizeof *numbers);
  if (!numbers) return fail_no_memory(b->name);
  gpu_call c = gpu_call_for(b, out);
  const int count = write_numbers(k, in, out, numbers);
  bool has_complex = false;
  for (int i = 0; i < k->n_code; i++) has_complex |= k->code[i].operand == PONS_COMPLEX64 || k->code[i].result == PONS_COMPLEX64;
  if (has_complex) gpu_add_text(&c.text, complex_functions);
  const bool is_large = !fits(k, &forms[0][has_complex], count);
  error *why = launch_form(&c, &forms[is_large][has_complex], k, in, out, numbers, count);
  mem_free(numbers);
  return why;
}
