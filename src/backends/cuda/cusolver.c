/* cusolver.c: cuSOLVER, looked for when a factorization is asked for. Uses cusolver.h, optional.h. */
#include "backends/cuda/cusolver.h"
#include "backends/cuda/optional.h"

static cusolver_api api;
static const char *const symbols[] = {CUSOLVER_ENTRIES(CUDA_SYMBOL)};
static cuda_optional library = {.name = "cuSOLVER",
                                .stem = "libcusolver",
                                .variable = "PONS_CUSOLVER",
                                .symbols = symbols,
                                .n_symbols = sizeof symbols / sizeof *symbols,
                                .entries = &api,
                                .instead = "the CPU factors matrices",
                                .package = "nvidia-cusolver-cu12"};

const cusolver_api *cusolver(void) { return cuda_find_optional(&library) ? &api : NULL; }
void cusolver_report(text *json) { cuda_report_optional(json, &library); }
