/* kernel_source.c: writes the signature of a custom kernel and what stands around it, in Metal or in CUDA C++.

   MLX compiles the text as it is when a file is run, so it is the text that MLX itself would have made: the
   names of types are those of its headers, and the kernel's name tells the dtypes it was made for. Uses
   kernel_source.h. */
#include "ops/kernel_source.h"
#include <stdlib.h>

bool kernel_mentions(const char *body, const char *input, const char *what) {
  const size_t n = strlen(input);
  for (const char *s = body; (s = strstr(s, input)) != NULL; s++)
    if (strncmp(s + n, what, strlen(what)) == 0) return true;
  return false;
}

/* In names and in Metal: as MLX's Metal headers call the type. */
static const char *metal_type(pons_dtype d) {
  static const char *const names[PONS_DTYPE_COUNT] = {
      [PONS_BOOL] = "bool",           [PONS_UINT8] = "uint8_t",        [PONS_UINT16] = "uint16_t",
      [PONS_UINT32] = "uint32_t",     [PONS_UINT64] = "uint64_t",      [PONS_INT8] = "int8_t",
      [PONS_INT16] = "int16_t",       [PONS_INT32] = "int32_t",        [PONS_INT64] = "int64_t",
      [PONS_FLOAT16] = "float16_t",   [PONS_FLOAT32] = "float",        [PONS_FLOAT64] = "double",
      [PONS_BFLOAT16] = "bfloat16_t", [PONS_COMPLEX64] = "complex64_t"};
  return names[d];
}

static const char *cuda_type(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT16:
      return "__half";
    case PONS_BFLOAT16:
      return "__nv_bfloat16";
    case PONS_COMPLEX64:
      return "mlx::core::cu::complex64_t";
    default:
      return metal_type(d);
  }
}

/* ---- Metal ---- */

/* Arrays of fewer elements are read from constant memory; those without axes by reference. */
enum { METAL_CONSTANT_BELOW = 8 };
static bool is_constant(const node *x) { return x->size < METAL_CONSTANT_BELOW; }

/* What Metal tells a thread about its place, if the body mentions it. */
static const struct attribute {
  const char *type, *name;
} attributes[] = {
    {"uint", "dispatch_quadgroups_per_threadgroup"},
    {"uint", "dispatch_simdgroups_per_threadgroup"},
    {"uint3", "dispatch_threads_per_threadgroup"},
    {"uint3", "grid_origin"},
    {"uint3", "grid_size"},
    {"uint", "quadgroup_index_in_threadgroup"},
    {"uint", "quadgroups_per_threadgroup"},
    {"uint", "simdgroup_index_in_threadgroup"},
    {"uint", "simdgroups_per_threadgroup"},
    {"uint", "thread_execution_width"},
    {"uint", "thread_index_in_quadgroup"},
    {"uint", "thread_index_in_simdgroup"},
    {"uint", "thread_index_in_threadgroup"},
    {"uint3", "thread_position_in_grid"},
    {"uint3", "thread_position_in_threadgroup"},
    {"uint3", "threadgroup_position_in_grid"},
    {"uint3", "threadgroups_per_grid"},
    {"uint3", "threads_per_grid"},
    {"uint", "threads_per_simdgroup"},
    {"uint3", "threads_per_threadgroup"},
};

/* "float16_t, 7, 1": values of the template's arguments. */
static void metal_values(text *t, const struct pons_kernel_args *a, const char *between) {
  for (int i = 0; i < a->n_template_arguments; i++) {
    const struct pons_kernel_argument *v = &a->template_arguments[i];
    text_add(t, "%s", i ? between : "");
    if (v->kind == PONS_KERNEL_DTYPE)
      text_add(t, "%s", metal_type(v->dtype));
    else
      text_add(t, "%d", v->kind == PONS_KERNEL_BOOL ? v->number != 0 : v->number);
  }
}

static void metal_name(text *t, const struct pons_kernel_args *a) {
  text_add(t, "custom_kernel_%s", a->name);
  if (a->n_template_arguments) {
    text values = {0};
    metal_values(&values, a, "_");
    for (size_t i = 0; i < values.length; i++)
      if (values.at[i] == '-') values.at[i] = '_'; /* a sign is no part of a name */
    text_add(t, "__%s", values.at ? values.at : "");
    t->failed |= values.failed;
    text_free(&values);
  }
  for (int i = 0; i < a->n_inputs; i++)
    text_add(t, "_%s%s", metal_type(dtype_of(a->inputs[i])),
             a->inputs[i]->ndim == 0     ? "s"
             : is_constant(a->inputs[i]) ? "c"
                                         : "");
  for (int i = 0; i < a->n_outputs; i++) text_add(t, "_%s", metal_type(a->output_dtypes[i]));
}

static void metal_input(text *t, const struct pons_kernel_args *a, int i, int *place) {
  const node *x = a->inputs[i];
  const char *name = a->input_names[i];
  text_add(t, "  const %s %s%s %s [[buffer(%d)]],\n", is_constant(x) ? "constant" : "device",
           metal_type(dtype_of(x)), x->ndim ? "*" : "&", name, (*place)++);
  if (x->ndim == 0) return;
  if (kernel_mentions(a->source, name, "_shape"))
    text_add(t, "  const constant int* %s_shape [[buffer(%d)]],\n", name, (*place)++);
  if (kernel_mentions(a->source, name, "_strides"))
    text_add(t, "  const constant int64_t* %s_strides [[buffer(%d)]],\n", name, (*place)++);
  if (kernel_mentions(a->source, name, "_ndim"))
    text_add(t, "  const constant int& %s_ndim [[buffer(%d)]],\n", name, (*place)++);
}

