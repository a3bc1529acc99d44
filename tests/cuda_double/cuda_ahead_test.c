/* cuda_ahead_test.c: kernels built ahead, by the double of NVRTC, and programs that run on them with the double of the driver alone: on the
   device where a kernel was built for it, on the CPU in its place where none was. Elementwise chains need none of their own: there is
   one text for all, whatever their dtypes, strides and number of operands (elementwise_test runs on it, too). */
#include "device/device.h"
#include <math.h>
#include <pons/ops.h>
#include <pons/pons.h>
#include <sys/stat.h>
#include "tests/cuda_double/process.h"

#define KERNELS DOUBLES "kernels_ahead"
#define ALONE "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS

static pons_array ramp(int n) { return pons_arange(0, n, 1, PONS_FLOAT32); }

static pons_array softened(pons_array x) {
  return pons_softmax(pons_multiply(x, pons_float(2)), .axes = PONS_AXES(-1));
}

/* More operands than the small text of chains takes: x + 2 x + ... + n x, each a row or a column. */
static pons_array sum_of_many(int n) {
  pons_array all = pons_reshape(ramp(3), PONS_SHAPE(3, 1));
  for (int i = 1; i < n; i++) {
    pons_array x = pons_multiply(ramp(4), pons_float((float)i));
    pons_eval(x);
    all = pons_add(all, x);
  }
  return all;
}

/* On a device that computes nothing. */
static void build(void) {
  CHECK(pons_set_default_device("cuda_ahead"));
  const pons_scope s = pons_scope_open();
  CHECK(pons_eval(softened(pons_reshape(ramp(12), PONS_SHAPE(3, 4)))) && pons_eval(sum_of_many(9)));
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
  CHECK(count("cuLaunchKernel") == 3 && count("cuMemcpyDtoHAsync") == 1);
  pons_scope_close(s);
}

static void chains_need_no_kernel_of_their_own(void) {
  CHECK(pons_set_default_device("cuda"));
  const pons_scope s = pons_scope_open();
  pons_array x = ramp(12);
  CHECK(pons_eval(x));
  const long before = count("cuLaunchKernel");
  /* Narrow, wide and turned operands in one chain. */
  pons_array m = pons_transpose(pons_reshape(x, PONS_SHAPE(3, 4))), half = pons_astype(pons_sin(m), PONS_FLOAT16);
  pons_array z = pons_astype(pons_where(pons_greater(half, pons_float(0)), pons_astype(m, PONS_INT64), pons_int(-7)),
                             PONS_FLOAT64);
  CHECK(pons_eval(z) && count("cuLaunchKernel") == before + 1 && count("cuMemcpyDtoHAsync") == 0);
  const double *at = pons_data(pons_contiguous(z));
  for (int i = 0; i < 12; i++) {
    const double value = i % 3 * 4 + i / 3;
    CHECK(at[i] == (sin(value) > 0 ? value : -7));
  }
  CHECK(pons_ok());
  pons_scope_close(s);
}

