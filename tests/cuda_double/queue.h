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

/* For work that processes do together: driver.c says what they do. */
typedef struct driver_together {
  CUresult (*await)(CUstream stream, bool (*is_done)(void *), const void *context, size_t bytes);
  void (*go_on)(void);
  int (*current)(void);
  bool (*holds)(int device, const char *at, size_t bytes);
  CUresult (*uuid)(CUuuid *, CUdevice);
} driver_together;
static inline bool find_together(driver_together *out) {
  static const char *const names[] = {"cuda_double_await", "cuda_double_go_on", "cuda_double_current", "cuda_double_holds",
                                      "cuDeviceGetUuid_v2"};
  void *symbols[sizeof names / sizeof *names];
  bool all = true;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) all &= (symbols[i] = find_in_driver(names[i])) != NULL;
  if (all) memcpy(out, symbols, sizeof *out);
  return all;
}
#endif
