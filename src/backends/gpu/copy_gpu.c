/* copy_gpu.c: copies, whole and of parts: "Full", "Contiguous", "View", "Concatenate", "Pad", "SliceUpdate", "DynamicSlice",
   "DynamicSliceUpdate". A copy to a result is an elementwise kernel without instructions; copy.kc copies to part of one, or from where an
   array says. Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"
#include <pons/ops.h> /* pons_scatter_mode */

extern const char kernel_copy[];

/* ---- whole ---- */

static error *copy(const gpu_backend *b, const operand *from, const operand *to) {
  const kernel k = {.n_in = 1, .n_out = 1, .in = {(uint8_t)from->dtype}, .out = {0}};
  return gpu_run_kernel(b, &k, from, to);
}

const char *gpu_refuses_copy(const gpu_backend *b, const launch *l) { return (void)b, (void)l, NULL; }
error *gpu_copy(const gpu_backend *b, const launch *l) { return copy(b, l->in, l->out); }
const char *gpu_refuses_contiguous(const gpu_backend *b, const launch *l) { return (void)b, (void)l, NULL; }
error *gpu_contiguous(const gpu_backend *b, const launch *l) { return copy(b, l->in, l->out); }

/* The bytes of an operand of one dtype as those of a result of another. */
const char *gpu_refuses_view(const gpu_backend *b, const launch *l) { return (void)b, (void)l, NULL; }
error *gpu_view(const gpu_backend *b, const launch *l) {
  operand to = *l->out;
  int64_t strides[PONS_MAX_NDIM];
  to.dtype = l->in->dtype;
  to.shape = l->in->shape;
  to.ndim = l->in->ndim;
  shape_row_major(to.ndim, to.shape, strides);
  to.strides = strides;
  return copy(b, l->in, &to);
}

error *gpu_copy_updated(const gpu_backend *b, const operand *from, const operand *to) {
  const location *x = from->data, *y = to->data;
  return x->memory == y->memory && x->offset == y->offset ? NULL : copy(b, from, to);
}

/* ---- parts ---- */

static pons_dtype moved_as(int size) {
  static const pons_dtype by_size[9] = {
      [1] = PONS_UINT8, [2] = PONS_UINT16, [4] = PONS_UINT32, [8] = PONS_UINT64};
  return by_size[size];
}
pons_dtype gpu_moved_as(pons_dtype d) { return moved_as((int)pons_dtype_size(d)); }

/* Of `whole`, which is what is read or what is written, the part of so many elements that begins, along `axes`, where those of `at` say. */
typedef struct starting {
  const operand *whole, *at;
  ints axes;
  const int64_t *part;
  bool of_result;
  int op;
} starting;

/* How many elements of both that lie next to each other can be moved at once, of up to 16 bytes: 1, 2, 4, 8 or 16. */
static int moved_at_once(const gpu_walk *w, const operand *from, const operand *to, const starting *s) {
  const int last = w->n - 1, size = (int)pons_dtype_size(to->dtype);
  int many = GPU_WIDE / size;
  if (w->n == 0 || w->strides[0][last] != 1 || w->strides[1][last] != 1) return 1;
  for (; many > 1; many /= 2) {
    bool fits = w->sizes[last] % many == 0 && gpu_is_aligned(from, many * size) && gpu_is_aligned(to, many * size);
    for (int d = 0; d < last && fits; d++) fits = w->strides[0][d] % many == 0 && w->strides[1][d] % many == 0;
    for (int k = 0; s && k < s->axes.n && fits; k++) fits = s->whole->strides[s->axes.at[k]] % many == 0;
    if (fits) break;
  }
  return many;
}

/* The walk over what is moved at once; its strides count so many elements, which are fewer where 16 bytes are two of eight. */
static void move_at_once(gpu_walk *w, int many, int counted) {
  if (many == 1) return;
  const int last = w->n - 1;
  w->sizes[last] /= many;
  for (int d = 0; d < last; d++) w->strides[0][d] /= counted, w->strides[1][d] /= counted;
  w->strides[0][last] = w->strides[1][last] = many / counted;
}

