/* api.h: what the backend uses of the CUDA driver and of NVRTC, by their own names: nothing of NVIDIA's is needed to
   build. The entry points are found at run time (libraries.c).

   The driver's are those of CUDA 11.6 (driver 510); what a driver may lack all the same is in the second list, and has
   a way around it. References: NVIDIA, "CUDA Driver API" and "NVRTC", versions 11.6 and 13.0. */
#ifndef CUDA_API_H
#define CUDA_API_H
#include "base/base.h"

typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUmemPoolHandle_st *CUmemoryPool;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphNode_st *CUgraphNode;
typedef struct CUgraphExec_st *CUgraphExec;

enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_DEINITIALIZED = 4,
  CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_ECC_UNCORRECTABLE = 214,
  CUDA_ERROR_NVLINK_UNCORRECTABLE = 220,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED = 704,
  CUDA_ERROR_CONTEXT_IS_DESTROYED = 709,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_HARDWARE_STACK_ERROR = 714,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_SUPPORTED = 801,
};
enum { /* CUdevice_attribute */
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
  CU_DEVICE_ATTRIBUTE_CLOCK_RATE = 13, /* kHz */
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE = 36, /* kHz */
  CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH = 37,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
  CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED = 115,
};
enum {
  CU_STREAM_NON_BLOCKING = 1,
  CU_EVENT_DISABLE_TIMING = 2,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_MEM_ALLOCATION_TYPE_PINNED = 1,
  CU_MEM_LOCATION_TYPE_DEVICE = 1,
  CU_MEM_ACCESS_FLAGS_PROT_READWRITE = 3,
  CU_MEMPOOL_ATTR_RELEASE_THRESHOLD = 4,
  CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT = 5,
  CU_MEMPOOL_ATTR_USED_MEM_CURRENT = 7,
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2, /* other streams go on as ever */
};
enum { CUDA_NEEDED = 11060 }; /* of cuDriverGetVersion */

typedef struct CUuuid {
  char bytes[16];
} CUuuid;

typedef struct CUmemPoolProps {
  int alloc_type, handle_types;
  struct {
    int type, id;
  } location;
  void *win32_security;
  unsigned char reserved[64];
} CUmemPoolProps;

typedef struct CUmemAccessDesc {
  struct {
    int type, id;
  } location;
  int flags;
} CUmemAccessDesc;

typedef struct CUDA_KERNEL_NODE_PARAMS { /* what CUDA 12 calls ..._v1 */
  CUfunction func;
  unsigned gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes;
  void **kernelParams, **extra;
} CUDA_KERNEL_NODE_PARAMS;

/* ENTRY(name, symbol, parameters): all give a CUresult. */
#define CUDA_ENTRIES(ENTRY)                                                                              \
  ENTRY(cuInit, "cuInit", (unsigned flags))                                                              \
  ENTRY(cuDriverGetVersion, "cuDriverGetVersion", (int *version))                                        \
  ENTRY(cuGetErrorName, "cuGetErrorName", (CUresult, const char **))                                     \
  ENTRY(cuGetErrorString, "cuGetErrorString", (CUresult, const char **))                                 \
  ENTRY(cuDeviceGetCount, "cuDeviceGetCount", (int *))                                                   \
  ENTRY(cuDeviceGet, "cuDeviceGet", (CUdevice *, int index))                                             \
  ENTRY(cuDeviceGetName, "cuDeviceGetName", (char *, int room, CUdevice))                                \
  ENTRY(cuDeviceGetAttribute, "cuDeviceGetAttribute", (int *, int attribute, CUdevice))                  \
  ENTRY(cuDeviceGetUuid, "cuDeviceGetUuid_v2", (CUuuid *, CUdevice))                                     \
  ENTRY(cuDeviceTotalMem, "cuDeviceTotalMem_v2", (size_t *, CUdevice))                                   \
  ENTRY(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (CUcontext *, CUdevice))                   \
  ENTRY(cuCtxPushCurrent, "cuCtxPushCurrent_v2", (CUcontext))                                            \
  ENTRY(cuCtxPopCurrent, "cuCtxPopCurrent_v2", (CUcontext *))                                            \
  ENTRY(cuMemGetInfo, "cuMemGetInfo_v2", (size_t * free, size_t * total))                                \
  ENTRY(cuMemAlloc, "cuMemAlloc_v2", (CUdeviceptr *, size_t))                                            \
  ENTRY(cuMemFree, "cuMemFree_v2", (CUdeviceptr))                                                        \
  ENTRY(cuMemAllocHost, "cuMemAllocHost_v2", (void **, size_t))                                          \
  ENTRY(cuMemFreeHost, "cuMemFreeHost", (void *))                                                        \
  ENTRY(cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", (CUdeviceptr, const void *, size_t, CUstream))        \
  ENTRY(cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", (void *, CUdeviceptr, size_t, CUstream))              \
  ENTRY(cuStreamCreate, "cuStreamCreate", (CUstream *, unsigned flags))                                  \
  ENTRY(cuStreamSynchronize, "cuStreamSynchronize", (CUstream))                                          \
  ENTRY(cuStreamWaitEvent, "cuStreamWaitEvent", (CUstream, CUevent, unsigned flags))                     \
  ENTRY(cuEventCreate, "cuEventCreate", (CUevent *, unsigned flags))                                     \
  ENTRY(cuEventRecord, "cuEventRecord", (CUevent, CUstream))                                             \
  ENTRY(cuEventSynchronize, "cuEventSynchronize", (CUevent))                                             \
  ENTRY(cuEventQuery, "cuEventQuery", (CUevent))                                                         \
  ENTRY(cuEventElapsedTime, "cuEventElapsedTime", (float *ms, CUevent begin, CUevent end))               \
  ENTRY(cuEventDestroy, "cuEventDestroy_v2", (CUevent))                                                  \
  ENTRY(cuModuleLoadData, "cuModuleLoadData", (CUmodule *, const void *image))                           \
  ENTRY(cuModuleLoadDataEx, "cuModuleLoadDataEx",                                                        \
        (CUmodule *, const void *image, unsigned n_options, int *options, void **values))                \
  ENTRY(cuModuleUnload, "cuModuleUnload", (CUmodule))                                                    \
  ENTRY(cuModuleGetFunction, "cuModuleGetFunction", (CUfunction *, CUmodule, const char *name))          \
  ENTRY(cuFuncSetAttribute, "cuFuncSetAttribute", (CUfunction, int attribute, int value))                \
  ENTRY(cuLaunchKernel, "cuLaunchKernel",                                                                \
        (CUfunction, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, \
         unsigned block_z, unsigned shared_bytes, CUstream, void **parameters, void **extra))

