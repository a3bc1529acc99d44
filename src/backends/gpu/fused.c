/* fused.c: launches elementwise kernels, whose text is made for them; where none can be compiled one text runs all of them
   (interpret_gpu.c). Uses kernel_text.h, call.c. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/kernel_text.h"

extern const char complex_functions[]; /* complex_functions.h */

const char *gpu_refuses_kernel(const gpu_backend *b, const kernel *k) {
  const gpu_features f = gpu_common_features(b);
  const char *why = NULL;
  for (int i = 0; i < k->n_in && !why; i++) why = gpu_refuses_dtype(&f, (pons_dtype)k->in[i]);
  for (int i = 0; i < k->n_code && !why; i++) why = gpu_refuses_dtype(&f, (pons_dtype)k->code[i].result);
  if (why) return why;
  /* and one for numbers */
  if (k->n_in + k->n_out + 1 > f.max_memories) return "more operands than a kernel of the device takes";
  return NULL;
}

/* Do rows ask for functions that are not in front of every kernel? */
static bool has_complex_rows(const kernel *k) {
  for (int i = 0; i < k->n_code; i++)
    if (k->code[i].operand == PONS_COMPLEX64) return true;
  return false;
}

error *gpu_memory_of_numbers(gpu_call *c, int count, const int64_t *numbers, void **memory) {
  const memory_driver *m = c->backend->memory;
  const size_t bytes = (size_t)count * sizeof *numbers;
  error *why = NULL;
  *memory = m->take(c->index, bytes, &why);
  if (!*memory) return why;
  gpu_memory(c, *memory, false);
  return m->write(c->index, *memory, numbers, bytes);
}

/* ---- programs that are known ---- */

/* What stands for a chain's text: all that it is written from. */
typedef struct chain_key {
  size_t size;
  char bytes[sizeof(kernel) + sizeof(kernel_form) + 8];
} chain_key;

static void add_part(chain_key *key, const void *part, size_t size) {
  memcpy(key->bytes + key->size, part, size);
  key->size += size;
}

static void key_of(chain_key *key, const kernel *k, const kernel_form *f, bool wide) {
  const uint8_t counts[] = {(uint8_t)k->n_in, (uint8_t)k->n_code, (uint8_t)k->n_out, wide};
  key->size = 0;
  add_part(key, counts, sizeof counts);
  add_part(key, f, offsetof(kernel_form, lies) + (size_t)k->n_in);
  add_part(key, k->in, (size_t)k->n_in * sizeof *k->in);
  add_part(key, k->out, (size_t)k->n_out * sizeof *k->out);
  for (int i = 0; i < k->n_code; i++) {
    const instruction *c = &k->code[i];
    const int arity = row_table[c->row].arity;
    add_part(key, c, offsetof(instruction, arg) + (size_t)arity * sizeof *c->arg);
  }
}

/* ---- a launch ---- */

static bool is_narrow(int dtype) { return pons_dtype_size((pons_dtype)dtype) <= 2; }

/* Is all that it computes, casts apart, of two bytes or fewer? */
static bool computes_narrow(const kernel *k) {
  for (int i = 0; i < k->n_code; i++)
    if (k->code[i].row != ROW_cast && !(is_narrow(k->code[i].operand) && is_narrow(k->code[i].result))) return false;
  return true;
}

enum { LAST_GROUP = 1 << 12 }; /* more than a group's elements: those beyond the last one are counted, too */

static error *run_chain(gpu_call *c, const kernel *k, const kernel_form *f) {
  chain_key key;
  key_of(&key, k, f, c->wide);
  c->entry = gpu_known_program(c->backend, c->index, key.bytes, key.size);
  if (c->entry) return gpu_run(c, "", "fused");
  if (has_complex_rows(k)) gpu_add_text(&c->text, complex_functions);
  kernel_text_write(&c->text, k, f);
  error *why = gpu_run(c, "", "fused");
  if (!why) gpu_remember_program(c->backend, c->index, key.bytes, key.size, c->entry);
  return why;
}

static error *launch_chain(gpu_call *c, const kernel *k, const kernel_form *f, kernel_numbers *numbers) {
  if (!f->in_memory) {
    gpu_number_list(c, numbers->n - c->n_numbers, numbers->at + c->n_numbers);
    return run_chain(c, k, f);
  }
  void *memory = NULL;
  memcpy(numbers->at, c->numbers, (size_t)c->n_numbers * sizeof *numbers->at);
  error *why = gpu_memory_of_numbers(c, numbers->n, numbers->at, &memory);
  if (!why) why = run_chain(c, k, f);
  if (memory) c->backend->memory->give(c->index, memory);
  return why;
}

error *gpu_run_kernel(const gpu_backend *b, const kernel *k, const operand *in, const operand *out) {
  if (b->compiles && !b->compiles()) return gpu_interpret(b, k, in, out);
  kernel_numbers numbers;
  const kernel_form f = kernel_form_of(k, in, out, GPU_NUMBERS, &numbers);
  gpu_call c = gpu_call_for(b, out);
  for (int i = 0; i < k->n_out; i++) gpu_written(&c, &out[i]);
  for (int i = 0; i < k->n_in; i++) gpu_read(&c, &in[i]);
  gpu_one_each(&c, numbers.size / f.each);
  if (computes_narrow(k)) c.options = b->narrow_options;
  c.wide |= numbers.size > INT32_MAX - LAST_GROUP;
  return launch_chain(&c, k, &f, &numbers);
}
