/* custom_cuda.c: launches kernels of the user's own that are in Metal's language. Uses program.h, gpu/, metal/. */
#include "backends/cuda/metal/metal.h"
#include "backends/cuda/program.h"

extern const char metal_on_cuda[]; /* the texts of metal/ */

/* Of MLX's math modes. Products are contracted into sums, as nvcc and Metal's compiler do. */
static const char plain[] = "--std=c++17 --device-as-default-execution-space --disable-warnings",
                  fast[] =
                      "--std=c++17 --device-as-default-execution-space --disable-warnings --use_fast_math";
enum { MATH_FAST = 2 };

const char *cuda_refuses_metal(const launch *l) {
  return custom_kernel_language(l->params) == LANGUAGE_METAL ? NULL : "it is not in Metal's language";
}

error *cuda_metal_kernel(const launch *l) {
  const custom_kernel_params *p = l->params;
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
  text translated = {0};
  error *why = metal_translate(p, &a, &translated);
  const gpu_custom_text t = {.prologue = metal_on_cuda,
                             .options = p->math_mode == MATH_FAST ? fast : plain,
                             .entry = p->name.at,
                             .text = translated.at,
                             .narrow_shapes = true};
  if (!why) why = gpu_custom_launch(&gpu_cuda, l, &t);
  text_free(&translated);
  return why;
}
