/* api.h: what the backend uses of OpenCL 1.2, by its own names: nothing of OpenCL is needed to build. The entry
   points are found at run time (library.c). Reference: Khronos, "The OpenCL Specification", version 1.2. */
#ifndef OPENCL_API_H
#define OPENCL_API_H
#include "backends/gpu/gpu.h"

typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_bits;
typedef struct cl_platform *cl_platform_id;
typedef struct cl_device *cl_device_id;
typedef struct cl_context_s *cl_context;
typedef struct cl_queue *cl_command_queue;
typedef struct cl_memory *cl_mem;
typedef struct cl_program_s *cl_program;
typedef struct cl_kernel_s *cl_kernel;

enum {
  CL_SUCCESS = 0,
  CL_DEVICE_NOT_FOUND = -1,
  CL_OUT_OF_HOST_MEMORY = -6,
  CL_TRUE = 1,
  CL_PLATFORM_NAME = 0x0902,
  CL_PLATFORM_VERSION = 0x0901,
  CL_DEVICE_TYPE = 0x1000,
  CL_DEVICE_MAX_WORK_GROUP_SIZE = 0x1004,
  CL_DEVICE_SINGLE_FP_CONFIG = 0x101B,
  CL_DEVICE_GLOBAL_MEM_SIZE = 0x101F,
  CL_DEVICE_LOCAL_MEM_SIZE = 0x1023,
  CL_DEVICE_MAX_CLOCK_FREQUENCY = 0x100C,
  CL_DEVICE_MAX_COMPUTE_UNITS = 0x1002,
  CL_DEVICE_COMPILER_AVAILABLE = 0x1028,
  CL_DEVICE_NAME = 0x102B,
  CL_DRIVER_VERSION = 0x102D,
  CL_DEVICE_VERSION = 0x102F,
  CL_DEVICE_EXTENSIONS = 0x1030,
  CL_PROGRAM_BINARY_SIZES = 0x1165,
  CL_PROGRAM_BINARIES = 0x1166,
  CL_PROGRAM_BUILD_LOG = 0x1183,
  CL_MEM_SIZE = 0x1102,
  CL_MEM_READ_WRITE = 1 << 0,
  CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT = 1 << 7
};
#define CL_DEVICE_TYPE_ALL ((cl_bits)0xFFFFFFFF)
#define CL_DEVICE_TYPE_GPU ((cl_bits)1 << 2)

/* ENTRY(result, name, parameters) */
#define OPENCL_ENTRIES(ENTRY)                                                                              \
  ENTRY(cl_int, clGetPlatformIDs, (cl_uint, cl_platform_id *, cl_uint *))                                  \
  ENTRY(cl_int, clGetPlatformInfo, (cl_platform_id, cl_uint, size_t, void *, size_t *))                    \
  ENTRY(cl_int, clGetDeviceIDs, (cl_platform_id, cl_bits, cl_uint, cl_device_id *, cl_uint *))             \
  ENTRY(cl_int, clGetDeviceInfo, (cl_device_id, cl_uint, size_t, void *, size_t *))                        \
  ENTRY(cl_context, clCreateContext,                                                                       \
        (const void *, cl_uint, const cl_device_id *, void *, void *, cl_int *))                           \
  ENTRY(cl_command_queue, clCreateCommandQueue, (cl_context, cl_device_id, cl_bits, cl_int *))             \
  ENTRY(cl_mem, clCreateBuffer, (cl_context, cl_bits, size_t, void *, cl_int *))                           \
  ENTRY(cl_int, clGetMemObjectInfo, (cl_mem, cl_uint, size_t, void *, size_t *))                           \
  ENTRY(cl_int, clFlush, (cl_command_queue))                                                               \
  ENTRY(cl_int, clFinish, (cl_command_queue))                                                              \
  ENTRY(cl_int, clReleaseMemObject, (cl_mem))                                                              \
  ENTRY(cl_int, clEnqueueReadBuffer,                                                                       \
        (cl_command_queue, cl_mem, cl_uint, size_t, size_t, void *, cl_uint, const void *, void *))        \
  ENTRY(cl_int, clEnqueueWriteBuffer,                                                                      \
        (cl_command_queue, cl_mem, cl_uint, size_t, size_t, const void *, cl_uint, const void *, void *))  \
  ENTRY(cl_program, clCreateProgramWithSource,                                                             \
        (cl_context, cl_uint, const char **, const size_t *, cl_int *))                                    \
  ENTRY(cl_int, clBuildProgram, (cl_program, cl_uint, const cl_device_id *, const char *, void *, void *)) \
  ENTRY(cl_program, clCreateProgramWithBinary,                                                             \
        (cl_context, cl_uint, const cl_device_id *, const size_t *, const unsigned char **, cl_int *,      \
         cl_int *))                                                                                        \
  ENTRY(cl_int, clGetProgramInfo, (cl_program, cl_uint, size_t, void *, size_t *))                         \
  ENTRY(cl_int, clGetProgramBuildInfo, (cl_program, cl_device_id, cl_uint, size_t, void *, size_t *))      \
  ENTRY(cl_int, clReleaseProgram, (cl_program))                                                            \
  ENTRY(cl_kernel, clCreateKernel, (cl_program, const char *, cl_int *))                                   \
  ENTRY(cl_int, clSetKernelArg, (cl_kernel, cl_uint, size_t, const void *))                                \
  ENTRY(cl_int, clEnqueueNDRangeKernel,                                                                    \
        (cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,    \
         const void *, void *))

typedef struct opencl_api {
#define ENTRY(result, name, parameters) result(*name) parameters;
  OPENCL_ENTRIES(ENTRY)
#undef ENTRY
} opencl_api;

/* ---- library.c ---- */

enum { OPENCL_MAX_DEVICES = 16 };
typedef struct opencl_device {
  cl_device_id id;
  char name[128], platform[128], version[128], driver[128];
  gpu_features features;
  size_t memory_bytes;
  int units, megahertz; /* 0: it does not tell */
  bool is_gpu, divides_exactly;
  const char *missing; /* why it is not used; NULL: it is */
} opencl_device;

/* Entry points; the devices that are used come first. Found at the first call. */
const opencl_api *opencl(void);
int opencl_count(void);
const opencl_device *opencl_device_at(int index);
void opencl_report(text *json);
/* "clBuildProgram: CL_BUILD_PROGRAM_FAILURE (-11)" */
error *opencl_fail(const char *call, cl_int status);
bool opencl_is_short(cl_int status); /* is it about memory that is not there? */
#endif
