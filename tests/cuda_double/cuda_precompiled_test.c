/* cuda_precompiled_test.c: kernels that are compiled already, on the doubles of CUDA's libraries: what the double of NVRTC makes of a
   text is handed over as a user's cubin. */
#include "backends/cuda/program.h"
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

static const char scale_text[] = "extern \"C\" __global__ void scale(const float *x, const float *y, float *out, int *blocks,\n"
                           "                                 float by, int n, bool negate) {\n"
                           "  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);\n"
                           "  if (i >= n) return;\n"
                           "  out[i] = (negate ? -1 : 1) * by * x[i] + y[i];\n"
                           "  blocks[i] = (int)(blockIdx.x * 100 + blockDim.x);\n"
                           "}\n";

static gpu_binary scale_binary(void) {
  error *why = NULL;
  gpu_binary binary = {0};
  CHECK(cuda_compile(0, "scale", scale_text, "--std=c++17", &binary, &why));
  return binary;
}

enum { N = 10 };
typedef struct call {
  gpu_binary binary;
  const char *name;
  pons_array x, y;
  int grid, threadgroup, n_scalars;
  const float *init_value;
  bool ensure_row_contiguous;
} call;

/* out and blocks; out = y - 1.5 x. */
static void make(const call *c, pons_array out[2]) {
  const pons_array in[] = {c->x, c->y};
  const pons_shape shapes[] = {PONS_SHAPE(N), PONS_SHAPE(N)};
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_INT32};
  const struct pons_kernel_argument scalars[] = {{.kind = PONS_KERNEL_FLOAT, .real = 1.5f},
                                                 {.kind = PONS_KERNEL_INT, .number = N},
                                                 {.kind = PONS_KERNEL_BOOL, .number = 1},
                                                 {.kind = PONS_KERNEL_INT, .number = 0}};
  pons_fast_precompiled_cuda_kernel(c->name, .compiled_source = c->binary.bytes, .compiled_bytes = c->binary.size, .inputs = in,
                                    .n_inputs = 2, .output_shapes = shapes, .output_dtypes = dtypes, .n_outputs = 2, .out = out,
                                    .scalars = scalars, .n_scalars = c->n_scalars, .grid = {c->grid, 1, 1},
                                    .threadgroup = {c->threadgroup, 1, 1}, .init_value = c->init_value,
                                    .ensure_row_contiguous = c->ensure_row_contiguous);
}

static pons_array from(double first, double step) { return pons_arange(first, first + step * N, step, PONS_FLOAT32); }

static void is(pons_array a, const float *expected) {
  const float *data = pons_data(pons_astype(a, PONS_FLOAT32));
  CHECK(data);
  for (int i = 0; i < N; i++) CHECK(data[i] == expected[i]);
}

static call call_of(gpu_binary binary) {
  return (call){.binary = binary, .name = "scale", .x = from(0, 2), .y = from(1, 1), .grid = N, .threadgroup = 4, .n_scalars = 3};
}

/* y - 1.5 x = (1 + i) - 3 i; groups of four, and of no more than the grid has. */
static void it_gets_pointers_and_scalars(void) {
  static const float values[N] = {1, -1, -3, -5, -7, -9, -11, -13, -15, -17};
  static const float fours[N] = {4, 4, 4, 4, 104, 104, 104, 104, 204, 204},
                     three[N] = {3, 3, 3, 9, 9, 9, 9, 9, 9, 9}, first[N] = {1, -1, -3, 9, 9, 9, 9, 9, 9, 9}, nine = 9;
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda"));
  call c = call_of(scale_binary());
  pons_array out[2];
  make(&c, out);
  is(out[0], values);
  is(out[1], fours);
  c.grid = 3, c.threadgroup = 64, c.init_value = &nine;
  make(&c, out);
  is(out[0], first);
  is(out[1], three);
  pons_scope_close(s);
}

/* x from its second element on, and every second one. */
static void it_gets_views(void) {
  static const float shifted[N] = {-2, -4, -6, -8, -10, -12, -14, -16, -18, -20}, /* (1 + i) - 1.5 (2 i + 2) */
      doubled[N] = {1, -4, -9, -14, -19, -24, -29, -34, -39, -44};               /* (1 + i) - 1.5 (4 i) */
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda"));
  call c = call_of(scale_binary());
  pons_array out[2], all = pons_arange(0, 4 * N, 2, PONS_FLOAT32);
  CHECK(pons_eval(all));
  c.x = pons_slice(all, PONS_SHAPE(1), PONS_SHAPE(N + 1), PONS_SCALAR);
  make(&c, out);
  is(out[0], shifted);
  c.x = pons_slice(all, PONS_SHAPE(0), PONS_SHAPE(2 * N), PONS_SHAPE(2));
  c.ensure_row_contiguous = true;
  make(&c, out);
  is(out[0], doubled);
  pons_scope_close(s);
}