/* Its strides count as those of the walk do. */
static void add_starts(gpu_call *c, const starting *s, int counted) {
  const operand *at = s->at;
  gpu_define(c, "STARTS", s->axes.n);
  if (s->of_result) gpu_define_text(c, "START_OF_Y", "");
  gpu_number(c, gpu_index_kind(at->dtype));
  gpu_number(c, at->ndim ? at->strides[at->ndim - 1] : 0);
  gpu_number(c, s->op);
  for (int k = 0; k < s->axes.n; k++) {
    const int64_t axis = s->axes.at[k];
    gpu_number(c, axis);
    gpu_number(c, s->whole->shape[axis]);
    gpu_number(c, s->part[axis]);
    gpu_number(c, s->whole->strides[axis] / counted);
  }
}

/* to = from, or JOIN(to, from) with the function k_<join>_; either begins where `s` says, if that is given. */
static error *write_part(const gpu_backend *b, const operand *of, const operand *result, const char *join, const starting *s) {
  gpu_call c = gpu_call_for(b, result);
  gpu_walk w = gpu_walk_of(of->ndim, of->shape, 2, (const int64_t *const[]){result->strides, of->strides});
  const pons_dtype wide = gpu_wide_dtype(result->dtype);
  operand moved = *of, place = *result, *from = &moved, *to = &place;
  int counted = 1;
  error *why = NULL;
  if (!join) {
    const int size = (int)pons_dtype_size(result->dtype), many = moved_at_once(&w, of, result, s);
    const bool is_wide = many * size == GPU_WIDE;
    counted = is_wide ? many / 2 : many;
    move_at_once(&w, many, counted);
    moved.dtype = place.dtype = moved_as(is_wide ? GPU_WIDE / 2 : many * size);
    if (is_wide) gpu_define_text(&c, "WIDE", "");
  }
  gpu_define_dtype(&c, "X", to->dtype);
  if (join) gpu_define_texts(&c, "JOIN(a, b)", (const char *const[]){"k_", join, "_", gpu_typings[wide].suffix, "(a, b)", NULL});
  gpu_written(&c, to);
  if (s) why = gpu_add_faults(&c);
  if (s && !s->of_result) moved.shape = s->whole->shape; /* anywhere in it */
  gpu_read(&c, from);
  if (s) gpu_read(&c, s->at);
  gpu_begin_numbers(&c);
  gpu_number(&c, gpu_walk_size(&w));
  gpu_number(&c, 0);
  if (s) add_starts(&c, s, counted);
  gpu_number_walk(&c, 1, &w);
  gpu_one_each(&c, gpu_walk_size(&w));
  return why ? why : gpu_run(&c, kernel_copy, s ? "copy_at" : "copy_to");
}

error *gpu_copy_to(const gpu_backend *b, const operand *from, const operand *to) {
  return write_part(b, from, to, NULL, NULL);
}

/* ---- results put together ---- */

/* Part of a result, from element `first` of it on. */
static operand part_of(const operand *out, int64_t first, const int64_t *strides, location *at) {
  *at = *(const location *)out->data;
  at->offset += first * (int64_t)pons_dtype_size(out->dtype);
  operand part = *out;
  part.data = at;
  part.strides = strides;
  return part;
}

const char *gpu_refuses_concatenate(const gpu_backend *b, const launch *l) { return (void)b, (void)l, NULL; }
error *gpu_concatenate(const gpu_backend *b, const launch *l) {
  const int axis = ((const axis_params *)l->params)->axis;
  int64_t strides[PONS_MAX_NDIM], first = 0;
  error *why = NULL;
  shape_row_major(l->out->ndim, l->out->shape, strides);
  for (int i = 0; i < l->n_in && !why; i++) {
    location at;
    const operand to = part_of(l->out, first, strides, &at);
    if (shape_size(l->in[i].ndim, l->in[i].shape)) why = gpu_copy_to(b, &l->in[i], &to);
    first += l->in[i].shape[axis] * strides[axis];
  }
  return why;
}

