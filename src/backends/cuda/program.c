/* program.c: kernel text to machine code by NVRTC: a cubin for the device's architecture, or PTX, which the driver
   translates, where NVRTC does not know the architecture yet. gpu/ keeps both on disk. Uses cuda.h. */
#include "backends/cuda/program.h"

#define SHARED_OPTIONS "--std=c++14 --device-as-default-execution-space --fmad=false --ftz=false --disable-warnings "
const char cuda_options[] = SHARED_OPTIONS "--prec-div=true --prec-sqrt=true";
const char cuda_narrow_options[] = SHARED_OPTIONS "--prec-div=false --prec-sqrt=false";
enum { MAX_OPTIONS = 16, OPTION_BYTES = 512, OLDEST_ARCH = 70 };
/* What no later device has is compiled for sm_90a, which these devices alone run, by compilers from CUDA 12.0 on. */
enum { ARCH_OF_WARPGROUPS = 90, FIRST_OF_WARPGROUPS = 12000 };

void cuda_identify(int index, text *t) {
  text_add(t, "sm_%d, NVRTC %d, driver %d", cuda_card_at(index)->arch, nvrtc_version(),
           cuda_driver_version());
}

/* ---- the compiler ---- */

static error *nvrtc_fail(const char *call, nvrtcResult status) {
  return fail("cuda", "%s: %s (%d)", call, nvrtc()->nvrtcGetErrorString(status), status);
}

static error *compile_failure(nvrtcProgram p, const char *name, const char *arch, nvrtcResult status) {
  size_t length = 0;
  char *log = NULL;
  if (nvrtc()->nvrtcGetProgramLogSize(p, &length) == NVRTC_SUCCESS && length > 1 &&
      (log = mem_zalloc(length + 1)))
    nvrtc()->nvrtcGetProgramLog(p, log);
  error *why = fail("cuda", "the kernel '%s' does not compile for %s: %s (%d)\n%.4000s", name, arch,
                    nvrtc()->nvrtcGetErrorString(status), status, log ? log : "");
  mem_free(log);
  return why;
}

/* Both are two calls with the same parameters. PTX ends in a zero byte, which is counted. */
static error *take_binary(nvrtcProgram p, bool cubin, gpu_binary *binary) {
  nvrtcResult status =
      cubin ? nvrtc()->nvrtcGetCUBINSize(p, &binary->size) : nvrtc()->nvrtcGetPTXSize(p, &binary->size);
  if (status != NVRTC_SUCCESS) return nvrtc_fail(cubin ? "nvrtcGetCUBINSize" : "nvrtcGetPTXSize", status);
  binary->bytes = mem_alloc(binary->size);
  if (!binary->bytes) return fail_no_memory("cuda");
  status = cubin ? nvrtc()->nvrtcGetCUBIN(p, binary->bytes) : nvrtc()->nvrtcGetPTX(p, binary->bytes);
  return status == NVRTC_SUCCESS ? NULL : nvrtc_fail(cubin ? "nvrtcGetCUBIN" : "nvrtcGetPTX", status);
}

/* Options with spaces between them as a list. */
static int split_options(char *options, const char **out) {
  char *rest = NULL;
  int n = 0;
  for (char *one = strtok_r(options, " ", &rest); one && n < MAX_OPTIONS; one = strtok_r(NULL, " ", &rest))
    out[n++] = one;
  return n;
}

static bool has_warpgroups(int card_arch) {
  return card_arch == ARCH_OF_WARPGROUPS && nvrtc_version() >= FIRST_OF_WARPGROUPS && nvrtc_knows(card_arch);
}

static error *compile_program(nvrtcProgram p, const char *name, const char *all_options, int card_arch,
                              gpu_binary *binary) {
  const bool cubin = card_arch != CUDA_PTX && nvrtc_knows(card_arch);
  const char *options[MAX_OPTIONS + 1];
  char arch[48], copy[OPTION_BYTES];
  snprintf(arch, sizeof arch, "--gpu-architecture=%s_%d%s", cubin ? "sm" : "compute",
           card_arch == CUDA_PTX ? nvrtc_oldest_from(OLDEST_ARCH) : nvrtc_newest_up_to(card_arch),
           has_warpgroups(card_arch) ? "a" : "");
  snprintf(copy, sizeof copy, "%s", all_options);
  const int n = split_options(copy, options);
  options[n] = arch;
  const nvrtcResult status = nvrtc()->nvrtcCompileProgram(p, n + 1, options);
  if (status != NVRTC_SUCCESS) return compile_failure(p, name, arch + strlen("--gpu-architecture="), status);
  return take_binary(p, cubin, binary);
}

/* `arch` may be CUDA_PTX: of the oldest architecture. */
static error *compile_text(const char *name, const char *whole, const char *options, int arch,
                           gpu_binary *binary) {
  nvrtcProgram p = NULL;
  const nvrtcResult status = nvrtc()->nvrtcCreateProgram(&p, whole, name, 0, NULL, NULL);
  if (status != NVRTC_SUCCESS) return nvrtc_fail("nvrtcCreateProgram", status);
  error *why = compile_program(p, name, options, arch, binary);
  nvrtc()->nvrtcDestroyProgram(&p);
  return why;
}

