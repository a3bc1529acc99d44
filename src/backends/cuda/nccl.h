/* nccl.h: what the backend uses of NCCL, by its own names; found at run time (nccl.c). Reference: NVIDIA, "NCCL", versions 2.14 and
   2.32. Uses api.h, device/. */
#ifndef CUDA_NCCL_H
#define CUDA_NCCL_H
#include "backends/cuda/api.h"
#include "device/device.h"

typedef int ncclResult_t;
typedef struct ncclComm *ncclComm_t;
typedef struct ncclUniqueId {
  char internal[128];
} ncclUniqueId;

enum {
  ncclSuccess = 0,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7,
  NCCL_API_MAGIC = (int)0xcafebeef,
  NCCL_CONFIG_VERSION = 21400, /* what members newer versions have beside these is as they see fit */
};
enum { /* ncclDataType_t */
  ncclInt8,
  ncclUint8,
  ncclInt32,
  ncclUint32,
  ncclInt64,
  ncclUint64,
  ncclFloat16,
  ncclFloat32,
  ncclFloat64,
  ncclBfloat16,
};
enum { ncclSum, ncclProd, ncclMax, ncclMin }; /* ncclRedOp_t */

typedef struct ncclConfig_t {
  size_t size;
  unsigned magic, version;
  int blocking; /* 0: a call may give ncclInProgress, and ncclCommGetAsyncError then tells what became of it */
} ncclConfig_t;

/* On the device whose context is the thread's. */
#define NCCL_ENTRIES(ENTRY)                                                                                                   \
  ENTRY(ncclGetVersion, (int *))                                                                                              \
  ENTRY(ncclGetUniqueId, (ncclUniqueId *))                                                                                    \
  ENTRY(ncclCommInitRankConfig, (ncclComm_t *, int n_ranks, ncclUniqueId, int rank, ncclConfig_t *))                          \
  ENTRY(ncclCommFinalize, (ncclComm_t))                                                                                       \
  ENTRY(ncclCommDestroy, (ncclComm_t))                                                                                        \
  ENTRY(ncclCommAbort, (ncclComm_t))                                                                                          \
  ENTRY(ncclCommGetAsyncError, (ncclComm_t, ncclResult_t *))                                                                  \
  ENTRY(ncclAllReduce, (const void *in, void *out, size_t count, int type, int op, ncclComm_t, CUstream))                     \
  ENTRY(ncclAllGather, (const void *in, void *out, size_t count_in, int type, ncclComm_t, CUstream))                          \
  ENTRY(ncclReduceScatter, (const void *in, void *out, size_t count_out, int type, int op, ncclComm_t, CUstream))             \
  ENTRY(ncclSend, (const void *in, size_t count, int type, int peer, ncclComm_t, CUstream))                                   \
  ENTRY(ncclRecv, (void *out, size_t count, int type, int peer, ncclComm_t, CUstream))

typedef struct nccl_api {
#define ENTRY(name, parameters) ncclResult_t(*name) parameters;
  NCCL_ENTRIES(ENTRY)
#undef ENTRY
  const char *(*ncclGetErrorString)(ncclResult_t);
  const char *(*ncclGetLastError)(ncclComm_t); /* of any communicator */
} nccl_api;

/* NULL: there is none. Looked for at the first call. */
const nccl_api *nccl(void);
void nccl_report(text *json); /* a member of an object */

/* ---- collectives_nccl.c: calls of groups of processes ---- */

#define NCCL_COLLECTIVES(ENTRY) ENTRY(all_reduce) ENTRY(all_gather) ENTRY(reduce_scatter) ENTRY(send) ENTRY(recv)
#define ENTRY(name)                                \
  const char *nccl_refuses_##name(const launch *l); \
  error *nccl_##name(const launch *l);
NCCL_COLLECTIVES(ENTRY)
#undef ENTRY
extern const driver driver_cuda;
/* driver.introduce */
void nccl_introduce(int index, char card[DEVICE_CARD]);
/* Until the calls of groups that this thread launched on the device are done; what went wrong, once more when its plan `ends`. Before
   whatever waits for the device: that would have no end if another process is gone. */
error *nccl_wait(int index, bool ends);
#endif
