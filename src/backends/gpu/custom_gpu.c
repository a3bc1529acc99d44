/* custom_gpu.c: launches kernels of the user's own, "CustomKernel"; of languages, the dialect.

   A grid counts threads. Where it is no multiple of the groups' size, the rest along each axis is a launch of its own with
   smaller groups, so that no thread is outside of the grid and barriers hold for whole groups:

       grid 10 x 7 in groups of 4 x 4:    4 x 4  4 x 4 | 2 x 4
                                          -------------+------      four launches
                                          4 x 3  4 x 3 | 2 x 3

   Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

/* ---- memory ---- */

/* Inputs as the kernel is given them: those that had to be copied to be row-major own memory. */
typedef struct inputs {
  operand *at;
  location *locations;
  int64_t (*strides)[PONS_MAX_NDIM];
  int n;
} inputs;

static void inputs_free(const gpu_backend *b, inputs *in) {
  for (int i = 0; i < in->n && in->locations; i++)
    if (in->locations[i].memory) b->memory->give(in->locations[i].device, in->locations[i].memory);
  mem_free(in->at);
  mem_free(in->locations);
  mem_free(in->strides);
}

static error *copy_row_major(const gpu_backend *b, const operand *from, int device, operand *to, location *at,
                             int64_t *strides) {
  error *why = NULL;
  const int64_t size = shape_size(from->ndim, from->shape);
  if (size == 0 || shape_is_row_major(from->ndim, from->shape, from->strides)) return NULL;
  *at = (location){NULL, 0, device};
  at->memory = b->memory->take(device, (size_t)size * pons_dtype_size(from->dtype), &why);
  if (!at->memory) return why;
  shape_row_major(from->ndim, from->shape, strides);
  to->data = at;
  to->strides = strides;
  return gpu_copy_to(b, from, to);
}

static error *take_inputs(const gpu_backend *b, const launch *l, bool row_major, inputs *in) {
  const int device = ((const location *)l->out->data)->device;
  const size_t n = (size_t)l->n_in + 1;
  *in = (inputs){mem_alloc(n * sizeof *in->at), mem_zalloc(n * sizeof *in->locations),
                 mem_alloc(n * sizeof *in->strides), l->n_in};
  if (!in->at || !in->locations || !in->strides) return fail_no_memory("custom_kernel");
  error *why = NULL;
  for (int i = 0; i < l->n_in && !why; i++) {
    in->at[i] = l->in[i];
    if (row_major) why = copy_row_major(b, &l->in[i], device, &in->at[i], &in->locations[i], in->strides[i]);
  }
  return why;
}

static error *fill_results(const gpu_backend *b, const launch *l, float value) {
  error *why = NULL;
  for (int i = 0; i < l->n_out && !why; i++) {
    uint64_t bits = 0;
    dtype_write(l->out[i].dtype, &bits, value);
    if (shape_size(l->out[i].ndim, l->out[i].shape)) why = gpu_fill(b, &l->out[i], bits);
  }
  return why;
}

/* ---- numbers ---- */

/* Two int32_t in a number. */
static void add_narrow(gpu_call *c, int n, const int64_t *values) {
  for (int i = 0; i < n; i += 2) {
    const int32_t pair[2] = {(int32_t)values[i], i + 1 < n ? (int32_t)values[i + 1] : 0};
    int64_t both;
    memcpy(&both, pair, sizeof both);
    gpu_number(c, both);
  }
}

/* A list's place becomes the number at `place`. */
static void add_list(gpu_call *c, int place, int n, const int64_t *values, bool narrow) {
  if (place < GPU_NUMBERS) c->numbers[place] = c->n_numbers;
  if (narrow)
    add_narrow(c, n, values);
  else
    gpu_number_list(c, n, values);
}

static void add_shapes(gpu_call *c, const custom_kernel_params *p, const operand *in, int n, bool narrow) {
  const int first = c->n_numbers;
  int at = first;
  for (int i = 0; i < 3 * n; i++)
    if (p->shape_infos.at[i]) gpu_number(c, i % 3 == 2 ? in[i / 3].ndim : 0);
  for (int i = 0; i < 3 * n; i++) {
    if (!p->shape_infos.at[i]) continue;
    const operand *o = &in[i / 3];
    if (i % 3 < 2) add_list(c, at, o->ndim, i % 3 ? o->strides : o->shape, narrow && i % 3 == 0);
    at++;
  }
}

/* ---- the grid ---- */

/* Of each axis the groups of full size, and the rest: so many groups of so many threads from the first on. */
typedef struct grid_part {
  int64_t first[3], groups[3];
  int size[3];
} grid_part;

