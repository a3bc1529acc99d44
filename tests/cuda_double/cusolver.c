/* cusolver.c: a double of cuSOLVER (libcusolver.so.11), on LAPACK, queued on the driver's double. What does not fit together fails as it
   does there; workspaces must be as large as was said, and are written over. Uses cuda/cusolver.h for its types, faults.h. */
#include "backends/cuda/cublaslt.h" /* CUDA_R_32F and the like */
#include "backends/cuda/cusolver.h"
#include "tests/cuda_double/queue.h"
#include "tests/doubles/faults.h"
#include <dlfcn.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

struct cusolverDnContext {
  driver_queue *queue;
  CUstream stream;
};
struct cusolverDnParams {
  int unused;
};

/* ---- LAPACK: "getrf" of a type is [sdc]getrf_ ---- */

static void *lapack;
typedef void function(void);

static function *lapack_function(int type, const char *real, const char *complex) {
  char name[24];
  function *f;
  snprintf(name, sizeof name, "%c%s_",
           type == CUDA_R_32F   ? 's'
           : type == CUDA_R_64F ? 'd'
                                : 'c',
           type == CUDA_C_32F ? complex : real);
  *(void **)&f = dlsym(lapack, name);
  if (!f) fprintf(stderr, "cusolver double: no %s\n", name), abort();
  return f;
}

static bool open_lapack(void) {
  static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "liblapack.so.3"};
  for (int i = 0; i < 3 && !lapack; i++) lapack = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  return lapack != NULL;
}

/* ---- starting ---- */

EXPORT cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t *out) {
  const int status = fault_of("cusolverDnCreate");
  if (status) return status;
  *out = calloc(1, sizeof **out);
  if (!*out || !open_lapack()) return CUSOLVER_STATUS_NOT_INITIALIZED;
  (*out)->queue = find_queue();
  return (*out)->queue ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_NOT_INITIALIZED;
}

EXPORT cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t h, CUstream stream) {
  h->stream = stream;
  return fault_of("cusolverDnSetStream");
}

EXPORT cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t *out) {
  const int status = fault_of("cusolverDnCreateParams");
  if (status) return status;
  *out = calloc(1, sizeof **out);
  return *out ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_ALLOC_FAILED;
}

/* ---- work ---- */

typedef struct job {
  void (*run)(const struct job *);
  int type, uplo, mode;
  signed char what;
  int m, n, k, lda, ldb, ldu, ldvt;
  void *a, *b, *tau, *w, *s, *u, *vt;
  int64_t *pivots;
  int *info;
  void *work;
  size_t bytes;
} job;

static size_t size_of(int type) { return type == CUDA_R_32F ? 4 : 8; }
static int real_of(int type) { return type == CUDA_R_64F ? CUDA_R_64F : CUDA_R_32F; }
static bool is_known(int type) { return type == CUDA_R_32F || type == CUDA_R_64F || type == CUDA_C_32F; }

static void *room(int64_t elements, size_t size) {
  void *memory = calloc((size_t)elements + 1, size);
  if (!memory) abort();
  return memory;
}

static void run_job(void *context) {
  const job *j = context;
  if (j->work) memset(j->work, 0xff, j->bytes);
  j->run(j);
}

enum { HOST_BYTES = 48, DEVICE_BYTES = 80 }; /* more by the size of the matrix */
static size_t device_room(int64_t m, int64_t n) { return DEVICE_BYTES + (size_t)(m + n) * 8; }

static cusolverStatus_t told_room(const char *name, bool fine, int64_t m, int64_t n, size_t *device_bytes,
                                  size_t *host_bytes) {
  const int status = fault_of(name);
  if (status || !fine) return status ? status : CUSOLVER_STATUS_INVALID_VALUE;
  *device_bytes = device_room(m, n);
  *host_bytes = HOST_BYTES;
  return CUSOLVER_STATUS_SUCCESS;
}

