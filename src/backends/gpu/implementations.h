/* implementations.h: kernels.def as a driver's list, `gpu_implementations`, and `gpu_lacks`; its `run_kernel` and
   `refuses_kernel`. Included by the driver's file, which defines GPU_BACKEND, its struct of functions, and may define GPU_OWN_IMPLEMENTATIONS, rows that come
   first. */
#include "backends/gpu/gpu.h"

#define GPU_KERNEL(prim, name, lacks)                                                                \
  static const char *refuses_##name(const launch *l) {                                               \
    const char *why = gpu_refuses_operands(&GPU_BACKEND, l, lacks);                                  \
    return why ? why : gpu_refuses_##name(&GPU_BACKEND, l);                                          \
  }                                                                                                  \
  static error *launch_##name(const launch *l) { return gpu_##name(&GPU_BACKEND, l); }
#include "backends/gpu/kernels.def"
#undef GPU_KERNEL

#ifndef GPU_OWN_IMPLEMENTATIONS
#define GPU_OWN_IMPLEMENTATIONS
#endif
static const implementation gpu_implementations[] = {GPU_OWN_IMPLEMENTATIONS
#define GPU_KERNEL(prim, name, lacks) {#prim, #name, refuses_##name, launch_##name},
#include "backends/gpu/kernels.def"
#undef GPU_KERNEL
};

/* driver.epilogue, of the rows above. */
static inline error *norm_vjp_with(const launch *l, const epilogue *e) { return gpu_norm_vjp_adding(&GPU_BACKEND, l, e->added); }
static inline error *matmul_with(const launch *l, const epilogue *e) { return gpu_matmul_with(&GPU_BACKEND, l, e); }
static inline error *addmm_with(const launch *l, const epilogue *e) { return gpu_addmm_with(&GPU_BACKEND, l, e); }
static inline epilogue_run *gpu_epilogue(const implementation *i, const launch *l, const epilogue *e) {
  if (i->run == launch_matmul) return gpu_has_matmul_epilogue(l, e) ? matmul_with : NULL;
  if (i->run == launch_addmm) return gpu_has_matmul_epilogue(l, e) ? addmm_with : NULL;
  if (i->run == launch_rms_norm_vjp || i->run == launch_layer_norm_vjp) return e->activation || !operand_is_row_major(e->added) ? NULL : norm_vjp_with;
  return NULL;
}

/* driver.chained, of the rows above. */
static inline error *reduce_with(const launch *l, const chains *c, void **kept) { return (void)kept, gpu_reduce_with(&GPU_BACKEND, l, c); }
static inline error *rms_norm_with(const launch *l, const chains *c, void **kept) { return (void)kept, gpu_rms_norm_with(&GPU_BACKEND, l, c); }
static inline error *layer_norm_with(const launch *l, const chains *c, void **kept) { return (void)kept, gpu_layer_norm_with(&GPU_BACKEND, l, c); }
static inline error *softmax_with(const launch *l, const chains *c, void **kept) { return (void)kept, gpu_softmax_with(&GPU_BACKEND, l, c); }
static inline error *log_sum_exp_with(const launch *l, const chains *c, void **kept) { return (void)kept, gpu_log_sum_exp_with(&GPU_BACKEND, l, c); }
static inline error *cross_entropy_with(const launch *l, const chains *c, void **kept) { return (void)kept, gpu_cross_entropy_with(&GPU_BACKEND, l, c); }
static inline chained_run *gpu_chained(const implementation *i, const launch *l, const chains *c) {
  if (i->run == launch_rms_norm) return !c || gpu_norms_with(&GPU_BACKEND, l, c) ? rms_norm_with : NULL;
  if (i->run == launch_layer_norm) return !c || gpu_norms_with(&GPU_BACKEND, l, c) ? layer_norm_with : NULL;
  if (i->run == launch_softmax) return !c || gpu_softmax_takes(&GPU_BACKEND, l, c) ? softmax_with : NULL;
  if (i->run == launch_log_sum_exp) return !c || gpu_log_sum_exp_takes(&GPU_BACKEND, l, c) ? log_sum_exp_with : NULL;
  if (i->run == launch_cross_entropy) return !c || gpu_cross_entropy_takes(&GPU_BACKEND, l, c) ? cross_entropy_with : NULL;
  return i->run == launch_reduce && (!c || gpu_reduces_with(&GPU_BACKEND, l, c)) ? reduce_with : NULL;
}

/* driver.lacks, of the rows above; those of the backend's own take no more. */
static inline unsigned gpu_lacks(const char *primitive) {
#define GPU_KERNEL(prim, name, lacks) \
  if (strcmp(primitive, #prim) == 0) return lacks;
#include "backends/gpu/kernels.def"
#undef GPU_KERNEL
  return 0;
}

static error *run_kernel(const kernel *k, const operand *in, const operand *out) {
  return gpu_run_kernel(&GPU_BACKEND, k, in, out);
}

static const char *refuses_kernel(int index, const kernel *k) {
  (void)index;
  return gpu_refuses_kernel(&GPU_BACKEND, k);
}
