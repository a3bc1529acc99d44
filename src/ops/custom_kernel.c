/* custom_kernel.c: kernels as source text, in the dialect of all GPUs or in the language of one, which functions
   hold and files carry.

   Here they are made, batched, and written to files; a backend whose language they are in runs them. MLX
   passes the shape of an input without axes in CUDA and not in Metal, and so do signatures here. Uses graph/,
   kernel_source.h. */
#include "ops/kernel_source.h"
#include <ctype.h>

/* ---- the record ---- */

/* Walks the results in the parameters; their number, or 0 where the list makes no sense. */
static int read_results(const ints *list, spec *out) {
  int count = 0;
  for (int at = 0; at < list->n; count++) {
    if (list->n - at < 2) return 0;
    const int64_t dtype = list->at[at], ndim = list->at[at + 1];
    if (dtype < 0 || dtype >= PONS_DTYPE_COUNT || ndim < 0 || ndim > list->n - at - 2) return 0;
    const int64_t *dims = list->at + at + 2;
    spec room, *s = out ? &out[count] : &room;
    s->dtype = (pons_dtype)dtype;
    if (!shape_from((pons_shape){(int)ndim, dims}, &s->shape)) return 0;
    at += 2 + (int)ndim;
  }
  return count;
}

static int custom_outputs(const void *params, int n_in) {
  (void)n_in;
  return read_results(&((const custom_kernel_params *)params)->results, NULL);
}

static error *check_lists(const custom_kernel_params *p, int n_in) {
  const char *op = "custom_kernel";
  if (p->grid.n != 3 || p->threadgroup.n != 3)
    return fail(op, "grid and threadgroup have three sizes, not %d and %d", p->grid.n, p->threadgroup.n);
  for (int i = 0; i < 3; i++)
    if (p->grid.at[i] < 0 || p->threadgroup.at[i] < 1)
      return fail(op, "grid %s in threadgroups of %s", shape_text(3, p->grid.at),
                  shape_text(3, p->threadgroup.at));
  if (p->shape_infos.n != 3 * (int64_t)n_in)
    return fail(op, "%d inputs and %d flags for their shapes, which should be three each", n_in,
                p->shape_infos.n);
  if (p->shared_memory < 0) return fail(op, "%d bytes of shared memory", p->shared_memory);
  if (p->scalar_arguments.n % 2) return fail(op, "a scalar argument without a value");
  for (int i = 0; i < p->scalar_arguments.n; i += 2)
    if (p->scalar_arguments.at[i] < 0 || p->scalar_arguments.at[i] >= SCALAR_KINDS)
      return fail(op, "%lld is no kind of scalar", (long long)p->scalar_arguments.at[i]);
  return NULL;
}

static error *custom_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const custom_kernel_params *p = params;
  (void)in;
  error *e = check_lists(p, n_in);
  if (e) return e;
  return read_results(&p->results, out) > 0 ? NULL : fail("custom_kernel", "there are no sound results");
}

/* How each language is called, and what runs a kernel in it. */
static const struct language {
  const char *name, *hint;
} languages[] = {
    [LANGUAGE_UNKNOWN] = {"an unknown language", "it is neither in Metal's language nor in CUDA C++"},
    [LANGUAGE_DIALECT] = {"dialect",
                          "GPUs and OpenCL devices have a compiler for it: choose one of them by "
                          "pons_set_default_device"},
    [LANGUAGE_METAL] = {"Metal", "it runs on the devices cuda and metal, and exported to a file, in MLX on a Mac's GPU"},
    [LANGUAGE_CUDA] = {"CUDA C++",
                       "it runs on the device cuda, and exported to a file, in MLX on an NVIDIA GPU"},
    [LANGUAGE_PTX] = {"PTX", "it runs on the device cuda, and exported to a file, in MLX on an NVIDIA GPU"},
    [LANGUAGE_CUBIN] = {"cubin", "it runs on the device cuda, and exported to a file, in MLX on an NVIDIA GPU"},
    [LANGUAGE_COMPILED] = {"compiled CUDA", "it runs on the device cuda, and exported to a file, in MLX on an NVIDIA GPU"},
};

