/* cublaslt.c: cuBLASLt, looked for when a product is asked for. Uses cublaslt.h, optional.h. */
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/optional.h"

static cublaslt_api api;
static const char *const symbols[] = {CUBLASLT_ENTRIES(CUDA_SYMBOL) "cublasLtGetVersion"};
static size_t version(void) { return api.cublasLtGetVersion(); }
static cuda_optional library = {.name = "cuBLASLt",
                                .stem = "libcublasLt",
                                .variable = "PONS_CUBLASLT",
                                .symbols = symbols,
                                .n_symbols = sizeof symbols / sizeof *symbols,
                                .entries = &api,
                                .instead = "other kernels or the CPU multiply matrices",
                                .package = "nvidia-cublas-cu12",
                                .version = version};

const cublaslt_api *cublaslt(void) { return cuda_find_optional(&library) ? &api : NULL; }
const char *cublaslt_missing(void) { return cublaslt() ? NULL : "no cuBLASLt was found"; }
void cublaslt_report(text *json) { cuda_report_optional(json, &library); }
