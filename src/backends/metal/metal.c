/* metal.c: the driver for Apple's GPUs: what device/ and gpu/ want to know of it. Uses metal.h, gpu/. */
#include "backends/metal/metal.h"

/* A kernel says that its groups have no more threads than this (prologue.h), so that each may have the registers it needs;
   31 arguments, one of which is the numbers. */
enum { MAX_GROUP = 256, MAX_MEMORIES = 30 };

static gpu_features the_features = {.max_group = MAX_GROUP, .max_memories = MAX_MEMORIES};
static pthread_once_t features_known = PTHREAD_ONCE_INIT;
static void learn_features(void) { the_features.local_bytes = metal_card_at(0)->group_memory; }

static const gpu_features *features(int index) {
  (void)index;
  pthread_once(&features_known, learn_features);
  return &the_features;
}

extern const char metal_prologue[];
const gpu_backend gpu_metal = {
    .name = "metal",
    .prologue = metal_prologue,
    .options = "",
    .count = metal_count,
    .features = features,
    .identify = metal_identify,
    .compile = metal_compile,
    .load = metal_load,
    .entry = metal_entry,
    .launch = metal_launch,
    .memory = &metal_memory_driver,
};

#define GPU_OWN_IMPLEMENTATIONS                          \
  {"Matmul", "mps", metal_refuses_matmul, metal_matmul}, \
      {"CustomKernel", "source", metal_refuses_source, metal_source_kernel},
#define GPU_BACKEND gpu_metal
#include "backends/gpu/implementations.h"

/* At the end of a plan, what is still open begins. */
static error *faults(int index) {
  error *why = metal_flush(index);
  return why ? why : gpu_faults(&gpu_metal, index);
}
static bool is_gpu(int index) {
  (void)index;
  return true;
}
static const char *model(int index) { return metal_card_at(index)->name; }

const driver driver_metal = {
    .name = "metal",
    .is_gpu = is_gpu,
    .count = metal_count,
    .model = model,
    .report = metal_report,
    .implementations = gpu_implementations,
    .n_implementations = sizeof gpu_implementations / sizeof *gpu_implementations,
    .epilogue = gpu_epilogue,
    .chained = gpu_chained,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .cannot_hold = GPU_CANNOT_HOLD,
    .lacks = gpu_lacks,
    .memory = &metal_memory_driver,
    .recording = &metal_recordings,
    .faults = faults,
};