/* Part number `which` of eight, or, of whole groups, of one; false if it is empty. */
static bool part_of_grid(const int64_t *grid, const int64_t *group, bool whole_groups, int which,
                         grid_part *out) {
  for (int d = 0; d < 3; d++) {
    const int64_t rest = whole_groups ? 0 : grid[d] % group[d],
                  whole = ceiling(grid[d] - rest, group[d]);
    const bool last = which >> d & 1;
    out->first[d] = last ? whole : 0;
    out->groups[d] = last ? rest > 0 : whole;
    out->size[d] = (int)(last ? rest : group[d]);
    if (out->groups[d] == 0) return false;
  }
  return true;
}

static error *launch_part(const gpu_backend *b, const launch *l, const operand *in, const gpu_custom_text *t,
                          const int64_t *group, const grid_part *part) {
  const custom_kernel_params *p = l->params;
  gpu_call c = gpu_call_for(b, l->out);
  c.prologue = t->prologue;
  c.options = t->options;
  c.shared_bytes = p->shared_memory;
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  for (int i = 0; i < l->n_in; i++) gpu_read(&c, &in[i]);
  gpu_begin_numbers(&c);
  gpu_number_list(&c, 3, part->first);
  for (int d = 0; d < 3; d++) gpu_number(&c, ceiling(p->grid.at[d], group[d]));
  gpu_number_list(&c, 3, group);
  gpu_number_list(&c, 3, p->grid.at);
  add_shapes(&c, p, in, l->n_in, t->narrow_shapes);
  for (int d = 0; d < 3; d++) {
    c.groups[d] = part->groups[d];
    c.group[d] = part->size[d];
    c.wide |= p->grid.at[d] > INT32_MAX;
  }
  text_add_string(&c.text, t->text);
  return gpu_run(&c, "", t->entry);
}

bool gpu_custom_group(const custom_kernel_params *p, int64_t group[3]) {
  for (int d = 0; d < 3; d++)
    group[d] = p->threadgroup.at[d] < p->grid.at[d] ? p->threadgroup.at[d] : p->grid.at[d];
  return group[0] && group[1] && group[2];
}

static error *launch_parts(const gpu_backend *b, const launch *l, const operand *in, const void *text) {
  const custom_kernel_params *p = l->params;
  const gpu_features *f = b->features(((const location *)l->out->data)->device);
  const gpu_custom_text *t = text;
  int64_t group[3];
  if (!gpu_custom_group(p, group)) return NULL;
  const int most = f->most_threads ? f->most_threads : f->max_group;
  if (group[0] > most || group[1] > most / group[0] || group[2] > most / group[0] / group[1])
    return fail("custom_kernel", "threadgroups of %s threads; %s has at most %d in one",
                shape_text(3, p->threadgroup.at), b->name, most);
  error *why = NULL;
  grid_part part;
  for (int which = 0; which < 8 && !why; which++)
    if (part_of_grid(p->grid.at, group, t->whole_groups, which, &part))
      why = launch_part(b, l, in, t, group, &part);
  return why;
}

error *gpu_custom_prepared(const gpu_backend *b, const launch *l, gpu_custom_run run, const void *context) {
  const custom_kernel_params *p = l->params;
  inputs in;
  if (l->n_in + l->n_out > GPU_MAX_MEMORIES)
    return fail("custom_kernel", "%d inputs and %d results; on %s the most are %d together", l->n_in,
                l->n_out, b->name, GPU_MAX_MEMORIES);
  error *why = take_inputs(b, l, p->ensure_row_contiguous, &in);
  if (!why && p->init_value.given) why = fill_results(b, l, p->init_value.value);
  if (!why) why = run(b, l, in.at, context);
  inputs_free(b, &in);
  return why;
}

error *gpu_custom_launch(const gpu_backend *b, const launch *l, const gpu_custom_text *t) {
  return gpu_custom_prepared(b, l, launch_parts, t);
}

/* ---- the dialect ---- */

const char *gpu_refuses_custom(const gpu_backend *b, const launch *l) {
  (void)b;
  return custom_kernel_language(l->params) == LANGUAGE_DIALECT ? NULL : "it is not in the dialect";
}

/* What the text's names for dtypes mean (ops/dialect_source.c). */
static void write_elements(text *t, const char *source) {
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    char name[32];
    snprintf(name, sizeof name, "%s_element", pons_dtype_name((pons_dtype)d));
    if (strstr(source, name)) gpu_write_dtype(t, name, (pons_dtype)d);
  }
}

error *gpu_custom(const gpu_backend *b, const launch *l) {
  const custom_kernel_params *p = l->params;
  if (!p->name.n) return fail("custom_kernel", "the kernel has no name");
  text all = {0};
  write_elements(&all, p->source.at);
  text_add_bytes(&all, p->source.at, (size_t)p->source.n);
  const gpu_custom_text t = {.entry = p->name.at, .text = all.at};
  error *why = all.failed ? fail_no_memory("custom_kernel") : gpu_custom_launch(b, l, &t);
  text_free(&all);
  return why;
}
