/* beyond_mlx_test.c: functions that MLX can't export, in files that it reads: what it has no name for is written as
   what it is made of. Also kernels in Metal, whose text MLX would have written. beyond_mlx_values_test.py gives
   the files to MLX.

   usage: beyond_mlx_test [FOLDER] */
#include <pons/pons.h>
#include <cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *folder = PONS_BUILD_DIR "/beyond_mlx";

static pons_array numbers(void) {
  return pons_reshape(
      pons_divide(pons_subtract(pons_arange(0, 12, 1, PONS_FLOAT32), pons_float(5)), pons_float(4)),
      PONS_SHAPE(3, 4));
}

/* ---- functions of x (3, 4) float32 ---- */

typedef void function_of_x(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out);
#define FUNCTION(name) \
  static void name(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out)
#define UNUSED (void)payload, (void)n_in, (void)n_out

FUNCTION(contiguous) {
  UNUSED;
  out[0] = pons_multiply(pons_contiguous(pons_transpose(in[0])), pons_float(2));
}
FUNCTION(invert) {
  UNUSED;
  static const pons_dtype dtypes[] = {PONS_BOOL,  PONS_INT8,  PONS_INT16,  PONS_INT32,
                                      PONS_INT64, PONS_UINT8, PONS_UINT16, PONS_UINT32};
  pons_array whole = pons_abs(pons_multiply(in[0], pons_float(4)));
  out[0] = pons_astype(whole, PONS_INT32);
  for (int i = 0; i < 8; i++)
    out[0] = pons_add(out[0], pons_astype(pons_bitwise_invert(pons_astype(whole, dtypes[i])), PONS_INT32));
}
FUNCTION(logcumsumexp) {
  UNUSED;
  out[0] = pons_logcumsumexp(in[0], .axis = 1);
}
FUNCTION(fp8) {
  UNUSED;
  out[0] = pons_from_fp8(pons_to_fp8(in[0]), PONS_FLOAT32);
}
FUNCTION(lu) {
  UNUSED;
  pons_array parts[3];
  pons_linalg_lu(in[0], parts);
  out[0] = pons_matmul(parts[1], parts[2]); /* the rows of x, exchanged */
}

FUNCTION(product) {
  UNUSED;
  out[0] = pons_sum(pons_multiply(pons_exp(in[0]), pons_sin(in[0])));
}
FUNCTION(checkpointed) {
  UNUSED;
  pons_function f = pons_function_new(product, 1, NULL, NULL), again = pons_checkpoint(f),
                slope = pons_grad(again, (pons_axes){0});
  out[0] = pons_apply(slope, in[0]);
  pons_function_release(f);
  pons_function_release(again);
  pons_function_release(slope);
}

FUNCTION(own_slope) { /* in: x, result, cotangent */
  UNUSED;
  out[0] = pons_multiply(pons_full_like(in[0], .value = pons_float(3)), in[2]);
}
FUNCTION(custom) {
  UNUSED;
  pons_function f = pons_function_new(product, 1, NULL, NULL),
                vjp = pons_function_new(own_slope, 1, NULL, NULL),
                with = pons_custom_function(f, (struct pons_custom_rules){.vjp = vjp}),
                slope = pons_grad(with, (pons_axes){0});
  out[0] = pons_add(pons_apply(with, in[0]), pons_apply(slope, in[0]));
  pons_function_release(f);
  pons_function_release(vjp);
  pons_function_release(with);
  pons_function_release(slope);
}

FUNCTION(compiled) { /* applied to what the function captures */
  UNUSED;
  pons_function f = pons_function_new(product, 1, NULL, NULL), c = pons_compile(f);
  out[0] = pons_multiply(in[0], pons_apply(c, numbers()));
  pons_function_release(f);
  pons_function_release(c);
}

