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

static error *launch_text(gpu_call *c, kernel_text *f, const kernel *k, const operand *in,
                          const operand *out) {
  error *why = NULL;
  void *memory = NULL;
  for (int i = 0; i < k->n_out; i++) gpu_written(c, &out[i]);
  for (int i = 0; i < k->n_in; i++) gpu_read(c, &in[i]);
  memcpy(f->numbers, c->numbers, (size_t)c->n_numbers * sizeof *f->numbers);
  if (f->n_numbers > GPU_NUMBERS)
    why = gpu_memory_of_numbers(c, f->n_numbers, f->numbers, &memory);
  else
    gpu_number_list(c, f->n_numbers - c->n_numbers, f->numbers + c->n_numbers);
  gpu_one_each(c, f->size);
  text_add(&c->definitions, "%s%s", has_complex_rows(k) ? complex_functions : "", f->text.at);
  c->definitions.failed |= f->text.failed;
  if (!why)
    why = gpu_run(c, "", "fused");
  else
    text_free(&c->definitions);
  if (memory) c->backend->memory->give(c->index, memory);
  return why;
}

error *gpu_run_kernel(const gpu_backend *b, const kernel *k, const operand *in, const operand *out) {
  if (b->compiles && !b->compiles()) return gpu_interpret(b, k, in, out);
  kernel_text *f = mem_alloc(sizeof *f);
  if (!f) return fail_no_memory(b->name);
  kernel_text_write(f, k, in, out, GPU_NUMBERS);
  gpu_call c = gpu_call_for(b, out);
  error *why = f->text.failed ? fail_no_memory(b->name) : launch_text(&c, f, k, in, out);
  text_free(&f->text);
  mem_free(f);
  return why;
}
