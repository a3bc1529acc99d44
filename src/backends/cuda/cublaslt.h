/* cublaslt.h: what the backend uses of cuBLASLt, by its own names; found at run time (cublaslt.c). Reference: NVIDIA, "cuBLAS",
   chapter on cuBLASLt, versions 11.6 and 12.4. Uses cuda.h, device/. */
#ifndef CUDA_CUBLASLT_H
#define CUDA_CUBLASLT_H
#include "backends/cuda/cuda.h"

typedef int cublasStatus_t;
typedef struct cublasLtContext *cublasLtHandle_t;
typedef struct cublasLtDesc *cublasLtMatmulDesc_t;
typedef struct cublasLtLayout *cublasLtMatrixLayout_t;
typedef struct cublasLtPreference *cublasLtMatmulPreference_t;
typedef struct cublasLtMatmulAlgo_t {
  uint64_t data[8];
} cublasLtMatmulAlgo_t;
typedef struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
} cublasLtMatmulHeuristicResult_t;

enum {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_NOT_SUPPORTED = 15,
  CUDA_R_32F = 0,
  CUDA_R_64F = 1,
  CUDA_R_16F = 2,
  CUDA_R_8I = 3,
  CUDA_C_32F = 4,
  CUDA_R_32I = 10,
  CUDA_R_16BF = 14,
  CUDA_R_8F_E4M3 = 28,
  CUBLAS_COMPUTE_32F = 68,
  CUBLAS_COMPUTE_64F = 70,
  CUBLAS_COMPUTE_32I = 72,
  CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
  CUBLAS_OP_N = 0,
  CUBLAS_OP_T = 1,
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8,
  CUBLASLT_EPILOGUE_RELU = 2,
  CUBLASLT_EPILOGUE_BIAS = 4, /* a vector as long as the result has rows, added to each column */
  CUBLASLT_EPILOGUE_GELU = 32, /* by tanh; each with BIAS: the sum of both numbers */
  CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,
  CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6,
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5, /* B, C and D follow */
};

#define CUBLASLT_ENTRIES(ENTRY)                                                                            \
  ENTRY(cublasLtCreate, (cublasLtHandle_t *))                                                              \
  ENTRY(cublasLtMatmulDescCreate, (cublasLtMatmulDesc_t *, int compute, int scale))                        \
  ENTRY(cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t))                                                 \
  ENTRY(cublasLtMatmulDescSetAttribute, (cublasLtMatmulDesc_t, int attribute, const void *, size_t))       \
  ENTRY(cublasLtMatrixLayoutCreate,                                                                        \
        (cublasLtMatrixLayout_t *, int type, uint64_t rows, uint64_t columns, int64_t step))               \
  ENTRY(cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t))                                             \
  ENTRY(cublasLtMatrixLayoutSetAttribute, (cublasLtMatrixLayout_t, int attribute, const void *, size_t))   \
  ENTRY(cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t *))                                    \
  ENTRY(cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t))                                     \
  ENTRY(cublasLtMatmulPreferenceSetAttribute,                                                              \
        (cublasLtMatmulPreference_t, int attribute, const void *, size_t))                                 \
  ENTRY(cublasLtMatmulAlgoGetHeuristic,                                                                    \
        (cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,       \
         cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t, int wanted,       \
         cublasLtMatmulHeuristicResult_t *, int *found))                                                   \
  ENTRY(cublasLtMatmulAlgoCheck,                                                                           \
        (cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,       \
         cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *,                 \
         cublasLtMatmulHeuristicResult_t *))                                                               \
  ENTRY(cublasLtMatmul,                                                                                    \
        (cublasLtHandle_t, cublasLtMatmulDesc_t, const void *alpha, const void *a, cublasLtMatrixLayout_t, \
         const void *b, cublasLtMatrixLayout_t, const void *beta, const void *c, cublasLtMatrixLayout_t,   \
         void *d, cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *workspace, size_t, CUstream))

typedef struct cublaslt_api {
#define ENTRY(name, parameters) cublasStatus_t(*name) parameters;
  CUBLASLT_ENTRIES(ENTRY)
#undef ENTRY
  size_t (*cublasLtGetVersion)(void);
} cublaslt_api;

/* NULL: there is none, and cublaslt_missing tells why. Looked for at the first call. */
const cublaslt_api *cublaslt(void);
const char *cublaslt_missing(void);
void cublaslt_report(text *json); /* a member of an object */

/* matmul_cublaslt.c: implementations of "Matmul" and "AddMM". */
const char *cublaslt_refuses(const launch *l);
error *cublaslt_matmul(const launch *l);
error *cublaslt_addmm(const launch *l);
/* driver.epilogue of these; what it gives. */
epilogue_run *cublaslt_matmul_epilogue(const launch *l, const epilogue *e);
epilogue_run *cublaslt_addmm_epilogue(const launch *l, const epilogue *e);
error *cublaslt_matmul_with(const launch *l, const epilogue *e);
error *cublaslt_matmul_with_row(const launch *l, const epilogue *e); /* which is added to each of the result's */
error *cublaslt_addmm_with(const launch *l, const epilogue *e);
/* Of int8 or fp8 codes, whose operands lie so and are aligned as the library wants them; and whether the first device has an
   algorithm for it. */
int cublaslt_alignment(pons_dtype codes); /* in bytes */
bool cublaslt_has_algorithm(const launch *l);
/* codes_cublaslt.c: implementations of DEVICE_INT8_MATMUL, DEVICE_FP8_MATMUL and DEVICE_FP8_ADDMM. */
const char *cublaslt_refuses_codes(const launch *l);
error *cublaslt_multiply_codes(const launch *l);
epilogue_run *cublaslt_codes_epilogue(const launch *l, const epilogue *e);

/* ---- tune_cublaslt.c: the lock of the device's products is held ---- */

/* A call to be made with each of the algorithms, on a device that was entered. */
typedef struct cublaslt_trial {
  cuda_device *device;
  const void *problem; /* all that the choice depends on beside device and library */
  size_t problem_bytes;
  const cuda_call *call;
  cublasLtMatmulAlgo_t *algo; /* in the call's context: the one that it is made with */
  const cublasLtMatmulHeuristicResult_t *candidates;
  int n, result; /* which of the call's memories is the result */
  uint64_t result_at; /* where it begins there, and its bytes */
  size_t result_bytes;
} cublaslt_trial;
bool cublaslt_tunes(void); /* is it wanted? */
/* The algorithm kept for the problem, as the file has it. */
bool cublaslt_find_tuned(int index, const void *problem, size_t bytes, cublasLtMatmulAlgo_t *algo);
/* The fastest of the candidates, which is kept; -1: none could be timed. */
int cublaslt_tune(const cublaslt_trial *t);
void cublaslt_report_tuned(text *json, size_t problem_bytes); /* a member of an object */
void cublaslt_report_products(text *json);                    /* the same by who knows the size */
#endif
