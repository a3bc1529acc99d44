/* device.h: where things run, streams, and memory. Data has no device: any device reads any array. */
#ifndef PONS_DEVICE_H
#define PONS_DEVICE_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Devices found, the default first. "cpu" is always there. Names are "cpu", "opencl", of
   several of a kind "opencl:0", "opencl:1", ... */
PONS_API int pons_device_count(void);
PONS_API const char *pons_device_name(int index);
/* The same as JSON for people and programs: devices, instruction sets, libraries found and where, versions,
   what is missing and why. The caller frees with pons_free. */
PONS_API char *pons_device_report(void);

/* What computes each primitive on each kind of device, found or not, as JSON: a list of {"name": "Softmax", "elementwise": false,
   "on": {"cuda": {"how": "native", "but": {"complex64": "decomposed"}}, ...}}. `how` is "native", "view" (nothing is computed),
   "decomposed" (into simpler ones), "cpu" (in the device's place) or "none"; `but` has the dtypes that go elsewhere. The caller
   frees with pons_free. */
PONS_API char *pons_coverage_report(void);

/* Is there such a device? "gpu" asks for any GPU. */
PONS_API bool pons_is_available(const char *device);
PONS_API bool pons_metal_is_available(void);
PONS_API bool pons_cuda_is_available(void);
/* One device as a JSON object: device_name, architecture, memory_size in bytes, and what its backend found
   and misses. NULL: the default device. The caller frees with pons_free; NULL and an error if there is no such
   device. */
PONS_API char *pons_device_info(const char *device);

/* Where ops made by this thread run: at first the process's default, which the environment variable PONS_DEVICE
   names; left out, the first device of the list. */
PONS_API const char *pons_default_device(void);
/* False and an error if there is no such device. NULL: the process's default again. */
PONS_API bool pons_set_default_device(const char *device);

/* A stream runs its work in order on its device, on a thread of its own or on the one that waits for it. Any
   thread may use it. Freed with the process. */
typedef struct pons_stream_s *pons_stream;
/* A new stream on the named device; NULL and an error if there is no such device. */
PONS_API pons_stream pons_new_stream(const char *device);
/* A stream that stands for another one on each thread that uses it. */
PONS_API pons_stream pons_new_thread_local_stream(const char *device);
/* The stream of `device` (NULL: the default device) that this thread's ops run on when no other is set. */
PONS_API pons_stream pons_default_stream(const char *device);
/* Makes it the default stream of its device for this thread. */
PONS_API void pons_set_default_stream(pons_stream stream);
/* Where ops made by this thread run from now on, whatever the defaults are; NULL: by the defaults. Returns what
   was set before. */
PONS_API pons_stream pons_set_stream(pons_stream stream);
PONS_API const char *pons_stream_device(pons_stream stream);
/* Waits for the streams that this thread made and ends the threads behind them; used again, they get new
   ones. */
PONS_API void pons_clear_streams(void);
/* Waits until all work given to `stream` is done; NULL: to every stream. False and an error: work that pons_async_eval
   started has failed, and nothing has told so yet, as reading its results would. */
PONS_API bool pons_synchronize(pons_stream stream);

/* Threads that share a CPU kernel: PONS_NUM_THREADS or the machine's cores. (PONS_CPU=baseline, avx2, avx512 or
   avx512vnni chooses among the instruction sets that the machine has; left out, the best.) */
PONS_API int pons_threads(void);
PONS_API void pons_set_threads(int count);

/* Bytes in arrays, on all devices together; their greatest sum since the start or pons_reset_peak_memory, as it was when memory was
   last taken (0 if none was); bytes kept for reuse. */
PONS_API size_t pons_get_active_memory(void);
PONS_API size_t pons_get_peak_memory(void);
PONS_API void pons_reset_peak_memory(void);
PONS_API size_t pons_get_cache_memory(void);
PONS_API void pons_clear_cache(void);
/* The setters return the value before. Beyond the memory limit, which is the host's, an op fails with an error; beyond the cache
   limit, which is each device's, freed memory goes back to the system, as all of it does after a while without use. */
PONS_API size_t pons_get_memory_limit(void);
PONS_API size_t pons_set_memory_limit(size_t bytes);
PONS_API size_t pons_set_cache_limit(size_t bytes);

/* One device's memory, in bytes. What works in the host's memory has the CPU's. */
typedef struct pons_memory {
  size_t active;             /* in use: arrays, and what kernels and libraries work with; of a GPU in blocks as they are taken there */
  size_t peak;               /* most that was in use at once since the start, or pons_reset_peak_memory */
  size_t cached;             /* kept for reuse */
  size_t limit, cache_limit; /* of both together; of what is kept */
  size_t spilled;            /* so much of arrays gave up its place so far, to make room for others: the host has it */
} pons_memory;
/* Each of these is about the named device (NULL: the default device): false and an error if there is none. */
PONS_API bool pons_device_memory(const char *device, pons_memory *memory);
/* No more than that is used of it: what would be beyond it empties the cache, then makes what was used longest ago give up its place there;
   a step whose operands are too much even alone runs on the CPU. At first it is all the memory of a GPU, or what the environment
   variable PONS_MEMORY_LIMIT says of each of them; of the CPU that of pons_set_memory_limit, which is an error where it is met. */
PONS_API bool pons_set_device_memory_limit(const char *device, size_t bytes);
PONS_API bool pons_set_device_cache_limit(const char *device, size_t bytes);
PONS_API bool pons_reset_device_peak_memory(const char *device);
PONS_API bool pons_clear_device_cache(const char *device);
/* Bytes that stay resident for a GPU that pages (Metal); a device without such paging has no use for it. */
PONS_API size_t pons_set_wired_limit(size_t bytes);
/* Bytes of the buffers that the arrays lie in, each buffer once, whole blocks of the allocator. The arrays must
   be evaluated, or it is an error and 0. */
PONS_API size_t pons_get_array_buffer_size(const pons_array *arrays, int count);

PONS_API const char *pons_version(void);

#ifdef __cplusplus
}
#endif
#endif