/* PTX says which version of the language it is in, that of the compiler's CUDA. What is asked of the compiler of CUDA 11.7 and 11.8
   uses nothing that 11.6 does not have (ptxas was asked), so that a driver of that takes it. */
static void lower_version(gpu_binary *ptx) {
  static const char directive[] = "\n.version 7.";
  enum { OF_CUDA_11_6 = '6' };
  char *at = strstr(ptx->bytes, directive);
  if (at && at[sizeof directive - 1] > OF_CUDA_11_6 && at[sizeof directive] == '\n') at[sizeof directive - 1] = OF_CUDA_11_6;
}

error *cuda_compile_ahead(const char *name, const char *whole, const char *options, int arch, gpu_binary *binary) {
  if (arch != CUDA_PTX && !nvrtc_knows(arch))
    return fail("cuda", "NVRTC %d.%d does not know sm_%d", nvrtc_version() / 1000, nvrtc_version() % 1000 / 10, arch);
  error *why = compile_text(name, whole, options, arch, binary);
  if (!why && arch == CUDA_PTX) lower_version(binary);
  if (why) mem_free(binary->bytes);
  if (why) *binary = (gpu_binary){0};
  return why;
}

void cuda_identify_ahead(int arch, text *t) {
  if (arch == CUDA_PTX) text_add(t, "PTX, built ahead");
  else text_add(t, "sm_%d, built ahead", arch);
}

/* Machine code of the device's own architecture, that of those before it with the same first digit, which it runs, too, then PTX. */
bool cuda_ahead(int index, int tried, text *identity) {
  const int arch = cuda_card_at(index)->arch, own = arch % 10 + 1;
  if (tried <= own) cuda_identify_ahead(tried < own ? arch - tried : CUDA_PTX, identity);
  return tried <= own;
}

/* What is built ahead is for older devices. */
const char *cuda_refuses_matrix_unit(int shared_bytes) {
  enum { FIRST_ARCH = 80 };
  if (!nvrtc()) return "its kernel is compiled when it is needed, and there is no compiler (NVRTC)";
  for (int i = 0; i < cuda_count(); i++) {
    if (nvrtc_newest_up_to(cuda_card_at(i)->arch) < FIRST_ARCH) return "it is for compute capability 8.0 on";
    if (shared_bytes > cuda_card_at(i)->shared_on_request) return "shared memory is too small";
  }
  return NULL;
}

void cuda_define_half(gpu_call *c, pons_dtype d) { gpu_define_text(c, "HALF", d == PONS_FLOAT16 ? "f16" : "bf16"); }

bool cuda_lines_are_aligned(const operand *x, int axis) {
  const int64_t aligned = GPU_WIDE / (int64_t)pons_dtype_size(x->dtype);
  if (x->shape[axis] % aligned != 0 || (x->strides[axis] != 1 && x->shape[axis] > 1)) return false;
  for (int d = 0; d < x->ndim; d++)
    if (d != axis && x->shape[d] > 1 && x->strides[d] % aligned != 0) return false;
  return true;
}

const char *cuda_refuses_warpgroup(int shared_bytes) {
  const char *why = cuda_refuses_matrix_unit(shared_bytes);
  for (int i = 0; i < cuda_count() && !why; i++)
    if (!has_warpgroups(cuda_card_at(i)->arch)) why = "it is for compute capability 9.0, and NVRTC of CUDA 12.0 on";
  return why;
}

/* ---- modules ---- */

void *cuda_load(int index, const void *bytes, size_t size) {
  (void)size; /* stands in the image */
  error *why = NULL;
  CUmodule module = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) {
    error_release(why);
    return NULL;
  }
  if (cuda()->cuModuleLoadData(&module, bytes) != CUDA_SUCCESS) module = NULL; /* it is compiled anew */
  cuda_leave(d);
  return module;
}

static CUmodule load_new(int index, const char *name, const gpu_binary *binary, error **why) {
  CUmodule module = NULL;
  cuda_device *d = cuda_enter(index, why);
  if (!d) return NULL;
  *why = cuda_check(d, cuda()->cuModuleLoadData(&module, binary->bytes),
                    "cuModuleLoadData(%zu bytes of '%s')", binary->size, name);
  cuda_leave(d);
  return *why ? NULL : module;
}

void *cuda_compile(int index, const char *name, const char *whole, const char *options, gpu_binary *binary,
                   error **why) {
  gpu_binary made = {0};
  if (!nvrtc()) return *why = error_declined(), NULL;
  *why = compile_text(name, whole, options, cuda_card_at(index)->arch, &made);
  CUmodule module = *why ? NULL : load_new(index, name, &made, why);
  if (module && binary)
    *binary = made;
  else
    mem_free(made.bytes);
  return module;
}

void *cuda_entry(int index, void *module, const char *name, error **why) {
  CUfunction entry = NULL;
  cuda_device *d = cuda_enter(index, why);
  if (!d) return NULL;
  *why = cuda_check(d, cuda()->cuModuleGetFunction(&entry, module, name), "cuModuleGetFunction('%s')", name);
  if (*why) cuda()->cuModuleUnload(module);
  cuda_leave(d);
  return *why ? NULL : entry;
}
