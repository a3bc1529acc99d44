/* device.h: where things run, streams, and memory. Data has no device: any device reads any array. */
#ifndef PONS_DEVICE_H
#define PONS_DEVICE_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Devices found, the default first. "cpu" is always there. Names are "cpu", "null", later "cuda:0",
   "opencl:1", ... */
PONS_API int pons_device_count(void);
PONS_API const char *pons_device_name(int index);
/* The same as JSON for people and programs: devices, instruction sets, libraries found and where, versions,
   what is missing and why. The caller frees with pons_free. */
PONS_API char *pons_device_report(void);

/* A stream runs its work in order on a device, on a thread of its own. Freed with the process. */
typedef struct pons_stream_s *pons_stream;
/* A new stream on the named device; NULL and an error if there is no such device. */
PONS_API pons_stream pons_stream_new(const char *device);
/* Where ops made by this thread run from now on; NULL for the default. Returns what was set before. */
PONS_API pons_stream pons_set_stream(pons_stream stream);
/* The device on which ops made by this thread run from now on. False and an error if there is none such. */
PONS_API bool pons_set_device(const char *device);
/* Waits until all work given to `stream` is done; NULL: to every stream. */
PONS_API void pons_synchronize(pons_stream stream);

/* Threads that share a CPU kernel: PONS_NUM_THREADS or the machine's cores. (PONS_CPU=baseline, avx2 or
   avx512 chooses among the instruction sets that the machine has; left out, the best.) */
PONS_API int pons_threads(void);
PONS_API void pons_set_threads(int count);

/* Bytes in arrays; their greatest sum since the start or pons_reset_peak_memory; bytes kept for reuse. */
PONS_API size_t pons_get_active_memory(void);
PONS_API size_t pons_get_peak_memory(void);
PONS_API void pons_reset_peak_memory(void);
PONS_API size_t pons_get_cache_memory(void);
PONS_API void pons_clear_cache(void);
/* The setters return the value before. Beyond the memory limit an op fails with an error; beyond the cache
   limit freed memory goes back to the system, as all of it does after a while without use. */
PONS_API size_t pons_set_memory_limit(size_t bytes);
PONS_API size_t pons_set_cache_limit(size_t bytes);

PONS_API const char *pons_version(void);

#ifdef __cplusplus
}
#endif
#endif