const char *gpu_refuses_pad(const gpu_backend *b, const launch *l) { return (void)b, (void)l, NULL; }
error *gpu_pad(const gpu_backend *b, const launch *l) {
  const pad_params *p = l->params;
  static const int64_t none[PONS_MAX_NDIM];
  int64_t strides[PONS_MAX_NDIM], first = 0;
  operand value = l->in[1];
  location at;
  shape_row_major(l->out->ndim, l->out->shape, strides);
  for (int i = 0; i < p->axes.n; i++) first += p->low.at[i] * strides[p->axes.at[i]];
  value.ndim = l->out->ndim;
  value.shape = l->out->shape;
  value.strides = none;
  error *why = copy(b, &value, l->out);
  if (why || shape_size(l->in->ndim, l->in->shape) == 0) return why;
  const operand to = part_of(l->out, first, strides, &at);
  return gpu_copy_to(b, l->in, &to);
}

const char *gpu_scatter_join(int mode) {
  return mode == PONS_SCATTER_MAX    ? "max"
         : mode == PONS_SCATTER_MIN  ? "min"
         : mode == PONS_SCATTER_SUM  ? "add"
         : mode == PONS_SCATTER_PROD ? "mul"
                                     : NULL;
}

const char *gpu_refuses_slice_update(const gpu_backend *b, const launch *l) {
  (void)b;
  const slice_update_params *p = l->params;
  return l->out->dtype == PONS_BOOL && p->kind != PONS_SCATTER_NONE ? "truths are only replaced" : NULL;
}
error *gpu_slice_update(const gpu_backend *b, const launch *l) {
  const slice_update_params *p = l->params;
  const operand *update = &l->in[1];
  int64_t strides[PONS_MAX_NDIM], first = 0;
  location at;
  error *why = gpu_copy_updated(b, &l->in[0], l->out);
  if (why || shape_size(update->ndim, update->shape) == 0) return why;
  shape_row_major(l->out->ndim, l->out->shape, strides);
  for (int d = 0; d < l->out->ndim; d++) {
    first += p->start.at[d] * strides[d];
    strides[d] *= p->strides.at[d];
  }
  const operand to = part_of(l->out, first, strides, &at);
  return write_part(b, update, &to, gpu_scatter_join(p->kind), NULL);
}

/* ---- parts that begin where an array says ---- */

enum { MOST_AXES = 12 }; /* seven numbers for each */
static const char *refuses_starts(const operand *part) {
  if (shape_size(part->ndim, part->shape) == 0) return "there are no elements";
  return part->ndim > MOST_AXES ? "there are too many axes" : NULL;
}

const char *gpu_refuses_dynamic_slice(const gpu_backend *b, const launch *l) { return (void)b, refuses_starts(l->out); }
error *gpu_dynamic_slice(const gpu_backend *b, const launch *l) {
  const operand *x = &l->in[0];
  const starting s = {x, &l->in[1], ((const dynamic_slice_params *)l->params)->axes, l->out->shape, false, GPU_OP_SLICE};
  int64_t strides[PONS_MAX_NDIM];
  operand part = *x, to = *l->out;
  shape_row_major(to.ndim, to.shape, strides);
  part.shape = to.shape;
  to.strides = strides;
  return write_part(b, &part, &to, NULL, &s);
}

const char *gpu_refuses_dynamic_slice_update(const gpu_backend *b, const launch *l) { return (void)b, refuses_starts(&l->in[1]); }
error *gpu_dynamic_slice_update(const gpu_backend *b, const launch *l) {
  const operand *update = &l->in[1];
  int64_t strides[PONS_MAX_NDIM];
  operand to = *l->out;
  shape_row_major(to.ndim, to.shape, strides);
  to.strides = strides;
  const starting s = {&to, &l->in[2], ((const axes_params *)l->params)->axes, update->shape, true, GPU_OP_SLICE_UPDATE};
  error *why = gpu_copy_updated(b, &l->in[0], &to);
  return why ? why : write_part(b, update, &to, NULL, &s);
}
