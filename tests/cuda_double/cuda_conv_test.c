/* cuda_conv_test.c: convolutions and their gradients on the doubles of the driver and of cuDNN against those of the CPU: strides,
   padding, dilation, groups, one to three axes, transposed ones; and calls that fail. It judges what is asked of the libraries,
   not the hardware. */
#include "device/device.h"
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

/* Values without a pattern. */
static pons_array some(pons_shape shape, float seed) {
  int64_t size = 1;
  for (int i = 0; i < shape.count; i++) size *= shape.at[i];
  pons_array i = pons_arange(0, (double)size, 1, PONS_FLOAT32);
  return pons_reshape(pons_sin(pons_multiply(pons_add(i, pons_float(seed)), pons_float(1.37f * seed))),
                      shape);
}

typedef struct conv_case {
  pons_dtype dtype;
  pons_array (*x)(void), (*w)(void);
  int stride[3], padding[3], dilation[3], axes, groups;
  bool transposed;
  int by_cudnn; /* of its result and gradients, how many are faster by cuDNN */
} conv_case;

#define ARRAY(name, ...) \
  static pons_array name(void) { return some(PONS_SHAPE(__VA_ARGS__), (float)__LINE__ / 10); }
ARRAY(image, 2, 24, 25, 32)
ARRAY(filter, 24, 3, 3, 32)
ARRAY(filter_in_groups, 32, 3, 3, 8)
ARRAY(filter_of_colours, 16, 7, 7, 3)
ARRAY(colours, 4, 40, 41, 3)
ARRAY(sound, 3, 400, 40)
ARRAY(filter_of_sound, 48, 5, 40)
ARRAY(volume, 1, 9, 12, 12, 16)
ARRAY(filter_of_volume, 24, 3, 2, 3, 16)
ARRAY(wide_image, 1, 8, 9, 128)
ARRAY(wide_filter, 128, 3, 3, 128)
ARRAY(transposing_filter, 20, 4, 4, 32)
static pons_array part_of_image(void) {
  return pons_slice(image(), PONS_SHAPE(0, 1, 2, 0), PONS_SHAPE(2, 24, 25, 32), PONS_SCALAR);
}

static const conv_case cases[] = {
    {PONS_FLOAT16, image, filter, {1, 1}, {1, 1}, {1, 1}, 2, 1, false, 3},
    {PONS_FLOAT16, image, filter, {2, 2}, {1, 0}, {1, 1}, 2, 1, false, 3},
    {PONS_BFLOAT16, colours, filter_of_colours, {2, 2}, {3, 3}, {1, 1}, 2, 1, false, 3},
    {PONS_FLOAT16, part_of_image, filter, {1, 2}, {0, 2}, {2, 1}, 2, 1, false, 3},
    {PONS_FLOAT16, image, filter_in_groups, {2, 1}, {1, 1}, {1, 1}, 2, 4, false, 2},
    {PONS_BFLOAT16, sound, filter_of_sound, {2}, {2}, {1}, 1, 1, false, 2},
    {PONS_FLOAT16, volume, filter_of_volume, {1, 1, 2}, {1, 0, 1}, {1, 2, 1}, 3, 1, false, 2},
    {PONS_FLOAT16, image, transposing_filter, {2, 2}, {1, 1}, {1, 1}, 2, 1, true, 3},
    {PONS_FLOAT16, image, transposing_filter, {3, 1}, {0, 2}, {1, 2}, 2, 1, true, 3},
    {PONS_FLOAT32, wide_image, wide_filter, {1, 1}, {1, 1}, {1, 1}, 2, 1, false, 1},
    {PONS_FLOAT32, image, filter, {1, 1}, {1, 1}, {1, 1}, 2, 1, false, 0},
};
enum { CASES = sizeof cases / sizeof *cases };
static const conv_case in_tf32 = {PONS_FLOAT32, image, filter, {1, 1}, {1, 1}, {1, 1}, 2, 1, false, 3};

static void convolve(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  const conv_case *c = payload;
  const pons_axes stride = {c->axes, c->stride}, padding = {c->axes, c->padding},
                  dilation = {c->axes, c->dilation};
  if (c->transposed)
    out[0] = pons_conv_transpose2d(in[0], in[1], .stride = stride, .padding = padding, .dilation = dilation,
                                   .groups = c->groups);
  else
    out[0] = pons_conv_general(in[0], in[1], .stride = stride, .padding = padding, .dilation = dilation,
                               .groups = c->groups);
}

/* The result and both gradients, each computed by itself. */
static void all_of(const conv_case *c, pons_array *results) {
  pons_array in[] = {pons_astype(c->x(), c->dtype), pons_astype(c->w(), c->dtype)}, y;
  pons_function f = pons_function_new(convolve, 1, (void *)(uintptr_t)c, NULL);
  convolve((void *)(uintptr_t)c, in, 2, &y, 1);
  pons_array cotangent = pons_astype(some(pons_shape_of(y), 7), c->dtype);
  pons_vjp(f, in, 2, &cotangent, 1, results, results + 1);
  pons_function_release(f);
}

