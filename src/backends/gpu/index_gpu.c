/* index_gpu.c: launches gather.kc, gather_axis.kc, scatter.kc: "Gather", "GatherAxis", "Scatter", "ScatterAxis".
   Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"
#include <pons/ops.h> /* pons_scatter_mode */

extern const char kernel_gather[], kernel_gather_axis[], kernel_scatter[];

static bool is_empty(const operand *o) { return shape_size(o->ndim, o->shape) == 0; }

/* One of the index arrays: an axis, its size, how many elements are taken from an index on, the stride by which it counts. */
typedef struct index_list {
  int n;
  const operand *in;
  int64_t axis[GPU_WALK_OPERANDS], size[GPU_WALK_OPERANDS], slice[GPU_WALK_OPERANDS],
      stride[GPU_WALK_OPERANDS];
} index_list;

/* PLACES and INDEX_PARAMETERS for arrays whose memories come from `memory` on, their axes from N(number) on. Walk N(2) leads over
   the arrays, and if `beside` through what is indexed. */
static void define_indices(gpu_call *c, const index_list *x, int op, int memory, int number, bool beside) {
  text parameters = {0}, places = {0};
  for (int k = 0; k < x->n; k++) {
    const int at = number + 5 * k;
    text_add(&parameters, "GLOBAL const uint8_t *i%d, ", k);
    text_add(&places,
             "%s(index_t)checked_index(fault, %d, index_at(i%d, v.at[%d] + place_of(WALK(FIRST + 2), %d, "
             "slice), N(%d)), "
             "N(%d) < 0, N(%d), N(%d), N(%d)) * (index_t)N(%d)",
             k ? " + " : "", op, k, memory + k, k, at + 4, at + 4, at, at + 1, at + 2, at + 3);
  }
  if (beside) text_add(&places, " + place_of(WALK(FIRST + 2), %d, slice)", x->n);
  c->text.failed |= parameters.failed || places.failed;
  text_add(&c->text, "#define INDEX_PARAMETERS %s\n#define PLACES(slice) %s\n",
           parameters.at ? parameters.at : "", places.at ? places.at : "0");
  text_free(&parameters);
  text_free(&places);
}

static void add_index_numbers(gpu_call *c, const index_list *x) {
  for (int k = 0; k < x->n; k++) {
    gpu_number(c, x->axis[k]);
    gpu_number(c, x->size[k]);
    gpu_number(c, x->slice[k]);
    gpu_number(c, x->stride[k]);
    gpu_number(c, gpu_index_kind(x->in[k].dtype));
  }
}

static gpu_walk places_of(const index_list *x) {
  const int64_t *strides[GPU_WALK_OPERANDS];
  for (int k = 0; k < x->n; k++) strides[k] = x->in[k].strides;
  return gpu_walk_of(x->n ? x->in[0].ndim : 0, x->n ? x->in[0].shape : NULL, x->n, strides);
}

/* Runs it unless something failed before. */
static error *run_or_drop(gpu_call *c, error *why, const char *body, const char *entry) {
  if (!why) return gpu_run(c, body, entry);
  text_free(&c->text);
  return why;
}

static const char *too_many(const launch *l, int arrays, int ndim) {
  if (arrays > GPU_WALK_OPERANDS) return "there are too many arrays of indices";
  return (arrays + 3) * ndim + 5 * arrays + 24 > GPU_NUMBERS || l->in[1].ndim > 10 ? "there are too many axes"
                                                                                   : NULL;
}

/* ---- Gather ---- */

const char *gpu_refuses_gather(const gpu_backend *b, const launch *l) {
  (void)b;
  const gather_params *p = l->params;
  if (is_empty(l->in) || is_empty(l->out)) return "there are no elements";
  return p->axes.n ? too_many(l, p->axes.n, l->in[1].ndim > l->in[0].ndim ? l->in[1].ndim : l->in[0].ndim)
                   : NULL;
}

error *gpu_gather(const gpu_backend *b, const launch *l) {
  const gather_params *p = l->params;
  const operand *x = &l->in[0];
  index_list lists = {.n = p->axes.n, .in = l->in + 1};
  for (int k = 0; k < p->axes.n; k++) {
    const int axis = (int)p->axes.at[k];
    lists.axis[k] = axis;
    lists.size[k] = x->shape[axis];
    lists.slice[k] = p->slice_sizes.at[axis];
    lists.stride[k] = x->strides[axis];
  }
  const gpu_walk places = places_of(&lists),
                 slice = gpu_walk_of(x->ndim, p->slice_sizes.at, 1, (const int64_t *const[]){x->strides});
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", gpu_moved_as(x->dtype));
  gpu_written(&c, l->out);
  error *why = gpu_add_faults(&c);
  gpu_read(&c, x);
  define_indices(&c, &lists, GPU_OP_TAKE, 3, 4, false);
  for (int k = 0; k < lists.n; k++) gpu_read(&c, &lists.in[k]);
  gpu_begin_numbers(&c);
  const int64_t count = shape_size(l->out->ndim, l->out->shape);
  gpu_number(&c, count);
  gpu_number(&c, gpu_walk_size(&slice));
  gpu_number(&c, 0);
  gpu_number(&c, 0);
  add_index_numbers(&c, &lists);
  gpu_number_walk(&c, 2, &places);
  gpu_number_walk(&c, 3, &slice);
  gpu_one_each(&c, count);
  return run_or_drop(&c, why, kernel_gather, "gather");
}

