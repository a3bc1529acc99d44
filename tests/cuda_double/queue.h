/* queue.h: how doubles of NVIDIA's libraries do their work: put on a queue of the driver's double, which runs it when its turn comes. Uses
   cuda/api.h. */
#ifndef CUDA_DOUBLE_QUEUE_H
#define CUDA_DOUBLE_QUEUE_H
#include "backends/cuda/api.h"
#include <dlfcn.h>
#include <string.h>

/* `run` gets a copy of the context, of so many bytes. */
typedef CUresult driver_queue(CUstream stream, void (*run)(void *), const void *context, size_t bytes);

/* NULL: the process has no driver open, or not the double. */
static inline driver_queue *find_queue(void) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  void *symbol = driver ? dlsym(driver, "cuda_double_queue") : NULL;
  driver_queue *queue = NULL;
  if (symbol) memcpy(&queue, &symbol, sizeof queue);
  return queue;
}
#endif
