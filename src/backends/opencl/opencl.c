/* opencl.c: the driver for OpenCL devices: memory, and fused kernels as programs made at run time.

   Each device has one queue, whose work is done in order; a lock guards it, since the arguments of a kernel belong
   to the kernel. Programs are kept by their text. Uses api.h, gpu/kernel_text.h, device/. */
#include "backends/gpu/kernel_text.h"
#include "backends/opencl/api.h"
#include "device/device.h"
#include <pthread.h>

extern const char opencl_prologue[]; /* prologue.h and the scalar functions */

typedef struct program {
  struct program *next;
  uint64_t hash;
  char *text;
  cl_kernel kernel;
} program;

static struct queue {
  pthread_mutex_t lock;
  cl_context context;
  cl_command_queue queue;
  program *programs;
  error *failed; /* why there is no queue */
  bool opened;
} queues[OPENCL_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < OPENCL_MAX_DEVICES; i++) pthread_mutex_init(&queues[i].lock, NULL);
}

/* ---- the queue ---- */

static error *open_queue(struct queue *q, int index) {
  cl_int status;
  const cl_device_id id = opencl_device_at(index)->id;
  q->context = opencl()->clCreateContext(NULL, 1, &id, NULL, NULL, &status);
  if (!q->context) return opencl_fail("clCreateContext", status);
  q->queue = opencl()->clCreateCommandQueue(q->context, id, 0, &status);
  return q->queue ? NULL : opencl_fail("clCreateCommandQueue", status);
}

/* Locks the device's queue, opened at the first call. NULL, unlocked, and *why if it can't be opened. */
static struct queue *enter(int index, error **why) {
  pthread_once(&locks_made, make_locks);
  struct queue *q = &queues[index];
  pthread_mutex_lock(&q->lock);
  if (!q->opened) {
    q->failed = open_queue(q, index);
    q->opened = true;
  }
  if (!q->failed) return q;
  *why = error_keep(q->failed);
  pthread_mutex_unlock(&q->lock);
  return NULL;
}

static void leave(struct queue *q) { pthread_mutex_unlock(&q->lock); }

/* ---- memory ---- */

static void *take(int index, size_t bytes, error **why) {
  struct queue *q = enter(index, why);
  if (!q) return NULL;
  cl_int status;
  cl_mem memory = opencl()->clCreateBuffer(q->context, CL_MEM_READ_WRITE, bytes, NULL, &status);
  leave(q);
  if (!memory) *why = opencl_fail("clCreateBuffer", status);
  return memory;
}

/* Work that was queued holds on to it. */
static void give(int index, void *memory) {
  (void)index;
  opencl()->clReleaseMemObject(memory);
}

static error *write_memory(int index, void *memory, const void *host, size_t bytes) {
  error *why = NULL;
  struct queue *q = enter(index, &why);
  if (!q) return why;
  cl_int status = opencl()->clEnqueueWriteBuffer(q->queue, memory, CL_TRUE, 0, bytes, host, 0, NULL, NULL);
  leave(q);
  return status == CL_SUCCESS ? NULL : opencl_fail("clEnqueueWriteBuffer", status);
}

static error *read_memory(int index, void *memory, void *host, size_t bytes) {
  error *why = NULL;
  struct queue *q = enter(index, &why);
  if (!q) return why;
  cl_int status = opencl()->clEnqueueReadBuffer(q->queue, memory, CL_TRUE, 0, bytes, host, 0, NULL, NULL);
  leave(q);
  return status == CL_SUCCESS ? NULL : opencl_fail("clEnqueueReadBuffer", status);
}

/* ---- programs ---- */