static void chains_of_many_operands_run(void) {
  CHECK(pons_set_default_device("cuda"));
  const pons_scope s = pons_scope_open();
  pons_array all = sum_of_many(9);
  const long read = count("cuMemcpyDtoHAsync");
  CHECK(pons_eval(all) && count("cuMemcpyDtoHAsync") == read);
  const float *at = pons_data(all);
  for (int i = 0; i < 12; i++) CHECK(at[i] == (float)(i / 4 + 36 * (i % 4)));
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

/* On the device or on the CPU. */
static void softened_somewhere(void) {
  CHECK(pons_set_default_device("cuda"));
  const pons_scope s = pons_scope_open();
  expect_sums_of_one(softened(pons_reshape(ramp(12), PONS_SHAPE(3, 4))));
  CHECK(pons_ok());
  pons_scope_close(s);
}

static void programs_run_on_what_was_built(void **state) {
  (void)state;
  remove(KERNELS);
  passes(build, "PONS_CACHE_DIR=;PONS_CUDA_AHEAD=" KERNELS);
  assert_int_equal(access(KERNELS, R_OK), 0);
  passes(use, ALONE);
  passes(use, "CUDA_DOUBLE_ARCH=120;" ALONE);
  passes(chains_need_no_kernel_of_their_own, ALONE);
  passes(chains_of_many_operands_run, ALONE);
  passes(compiled_functions_work, ALONE);
}

/* Machine code is taken by devices of its architecture and later ones of the same family, by no others. */
static void nothing_was_built_for_it(void) {
  softened_somewhere();
  CHECK(count("cuLaunchKernel") == 0);
}
static void machine_code_is_for_one_family(void **state) {
  (void)state;
  remove(KERNELS "3");
  passes(build, "PONS_CACHE_DIR=;PONS_CUDA_AHEAD_ARCH=80;PONS_CUDA_AHEAD=" KERNELS "3");
  passes(use, "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS "3");
  passes(use, "CUDA_DOUBLE_ARCH=80;NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS "3");
  passes(nothing_was_built_for_it, "CUDA_DOUBLE_ARCH=75;NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS "3");
  passes(nothing_was_built_for_it, "CUDA_DOUBLE_ARCH=90;NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS "3");
}

static void an_architecture_nobody_knows(void) {
  CHECK(pons_set_default_device("cuda_ahead"));
  CHECK(!pons_eval(softened(pons_reshape(ramp(12), PONS_SHAPE(3, 4)))) && told("does not know sm_33"));
}
static void unknown_architectures_are_told(void **state) {
  (void)state;
  passes(an_architecture_nobody_knows, "PONS_CACHE_DIR=;PONS_CUDA_AHEAD_ARCH=33;PONS_CUDA_AHEAD=" KERNELS "4");
}

static void nothing_without_either(void) { CHECK(!pons_set_default_device("cuda")); }

static void append(const char *path, FILE *to) {
  static char bytes[1 << 16];
  FILE *from = fopen(path, "rb");
  assert_non_null(from);
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, from)) > 0;) assert_int_equal(fwrite(bytes, 1, n, to), n);
  fclose(from);
}

/* A library that nothing is appended to has none; one with an archive behind it has its kernels, named or by itself. */
static void libraries_hold_kernels(void **state) {
  (void)state;
  const char *library = getenv("PONS_LIBRARY"), *command = getenv("PONS_COMMAND");
  char asked[2000];
  if (!library || !command) skip();
  snprintf(asked, sizeof asked, "cd '" DOUBLES "inside' && LD_LIBRARY_PATH=.:driver '%s' info | grep -q '^devices:.* cuda[,;]'", command);
  assert_int_equal(system("mkdir -p '" DOUBLES "inside/driver' && ln -sf ../../libcuda.so.1 '" DOUBLES "inside/driver/'"), 0);
  for (int kernels = 0; kernels < 2; kernels++) {
    FILE *to = fopen(DOUBLES "inside/libpons.so.0", "wb");
    assert_non_null(to);
    append(library, to);
    if (kernels) append(KERNELS, to);
    assert_int_equal(fclose(to), 0);
    passes(kernels ? use : nothing_without_either, "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" DOUBLES "inside/libpons.so.0");
    assert_int_equal(system(asked) == 0, kernels);
  }
}

/* What is there already is not compiled again. */
static void archives_grow(void **state) {
  (void)state;
  remove(KERNELS "2");
  passes(build, "DOUBLE_FAULTS=nvrtcCompileProgram:1+=6;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS ";PONS_CUDA_AHEAD=" KERNELS "2");
  passes(use, "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS "2");
}

/* At each cut: the whole kernels before it are there, and no other. */
static void damaged_archives_do_no_harm(void **state) {
  (void)state;
  struct stat whole;
  assert_int_equal(stat(KERNELS, &whole), 0);
  for (int i = 1; i <= 3; i++) {
    assert_int_equal(truncate(KERNELS "2", whole.st_size - i * whole.st_size / 4), 0);
    passes(softened_somewhere, "NO_NVRTC=1;PONS_CACHE_DIR=;PONS_KERNELS=" KERNELS "2");
  }
}

static void older_devices_are_not_used(void **state) {
  (void)state;
  passes(nothing_without_either, "NO_NVRTC=1;PONS_KERNELS=/nowhere");
  passes(nothing_without_either, "CUDA_DOUBLE_ARCH=61;" ALONE);
}

int main(void) {
  if (!doubles_are_there()) return 77;
  if (dlopen("libnvrtc.so.12", RTLD_LAZY | RTLD_LOCAL)) {
    print_message("skipped: this machine has an NVRTC, which would be found\n");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(programs_run_on_what_was_built),
      cmocka_unit_test(libraries_hold_kernels),
      cmocka_unit_test(machine_code_is_for_one_family),
      cmocka_unit_test(unknown_architectures_are_told),
      cmocka_unit_test(archives_grow),
      cmocka_unit_test(damaged_archives_do_no_harm),
      cmocka_unit_test(older_devices_are_not_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
