/* custom_gpu_test.c: kernels of the user's own in the dialect, on the default device: cmake/tests.cmake runs it on OpenCL and on CUDA's
   doubles. On the CPU, which has no compiler for them, it tests what is told. */
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static bool on_cpu(void) { return strcmp(pons_default_device(), "cpu") == 0; }
/* Has no float64. */
static bool on_metal(void) { return strcmp(pons_default_device(), "metal") == 0; }

static pons_array run(struct pons_kernel_args a) {
  static const char *const ins[] = {"a", "v"}, *const outs[] = {"o", "p"};
  a.input_names = ins;
  a.output_names = outs;
  pons_fast_gpu_kernel_with(a);
  return a.out[0];
}

/* One input `a`, one result `o` of its dtype. */
static pons_array of_one(const char *source, pons_array in, pons_shape shape, int threads, int group) {
  pons_array out;
  const pons_dtype dtype = pons_dtype_of(in);
  return run((struct pons_kernel_args){.name = "mine",
                                       .source = source,
                                       .inputs = &in,
                                       .n_inputs = 1,
                                       .output_shapes = &shape,
                                       .output_dtypes = &dtype,
                                       .n_outputs = 1,
                                       .out = &out,
                                       .grid = {threads, 1, 1},
                                       .threadgroup = {group, 1, 1}});
}

static void expect(pons_array a, int n, double (*wanted)(int i)) {
  assert_int_equal(pons_size(a), n);
  float values[80];
  if (!pons_copy_out(pons_astype(a, PONS_FLOAT32), values)) fail_msg("%s", pons_error());
  for (int i = 0; i < n; i++)
    if (values[i] != (float)wanted(i)) fail_msg("element %d is %g, not %g", i, (double)values[i], wanted(i));
}

static pons_array counted(int n, pons_dtype d) { return pons_arange(0, n, 1, d); }

static void the_cpu_has_no_compiler(void **state) {
  (void)state;
  if (!on_cpu()) return;
  const pons_scope s = pons_scope_open();
  assert_false(pons_eval(of_one("STORE(o, 0, 1);", counted(4, PONS_FLOAT32), PONS_SHAPE(1), 1, 1)));
  assert_non_null(
      strstr(pons_error(), "No dialect back-end on cpu for 'custom_kernel_mine'\nhint: GPUs and OpenCL"));
  pons_clear_error();
  pons_scope_close(s);
}

static double twice(int i) { return 2.0 * i; }
static void every_dtype_has_elements_and_values(void **state) {
  (void)state;
  if (on_cpu()) return;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    if (d == PONS_BOOL || d >= PONS_COMPLEX64 || (d == PONS_FLOAT64 && on_metal())) continue;
    const pons_scope s = pons_scope_open();
    expect(of_one("STORE(o, GLOBAL_ID, (a_t_value)(LOAD(a, GLOBAL_ID) + LOAD(a, GLOBAL_ID)));",
                  counted(60, (pons_dtype)d), PONS_SHAPE(60), 60, 16),
           60, twice);
    pons_scope_close(s);
  }
}

/* Two axes with a rest each: a thread for every element, and none besides; what it is told of the grid. */
static double place(int i) { return i % 1000; }
static void grids_need_not_be_multiples_of_groups(void **state) {
  (void)state;
  if (on_cpu()) return;
  const pons_scope s = pons_scope_open();
  pons_array out[2];
  const pons_shape shapes[] = {PONS_SHAPE(7, 10), PONS_SHAPE(1)};
  const pons_dtype dtypes[] = {PONS_INT32, PONS_INT32};
  const float zero = 0;
  run((struct pons_kernel_args){.name = "places",
                                .n_outputs = 2,
                                .output_shapes = shapes,
                                .output_dtypes = dtypes,
                                .out = out,
                                .source = "o[THREAD_ID(1) * THREAD_COUNT(0) + THREAD_ID(0)] +=\n"
                                          "    (int)(GROUP_ID(1) * 4 + LOCAL_ID(1)) * 10 + (int)GLOBAL_ID;\n"
                                          "if (THREAD_ID(0) == 9 && THREAD_ID(1) == 6)\n"
                                          "  p[0] = (int)(GROUP_COUNT(0) * 1000 + GROUP_COUNT(1) * 100 + "
                                          "GROUP_SIZE(0) * 10 + GROUP_SIZE(1));\n",
                                .grid = {10, 7, 1},
                                .threadgroup = {4, 4, 1},
                                .init_value = &zero});
  expect(out[0], 70, place);
  assert_int_equal(pons_item_int(out[1]), 3223);
  pons_scope_close(s);
}

static double sum_of_group(int i) { return i < 3 ? 64 * 64 * i + 63 * 32 : 192 + 193; }
static void threads_of_a_group_share_memory(void **state) {
  (void)state;
  if (on_cpu()) return;
  const pons_scope s = pons_scope_open();
  expect(of_one("LOCAL float room[64];\n"
                "room[LOCAL_ID(0)] = LOAD(a, GLOBAL_ID);\n"
                "BARRIER;\n"
                "float sum = 0;\n"
                "for (int i = 0; i < GROUP_SIZE(0); i++) sum += room[i];\n"
                "if (LOCAL_ID(0) == 0) STORE(o, GROUP_ID(0), sum);\n",
                counted(194, PONS_FLOAT32), PONS_SHAPE(4), 194, 64),
         4, sum_of_group);
  pons_scope_close(s);
}

