/* cublaslt.c: a double of cuBLASLt (libcublasLt.so.12): products of matrices, queued on the driver's double. What does not fit
   together, or is not aligned as was said, fails as it does there; codes that don't lie as NVIDIA's documents ask have no algorithm. Uses
   cuda/cublaslt.h for its types,
   doubles/faults.h, doubles/half.h.

       CUBLASLT_DOUBLE_ALGORITHMS=N   of each problem, if so many are asked for; 8
       CUBLASLT_DOUBLE_FASTEST=N      which of them takes the least time; 0, the first that is named. To the clock of the driver's double
       CUBLASLT_DOUBLE_VERSION=N
       "algorithm N" in DOUBLE_FAULTS, and counted */
#include "backends/cuda/cublaslt.h"
#include "tests/cuda_double/queue.h"
#include "tests/doubles/faults.h"
#include "tests/doubles/half.h"
#include <complex.h>
#include <math.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

struct cublasLtContext {
  driver_queue *queue;
  driver_spend *spend;
};
struct cublasLtDesc {
  int compute, scale, turned[2], epilogue;
  const void *bias;
};
struct cublasLtLayout {
  int type, batch;
  int64_t rows, columns, step, batch_step;
};
struct cublasLtPreference {
  uint64_t workspace;
  uint32_t align[4];
};

/* ---- elements ---- */

static bool is_code(int type) { return type == CUDA_R_8I || type == CUDA_R_8F_E4M3; }

static size_t size_of(int type) {
  if (is_code(type)) return 1;
  return type == CUDA_R_64F || type == CUDA_C_32F ? 8 : type == CUDA_R_32F || type == CUDA_R_32I ? 4 : 2;
}

/* 1 bit of sign, 4 of exponent, 3 of fraction; no infinities. */
static double fp8_value(uint8_t code) {
  const int exponent = code >> 3 & 15, fraction = code & 7;
  const double size = (code & 127) == 127 ? (double)NAN : exponent ? ldexp(8 + fraction, exponent - 10) : ldexp(fraction, -9);
  return code >> 7 ? -size : size;
}

static double complex get(int type, const void *all, int64_t at) {
  float f;
  uint32_t bits;
  switch (type) {
    case CUDA_R_64F:
      return ((const double *)all)[at];
    case CUDA_R_32F:
      return ((const float *)all)[at];
    case CUDA_C_32F:
      return ((const float complex *)all)[at];
    case CUDA_R_16F:
      return half_value(((const uint16_t *)all)[at]);
    case CUDA_R_8I:
      return ((const int8_t *)all)[at];
    case CUDA_R_32I:
      return ((const int32_t *)all)[at];
    case CUDA_R_8F_E4M3:
      return fp8_value(((const uint8_t *)all)[at]);
    default:
      bits = (uint32_t)((const uint16_t *)all)[at] << 16;
      memcpy(&f, &bits, sizeof f);
      return f;
  }
}