/* ---- GatherAxis ---- */

const char *gpu_refuses_gather_axis(const gpu_backend *b, const launch *l) {
  (void)b;
  if (is_empty(l->in) || is_empty(l->out)) return "there are no elements";
  return l->out->ndim > 16 ? "there are too many axes" : NULL;
}

error *gpu_gather_axis(const gpu_backend *b, const launch *l) {
  const int axis = ((const axis_params *)l->params)->axis;
  const operand *x = &l->in[0], *at = &l->in[1], *out = l->out;
  int64_t strides[PONS_MAX_NDIM];
  for (int d = 0; d < x->ndim; d++) strides[d] = d == axis || x->shape[d] == 1 ? 0 : x->strides[d];
  const gpu_walk w = gpu_walk_of(out->ndim, out->shape, 2, (const int64_t *const[]){strides, at->strides});
  gpu_call c = gpu_call_for(b, out);
  gpu_define_dtype(&c, "X", gpu_moved_as(x->dtype));
  gpu_written(&c, out);
  error *why = gpu_add_faults(&c);
  gpu_read(&c, x);
  gpu_read(&c, at);
  gpu_begin_numbers(&c);
  gpu_number(&c, gpu_walk_size(&w));
  gpu_number(&c, 0);
  gpu_number(&c, axis);
  gpu_number(&c, x->shape[axis]);
  gpu_number(&c, x->strides[axis]);
  gpu_number(&c, GPU_OP_TAKE_ALONG_AXIS);
  gpu_number(&c, gpu_index_kind(at->dtype));
  gpu_number_walk(&c, 1, &w);
  gpu_one_each(&c, gpu_walk_size(&w));
  return run_or_drop(&c, why, kernel_gather_axis, "gather_axis");
}

/* ---- scattering ---- */

static void define_element(gpu_call *c, pons_dtype d, const char *join) {
  const size_t bytes = pons_dtype_size(d);
  gpu_define_dtype(c, "Y", join ? d : gpu_moved_as(d));
  if (!join) return;
  gpu_define(c, "ELEMENT_BYTES", (int64_t)bytes);
  gpu_define_text(c, "ELEMENT_MASK", bytes == 1 ? "0xffu" : bytes == 2 ? "0xffffu" : "0xffffffffu");
  const char *from = "((Y)(b))", *to = bytes == 1   ? "(uint8_t)(e)"
                                       : bytes == 2 ? "(uint16_t)(e)"
                                       : bytes == 4 ? "(uint32_t)(e)"
                                                    : "(uint64_t)(e)";
  if (d == PONS_FLOAT32) from = "k_from_bits_f32(b)", to = "k_bits_f32(e)";
  if (d == PONS_FLOAT64) from = "k_from_bits_f64(b)", to = "k_bits_f64(e)";
  if (d == PONS_COMPLEX64) from = "complex_from_bits(b)", to = "complex_bits(e)";
  gpu_define_text(c, "OF_BITS(b)", from);
  gpu_define_text(c, "BITS_OF(e)", to);
  const pons_dtype wide = gpu_wide_dtype(d);
  gpu_define_texts(c, "JOIN(a, b)", (const char *const[]){"k_", join, "_", gpu_typings[wide].suffix, "(a, b)", NULL});
}

typedef struct scattering {
  const char *join; /* NULL: replaced */
  const operand *out, *updates;
  index_list lists;
  int op;
  gpu_walk places, slice, all; /* of the index arrays, a slice in out, all updates */
  bool beside;                 /* the walk over places leads through out, too, behind the arrays */
} scattering;

static error *launch_scatter(const gpu_backend *b, const scattering *s, void *last, bool find_last) {
  gpu_call c = gpu_call_for(b, s->out);
  define_element(&c, s->out->dtype, s->join);
  if (find_last) gpu_define_text(&c, "FIND_LAST", "");
  gpu_written(&c, s->out);
  error *why = gpu_add_faults(&c);
  gpu_memory(&c, last ? last : ((const location *)s->out->data)->memory, true);
  gpu_read(&c, s->updates);
  define_indices(&c, &s->lists, s->op, 4, 5, s->beside);
  for (int k = 0; k < s->lists.n; k++) gpu_read(&c, &s->lists.in[k]);
  gpu_begin_numbers(&c);
  const int64_t count = gpu_walk_size(&s->all);
  gpu_number(&c, count);
  gpu_number(&c, gpu_walk_size(&s->slice));
  for (int i = 2; i < 5; i++) gpu_number(&c, 0);
  add_index_numbers(&c, &s->lists);
  gpu_number_walk(&c, 2, &s->places);
  gpu_number_walk(&c, 3, &s->slice);
  gpu_number_walk(&c, 4, &s->all);
  gpu_one_each(&c, count);
  return run_or_drop(&c, why, kernel_scatter, "scatter");
}