FUNCTION(strided) { /* captured arrays that do not lie row by row */
  UNUSED;
  const pons_array weights = numbers();
  pons_array views[] = {pons_transpose(pons_reshape(weights, PONS_SHAPE(4, 3))),
                        pons_slice(weights, PONS_SHAPE(2, 3), PONS_SHAPE(-4, -5), PONS_SHAPE(-1, -1)),
                        pons_broadcast_to(pons_index(weights, 1, 0), PONS_SHAPE(3, 4))};
  pons_eval(weights);
  pons_eval_many(views, 3);
  out[0] = pons_add(pons_multiply(in[0], views[0]), pons_multiply(views[1], views[2]));
}

FUNCTION(loaded) { /* from a file, not read yet */
  UNUSED;
  char path[600];
  snprintf(path, sizeof path, "%s/loaded.npy", folder);
  pons_named file = pons_save_array(path, numbers()) ? pons_load(path) : NULL;
  out[0] = pons_multiply(in[0], file ? pons_named_at(file, 0) : NULL);
  pons_named_free(file);
}

static const struct {
  const char *name;
  function_of_x *call;
} functions[] = {{"contiguous", contiguous},
                 {"invert", invert},
                 {"logcumsumexp", logcumsumexp},
                 {"lu", lu},
                 {"fp8", fp8},
                 {"checkpoint", checkpointed},
                 {"custom-function", custom},
                 {"compiled", compiled},
                 {"strided-constants", strided},
                 {"loaded", loaded}};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- kernels ---- */

#define EVERY_ATTRIBUTE                                                                                     \
  "// grid_origin grid_size quadgroup_index_in_threadgroup quadgroups_per_threadgroup\n"                    \
  "// dispatch_quadgroups_per_threadgroup dispatch_simdgroups_per_threadgroup simdgroups_per_threadgroup\n" \
  "// dispatch_threads_per_threadgroup simdgroup_index_in_threadgroup thread_execution_width\n"             \
  "// thread_index_in_quadgroup thread_index_in_simdgroup thread_index_in_threadgroup threads_per_grid\n"   \
  "// thread_position_in_threadgroup threadgroup_position_in_grid threadgroups_per_grid\n"                  \
  "// threads_per_simdgroup threads_per_threadgroup\n"
static const char *const names[] = {"a", "b", "c", "d"}, *const results[] = {"o", "p"};
static const pons_dtype floats[] = {PONS_FLOAT32, PONS_BFLOAT16};

FUNCTION(kernel_with_all) { /* a (4, 8) float32, b (3) int32, c (2, 3, 4) bool, d () float32 */
  UNUSED;
  static const struct pons_kernel_argument values[] = {
      {.name = "T", .kind = PONS_KERNEL_DTYPE, .dtype = PONS_FLOAT16},
      {.name = "N", .kind = PONS_KERNEL_INT, .number = -7},
      {.name = "B", .kind = PONS_KERNEL_BOOL, .number = 1}};
  const pons_shape shapes[] = {PONS_SHAPE(32), PONS_SHAPE(4, 8)};
  const float half = 0.5f;
  pons_fast_metal_kernel(
      "all",
      .source = EVERY_ATTRIBUTE
      "uint i = thread_position_in_grid.x;\no[i] = a[i] + b[0] * N + a_shape[0] + b_strides[0];\n"
      "p[i] = T(c_ndim + d_shape[0]);",
      .header = "// before\n", .inputs = in, .input_names = names, .n_inputs = 4, .output_shapes = shapes,
      .output_dtypes = floats, .output_names = results, .n_outputs = 2, .out = out,
      .template_arguments = values, .n_template_arguments = 3, .grid = {32, 2, 1}, .threadgroup = {8, 1, 1},
      .init_value = &half);
}

FUNCTION(kernel_with_atomics) {
  UNUSED;
  const pons_shape shape = PONS_SHAPE(1);
  pons_fast_metal_kernel("atomics", .source = "atomic_fetch_add_explicit(o, a[0], memory_order_relaxed);",
                         .inputs = in, .input_names = names, .n_inputs = 1, .output_shapes = &shape,
                         .output_dtypes = floats, .output_names = results, .n_outputs = 1, .out = out,
                         .grid = {32, 1, 1}, .threadgroup = {8, 1, 1}, .any_layout = true,
                         .atomic_outputs = true, .math_mode = "fast");
}

