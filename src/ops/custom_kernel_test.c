/* custom_kernel_test.c: kernels in source text: what is made of them, and what is told where they can't run. */
#include "ops/ops.h"
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *const names[] = {"a", "b"}, *const results[] = {"o", "p"};
static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_INT32};

static void make(const char *source, int n_in, pons_array *out, int n_out, const char *math_mode) {
  const pons_array in[] = {pons_ones(PONS_SHAPE(4, 8), PONS_FLOAT32), pons_scalar(2, PONS_FLOAT32)};
  const pons_shape shapes[] = {PONS_SHAPE(32), PONS_SHAPE(2, 0)};
  const float half = 0.5f;
  pons_fast_metal_kernel("mine", .source = source, .inputs = in, .input_names = names, .n_inputs = n_in,
                         .output_shapes = shapes, .output_dtypes = dtypes, .output_names = results,
                         .n_outputs = n_out, .out = out, .grid = {32, 1, 1}, .threadgroup = {8, 1, 1},
                         .init_value = &half, .math_mode = math_mode);
}

static void check_error(const char *words) {
  if (!pons_error() || !strstr(pons_error(), words)) fail_msg("no '%s' in '%s'", words, pons_error());
  pons_clear_error();
}

static void results_have_the_shapes_asked_for(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  pons_array out[2];
  make("o[thread_position_in_grid.x] = a[0] + b;", 2, out, 2, "fast");
  assert_string_equal(node_text(out[0]), "(32) float32");
  assert_string_equal(node_text(out[1]), "(2, 0) int32");
  text t = {0};
  graph_print(&t, out, 2);
  assert_non_null(strstr(t.at, "CustomKernel"));
  assert_non_null(strstr(t.at, "name=\"custom_kernel_mine_float_floats_float_int32_t\""));
  assert_non_null(strstr(t.at, "grid=[32, 1, 1], threadgroup=[8, 1, 1]"));
  assert_non_null(strstr(t.at, "init_value=0.5"));
  assert_non_null(strstr(t.at, "math_mode=2"));
  text_free(&t);
  pons_scope_close(s);
}

static void equal_kernels_are_equal_nodes(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  pons_array x[1], same[1], other[1];
  make("o[0] = a[0];", 1, x, 1, NULL);
  make("o[0] = a[0];", 1, same, 1, NULL);
  make("o[0] = a[1];", 1, other, 1, NULL);
  const prim *p = &prim_custom_kernel;
  assert_true(params_equal(p, x[0]->params, same[0]->params));
  assert_true(params_hash(p, x[0]->params) == params_hash(p, same[0]->params));
  assert_false(params_equal(p, x[0]->params, other[0]->params));
  pons_scope_close(s);
}

static void a_device_without_the_language_says_so(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  pons_array out[1];
  make("o[0] = a[0];", 1, out, 1, NULL);
  assert_false(pons_eval(out[0]));
  check_error(
      "custom_kernel: No Metal back-end on cpu for 'custom_kernel_mine_float_float'\n"
      "hint: it runs on the devices cuda and metal, and exported to a file, in MLX on a Mac's GPU");
  const pons_array in = pons_ones(PONS_SHAPE(3), PONS_FLOAT64);
  const pons_shape shape = PONS_SHAPE(3);
  pons_fast_cuda_kernel("mine", .source = "o[0] = a[0];", .inputs = &in, .input_names = names, .n_inputs = 1,
                        .output_shapes = &shape, .output_dtypes = dtypes, .output_names = results,
                        .n_outputs = 1, .out = out, .grid = {3, 1, 1}, .threadgroup = {3, 1, 1});
  assert_false(pons_eval(out[0]));
  check_error(
      "No CUDA C++ back-end on cpu for 'custom_kernel_mine'\nhint: it runs on the device cuda, and exported "
      "to a "
      "file, in MLX on an NVIDIA GPU");
  static const char ptx[] = ".version 8.0\n.target sm_70\n", cubin[] = "\177ELF\2\1\1\0\0\0";
  static const struct {
    const char *code;
    size_t bytes;
    const char *language;
  } compiled[] = {{ptx, sizeof ptx, "PTX"}, {cubin, sizeof cubin, "cubin"}, {"?", 1, "compiled CUDA"}};
  for (int i = 0; i < 3; i++) {
    const struct pons_kernel_argument scalars[] = {{.kind = PONS_KERNEL_FLOAT, .real = 1.5f},
                                                   {.kind = PONS_KERNEL_BOOL, .number = 7}};
    pons_fast_precompiled_cuda_kernel("f", .compiled_source = compiled[i].code,
                                      .compiled_bytes = compiled[i].bytes, .output_shapes = &shape,
                                      .output_dtypes = dtypes, .n_outputs = 1, .out = out, .scalars = scalars,
                                      .n_scalars = 2, .grid = {1, 1, 1}, .threadgroup = {1, 1, 1});
    text t = {0};
    graph_print(&t, out, 1);
    assert_non_null(strstr(t.at, "scalar_arguments=[1.5, true]"));
    text_free(&t);
    assert_false(pons_eval(out[0]));
    check_error(compiled[i].language);
  }
  pons_scope_close(s);
}