static void set(int type, void *all, int64_t at, double complex z) {
  const double x = creal(z);
  const float f = (float)x;
  uint32_t bits;
  switch (type) {
    case CUDA_R_64F:
      ((double *)all)[at] = x;
      break;
    case CUDA_R_32F:
      ((float *)all)[at] = f;
      break;
    case CUDA_C_32F:
      ((float complex *)all)[at] = (float complex)z;
      break;
    case CUDA_R_16F:
      ((uint16_t *)all)[at] = half_nearest(x);
      break;
    case CUDA_R_32I:
      ((int32_t *)all)[at] = (int32_t)x;
      break;
    default:
      memcpy(&bits, &f, sizeof bits);
      ((uint16_t *)all)[at] = f != f ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

/* ---- descriptions ---- */

EXPORT long cublaslt_double_count(const char *what) { return calls_of(what); }

EXPORT size_t cublasLtGetVersion(void) { return (size_t)number_of("CUBLASLT_DOUBLE_VERSION", 120400); }

EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t *out) {
  const int status = fault_of("cublasLtCreate");
  if (status) return status;
  *out = calloc(1, sizeof **out);
  if (!*out) return CUBLAS_STATUS_ALLOC_FAILED;
  (*out)->queue = find_queue();
  (*out)->spend = find_spend();
  return (*out)->queue ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, int compute, int scale) {
  const int status = fault_of("cublasLtMatmulDescCreate");
  if (status) return status;
  *out = calloc(1, sizeof **out);
  if (!*out) return CUBLAS_STATUS_ALLOC_FAILED;
  (*out)->compute = compute;
  (*out)->scale = scale;
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  free(desc);
  return CUBLAS_STATUS_SUCCESS;
}

enum { ACTIVATIONS = CUBLASLT_EPILOGUE_RELU | CUBLASLT_EPILOGUE_GELU };

/* "relu" and "gelu" fail as in a library that lacks them. */
static cublasStatus_t set_epilogue(struct cublasLtDesc *desc, int epilogue) {
  const int activation = epilogue & ~CUBLASLT_EPILOGUE_BIAS;
  if (epilogue & ~(ACTIVATIONS | CUBLASLT_EPILOGUE_BIAS) || epilogue == 0 || activation == ACTIVATIONS)
    return CUBLAS_STATUS_INVALID_VALUE;
  desc->epilogue = epilogue;
  const int status = fault_of("epilogue");
  return status ? status : activation ? fault_of(activation == CUBLASLT_EPILOGUE_RELU ? "relu" : "gelu") : status;
}

EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, int attribute,
                                                     const void *value, size_t size) {
  const int which = attribute - CUBLASLT_MATMUL_DESC_TRANSA;
  if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER && size == sizeof desc->bias) {
    memcpy(&desc->bias, value, size);
    return CUBLAS_STATUS_SUCCESS;
  }
  if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE && size == sizeof(int32_t)) {
    int32_t epilogue;
    memcpy(&epilogue, value, size);
    return set_epilogue(desc, epilogue);
  }
  if (which < 0 || which > 1 || size != sizeof(int32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(&desc->turned[which], value, size);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, int type, uint64_t rows,
                                                 uint64_t columns, int64_t step) {
  const int status = fault_of("cublasLtMatrixLayoutCreate");
  if (status || step < (int64_t)rows) return status ? status : CUBLAS_STATUS_INVALID_VALUE;
  if (type == CUDA_R_8F_E4M3 && !number_of("CUDA_DOUBLE_FP8", 1)) return CUBLAS_STATUS_INVALID_VALUE; /* as before CUDA 11.8 */
  *out = calloc(1, sizeof **out);
  if (!*out) return CUBLAS_STATUS_ALLOC_FAILED;
  **out = (struct cublasLtLayout){type, 1, (int64_t)rows, (int64_t)columns, step, 0};
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  free(layout);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, int attribute,
                                                       const void *value, size_t size) {
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && size == sizeof(int32_t))
    memcpy(&layout->batch, value, size);
  else if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && size == sizeof(int64_t))
    memcpy(&layout->batch_step, value, size);
  else
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out) {
  const int status = fault_of("cublasLtMatmulPreferenceCreate");
  if (status) return status;
  *out = calloc(1, sizeof **out);
  return *out ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  free(preference);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                           int attribute, const void *value, size_t size) {
  const int which = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && size == sizeof(uint64_t))
    memcpy(&preference->workspace, value, size);
  else if (which >= 0 && which < 4 && size == sizeof(uint32_t))
    memcpy(&preference->align[which], value, size);
  else
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- products ---- */

typedef struct job {
  struct cublasLtDesc desc;
  struct cublasLtLayout a, b, c, d;
  const void *at_a, *at_b, *at_c;
  void *at_d;
  double complex alpha, beta;
  driver_spend *spend;
  double ms;
} job;

static bool is_half_to_float(const job *j) {
  return (j->a.type == CUDA_R_16F || j->a.type == CUDA_R_16BF) && j->d.type == CUDA_R_32F &&
         j->desc.compute == CUBLAS_COMPUTE_32F && j->desc.scale == CUDA_R_32F;
}

/* int8 as int32, or fp8 as a float of 16 or 32 bits. */
static bool is_code_to_wider(const job *j) {
  if (j->a.type == CUDA_R_8I) return j->d.type == CUDA_R_32I;
  return j->a.type == CUDA_R_8F_E4M3 && (j->d.type == CUDA_R_16F || j->d.type == CUDA_R_16BF || j->d.type == CUDA_R_32F);
}