static cusolverStatus_t queue(const char *name, cusolverDnHandle_t h, bool fine, const job *j) {
  const int status = fault_of(name);
  if (status) return status;
  if (!fine || !h->stream || !j->info || !is_known(j->type)) return CUSOLVER_STATUS_INVALID_VALUE;
  return h->queue(h->stream, run_job, j, sizeof *j) == CUDA_SUCCESS ? CUSOLVER_STATUS_SUCCESS
                                                                    : CUSOLVER_STATUS_EXECUTION_FAILED;
}

static bool has_work(int64_t m, int64_t n, const void *work, size_t bytes, void *host, size_t host_bytes) {
  if (!work || bytes < device_room(m, n) || !host || host_bytes < HOST_BYTES) return false;
  memset(host, 0xff, host_bytes);
  return true;
}

/* ---- potrf ---- */

static void run_potrf(const job *j) {
  void (*f)(const char *, const int *, void *, const int *, int *, size_t);
  f = (void (*)(const char *, const int *, void *, const int *, int *, size_t))lapack_function(
      j->type, "potrf", "potrf");
  f(j->uplo == CUSOLVER_UPPER ? "U" : "L", &j->n, j->a, &j->lda, j->info, 1);
}

EXPORT cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t h, cusolverDnParams_t p, int uplo,
                                                    CUSOLVER_A, CUSOLVER_ROOM) {
  return told_room("cusolverDnXpotrf_bufferSize",
                   h && p && (uplo == 0 || uplo == 1) && a && lda >= n && compute == type, n, n, device_bytes,
                   host_bytes);
}

EXPORT cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t h, cusolverDnParams_t p, int uplo, CUSOLVER_A,
                                         CUSOLVER_WORK) {
  const job j = {.run = run_potrf,
                 .type = type,
                 .uplo = uplo,
                 .n = (int)n,
                 .lda = (int)lda,
                 .a = a,
                 .info = info,
                 .work = device_work,
                 .bytes = device_bytes};
  return queue(
      "cusolverDnXpotrf", h,
      p && lda >= n && compute == type && has_work(n, n, device_work, device_bytes, host_work, host_bytes),
      &j);
}

/* ---- getrf, getrs ---- */

static void run_getrf(const job *j) {
  void (*f)(const int *, const int *, void *, const int *, int *, int *);
  f = (void (*)(const int *, const int *, void *, const int *, int *, int *))lapack_function(j->type, "getrf",
                                                                                             "getrf");
  const int k = j->m < j->n ? j->m : j->n;
  int *pivots = room(k, sizeof *pivots);
  f(&j->m, &j->n, j->a, &j->lda, pivots, j->info);
  for (int i = 0; i < k; i++) j->pivots[i] = pivots[i];
  free(pivots);
}

EXPORT cusolverStatus_t cusolverDnXgetrf_bufferSize(cusolverDnHandle_t h, cusolverDnParams_t p, int64_t m,
                                                    CUSOLVER_A, CUSOLVER_ROOM) {
  return told_room("cusolverDnXgetrf_bufferSize", h && p && a && lda >= m && compute == type, m, n,
                   device_bytes, host_bytes);
}

EXPORT cusolverStatus_t cusolverDnXgetrf(cusolverDnHandle_t h, cusolverDnParams_t p, int64_t m, CUSOLVER_A,
                                         int64_t *pivots, CUSOLVER_WORK) {
  const job j = {.run = run_getrf,
                 .type = type,
                 .m = (int)m,
                 .n = (int)n,
                 .lda = (int)lda,
                 .a = a,
                 .pivots = pivots,
                 .info = info,
                 .work = device_work,
                 .bytes = device_bytes};
  return queue("cusolverDnXgetrf", h,
               p && pivots && lda >= m && compute == type &&
                   has_work(m, n, device_work, device_bytes, host_work, host_bytes),
               &j);
}

static void run_getrs(const job *j) {
  void (*f)(const char *, const int *, const int *, void *, const int *, const int *, void *, const int *,
            int *, size_t);
  f = (void (*)(const char *, const int *, const int *, void *, const int *, const int *, void *, const int *,
                int *, size_t))lapack_function(j->type, "getrs", "getrs");
  int *pivots = room(j->n, sizeof *pivots);
  for (int i = 0; i < j->n; i++) pivots[i] = (int)j->pivots[i];
  f("N", &j->n, &j->k, j->a, &j->lda, pivots, j->b, &j->ldb, j->info, 1);
  free(pivots);
}