/* What MLX with CUDA compiles; its launch passes the shape of an input without axes too. */
static void cuda_source_is_whole(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  const pons_array in[] = {pons_ones(PONS_SHAPE(4, 8), PONS_FLOAT16), pons_scalar(2, PONS_COMPLEX64)};
  const struct pons_kernel_argument values[] = {
      {.name = "T", .kind = PONS_KERNEL_DTYPE, .dtype = PONS_BFLOAT16},
      {.name = "N", .kind = PONS_KERNEL_INT, .number = -7},
      {.name = "B", .kind = PONS_KERNEL_BOOL, .number = 1}};
  const pons_shape shapes[] = {PONS_SHAPE(32), PONS_SHAPE(2)};
  pons_array out[2];
  pons_fast_cuda_kernel("mine", .source = "o[0] = a_shape[0] + a_strides[1] + a_ndim + b_shape[0];",
                        .header = "// before\n", .inputs = in, .input_names = names, .n_inputs = 2,
                        .output_shapes = shapes, .output_dtypes = dtypes, .output_names = results,
                        .n_outputs = 2, .out = out, .template_arguments = values, .n_template_arguments = 3,
                        .grid = {32, 1, 1}, .threadgroup = {8, 1, 1}, .shared_memory = 512);
  const custom_kernel_params *p = out[0]->in[0]->params;
  assert_string_equal(p->name.at, "custom_kernel_mine_bfloat16_t_m7_t");
  assert_string_equal(p->source.at,
                      "\n#include \"mlx/backend/cuda/device/utils.cuh\"\n"
                      "\n#include <cooperative_groups.h>\n"
                      "\n#define inf cuda::std::numeric_limits<float>::infinity()\n"
                      "\n// before\n"
                      "namespace mlx::core::cu {\n"
                      "\nnamespace cg = cooperative_groups;\n"
                      "\n__global__ void custom_kernel_mine_bfloat16_t_m7_t(\n"
                      "    const __half* a,\n"
                      "    const __grid_constant__ Shape a_shape,\n"
                      "    const __grid_constant__ Strides a_strides,\n"
                      "    const __grid_constant__ int a_ndim,\n"
                      "    const mlx::core::cu::complex64_t* b,\n"
                      "    const __grid_constant__ Shape b_shape,\n"
                      "    float* o,\n"
                      "    int32_t* p) {\n"
                      "  using T = __nv_bfloat16;\n"
                      "  constexpr int N = -7;\n"
                      "  constexpr bool B = true;\n"
                      "\no[0] = a_shape[0] + a_strides[1] + a_ndim + b_shape[0];\n"
                      "}\n\n} // namespace mlx::core::cu\n");
  assert_int_equal(p->shared_memory, 512);
  pons_scope_close(s);
}

static void one_result(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  const pons_shape shape = PONS_SHAPE(3);
  pons_fast_metal_kernel("mine", .source = "o[0] = a[0];", .inputs = in, .input_names = names, .n_inputs = 1,
                         .output_shapes = &shape, .output_dtypes = dtypes, .output_names = results,
                         .n_outputs = 1, .out = out, .grid = {3, 1, 1}, .threadgroup = {3, 1, 1});
  if (payload) out[0] = pons_sum(out[0]);
}

static void batches_loop_and_gradients_are_an_error(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  pons_function f = pons_function_new(one_result, 1, NULL, NULL),
                sum = pons_function_new(one_result, 1, &f, NULL);
  pons_function batch = pons_vmap(f, (pons_axes){0}, (pons_axes){0}), slope = pons_grad(sum, (pons_axes){0});
  const pons_array x = pons_ones(PONS_SHAPE(2, 3), PONS_FLOAT32);
  pons_array y = pons_apply(batch, x);
  assert_string_equal(node_text(y), "(2, 3) float32");
  y = pons_apply(slope, pons_ones(PONS_SHAPE(3), PONS_FLOAT32));
  assert_false(pons_eval(y));
  check_error("'custom_kernel_mine_floatc_float' has no gradient");
  pons_function_release(f);
  pons_function_release(sum);
  pons_function_release(batch);
  pons_function_release(slope);
  pons_scope_close(s);
}

static void faults_are_told(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  pons_array out[2], in = pons_ones(PONS_SHAPE(3), PONS_FLOAT64);
  make("x", 2, out, 1, "furious");
  check_error("metal_kernel: math mode 'furious' is none of");
  const pons_shape shape = PONS_SHAPE(3);
  struct pons_kernel_args a = {.name = "k",
                               .source = "x",
                               .inputs = &in,
                               .input_names = names,
                               .n_inputs = 1,
                               .output_shapes = &shape,
                               .output_dtypes = dtypes,
                               .output_names = results,
                               .n_outputs = 1,
                               .out = out,
                               .grid = {3, 1, 1},
                               .threadgroup = {3, 1, 1}};
  pons_fast_metal_kernel_with(a);
  check_error("metal_kernel: a is of float64, which Metal has not");
  a.name = "my kernel";
  pons_fast_cuda_kernel_with(a);
  check_error("cuda_kernel: 'my kernel' is no name for a kernel");
  a.name = "k";
  a.threadgroup[1] = 0;
  pons_fast_cuda_kernel_with(a);
  check_error("custom_kernel: grid (3, 1, 1) in threadgroups of (3, 0, 1)");
  a.threadgroup[1] = 1;
  const int64_t negative[] = {-1};
  const pons_shape odd = {1, negative};
  a.output_shapes = &odd;
  pons_fast_cuda_kernel_with(a);
  check_error("cuda_kernel: result 0 has no sound shape or dtype");
  a.n_outputs = 0;
  pons_fast_cuda_kernel_with(a);
  check_error("cuda_kernel: there must be at least one result");
  pons_scope_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(results_have_the_shapes_asked_for),
                                     cmocka_unit_test(equal_kernels_are_equal_nodes),
                                     cmocka_unit_test(a_device_without_the_language_says_so),
                                     cmocka_unit_test(cuda_source_is_whole),
                                     cmocka_unit_test(batches_loop_and_gradients_are_an_error),
                                     cmocka_unit_test(faults_are_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