static bool fit_together(const job *j) {
  const int64_t inner = j->desc.turned[0] ? j->a.rows : j->a.columns;
  return (j->desc.turned[0] ? j->a.columns : j->a.rows) == j->d.rows &&
         (j->desc.turned[1] ? j->b.columns : j->b.rows) == inner &&
         (j->desc.turned[1] ? j->b.rows : j->b.columns) == j->d.columns && j->c.rows == j->d.rows &&
         j->c.columns == j->d.columns && j->a.batch == j->d.batch && j->b.batch == j->d.batch &&
         j->c.batch == j->d.batch && j->a.type == j->b.type && j->c.type == j->d.type &&
         (is_code(j->a.type) ? is_code_to_wider(j) : j->a.type == j->d.type || is_half_to_float(j));
}

/* What NVIDIA's documents ask of products of codes: the device, that a is transposed and b is not, and that sizes and steps suit. */
static bool takes_codes(const job *j, const int *align) {
  const bool whole = j->a.type == CUDA_R_8I;
  const int wanted = whole ? 4 : 16;
  if (!is_code(j->a.type)) return true;
  if (number_of("CUDA_DOUBLE_ARCH", 86) < (whole ? 75 : 89) || !j->desc.turned[0] || j->desc.turned[1]) return false;
  if (j->desc.epilogue && whole) return false;
  for (int i = 0; i < 4; i++)
    if (align[i] % wanted) return false;
  return j->d.rows % wanted == 0 && j->a.rows % wanted == 0 && j->a.step % wanted == 0 && j->b.step % wanted == 0 &&
         j->a.batch_step % wanted == 0 && j->b.batch_step % wanted == 0;
}

static bool computes(const struct cublasLtDesc *desc, int type) {
  if (type == CUDA_R_32I) return desc->compute == CUBLAS_COMPUTE_32I && desc->scale == CUDA_R_32I;
  if (desc->epilogue && (type == CUDA_R_64F || type == CUDA_C_32F)) return false;
  if (type == CUDA_R_64F) return desc->compute == CUBLAS_COMPUTE_64F && desc->scale == CUDA_R_64F;
  const bool fast =
      desc->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && (type == CUDA_R_32F || type == CUDA_C_32F);
  return (desc->compute == CUBLAS_COMPUTE_32F || fast) &&
         desc->scale == (type == CUDA_C_32F ? CUDA_C_32F : CUDA_R_32F);
}

/* Hands NaN on, as the library does. */
static double activated(int epilogue, double x) {
  if (epilogue & CUBLASLT_EPILOGUE_RELU) return x < 0 ? 0 : x;
  if (epilogue & CUBLASLT_EPILOGUE_GELU) return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
  return x;
}

static double complex element(const job *j, int64_t batch, int64_t row, int64_t column) {
  const int64_t inner = j->desc.turned[0] ? j->a.rows : j->a.columns;
  const int64_t c_at = batch * j->c.batch_step + row + column * j->c.step;
  double complex sum = 0;
  for (int64_t k = 0; k < inner; k++) {
    const int64_t a_at = j->desc.turned[0] ? k + row * j->a.step : row + k * j->a.step;
    const int64_t b_at = j->desc.turned[1] ? column + k * j->b.step : k + column * j->b.step;
    sum += get(j->a.type, j->at_a, batch * j->a.batch_step + a_at) *
           get(j->b.type, j->at_b, batch * j->b.batch_step + b_at);
  }
  sum = j->beta == 0 ? j->alpha * sum : j->alpha * sum + j->beta * get(j->c.type, j->at_c, c_at);
  if (j->desc.epilogue & CUBLASLT_EPILOGUE_BIAS) sum += get(j->d.type, j->desc.bias, row);
  return j->desc.epilogue & ACTIVATIONS ? activated(j->desc.epilogue, creal(sum)) : sum;
}

static void run(void *context) {
  job *j = context;
  j->spend(j->ms);
  for (int64_t batch = 0; batch < j->d.batch; batch++)
    for (int64_t column = 0; column < j->d.columns; column++)
      for (int64_t row = 0; row < j->d.rows; row++)
        set(j->d.type, j->at_d, batch * j->d.batch_step + row + column * j->d.step,
            element(j, batch, row, column));
}

/* An algorithm is the alignment it needs, and its number. */
enum { NUMBER = 4, WORKSPACE, MOST_ALGORITHMS = 8 };
static long algorithms(void) { return number_of("CUBLASLT_DOUBLE_ALGORITHMS", MOST_ALGORITHMS); }

