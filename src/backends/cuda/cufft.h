/* cufft.h: what the backend uses of cuFFT, by its own names; found at run time (cufft.c). Reference: NVIDIA, "cuFFT", versions 11.6 and
   12.4. Uses api.h, device/. */
#ifndef CUDA_CUFFT_H
#define CUDA_CUFFT_H
#include "backends/cuda/api.h"
#include "device/device.h"

typedef int cufftResult;
typedef int cufftHandle;

enum {
  CUFFT_SUCCESS = 0,
  CUFFT_INVALID_PLAN = 1,
  CUFFT_ALLOC_FAILED = 2,
  CUFFT_INVALID_VALUE = 4,
  CUFFT_EXEC_FAILED = 6,
  CUFFT_SETUP_FAILED = 7,
  CUFFT_INVALID_SIZE = 8,
  CUFFT_NO_WORKSPACE = 13,
  CUFFT_C2C = 0x29,
  CUFFT_R2C = 0x2a,
  CUFFT_C2R = 0x2c,
  CUFFT_FORWARD = -1,
  CUFFT_INVERSE = 1,
};

/* C2R may write over its input. */
#define CUFFT_ENTRIES(ENTRY)                                                                                       \
  ENTRY(cufftCreate, (cufftHandle *))                                                                              \
  ENTRY(cufftDestroy, (cufftHandle))                                                                               \
  ENTRY(cufftSetAutoAllocation, (cufftHandle, int allocates))                                                      \
  ENTRY(cufftMakePlanMany, (cufftHandle, int rank, int *n, int *in_embed, int in_stride, int in_distance, int *out_embed, \
                            int out_stride, int out_distance, int type, int batch, size_t *work_bytes))            \
  ENTRY(cufftSetStream, (cufftHandle, CUstream))                                                                   \
  ENTRY(cufftSetWorkArea, (cufftHandle, void *))                                                                   \
  ENTRY(cufftExecC2C, (cufftHandle, void *in, void *out, int direction))                                           \
  ENTRY(cufftExecR2C, (cufftHandle, void *in, void *out))                                                          \
  ENTRY(cufftExecC2R, (cufftHandle, void *in, void *out))

typedef struct cufft_api {
#define ENTRY(name, parameters) cufftResult(*name) parameters;
  CUFFT_ENTRIES(ENTRY)
#undef ENTRY
} cufft_api;

/* NULL: there is none. Looked for at the first call. */
const cufft_api *cufft(void);
void cufft_report(text *json); /* a member of an object */

/* fft_cufft.c: the implementation of "FFT". */
const char *cufft_refuses(const launch *l);
error *cufft_fft(const launch *l);
#endif
