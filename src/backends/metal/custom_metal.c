/* custom_metal.c: launches kernels of the user's own that are in Metal's language: the text as it stands, behind mlx_metal.h.

   Arguments are in the order in which MLX writes them: each input, then of its shape, strides and number of axes what the text
   asks for, unless it has no axes; the results. The grid counts threads, so groups at its end may be smaller. Uses
   metal.h, gpu/. */
#include "backends/metal/metal.h"

extern const char mlx_metal[];

enum { MATH_FAST = 2 }; /* of MLX's math modes */

const char *metal_refuses_source(const launch *l) {
  return custom_kernel_language(l->params) == LANGUAGE_METAL ? NULL : "it is not in Metal's language";
}

/* ---- arguments ---- */

typedef struct argument_list {
  metal_argument at[METAL_ARGUMENTS];
  int n;                                               /* may be more than there is room for */
  int32_t shapes[GPU_MAX_MEMORIES][PONS_MAX_NDIM + 1]; /* behind the sizes, how many there are */
} argument_list;

static void add_argument(argument_list *a, metal_argument one) {
  if (a->n < METAL_ARGUMENTS) a->at[a->n] = one;
  a->n++;
}

static void add_operand(argument_list *a, const operand *o, bool written) {
  const location *at = o->data;
  add_argument(a,
               (metal_argument){.memory = at->memory, .offset = (NSUInteger)at->offset, .written = written});
}

static void add_bytes(argument_list *a, const void *bytes, size_t size) {
  add_argument(a, (metal_argument){.bytes = bytes, .length = size});
}

static void add_input(argument_list *a, const custom_kernel_params *p, const operand *o, int i) {
  const int64_t *asks = p->shape_infos.at + 3 * i;
  const size_t n = (size_t)o->ndim;
  int32_t *shape = a->shapes[i];
  add_operand(a, o, false);
  if (o->ndim == 0) return;
  for (int d = 0; d < o->ndim; d++) shape[d] = (int32_t)o->shape[d];
  shape[PONS_MAX_NDIM] = o->ndim;
  if (asks[0]) add_bytes(a, shape, n * sizeof *shape);
  if (asks[1]) add_bytes(a, o->strides, n * sizeof *o->strides);
  if (asks[2]) add_bytes(a, shape + PONS_MAX_NDIM, sizeof *shape);
}

/* ---- launching ---- */

static MTLSize size_of(const int64_t *s) {
  return (MTLSize){(NSUInteger)s[0], (NSUInteger)s[1], (NSUInteger)s[2]};
}

static metal_kernel *kernel_of(const custom_kernel_params *p, int index, error **why) {
  const gpu_source s = {.prologue = mlx_metal,
                        .options = p->math_mode == MATH_FAST ? METAL_FAST_MATH : "",
                        .definitions = p->source.at,
                        .body = ""};
  return gpu_program(&gpu_metal, index, &s, p->name.at, why);
}

static error *launch_text(const gpu_backend *b, const launch *l, const operand *in, const void *context) {
  (void)b, (void)context;
  const custom_kernel_params *p = l->params;
  const int index = ((const location *)l->out->data)->device;
  error *why = NULL;
  int64_t group[3];
  argument_list a = {.n = 0};
  if (!gpu_custom_group(p, group)) return NULL;
  for (int i = 0; i < l->n_in; i++) add_input(&a, p, &in[i], i);
  for (int i = 0; i < l->n_out; i++) add_operand(&a, &l->out[i], true);
  if (a.n > METAL_ARGUMENTS)
    return fail("custom_kernel", "'%s' has %d arguments; on metal the most are %d", p->name.at, a.n,
                METAL_ARGUMENTS);
  metal_kernel *k = kernel_of(p, index, &why);
  if (why) return why;
  return metal_launch_work(index, &(metal_work){.kernel = k,
                                                .n_arguments = a.n,
                                                .arguments = a.at,
                                                .grid = size_of(p->grid.at),
                                                .group = size_of(group),
                                                .grid_of_threads = true});
}

error *metal_source_kernel(const launch *l) {
  const custom_kernel_params *p = l->params;
  if (!p->name.n) return fail("custom_kernel", "the kernel has no name");
  return gpu_custom_prepared(&gpu_metal, l, launch_text, NULL);
}
