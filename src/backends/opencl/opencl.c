/* opencl.c: the driver for OpenCL devices: memory, programs, launches.

   Each device has one queue, whose work is done in order; a lock guards it, since the arguments of a kernel belong
   to the kernel. Uses api.h, gpu/, device/. */
#include "backends/opencl/api.h"
#include "backends/gpu/gpu.h"
#include "device/device.h"
#include <pthread.h>

extern const char opencl_prologue[]; /* prologue.h, the dialect and the scalar functions */

static struct queue {
  pthread_mutex_t lock;
  cl_context context;
  cl_command_queue queue;
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
  const size_t words = (bytes + 7) / 8 * 8; /* narrow elements are swapped as part of a word */
  cl_mem memory = opencl()->clCreateBuffer(q->context, CL_MEM_READ_WRITE, words, NULL, &status);
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

static void build_failure(const char *name, cl_program p, cl_device_id id, cl_int status, error **why) {
  char log[4096] = "";
  opencl()->clGetProgramBuildInfo(p, id, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
  *why = fail_as(PONS_ERROR_RUNTIME, "opencl", "the kernel %s does not compile (%d): %s", name, (int)status,
                 log);
}

static const char own_options[] = "-w -cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt";

static cl_int build(cl_program p, cl_device_id id, const char *options) {
  return opencl()->clBuildProgram(p, 1, &id, options, NULL, NULL);
}

/* What the device gives of a program; nothing if it gives nothing. */
static gpu_binary binary_of(cl_program p) {
  gpu_binary b = {0};
  if (opencl()->clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof b.size, &b.size, NULL) != CL_SUCCESS ||
      b.size == 0)
    return (gpu_binary){0};
  b.bytes = mem_alloc(b.size);
  if (b.bytes &&
      opencl()->clGetProgramInfo(p, CL_PROGRAM_BINARIES, sizeof b.bytes, &b.bytes, NULL) == CL_SUCCESS)
    return b;
  mem_free(b.bytes);
  return (gpu_binary){0};
}

static void *compile(int index, const char *name, const char *whole, const char *options, gpu_binary *binary,
                     error **why) {
  struct queue *q = enter(index, why);
  if (!q) return NULL;
  const cl_device_id id = opencl_device_at(index)->id;
  cl_int status;
  cl_program p = opencl()->clCreateProgramWithSource(q->context, 1, &whole, NULL, &status);
  if (!p)
    *why = opencl_fail("clCreateProgramWithSource", status);
  else if ((status = build(p, id, options)) != CL_SUCCESS) {
    build_failure(name, p, id, status, why);
    opencl()->clReleaseProgram(p);
    p = NULL;
  } else {
    *binary = binary_of(p);
  }
  leave(q);
  return p;
}

static void *load(int index, const void *bytes, size_t size) {
  error *why = NULL;
  struct queue *q = enter(index, &why);
  error_release(why);
  if (!q) return NULL;
  const cl_device_id id = opencl_device_at(index)->id;
  const unsigned char *binary = bytes;
  cl_int status;
  cl_program p = opencl()->clCreateProgramWithBinary(q->context, 1, &id, &size, &binary, NULL, &status);
  if (p && build(p, id, own_options) != CL_SUCCESS) {
    opencl()->clReleaseProgram(p);
    p = NULL;
  }
  leave(q);
  return p;
}

static void *entry(int index, void *module, const char *name, error **why) {
  (void)index;
  cl_int status;
  cl_kernel kernel = opencl()->clCreateKernel(module, name, &status);
  if (!kernel) *why = opencl_fail("clCreateKernel", status);
  return kernel;
}

/* ---- launching ---- */

static cl_int set_arguments(const gpu_launch *l) {
  cl_int status = CL_SUCCESS;
  for (int i = 0; status == CL_SUCCESS && i < l->n_memories; i++)
    status = opencl()->clSetKernelArg(l->entry, (cl_uint)i, sizeof(cl_mem), &l->memories[i]);
  if (status != CL_SUCCESS) return status;
  return opencl()->clSetKernelArg(l->entry, (cl_uint)l->n_memories, GPU_NUMBERS * sizeof *l->numbers,
                                  l->numbers);
}

static error *run(int index, const gpu_launch *l) {
  error *why = NULL;
  struct queue *q = enter(index, &why);
  if (!q) return why;
  size_t threads[3], group[3];
  for (int d = 0; d < 3; d++) {
    group[d] = (size_t)l->group[d];
    threads[d] = (size_t)l->groups[d] * group[d];
  }
  cl_int status = set_arguments(l);
  if (status != CL_SUCCESS)
    why = opencl_fail("clSetKernelArg", status);
  else if ((status = opencl()->clEnqueueNDRangeKernel(q->queue, l->entry, 3, NULL, threads, group, 0, NULL,
                                                      NULL)) != CL_SUCCESS)
    why = opencl_fail("clEnqueueNDRangeKernel", status);
  leave(q);
  return why;
}

/* ---- the driver ---- */

static const gpu_features *features(int index) { return &opencl_device_at(index)->features; }

static void identify(int index, text *t) {
  const opencl_device *d = opencl_device_at(index);
  text_add(t, "opencl %s, %s, %s, %s", d->platform, d->name, d->version, d->driver);
}

static const memory_driver memory = {
    .take = take, .give = give, .write = write_memory, .read = read_memory};
static const gpu_backend backend = {.name = "opencl",
                                    .prologue = opencl_prologue,
                                    .options = own_options,
                                    .count = opencl_count,
                                    .features = features,
                                    .identify = identify,
                                    .compile = compile,
                                    .load = load,
                                    .entry = entry,
                                    .launch = run,
                                    .memory = &memory};

#define GPU_BACKEND backend
#include "backends/gpu/implementations.h"

static error *run_kernel(const kernel *k, const operand *in, const operand *out) {
  return gpu_run_kernel(&backend, k, in, out);
}

static const char *refuses_kernel(int index, const kernel *k) {
  (void)index;
  return gpu_refuses_kernel(&backend, k);
}

static error *faults(int index) { return gpu_faults(&backend, index); }
static bool is_gpu(int index) { return opencl_device_at(index)->is_gpu; }
static const char *model(int index) { return opencl_device_at(index)->name; }

const driver driver_opencl = {
    .name = "opencl",
    .is_gpu = is_gpu,
    .count = opencl_count,
    .model = model,
    .report = opencl_report,
    .implementations = gpu_implementations,
    .n_implementations = sizeof gpu_implementations / sizeof *gpu_implementations,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .lacks = gpu_lacks,
    .memory = &memory,
    .faults = faults,
};