static bool are_near(pons_array found, pons_array expected, float within) {
  pons_array off = pons_max(
      pons_abs(pons_subtract(pons_astype(found, PONS_FLOAT32), pons_astype(expected, PONS_FLOAT32))));
  pons_array size = pons_max(pons_abs(pons_astype(expected, PONS_FLOAT32)));
  const bool *near = pons_data(pons_less(off, pons_multiply(size, pons_float(within))));
  return near && *near;
}

static void convolutions_agree(void) {
  for (int i = 0; i < CASES; i++) {
    const pons_scope s = pons_scope_open();
    pons_array expected[3], found[3];
    pons_set_default_device("cpu");
    all_of(&cases[i], expected);
    pons_set_default_device("cuda");
    all_of(&cases[i], found);
    for (int k = 0; k < 3; k++) {
      const bool fine = pons_eval(found[k]);
      pons_set_default_device("cpu");
      if (!fine || !are_near(found[k], expected[k], cases[i].dtype == PONS_FLOAT32 ? 5e-5f : 0.02f)) {
        print_error("case %d, result %d: %s\n", i, k, pons_error() ? pons_error() : "differs");
        _exit(1);
      }
      pons_set_default_device("cuda");
    }
    pons_scope_close(s);
  }
}
static void convolutions_by_cudnn_agree(void) {
  long wanted = 0;
  for (int i = 0; i < CASES; i++) wanted += cases[i].by_cudnn;
  convolutions_agree();
  CHECK(count("cuda_double_queue") == wanted);
}

/* As TF32 has 10 bits. */
static void convolutions_are_tf32(void) {
  const pons_scope s = pons_scope_open();
  pons_array expected[3], found[3];
  pons_set_default_device("cpu");
  all_of(&in_tf32, expected);
  pons_set_default_device("cuda");
  all_of(&in_tf32, found);
  CHECK(pons_eval(found[0]));
  pons_set_default_device("cpu");
  CHECK(are_near(found[0], expected[0], 1e-2f) && !are_near(found[0], expected[0], 5e-5f));
  pons_scope_close(s);
}

/* In a process of its own: where there is the real one, it would stay. */
static void convolutions_without_cudnn_agree(void) {
  if (!dlopen("libcudnn.so.9", RTLD_LAZY | RTLD_LOCAL)) convolutions_agree();
}

static void they_go_to_it_and_without_it(void **state) {
  (void)state;
  passes(convolutions_by_cudnn_agree, "NO_CUBLASLT=1");
  passes(convolutions_by_cudnn_agree, "NO_CUBLASLT=1;CUDA_DOUBLE_POOLS=0");
  passes(convolutions_are_tf32, "PONS_CUDA_TF32=1");
  passes(convolutions_without_cudnn_agree, "NO_CUDNN=1");
}

/* What has no plan goes Pons' own ways. */
static void without_plans_they_agree(void **state) {
  (void)state;
  static const char *const calls[] = {"cudnnCreate:1=1001", "cudnnBackendFinalize:1+=3000",
                                      "cudnnBackendFinalize:7=4000", "cudnnBackendGetAttribute:1+=3000",
                                      "cudnnBackendSetAttribute:3=2000"};
  char settings[128];
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s", calls[i]);
    passes(convolutions_agree, settings);
  }
}

static void an_error_is_told(void) {
  pons_array results[3];
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  all_of(&cases[0], results);
  CHECK(!pons_eval(results[0]) && told("cudnn") && told("of cuDNN"));
  pons_clear_error();
  all_of(&cases[0], results);
  CHECK(pons_eval(results[0]));
  pons_scope_close(s);
}

static void failures_are_told(void **state) {
  (void)state;
  passes(an_error_is_told, "DOUBLE_FAULTS=cudnnBackendExecute:1=5001");
  passes(an_error_is_told, "DOUBLE_FAULTS=cudnnSetStream:1=2000");
}

static void convolve_between(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  pons_array of[] = {pons_add(in[0], pons_float(0.5)), in[1]};
  convolve(payload, of, n_in, out, n_out);
  out[0] = pons_maximum(out[0], pons_float(0.5));
}

/* Inputs change. */
static void compiled_convolutions_are_graphs(void) {
  pons_set_default_device("cuda");
  pons_function plain = pons_function_new(convolve_between, 1, (void *)(uintptr_t)&cases[1], NULL),
                f = pons_compile(plain);
  for (int i = 1; i <= 4; i++) {
    const pons_scope s = pons_scope_open();
    pons_array in[] = {pons_astype(pons_multiply(image(), pons_float((float)i)), PONS_FLOAT16),
                       pons_astype(filter(), PONS_FLOAT16)},
               y, found;
    CHECK(pons_eval(in[0]) && pons_eval(in[1]));
    CHECK(pons_call(f, in, 2, &found, 1));
    convolve_between((void *)(uintptr_t)&cases[1], in, 2, &y, 1);
    CHECK(pons_eval(found) && pons_eval(y) && are_near(found, y, 1e-3f));
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") == 3 && count("cuGraphInstantiateWithFlags") == 1 && pons_ok());
  pons_function_release(f);
  pons_function_release(plain);
}

static void plans_are_kept_in_graphs(void **state) {
  (void)state;
  passes(compiled_convolutions_are_graphs, "A=1");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_go_to_it_and_without_it),
      cmocka_unit_test(without_plans_they_agree),
      cmocka_unit_test(failures_are_told),
      cmocka_unit_test(plans_are_kept_in_graphs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