static void metal_template(text *t, const struct pons_kernel_args *a) {
  if (!a->n_template_arguments) return;
  static const char *const kinds[] = {
      [PONS_KERNEL_DTYPE] = "typename", [PONS_KERNEL_INT] = "int", [PONS_KERNEL_BOOL] = "bool"};
  text_add(t, "template <");
  for (int i = 0; i < a->n_template_arguments; i++)
    text_add(t, "%s%s %s", i ? ", " : "", kinds[a->template_arguments[i].kind],
             a->template_arguments[i].name);
  text_add(t, ">\n");
}

void kernel_text_metal(kernel_text *k, const struct pons_kernel_args *a) {
  text *t = &k->source;
  int place = 0;
  metal_name(&k->name, a);
  const char *name = k->name.at ? k->name.at : "";
  text_add(t, "%s", a->header ? a->header : "");
  metal_template(t, a);
  text_add(t, "[[kernel]] void %s(\n", name);
  for (int i = 0; i < a->n_inputs; i++) metal_input(t, a, i, &place);
  for (int i = 0; i < a->n_outputs; i++)
    text_add(t, "%s  device %s%s%s* %s [[buffer(%d)]]", i ? ",\n" : "", a->atomic_outputs ? "atomic<" : "",
             metal_type(a->output_dtypes[i]), a->atomic_outputs ? ">" : "", a->output_names[i], place++);
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
    if (strstr(a->source, attributes[i].name))
      text_add(t, ",\n  %s %s [[%s]]", attributes[i].type, attributes[i].name, attributes[i].name);
  text_add(t, ") {\n%s\n}\n", a->source);
  if (!a->n_template_arguments) return;
  text values = {0};
  metal_values(&values, a, ", ");
  const char *list = values.at ? values.at : "";
  text_add(t, "\ntemplate [[host_name(\"%s\")]] [[kernel]] decltype(%s<%s>) %s<%s>;\n", name, name, list,
           name, list);
  t->failed |= values.failed;
  text_free(&values);
}

/* ---- CUDA ---- */

static void cuda_name(text *t, const struct pons_kernel_args *a) {
  text_add(t, "custom_kernel_%s", a->name);
  for (int i = 0; i < a->n_template_arguments; i++) {
    const struct pons_kernel_argument *v = &a->template_arguments[i];
    if (v->kind == PONS_KERNEL_DTYPE)
      text_add(t, "_%s", metal_type(v->dtype));
    else if (v->kind == PONS_KERNEL_BOOL)
      text_add(t, v->number ? "_t" : "_f");
    else
      text_add(t, v->number < 0 ? "_m%lld" : "_%lld", llabs((long long)v->number));
  }
}

static void cuda_input(text *t, const struct pons_kernel_args *a, int i) {
  const char *name = a->input_names[i];
  text_add(t, "    const %s* %s,\n", cuda_type(dtype_of(a->inputs[i])), name);
  if (kernel_mentions(a->source, name, "_shape"))
    text_add(t, "    const __grid_constant__ Shape %s_shape,\n", name);
  if (kernel_mentions(a->source, name, "_strides"))
    text_add(t, "    const __grid_constant__ Strides %s_strides,\n", name);
  if (kernel_mentions(a->source, name, "_ndim"))
    text_add(t, "    const __grid_constant__ int %s_ndim,\n", name);
}

/* Template arguments are constants at the head of the body. */
static void cuda_constants(text *t, const struct pons_kernel_args *a) {
  for (int i = 0; i < a->n_template_arguments; i++) {
    const struct pons_kernel_argument *v = &a->template_arguments[i];
    if (v->kind == PONS_KERNEL_DTYPE)
      text_add(t, "  using %s = %s;\n", v->name, cuda_type(v->dtype));
    else if (v->kind == PONS_KERNEL_INT)
      text_add(t, "  constexpr int %s = %d;\n", v->name, v->number);
    else
      text_add(t, "  constexpr bool %s = %s;\n", v->name, v->number ? "true" : "false");
  }
  if (a->n_template_arguments) text_add(t, "\n");
}

void kernel_text_cuda(kernel_text *k, const struct pons_kernel_args *a) {
  text *t = &k->source;
  cuda_name(&k->name, a);
  text_add(t,
           "\n#include \"mlx/backend/cuda/device/utils.cuh\"\n\n#include <cooperative_groups.h>\n\n"
           "#define inf cuda::std::numeric_limits<float>::infinity()\n\n");
  text_add(t, "%s", a->header ? a->header : "");
  text_add(t, "namespace mlx::core::cu {\n\nnamespace cg = cooperative_groups;\n\n__global__ void %s(\n",
           k->name.at ? k->name.at : "");
  for (int i = 0; i < a->n_inputs; i++) cuda_input(t, a, i);
  for (int i = 0; i < a->n_outputs; i++)
    text_add(t, "    %s* %s%s", cuda_type(a->output_dtypes[i]), a->output_names[i],
             i + 1 < a->n_outputs ? ",\n" : ") {\n");
  cuda_constants(t, a);
  text_add(t, "%s\n}\n\n} // namespace mlx::core::cu\n", a->source);
}
