/* backends.c: the only place that knows every backend. The first one found is the default. Uses device/. */
#include "device/device.h"

extern const driver driver_cpu, driver_null;

const driver *const pons_drivers[] = {&driver_cpu, &driver_null, NULL};