/* Stream-ordered memory: all of them are there, or cuMemAlloc with a cache of our own does. */
#define CUDA_POOL_ENTRIES(ENTRY)                                                             \
  ENTRY(cuMemPoolCreate, "cuMemPoolCreate", (CUmemoryPool *, const CUmemPoolProps *))        \
  ENTRY(cuMemPoolDestroy, "cuMemPoolDestroy", (CUmemoryPool))                                \
  ENTRY(cuMemPoolSetAttribute, "cuMemPoolSetAttribute", (CUmemoryPool, int attribute, void *)) \
  ENTRY(cuMemPoolGetAttribute, "cuMemPoolGetAttribute", (CUmemoryPool, int attribute, void *)) \
  ENTRY(cuMemPoolTrimTo, "cuMemPoolTrimTo", (CUmemoryPool, size_t))                          \
  ENTRY(cuMemAllocFromPoolAsync, "cuMemAllocFromPoolAsync", (CUdeviceptr *, size_t, CUmemoryPool, CUstream)) \
  ENTRY(cuMemFreeAsync, "cuMemFreeAsync", (CUdeviceptr, CUstream))

/* What a kernel's arguments are: of CUDA 12.4; without it nobody looks. */
#define CUDA_KERNEL_ENTRIES(ENTRY)                                          \
  ENTRY(cuFuncGetParamInfo, "cuFuncGetParamInfo",                           \
        (CUfunction, size_t number, size_t *at, size_t *bytes))

/* Graphs: all of them are there, or launches are made one by one. */
#define CUDA_GRAPH_ENTRIES(ENTRY)                                                                            \
  ENTRY(cuGraphCreate, "cuGraphCreate", (CUgraph *, unsigned flags))                                         \
  ENTRY(cuGraphDestroy, "cuGraphDestroy", (CUgraph))                                                         \
  ENTRY(cuGraphAddKernelNode, "cuGraphAddKernelNode",                                                        \
        (CUgraphNode *, CUgraph, const CUgraphNode *behind, size_t n_behind, const CUDA_KERNEL_NODE_PARAMS *)) \
  ENTRY(cuGraphAddChildGraphNode, "cuGraphAddChildGraphNode",                                                \
        (CUgraphNode *, CUgraph, const CUgraphNode *behind, size_t n_behind, CUgraph child))                 \
  ENTRY(cuGraphInstantiateWithFlags, "cuGraphInstantiateWithFlags",                                          \
        (CUgraphExec *, CUgraph, unsigned long long flags))                                                  \
  ENTRY(cuGraphExecDestroy, "cuGraphExecDestroy", (CUgraphExec))                                             \
  ENTRY(cuGraphExecKernelNodeSetParams, "cuGraphExecKernelNodeSetParams",                                    \
        (CUgraphExec, CUgraphNode, const CUDA_KERNEL_NODE_PARAMS *))                                         \
  ENTRY(cuGraphExecChildGraphNodeSetParams, "cuGraphExecChildGraphNodeSetParams",                            \
        (CUgraphExec, CUgraphNode, CUgraph child))                                                           \
  ENTRY(cuGraphLaunch, "cuGraphLaunch", (CUgraphExec, CUstream))                                             \
  ENTRY(cuStreamBeginCapture, "cuStreamBeginCapture_v2", (CUstream, int mode))                               \
  ENTRY(cuStreamEndCapture, "cuStreamEndCapture", (CUstream, CUgraph *))

