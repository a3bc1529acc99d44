/* cusolver.h: what the backend uses of cuSOLVER, by its own names; found at run time (cusolver.c). The interface of 64-bit sizes, which
   takes the dtype as an argument; matrices lie in columns. Reference: NVIDIA, "cuSOLVER", versions 11.6 and 12.4. Uses api.h,
   device/. */
#ifndef CUDA_CUSOLVER_H
#define CUDA_CUSOLVER_H
#include "backends/cuda/api.h"
#include "device/device.h"

typedef int cusolverStatus_t;
typedef struct cusolverDnContext *cusolverDnHandle_t;
typedef struct cusolverDnParams *cusolverDnParams_t;

enum {
  CUSOLVER_STATUS_SUCCESS = 0,
  CUSOLVER_STATUS_NOT_INITIALIZED = 1,
  CUSOLVER_STATUS_ALLOC_FAILED = 2,
  CUSOLVER_STATUS_INVALID_VALUE = 3,
  CUSOLVER_STATUS_EXECUTION_FAILED = 6,
  CUSOLVER_LOWER = 0,
  CUSOLVER_UPPER = 1,
  CUSOLVER_EIG_MODE_NOVECTOR = 0,
  CUSOLVER_EIG_MODE_VECTOR = 1,
};

/* A: matrix of dtype and leading dimension. The workspaces' sizes are in bytes, those of orgqr in elements. */
#define CUSOLVER_A int64_t n, int type, void *a, int64_t lda
#define CUSOLVER_ROOM int compute, size_t *device_bytes, size_t *host_bytes
#define CUSOLVER_WORK int compute, void *device_work, size_t device_bytes, void *host_work, size_t host_bytes, int *info
#define CUSOLVER_START cusolverDnHandle_t, cusolverDnParams_t
#define CUSOLVER_ORGQR (cusolverDnHandle_t, int m, int n, int k, void *a, int lda, const void *tau, void *work, int size, int *info)
#define CUSOLVER_ORGQR_ROOM (cusolverDnHandle_t, int m, int n, int k, const void *a, int lda, const void *tau, int *size)
#define CUSOLVER_ENTRIES(ENTRY)                                                                                      \
  ENTRY(cusolverDnCreate, (cusolverDnHandle_t *))                                                                    \
  ENTRY(cusolverDnSetStream, (cusolverDnHandle_t, CUstream))                                                         \
  ENTRY(cusolverDnCreateParams, (cusolverDnParams_t *))                                                              \
  ENTRY(cusolverDnXpotrf_bufferSize, (CUSOLVER_START, int uplo, CUSOLVER_A, CUSOLVER_ROOM))                          \
  ENTRY(cusolverDnXpotrf, (CUSOLVER_START, int uplo, CUSOLVER_A, CUSOLVER_WORK))                                     \
  ENTRY(cusolverDnXgetrf_bufferSize, (CUSOLVER_START, int64_t m, CUSOLVER_A, CUSOLVER_ROOM))                         \
  ENTRY(cusolverDnXgetrf, (CUSOLVER_START, int64_t m, CUSOLVER_A, int64_t *pivots, CUSOLVER_WORK))                   \
  ENTRY(cusolverDnXgetrs, (CUSOLVER_START, int turned, int64_t n, int64_t columns, int type, const void *a, int64_t lda, \
                           const int64_t *pivots, int type_b, void *b, int64_t ldb, int *info))                      \
  ENTRY(cusolverDnXgeqrf_bufferSize,                                                                                 \
        (CUSOLVER_START, int64_t m, CUSOLVER_A, int type_tau, void *tau, CUSOLVER_ROOM))                             \
  ENTRY(cusolverDnXgeqrf, (CUSOLVER_START, int64_t m, CUSOLVER_A, int type_tau, void *tau, CUSOLVER_WORK))           \
  ENTRY(cusolverDnXsyevd_bufferSize,                                                                                 \
        (CUSOLVER_START, int mode, int uplo, CUSOLVER_A, int type_w, void *w, CUSOLVER_ROOM))                        \
  ENTRY(cusolverDnXsyevd, (CUSOLVER_START, int mode, int uplo, CUSOLVER_A, int type_w, void *w, CUSOLVER_WORK))      \
  ENTRY(cusolverDnXgesvd_bufferSize,                                                                                 \
        (CUSOLVER_START, signed char job_u, signed char job_vt, int64_t m, CUSOLVER_A, int type_s, void *s, int type_u, \
         void *u, int64_t ldu, int type_vt, void *vt, int64_t ldvt, CUSOLVER_ROOM))                                  \
  ENTRY(cusolverDnXgesvd, (CUSOLVER_START, signed char job_u, signed char job_vt, int64_t m, CUSOLVER_A, int type_s, \
                           void *s, int type_u, void *u, int64_t ldu, int type_vt, void *vt, int64_t ldvt, CUSOLVER_WORK)) \
  ENTRY(cusolverDnSorgqr_bufferSize, CUSOLVER_ORGQR_ROOM)                                                            \
  ENTRY(cusolverDnDorgqr_bufferSize, CUSOLVER_ORGQR_ROOM)                                                            \
  ENTRY(cusolverDnCungqr_bufferSize, CUSOLVER_ORGQR_ROOM)                                                            \
  ENTRY(cusolverDnSorgqr, CUSOLVER_ORGQR)                                                                            \
  ENTRY(cusolverDnDorgqr, CUSOLVER_ORGQR)                                                                            \
  ENTRY(cusolverDnCungqr, CUSOLVER_ORGQR)

typedef struct cusolver_api {
#define ENTRY(name, parameters) cusolverStatus_t(*name) parameters;
  CUSOLVER_ENTRIES(ENTRY)
#undef ENTRY
} cusolver_api;

/* NULL: there is none. Looked for at the first call. */
const cusolver_api *cusolver(void);
void cusolver_report(text *json); /* a member of an object */

/* factor_cusolver.c: implementations of "Cholesky", "LUF", "Inverse", "QRF", "Eigh", "SVD". */
const char *cusolver_refuses(const launch *l);
error *cusolver_cholesky(const launch *l);
error *cusolver_lu(const launch *l);
error *cusolver_inverse(const launch *l);
error *cusolver_qr(const launch *l);
error *cusolver_eigh(const launch *l);
error *cusolver_svd(const launch *l);
#endif
