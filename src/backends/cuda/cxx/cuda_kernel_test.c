/* cuda_kernel_test.c: kernels in CUDA C++ as mx.fast.cuda_kernel makes them, on the default device:
   cmake/tests.cmake runs it on CUDA's doubles, and on CUDA where there is a GPU. What is refused is told on
   any machine. */
#include "backends/cuda/cxx/cuda_text.h"
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static bool on_cuda(void) { return strncmp(pons_default_device(), "cuda", 4) == 0; }

static pons_array run(struct pons_kernel_args a) {
  static const char *const ins[] = {"a", "b"}, *const outs[] = {"o"};
  a.input_names = ins;
  a.output_names = outs;
  a.n_outputs = 1;
  pons_fast_cuda_kernel_with(a);
  return a.out[0];
}

static void expect(pons_array a, int n, double tolerance, double (*wanted)(int i)) {
  assert_int_equal(pons_size(a), n);
  const float *values = pons_data(pons_astype(a, PONS_FLOAT32));
  if (!values) fail_msg("%s", pons_error());
  for (int i = 0; i < n; i++)
    if (!(fabs((double)values[i] - wanted(i)) <= tolerance * (1 + fabs(wanted(i)))))
      fail_msg("element %d is %g, not %g", i, (double)values[i], wanted(i));
}

/* Threads of whole groups: the kernel looks whether it has an element. */
static double exponential(int i) { return exp(i / 8.0) + 10; }
static void grids_templates_and_halves(void **state) {
  (void)state;
  if (!on_cuda()) return;
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16};
  static const double tolerances[] = {1e-6, 1e-3, 1e-2};
  for (int i = 0; i < 3; i++) {
    const pons_scope s = pons_scope_open();
    const struct pons_kernel_argument values[] = {
        {.name = "T", .kind = PONS_KERNEL_DTYPE, .dtype = dtypes[i]},
        {.name = "N", .kind = PONS_KERNEL_INT, .number = 10}};
    const pons_array in = pons_astype(pons_arange(0, 1.25, 0.125, PONS_FLOAT32), dtypes[i]);
    const pons_shape shape = PONS_SHAPE(10);
    pons_array out;
    expect(run((struct pons_kernel_args){.name = "exponential",
                                         .inputs = &in,
                                         .n_inputs = 1,
                                         .output_shapes = &shape,
                                         .output_dtypes = &dtypes[i],
                                         .out = &out,
                                         .template_arguments = values,
                                         .n_template_arguments = 2,
                                         .source = "auto i = cg::this_grid().thread_rank();\n"
                                                   "if (i < N) o[i] = T(exp(float(a[i]))) + T(a_shape[0]);\n",
                                         .grid = {10, 1, 1},
                                         .threadgroup = {4, 1, 1}}),
           10, tolerances[i], exponential);
    pons_scope_close(s);
  }
}

static double transposed(int i) { return 3.0 * (i % 4) + i / 4 + 6; }
static void strides_headers_and_numbers_without_axes(void **state) {
  (void)state;
  if (!on_cuda()) return;
  const pons_shape shape = PONS_SHAPE(3, 4);
  const pons_dtype dtype = PONS_FLOAT32;
  for (int any = 0; any < 2; any++) {
    const pons_scope s = pons_scope_open();
    const pons_array in[] = {
        pons_transpose(pons_reshape(pons_arange(0, 12, 1, PONS_FLOAT32), PONS_SHAPE(4, 3))),
        pons_scalar(3, PONS_FLOAT32)};
    pons_array out;
    expect(run((struct pons_kernel_args){
               .name = "strided",
               .inputs = in,
               .n_inputs = 2,
               .output_shapes = &shape,
               .output_dtypes = &dtype,
               .out = &out,
               .any_layout = any,
               .header = "__device__ inline float twice(float x) { return 2 * x; }\n",
               .source = "const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;\n"
                         "if (i >= 12) return;\n"
                         "auto at = elem_to_loc((int64_t)i, a_shape, a_strides, a_ndim);\n"
                         "o[i] = a[at] + (a[at] < inf && b_ndim == 0 ? twice(b[0]) : 0);\n",
               .grid = {12, 1, 1},
               .threadgroup = {32, 1, 1}}),
           12, 0, transposed);
    pons_scope_close(s);
  }
}

