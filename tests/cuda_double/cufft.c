/* cufft.c: a double of cuFFT (libcufft.so.11): transforms by their definition, queued on the driver's double, of lines up to LINE
   elements: there is no plan for longer ones. Plans that do not fit together fail as they do there, the workspace is written over, and C2R
   destroys its input. Uses cuda/cufft.h for its types, faults.h. */
#include "backends/cuda/cufft.h"
#include "tests/cuda_double/queue.h"
#include "tests/doubles/faults.h"
#include <complex.h>
#include <math.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

enum { MOST = 256, WORK_BYTES = 96, LINE = 1024 };
static struct plan {
  bool there, allocates, made;
  int rank, n[3], type, batch;
  CUstream stream;
  char *work;
} plans[MOST];
static driver_queue *queue;

static struct plan *plan_of(cufftHandle h) { return h >= 0 && h < MOST && plans[h].there ? &plans[h] : NULL; }

EXPORT cufftResult cufftCreate(cufftHandle *out) {
  const int status = fault_of("cufftCreate");
  queue = find_queue();
  if (status || !queue) return status ? status : CUFFT_SETUP_FAILED;
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
  return fault_of("cufftSetAutoAllocation");
}

EXPORT cufftResult cufftMakePlanMany(cufftHandle h, int rank, int *n, int *in_embed, int in_stride,
                                     int in_distance, int *out_embed, int out_stride, int out_distance,
                                     int type, int batch, size_t *work_bytes) {
  const int status = fault_of("cufftMakePlanMany");
  struct plan *p = plan_of(h);
  if (status || !p) return status ? status : CUFFT_INVALID_PLAN;
  bool fine = rank >= 1 && rank <= 3 && batch >= 1 && in_stride == 1 && out_stride == 1 && !p->allocates &&
              !p->made && (type == CUFFT_C2C || type == CUFFT_R2C || type == CUFFT_C2R);
  int in = 1, out = 1; /* elements of a signal: each axis as long as the memory says */
  for (int d = 0; fine && d < rank; d++) {
    const int half = n[d] / 2 + 1, last = d == rank - 1;
    if (n[d] > LINE) return CUFFT_INVALID_SIZE;
    fine = n[d] >= 1 && in_embed[d] == (last && type == CUFFT_C2R ? half : n[d]) &&
           out_embed[d] == (last && type == CUFFT_R2C ? half : n[d]);
    in *= in_embed[d], out *= out_embed[d];
  }
  if (!fine || in_distance != in || out_distance != out) return CUFFT_INVALID_VALUE;
  p->rank = rank, p->type = type, p->batch = batch, p->made = true;
  memcpy(p->n, n, (size_t)rank * sizeof *n);
  *work_bytes = WORK_BYTES;
  return CUFFT_SUCCESS;
}

EXPORT cufftResult cufftSetStream(cufftHandle h, CUstream stream) {
  if (!plan_of(h)) return CUFFT_INVALID_PLAN;
  plans[h].stream = stream;
  return fault_of("cufftSetStream");
}

EXPORT cufftResult cufftSetWorkArea(cufftHandle h, void *work) {
  if (!plan_of(h)) return CUFFT_INVALID_PLAN;
  plans[h].work = work;
  return fault_of("cufftSetWorkArea");
}

typedef struct job {
  int rank, n[3], type, batch, direction;
  char *work;
  void *in, *out;
} job;

static double complex turn(const job *j, int64_t f, int64_t k, int n) {
  return cexp(2 * 3.14159265358979323846 * I * j->direction * ((double)(f * k) / n));
}

/* Along an axis of length n whose elements lie `step` apart, in place. */
static void along(const job *j, double complex *x, int64_t count, int n, int64_t step) {
  double complex line[LINE];
  for (int64_t at = 0; at < count; at++) {
    if (at / step % n) continue; /* not where a line begins */
    for (int k = 0; k < n; k++) line[k] = x[at + k * step];
    for (int f = 0; f < n; f++) {
      double complex sum = 0;
      for (int k = 0; k < n; k++) sum += line[k] * turn(j, f, k, n);
      x[at + f * step] = sum;
    }
  }
}

/* One signal as complex numbers, in full. What C2R is not given of the last axis follows from the rest: an element is the conjugate
   of the one whose places are all negated. */
static double complex element(const job *j, int64_t signal, int64_t count, int64_t at) {
  if (j->type == CUFFT_R2C) return (double)((const float *)j->in)[signal * count + at];
  if (j->type == CUFFT_C2C) return ((const float complex *)j->in)[signal * count + at];
  const int last = j->n[j->rank - 1], half = last / 2 + 1, k = (int)(at % last);
  int64_t row = 0, rest = at / last, step = 1;
  for (int d = j->rank - 2; d >= 0; d--, step *= j->n[d + 1], rest /= j->n[d + 1])
    row += step * (k < half ? rest % j->n[d] : (j->n[d] - rest % j->n[d]) % j->n[d]);
  const float complex *x = (const float complex *)j->in + signal * (count / last * half);
  return k < half ? (double complex)x[row * half + k] : conj((double complex)x[row * half + last - k]);
}

static void write_signal(const job *j, int64_t signal, int64_t count, const double complex *x) {
  const int last = j->n[j->rank - 1], half = last / 2 + 1;
  for (int64_t at = 0; at < count; at++) {
    if (j->type == CUFFT_C2R)
      ((float *)j->out)[signal * count + at] = (float)creal(x[at]);
    else if (j->type == CUFFT_C2C)
      ((float complex *)j->out)[signal * count + at] = (float complex)x[at];
    else if (at % last < half)
      ((float complex *)j->out)[(signal * (count / last) + at / last) * half + at % last] =
          (float complex)x[at];
  }
}

static void run(void *context) {
  const job *j = context;
  const int last = j->n[j->rank - 1];
  int64_t count = 1;
  for (int d = 0; d < j->rank; d++) count *= j->n[d];
  double complex *x =
      malloc((size_t)(j->batch * count) * sizeof *x); /* in place is fine: all are read first */
  if (!x) abort();
  memset(j->work, 0xff, WORK_BYTES);
  for (int64_t i = 0; i < j->batch * count; i++) x[i] = element(j, i / count, count, i % count);
  for (int64_t signal = 0; signal < j->batch; signal++) {
    int64_t step = 1;
    for (int d = j->rank - 1; d >= 0; step *= j->n[d--]) along(j, x + signal * count, count, j->n[d], step);
  }
  if (j->type == CUFFT_C2R)
    memset(j->in, 0xff, (size_t)(j->batch * (count / last) * (last / 2 + 1)) * sizeof(float complex));
  for (int64_t signal = 0; signal < j->batch; signal++) write_signal(j, signal, count, x + signal * count);
  free(x);
}

static cufftResult put(const char *name, cufftHandle h, int type, void *in, void *out, int direction) {
  const int status = fault_of(name);
  struct plan *p = plan_of(h);
  if (status) return status;
  if (!p || !p->made || p->type != type || !in || !out || (uintptr_t)in % 8 || (uintptr_t)out % 8)
    return CUFFT_INVALID_VALUE;
  if (!p->work) return CUFFT_NO_WORKSPACE;
  job j = {p->rank, {0}, type, p->batch, direction, p->work, in, out};
  memcpy(j.n, p->n, sizeof j.n);
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
