/* resize.c: what a primitive of a shapeless trace is where its operands have other sizes than they had then.

   Sizes of the trace stand in parameters, and so in MLX's files, as they were. What was the whole of an axis then is taken to be the whole now;
   where it can't be told which part of an axis is meant, there is an error. (MLX goes on, and reads and
   writes beyond arrays.) Uses the public ops. */
#include "graph/graph.h"
#include <pons/ops.h>

typedef struct sizes { /* of operand 0: now, and in the trace */
  int n;
  const int64_t *now, *traced;
} sizes;

static bool other(const sizes *x, int axis) { return x->now[axis] != x->traced[axis]; }

static bool is_called(const prim *p, const char *name) { return strcmp(p->name, name) == 0; }

static ints *list_named(const prim *p, void *params, const char *name) {
  const field *f = prim_field(p, name);
  return f ? (ints *)((char *)params + f->offset) : NULL;
}

static bool listed(const ints *list, int64_t value) {
  for (int i = 0; i < list->n; i++)
    if (list->at[i] == value) return true;
  return false;
}

static const char *cannot_tell(resize_room *r, int axis, const sizes *x, const char *what) {
  snprintf(r->why, sizeof r->why,
           "axis %d had size %lld when the function was traced and has %lld now; "
           "the trace doesn't tell %s",
           axis, (long long)x->traced[axis], (long long)x->now[axis], what);
  return r->why;
}

/* Gather, DynamicSlice: slices over whole axes stay whole. */
static const char *whole_slices(const prim *p, const sizes *x, ints *slices, void *params, resize_room *r) {
  const ints *axes = list_named(p, params, "axes");
  if (slices->n != x->n) return NULL;
  for (int i = 0; i < x->n; i++)
    r->lists[0][i] = !listed(axes, i) && slices->at[i] == x->traced[i] ? x->now[i] : slices->at[i];
  slices->at = r->lists[0];
  return NULL;
}

/* Slice, SliceUpdate: ranges over whole axes, in either direction, stay so. `shape` becomes that of the
   slice if it was `traced` (NULL: nobody asks). */
static const char *whole_ranges(const prim *p, const sizes *x, void *params, int64_t *shape, resize_room *r) {
  ints *start = list_named(p, params, "start"), *end = list_named(p, params, "end"),
       *strides = list_named(p, params, "strides");
  if (start->n != x->n || end->n != x->n || strides->n != x->n) return NULL;
  for (int i = 0; i < x->n; i++) {
    const int64_t n = x->now[i], was = x->traced[i], step = strides->at[i];
    const bool forward = step > 0 && start->at[i] == 0 && end->at[i] >= was;
    const bool back = step < 0 && start->at[i] == was - 1 && end->at[i] < -was;
    r->lists[0][i] = start->at[i];
    r->lists[1][i] = end->at[i];
    if (!other(x, i)) continue;
    if (!forward && !back) return cannot_tell(r, i, x, "which part of it the slice is");
    r->lists[0][i] = forward ? 0 : n - 1;
    r->lists[1][i] = forward ? n : -(n + 1);
    if (shape) shape[i] = (n - 1) / (step < 0 ? -step : step) + (n > 0);
  }
  start->at = r->lists[0];
  end->at = r->lists[1];
  return NULL;
}

/* An operand that was repeated to the sizes of the trace, repeated to these. */
static void repeat_again(pons_array *x, int n, const int64_t *dims) {
  node *a = *x;
  if (shape_equal(a->ndim, a->shape, n, dims) || !a->prim || strcmp(a->prim->name, "Broadcast") != 0) return;
  if (a->in && a->n_in == 1) *x = pons_broadcast_to(a->in[0], (pons_shape){n, dims});
}

/* The bias of a linear layer: MLX repeats it to the rows of the trace. */
static const char *product_shape(pons_array *in) {
  const node *a = in[0], *b = in[1];
  if (a->ndim < 2 || b->ndim < 2) return NULL;
  shape s = node_shape(a);
  s.dims[s.n - 1] = b->shape[b->ndim - 1];
  repeat_again(&in[2], s.n, s.dims);
  return NULL;
}

static const char *update_slice(const prim *p, const ints *update, const sizes *x, void *params,
                                pons_array *in, resize_room *r) {
  if (update->n != x->n) return NULL;
  for (int i = 0; i < x->n; i++) r->lists[2][i] = update->at[i];
  const char *why = whole_ranges(p, x, params, r->lists[2], r);
  if (!why) repeat_again(&in[1], x->n, r->lists[2]);
  return why;
}

/* Updates that covered whole axes must do so now. */
static const char *scatter_covers(const prim *p, const ints *was, const sizes *x, void *params,
                                  const node *updates, resize_room *r) {
  const ints *axes = list_named(p, params, "axes");
  const int lead = updates->ndim - x->n;
  if (was->n != updates->ndim || lead < 0) return NULL;
  for (int i = 0; i < x->n; i++)
    if (!listed(axes, i) && was->at[lead + i] == x->traced[i] && updates->shape[lead + i] != x->now[i])
      return cannot_tell(r, i, x, "what is to stand in the rest");
  return NULL;
}

static const char *same_sizes(const sizes *x, int first, int end, const char *what, resize_room *r) {
  for (int i = first; i < end; i++)
    if (other(x, i)) return cannot_tell(r, i, x, what);
  return NULL;
}

const char *prim_resize(const prim *p, void *params, int n_in, const ints *was, pons_array *in,
                        resize_room *r) {
  bool same = true;
  for (int i = 0; i < n_in; i++) {
    if (was[i].n != in[i]->ndim) return NULL; /* infer tells what is wrong, if it is */
    same = same && shape_equal(in[i]->ndim, in[i]->shape, was[i].n, was[i].at);
  }
  if (same) return NULL;
  const sizes x = {in[0]->ndim, in[0]->shape, was[0].at};
  if (is_called(p, "Gather")) return whole_slices(p, &x, list_named(p, params, "slice_sizes"), params, r);
  if (is_called(p, "DynamicSlice"))
    return whole_slices(p, &x, list_named(p, params, "slice_size"), params, r);
  if (is_called(p, "Slice")) return whole_ranges(p, &x, params, NULL, r);
  if (is_called(p, "SliceUpdate") && n_in == 2) return update_slice(p, &was[1], &x, params, in, r);
  if (is_called(p, "Scatter")) return scatter_covers(p, &was[n_in - 1], &x, params, in[n_in - 1], r);
  if (is_called(p, "AddMM") && n_in == 3) return product_shape(in);
  if (is_called(p, "AsStrided")) return same_sizes(&x, 0, x.n, "the new strides", r);
  if (is_called(p, "CustomKernel")) return same_sizes(&x, 0, x.n, "the sizes of the results", r);
  const field *axis = prim_field(p, "axis");
  const int at = axis ? *(int *)((char *)params + axis->offset) : -1;
  if (at < 0 || at >= x.n) return NULL;
  if (is_called(p, "Split")) return same_sizes(&x, at, at + 1, "where to split it", r);
  if (is_called(p, "Unflatten")) return same_sizes(&x, at, at + 1, "into which sizes to divide it", r);
  return NULL;
}
