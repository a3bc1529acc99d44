/* custom_cuda.c: launches kernels of the user's own that are in Metal's language or in CUDA C++. Uses
   program.h, gpu/, metal/, cxx/. */
#include "backends/cuda/cxx/cuda_text.h"
#include "backends/cuda/metal/metal.h"
#include "backends/cuda/program.h"

extern const char metal_on_cuda[], cuda_kernel_prologue[]; /* the texts of metal/ and cxx/ */

/* Of MLX's math modes. Products are contracted into sums, as nvcc and Metal's compiler do. */
static const char plain[] = "--std=c++17 --device-as-default-execution-space --disable-warnings",
                  fast[] =
                      "--std=c++17 --device-as-default-execution-space --disable-warnings --use_fast_math";
enum { MATH_FAST = 2 };

/* ---- texts that were rewritten, kept as long as the process: to read one takes longer than to launch it ---- */

typedef struct rewritten {
  struct rewritten *next;
  char *key, *text;
} rewritten;
enum { PLACES = 256 };
static rewritten *all[PLACES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* All that the rewritten text depends on. */
static char *key_of(const custom_kernel_params *p, const metal_arguments *a) {
  text key = {0};
  text_add(&key, "%d %d %s", a->n_in, a->n_out, p->name.at);
  for (int i = 0; i < a->n_in; i++) text_add(&key, " %d:%d", a->in_ndim[i], a->in_bytes[i]);
  for (int i = 0; i < a->n_out; i++) text_add(&key, " %d", a->out_bytes[i]);
  for (int i = 0; i < p->shape_infos.n; i++) text_add(&key, " %d", (int)p->shape_infos.at[i]);
  text_add(&key, "\n%s", p->source.at);
  return key.failed ? (text_free(&key), NULL) : text_take(&key);
}

/* The lock is held; the new one owns `key`, even where it fails. */
static rewritten *rewrite(const custom_kernel_params *p, const metal_arguments *a, char *key, error **why) {
  text made = {0};
  rewritten *r = mem_alloc(sizeof *r);
  if (!r)
    *why = fail_no_memory("custom_kernel");
  else if (custom_kernel_language(p) == LANGUAGE_METAL)
    *why = metal_translate(p, a, &made);
  else
    *why = cuda_text(p, a->n_in, a->n_out, a->in_ndim, a->in_bytes, a->out_bytes, &made);
  if (!*why) {
    *r = (rewritten){.key = key, .text = text_take(&made)};
    return r;
  }
  text_free(&made);
  mem_free(r);
  mem_free(key);
  return NULL;
}

static const char *text_for(const custom_kernel_params *p, const metal_arguments *a, error **why) {
  char *key = key_of(p, a);
  if (!key) {
    *why = fail_no_memory("custom_kernel");
    return NULL;
  }
  rewritten **place = &all[hash_bytes(key, strlen(key), 0) % PLACES];
  pthread_mutex_lock(&lock);
  rewritten *r = *place;
  while (r && strcmp(r->key, key) != 0) r = r->next;
  if (r)
    mem_free(key);
  else if ((r = rewrite(p, a, key, why)) != NULL) {
    r->next = *place;
    *place = r;
  }
  pthread_mutex_unlock(&lock);
  return r ? r->text : NULL;
}

/* ---- the implementation ---- */

const char *cuda_refuses_source(const launch *l) {
  const kernel_language language = custom_kernel_language(l->params);
  return language == LANGUAGE_METAL || language == LANGUAGE_CUDA
             ? NULL
             : "it is in neither Metal's language nor CUDA C++";
}

error *cuda_source_kernel(const launch *l) {
  const custom_kernel_params *p = l->params;
  const bool metal = custom_kernel_language(p) == LANGUAGE_METAL;
  if (!p->name.n) return fail("custom_kernel", "the kernel has no name");
  int in_ndim[GPU_MAX_MEMORIES], in_bytes[GPU_MAX_MEMORIES], out_bytes[GPU_MAX_MEMORIES];
  if (l->n_in > GPU_MAX_MEMORIES || l->n_out > GPU_MAX_MEMORIES)
    return fail("custom_kernel", "%d inputs and %d results; the most are %d together", l->n_in, l->n_out,
                GPU_MAX_MEMORIES);
  for (int i = 0; i < l->n_in; i++) {
    in_ndim[i] = l->in[i].ndim;
    in_bytes[i] = (int)pons_dtype_size(l->in[i].dtype);
  }
  for (int i = 0; i < l->n_out; i++) out_bytes[i] = (int)pons_dtype_size(l->out[i].dtype);
  const metal_arguments a = {l->n_in, l->n_out, in_ndim, in_bytes, out_bytes};
  error *why = NULL;
  const gpu_custom_text t = {.prologue = metal ? metal_on_cuda : cuda_kernel_prologue,
                             .options = p->math_mode == MATH_FAST ? fast : plain,
                             .entry = p->name.at,
                             .text = text_for(p, &a, &why),
                             .narrow_shapes = true,
                             .whole_groups = !metal};
  return why ? why : gpu_custom_launch(&gpu_cuda, l, &t);
}
