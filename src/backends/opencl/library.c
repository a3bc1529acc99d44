/* library.c: the OpenCL library, looked for at run time, and the devices it tells of. Uses clblast.h, base/. */
#include "backends/opencl/clblast.h"
#include <pthread.h>
#include <stdlib.h>

static struct {
  void *library;
  char *missing;
  opencl_api api;
  opencl_device devices[OPENCL_MAX_DEVICES];
  int n_used, n_found;
} found;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

/* ---- what went wrong ---- */

static const char *status_name(cl_int status) {
  switch (status) {
    case -1:
      return "CL_DEVICE_NOT_FOUND";
    case -2:
      return "CL_DEVICE_NOT_AVAILABLE";
    case -3:
      return "CL_COMPILER_NOT_AVAILABLE";
    case -4:
      return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case -5:
      return "CL_OUT_OF_RESOURCES";
    case -6:
      return "CL_OUT_OF_HOST_MEMORY";
    case -11:
      return "CL_BUILD_PROGRAM_FAILURE";
    case -36:
      return "CL_INVALID_COMMAND_QUEUE";
    case -51:
      return "CL_INVALID_ARG_SIZE";
    case -52:
      return "CL_INVALID_KERNEL_ARGS";
    case -54:
      return "CL_INVALID_WORK_GROUP_SIZE";
    case -61:
      return "CL_INVALID_BUFFER_SIZE";
    default:
      return "status";
  }
}

bool opencl_is_short(cl_int status) { return status == -4 || status == -5 || status == -6 || status == -61; }

error *opencl_fail(const char *call, cl_int status) {
  return fail_as(opencl_is_short(status) ? PONS_ERROR_MEMORY : PONS_ERROR_RUNTIME, "opencl", "%s: %s (%d)", call, status_name(status), (int)status);
}

/* ---- finding ---- */

static bool find_entries(void) {
#define SYMBOL(result, symbol, parameters) #symbol,
  static const char *const symbols[] = {OPENCL_ENTRIES(SYMBOL)};
#undef SYMBOL
  return library_symbols(found.library, symbols, sizeof symbols / sizeof *symbols, &found.api);
}

/* Is it one of the words of PONS_OPENCL_WITHOUT? As if the device did not have it, then. */
static bool is_hidden(const char *name) {
  const char *hidden = getenv("PONS_OPENCL_WITHOUT");
  return hidden && strstr(hidden, name);
}

static bool has_extension(cl_device_id id, const char *name) {
  char list[8192];
  if (is_hidden(name)) return false;
  if (found.api.clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof list, list, NULL) != CL_SUCCESS)
    return false;
  return strstr(list, name) != NULL;
}

static gpu_features features_of(cl_device_id id) {
  size_t group = 0;
  cl_bits local = 0;
  found.api.clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
  return (gpu_features){.float64 = has_extension(id, "cl_khr_fp64"),
                        .atomics64 = has_extension(id, "cl_khr_int64_base_atomics"),
                        .max_group = group > 1024 ? 1024 : (int)group,
                        .most_threads = group > INT32_MAX ? INT32_MAX : (int)group,
                        .local_bytes = local > 1 << 20 ? 1 << 20 : (int)local,
                        .max_memories = GPU_MAX_MEMORIES};
}

/* Each is asked once; what the device does not tell stays 0. */
static opencl_device described(cl_platform_id platform, cl_device_id id) {
  opencl_device d = {.id = id, .features = features_of(id)};
  cl_bits type = 0, memory = 0, arithmetic = 0;
  cl_uint units = 0, megahertz = 0, compiles = 0;
  found.api.clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof d.name, d.name, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_VERSION, sizeof d.version, d.version, NULL);
  found.api.clGetDeviceInfo(id, CL_DRIVER_VERSION, sizeof d.driver, d.driver, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof megahertz, &megahertz, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiles, &compiles, NULL);
  found.api.clGetDeviceInfo(id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof arithmetic, &arithmetic, NULL);
  found.api.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof d.platform, d.platform, NULL);
  d.is_gpu = (type & CL_DEVICE_TYPE_GPU) != 0;
  d.memory_bytes = (size_t)memory;
  d.units = (int)units;
  d.megahertz = (int)megahertz;
  d.divides_exactly = (arithmetic & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
  d.missing = compiles ? NULL : "it has no compiler for kernels";
  return d;
}

