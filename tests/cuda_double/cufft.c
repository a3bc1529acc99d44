/* cufft.c: a double of cuFFT (libcufft.so.11): transforms by their definition, queued on the driver's double. Plans that do not fit
   together fail as they do there, the workspace is written over, and C2R destroys its input. Uses cuda/cufft.h for its types, faults.h. */
#include "backends/cuda/cufft.h"
#include "tests/doubles/faults.h"
#include <complex.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

enum { MOST = 256, WORK_BYTES = 96 };
static struct plan {
  bool there, allocates, made;
  int n, type, batch;
  CUstream stream;
  char *work;
} plans[MOST];
static CUresult (*queue)(CUstream, void (*)(void *), const void *context, size_t bytes);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fault(const char *name) {
  pthread_mutex_lock(&lock);
  const int status = fault_of(name);
  pthread_mutex_unlock(&lock);
  return status;
}

static struct plan *plan_of(cufftHandle h) { return h >= 0 && h < MOST && plans[h].there ? &plans[h] : NULL; }

EXPORT cufftResult cufftCreate(cufftHandle *out) {
  const int status = fault("cufftCreate");
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (status || !driver) return status ? status : CUFFT_SETUP_FAILED;
  *(void **)&queue = dlsym(driver, "cuda_double_queue");
  for (*out = 0; *out < MOST && plans[*out].there; (*out)++) {
  }
  if (*out == MOST) return CUFFT_ALLOC_FAILED;
  plans[*out] = (struct plan){.there = true, .allocates = true};
  return CUFFT_SUCCESS;
}

EXPORT cufftResult cufftDestroy(cufftHandle h) {
  if (!plan_of(h)) return CUFFT_INVALID_PLAN;
  plans[h].there = false;
  return CUFFT_SUCCESS;
}

EXPORT cufftResult cufftSetAutoAllocation(cufftHandle h, int allocates) {
  if (!plan_of(h)) return CUFFT_INVALID_PLAN;
  plans[h].allocates = allocates;
  return fault("cufftSetAutoAllocation");
}

EXPORT cufftResult cufftMakePlanMany(cufftHandle h, int rank, int *n, int *in_embed, int in_stride,
                                     int in_distance, int *out_embed, int out_stride, int out_distance,
                                     int type, int batch, size_t *work_bytes) {
  const int status = fault("cufftMakePlanMany");
  struct plan *p = plan_of(h);
  if (status || !p) return status ? status : CUFFT_INVALID_PLAN;
  const int in = type == CUFFT_C2R ? *n / 2 + 1 : *n, out = type == CUFFT_R2C ? *n / 2 + 1 : *n;
  const bool fine = rank == 1 && *n >= 1 && batch >= 1 && in_stride == 1 && out_stride == 1 &&
                    in_distance == in && out_distance == out && *in_embed >= in && *out_embed >= out &&
                    !p->allocates && !p->made &&
                    (type == CUFFT_C2C || type == CUFFT_R2C || type == CUFFT_C2R);
  if (!fine) return CUFFT_INVALID_VALUE;
  p->n = *n, p->type = type, p->batch = batch, p->made = true;
  *work_bytes = WORK_BYTES;
  return CUFFT_SUCCESS;
}

EXPORT cufftResult cufftSetStream(cufftHandle h, CUstream stream) {
  if (!plan_of(h)) return CUFFT_INVALID_PLAN;
  plans[h].stream = stream;
  return fault("cufftSetStream");
}

EXPORT cufftResult cufftSetWorkArea(cufftHandle h, void *work) {
  if (!plan_of(h)) return CUFFT_INVALID_PLAN;
  plans[h].work = work;
  return fault("cufftSetWorkArea");
}

typedef struct job {
  int n, type, batch, direction;
  char *work;
  void *in, *out;
} job;

static double complex signal_at(const job *j, int64_t line, int k) {
  const int half = j->n / 2 + 1;
  if (j->type == CUFFT_R2C) return (double)((const float *)j->in)[line * j->n + k];
  if (j->type == CUFFT_C2C) return ((const float complex *)j->in)[line * j->n + k];
  const float complex *spectrum = (const float complex *)j->in + line * half;
  return k < half ? (double complex)spectrum[k] : conj((double complex)spectrum[j->n - k]);
}

static void run(void *context) {
  const job *j = context;
  const int half = j->n / 2 + 1, count = j->type == CUFFT_R2C ? half : j->n;
  const size_t bytes =
      (size_t)j->batch * (size_t)count * (j->type == CUFFT_C2R ? sizeof(float) : sizeof(float complex));
  char *result = malloc(bytes); /* in place is fine */
  if (!result) abort();
  memset(j->work, 0xff, WORK_BYTES);
  for (int64_t line = 0; line < j->batch; line++) {
    for (int f = 0; f < count; f++) {
      double complex sum = 0;
      for (int k = 0; k < j->n; k++)
        sum += signal_at(j, line, k) *
               cexp(2 * 3.14159265358979323846 * I * j->direction * ((double)f * k / j->n));
      if (j->type == CUFFT_C2R)
        ((float *)result)[line * count + f] = (float)creal(sum);
      else
        ((float complex *)result)[line * count + f] = (float complex)sum;
    }
  }
  if (j->type == CUFFT_C2R) memset(j->in, 0xff, (size_t)j->batch * (size_t)half * sizeof(float complex));
  memcpy(j->out, result, bytes);
  free(result);
}

static cufftResult put(const char *name, cufftHandle h, int type, void *in, void *out, int direction) {
  const int status = fault(name);
  struct plan *p = plan_of(h);
  if (status) return status;
  if (!p || !p->made || p->type != type || !in || !out || (uintptr_t)in % 8 || (uintptr_t)out % 8)
    return CUFFT_INVALID_VALUE;
  if (!p->work) return CUFFT_NO_WORKSPACE;
  const job j = {p->n, type, p->batch, direction, p->work, in, out};
  return queue(p->stream, run, &j, sizeof j) == CUDA_SUCCESS ? CUFFT_SUCCESS : CUFFT_EXEC_FAILED;
}

EXPORT cufftResult cufftExecC2C(cufftHandle h, void *in, void *out, int direction) {
  return put("cufftExecC2C", h, CUFFT_C2C, in, out, direction);
}
EXPORT cufftResult cufftExecR2C(cufftHandle h, void *in, void *out) {
  return put("cufftExecR2C", h, CUFFT_R2C, in, out, CUFFT_FORWARD);
}
EXPORT cufftResult cufftExecC2R(cufftHandle h, void *in, void *out) {
  return put("cufftExecC2R", h, CUFFT_C2R, in, out, CUFFT_INVERSE);
}
