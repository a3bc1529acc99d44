/* cufft.c: cuFFT, looked for when a transform is asked for. Uses cufft.h. */
#include "backends/cuda/cufft.h"
#include <pthread.h>

static struct {
  void *library;
  cufft_api api;
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
  CUFFT_ENTRIES(ENTRY)
#undef ENTRY
  return all;
}

static void open_library(void) { found.library = cuda_library_open("PONS_CUFFT", "libcufft", is_fit); }

const cufft_api *cufft(void) {
  cuda(); /* says which versions will do */
  pthread_once(&opened, open_library);
  return found.library ? &found.api : NULL;
}

void cufft_report(text *json) {
  text_add(json, "\"cuFFT\": {");
  if (cufft()) {
    const char *path = library_path(found.library, "cufftCreate");
    text_add(json, "\"path\": ");
    text_add_json(json, path ? path : "unknown");
  } else {
    text_add(
        json,
        "\"missing\": \"no libcufft of the driver's version of CUDA or an older one\", "
        "\"instead\": \"a kernel of Pons' own transforms signals\", "
        "\"remedy\": \"pip install nvidia-cufft-cu12, or the CUDA toolkit; name its folder in PONS_CUFFT\"");
  }
  text_add(json, "}");
}