EXPORT cusolverStatus_t cusolverDnXgetrs(cusolverDnHandle_t h, cusolverDnParams_t p, int turned, int64_t n,
                                         int64_t columns, int type, const void *a, int64_t lda,
                                         const int64_t *pivots, int type_b, void *b, int64_t ldb, int *info) {
  const job j = {.run = run_getrs,
                 .type = type,
                 .n = (int)n,
                 .k = (int)columns,
                 .lda = (int)lda,
                 .ldb = (int)ldb,
                 .a = (void *)(uintptr_t)a,
                 .b = b,
                 .pivots = (int64_t *)(uintptr_t)pivots,
                 .info = info};
  return queue("cusolverDnXgetrs", h,
               p && turned == 0 && type == type_b && lda >= n && ldb >= n && b && pivots, &j);
}

/* ---- geqrf, orgqr ---- */

static void run_geqrf(const job *j) {
  void (*f)(const int *, const int *, void *, const int *, void *, void *, const int *, int *);
  f = (void (*)(const int *, const int *, void *, const int *, void *, void *, const int *,
                int *))lapack_function(j->type, "geqrf", "geqrf");
  const int count = 64 * (j->n + 1);
  void *work = room(count, size_of(j->type));
  f(&j->m, &j->n, j->a, &j->lda, j->tau, work, &count, j->info);
  free(work);
}

EXPORT cusolverStatus_t cusolverDnXgeqrf_bufferSize(cusolverDnHandle_t h, cusolverDnParams_t p, int64_t m,
                                                    CUSOLVER_A, int type_tau, void *tau, CUSOLVER_ROOM) {
  return told_room("cusolverDnXgeqrf_bufferSize",
                   h && p && a && tau && lda >= m && compute == type && type_tau == type, m, n, device_bytes,
                   host_bytes);
}

EXPORT cusolverStatus_t cusolverDnXgeqrf(cusolverDnHandle_t h, cusolverDnParams_t p, int64_t m, CUSOLVER_A,
                                         int type_tau, void *tau, CUSOLVER_WORK) {
  const job j = {.run = run_geqrf,
                 .type = type,
                 .m = (int)m,
                 .n = (int)n,
                 .lda = (int)lda,
                 .a = a,
                 .tau = tau,
                 .info = info,
                 .work = device_work,
                 .bytes = device_bytes};
  return queue("cusolverDnXgeqrf", h,
               p && tau && lda >= m && compute == type && type_tau == type &&
                   has_work(m, n, device_work, device_bytes, host_work, host_bytes),
               &j);
}

static void run_orgqr(const job *j) {
  void (*f)(const int *, const int *, const int *, void *, const int *, const void *, void *, const int *,
            int *);
  f = (void (*)(const int *, const int *, const int *, void *, const int *, const void *, void *, const int *,
                int *))lapack_function(j->type, "orgqr", "ungqr");
  const int count = 64 * (j->n + 1);
  void *work = room(count, size_of(j->type));
  f(&j->m, &j->n, &j->k, j->a, &j->lda, j->tau, work, &count, j->info);
  free(work);
}

static cusolverStatus_t orgqr_room(const char *name, cusolverDnHandle_t h, int m, int n, int k, int lda,
                                   int *size) {
  const int status = fault_of(name);
  if (status || !h || n > m || k > n || lda < m) return status ? status : CUSOLVER_STATUS_INVALID_VALUE;
  *size = n + 7;
  return CUSOLVER_STATUS_SUCCESS;
}

