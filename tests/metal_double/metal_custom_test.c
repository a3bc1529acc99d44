/* metal_custom_test.c: kernels of the user's own on the double of Apple's frameworks: each call that fails is told, and the next
   time it works. */
#include "device/device.h"
#include "tests/metal_double/process.h"
#include "tests/doubles/custom_kernels.h"

static void fails_once_and_leaves_nothing(void) {
  custom_fails_once("metal");
  CHECK(count("MTLCommandBuffer") == 0 && count("MTLComputeCommandEncoder") == 0 && count("NSError") == 0);
}

static void each_failure_is_told(void **state) {
  static const custom_fault faults[] = {
      {"library:1=1", "the compiler is not to be had"}, /* of the copy */
      {"library:4=1",
       "the kernel 'custom_kernel_twice_float_float' does not compile: the compiler is not to be had"},
      {"indirect pipeline:4=1,pipeline:1=1", "no pipeline for the kernel 'custom_kernel_twice_float_float'"},
      {"encoder:1=1", "gives no encoder"},
      {"command buffer of a queue:1=1", "gives no command buffer"},
      {"command buffer:1=2", "the device did not carry out its work: Caused GPU Hang Error (2)"},
  };
  (void)state;
  custom_each_fails(faults, sizeof faults / sizeof *faults, fails_once_and_leaves_nothing, "");
}

static void too_large(void) { custom_is_too_large("metal"); }

static void memory_is_short(void **state) {
  (void)state;
  passes(too_large, "METAL_DOUBLE_MEMORY=3000000");
}

static void one_is_fast(void) {
  CHECK(pons_set_default_device("metal"));
  const pons_scope s = pons_scope_open();
  const float *data = pons_data(custom_twice("fast"));
  CHECK(data && data[0] == -1 && data[11] == 7);
  CHECK(custom_twice_is_right(custom_twice("relaxed")));
  pons_scope_close(s);
}

static void math_is_fast_where_it_is_asked_for(void **state) {
  (void)state;
  passes(one_is_fast, "A=1");
}

int main(void) {
  if (!double_is_there()) return 77;
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_failure_is_told),
                                     cmocka_unit_test(memory_is_short),
                                     cmocka_unit_test(math_is_fast_where_it_is_asked_for)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
