/* nccl.c: NCCL, looked for when processes compute together. It has versions of its own. Uses nccl.h, optional.h. */
#include "backends/cuda/nccl.h"
#include "backends/cuda/optional.h"

static nccl_api api;
static const char *const symbols[] = {NCCL_ENTRIES(CUDA_SYMBOL) "ncclGetErrorString", "ncclGetLastError"};
static size_t version(void) {
  int number = 0;
  return api.ncclGetVersion(&number) == ncclSuccess ? (size_t)number : 0;
}
static cuda_optional library = {.name = "NCCL",
                                .stem = "libnccl",
                                .variable = "PONS_NCCL",
                                .newest = 2,
                                .oldest = 2,
                                .symbols = symbols,
                                .n_symbols = sizeof symbols / sizeof *symbols,
                                .entries = &api,
                                .instead = "processes exchange what GPUs computed by way of the host",
                                .package = "nvidia-nccl-cu12",
                                .version = version};

const nccl_api *nccl(void) { return cuda_find_optional(&library) ? &api : NULL; }
void nccl_report(text *json) { cuda_report_optional(json, &library); }