#define ORGQR(name, of_type)                                                                                 \
  EXPORT cusolverStatus_t name##_bufferSize(cusolverDnHandle_t h, int m, int n, int k, const void *a,        \
                                            int lda, const void *tau, int *size) {                           \
    return a && tau ? orgqr_room(#name "_bufferSize", h, m, n, k, lda, size)                                 \
                    : CUSOLVER_STATUS_INVALID_VALUE;                                                         \
  }                                                                                                          \
  EXPORT cusolverStatus_t name(cusolverDnHandle_t h, int m, int n, int k, void *a, int lda, const void *tau, \
                               void *work, int size, int *info) {                                            \
    const job j = {.run = run_orgqr,                                                                         \
                   .type = of_type,                                                                          \
                   .m = m,                                                                                   \
                   .n = n,                                                                                   \
                   .k = k,                                                                                   \
                   .lda = lda,                                                                               \
                   .a = a,                                                                                   \
                   .tau = (void *)(uintptr_t)tau,                                                            \
                   .info = info,                                                                             \
                   .work = work,                                                                             \
                   .bytes = (size_t)size * size_of(of_type)};                                                \
    return queue(#name, h, work && size >= n + 7 && n <= m && k <= n && lda >= m, &j);                       \
  }
ORGQR(cusolverDnSorgqr, CUDA_R_32F)
ORGQR(cusolverDnDorgqr, CUDA_R_64F)
ORGQR(cusolverDnCungqr, CUDA_C_32F)

/* ---- syevd ---- */

static void run_syevd(const job *j) {
  const char *mode = j->mode == CUSOLVER_EIG_MODE_VECTOR ? "V" : "N",
             *uplo = j->uplo == CUSOLVER_UPPER ? "U" : "L";
  const int count = 2 * j->n * j->n + 40 * j->n + 40;
  void *work = room(count, size_of(j->type)), *rwork = room(count, size_of(j->type));
  int *iwork = room(count, sizeof *iwork);
  if (j->type == CUDA_C_32F) {
    void (*f)(const char *, const char *, const int *, void *, const int *, void *, void *, const int *,
              void *, const int *, int *, const int *, int *, size_t, size_t);
    f = (void (*)(const char *, const char *, const int *, void *, const int *, void *, void *, const int *,
                  void *, const int *, int *, const int *, int *, size_t,
                  size_t))lapack_function(j->type, "syevd", "heevd");
    f(mode, uplo, &j->n, j->a, &j->lda, j->w, work, &count, rwork, &count, iwork, &count, j->info, 1, 1);
  } else {
    void (*f)(const char *, const char *, const int *, void *, const int *, void *, void *, const int *,
              int *, const int *, int *, size_t, size_t);
    f = (void (*)(const char *, const char *, const int *, void *, const int *, void *, void *, const int *,
                  int *, const int *, int *, size_t, size_t))lapack_function(j->type, "syevd", "heevd");
    f(mode, uplo, &j->n, j->a, &j->lda, j->w, work, &count, iwork, &count, j->info, 1, 1);
  }
  free(work);
  free(rwork);
  free(iwork);
}

EXPORT cusolverStatus_t cusolverDnXsyevd_bufferSize(cusolverDnHandle_t h, cusolverDnParams_t p, int mode,
                                                    int uplo, CUSOLVER_A, int type_w, void *w,
                                                    CUSOLVER_ROOM) {
  return told_room("cusolverDnXsyevd_bufferSize",
                   h && p && a && w && (mode == 0 || mode == 1) && (uplo == 0 || uplo == 1) && lda >= n &&
                       compute == type && type_w == real_of(type),
                   n, n, device_bytes, host_bytes);
}

EXPORT cusolverStatus_t cusolverDnXsyevd(cusolverDnHandle_t h, cusolverDnParams_t p, int mode, int uplo,
                                         CUSOLVER_A, int type_w, void *w, CUSOLVER_WORK) {
  const job j = {.run = run_syevd,
                 .type = type,
                 .uplo = uplo,
                 .mode = mode,
                 .n = (int)n,
                 .lda = (int)lda,
                 .a = a,
                 .w = w,
                 .info = info,
                 .work = device_work,
                 .bytes = device_bytes};
  return queue("cusolverDnXsyevd", h,
               p && w && lda >= n && compute == type && type_w == real_of(type) &&
                   has_work(n, n, device_work, device_bytes, host_work, host_bytes),
               &j);
}

/* ---- gesvd ---- */

static void run_gesvd(const job *j) {
  const char what[2] = {(char)j->what, 0};
  const int count = 8 * (j->m + j->n) + 64 * j->m + 64, one = 1;
  const int ldu = j->what == 'N' ? one : j->ldu, ldvt = j->what == 'N' ? one : j->ldvt;
  void *work = room(count, size_of(j->type)), *rwork = room(count, size_of(j->type));
  if (j->type == CUDA_C_32F) {
    void (*f)(const char *, const char *, const int *, const int *, void *, const int *, void *, void *,
              const int *, void *, const int *, void *, const int *, void *, int *, size_t, size_t);
    f = (void (*)(const char *, const char *, const int *, const int *, void *, const int *, void *, void *,
                  const int *, void *, const int *, void *, const int *, void *, int *, size_t,
                  size_t))lapack_function(j->type, "gesvd", "gesvd");
    f(what, what, &j->m, &j->n, j->a, &j->lda, j->s, j->u, &ldu, j->vt, &ldvt, work, &count, rwork, j->info,
      1, 1);
  } else {
    void (*f)(const char *, const char *, const int *, const int *, void *, const int *, void *, void *,
              const int *, void *, const int *, void *, const int *, int *, size_t, size_t);
    f = (void (*)(const char *, const char *, const int *, const int *, void *, const int *, void *, void *,
                  const int *, void *, const int *, void *, const int *, int *, size_t,
                  size_t))lapack_function(j->type, "gesvd", "gesvd");
    f(what, what, &j->m, &j->n, j->a, &j->lda, j->s, j->u, &ldu, j->vt, &ldvt, work, &count, j->info, 1, 1);
  }
  free(work);
  free(rwork);
}

/* As there: no fewer rows than columns. */
static bool fits_gesvd(signed char job_u, signed char job_vt, int64_t m, int64_t n, int type, int64_t lda,
                       int type_s, int type_u, int64_t ldu, int type_vt, int64_t ldvt) {
  return job_u == job_vt && (job_u == 'A' || job_u == 'N') && m >= n && lda >= m && ldu >= m && ldvt >= n &&
         type_u == type && type_vt == type && type_s == real_of(type);
}

EXPORT cusolverStatus_t cusolverDnXgesvd_bufferSize(cusolverDnHandle_t h, cusolverDnParams_t p,
                                                    signed char job_u, signed char job_vt, int64_t m,
                                                    CUSOLVER_A, int type_s, void *s, int type_u, void *u,
                                                    int64_t ldu, int type_vt, void *vt, int64_t ldvt,
                                                    CUSOLVER_ROOM) {
  const bool fine = h && p && a && s && compute == type && (job_u == 'N' || (u && vt)) &&
                    fits_gesvd(job_u, job_vt, m, n, type, lda, type_s, type_u, ldu, type_vt, ldvt);
  return told_room("cusolverDnXgesvd_bufferSize", fine, m, n, device_bytes, host_bytes);
}

EXPORT cusolverStatus_t cusolverDnXgesvd(cusolverDnHandle_t h, cusolverDnParams_t p, signed char job_u,
                                         signed char job_vt, int64_t m, CUSOLVER_A, int type_s, void *s,
                                         int type_u, void *u, int64_t ldu, int type_vt, void *vt,
                                         int64_t ldvt, CUSOLVER_WORK) {
  const job j = {.run = run_gesvd,
                 .type = type,
                 .what = job_u,
                 .m = (int)m,
                 .n = (int)n,
                 .lda = (int)lda,
                 .ldu = (int)ldu,
                 .ldvt = (int)ldvt,
                 .a = a,
                 .s = s,
                 .u = u,
                 .vt = vt,
                 .info = info,
                 .work = device_work,
                 .bytes = device_bytes};
  const bool fine = p && compute == type &&
                    fits_gesvd(job_u, job_vt, m, n, type, lda, type_s, type_u, ldu, type_vt, ldvt) &&
                    has_work(m, n, device_work, device_bytes, host_work, host_bytes);
  return queue("cusolverDnXgesvd", h, fine, &j);
}