static void ask_device(cl_platform_id platform, cl_device_id id) {
  if (found.n_found == OPENCL_MAX_DEVICES) return;
  const opencl_device d = described(platform, id);
  if (d.missing) {
    found.devices[found.n_found++] = d;
    return;
  }
  memmove(&found.devices[found.n_used + 1], &found.devices[found.n_used],
          (size_t)(found.n_found - found.n_used) * sizeof d);
  found.devices[found.n_used++] = d;
  found.n_found++;
}

static void ask_platforms(void) {
  cl_platform_id platforms[8];
  cl_device_id ids[OPENCL_MAX_DEVICES];
  cl_uint n_platforms = 0;
  if (found.api.clGetPlatformIDs(8, platforms, &n_platforms) != CL_SUCCESS) return;
  for (cl_uint i = 0; i < n_platforms && i < 8; i++) {
    cl_uint n = 0;
    if (found.api.clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, OPENCL_MAX_DEVICES, ids, &n) != CL_SUCCESS)
      continue;
    for (cl_uint k = 0; k < n && k < OPENCL_MAX_DEVICES; k++) ask_device(platforms[i], ids[k]);
  }
}

static void open_library(void) {
  static const char *const names[] = {"libOpenCL.so.1", "libOpenCL.so",
                                      "/System/Library/Frameworks/OpenCL.framework/OpenCL", NULL};
  found.library = library_open(names, &found.missing);
  if (found.library && find_entries()) ask_platforms();
}

const opencl_api *opencl(void) {
  pthread_once(&opened, open_library);
  return &found.api;
}

int opencl_count(void) {
  opencl();
  return found.n_used;
}

const opencl_device *opencl_device_at(int index) {
  opencl();
  return &found.devices[index];
}

/* ---- the report ---- */

static void add_missing(text *json) {
  text_add(json, "{\"missing\": ");
  text_add_json(json, !found.library && found.missing ? found.missing
                      : !found.library                ? "no OpenCL library was found"
                                       : "the OpenCL library lacks entry points of version 1.2");
  text_add(json,
           ", \"remedy\": \"install an OpenCL driver; for the CPU: pocl-opencl-icd (Debian, Ubuntu), pocl "
           "(Fedora, Homebrew)\"}");
}

void opencl_report(text *json) {
  opencl();
  if (!found.library || !found.api.clEnqueueNDRangeKernel) {
    add_missing(json);
    return;
  }
  const char *path = library_path(found.library, "clGetPlatformIDs");
  text_add(json, "{\"path\": ");
  text_add_json(json, path ? path : "unknown");
  text_add(json, ", \"found\": [");
  for (int i = 0; i < found.n_found; i++) {
    const opencl_device *d = &found.devices[i];
    text_add(json, "%s{\"name\": ", i ? ", " : "");
    text_add_json(json, d->name);
    text_add(json, ", \"platform\": ");
    text_add_json(json, d->platform);
    text_add(json, ", \"gpu\": %s, \"memory\": %zu, \"units\": %d, \"MHz\": %d, \"float64\": %s",
             d->is_gpu ? "true" : "false", d->memory_bytes, d->units, d->megahertz,
             d->features.float64 ? "true" : "false");
    if (d->missing) {
      text_add(json, ", \"not used\": ");
      text_add_json(json, d->missing);
    }
    text_add(json, "}");
  }
  text_add(json, "], ");
  clblast_report(json);
  text_add(json, "}");
}