static error *scatter(const gpu_backend *b, const operand *x, const scattering *s) {
  const int64_t count = shape_size(s->out->ndim, s->out->shape);
  error *why = gpu_copy_updated(b, x, s->out);
  if (why || gpu_walk_size(&s->all) == 0) return why;
  if (s->join) return launch_scatter(b, s, NULL, false);
  location last;
  why = gpu_room_take(b, &last, s->out, count, PONS_UINT32);
  if (why) return why;
  const int64_t one = 1;
  const operand none = {&last, PONS_UINT32, 1, &count, &one};
  why = gpu_fill(b, &none, 0);
  if (!why) why = launch_scatter(b, s, last.memory, true);
  if (!why) why = launch_scatter(b, s, last.memory, false);
  gpu_room_give(b, &last);
  return why;
}

static const char *refuses_elements(const gpu_backend *b, const operand *out, bool join) {
  if (is_empty(out)) return "there are no elements";
  if (join && out->dtype == PONS_BOOL) return "truths are only replaced";
  if (join && pons_dtype_size(out->dtype) == 8 && !gpu_common_features(b).atomics64)
    return "the device swaps no 64 bits at once";
  return NULL;
}

const char *gpu_refuses_scatter(const gpu_backend *b, const launch *l) {
  const scatter_params *p = l->params;
  const operand *updates = &l->in[l->n_in - 1];
  const char *why = refuses_elements(b, l->out, p->kind != PONS_SCATTER_NONE);
  if (why || !p->axes.n) return why;
  return updates->ndim > 10 ? "there are too many axes" : too_many(l, p->axes.n, updates->ndim);
}

error *gpu_scatter(const gpu_backend *b, const launch *l) {
  const scatter_params *p = l->params;
  const operand *out = l->out, *updates = &l->in[l->n_in - 1];
  const int places = updates->ndim - out->ndim;
  int64_t strides[PONS_MAX_NDIM];
  scattering s = {.join = gpu_scatter_join(p->kind), .out = out, .updates = updates, .op = GPU_OP_SCATTER};
  shape_row_major(out->ndim, out->shape, strides);
  s.lists = (index_list){.n = p->axes.n, .in = l->in + 1};
  for (int k = 0; k < p->axes.n; k++) {
    const int axis = (int)p->axes.at[k];
    s.lists.axis[k] = axis;
    s.lists.size[k] = out->shape[axis];
    s.lists.slice[k] = updates->shape[places + axis];
    s.lists.stride[k] = strides[axis];
  }
  s.places = places_of(&s.lists);
  s.slice = gpu_walk_of(out->ndim, updates->shape + places, 1, (const int64_t *const[]){strides});
  s.all = gpu_walk_of(updates->ndim, updates->shape, 1, (const int64_t *const[]){updates->strides});
  return scatter(b, &l->in[0], &s);
}

/* ---- ScatterAxis: each index is an array of its own kind: slices of one element, whose place counts the other axes too ---- */

const char *gpu_refuses_scatter_axis(const gpu_backend *b, const launch *l) {
  const scatter_axis_params *p = l->params;
  if (l->out->ndim > 10) return "there are too many axes";
  return refuses_elements(b, l->out, p->kind == SCATTER_AXIS_SUM);
}

error *gpu_scatter_axis(const gpu_backend *b, const launch *l) {
  const scatter_axis_params *p = l->params;
  const operand *at = &l->in[1], *out = l->out;
  operand updates = l->in[2];
  int64_t strides[PONS_MAX_NDIM], update_strides[PONS_MAX_NDIM];
  scattering s = {.join = p->kind == SCATTER_AXIS_SUM ? "add" : NULL, .out = out};
  s.op = p->kind == SCATTER_AXIS_SUM ? GPU_OP_SCATTER_ADD_AXIS : GPU_OP_PUT_ALONG_AXIS;
  shape_row_major(out->ndim, out->shape, strides);
  s.lists = (index_list){.n = 1,
                         .in = at,
                         .axis = {p->axis},
                         .size = {out->shape[p->axis]},
                         .slice = {1},
                         .stride = {strides[p->axis]}};
  for (int d = 0; d < out->ndim; d++) {
    update_strides[d] = updates.shape[d] == 1 ? 0 : updates.strides[d];
    if (d == p->axis) strides[d] = 0;
  }
  updates.shape = at->shape;
  updates.strides = update_strides;
  s.updates = &updates;
  /* The walk over places leads through out as well: that is the array's own place beside what its index adds. */
  s.places = gpu_walk_of(at->ndim, at->shape, 2, (const int64_t *const[]){at->strides, strides});
  s.slice = gpu_walk_of(0, NULL, 1, (const int64_t *const[]){strides});
  s.all = gpu_walk_of(at->ndim, at->shape, 1, (const int64_t *const[]){update_strides});
  s.beside = true;
  return scatter(b, &l->in[0], &s);
}
