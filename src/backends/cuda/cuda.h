/* cuda.h: what the files of cuda/ share: a device with its context, queue and memory. Uses api.h, device/, gpu/. */
#ifndef CUDA_CUDA_H
#define CUDA_CUDA_H
#include "backends/cuda/api.h"
#include "backends/gpu/noted.h"
#include "backends/gpu/size_class.h"
#include "device/device.h"
#include <pthread.h>

typedef _Atomic uint64_t atomic_count;

/* For kernels, for what comes from the host, and for what leaves the device. */
enum { CUDA_WORK, CUDA_IN, CUDA_OUT, CUDA_QUEUES };

/* Device memory, as the rest of Pons holds it. */
typedef struct cuda_block {
  gpu_block base; /* bytes: of its size class, without pools */
  CUdeviceptr at;
  struct cuda_block *next; /* while it lies in the cache */
  atomic_count used[CUDA_QUEUES], written[CUDA_QUEUES]; /* how much was on each queue when it was last: order.c */
} cuda_block;

/* An event, and how much of a queue is done when it is. */
typedef struct cuda_mark {
  CUevent event;
  uint64_t count;
} cuda_mark;

enum { CUDA_MARKS = 8 };
typedef struct cuda_queue {
  CUstream at;
  atomic_count count; /* of what was put on it */
  atomic_count done;  /* so much is known to be done */
  atomic_count behind[CUDA_QUEUES]; /* what comes next on it comes behind so much of each other one */
  cuda_mark marks[CUDA_MARKS];
  int next_mark;
} cuda_queue;

enum { CUDA_CHUNKS = 4 };    /* of page-locked memory, copies.c */
typedef struct cuda_staging {
  pthread_mutex_t lock;
  char *chunks[CUDA_CHUNKS]; /* NULL: there is none */
  CUevent done[CUDA_CHUNKS]; /* when the device has read what was written there */
  int current;
  size_t used; /* of the current one */
  bool opened, absent;
} cuda_staging;

/* Each queue's work is done in order. Calls may come from any thread. */
typedef struct cuda_device {
  pthread_mutex_t lock;
  int index;
  bool opened;
  error *failed; /* why it can't be used: not opened, or lost */
  CUcontext context;
  cuda_queue queues[CUDA_QUEUES];
  atomic_count plan_end; /* of the latest plan, on the queue of kernels; 0: nothing was launched since its end was marked */
  CUmemoryPool pool; /* NULL: cuMemAlloc, and what is given back is kept in `cached` */
  char no_pool[128]; /* why it is NULL */
  account *account;
  pthread_mutex_t cache_lock;
  cuda_block *cached[GPU_SIZE_CLASSES]; /* memory.c */
  size_t cached_bytes;
  size_t pool_used, pool_most; /* bytes taken of the pool now, and at most since it was trimmed: what it may hold */
  _Atomic size_t noted_bytes;  /* of recordings that are not under way */
  pthread_mutex_t capture_lock;
  CUstream capture; /* notes what a library's call does; NULL until it is needed */
  cuda_staging in, out, small; /* small: what is written on the queue of kernels */
} cuda_device;
static inline CUstream cuda_work(const cuda_device *d) { return d->queues[CUDA_WORK].at; }

/* ---- device.c ---- */

/* Device `index`, opened at the first call, its context made the thread's until cuda_leave. NULL and *why. */
cuda_device *cuda_enter(int index, error **why);
void cuda_leave(cuda_device *d);
/* The same of a device that was opened and works; else NULL, and nothing is opened. */
cuda_device *cuda_enter_opened(int index);
cuda_device *cuda_device_at(int index); /* for its counts alone */
/* NULL if the call went well. Else an error with the call, its values and what the driver says; where that means that
   the context is gone, every later use of the device gives an error that tells so. */
error *cuda_check(cuda_device *d, CUresult status, const char *call, ...) PRINTF_LIKE(3, 4);
void cuda_plan_ended(int index);
void cuda_report_allocation(int index, text *json); /* a string; opens the device: only then is it known */
bool cuda_is_lost(CUresult status); /* after it the context does nothing any more */

/* ---- order.c ---- */

error *cuda_open_queues(cuda_device *d);
/* What is put on queue `q` from now on, and reads or writes b, comes behind what was put on others before and uses b. */
error *cuda_order(cuda_device *d, int q, const cuda_block *b, bool writes);
/* Something that uses b was put there. */
void cuda_count_use(cuda_device *d, int q, cuda_block *b, bool writes);
/* The same of a launch, whose first memories are written; of what is empty there is no block. */
error *cuda_order_all(cuda_device *d, int n, void *const *memories, int n_written);
void cuda_count_uses(cuda_device *d, int n, void *const *memories, int n_written);
/* What is put on queue `q` of `d` from now on comes behind what was put on queues of another device and writes b. */
error *cuda_order_across(cuda_device *d, int q, cuda_device *other, const cuda_block *b);
error *cuda_mark_plan(cuda_device *d); /* before a launch: who reads results of earlier plans need not wait for it */
error *cuda_wait_for(cuda_device *d, int q); /* until all that was put there is done */
static inline error *cuda_wait(cuda_device *d) { return cuda_wait_for(d, CUDA_WORK); }

/* ---- memory.c, copies.c ---- */

extern const memory_driver cuda_memory;
void *cuda_take(int index, size_t bytes, error **why);
void *cuda_take_to_write(int index, size_t bytes, error **why); /* the host writes it first */
/* More bytes than these are copied beside kernels. Few are there sooner if no queue has to wait for another. */
enum { CUDA_SMALL = 64 << 10 };
void cuda_give(int index, void *memory);
size_t cuda_cached(int index);
void cuda_trim(int index);
/* Without an error where there is none: of a device that was entered, for what is done without if need be. */
cuda_block *cuda_take_spare(cuda_device *d, size_t bytes);
error *cuda_write(int index, void *memory, size_t at, const void *host, size_t bytes);
error *cuda_read(int index, void *memory, size_t at, void *host, size_t bytes);
error *cuda_finish(int index);

/* ---- peers.c ---- */

error *cuda_pass(int from_index, void *from, int to_index, void *to, size_t at, size_t bytes);
void cuda_report_peers(text *json); /* a field, where there are several devices */

/* ---- recording.c: launches noted by a thread, to be made together ---- */

/* What went wrong in a library: the call; NULL if nothing. */
typedef struct cuda_failure {
  const char *call;
  int status;
} cuda_failure;

/* A library's call that puts work on a queue: it may be made again, on another queue and with other memories. */
typedef struct cuda_call {
  const char *library; /* whose statuses these are: "cuBLAS" */
  cuda_failure (*make)(cuda_device *d, CUstream queue, const void *context, const CUdeviceptr *at);
  const void *context; /* copied where it is kept */
  size_t bytes;
  int n_memories;
  void *const *memories; /* cuda_block; `at` has their addresses */
} cuda_call;
enum { CUDA_CALL_MEMORIES = 8 };

/* Puts it on the queue of a device that was entered, or notes it. */
error *cuda_call_library(cuda_device *d, const cuda_call *c);
bool cuda_is_noting(int index); /* this thread */
/* What this thread noted on the device so far is launched now, and nothing more is noted: before what can't be. */
error *cuda_end_noting(cuda_device *d);
extern gpu_noted_list cuda_noted_list;
gpu_noted *cuda_noted(int index); /* memory of the recording under way; NULL: this thread notes nothing there */
#endif
