/* cufft.c: cuFFT, looked for when a transform is asked for. Uses cufft.h, optional.h. */
#include "backends/cuda/cufft.h"
#include "backends/cuda/optional.h"

static cufft_api api;
static const char *const symbols[] = {CUFFT_ENTRIES(CUDA_SYMBOL)};
static cuda_optional library = {.name = "cuFFT",
                                .stem = "libcufft",
                                .variable = "PONS_CUFFT",
                                .symbols = symbols,
                                .n_symbols = sizeof symbols / sizeof *symbols,
                                .entries = &api,
                                .instead = "a kernel of Pons' own transforms signals",
                                .package = "nvidia-cufft-cu12"};

const cufft_api *cufft(void) { return cuda_find_optional(&library) ? &api : NULL; }
void cufft_report(text *json) { cuda_report_optional(json, &library); }
