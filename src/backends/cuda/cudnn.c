/* cudnn.c: cuDNN, looked for when a convolution is asked for. Uses cudnn.h, optional.h. */
#include "backends/cuda/cudnn.h"
#include "backends/cuda/optional.h"

static cudnn_api api;
static const char *const symbols[] = {CUDNN_ENTRIES(CUDA_SYMBOL) "cudnnGetVersion", "cudnnGetCudartVersion"};
static size_t version(void) { return api.cudnnGetVersion(); }
/* One made for a newer CUDA than the driver knows can't work. */
static bool fits_driver(void) {
  return api.cudnnGetCudartVersion() / 1000 <= (size_t)cuda_driver_version() / 1000;
}
static cuda_optional library = {.name = "cuDNN",
                                .stem = "libcudnn",
                                .variable = "PONS_CUDNN",
                                .newest = 9,
                                .oldest = 8,
                                .symbols = symbols,
                                .n_symbols = sizeof symbols / sizeof *symbols,
                                .entries = &api,
                                .instead = "products by cuBLASLt and kernels of Pons' own convolve",
                                .package = "nvidia-cudnn-cu12",
                                .version = version,
                                .is_fit = fits_driver};

const cudnn_api *cudnn(void) { return cuda_find_optional(&library) ? &api : NULL; }
void cudnn_report(text *json) { cuda_report_optional(json, &library); }
