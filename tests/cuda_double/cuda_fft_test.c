/* cuda_fft_test.c: transforms on the doubles of the driver and of cuFFT against those of the CPU: any axes, real and complex, in place
   and not, and calls that fail. It judges what is asked of the libraries, not the hardware. */
#include "device/device.h"
#include <pons/fft.h>
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

/* Values without a pattern. */
static pons_array some(bool complex) {
  pons_array i = pons_arange(0, 2 * 3 * 6 * 5, 1, PONS_FLOAT32),
             x = pons_sin(pons_multiply(i, pons_add(i, pons_float(1.37f))));
  if (complex) x = pons_add(x, pons_multiply(pons_cos(pons_multiply(i, i)), pons_complex(0, 1)));
  return pons_reshape(x, PONS_SHAPE(2, 3, 6, 5));
}

enum { KINDS = 10 };
static pons_array transform(int kind) {
  switch (kind) {
    case 0:
      return pons_fft_fft(some(true));
    case 1:
      return pons_fft_ifft(some(true), .axis = PONS_AXES(1));
    case 2:
      return pons_fft_rfft(some(false), .axis = PONS_AXES(2));
    case 3:
      return pons_fft_irfft(some(true), .axis = PONS_AXES(2), .n = 7);
    case 4:
      return pons_fft_fftn(some(true));
    case 5:
      return pons_fft_ifftn(some(true), .axes = PONS_AXES(0, 2));
    case 6:
      return pons_fft_rfftn(some(false), .axes = PONS_AXES(3, 1));
    case 7:
      return pons_fft_irfftn(some(true), .axes = PONS_AXES(1, 2, 3));
    case 8: /* turned round */
      return pons_fft_fft(pons_swapaxes(some(true), 0, 3), .axis = PONS_AXES(3));
    default: /* a part that is not aligned */
      return pons_fft_rfft(
          pons_slice(some(false), PONS_SHAPE(1, 1, 0, 1), PONS_SHAPE(2, 3, 6, 5), PONS_SCALAR));
  }
}

static void transforms_agree(void) {
  for (int kind = 0; kind < KINDS; kind++) {
    const pons_scope s = pons_scope_open();
    pons_set_default_device("cpu");
    pons_array expected = transform(kind);
    CHECK(pons_eval(expected));
    pons_set_default_device("cuda");
    pons_array found = transform(kind);
    CHECK(pons_eval(found));
    pons_set_default_device("cpu");
    const bool *same = pons_data(pons_allclose(found, .b = expected, .rtol = 1e-4, .atol = 1e-4));
    if (!same || !*same) {
      print_error("kind %d: %s\nexpected %s\n", kind, pons_to_text(found), pons_to_text(expected));
      _exit(1);
    }
    pons_scope_close(s);
  }
  pons_clear_cache();
  if (!getenv("CUDA_DOUBLE_POOLS")) CHECK(count("device memory") <= 1); /* what notes wrong indices */
}

static void transforms_by_cufft_agree(void) {
  transforms_agree();
  CHECK(count("cuda_double_queue") == 13); /* up to three axes at once */
}

static void transforms_go_to_it_and_without_it(void **state) {
  (void)state;
  passes(transforms_by_cufft_agree, "A=1");
  passes(transforms_by_cufft_agree, "CUDA_DOUBLE_POOLS=0");
  passes(transforms_agree, "DOUBLE_FAULTS=cufftMakePlanMany:1+=7"); /* it has no plan */
  if (!dlopen("libcufft.so.11", RTLD_LAZY | RTLD_LOCAL)) passes(transforms_agree, "NO_CUFFT=1");
}

static void there_and_back(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_fft_irfft(pons_fft_rfft(pons_multiply(in[0], pons_float(3))), .n = 8);
}

/* Inputs change, plans of other lengths come between. */
static void compiled_transforms_are_graphs(void) {
  pons_set_default_device("cuda");
  pons_function plain = pons_function_new(there_and_back, 1, NULL, NULL), f = pons_compile(plain);
  for (int i = 0; i < 5; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = pons_arange(i, i + 8, 1, PONS_FLOAT32);
    CHECK(pons_eval(x));
    const float *y = pons_data(pons_apply(f, x));
    for (int k = 0; k < 8; k++)
      CHECK(y && y[k] > (float)(3 * (i + k)) - 1e-3f && y[k] < (float)(3 * (i + k)) + 1e-3f);
    for (int n = 2; i == 2 && n < 50; n++)
      CHECK(pons_eval(pons_fft_rfft(pons_ones(PONS_SHAPE(n), PONS_FLOAT32))));
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") == 4 && count("cuGraphInstantiateWithFlags") == 1 && pons_ok());
  pons_function_release(f);
  pons_function_release(plain);
}

static void plans_are_kept_in_graphs(void **state) {
  (void)state;
  passes(compiled_transforms_are_graphs, "A=1");
}

static void a_transform_or_an_error(void) {
  pons_set_default_device("cuda");
  for (int i = 0; i < 2; i++) { /* what failed once does not stand in the way of the next */
    for (int kind = 0; kind < KINDS; kind++) {
      const pons_scope s = pons_scope_open();
      if (!pons_eval(transform(kind))) CHECK(i == 0 && told("status 6 of cuFFT"));
      pons_clear_error();
      pons_scope_close(s);
    }
  }
}

static void failures_are_told(void **state) {
  (void)state;
  static const char *const calls[] = {"cufftCreate",    "cufftSetAutoAllocation", "cufftMakePlanMany",
                                      "cufftSetStream", "cufftExecC2C",           "cufftExecR2C",
                                      "cufftExecC2R",   "cufftSetWorkArea"};
  char settings[128];
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:1=6", calls[i]);
    passes(a_transform_or_an_error, settings);
  }
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transforms_go_to_it_and_without_it),
      cmocka_unit_test(plans_are_kept_in_graphs),
      cmocka_unit_test(failures_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
