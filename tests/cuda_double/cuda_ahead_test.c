/* cuda_ahead_test.c: kernels built ahead, by the double of NVRTC, and programs that run on them with the double of the driver alone: on the
   device where a kernel was built for it, on the CPU in its place where none was. */
#include "device/device.h"
#include <ftw.h>
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

#define KERNELS DOUBLES "kernels_ahead"

static pons_array ramp(int n) { return pons_arange(0, n, 1, PONS_FLOAT32); }

static pons_array softened(pons_array x) {
  return pons_softmax(pons_multiply(x, pons_float(2)), .axes = PONS_AXES(-1));
}

/* On a device that computes nothing. */
static void build(void) {
  CHECK(pons_set_default_device("cuda_ahead"));
  const pons_scope s = pons_scope_open();
  CHECK(pons_eval(softened(pons_reshape(ramp(12), PONS_SHAPE(3, 4)))));
  pons_scope_close(s);
}

static void expect_sums_of_one(pons_array y) {
  const float *at = pons_data(pons_sum(y, .axes = PONS_AXES(-1)));
  CHECK(at);
  for (int i = 0; i < 3; i++) CHECK(at[i] > 1 - 1e-5f && at[i] < 1 + 1e-5f);
}

static void use(void) {
  CHECK(pons_set_default_device("cuda"));
  const pons_scope s = pons_scope_open();
  pons_array y = softened(pons_reshape(ramp(12), PONS_SHAPE(3, 4)));
  CHECK(pons_eval(y) && count("cuLaunchKernel") == 3 && count("cuMemcpyDtoHAsync") == 0);
  expect_sums_of_one(y); /* a sum was not built: the CPU takes it */
  CHECK(count("cuLaunchKernel") == 3);
  /* A chain that was not built, between what was. */
  pons_array z = pons_add(pons_sin(ramp(12)), pons_float(1));
  const float *at = pons_data(z);
  CHECK(at && at[0] == 1 && count("cuLaunchKernel") == 4);
  CHECK(pons_ok());
  pons_scope_close(s);
}

static void plus_one(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_softmax(pons_add(in[0], pons_float(1)), .axes = PONS_AXES(-1));
}

static void compiled_functions_work(void) {
  CHECK(pons_set_default_device("cuda"));
  pons_function plain = pons_function_new(plus_one, 1, NULL, NULL), f = pons_compile(plain);
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    expect_sums_of_one(pons_apply(f, pons_reshape(ramp(12), PONS_SHAPE(3, 4))));
    pons_scope_close(s);
  }
  CHECK(pons_ok());
  pons_function_release(f);
  pons_function_release(plain);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk) {
  (void)s, (void)kind, (void)walk;
  return remove(path);
}

static void programs_run_on_what_was_built(void **state) {
  (void)state;
  nftw(KERNELS, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  passes(build, "PONS_CUDA_AHEAD=1;PONS_CACHE_DIR=" KERNELS);
  assert_int_equal(access(KERNELS, R_OK), 0);
  passes(use, "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS_DIR=" KERNELS);
  passes(use, "NO_NVRTC=1;PONS_CACHE_DIR=;CUDA_DOUBLE_ARCH=120;PONS_KERNELS_DIR=" KERNELS);
  passes(compiled_functions_work, "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS_DIR=" KERNELS);
}

static void nothing_without_either(void) { CHECK(!pons_set_default_device("cuda")); }

static void older_devices_are_not_used(void **state) {
  (void)state;
  passes(nothing_without_either, "NO_NVRTC=1;PONS_KERNELS_DIR=/nowhere");
  passes(nothing_without_either, "NO_NVRTC=1;CUDA_DOUBLE_ARCH=61;PONS_KERNELS_DIR=" KERNELS);
}

int main(void) {
  if (!doubles_are_there()) return 77;
  if (dlopen("libnvrtc.so.12", RTLD_LAZY | RTLD_LOCAL)) {
    print_message("skipped: this machine has an NVRTC, which would be found\n");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(programs_run_on_what_was_built),
      cmocka_unit_test(older_devices_are_not_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
