/* program.c: kernel text to machine code by NVRTC: a cubin for the device's architecture, or PTX, which the driver
   translates, where NVRTC does not know the architecture yet. gpu/ keeps both on disk. Uses cuda.h. */
#include "backends/cuda/program.h"

extern const char cuda_prologue[]; /* prologue.h, the dialect and the scalar functions */

/* Rounding as written: no products contracted into sums, quotients and roots to the nearest. */
static const char *const language[] = {"--std=c++14",      "--device-as-default-execution-space",
                                       "--fmad=false",     "--prec-div=true",
                                       "--prec-sqrt=true", "--ftz=false", "--disable-warnings"};
enum { N_LANGUAGE = sizeof language / sizeof *language };

void cuda_identify(int index, text *t) {
  text_add(t, "sm_%d, NVRTC %d, driver %d", cuda_card_at(index)->arch, nvrtc_version(),
           cuda_driver_version());
  for (int i = 0; i < N_LANGUAGE; i++) text_add(t, " %s", language[i]);
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

static error *compile_program(nvrtcProgram p, const char *name, int card_arch, gpu_binary *binary) {
  const bool cubin = nvrtc_knows(card_arch);
  const char *options[N_LANGUAGE + 1];
  char arch[48];
  snprintf(arch, sizeof arch, "--gpu-architecture=%s_%d", cubin ? "sm" : "compute",
           nvrtc_newest_up_to(card_arch));
  memcpy(options, language, sizeof language);
  options[N_LANGUAGE] = arch;
  const nvrtcResult status = nvrtc()->nvrtcCompileProgram(p, N_LANGUAGE + 1, options);
  if (status != NVRTC_SUCCESS) return compile_failure(p, name, arch + strlen("--gpu-architecture="), status);
  return take_binary(p, cubin, binary);
}

static error *compile_text(const char *name, const char *body, int arch, gpu_binary *binary) {
  nvrtcProgram p = NULL;
  text whole = {0};
  text_add_bytes(&whole, cuda_prologue, strlen(cuda_prologue));
  text_add_bytes(&whole, body, strlen(body));
  if (whole.failed) {
    text_free(&whole);
    return fail_no_memory("cuda");
  }
  const nvrtcResult status = nvrtc()->nvrtcCreateProgram(&p, whole.at, name, 0, NULL, NULL);
  text_free(&whole);
  if (status != NVRTC_SUCCESS) return nvrtc_fail("nvrtcCreateProgram", status);
  error *why = compile_program(p, name, arch, binary);
  nvrtc()->nvrtcDestroyProgram(&p);
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

void *cuda_compile(int index, const char *name, const char *body, gpu_binary *binary, error **why) {
  *binary = (gpu_binary){0};
  *why = compile_text(name, body, cuda_card_at(index)->arch, binary);
  CUmodule module = *why ? NULL : load_new(index, name, binary, why);
  if (module) return module;
  mem_free(binary->bytes);
  *binary = (gpu_binary){0};
  return NULL;
}

void *cuda_entry(int index, void *module, const char *name, error **why) {
  CUfunction entry = NULL;
  cuda_device *d = cuda_enter(index, why);
  if (!d) return NULL;
  *why = cuda_check(d, cuda()->cuModuleGetFunction(&entry, module, name), "cuModuleGetFunction('%s')", name);
  cuda_leave(d);
  return *why ? NULL : entry;
}
