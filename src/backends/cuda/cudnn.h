/* cudnn.h: what the backend uses of cuDNN, by its own names: descriptors that are made, told their attributes and finished. Found at
   run time (cudnn.c). Reference: NVIDIA, "cuDNN Backend API", versions 8.9 and 9.x. Uses cuda.h. */
#ifndef CUDA_CUDNN_H
#define CUDA_CUDNN_H
#include "backends/cuda/cuda.h"

typedef int cudnnStatus_t;
typedef struct cudnnContext *cudnnHandle_t;
typedef void *cudnnBackendDescriptor_t;

enum {
  CUDNN_STATUS_SUCCESS = 0,
  CUDNN_STATUS_BAD_PARAM = 2000, /* and what follows, of version 9 */
  CUDNN_STATUS_NOT_SUPPORTED = 3000,
  CUDNN_STATUS_EXECUTION_FAILED = 5000,

  CUDNN_DATA_FLOAT = 0,
  CUDNN_DATA_HALF = 2,
  CUDNN_DATA_BFLOAT16 = 9,

  CUDNN_CONVOLUTION = 0,
  CUDNN_CROSS_CORRELATION = 1,

  /* kinds of descriptors */
  CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR = 1,
  CUDNN_BACKEND_ENGINE_DESCRIPTOR = 2,
  CUDNN_BACKEND_ENGINECFG_DESCRIPTOR = 3,
  CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR = 4,
  CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR = 5,
  CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR = 10,
  CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR = 11,
  CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR = 12,
  CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR = 15,
  CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR = 16,
  CUDNN_BACKEND_TENSOR_DESCRIPTOR = 17,

  /* types of attributes */
  CUDNN_TYPE_HANDLE = 0,
  CUDNN_TYPE_DATA_TYPE = 1,
  CUDNN_TYPE_INT64 = 3,
  CUDNN_TYPE_FLOAT = 4,
  CUDNN_TYPE_VOID_PTR = 6,
  CUDNN_TYPE_CONVOLUTION_MODE = 7,
  CUDNN_TYPE_HEUR_MODE = 8,
  CUDNN_TYPE_NUMERICAL_NOTE = 11,
  CUDNN_TYPE_BACKEND_DESCRIPTOR = 15,

  /* attributes */
  CUDNN_ATTR_CONVOLUTION_COMP_TYPE = 100,
  CUDNN_ATTR_CONVOLUTION_CONV_MODE = 101,
  CUDNN_ATTR_CONVOLUTION_DILATIONS = 102,
  CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES = 103,
  CUDNN_ATTR_CONVOLUTION_POST_PADDINGS = 104,
  CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS = 105,
  CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS = 106,
  CUDNN_ATTR_ENGINEHEUR_MODE = 200,
  CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH = 201,
  CUDNN_ATTR_ENGINEHEUR_RESULTS = 202,
  CUDNN_ATTR_ENGINECFG_ENGINE = 300,
  CUDNN_ATTR_EXECUTION_PLAN_HANDLE = 400,
  CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG = 401,
  CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE = 402,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA = 700,    /* beta, the convolution, w, x, y follow */
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA = 706,   /* beta, the convolution, w, dx, dy */
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA = 712, /* beta, the convolution, dw, x, dy */
  CUDNN_ATTR_OPERATIONGRAPH_HANDLE = 800,
  CUDNN_ATTR_OPERATIONGRAPH_OPS = 801,
  CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT = 900,
  CUDNN_ATTR_TENSOR_DATA_TYPE = 901,
  CUDNN_ATTR_TENSOR_DIMENSIONS = 902,
  CUDNN_ATTR_TENSOR_STRIDES = 903,
  CUDNN_ATTR_TENSOR_UNIQUE_ID = 906,
  CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS = 1000,
  CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS = 1001,
  CUDNN_ATTR_VARIANT_PACK_WORKSPACE = 1003,
  CUDNN_ATTR_ENGINE_NUMERICAL_NOTE = 1303,

