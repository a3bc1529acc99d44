/* memory.c: memory of OpenCL devices. What is given back is kept for those who take as much: there is one queue, so it is written
   behind the work that still reads it. When there is none left all that is kept goes back to the device. Uses queue.h. */
#include "backends/opencl/queue.h"

struct kept_block {
  kept_block *next;
  cl_mem memory;
  size_t bytes;
};

enum { MOST_KEPT = 512, LEAST_BYTES = 256 };

/* A quarter of a power of two at most is lost, so that sizes come again. Narrow elements are swapped as part of a word. */
static size_t rounded(size_t bytes) {
  size_t step = LEAST_BYTES;
  while (step * 8 <= bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

static size_t bytes_of(cl_mem memory) {
  size_t bytes = 0;
  return opencl()->clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof bytes, &bytes, NULL) == CL_SUCCESS ? bytes : 0;
}

/* ---- what is kept; the queue is entered ---- */

static cl_mem take_kept(opencl_queue *q, size_t bytes) {
  for (kept_block **at = &q->kept; *at; at = &(*at)->next) {
    kept_block *k = *at;
    if (k->bytes != bytes) continue;
    const cl_mem memory = k->memory;
    *at = k->next;
    mem_free(k);
    q->n_kept--;
    q->kept_bytes -= bytes;
    return memory;
  }
  return NULL;
}

/* Gives the oldest back until no more than that is left. */
static void trim_to(opencl_queue *q, int count, size_t bytes) {
  while (q->kept && (q->n_kept > count || q->kept_bytes > bytes)) {
    kept_block **at = &q->kept;
    while ((*at)->next) at = &(*at)->next;
    q->n_kept--;
    q->kept_bytes -= (*at)->bytes;
    opencl()->clReleaseMemObject((*at)->memory); /* work that was queued holds on to it */
    mem_free(*at);
    *at = NULL;
  }
}

/* ---- memory ---- */

static error *no_memory(int index, const opencl_queue *q, size_t asked) {
  return fail_as(PONS_ERROR_MEMORY, "opencl", "out of memory on device %d (%s): asked %.1f MiB, %.1f of %.1f MiB are in use",
                 index, opencl_device_at(index)->name, (double)asked / 1048576, (double)account_active(q->account) / 1048576,
                 (double)account_limit(q->account) / 1048576);
}

static cl_mem create(opencl_queue *q, size_t bytes, cl_int *status) {
  return opencl()->clCreateBuffer(q->context, CL_MEM_READ_WRITE, bytes, NULL, status);
}

/* Is it within the limit, without what is kept if need be? Then it is counted. */
static bool fits(opencl_queue *q, size_t bytes) {
  if (account_take(q->account, bytes, q->kept_bytes)) return true;
  trim_to(q, 0, 0);
  return account_take(q->account, bytes, 0);
}

/* New memory; where there is none, once more without what is kept and with all work done, so that what it held is free. */
static cl_mem take_new(opencl_queue *q, int index, size_t bytes, error **why) {
  cl_int status = CL_SUCCESS;
  cl_mem memory = create(q, bytes, &status);
  if (!memory) {
    trim_to(q, 0, 0);
    opencl()->clFinish(q->queue);
    memory = create(q, bytes, &status);
  }
  if (memory) return memory;
  account_count(q->account, -(ptrdiff_t)bytes);
  *why = opencl_is_short(status) ? no_memory(index, q, bytes) : opencl_fail("clCreateBuffer", status);
  return NULL;
}

static void *take(int index, size_t bytes, error **why) {
  opencl_queue *q = opencl_enter(index, why);
  if (!q) return NULL;
  const size_t all = rounded(bytes);
  cl_mem memory = take_kept(q, all);
  if (!fits(q, all)) {
    if (memory) opencl()->clReleaseMemObject(memory);
    memory = NULL;
    *why = no_memory(index, q, all);
  } else if (!memory) {
    memory = take_new(q, index, all, why);
  }
  opencl_leave(q);
  return memory;
}

static void give(int index, void *memory) {
  error *why = NULL;
  opencl_queue *q = opencl_enter(index, &why);
  error_release(why); /* then there is no memory of it */
  if (!q) return;
  kept_block *k = mem_alloc(sizeof *k);
  const size_t bytes = bytes_of(memory);
  account_count(q->account, -(ptrdiff_t)bytes);
  if (k) {
    *k = (kept_block){q->kept, memory, bytes};
    q->kept = k;
    q->n_kept++;
    q->kept_bytes += bytes;
    trim_to(q, MOST_KEPT, account_cache_limit(q->account));
  } else {
    opencl()->clReleaseMemObject(memory);
  }
  opencl_leave(q);
}

static size_t cached(int index) {
  opencl_queue *q = opencl_enter_opened(index);
  const size_t bytes = q ? q->kept_bytes : 0;
  if (q) opencl_leave(q);
  return bytes;
}

static void trim(int index) {
  opencl_queue *q = opencl_enter_opened(index);
  if (!q) return;
  trim_to(q, 0, 0);
  opencl_leave(q);
}

static size_t size(int index) { return opencl_device_at(index)->memory_bytes; }

/* ---- copies ---- */

static error *write_memory(int index, void *memory, size_t at, const void *host, size_t bytes) {
  error *why = NULL;
  opencl_queue *q = opencl_enter(index, &why);
  if (!q) return why;
  cl_int status = opencl()->clEnqueueWriteBuffer(q->queue, memory, CL_TRUE, at, bytes, host, 0, NULL, NULL);
  opencl_leave(q);
  return status == CL_SUCCESS ? NULL : opencl_fail("clEnqueueWriteBuffer", status);
}

static error *read_memory(int index, void *memory, size_t at, void *host, size_t bytes) {
  error *why = NULL;
  opencl_queue *q = opencl_enter(index, &why);
  if (!q) return why;
  cl_int status = opencl()->clEnqueueReadBuffer(q->queue, memory, CL_TRUE, at, bytes, host, 0, NULL, NULL);
  opencl_leave(q);
  return status == CL_SUCCESS ? NULL : opencl_fail("clEnqueueReadBuffer", status);
}

static error *finish(int index) { return opencl_tell_queue(index, opencl()->clFinish, "clFinish"); }

const memory_driver opencl_memory = {
    .take = take, .give = give, .write = write_memory, .read = read_memory, .finish = finish, .cached = cached, .trim = trim,
    .size = size};
