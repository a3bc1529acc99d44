/* opencl.c: the driver for OpenCL devices: the queue, programs, launches.

   Each device has one queue, whose work is done in order; a lock guards it, since the arguments of a kernel belong
   to the kernel. Uses clblast.h, queue.h. */
#include "backends/opencl/clblast.h"

extern const char opencl_prologue[]; /* prologue.h, the dialect and the scalar functions */

static opencl_queue queues[OPENCL_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < OPENCL_MAX_DEVICES; i++) pthread_mutex_init(&queues[i].lock, NULL);
}

/* ---- the queue ---- */

static error *open_queue(opencl_queue *q, int index) {
  cl_int status;
  q->account = account_of(&opencl_memory, index);
  const cl_device_id id = opencl_device_at(index)->id;
  q->context = opencl()->clCreateContext(NULL, 1, &id, NULL, NULL, &status);
  if (!q->context) return opencl_fail("clCreateContext", status);
  q->queue = opencl()->clCreateCommandQueue(q->context, id, 0, &status);
  return q->queue ? NULL : opencl_fail("clCreateCommandQueue", status);
}

opencl_queue *opencl_enter(int index, error **why) {
  pthread_once(&locks_made, make_locks);
  opencl_queue *q = &queues[index];
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

opencl_queue *opencl_enter_opened(int index) {
  pthread_once(&locks_made, make_locks);
  opencl_queue *q = &queues[index];
  pthread_mutex_lock(&q->lock);
  if (q->opened && !q->failed) return q;
  pthread_mutex_unlock(&q->lock);
  return NULL;
}

void opencl_leave(opencl_queue *q) { pthread_mutex_unlock(&q->lock); }

error *opencl_tell_queue(int index, cl_int (*call)(cl_command_queue), const char *name) {
  error *why = NULL;
  opencl_queue *q = opencl_enter(index, &why);
  if (!q) return why;
  const cl_int status = call(q->queue);
  opencl_leave(q);
  return status == CL_SUCCESS ? NULL : opencl_fail(name, status);
}

/* ---- programs ---- */

static void build_failure(const char *name, cl_program p, cl_device_id id, cl_int status, error **why) {
  char log[4096] = "";
  opencl()->clGetProgramBuildInfo(p, id, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
  *why = fail_as(PONS_ERROR_RUNTIME, "opencl", "the kernel %s does not compile (%d): %s", name, (int)status,
                 log);
}

static const char own_options[] = "-w -cl-std=CL1.2";

/* What depends on the device is added to the options; CL_OUT_OF_HOST_MEMORY where there is none. */
static cl_int build(cl_program p, int index, const char *options) {
  const opencl_device *d = opencl_device_at(index);
  text all = {0};
  text_add(&all, "%s%s%s%s", options, d->divides_exactly ? " -cl-fp32-correctly-rounded-divide-sqrt" : "",
           d->features.float64 ? "" : " -DWITHOUT_FLOAT64", d->features.atomics64 ? "" : " -DWITHOUT_ATOMICS64");
  const cl_int status = all.failed ? CL_OUT_OF_HOST_MEMORY : opencl()->clBuildProgram(p, 1, &d->id, all.at, NULL, NULL);
  text_free(&all);
  return status;
}

/* What the device gives of a program; nothing if it gives nothing. PoCL compiles every kernel once more for it. */
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
  opencl_queue *q = opencl_enter(index, why);
  if (!q) return NULL;
  cl_int status;
  cl_program p = opencl()->clCreateProgramWithSource(q->context, 1, &whole, NULL, &status);
  if (!p)
    *why = opencl_fail("clCreateProgramWithSource", status);
  else if ((status = build(p, index, options)) != CL_SUCCESS) {
    build_failure(name, p, opencl_device_at(index)->id, status, why);
    opencl()->clReleaseProgram(p);
    p = NULL;
  } else if (binary) {
    *binary = binary_of(p);
  }
  opencl_leave(q);
  return p;
}

static void *load(int index, const void *bytes, size_t size) {
  error *why = NULL;
  opencl_queue *q = opencl_enter(index, &why);
  error_release(why);
  if (!q) return NULL;
  const cl_device_id id = opencl_device_at(index)->id;
  const unsigned char *binary = bytes;
  cl_int status;
  cl_program p = opencl()->clCreateProgramWithBinary(q->context, 1, &id, &size, &binary, NULL, &status);
  if (p && build(p, index, own_options) != CL_SUCCESS) {
    opencl()->clReleaseProgram(p);
    p = NULL;
  }
  opencl_leave(q);
  return p;
}

/* A kernel, and the numbers that it has as its last argument. Guarded by the queue's lock. */
typedef struct opencl_entry {
  cl_kernel kernel;
  bool is_set;
  int64_t numbers[GPU_NUMBERS];
} opencl_entry;

static void *entry(int index, void *module, const char *name, error **why) {
  (void)index;
  cl_int status = CL_OUT_OF_HOST_MEMORY;
  opencl_entry *e = mem_zalloc(sizeof *e);
  if (e) e->kernel = opencl()->clCreateKernel(module, name, &status);
  if (e && e->kernel) return e;
  *why = opencl_fail("clCreateKernel", status);
  opencl()->clReleaseProgram(module);
  mem_free(e);
  return NULL;
}

/* ---- launching ---- */

/* Of launches of one kernel most have the same numbers. Memories are set each time: one may have the name of another that is gone. */
static cl_int set_arguments(opencl_entry *e, const gpu_launch *l) {
  cl_int status = CL_SUCCESS;
  for (int i = 0; status == CL_SUCCESS && i < l->n_memories; i++)
    status = opencl()->clSetKernelArg(e->kernel, (cl_uint)i, sizeof(cl_mem), &l->memories[i]);
  if (status != CL_SUCCESS || (e->is_set && !memcmp(e->numbers, l->numbers, sizeof e->numbers))) return status;
  status = opencl()->clSetKernelArg(e->kernel, (cl_uint)l->n_memories, sizeof e->numbers, l->numbers);
  e->is_set = status == CL_SUCCESS;
  memcpy(e->numbers, l->numbers, sizeof e->numbers);
  return status;
}

static error *run(int index, const gpu_launch *l) {
  error *why = NULL;
  opencl_queue *q = opencl_enter(index, &why);
  if (!q) return why;
  size_t threads[3], group[3];
  for (int d = 0; d < 3; d++) {
    group[d] = (size_t)l->group[d];
    threads[d] = (size_t)l->groups[d] * group[d];
  }
  opencl_entry *e = l->entry;
  cl_int status = set_arguments(e, l);
  if (status != CL_SUCCESS)
    why = opencl_fail("clSetKernelArg", status);
  else if ((status = opencl()->clEnqueueNDRangeKernel(q->queue, e->kernel, 3, NULL, threads, group, 0, NULL,
                                                      NULL)) != CL_SUCCESS)
    why = opencl_fail("clEnqueueNDRangeKernel", status);
  opencl_leave(q);
  return why;
}

/* ---- the driver ---- */

static const gpu_features *features(int index) { return &opencl_device_at(index)->features; }

static void identify(int index, text *t) {
  const opencl_device *d = opencl_device_at(index);
  text_add(t, "opencl %s, %s, %s, %s%s%s%s", d->platform, d->name, d->version, d->driver,
           d->divides_exactly ? "" : ", division is rounded freely", d->features.float64 ? "" : ", no float64",
           d->features.atomics64 ? "" : ", no 64-bit atomics");
}

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
                                    .memory = &opencl_memory};

static error *copy_to(const operand *from, const operand *to) { return gpu_copy_to(&backend, from, to); }
static error *own_addmm(const launch *l) { return clblast_addmm(l, copy_to); }
#define GPU_OWN_IMPLEMENTATIONS \
  {"Matmul", "clblast", clblast_refuses, clblast_matmul}, {"AddMM", "clblast", clblast_refuses, own_addmm},
#define GPU_BACKEND backend
#include "backends/gpu/implementations.h"

/* At the end of a plan: OpenCL may keep launches until it is told, or until somebody waits. */
static error *faults(int index) {
  error *why = opencl_tell_queue(index, opencl()->clFlush, "clFlush");
  return why ? why : gpu_faults(&backend, index);
}
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
    .epilogue = gpu_epilogue,
    .chained = gpu_chained,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .cannot_hold = GPU_CANNOT_HOLD,
    .lacks = gpu_lacks,
    .memory = &opencl_memory,
    .faults = faults,
};