/* Copies between GPUs: all of them are there, or they go by way of the host. */
#define CUDA_PEER_ENTRIES(ENTRY)                                                                        \
  ENTRY(cuDeviceCanAccessPeer, "cuDeviceCanAccessPeer", (int *can, CUdevice user, CUdevice owner))      \
  ENTRY(cuCtxEnablePeerAccess, "cuCtxEnablePeerAccess", (CUcontext owner, unsigned flags))              \
  ENTRY(cuMemPoolSetAccess, "cuMemPoolSetAccess", (CUmemoryPool, const CUmemAccessDesc *, size_t count)) \
  ENTRY(cuMemcpyPeerAsync, "cuMemcpyPeerAsync",                                                         \
        (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t, CUstream))

typedef struct cuda_api {
#define ENTRY(name, symbol, parameters) CUresult(*name) parameters;
  CUDA_ENTRIES(ENTRY)
  CUDA_POOL_ENTRIES(ENTRY)
  CUDA_GRAPH_ENTRIES(ENTRY)
  CUDA_PEER_ENTRIES(ENTRY)
  CUDA_KERNEL_ENTRIES(ENTRY)
#undef ENTRY
} cuda_api;

/* ---- NVRTC, the compiler: CUDA 11.2 or newer ---- */

typedef int nvrtcResult;
typedef struct nvrtc_program *nvrtcProgram;
enum { NVRTC_SUCCESS = 0, NVRTC_ERROR_OUT_OF_MEMORY = 1, NVRTC_ERROR_COMPILATION = 6 };

#define NVRTC_ENTRIES(ENTRY)                                                                          \
  ENTRY(nvrtcVersion, (int *major, int *minor))                                                       \
  ENTRY(nvrtcGetNumSupportedArchs, (int *))                                                           \
  ENTRY(nvrtcGetSupportedArchs, (int *))                                                              \
  ENTRY(nvrtcCreateProgram, (nvrtcProgram *, const char *text, const char *name, int n_headers,       \
                             const char *const *headers, const char *const *names))                   \
  ENTRY(nvrtcDestroyProgram, (nvrtcProgram *))                                                        \
  ENTRY(nvrtcCompileProgram, (nvrtcProgram, int n_options, const char *const *options))               \
  ENTRY(nvrtcGetProgramLogSize, (nvrtcProgram, size_t *))                                             \
  ENTRY(nvrtcGetProgramLog, (nvrtcProgram, char *))                                                   \
  ENTRY(nvrtcGetPTXSize, (nvrtcProgram, size_t *))                                                    \
  ENTRY(nvrtcGetPTX, (nvrtcProgram, char *))                                                          \
  ENTRY(nvrtcGetCUBINSize, (nvrtcProgram, size_t *))                                                  \
  ENTRY(nvrtcGetCUBIN, (nvrtcProgram, char *))

typedef struct nvrtc_api {
#define ENTRY(name, parameters) nvrtcResult(*name) parameters;
  NVRTC_ENTRIES(ENTRY)
#undef ENTRY
  const char *(*nvrtcGetErrorString)(nvrtcResult);
} nvrtc_api;

/* ---- libraries.c ---- */

enum { CUDA_MAX_DEVICES = 16 };
/* What the driver tells of a device; no context is needed for it. */
typedef struct cuda_card {
  CUdevice id;
  char name[128];
  int arch; /* 86: compute capability 8.6 */
  int multiprocessors, threads_per_block, shared_bytes; /* the most a block may have */
  int shared_on_request; /* the most for a kernel that asks for it: 0: no more */
  size_t memory;
  bool pools;
  char missing[192]; /* why it is not used; empty: it is */
} cuda_card;

/* Entry points; found at the first call. */
const cuda_api *cuda(void);
const nvrtc_api *nvrtc(void); /* NULL: there is none */
bool cuda_has_graphs(void);
bool cuda_has_peers(void); /* entry points, that is */
int cuda_driver_version(void); /* 12040 */
int nvrtc_version(void);       /* 12040 */
bool nvrtc_knows(int arch);
/* Without a driver: NVRTC of any version. */
const nvrtc_api *nvrtc_alone(void);
int nvrtc_oldest_from(int arch); /* 0: none */
/* The newest architecture it knows that is not newer than `arch`; 0: none. */
int nvrtc_newest_up_to(int arch);
int cuda_count(void); /* the devices that are used come first */
const cuda_card *cuda_card_at(int index);
void cuda_report(text *json);
/* The first library called `stem`.so.<version>, of the driver's version or older, that `is_fit` takes; NULL: none. It is
   looked for in what the environment's `variable` names, too. */
typedef bool cuda_library_fit(void *library, const char *path, void *context);
void *cuda_library_open(const char *variable, const char *stem, cuda_library_fit *is_fit, void *context);
/* The same of one version of its own. */
void *cuda_library_open_version(const char *variable, const char *stem, int version, cuda_library_fit *is_fit, void *context);
/* May float32 be multiplied as TF32? */
bool cuda_wants_tf32(void);
#endif
