/* cusolver.c: cuSOLVER, looked for when a factorization is asked for. Uses cusolver.h. */
#include "backends/cuda/cusolver.h"
#include <pthread.h>

static struct {
  void *library;
  cusolver_api api;
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
  CUSOLVER_ENTRIES(ENTRY)
#undef ENTRY
  return all;
}

static void open_library(void) { found.library = cuda_library_open("PONS_CUSOLVER", "libcusolver", is_fit); }

const cusolver_api *cusolver(void) {
  cuda(); /* says which versions will do */
  pthread_once(&opened, open_library);
  return found.library ? &found.api : NULL;
}

void cusolver_report(text *json) {
  text_add(json, "\"cuSOLVER\": {");
  if (cusolver()) {
    const char *path = library_path(found.library, "cusolverDnCreate");
    text_add(json, "\"path\": ");
    text_add_json(json, path ? path : "unknown");
  } else {
    text_add(json,
             "\"missing\": \"no libcusolver of the driver's version of CUDA or an older one\", "
             "\"instead\": \"the CPU factors matrices\", "
             "\"remedy\": \"pip install nvidia-cusolver-cu12, or the CUDA toolkit; name its folder in "
             "PONS_CUSOLVER\"");
  }
  text_add(json, "}");
}
