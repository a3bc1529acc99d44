/* gpu_kernel.c: an op of your own, x / (1 + |x|), as a kernel in the dialect of all GPUs, with its gradient as another.

   PONS_DEVICE=opencl ./gpu_kernel (or cuda, or metal) prints
       softsign: [-0.75, -0.5, 0, 0.5, 0.75]
       slope:    [0.0625, 0.25, 1, 0.25, 0.0625]
   On the CPU, which has no compiler for kernels, it prints an error that says so. */
#include <pons/pons.h>
#include <stdio.h>

/* One thread for each element of `x` and `by`. */
static pons_array run(const char *name, const char *body, pons_array x, pons_array by) {
  static const char *const inputs[] = {"x", "by"}, *const outputs[] = {"y"};
  const pons_dtype dtype = pons_dtype_of(x);
  const int64_t size = pons_size(x);
  const pons_array in[] = {x, by};
  pons_array out;
  pons_fast_gpu_kernel(name, .source = body, .inputs = in, .input_names = inputs, .n_inputs = 2,
                       .output_shapes = &(pons_shape){1, &size}, .output_dtypes = &dtype,
                       .output_names = outputs, .n_outputs = 1, .out = &out, .grid = {(int)size, 1, 1},
                       .threadgroup = {64, 1, 1});
  return out;
}

static void softsign(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = run("softsign",
               "const float value = LOAD(x, GLOBAL_ID), size = value < 0 ? -value : value;\n"
               "STORE(y, GLOBAL_ID, value / (1 + size));\n",
               in[0], in[0]);
}

/* in: x, y, and the cotangent of y. */
static void softsign_vjp(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = run("softsign_vjp",
               "const float value = LOAD(x, GLOBAL_ID), below = 1 + (value < 0 ? -value : value);\n"
               "STORE(y, GLOBAL_ID, LOAD(by, GLOBAL_ID) / (below * below));\n",
               in[0], in[2]);
}

static void sum(void *f, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_apply(*(pons_function *)f, in[0]));
}

static void print(const char *what, pons_array a) {
  const float *values = pons_data(a);
  if (!values) return;
  printf("%s[", what);
  for (int i = 0; i < pons_size(a); i++) printf("%s%g", i ? ", " : "", (double)values[i]);
  printf("]\n");
}

int main(void) {
  const float values[] = {-3, -1, 0, 1, 3};
  const pons_array x = pons_array_from(values, PONS_SHAPE(5), PONS_FLOAT32);
  pons_function plain = pons_function_new(softsign, 1, NULL, NULL),
                vjp = pons_function_new(softsign_vjp, 1, NULL, NULL),
                f = pons_custom_function(plain, (struct pons_custom_rules){.vjp = vjp}),
                total = pons_function_new(sum, 1, &f, NULL), slope = pons_grad(total, (pons_axes){0});
  print("softsign: ", pons_apply(f, x));
  print("slope:    ", pons_apply(slope, x));
  if (!pons_ok()) fprintf(stderr, "%s\n", pons_error());
  pons_function_release(plain);
  pons_function_release(vjp);
  pons_function_release(f);
  pons_function_release(total);
  pons_function_release(slope);
  return !pons_ok();
}