static pons_dtype dtype_of_all;
FUNCTION(kernel_of_dtype) {
  UNUSED;
  const struct pons_kernel_argument value = {.name = "T", .kind = PONS_KERNEL_DTYPE, .dtype = dtype_of_all};
  const pons_shape shape = PONS_SHAPE(4, 0);
  pons_fast_metal_kernel("typed", .source = "o[0] = T(a[0]);", .inputs = in, .input_names = names,
                         .n_inputs = 1, .output_shapes = &shape, .output_dtypes = &dtype_of_all,
                         .output_names = results, .n_outputs = 1, .out = out, .template_arguments = &value,
                         .n_template_arguments = 1, .grid = {32, 1, 1}, .threadgroup = {8, 1, 1},
                         .math_mode = "relaxed");
}

/* ---- files ---- */

static bool export(const char *name, function_of_x *call, int n_out, const pons_array *in, int n_in) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s.mlxfn", folder, name);
  pons_function f = pons_function_new(call, n_out, NULL, NULL);
  const bool fine = pons_export_function(path, .function = f, .inputs = in, .n_inputs = n_in);
  pons_function_release(f);
  return fine;
}

static bool write_function(int i, pons_named data) {
  const pons_array x = numbers();
  pons_array y;
  pons_function f = pons_function_new(functions[i].call, 1, NULL, NULL);
  const bool fine = export(functions[i].name, functions[i].call, 1, &x, 1) && pons_call(f, &x, 1, &y, 1) &&
                    pons_eval(y) && pons_named_set(data, functions[i].name, y);
  pons_function_release(f);
  return fine;
}

static bool write_kernels(void) {
  const pons_array all[] = {pons_zeros(PONS_SHAPE(4, 8), PONS_FLOAT32), pons_zeros(PONS_SHAPE(3), PONS_INT32),
                            pons_zeros(PONS_SHAPE(2, 3, 4), PONS_BOOL), pons_scalar(1, PONS_FLOAT32)};
  bool fine = export("kernel-all", kernel_with_all, 2, all, 4) &&
              export("kernel-atomics", kernel_with_atomics, 1, all, 1);
  for (int d = 0; fine && d < PONS_DTYPE_COUNT; d++) {
    dtype_of_all = (pons_dtype)d;
    if (dtype_of_all == PONS_FLOAT64 || dtype_of_all == PONS_COMPLEX128) continue;
    char name[60];
    snprintf(name, sizeof name, "kernel-%s", pons_dtype_name(dtype_of_all));
    const pons_array in = pons_zeros(PONS_SHAPE(9), dtype_of_all);
    fine = export(name, kernel_of_dtype, 1, &in, 1);
  }
  return fine;
}

int main(int argc, char **argv) {
  if (argc > 1) folder = argv[1];
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "%s: %s\n", folder, strerror(errno));
    return 1;
  }
  const pons_scope scope = pons_scope_open();
  pons_named data = pons_named_new();
  int failed = !pons_named_set(data, "x", numbers());
  for (int i = 0; i < FUNCTIONS; i++) {
    if (write_function(i, data)) continue;
    printf("%s: %s\n", functions[i].name, pons_error());
    pons_clear_error();
    failed++;
  }
  if (!write_kernels()) {
    printf("kernels: %s\n", pons_error());
    failed++;
  }
  char path[600];
  snprintf(path, sizeof path, "%s/values.npz", folder);
  if (!pons_save(path, data)) failed++;
  pons_named_free(data);
  pons_scope_close(scope);
  printf("%d functions written to %s, %d failed\n", FUNCTIONS, folder, failed);
  return failed > 0;
}