static error *custom_no_device(const void *params, const char *device) {
  const custom_kernel_params *p = params;
  const struct language *l = &languages[custom_kernel_language(p)];
  return fail_as(PONS_ERROR_RUNTIME, "custom_kernel", "No %s back-end on %s for '%.120s'\nhint: %s", l->name,
                 device, p->name.n ? p->name.at : "", l->hint);
}

static pons_array no_gradient(const void *params) {
  const custom_kernel_params *p = params;
  return node_fail("custom_kernel", "'%.120s' has no gradient\nhint: pons_custom_function gives it one",
                   p->name.n ? p->name.at : "");
}

static void custom_vjp(const vjp_call *c) {
  for (int i = 0; i < c->n_in; i++)
    if (c->wanted[i]) c->grads[i] = no_gradient(c->params);
}

static void custom_jvp(const jvp_call *c) {
  for (int i = 0; i < c->n_out; i++) c->out_tangents[i] = no_gradient(c->params);
}

const prim prim_custom_kernel = {
    .name = "CustomKernel",
    .params_size = sizeof(custom_kernel_params),
    .fields = {FIELD(TEXT, custom_kernel_params, name), FIELD(TEXT, custom_kernel_params, source),
               FIELD(TUPLE, custom_kernel_params, grid), FIELD(TUPLE, custom_kernel_params, threadgroup),
               FIELD(FLAGS, custom_kernel_params, shape_infos),
               FIELD(BOOL, custom_kernel_params, ensure_row_contiguous),
               FIELD(OPTIONAL, custom_kernel_params, init_value),
               FIELD(SCALARS, custom_kernel_params, scalar_arguments),
               FIELD(BOOL, custom_kernel_params, is_precompiled),
               FIELD(INT, custom_kernel_params, shared_memory), FIELD_OF(custom_kernel_params, math_mode, 3),
               FIELD(RESULTS, custom_kernel_params, results)},
    .outputs = custom_outputs,
    .infer = custom_infer,
    .vjp = custom_vjp,
    .jvp = custom_jvp,
    .no_device = custom_no_device};

/* ---- making one ---- */

enum { MOST_KERNEL_ARRAYS = 64 };

static bool is_name(const char *s) {
  if (!s || !(isalpha((unsigned char)*s) || *s == '_')) return false;
  while (isalnum((unsigned char)*s) || *s == '_') s++;
  return !*s;
}

static void give_fault(pons_array bad, pons_array *out, int n_out) {
  for (int i = 0; i < n_out; i++) out[i] = bad;
}

/* Sizes as parameters, and the results' types; makes the node. `p` has the rest. */
static void make_kernel(const char *op, custom_kernel_params *p, const int grid[3], const int threadgroup[3],
                        const float *init_value, const pons_array *in, int n_in, const pons_shape *shapes,
                        const pons_dtype *dtypes, pons_array *out, int n_out) {
  int64_t sizes[6], results[MOST_KERNEL_ARRAYS * (2 + PONS_MAX_NDIM)];
  for (int i = 0; i < 3; i++) sizes[i] = grid[i], sizes[3 + i] = threadgroup[i];
  p->grid = (ints){3, sizes};
  p->threadgroup = (ints){3, sizes + 3};
  if (init_value) p->init_value = (optional_float){true, *init_value};
  int n = 0;
  for (int i = 0; i < n_out; i++) {
    shape sound;
    if (!shape_from(shapes[i], &sound) || !dtype_is_valid((int)dtypes[i])) {
      give_fault(node_fail(op, "result %d has no sound shape or dtype", i), out, n_out);
      return;
    }
    results[n++] = dtypes[i];
    results[n++] = shapes[i].count;
    for (int k = 0; k < shapes[i].count; k++) results[n++] = shapes[i].at[k];
  }
  p->results = (ints){n, results};
  node_make_many(&prim_custom_kernel, p, n_in, in, out, n_out);
}