static error *build_failure(cl_program p, cl_device_id id, cl_int status) {
  char log[4096] = "";
  opencl()->clGetProgramBuildInfo(p, id, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
  return fail("opencl", "a kernel does not compile (%d): %s", (int)status, log);
}

static cl_kernel build(struct queue *q, cl_device_id id, const char *text, error **why) {
  const char *texts[] = {opencl_prologue, text};
  cl_int status;
  cl_kernel kernel = NULL;
  cl_program p = opencl()->clCreateProgramWithSource(q->context, 2, texts, NULL, &status);
  if (!p) {
    *why = opencl_fail("clCreateProgramWithSource", status);
    return NULL;
  }
  status =
      opencl()->clBuildProgram(p, 1, &id, "-cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt", NULL, NULL);
  if (status != CL_SUCCESS)
    *why = build_failure(p, id, status);
  else if (!(kernel = opencl()->clCreateKernel(p, "fused", &status)))
    *why = opencl_fail("clCreateKernel", status);
  opencl()->clReleaseProgram(p); /* the kernel holds on to it */
  return kernel;
}

static cl_kernel find_kernel(struct queue *q, cl_device_id id, const text *t, error **why) {
  const uint64_t hash = hash_bytes(t->at, t->length, 0);
  for (const program *p = q->programs; p; p = p->next)
    if (p->hash == hash && !strcmp(p->text, t->at)) return p->kernel;
  program *p = mem_alloc(sizeof *p);
  char *copy = mem_alloc(t->length + 1);
  cl_kernel kernel = p && copy ? build(q, id, t->at, why) : NULL;
  if (!kernel) {
    if (!p || !copy) *why = fail_no_memory("opencl");
    mem_free(p);
    mem_free(copy);
    return NULL;
  }
  *p = (program){q->programs, hash, memcpy(copy, t->at, t->length + 1), kernel};
  q->programs = p;
  return kernel;
}

/* ---- launching ---- */

typedef struct arguments {
  cl_kernel kernel;
  cl_uint count;
  cl_int status; /* the first that is not CL_SUCCESS */
} arguments;

static void add_argument(arguments *a, size_t bytes, const void *value) {
  const cl_int status = opencl()->clSetKernelArg(a->kernel, a->count++, bytes, value);
  if (a->status == CL_SUCCESS) a->status = status;
}

static void add_operand(arguments *a, const operand *o) {
  const location *at = o->data;
  const int64_t first = at->offset / (int64_t)pons_dtype_size(o->dtype);
  add_argument(a, sizeof(cl_mem), &at->memory);
  add_argument(a, sizeof first, &first);
}

enum { GROUP = 64 };

static error *launch_fused(struct queue *q, cl_kernel entry, const kernel_text *f, const kernel *k,
                           const operand *in, const operand *out) {
  arguments a = {entry, 0, CL_SUCCESS};
  cl_int status = CL_SUCCESS;
  cl_mem layout = NULL;
  for (int i = 0; i < k->n_out; i++) add_operand(&a, &out[i]);
  for (int i = 0; i < k->n_in; i++) add_operand(&a, &in[i]);
  add_argument(&a, sizeof f->size, &f->size);
  if (f->n_layout) {
    layout = opencl()->clCreateBuffer(q->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                                      (size_t)f->n_layout * sizeof *f->layout, (void *)f->layout, &status);
    if (!layout) return opencl_fail("clCreateBuffer", status);
    add_argument(&a, sizeof layout, &layout);
  }
  const size_t group = GROUP, count = ((size_t)f->size + GROUP - 1) / GROUP * GROUP;
  status = a.status;
  if (status == CL_SUCCESS)
    status = opencl()->clEnqueueNDRangeKernel(q->queue, entry, 1, NULL, &count, &group, 0, NULL, NULL);
  if (layout) opencl()->clReleaseMemObject(layout);
  return status == CL_SUCCESS ? NULL : opencl_fail("clEnqueueNDRangeKernel", status);
}

static error *run_kernel(const kernel *k, const operand *in, const operand *out) {
  const int index = ((const location *)out->data)->device;
  kernel_text *f = mem_alloc(sizeof *f);
  if (!f) return fail_no_memory("opencl");
  kernel_text_write(f, k, in, out);
  error *why = f->text.failed ? fail_no_memory("opencl") : NULL;
  struct queue *q = why ? NULL : enter(index, &why);
  if (q) {
    cl_kernel entry = find_kernel(q, opencl_device_at(index)->id, &f->text, &why);
    if (entry) why = launch_fused(q, entry, f, k, in, out);
    leave(q);
  }
  text_free(&f->text);
  mem_free(f);
  return why;
}

static const char *refuses_kernel(int index, const kernel *k) {
  (void)index;
  return kernel_text_refuses(k);
}

/* ---- the driver ---- */

/* Copies are kernels without instructions. */
static error *copy(const launch *l) {
  kernel k = {.n_in = 1, .n_out = 1, .in = {(uint8_t)l->in->dtype}, .out = {0}};
  return run_kernel(&k, l->in, l->out);
}

static const implementation implementations[] = {
    {"Full", "copy", NULL, copy},
    {"Contiguous", "copy", NULL, copy},
};

static bool is_gpu(int index) { return opencl_device_at(index)->is_gpu; }
static const char *model(int index) { return opencl_device_at(index)->name; }

static const memory_driver memory = {take, give, write_memory, read_memory};

const driver driver_opencl = {
    .name = "opencl",
    .is_gpu = is_gpu,
    .count = opencl_count,
    .model = model,
    .report = opencl_report,
    .implementations = implementations,
    .n_implementations = sizeof implementations / sizeof *implementations,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .memory = &memory,
};
