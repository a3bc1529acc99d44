/* faults.c: what kernels note of indices that point outside, and of triangles that are singular: a memory per device, looked at when
   work is waited for. Plans of several threads on one device share it: a fault is told by the first of them that ends. Uses
   gpu.h. */
#include "backends/gpu/gpu.h"
#include <pthread.h>

enum { FAULT_NUMBERS = 8, MOST = 64 };

static struct faults {
  const gpu_backend *backend;
  int index;
  void *memory;
  bool used; /* since it was looked at */
} all[MOST];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const int64_t none[FAULT_NUMBERS];

/* The lock is held. */
static struct faults *faults_of(const gpu_backend *b, int index) {
  for (int i = 0; i < count; i++)
    if (all[i].backend == b && all[i].index == index) return &all[i];
  return NULL;
}

static struct faults *faults_new(const gpu_backend *b, int index, error **why) {
  if (count == MOST) {
    *why = fail(b->name, "more than %d devices", MOST);
    return NULL;
  }
  void *memory = b->memory->take(index, sizeof none, why);
  if (!memory) return NULL;
  *why = b->memory->write(index, memory, 0, none, sizeof none);
  if (*why) {
    b->memory->give(index, memory);
    return NULL;
  }
  all[count] = (struct faults){b, index, memory, false};
  return &all[count++];
}

int64_t gpu_index_kind(pons_dtype d) {
  const int64_t bytes = (int64_t)pons_dtype_size(d);
  return dtype_kind_of(d) == KIND_SIGNED ? -bytes : bytes;
}

error *gpu_add_faults(gpu_call *c) {
  error *why = NULL;
  pthread_mutex_lock(&lock);
  struct faults *f = faults_of(c->backend, c->index);
  if (!f) f = faults_new(c->backend, c->index, &why);
  if (f) {
    f->used = c->notes_faults = true;
    gpu_memory(c, f->memory, true);
  }
  pthread_mutex_unlock(&lock);
  return why;
}

void gpu_expect_faults(const gpu_backend *b, int index) {
  pthread_mutex_lock(&lock);
  struct faults *f = faults_of(b, index);
  if (f) f->used = true;
  pthread_mutex_unlock(&lock);
}

/* As the CPU says it. */
static error *told_singular(const int64_t *fault) {
  char which[64] = "the matrix";
  if (fault[4] > 1)
    snprintf(which, sizeof which, "matrix %lld of %lld", (long long)fault[3], (long long)fault[4]);
  return fail_as(PONS_ERROR_RUNTIME, "solve_triangular", "%s (%lld by %lld) is singular: element %lld of the diagonal of the triangle is 0",
                 which, (long long)fault[5], (long long)fault[5], (long long)fault[2]);
}

static error *told(const int64_t *fault) {
  if (fault[1] == GPU_OP_SOLVE_TRIANGULAR) return told_singular(fault);
  static const char *const ops[] = {[GPU_OP_TAKE] = "take",
                                    [GPU_OP_SCATTER] = "scatter",
                                    [GPU_OP_TAKE_ALONG_AXIS] = "take_along_axis",
                                    [GPU_OP_PUT_ALONG_AXIS] = "put_along_axis",
                                    [GPU_OP_SCATTER_ADD_AXIS] = "scatter_add_axis",
                                    [GPU_OP_SLICE] = "slice",
                                    [GPU_OP_SLICE_UPDATE] = "slice_update",
                                    [GPU_OP_GATHER_MM] = "gather_mm",
                                    [GPU_OP_GATHER_QMM] = "gather_qmm"};
  char index[32], slice[48] = "";
  if (fault[3])
    snprintf(index, sizeof index, "%lld", (long long)fault[2]);
  else
    snprintf(index, sizeof index, "%llu", (unsigned long long)fault[2]);
  if (fault[6] != 1) snprintf(slice, sizeof slice, ", with slices of %lld,", (long long)fault[6]);
  return fail_as(PONS_ERROR_INDEX, ops[fault[1]], "index %s%s is out of range for axis %d of size %lld",
                 index, slice, (int)fault[4], (long long)fault[5]);
}

error *gpu_faults(const gpu_backend *b, int index) {
  int64_t noted[FAULT_NUMBERS];
  error *why = NULL;
  pthread_mutex_lock(&lock);
  struct faults *f = faults_of(b, index);
  if (f && f->used) {
    f->used = false;
    why = b->memory->read(index, f->memory, 0, noted, sizeof noted);
    if (!why && noted[0]) {
      why = b->memory->write(index, f->memory, 0, none, sizeof none);
      if (!why) why = told(noted);
    }
  }
  pthread_mutex_unlock(&lock);
  return why;
}