/* Element (i, j) of the transposed: row-major elsewhere. */
static double transposed(int i) { return 3.0 * (i % 4) + i / 4 + 100; }
static void layouts_are_told_or_made_row_major(void **state) {
  (void)state;
  if (on_cpu()) return;
  const pons_scope s = pons_scope_open();
  const pons_shape shape = PONS_SHAPE(3, 4);
  const pons_dtype dtype = PONS_FLOAT16;
  for (int any = 0; any < 2; any++) {
    pons_array out;
    const pons_array in[] = {pons_transpose(pons_reshape(counted(12, PONS_FLOAT16), PONS_SHAPE(4, 3))),
                             pons_scalar(100, PONS_FLOAT32)};
    run((struct pons_kernel_args){
        .name = "strided",
        .inputs = in,
        .n_inputs = 2,
        .output_shapes = &shape,
        .output_dtypes = &dtype,
        .n_outputs = 1,
        .out = &out,
        .grid = {4, 3, 1},
        .threadgroup = {2, 2, 1},
        .any_layout = any,
        .source =
            "const int64_t at = THREAD_ID(1) * a_strides[0] + THREAD_ID(0) * a_strides[1];\n"
            "if (a_ndim == 2) STORE(o, THREAD_ID(1) * a_shape[1] + THREAD_ID(0), LOAD(a, at) + v[0]);"});
    expect(out, 12, transposed);
  }
  pons_scope_close(s);
}

static double powers(int i) { return pow(2, i); }
static void templates_and_headers(void **state) {
  (void)state;
  if (on_cpu()) return;
  const pons_scope s = pons_scope_open();
  const struct pons_kernel_argument values[] = {
      {.name = "T", .kind = PONS_KERNEL_DTYPE, .dtype = PONS_BFLOAT16},
      {.name = "N", .kind = PONS_KERNEL_INT, .number = 10},
      {.name = "UP", .kind = PONS_KERNEL_BOOL, .number = 1}};
  const pons_shape shape = PONS_SHAPE(10);
  const pons_dtype dtype = PONS_BFLOAT16;
  pons_array out;
  run((struct pons_kernel_args){
      .name = "powers",
      .n_outputs = 1,
      .output_shapes = &shape,
      .output_dtypes = &dtype,
      .out = &out,
      .header =
          "static inline T_value raised(int n) { T_value x = 1; while (n-- > 0) x = x * 2; return x; }\n",
      .source = "for (int i = 0; i < N; i++) o[i] = T_store(raised(UP ? i : 0));",
      .template_arguments = values,
      .n_template_arguments = 3,
      .grid = {1, 1, 1},
      .threadgroup = {1, 1, 1}});
  expect(out, 10, powers);
  pons_scope_close(s);
}

/* ---- gradients: the user's own ---- */

static void square(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] =
      of_one("STORE(o, GLOBAL_ID, LOAD(a, GLOBAL_ID) * LOAD(a, GLOBAL_ID));", in[0], PONS_SHAPE(6), 6, 4);
}

/* in: x, the result, its cotangent; out: the gradient by x: 2 x times the cotangent, by another kernel. */
static void square_vjp(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  const pons_shape shape = PONS_SHAPE(6);
  const pons_dtype dtype = PONS_FLOAT32;
  const pons_array both[] = {in[0], in[2]};
  run((struct pons_kernel_args){
      .name = "slope",
      .inputs = both,
      .n_inputs = 2,
      .output_shapes = &shape,
      .output_dtypes = &dtype,
      .n_outputs = 1,
      .out = out,
      .grid = {6, 1, 1},
      .threadgroup = {6, 1, 1},
      .source = "STORE(o, GLOBAL_ID, 2 * LOAD(a, GLOBAL_ID) * LOAD(v, GLOBAL_ID));"});
}

static void sum_of_squares(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_apply(*(pons_function *)payload, in[0]));
}

static void gradients_are_the_users(void **state) {
  (void)state;
  if (on_cpu()) return;
  const pons_scope s = pons_scope_open();
  pons_function f = pons_function_new(square, 1, NULL, NULL),
                vjp = pons_function_new(square_vjp, 1, NULL, NULL),
                own = pons_custom_function(f, (struct pons_custom_rules){.vjp = vjp}),
                sum = pons_function_new(sum_of_squares, 1, &own, NULL),
                slope = pons_grad(sum, (pons_axes){0});
  expect(pons_apply(slope, counted(6, PONS_FLOAT32)), 6, twice);
  pons_function_release(f);
  pons_function_release(vjp);
  pons_function_release(own);
  pons_function_release(sum);
  pons_function_release(slope);
  pons_scope_close(s);
}

static void what_cannot_run_is_told(void **state) {
  (void)state;
  if (on_cpu()) return;
  const pons_scope s = pons_scope_open();
  assert_false(pons_eval(of_one("nowhere = 1;", counted(4, PONS_FLOAT32), PONS_SHAPE(1), 1, 1)));
  assert_non_null(strstr(pons_error(), "custom_kernel_mine"));
  assert_non_null(strstr(pons_error(), "nowhere"));
  pons_clear_error();
  assert_false(pons_eval(of_one("o[0] = 1;", counted(4, PONS_FLOAT32), PONS_SHAPE(1), 1 << 20, 1 << 20)));
  assert_non_null(strstr(pons_error(), "threadgroups of (1048576, 1, 1) threads"));
  pons_clear_error();
  pons_scope_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_cpu_has_no_compiler),
      cmocka_unit_test(every_dtype_has_elements_and_values),
      cmocka_unit_test(grids_need_not_be_multiples_of_groups),
      cmocka_unit_test(threads_of_a_group_share_memory),
      cmocka_unit_test(layouts_are_told_or_made_row_major),
      cmocka_unit_test(templates_and_headers),
      cmocka_unit_test(gradients_are_the_users),
      cmocka_unit_test(what_cannot_run_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
