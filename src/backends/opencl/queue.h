/* queue.h: what the files of opencl/ share: a device's queue and its memory. Uses api.h, gpu/, device/. */
#ifndef OPENCL_QUEUE_H
#define OPENCL_QUEUE_H
#include "backends/gpu/gpu.h"
#include "backends/opencl/api.h"
#include "device/device.h"
#include <pthread.h>

typedef struct kept_block kept_block; /* memory.c */
typedef struct opencl_queue {
  pthread_mutex_t lock;
  cl_context context;
  cl_command_queue queue;
  error *failed; /* why there is no queue */
  bool opened;
  kept_block *kept; /* memory that was given back, newest first */
  int n_kept;
  size_t kept_bytes;
  account *account;
} opencl_queue;

/* Locks the device's queue, opened at the first call. NULL, unlocked, and *why if it can't be opened. */
opencl_queue *opencl_enter(int index, error **why);
opencl_queue *opencl_enter_opened(int index); /* the same if it was opened, else NULL, and nothing is */
void opencl_leave(opencl_queue *q);

/* A call about the whole queue, by its name. */
error *opencl_tell_queue(int index, cl_int (*call)(cl_command_queue), const char *name);

extern const memory_driver opencl_memory; /* memory.c */
#endif