static bool kernels_have(pons_dtype d, bool metal) {
  return dtype_is_valid((int)d) && d != PONS_COMPLEX128 && !(metal && d == PONS_FLOAT64);
}

/* NULL, or why a kernel can't be made of these arguments, as an array that carries the error. */
static pons_array check_kernel(const char *op, const struct pons_kernel_args *a, kernel_language language) {
  const bool metal = language == LANGUAGE_METAL;
  if (a->n_outputs < 1) return node_fail(op, "there must be at least one result");
  if (a->n_inputs < 0 || a->n_inputs > MOST_KERNEL_ARRAYS || a->n_outputs > MOST_KERNEL_ARRAYS)
    return node_fail(op, "%d inputs and %d results; the most are %d each", a->n_inputs, a->n_outputs,
                     MOST_KERNEL_ARRAYS);
  if (!is_name(a->name) || !a->source)
    return node_fail(op, a->source ? "'%s' is no name for a kernel" : "%s has no source",
                     a->name ? a->name : "");
  pons_array bad = operand_fault(op, a->n_inputs, a->inputs);
  if (bad) return bad;
  for (int i = 0; i < a->n_inputs + a->n_outputs; i++) {
    const bool input = i < a->n_inputs;
    const char *name = input ? a->input_names[i] : a->output_names[i - a->n_inputs];
    const pons_dtype dtype = input ? dtype_of(a->inputs[i]) : a->output_dtypes[i - a->n_inputs];
    if (!is_name(name)) return node_fail(op, "'%s' is no name for an array", name ? name : "");
    if (!kernels_have(dtype, metal))
      return node_fail(op, "%s is of %s, which %s has not", name, pons_dtype_name(dtype), metal ? "Metal" : "a kernel");
  }
  if (language == LANGUAGE_DIALECT && (a->shared_memory || a->atomic_outputs || a->math_mode))
    return node_fail(op, "%s not in the dialect",
                     a->shared_memory ? "memory that threads share is declared in the body, as LOCAL float "
                                        "room[64]; shared_memory is"
                     : a->atomic_outputs ? "ATOMIC_CAS32 takes any result; atomic_outputs are"
                                         : "it computes as written; math modes are");
  for (int i = 0; i < a->n_template_arguments; i++) {
    const struct pons_kernel_argument *v = &a->template_arguments[i];
    if (!is_name(v->name) ||
        (v->kind != PONS_KERNEL_DTYPE && v->kind != PONS_KERNEL_INT && v->kind != PONS_KERNEL_BOOL))
      return node_fail(op, "template argument %d is not a named dtype, int or bool", i);
    if (v->kind == PONS_KERNEL_DTYPE && !kernels_have(v->dtype, metal))
      return node_fail(op, "template argument %s is of %s, which %s has not", v->name, pons_dtype_name(v->dtype),
                       metal ? "Metal" : "a kernel");
  }
  return NULL;
}

static int math_mode_of(const char *name) {
  static const char *const modes[] = {"safe", "relaxed", "fast"};
  for (int i = 0; name && i < 3; i++)
    if (strcmp(name, modes[i]) == 0) return i;
  return name ? -1 : 0;
}

