/* backends.c: the only place that knows every backend. The first is the host's, and the default. Uses device/. */
#include "device/device.h"

extern const driver driver_cpu, driver_cuda, driver_cuda_ahead, driver_metal, driver_opencl, driver_null;

const driver *const pons_drivers[] = {&driver_cpu,  &driver_cuda,       &driver_metal, &driver_opencl,
                                      &driver_null, &driver_cuda_ahead, NULL};
