/* nvrtc.c: a double of NVRTC (libnvrtc.so.12), which makes a shared library of a kernel's text.

   The text goes through the preprocessor by itself, which shows the names of its kernels; then shim.h in front of it gives
   what CUDA C has built in, and a line per kernel behind it the function that driver.c calls. What was compiled is kept
   under CUDA_DOUBLE_CACHE. Which architectures it knows, which version it is and what fails, the environment says
   (faults.h). Uses cuda/api.h for its types, image.h, tests/doubles/. */
#include "backends/cuda/api.h"
#include "image.h"
#include "tests/doubles/compiler.h"
#include "tests/doubles/faults.h"
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct nvrtc_program {
  bytes text, image, log;
  char standard[16]; /* "-std=c++17" */
  int arch;
  bool is_ptx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fault(const char *name) {
  pthread_mutex_lock(&lock);
  const int status = fault_of(name);
  pthread_mutex_unlock(&lock);
  return status;
}

static const int archs[] = {50, 60, 70, 75, 80, 86, 89, 90};
static int newest(void) { return (int)number_of("CUDA_DOUBLE_NVRTC_NEWEST", 90); }

/* ---- a program ---- */

/* "CUDA_DOUBLE_ENTRY(name)" for each `__global__ void name(`; bounds of a launch may stand before the name. */
static char *entries_of(const char *text) {
  char *all = calloc(1, strlen(text) + 64);
  if (!all) abort();
  for (const char *at = text; (at = strstr(at, "__global__"));) {
    const char *end = at += strlen("__global__");
    while (*end && *end != '(') end++;
    if (!strncmp(end - 17 > text ? end - 17 : text, "__launch_bounds__", 17)) {
      while (*end && *end != ')') end++;
      while (*end && *end != '(') end++;
    }
    while (end > at && isspace((unsigned char)end[-1])) end--;
    const char *begin = end;
    while (begin > at && (isalnum((unsigned char)begin[-1]) || begin[-1] == '_')) begin--;
    sprintf(all + strlen(all), "\nCUDA_DOUBLE_ENTRY(%.*s)", (int)(end - begin), begin);
  }
  strcat(all, "\n");
  return all;
}

static bool preprocess(nvrtcProgram p, const char *folder, bytes *out) {
  char in[128], to[128], log[128], arch[64];
  snprintf(in, sizeof in, "%s/kernel.cpp", folder);
  snprintf(to, sizeof to, "%s/kernel.i", folder);
  snprintf(log, sizeof log, "%s/log", folder);
  snprintf(arch, sizeof arch, "-D__CUDA_ARCH__=%d0", p->arch);
  print_file(in, "", &p->text, "");
  char *const arguments[] = {DOUBLE_CXX,
                             p->standard,
                             "-E",
                             "-P",
                             "-D__CUDACC__",
                             "-D__CUDACC_RTC__",
                             "-DHAS_MATRIX_UNIT", /* shim.h */
                             "-DWITHOUT_ASSEMBLY",
                             "-D__CUDACC_VER_MAJOR__=12",
                             "-D__CUDACC_VER_MINOR__=4",
                             arch,
                             "-o",
                             to,
                             in,
                             NULL};
  const bool fine = run_program(arguments, log);
  if (fine)
    *out = read_file(to);
  else
    p->log = read_file(log);
  return fine;
}

static bool build_library(nvrtcProgram p, const char *folder, const bytes *text, const char *to) {
  char in[128], log[128];
  snprintf(in, sizeof in, "%s/kernel.cpp", folder);
  snprintf(log, sizeof log, "%s/log", folder);
  char *entries = entries_of(text->at);
  print_file(in, "#include \"" CUDA_DOUBLE_FOLDER "/shim.h\"\n", text, entries);
  free(entries);
  /* clang's extensions are not NVRTC's */
  char *const options[] = {p->standard, "-Wno-everything", "-Werror=c99-extensions", "-Werror=c99-designator", NULL};
  const bool fine = compile_library(options, in, to, log);
  p->log = read_file(log);
  return fine;
}

/* The library of the preprocessed text, which may have been compiled before. {NULL}: it does not compile. */
static bytes library_of(nvrtcProgram p, const char *folder, const bytes *text) {
  static const char *const own[] = {CUDA_DOUBLE_FOLDER "/shim.h", CUDA_DOUBLE_FOLDER "/warpgroup.h", CUDA_DOUBLE_FOLDER "/nvrtc.c", NULL};
  char kept[256] = P_tmpdir "/cuda-double", fresh[280];
  const bool keeps = kept_path("CUDA_DOUBLE_CACHE", own, p->standard, text->at, kept);
  bytes library = keeps ? read_file(kept) : (bytes){0};
  if (library.at) return library;
  fresh_path(kept, fresh);
  if (build_library(p, folder, text, fresh)) library = read_file(fresh);
  if (!library.at || !keeps || rename(fresh, kept) != 0) unlink(fresh);
  return library;
}

static bool build(nvrtcProgram p, const char *folder, const bytes *text) {
  const bytes library = library_of(p, folder, text);
  if (!library.at) return false;
  const image_head head = {IMAGE_MAGIC, library.length, p->arch, p->is_ptx};
  p->image.at = malloc(sizeof head + library.length);
  if (!p->image.at) abort();
  memcpy(p->image.at, library.at, library.length);
  memcpy(p->image.at + library.length, &head, sizeof head);
  p->image.length = sizeof head + library.length;
  free(library.at);
  return true;
}

static nvrtcResult compile(nvrtcProgram p) {
  static const char *const files[] = {"kernel.cpp", "kernel.i", "log"};
  char folder[] = P_tmpdir "/cuda-double-XXXXXX";
  bytes text = {0};
  if (!mkdtemp(folder)) return NVRTC_ERROR_OUT_OF_MEMORY;
  const bool fine = preprocess(p, folder, &text) && build(p, folder, &text);
  free(text.at);
  remove_folder(folder, files, sizeof files / sizeof *files);
  return fine ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

/* ---- the entry points ---- */

EXPORT nvrtcResult nvrtcVersion(int *major, int *minor) {
  const long version = number_of("CUDA_DOUBLE_NVRTC", 12040);
  *major = (int)(version / 1000);
  *minor = (int)(version % 1000 / 10);
  return fault("nvrtcVersion");
}

EXPORT const char *nvrtcGetErrorString(nvrtcResult status) {
  return status == NVRTC_SUCCESS               ? "NVRTC_SUCCESS"
         : status == NVRTC_ERROR_OUT_OF_MEMORY ? "NVRTC_ERROR_OUT_OF_MEMORY"
         : status == NVRTC_ERROR_COMPILATION   ? "NVRTC_ERROR_COMPILATION"
                                               : "NVRTC_ERROR";
}

EXPORT nvrtcResult nvrtcGetNumSupportedArchs(int *n) {
  *n = 0;
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) *n += archs[i] <= newest();
  return fault("nvrtcGetNumSupportedArchs");
}

EXPORT nvrtcResult nvrtcGetSupportedArchs(int *all) {
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
    if (archs[i] <= newest()) *all++ = archs[i];
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcCreateProgram(nvrtcProgram *out, const char *text, const char *name, int n_headers,
                                      const char *const *headers, const char *const *names) {
  (void)name, (void)headers, (void)names;
  const int status = fault("nvrtcCreateProgram");
  if (status || n_headers) return status ? status : NVRTC_ERROR_COMPILATION;
  nvrtcProgram p = calloc(1, sizeof *p);
  if (!p || !(p->text.at = strdup(text))) abort();
  p->text.length = strlen(text);
  *out = p;
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcDestroyProgram(nvrtcProgram *p) {
  free((*p)->text.at);
  free((*p)->image.at);
  free((*p)->log.at);
  free(*p);
  *p = NULL;
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int n, const char *const *options) {
  const int status = fault("nvrtcCompileProgram");
  if (status) return status;
  snprintf(p->standard, sizeof p->standard, "-std=c++17");
  for (int i = 0; i < n; i++) {
    if (strncmp(options[i], "--std=", 6) == 0)
      snprintf(p->standard, sizeof p->standard, "-std=%.10s", options[i] + 6);
    else if (sscanf(options[i], "--gpu-architecture=sm_%d", &p->arch) == 1)
      p->is_ptx = false;
    else if (sscanf(options[i], "--gpu-architecture=compute_%d", &p->arch) == 1)
      p->is_ptx = true;
  }
  if (p->arch == 0 || p->arch > newest()) return NVRTC_ERROR_COMPILATION;
  return compile(p);
}

EXPORT nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *size) {
  *size = p->log.length + 1;
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *log) {
  memcpy(log, p->log.at ? p->log.at : "", p->log.length + 1);
  return NVRTC_SUCCESS;
}

/* A PTX or a cubin is there according to what was compiled for. */
static nvrtcResult size_of(nvrtcProgram p, bool is_ptx, size_t *size) {
  *size = p->image.at && p->is_ptx == is_ptx ? p->image.length : 0;
  return *size ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

EXPORT nvrtcResult nvrtcGetPTXSize(nvrtcProgram p, size_t *size) { return size_of(p, true, size); }
EXPORT nvrtcResult nvrtcGetCUBINSize(nvrtcProgram p, size_t *size) { return size_of(p, false, size); }

EXPORT nvrtcResult nvrtcGetPTX(nvrtcProgram p, char *to) {
  memcpy(to, p->image.at, p->image.length);
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcGetCUBIN(nvrtcProgram p, char *to) {
  memcpy(to, p->image.at, p->image.length);
  return NVRTC_SUCCESS;
}
