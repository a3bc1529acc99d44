/* precompiled.c: launches kernels of the user's own that are compiled already: PTX, a cubin, or a fatbin with several. The function
   is called as MLX calls it: with the pointers of the inputs, those of the results, then the scalars, each by value.

   A file may hold such a kernel, and the driver is told no size: what does not end where its own tables say is refused, and so is a
   function that takes other arguments, where the driver can say so. Uses program.h, gpu/. */
#include "backends/cuda/program.h"

/* ---- what is handed over is whole ---- */

static uint64_t number_at(const chars *c, uint64_t at, int bytes) {
  uint64_t value = 0;
  if ((uint64_t)bytes <= (uint64_t)c->n && at <= (uint64_t)(c->n - bytes)) memcpy(&value, c->at + at, (size_t)bytes);
  return value;
}

static bool reaches_beyond(const chars *c, uint64_t from, uint64_t bytes) {
  return from > (uint64_t)c->n || bytes > (uint64_t)c->n - from;
}

/* An ELF file of 64 bits: its tables, and what is in its sections and segments. */
static bool is_whole_cubin(const chars *c) {
  enum { HEAD = 64, SEGMENT = 56, SECTION = 64, NOTHING_IN_FILE = 8, OF_64_BITS = 2 };
  if (c->n < HEAD || c->at[4] != OF_64_BITS) return false;
  const uint64_t segments = number_at(c, 32, 8), sections = number_at(c, 40, 8), n_segments = number_at(c, 56, 2),
                 n_sections = number_at(c, 60, 2);
  if ((n_segments && number_at(c, 54, 2) != SEGMENT) || (n_sections && number_at(c, 58, 2) != SECTION)) return false;
  if (reaches_beyond(c, segments, n_segments * SEGMENT) || reaches_beyond(c, sections, n_sections * SECTION)) return false;
  for (uint64_t i = 0; i < n_segments; i++)
    if (reaches_beyond(c, number_at(c, segments + i * SEGMENT + 8, 8), number_at(c, segments + i * SEGMENT + 32, 8))) return false;
  for (uint64_t i = 0; i < n_sections; i++) {
    const uint64_t at = sections + i * SECTION;
    if (number_at(c, at + 4, 4) != NOTHING_IN_FILE && reaches_beyond(c, number_at(c, at + 24, 8), number_at(c, at + 32, 8)))
      return false;
  }
  return true;
}

/* A head with its own size and that of the rest. */
static const uint32_t fatbin_magic = 0xba55ed50u;
static bool is_whole_fatbin(const chars *c) {
  enum { HEAD = 16 };
  const uint64_t head = number_at(c, 6, 2);
  return c->n >= HEAD && head >= HEAD && !reaches_beyond(c, head, number_at(c, 8, 8));
}

/* Text, maybe with the byte that ends it. */
static bool is_whole_ptx(const chars *c) {
  const char *end = memchr(c->at, 0, (size_t)c->n);
  return !end || end == c->at + c->n - 1;
}

static error *check_image(const custom_kernel_params *p) {
  const kernel_language language = custom_kernel_language(p);
  const bool is_fatbin = number_at(&p->source, 0, 4) == fatbin_magic;
  const bool is_whole = language == LANGUAGE_CUBIN ? is_whole_cubin(&p->source)
                        : language == LANGUAGE_PTX ? is_whole_ptx(&p->source)
                                                   : is_fatbin && is_whole_fatbin(&p->source);
  if (is_whole) return NULL;
  if (language == LANGUAGE_COMPILED && !is_fatbin)
    return fail_as(PONS_ERROR_RUNTIME, "custom_kernel", "the %d bytes of '%s' are neither PTX nor a cubin nor a fatbin",
                   p->source.n, p->name.at);
  return fail_as(PONS_ERROR_RUNTIME, "custom_kernel", "the %s of '%s' is not whole: it has %d bytes",
                 is_fatbin ? "fatbin" : language == LANGUAGE_PTX ? "PTX" : "cubin", p->name.at, p->source.n);
}

/* ---- functions, kept as long as the process ---- */

typedef struct loaded {
  struct loaded *next;
  int index;
  uint64_t hash;
  char *name, *bytes; /* with a 0 behind them, as PTX wants it */
  int size;
  CUfunction entry;
} loaded;
enum { PLACES = 64 };
static loaded *all[PLACES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static error *load_image(cuda_device *d, const loaded *k, CUmodule *module) {
  char log[1024] = "";
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)(uintptr_t)sizeof log};
  const CUresult status = cuda()->cuModuleLoadDataEx(module, k->bytes, 2, options, values);
  log[sizeof log - 1] = 0;
  return cuda_check(d, status, "cuModuleLoadDataEx(%d bytes of '%s')%s%s", k->size, k->name, log[0] ? ": " : "", log);
}

static error *open_function(loaded *k) {
  error *why = NULL;
  CUmodule module = NULL;
  cuda_device *d = cuda_enter(k->index, &why);
  if (!d) return why;
  why = load_image(d, k, &module);
  cuda_leave(d);
  if (!why) k->entry = cuda_entry(k->index, module, k->name, &why);
  return why;
}

static void loaded_free(loaded *k) {
  if (k) {
    mem_free(k->name);
    mem_free(k->bytes);
  }
  mem_free(k);
}

