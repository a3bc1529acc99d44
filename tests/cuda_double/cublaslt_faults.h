/* cublaslt_faults.h: each call to cuBLASLt that a product needs fails once, with status 13, while a case runs. Uses process.h. */
#ifndef CUDA_DOUBLE_CUBLASLT_FAULTS_H
#define CUDA_DOUBLE_CUBLASLT_FAULTS_H
#include "tests/cuda_double/process.h"

static inline void passes_whichever_call_fails(void (*f)(void)) {
  static const char *const calls[] = {"cublasLtCreate",
                                      "cublasLtMatmulDescCreate",
                                      "cublasLtMatrixLayoutCreate",
                                      "cublasLtMatmulPreferenceCreate",
                                      "cublasLtMatmulAlgoGetHeuristic",
                                      "cublasLtMatmul"};
  char settings[128];
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:1=13", calls[i]);
    passes(f, settings);
  }
}
#endif