static double sums(int i) { return 64 * 64 * i + 63 * 32; }
static void groups_of_threads_cooperate(void **state) {
  (void)state;
  if (!on_cuda()) return;
  const pons_scope s = pons_scope_open();
  const pons_array in = pons_arange(0, 128, 1, PONS_FLOAT32);
  const pons_shape shape = PONS_SHAPE(2);
  const pons_dtype dtype = PONS_FLOAT32;
  pons_array out;
  expect(run((struct pons_kernel_args){
             .name = "sums",
             .inputs = &in,
             .n_inputs = 1,
             .output_shapes = &shape,
             .output_dtypes = &dtype,
             .out = &out,
             .source = "auto block = cg::this_thread_block();\n"
                       "auto warp = cg::tiled_partition<32>(block);\n"
                       "__shared__ float room[2];\n"
                       "float sum = cg::reduce(warp, a[cg::this_grid().thread_rank()], cg::plus<float>());\n"
                       "if (warp.thread_rank() == 0) room[warp.meta_group_rank()] = sum;\n"
                       "block.sync();\n"
                       "if (block.thread_rank() == 0) o[blockIdx.x] = room[0] + room[1];\n",
             .grid = {128, 1, 1},
             .threadgroup = {64, 1, 1}}),
         2, 0, sums);
  pons_scope_close(s);
}

/* Ten elements by vectors of four, of which the last is not full; then one that is read through its strides. */
static double by_vectors(int i) { return i < 10 ? 32.0 * i : 3.0 * ((i - 10) % 4) + (i - 10) / 4; }
static void vectors_and_data_of_shapes(void **state) {
  (void)state;
  if (!on_cuda()) return;
  const pons_scope s = pons_scope_open();
  const pons_array in[] = {pons_arange(0, 10, 1, PONS_FLOAT32),
                           pons_transpose(pons_reshape(pons_arange(0, 12, 1, PONS_FLOAT32), PONS_SHAPE(4, 3)))};
  const pons_shape shape = PONS_SHAPE(22);
  const pons_dtype dtype = PONS_FLOAT32;
  pons_array out;
  expect(run((struct pons_kernel_args){
             .name = "vectors",
             .inputs = in,
             .n_inputs = 2,
             .output_shapes = &shape,
             .output_dtypes = &dtype,
             .out = &out,
             .any_layout = true,
             .source = "auto i = cooperative_groups::this_grid().thread_rank();\n"
                       "if (i < 3) {\n"
                       "  auto x = load_vector<4>(a, i, 10, -1.0f);\n"
                       "  for (int k = 0; k < 4; k++) x[k] *= WARP_SIZE;\n"
                       "  store_vector<4>(o, i, x, 10);\n"
                       "}\n"
                       "if (i < 12) o[10 + i] = b[elem_to_loc(i, b_shape.data(), b_strides.data(), b_ndim)];\n",
             .grid = {12, 1, 1},
             .threadgroup = {32, 1, 1}}),
         22, 0, by_vectors);
  pons_scope_close(s);
}

static void files_beside_the_text_are_refused(void **state) {
  (void)state;
  static const char source[] = "  # include <cub/cub.cuh>\n__global__ void mine() {}\n";
  const custom_kernel_params p = {.name = {4, "mine"}, .source = {sizeof source - 1, source}};
  text out = {0};
  error *why = cuda_text(&p, 0, 0, NULL, NULL, NULL, &out);
  assert_non_null(why);
  assert_non_null(strstr(pons_error(), "custom_kernel: 'mine': #include <cub/cub.cuh>: there are no files"));
  error_release(why);
  text_free(&out);
  pons_clear_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grids_templates_and_halves),
      cmocka_unit_test(strides_headers_and_numbers_without_axes),
      cmocka_unit_test(groups_of_threads_cooperate),
      cmocka_unit_test(vectors_and_data_of_shapes),
      cmocka_unit_test(files_beside_the_text_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
