/* ahead.c: a device that computes nothing: it compiles the kernels that it is asked for to PTX, or to machine code for the architecture
   PONS_CUDA_AHEAD_ARCH (80, 90), and adds them to the archive that PONS_CUDA_AHEAD names, for machines that have a driver but no compiler.
   Present only where that is set, lest somebody takes its results for results; needs no GPU. What an archive at hand (PONS_KERNELS) has
   is not compiled again. Uses program.h, gpu/. */
#include "backends/cuda/program.h"
#include <stdlib.h>

static const char *wanted(void) {
  const char *path = getenv("PONS_CUDA_AHEAD");
  return path && *path ? path : NULL;
}
static int arch(void) {
  const char *number = getenv("PONS_CUDA_AHEAD_ARCH");
  return number ? atoi(number) : CUDA_PTX;
}
static int count(void) { return wanted() && nvrtc_alone(); }

static void report(text *json) {
  text_add(json, count() ? "{\"what\": \"compiles kernels ahead, computes nothing\"}"
                         : "{\"missing\": \"on request alone: it computes nothing; PONS_CUDA_AHEAD names the file it makes\"}");
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
  cuda_identify_ahead(arch(), t);
}

/* One text may have several entries, of which each asks for it. */
static bool is_added(const text *key) {
  static uint64_t *hashes;
  static size_t n, room;
  const uint64_t hash = hash_bytes(key->at, key->length, 3);
  for (size_t i = 0; i < n; i++)
    if (hashes[i] == hash) return true;
  if (mem_room(&hashes, &room, n + 1, sizeof *hashes)) hashes[n++] = hash;
  return false;
}

/* Called by one thread at a time (programs.c). */
static char nothing;
static void *compile(int index, const char *name, const char *whole, const char *options, gpu_binary *binary,
                     error **why) {
  (void)index, (void)binary; /* they are kept together */
  text key = {0};
  gpu_binary made = {0};
  cuda_identify_ahead(arch(), &key);
  gpu_ahead_key(&key, options, whole);
  if (key.failed) *why = fail_no_memory("cuda_ahead");
  if (!*why && !is_added(&key)) {
    if (!gpu_archive_find(&key, &made)) *why = cuda_compile_ahead(name, whole, options, arch(), &made);
    if (!*why) *why = gpu_archive_add(wanted(), &key, &made);
  }
  mem_free(made.bytes);
  text_free(&key);
  return *why ? NULL : &nothing;
}

static void *load(int index, const void *bytes, size_t size) { return (void)index, (void)bytes, (void)size, NULL; }

/* Chains are run as on a device without a compiler. */
static bool compiles(void) { return false; }

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
static error *write_to(int index, void *memory, size_t at, const void *host, size_t bytes) {
  (void)index;
  memcpy((char *)memory + at, host, bytes);
  return NULL;
}
static error *read_from(int index, void *memory, size_t at, void *host, size_t bytes) {
  (void)index;
  memcpy(host, (char *)memory + at, bytes);
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
    .compiles = compiles,
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
    .epilogue = gpu_epilogue,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .memory = &memory,
    .cannot_hold = GPU_CANNOT_HOLD,
    .for_tests = true,
};