  CUDNN_HEUR_MODE_INSTANT = 0,
  CUDNN_HEUR_MODE_FALLBACK = 2,
  CUDNN_HEUR_MODE_A = 3,

  CUDNN_NUMERICAL_NOTE_TENSOR_CORE = 0,
  CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS = 1,
  CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION = 2,
  CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC = 4,
  CUDNN_NUMERICAL_NOTE_WINOGRAD = 5,
  CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6 = 7,
  CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13 = 8,
};

#define CUDNN_ENTRIES(ENTRY)                                                                       \
  ENTRY(cudnnCreate, (cudnnHandle_t *))                                                            \
  ENTRY(cudnnSetStream, (cudnnHandle_t, CUstream))                                                 \
  ENTRY(cudnnBackendCreateDescriptor, (int kind, cudnnBackendDescriptor_t *))                      \
  ENTRY(cudnnBackendDestroyDescriptor, (cudnnBackendDescriptor_t))                                 \
  ENTRY(cudnnBackendFinalize, (cudnnBackendDescriptor_t))                                          \
  ENTRY(cudnnBackendSetAttribute,                                                                  \
        (cudnnBackendDescriptor_t, int attribute, int type, int64_t count, const void *))          \
  ENTRY(cudnnBackendGetAttribute,                                                                  \
        (cudnnBackendDescriptor_t, int attribute, int type, int64_t room, int64_t *count, void *)) \
  ENTRY(cudnnBackendExecute,                                                                       \
        (cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variant_pack))

typedef struct cudnn_api {
#define ENTRY(name, parameters) cudnnStatus_t(*name) parameters;
  CUDNN_ENTRIES(ENTRY)
#undef ENTRY
  size_t (*cudnnGetVersion)(void);
  size_t (*cudnnGetCudartVersion)(void);
} cudnn_api;

/* NULL: there is none. Looked for at the first call. */
const cudnn_api *cudnn(void);
void cudnn_report(text *json); /* a member of an object */

/* ---- cudnn_plans.c: what it is to compute, and how ---- */

enum { CUDNN_MOST_AXES = 3 };
typedef enum cudnn_kind { CUDNN_FORWARD, CUDNN_GRADIENT_OF_X, CUDNN_GRADIENT_OF_W, CUDNN_KINDS } cudnn_kind;
enum { CUDNN_X, CUDNN_W, CUDNN_Y, CUDNN_TENSORS };

/* A convolution, or the gradient of one by x or w. Tensors are (batch, channels, spatial...), w is (channels of y, of x in a group,
   spatial...), whatever their strides. Compared byte by byte. */
typedef struct cudnn_problem {
  int32_t kind, dtype, axes, tf32;
  int32_t align[CUDNN_TENSORS]; /* in bytes */
  int32_t unused;
  int64_t shape[CUDNN_TENSORS][CUDNN_MOST_AXES + 2], strides[CUDNN_TENSORS][CUDNN_MOST_AXES + 2];
  int64_t stride[CUDNN_MOST_AXES], dilation[CUDNN_MOST_AXES], before[CUDNN_MOST_AXES], after[CUDNN_MOST_AXES];
} cudnn_problem;

typedef struct cudnn_plan cudnn_plan;
/* The plan for a problem on a device that was entered, made at its first time; NULL: cuDNN has none. It stays. */
const cudnn_plan *cudnn_plan_for(cuda_device *d, const cudnn_problem *p);
size_t cudnn_workspace(const cudnn_plan *p);
cuda_failure cudnn_run(cuda_device *d, const cudnn_plan *p, CUstream queue, void *const *tensors,
                       void *workspace);

/* ---- conv_cudnn.c: an implementation of "Convolution" ---- */

const char *cudnn_refuses(const launch *l);
error *cudnn_conv(const launch *l);
#endif
