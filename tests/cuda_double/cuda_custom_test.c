/* cuda_custom_test.c: kernels of the user's own on the doubles of CUDA's libraries: each call that fails is told, and the next time
   it works. A kernel that fails while it runs takes its device with it, as cuda_arrays_test.c has it. */
#include "device/device.h"
#include "tests/cuda_double/process.h"
#include "tests/doubles/custom_kernels.h"

static void fails_once(void) { custom_fails_once("cuda"); }

static void each_failure_is_told(void **state) {
  static const custom_fault faults[] = {
      {"nvrtcCompileProgram:1=6", "does not compile"}, /* the copy */
      {"nvrtcCompileProgram:4=6", "custom_kernel_twice_float_float"},
      {"cuModuleLoadData:4=2", "CUDA_ERROR_OUT_OF_MEMORY"},
      {"cuModuleGetFunction:4=500", "cuModuleGetFunction"},
      {"cuLaunchKernel:1=2", "cuLaunchKernel"},
      {"cuLaunchKernel:4=2", "cuLaunchKernel"},
  };
  (void)state;
  custom_each_fails(faults, sizeof faults / sizeof *faults, fails_once, "PONS_CACHE_DIR=;");
}

static void too_large(void) { custom_is_too_large("cuda"); }

static void the_device_is_lost(void) {
  CHECK(pons_set_default_device("cuda"));
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 2; i++) {
    CHECK(!pons_data(custom_twice("safe")) && strstr(pons_error(), i ? "is lost since" : "(719)"));
    pons_clear_error();
  }
  pons_scope_close(s);
}

static void memory_and_device(void **state) {
  (void)state;
  passes(too_large, "CUDA_DOUBLE_MEMORY=3000000");
  passes(too_large, "CUDA_DOUBLE_MEMORY=3000000;CUDA_DOUBLE_POOLS=0");
  passes(the_device_is_lost, "DOUBLE_FAULTS=kernel:4=719");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_failure_is_told),
                                     cmocka_unit_test(memory_and_device)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
