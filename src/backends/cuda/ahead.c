/* ahead.c: a device that computes nothing: it compiles the kernels that it is asked for to PTX, which programs.c keeps, for machines
   that have a driver but no compiler. Present only where PONS_CUDA_AHEAD is set, lest somebody takes its results for results; needs no
   GPU. Uses program.h, gpu/. */
#include "backends/cuda/program.h"
#include <stdlib.h>

static int count(void) {
  const char *wanted = getenv("PONS_CUDA_AHEAD");
  return wanted && *wanted && strcmp(wanted, "0") != 0 && nvrtc_alone();
}

static void report(text *json) {
  text_add(json, count() ? "{\"what\": \"compiles kernels ahead, computes nothing\"}"
                         : "{\"missing\": \"on request alone: it computes nothing; set PONS_CUDA_AHEAD=1\"}");
}

/* What every device has for which kernels are built ahead. */
static const gpu_features *features(int index) {
  static const gpu_features all = {.float64 = true,
                                   .atomics64 = true,
                                   .max_group = 256,
                                   .local_bytes = 48 << 10,
                                   .max_memories = GPU_MAX_MEMORIES};
  return (void)index, &all;
}

static void identify(int index, text *t) {
  (void)index;
  text_add(t, CUDA_AHEAD_IDENTITY);
}

static char nothing;
static void *compile(int index, const char *name, const char *whole, const char *options, gpu_binary *binary,
                     error **why) {
  (void)index;
  *binary = (gpu_binary){0};
  *why = cuda_compile_ahead(name, whole, options, binary);
  return *why ? NULL : &nothing;
}

static void *load(int index, const void *bytes, size_t size) {
  (void)index;
  return bytes && size ? &nothing : NULL;
}

static void *entry(int index, void *module, const char *name, error **why) {
  (void)index, (void)name, (void)why;
  return module;
}

static error *launch_nothing(int index, const gpu_launch *l) { return (void)index, (void)l, NULL; }

/* ---- memory: the host's ---- */

static void *take(int index, size_t bytes, error **why) {
  (void)index;
  void *memory = mem_zalloc(bytes);
  if (!memory) *why = fail_no_memory("cuda_ahead");
  return memory;
}
static void give(int index, void *memory) {
  (void)index;
  mem_free(memory);
}
static error *write_to(int index, void *memory, const void *host, size_t bytes) {
  (void)index;
  memcpy(memory, host, bytes);
  return NULL;
}
static error *read_from(int index, void *memory, void *host, size_t bytes) {
  (void)index;
  memcpy(host, memory, bytes);
  return NULL;
}

/* ---- the driver ---- */

static const memory_driver memory = {.take = take, .give = give, .write = write_to, .read = read_from};
extern const char cuda_prologue[];
static const gpu_backend gpu_ahead = {
    .name = "cuda_ahead",
    .prologue = cuda_prologue,
    .options = cuda_options,
    .count = count,
    .features = features,
    .identify = identify,
    .compile = compile,
    .load = load,
    .entry = entry,
    .launch = launch_nothing,
    .memory = &memory,
};

#define GPU_BACKEND gpu_ahead
#include "backends/gpu/implementations.h"

const driver driver_cuda_ahead = {
    .name = "cuda_ahead",
    .count = count,
    .report = report,
    .implementations = gpu_implementations,
    .n_implementations = sizeof gpu_implementations / sizeof *gpu_implementations,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .memory = &memory,
    .for_tests = true,
};
