/* queue.h: how doubles of NVIDIA's libraries do their work: put on a queue of the driver's double, which runs it when its turn comes. Uses
   cuda/api.h. */
#ifndef CUDA_DOUBLE_QUEUE_H
#define CUDA_DOUBLE_QUEUE_H
#include "backends/cuda/api.h"
#include <dlfcn.h>
#include <string.h>

/* `run` gets a copy of the context, of so many bytes. */
typedef CUresult driver_queue(CUstream stream, void (*run)(void *), const void *context, size_t bytes);

typedef void driver_spend(double ms);

/* NULL: the process has no driver open, or not the double. */
static inline void *find_in_driver(const char *name) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  return driver ? dlsym(driver, name) : NULL;
}
static inline driver_spend *find_spend(void) {
  void *symbol = find_in_driver("cuda_double_spend");
  driver_spend *spend = NULL;
  if (symbol) memcpy(&spend, &symbol, sizeof spend);
  return spend;
}
static inline driver_queue *find_queue(void) {
  void *symbol = find_in_driver("cuda_double_queue");
  driver_queue *queue = NULL;
  if (symbol) memcpy(&queue, &symbol, sizeof queue);
  return queue;
}
#endif