static void make_from_source(const char *op, const struct pons_kernel_args *a, kernel_language language) {
  pons_array bad = check_kernel(op, a, language);
  const int mode = math_mode_of(a->math_mode);
  if (!bad && mode < 0)
    bad = node_fail(op, "math mode '%s' is none of 'safe', 'relaxed', 'fast'", a->math_mode);
  if (bad) {
    give_fault(bad, a->out, a->n_outputs);
    return;
  }
  kernel_text words = {0};
  (language == LANGUAGE_METAL  ? kernel_text_metal
   : language == LANGUAGE_CUDA ? kernel_text_cuda
                               : kernel_text_dialect)(&words, a);
  int64_t infos[3 * MOST_KERNEL_ARRAYS];
  for (int i = 0; i < a->n_inputs; i++) {
    infos[3 * i] = kernel_mentions(a->source, a->input_names[i], "_shape");
    infos[3 * i + 1] = kernel_mentions(a->source, a->input_names[i], "_strides");
    infos[3 * i + 2] = kernel_mentions(a->source, a->input_names[i], "_ndim");
  }
  custom_kernel_params p = {.name = {(int)words.name.length, words.name.at},
                            .source = {(int)words.source.length, words.source.at},
                            .shape_infos = {3 * a->n_inputs, infos},
                            .ensure_row_contiguous = !a->any_layout,
                            .shared_memory = a->shared_memory,
                            .math_mode = mode};
  if (words.name.failed || words.source.failed || words.source.length > INT32_MAX)
    give_fault(node_error(fail_no_memory(op)), a->out, a->n_outputs);
  else
    make_kernel(op, &p, a->grid, a->threadgroup, a->init_value, a->inputs, a->n_inputs, a->output_shapes,
                a->output_dtypes, a->out, a->n_outputs);
  text_free(&words.name);
  text_free(&words.source);
}

void pons_fast_metal_kernel_with(struct pons_kernel_args args) {
  make_from_source("metal_kernel", &args, LANGUAGE_METAL);
}
void pons_fast_cuda_kernel_with(struct pons_kernel_args args) {
  make_from_source("cuda_kernel", &args, LANGUAGE_CUDA);
}
void pons_fast_gpu_kernel_with(struct pons_kernel_args args) {
  make_from_source("gpu_kernel", &args, LANGUAGE_DIALECT);
}

void pons_fast_precompiled_cuda_kernel_with(struct pons_precompiled_kernel_args a) {
  const char *op = "precompiled_cuda_kernel";
  pons_array bad = NULL;
  if (a.n_outputs < 1 || a.n_outputs > MOST_KERNEL_ARRAYS || a.n_inputs < 0 ||
      a.n_inputs > MOST_KERNEL_ARRAYS || a.n_scalars < 0 || a.n_scalars > MOST_KERNEL_ARRAYS)
    bad = node_fail(op, "%d inputs, %d results and %d scalars; the most are %d each", a.n_inputs, a.n_outputs,
                    a.n_scalars, MOST_KERNEL_ARRAYS);
  else if (!a.name || !a.compiled_source || a.compiled_bytes > INT32_MAX)
    bad = node_fail(op, "%s", a.name ? "there is no compiled source" : "there is no name");
  else
    bad = operand_fault(op, a.n_inputs, a.inputs);
  int64_t scalars[2 * MOST_KERNEL_ARRAYS], infos[3 * MOST_KERNEL_ARRAYS] = {0};
  for (int i = 0; !bad && i < a.n_scalars; i++) {
    const struct pons_kernel_argument *v = &a.scalars[i];
    int32_t bits = v->number;
    if (v->kind == PONS_KERNEL_DTYPE) bad = node_fail(op, "scalar %d is a dtype", i);
    if (v->kind == PONS_KERNEL_FLOAT) memcpy(&bits, &v->real, sizeof bits);
    scalars[2 * i] = v->kind == PONS_KERNEL_FLOAT  ? SCALAR_FLOAT
                     : v->kind == PONS_KERNEL_BOOL ? SCALAR_BOOL
                                                   : SCALAR_INT;
    scalars[2 * i + 1] = v->kind == PONS_KERNEL_BOOL ? v->number != 0 : bits;
  }
  if (bad) {
    give_fault(bad, a.out, a.n_outputs);
    return;
  }
  custom_kernel_params p = {.name = {(int)strlen(a.name), a.name},
                            .source = {(int)a.compiled_bytes, a.compiled_source},
                            .shape_infos = {3 * a.n_inputs, infos},
                            .ensure_row_contiguous = a.ensure_row_contiguous,
                            .scalar_arguments = {2 * a.n_scalars, scalars},
                            .is_precompiled = true,
                            .shared_memory = a.shared_memory};
  make_kernel(op, &p, a.grid, a.threadgroup, a.init_value, a.inputs, a.n_inputs, a.output_shapes,
              a.output_dtypes, a.out, a.n_outputs);
}