static double ms_of(uint64_t number) { return (long)number == number_of("CUBLASLT_DOUBLE_FASTEST", 0) ? 0.001 : 0.002 + 0.0001 * (double)number; }

static int fault_of_algorithm(uint64_t number) {
  static const char *const names[MOST_ALGORITHMS] = {"algorithm 0", "algorithm 1", "algorithm 2", "algorithm 3",
                                                     "algorithm 4", "algorithm 5", "algorithm 6", "algorithm 7"};
  return number < MOST_ALGORITHMS ? fault_of(names[number]) : CUBLAS_STATUS_INVALID_VALUE;
}

EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preference, int wanted,
                                                     cublasLtMatmulHeuristicResult_t *results, int *found) {
  const int status = fault_of("cublasLtMatmulAlgoGetHeuristic");
  const job j = {.desc = *desc, .a = *a, .b = *b, .c = *c, .d = *d};
  if (status) return status;
  if (!handle || wanted < 1 || !fit_together(&j)) return CUBLAS_STATUS_INVALID_VALUE;
  const int align[] = {(int)preference->align[0], (int)preference->align[1], (int)preference->align[2], (int)preference->align[3]};
  *found = 0;
  if (!computes(desc, d->type) || !takes_codes(&j, align)) return CUBLAS_STATUS_NOT_SUPPORTED;
  for (; *found < wanted && *found < algorithms(); ++*found) {
    cublasLtMatmulHeuristicResult_t *r = &results[*found];
    memset(r, 0, sizeof *r);
    for (int i = 0; i < 4; i++) r->algo.data[i] = preference->align[i];
    r->algo.data[NUMBER] = (uint64_t)*found;
    r->workspaceSize = r->algo.data[WORKSPACE] = preference->workspace;
  }
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result) {
  const int status = fault_of("cublasLtMatmulAlgoCheck");
  const job j = {.desc = *desc, .a = *a, .b = *b, .c = *c, .d = *d};
  const int align[] = {(int)algo->data[0], (int)algo->data[1], (int)algo->data[2], (int)algo->data[3]};
  if (status) return status;
  if (!handle || !fit_together(&j) || algo->data[NUMBER] >= (uint64_t)algorithms()) return CUBLAS_STATUS_INVALID_VALUE;
  if (!computes(desc, d->type) || !takes_codes(&j, align)) return CUBLAS_STATUS_NOT_SUPPORTED;
  memset(result, 0, sizeof *result);
  result->algo = *algo;
  result->workspaceSize = algo->data[WORKSPACE];
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                                     const void *a, cublasLtMatrixLayout_t layout_a, const void *b,
                                     cublasLtMatrixLayout_t layout_b, const void *beta, const void *c,
                                     cublasLtMatrixLayout_t layout_c, void *d,
                                     cublasLtMatrixLayout_t layout_d, const cublasLtMatmulAlgo_t *algo,
                                     void *workspace, size_t workspace_bytes, CUstream stream) {
  const void *const at[] = {a, b, c, d};
  const int all = fault_of("cublasLtMatmul"), status = all ? all : fault_of_algorithm(algo->data[NUMBER]);
  if (status) return status;
  if (is_code(layout_a->type)) fault_of(layout_a->type == CUDA_R_8I ? "int8 product" : "fp8 product"); /* to be counted */
  for (int i = 0; i < 4; i++)
    if (!algo->data[i] || (uintptr_t)at[i] % algo->data[i]) return CUBLAS_STATUS_INVALID_VALUE;
  if (desc->epilogue & CUBLASLT_EPILOGUE_BIAS && (!desc->bias || (uintptr_t)desc->bias % 16))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace_bytes && !workspace) return CUBLAS_STATUS_INVALID_VALUE;
  const job j = {*desc,
                 *layout_a,
                 *layout_b,
                 *layout_c,
                 *layout_d,
                 a,
                 b,
                 c,
                 d,
                 get(desc->scale, alpha, 0),
                 get(desc->scale, beta, 0),
                 handle->spend,
                 ms_of(algo->data[NUMBER])};
  if (!fit_together(&j) || !computes(desc, layout_d->type) || size_of(layout_d->type) == 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  return handle->queue(stream, run, &j, sizeof j) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS
                                                                  : CUBLAS_STATUS_EXECUTION_FAILED;
}