static gpu_binary traced;
static void traced_call(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  call c = call_of(traced);
  pons_array both[2];
  c.x = pons_add(in[0], pons_float(1));
  make(&c, both);
  out[0] = pons_multiply(both[0], pons_float(2));
}

/* As part of a graph, with other memories at each call. */
static void it_is_made_again(void) {
  CHECK(pons_set_default_device("cuda"));
  traced = scale_binary();
  pons_function f = pons_compile(pons_function_new(traced_call, 1, NULL, NULL));
  for (int run = 0; run < 4; run++) {
    const pons_scope s = pons_scope_open();
    float expected[N];
    const pons_array x = from(run, 1);
    pons_array y;
    for (int i = 0; i < N; i++) expected[i] = 2 * ((float)(1 + i) - 1.5f * (float)(run + i + 1));
    CHECK(pons_eval(x) && pons_call(f, &x, 1, &y, 1));
    is(y, expected);
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") > 0);
}

static void kernels_run(void **state) {
  (void)state;
  passes(it_gets_pointers_and_scalars, "A=1");
  passes(it_gets_views, "A=1");
  passes(it_is_made_again, "A=1");
  passes(it_is_made_again, "PONS_CUDA_GRAPHS=1;DOUBLE_FAULTS=cuGraphInstantiateWithFlags:2=1");
}

/* ---- what is not fit ---- */

static void fails_with(const call *c, const char *words) {
  pons_array out[2];
  make(c, out);
  CHECK(!pons_eval(out[0]));
  if (!told(words)) print_error("%s, not %s\n", pons_error(), words), _exit(1);
  pons_clear_error();
}

static void arguments_are_compared(void) {
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda"));
  call c = call_of(scale_binary());
  c.n_scalars = 2;
  fails_with(&c, "'scale' takes 7 arguments; it is given 6: 4 pointers and 2 scalars");
  c.n_scalars = 4;
  fails_with(&c, "'scale' takes 7 arguments; it is given 8");
  c.name = "nothing";
  fails_with(&c, "cuModuleGetFunction('nothing')");
  pons_scope_close(s);
}

/* Cut anywhere it is refused before the driver reads it; so is what points out of the file. */
static void damaged_cubins_are_refused(void) {
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda"));
  call c = call_of(scale_binary());
  const gpu_binary whole = c.binary;
  const size_t ends[] = {4, 20, 63, 64, 1000, whole.size / 2, whole.size - 200};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    c.binary.size = ends[i];
    fails_with(&c, "the cubin of 'scale' is not whole");
  }
  c.binary = whole;
  memset((char *)whole.bytes + 40, 0xff, 8); /* where its sections are */
  fails_with(&c, "is not whole");
  CHECK(count("cuModuleLoadDataEx") == 0);
  pons_scope_close(s);
}

static void other_bytes_are_told_apart(void) {
  static char ptx[] = ".version 8.0\n.target sm_80\n.visible .entry scale() { ret; }\n", cut[] = ".version 8.0\0\n.target";
  static unsigned char fatbin[32] = {0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0, 16};
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda"));
  call c = call_of((gpu_binary){ptx, sizeof ptx - 1});
  fails_with(&c, "the double has no ptxas");
  c.binary = (gpu_binary){cut, sizeof cut};
  fails_with(&c, "the PTX of 'scale' is not whole");
  c.binary = (gpu_binary){fatbin, sizeof fatbin};
  fails_with(&c, "CUDA_ERROR_INVALID_IMAGE");
  c.binary.size = 31;
  fails_with(&c, "the fatbin of 'scale' is not whole");
  c.binary = (gpu_binary){"not code", 8};
  fails_with(&c, "the 8 bytes of 'scale' are neither PTX nor a cubin nor a fatbin");
  pons_scope_close(s);
}

static void fails_once_and_then_runs(void) {
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda"));
  call c = call_of(scale_binary());
  pons_array out[2];
  make(&c, out);
  CHECK(!pons_eval(out[0]) && !pons_ok());
  pons_clear_error();
  make(&c, out);
  CHECK(pons_eval(out[0]) && pons_ok());
  pons_scope_close(s);
}

static void what_is_not_fit_is_an_error(void **state) {
  (void)state;
  passes(arguments_are_compared, "A=1");
  passes(damaged_cubins_are_refused, "A=1");
  passes(other_bytes_are_told_apart, "A=1");
  passes(fails_once_and_then_runs, "PONS_CACHE_DIR=;DOUBLE_FAULTS=cuModuleLoadDataEx:1=2");
  passes(fails_once_and_then_runs, "PONS_CACHE_DIR=;DOUBLE_FAULTS=cuModuleGetFunction:1=2");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_run), cmocka_unit_test(what_is_not_fit_is_an_error)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