static loaded *loaded_new(int index, uint64_t hash, const custom_kernel_params *p, error **why) {
  loaded *k = mem_zalloc(sizeof *k);
  if (k) *k = (loaded){.index = index, .hash = hash, .name = mem_text(p->name.at), .size = p->source.n,
                       .bytes = mem_zalloc((size_t)p->source.n + 1)};
  if (!k || !k->name || !k->bytes) {
    *why = fail_no_memory("custom_kernel");
  } else {
    memcpy(k->bytes, p->source.at, (size_t)p->source.n);
    *why = open_function(k);
  }
  if (!*why) return k;
  loaded_free(k);
  return NULL;
}

static bool is_of(const loaded *k, int index, uint64_t hash, const custom_kernel_params *p) {
  return k->hash == hash && k->index == index && k->size == p->source.n && !strcmp(k->name, p->name.at) &&
         !memcmp(k->bytes, p->source.at, (size_t)k->size);
}

static CUfunction function_of(int index, const custom_kernel_params *p, error **why) {
  const uint64_t hash = hash_bytes(p->source.at, (size_t)p->source.n, (uint64_t)index);
  loaded **place = &all[hash % PLACES];
  pthread_mutex_lock(&lock);
  loaded *k = *place;
  while (k && !is_of(k, index, hash, p)) k = k->next;
  if (!k && !(*why = check_image(p)) && (k = loaded_new(index, hash, p, why)) != NULL) {
    k->next = *place;
    *place = k;
  }
  pthread_mutex_unlock(&lock);
  return k ? k->entry : NULL;
}

/* ---- launching ---- */

/* Does the function take so many arguments, none larger than what it is given? What an older driver does not tell is not asked. */
static error *check_arguments(const custom_kernel_params *p, CUfunction f, int n_pointers, int n_scalars) {
  size_t at = 0, bytes = 0;
  int n = 0;
  if (!cuda()->cuFuncGetParamInfo) return NULL;
  while (cuda()->cuFuncGetParamInfo(f, (size_t)n, &at, &bytes) == CUDA_SUCCESS) {
    const size_t given = n < n_pointers ? sizeof(CUdeviceptr) : sizeof(int32_t);
    if (n < n_pointers ? bytes != given : bytes > given)
      return fail("custom_kernel", "argument %d of '%s' has %zu bytes; it is given %s", n, p->name.at, bytes,
                  n < n_pointers ? "a pointer" : "a scalar of 4");
    n++;
  }
  if (n == n_pointers + n_scalars) return NULL;
  return fail("custom_kernel", "'%s' takes %d arguments; it is given %d: %d pointers and %d scalars", p->name.at, n,
              n_pointers + n_scalars, n_pointers, n_scalars);
}

/* An empty operand has no memory, and no place there. */
static void add_pointer(gpu_launch *l, void **memories, int64_t *numbers, const operand *o, bool written) {
  const location *at = o->data;
  const int i = l->n_memories++;
  l->n_written += written;
  memories[i] = at->memory;
  numbers[i] = at->memory ? at->offset : 0;
}

static error *launch_function(const gpu_backend *b, const launch *l, const operand *in, const void *context) {
  const custom_kernel_params *p = l->params;
  const int index = ((const location *)l->out->data)->device, n_scalars = p->scalar_arguments.n / 2;
  void *memories[GPU_MAX_MEMORIES];
  int64_t numbers[GPU_NUMBERS] = {0}, group[3];
  error *why = NULL;
  (void)context;
  if (!gpu_custom_group(p, group)) return NULL;
  if (l->n_in + l->n_out + n_scalars > GPU_NUMBERS)
    return fail("custom_kernel", "%d arguments; the most are %d", l->n_in + l->n_out + n_scalars, GPU_NUMBERS);
  gpu_launch g = {.entry = function_of(index, p, &why), .memories = memories, .numbers = numbers, .is_plain = true,
                  .n_scalars = n_scalars, .shared_bytes = p->shared_memory};
  if (!why) why = check_arguments(p, g.entry, l->n_in + l->n_out, n_scalars);
  if (why) return why;
  for (int i = 0; i < l->n_out; i++) add_pointer(&g, memories, numbers, &l->out[i], true);
  for (int i = 0; i < l->n_in; i++) add_pointer(&g, memories, numbers, &in[i], false);
  for (int i = 0; i < n_scalars; i++) numbers[g.n_memories + i] = p->scalar_arguments.at[2 * i + 1];
  for (int d = 0; d < 3; d++) {
    g.groups[d] = ceiling(p->grid.at[d], group[d]);
    g.group[d] = (int)group[d];
  }
  return b->launch(index, &g);
}

const char *cuda_refuses_compiled(const launch *l) {
  return ((const custom_kernel_params *)l->params)->is_precompiled ? NULL : "it is not compiled";
}

error *cuda_compiled_kernel(const launch *l) {
  const custom_kernel_params *p = l->params;
  if (!p->name.n) return fail("custom_kernel", "the kernel has no name");
  if (!p->source.n) return fail("custom_kernel", "'%s' has no code", p->name.at);
  return gpu_custom_prepared(&gpu_cuda, l, launch_function, NULL);
}
