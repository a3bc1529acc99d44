/* cublaslt.c: cuBLASLt, looked for when a product is asked for. It is large: what does not multiply does not load
   it. Uses cublaslt.h. */
#include "backends/cuda/cublaslt.h"
#include <pthread.h>

static struct {
  void *library;
  cublaslt_api api;
} found;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static bool is_fit(void *library, const char *path) {
  (void)path;
  bool all = true;
#define ENTRY(name, parameters)                        \
  {                                                    \
    void *address = library_symbol(library, #name);    \
    memcpy(&found.api.name, &address, sizeof address); \
    all &= address != NULL;                            \
  }
  CUBLASLT_ENTRIES(ENTRY)
#undef ENTRY
  void *version = library_symbol(library, "cublasLtGetVersion");
  memcpy(&found.api.cublasLtGetVersion, &version, sizeof version);
  return all && version;
}

static void open_library(void) { found.library = cuda_library_open("PONS_CUBLASLT", "libcublasLt", is_fit); }

const cublaslt_api *cublaslt(void) {
  cuda(); /* says which versions will do */
  pthread_once(&opened, open_library);
  return found.library ? &found.api : NULL;
}

const char *cublaslt_missing(void) { return cublaslt() ? NULL : "no cuBLASLt was found"; }

void cublaslt_report(text *json) {
  text_add(json, "\"cuBLASLt\": {");
  if (cublaslt()) {
    const char *path = library_path(found.library, "cublasLtMatmul");
    text_add(json, "\"version\": %zu, \"path\": ", found.api.cublasLtGetVersion());
    text_add_json(json, path ? path : "unknown");
  } else {
    text_add(json, "\"missing\": \"no libcublasLt of the driver's version of CUDA or an older one\", "
                   "\"instead\": \"other kernels or the CPU multiply matrices\", "
                   "\"remedy\": \"pip install nvidia-cublas-cu12, or the CUDA toolkit; name its folder in PONS_CUBLASLT\"");
  }
  text_add(json, "}");
}
