/* process.h: cases on the doubles of CUDA's libraries. Uses tests/doubles/process.h. */
#ifndef CUDA_DOUBLE_PROCESS_H
#define CUDA_DOUBLE_PROCESS_H
#include "tests/doubles/process.h"

#define DOUBLES PONS_BUILD_DIR "/tests/cuda_double/"

static inline void open_cuda_double(const char *file) {
  void *symbol = dlsym(open_double(file), "cuda_double_count");
  if (symbol) memcpy(&count, &symbol, sizeof count);
}

static void open_doubles(const char *settings) {
  open_cuda_double(DOUBLES "libcuda.so.1");
  if (!strstr(settings, "NO_NVRTC")) open_cuda_double(DOUBLES "libnvrtc.so.12");
  if (!strstr(settings, "NO_CUBLASLT")) open_cuda_double(DOUBLES "libcublasLt.so.12");
  if (!strstr(settings, "NO_CUSOLVER")) open_cuda_double(DOUBLES "libcusolver.so.11");
  if (!strstr(settings, "NO_CUFFT")) open_cuda_double(DOUBLES "libcufft.so.11");
  if (!strstr(settings, "NO_NCCL")) open_cuda_double(DOUBLES "libnccl.so.2");
  if (!strstr(settings, "NO_CUDNN")) open_cuda_double(DOUBLES "libcudnn.so.9");
}

/* How often cuBLASLt's double was asked for it: a call, "int8 product", "algorithm 2". */
static inline long cublaslt_count(const char *what) {
  void *library = dlopen("libcublasLt.so.12", RTLD_NOW | RTLD_NOLOAD);
  long (*counted)(const char *);
  void *symbol = library ? dlsym(library, "cublaslt_double_count") : NULL;
  if (!symbol) return 0;
  memcpy(&counted, &symbol, sizeof counted);
  return counted(what);
}

/* How many "communicators" NCCL's double has; else how often the call was made. */
static inline long nccl_count(const char *what) {
  void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_NOLOAD);
  long (*counted)(const char *);
  void *symbol = library ? dlsym(library, "nccl_double_count") : NULL;
  if (!symbol) return 0;
  memcpy(&counted, &symbol, sizeof counted);
  return counted(what);
}

/* What is held of the driver, beside memory. A process keeps modules, streams, events and a pool of each device, but so many of each. */
typedef struct held {
  long modules, events, streams, pools, graphs, execs;
} held;
static inline held held_now(void) {
  return (held){count("modules"), count("events"), count("streams"), count("pools"), count("graphs"), count("graph execs")};
}
static inline bool holds_as_much(held a, held b) {
  return a.modules == b.modules && a.events == b.events && a.streams == b.streams && a.pools == b.pools && a.graphs == b.graphs &&
         a.execs == b.execs;
}
/* Of one device, after all that held graphs is gone. */
static inline bool holds_no_more_than_one_device_keeps(void) {
  enum { STREAMS = 4, EVENTS = 3 * 8 + 3 * 4 }; /* three queues and one for captures; marks of each queue, chunks of page-locked memory */
  const held h = held_now();
  return h.events <= EVENTS && h.streams <= STREAMS && h.pools <= 1 && h.graphs == 0 && h.execs == 0;
}

/* Does the error say so? */
static inline bool told(const char *what) { return pons_error() && strstr(pons_error(), what); }

/* Are there doubles? They need clang++. */
static inline bool doubles_are_there(void) {
  if (access(DOUBLES "libcuda.so.1", R_OK) == 0) return true;
  print_message("skipped: no doubles of CUDA's libraries (no clang++ when this was configured)\n");
  return false;
}
#endif
