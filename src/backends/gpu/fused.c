/* fused.c: launches elementwise kernels, whose text is made for them; where none can be compiled one text runs all of them
   (interpret_gpu.c). And other kernels with one in front of them. Uses kernel_text.h, call.c. */
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
  return m->write(c->index, *memory, 0, numbers, bytes);
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

/* A kernel, and how its text is to be. */
typedef struct formed {
  const kernel *kernel;
  const kernel_form *form;
} formed;

static void write_chain(text *t, const void *from) {
  const formed *f = from;
  if (has_complex_rows(f->kernel)) gpu_add_text(t, complex_functions);
  kernel_text_write(t, f->kernel, f->form);
}

static const kernel_form one_by_one = {.each = 1};

/* Kernels that are parts of another. */
static void write_parts(text *t, const void *from) {
  const gpu_chains *p = from;
  if ((p->front && has_complex_rows(p->front)) || (p->behind && has_complex_rows(p->behind))) gpu_add_text(t, complex_functions);
  if (p->front) kernel_text_write_chain(t, p->front, p->front_form);
  if (p->behind) kernel_text_write_behind(t, p->behind, p->behind_form);
}

static error *run_chain(gpu_call *c, const kernel *k, const kernel_form *f) {
  char key[KERNEL_TEXT_KEY];
  const gpu_own_text own = {write_chain, &(formed){k, f}, key, kernel_text_key(k, f, key)};
  return gpu_run_written(c, "", "fused", &own);
}

error *gpu_run_with_chains(gpu_call *c, const char *text, const char *entry, const gpu_chains *parts) {
  gpu_chains p = *parts;
  if (!p.front && !p.behind) return gpu_run(c, text, entry);
  if (!p.behind_form) p.behind_form = &one_by_one;
  char key[2 + 2 * KERNEL_TEXT_KEY];
  size_t size = 2;
  key[0] = p.front != NULL, key[1] = p.behind != NULL;
  if (p.front) size += kernel_text_key(p.front, p.front_form, key + size);
  if (p.behind) size += kernel_text_key(p.behind, p.behind_form, key + size);
  const gpu_own_text own = {write_parts, &p, key, size};
  return gpu_run_written(c, text, entry, &own);
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
