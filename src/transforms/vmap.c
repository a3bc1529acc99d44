/* vmap.c: a function of one slice made a function of a batch of slices.

   The function is called on placeholders that lack the batch axis; then its tape is gone through again with
   the whole batch, node by node: by the record's rule, elementwise for rows, through the decomposition, or,
   at worst, slice by slice:

       x (b, 3) ── in axis 0        x' (3) ─ exp ─ sum ─ y' ()        exp of (b, 3) ─ sum over axis 1 ─ y (b)

   Uses base/, graph/ and the public ops. */
#include "transforms/transforms.h"
#include <limits.h>
#include <pons/ops.h>

/* An array that takes the place of one in the tape. */
typedef struct batched {
  pons_array array; /* NULL: what stands in the tape serves as it is */
  int axis;         /* of the batch; -1: the same for all of it */
} batched;

/* A tape with what takes the place of each result. */
typedef struct replay {
  lineage l;
  int *axes;    /* beside l.slots */
  int64_t size; /* of the batch */
} replay;

/* Room for one node, of the size of the widest. */
typedef struct node_room {
  pons_array *in, *slices, *out;
  int *axes, *out_axes;
} node_room;

static pons_array run(int64_t size, const between *b, const batched *values, batched *results);

/* ---- ways to make a node again ---- */

/* Rows want equal shapes: the batch comes first in all operands, unless all have it along the same axis. */
static void by_row(const vmap_call *c, pons_array *in) {
  int axis = c->axes[0];
  for (int k = 1; k < c->n_in; k++)
    if (c->axes[k] != axis) axis = 0;
  for (int k = 0; k < c->n_in; k++)
    in[k] = c->axes[k] == axis ? c->in[k] : batch_to_front(c->in[k], c->axes[k], c->size);
  c->out[0] = node_make(c->prim, c->params, c->n_in, in);
  c->out_axes[0] = axis;
}

/* The decomposition of the node in the tape, gone through with the batch. */
static pons_array through_decomposition(const vmap_call *c, const tape_item *item, pons_array *single) {
  c->prim->decompose(c->params, c->n_in, item->in, single);
  pons_array bad = transform_failed(single, c->n_out);
  if (bad) return bad;
  batched *room = mem_alloc((size_t)(c->n_in + c->n_out) * sizeof *room);
  if (!room) return transform_no_memory("vmap");
  for (int k = 0; k < c->n_in; k++) room[k] = (batched){c->in[k], c->axes[k]};
  const between b = {single, item->in, c->n_out, c->n_in, NULL};
  bad = run(c->size, &b, room, room + c->n_in);
  for (int k = 0; k < c->n_out && !bad; k++) {
    c->out[k] = room[c->n_in + k].array;
    c->out_axes[k] = room[c->n_in + k].axis;
  }
  mem_free(room);
  return bad;
}

static void one_slice(const vmap_call *c, int64_t i, pons_array *in, pons_array *out) {
  for (int k = 0; k < c->n_in; k++) in[k] = c->axes[k] < 0 ? c->in[k] : pons_index(c->in[k], i, c->axes[k]);
  if (c->n_out == 1)
    out[0] = node_make(c->prim, c->params, c->n_in, in);
  else
    node_make_many(c->prim, c->params, c->n_in, in, out, c->n_out);
}

static pons_array empty_batch(const node *n, int k) {
  pons_array zero = transform_zeros(n, k);
  return node_failed(zero) ? zero : batch_to_front(zero, -1, 0);
}

/* Slice by slice, and stacked. */
static pons_array by_slices(const vmap_call *c, const node *n, pons_array *in) {
  const size_t size = (size_t)c->size, n_out = (size_t)c->n_out;
  if (size > SIZE_MAX / sizeof(pons_array) / (n_out + 1)) return transform_no_memory("vmap");
  pons_array *slices = mem_alloc((size * n_out + n_out + 1) * sizeof *slices);
  if (!slices) return transform_no_memory("vmap");
  pons_array *made = slices + size * n_out;
  for (size_t i = 0; i < size; i++) {
    one_slice(c, (int64_t)i, in, made);
    for (size_t k = 0; k < n_out; k++) slices[k * size + i] = made[k];
  }
  for (int k = 0; k < c->n_out; k++) {
    c->out[k] =
        size && size <= INT_MAX ? pons_stack(slices + (size_t)k * size, (int)size, 0) : empty_batch(n, k);
    c->out_axes[k] = 0;
  }
  mem_free(slices);
  return NULL;
}

/* ---- the replay ---- */

static pons_array make_batched(const replay *r, const tape_item *item, const node_room *room) {
  node *n = item->node;
  const prim *p = n->prim;
  for (int k = 0; k < n->n_out; k++) room->out[k] = NULL;
  const vmap_call c = {p,        n->params,  r->size,   item->n_in,    n->n_out,
                       room->in, room->axes, room->out, room->out_axes};
  pons_array bad = NULL;
  if (p->vmap) p->vmap(&c);
  if (!room->out[0] && p->row) by_row(&c, room->slices);
  if (!room->out[0] && p->decompose) bad = through_decomposition(&c, item, room->slices);
  if (!room->out[0] && !bad) bad = by_slices(&c, n, room->slices);
  return bad;
}

static void make_again(const tape_item *item, const node_room *room) {
  const node *n = item->node;
  if (n->n_out == 1)
    room->out[0] = node_make(n->prim, n->params, item->n_in, room->in);
  else
    node_make_many(n->prim, n->params, item->n_in, room->in, room->out, n->n_out);
  for (int k = 0; k < n->n_out; k++) room->out_axes[k] = -1;
}

static pons_array step(replay *r, int64_t i, const node_room *room) {
  const tape_item *item = &r->l.tape.at[i];
  if (!item->n_in || r->l.reach[i] == REACH_NONE) return NULL;
  const node *n = item->node;
  const int64_t at = r->l.first[i];
  if (n->prim == &prim_alias || n->prim == &prim_output) { /* the same array, whatever it is */
    const int64_t from = lineage_slot(&r->l, item->in[0]) +
                         (n->prim == &prim_output ? ((const output_params *)n->params)->index : 0);
    r->l.slots[at] = r->l.slots[from];
    r->axes[at] = r->axes[from];
    return NULL;
  }
  bool mapped = false, changed = false;
  for (int k = 0; k < item->n_in; k++) {
    const int64_t slot = lineage_slot(&r->l, item->in[k]);
    room->in[k] = r->l.slots[slot] ? r->l.slots[slot] : item->in[k];
    room->axes[k] = r->l.slots[slot] ? r->axes[slot] : -1;
    mapped |= room->axes[k] >= 0;
    changed |= r->l.slots[slot] != NULL;
  }
  if (!changed) return NULL;
  pons_array bad = NULL;
  if (mapped)
    bad = make_batched(r, item, room);
  else
    make_again(item, room);
  if (!bad) bad = transform_failed(room->out, n->n_out);
  for (int k = 0; k < n->n_out && !bad; k++) {
    r->l.slots[at + k] = room->out[k];
    r->axes[at + k] = room->out_axes[k];
  }
  return bad;
}

static pons_array run_tape(replay *r, const between *b, const batched *values, batched *results) {
  lineage *l = &r->l;
  for (int i = 0; i < b->n_stops; i++) {
    const int64_t slot = lineage_slot(l, b->stops[i]);
    if (slot < 0 || values[i].array == b->stops[i]) continue;
    l->slots[slot] = values[i].array;
    r->axes[slot] = values[i].axis;
  }
  const size_t in = (size_t)l->most_in + 1, out = (size_t)l->most_out + 1, most = in > out ? in : out;
  pons_array *arrays = mem_alloc((in + most + out) * sizeof *arrays + (in + out) * sizeof(int)), bad = NULL;
  if (!arrays) return transform_no_memory("vmap");
  int *axes = (int *)(arrays + in + most + out);
  const node_room room = {arrays, arrays + in, arrays + in + most, axes, axes + in};
  for (int64_t i = 0; i < l->tape.count && !bad; i++) bad = step(r, i, &room);
  mem_free(arrays);
  for (int i = 0; i < b->n_roots && !bad; i++) {
    const int64_t slot = lineage_slot(l, b->roots[i]);
    results[i] = l->slots[slot] ? (batched){l->slots[slot], r->axes[slot]} : (batched){b->roots[i], -1};
  }
  return bad;
}

/* The roots again, with values in the place of the stops. NULL if fine, else an array with the error. */
static pons_array run(int64_t size, const between *b, const batched *values, batched *results) {
  replay r = {.size = size};
  if (!lineage_make(&r.l, b)) return transform_no_memory("vmap");
  r.axes = mem_zalloc((size_t)(r.l.first[r.l.tape.count] + 1) * sizeof *r.axes);
  pons_array bad = r.axes ? run_tape(&r, b, values, results) : transform_no_memory("vmap");
  mem_free(r.axes);
  lineage_free(&r.l);
  return bad;
}

/* ---- pons_vmap ---- */

typedef struct vmap_function {
  function head;
  function *f;
  int n_in_axes, n_out_axes; /* -1: left out */
  int axes[];                /* those of the inputs, then those of the outputs */
} vmap_function;

/* Of the i-th input or result: axes left out (count < 0) are 0, and one serves for all. */
static int axis_of(const int *axes, int count, int i) { return count < 0 ? 0 : axes[count == 1 ? 0 : i]; }

/* What the function is called on, and what will take its place. Sets *size. */
static pons_array make_placeholders(const vmap_function *v, const pons_array *in, int n_in,
                                    pons_array *placeholders, batched *values, int64_t *size) {
  if (v->n_in_axes >= 0 && v->n_in_axes != 1 && v->n_in_axes != n_in)
    return node_fail("vmap", "in_axes has %d entries, the function is called with %d arrays", v->n_in_axes,
                     n_in);
  int first = -1;
  for (int i = 0; i < n_in; i++) {
    const int given = axis_of(v->axes, v->n_in_axes, i);
    placeholders[i] = in[i];
    values[i] = (batched){in[i], -1};
    if (given == PONS_NOT_MAPPED) continue;
    const int axis = axis_normal(given, in[i]->ndim);
    if (axis < 0)
      return node_fail_as(PONS_ERROR_INDEX, "vmap", "input %d has no axis %d: %s", i, given,
                          node_text(in[i]));
    if (first < 0) first = i;
    if (first == i) *size = in[i]->shape[axis];
    if (in[i]->shape[axis] != *size)
      return node_fail("vmap", "sizes of the batch differ: %lld in input %d %s, %lld in input %d %s",
                       (long long)*size, first, node_text(in[first]), (long long)in[i]->shape[axis], i,
                       node_text(in[i]));
    values[i].axis = axis;
    shape s = {.n = 0};
    for (int k = 0; k < in[i]->ndim; k++)
      if (k != axis) s.dims[s.n++] = in[i]->shape[k];
    placeholders[i] = node_placeholder((pons_dtype)in[i]->dtype, s.n, s.dims);
    if (node_failed(placeholders[i])) return placeholders[i];
  }
  return first < 0 ? node_fail("vmap", "none of the %d inputs is mapped", n_in) : NULL;
}

static pons_array place_result(const vmap_function *v, int i, batched y, int64_t size) {
  const int given = axis_of(v->axes + (v->n_in_axes < 0 ? 0 : v->n_in_axes), v->n_out_axes, i);
  if (given == PONS_NOT_MAPPED) {
    if (y.axis < 0) return y.array;
    return node_fail("vmap", "result %d depends on the batch, out_axes says that it does not", i);
  }
  const int ndim = y.array->ndim + (y.axis < 0);
  const int axis = axis_normal(given, ndim);
  if (axis < 0)
    return node_fail_as(PONS_ERROR_INDEX, "vmap", "result %d has %d axes with the batch: there is no axis %d",
                        i, ndim, given);
  if (y.axis < 0) y = (batched){batch_to_front(y.array, -1, size), 0};
  return y.axis == axis ? y.array : pons_moveaxis(y.array, y.axis, axis);
}

/* The tape of what the function gave for one slice, of the whole batch. */
static pons_array batch_results(const vmap_function *v, const result_list *single,
                                const pons_array *placeholders, const batched *values, int n_in, int64_t size,
                                result_list *out) {
  const int n_out = single->count;
  if (v->n_out_axes > 1 && v->n_out_axes != n_out)
    return node_fail("vmap", "out_axes has %d entries, the function has %d results", v->n_out_axes, n_out);
  batched *made = mem_alloc((size_t)(n_out + 1) * sizeof *made);
  if (!made) return transform_no_memory("vmap");
  const between b = {single->at, placeholders, n_out, n_in, NULL};
  pons_array bad = run(size, &b, values, made);
  for (int i = 0; i < n_out && !bad; i++) {
    pons_array y = place_result(v, i, made[i], size);
    pons_results_add(out, y);
    if (node_failed(y)) bad = y;
  }
  mem_free(made);
  return bad;
}

/* placeholders and values: room for n_in. */
static pons_array vmap(const vmap_function *v, const pons_array *in, int n_in, pons_array *placeholders,
                       batched *values, result_list *out) {
  int64_t size = 0;
  pons_array bad = make_placeholders(v, in, n_in, placeholders, values, &size);
  if (bad) return bad;
  result_list single;
  trace_begin();
  function_call(v->f, placeholders, n_in, &single);
  trace_end();
  bad = results_failed(&single);
  if (!bad) bad = batch_results(v, &single, placeholders, values, n_in, size, out);
  pons_results_set_tag(out, single.tag);
  results_end(&single);
  return bad;
}

static void vmap_call_function(function *self, const pons_array *in, int n_in, result_list *out) {
  const pons_scope scope = pons_scope_open();
  pons_array *room = mem_zalloc((size_t)(n_in + 1) * sizeof *room), bad = transform_failed(in, n_in);
  batched *values = mem_zalloc((size_t)(n_in + 1) * sizeof *values);
  if (!room || !values) bad = transform_no_memory("vmap");
  if (!bad) bad = vmap((vmap_function *)self, in, n_in, room, values, out);
  mem_free(values);
  mem_free(room);
  transform_end(scope, bad, out);
}

static void vmap_destroy(function *self) {
  pons_function_release(((vmap_function *)self)->f);
  mem_free(self);
}

pons_function pons_vmap(pons_function f, pons_axes in_axes, pons_axes out_axes) {
  if (!f) {
    error_release(fail("vmap", "the function is NULL"));
    return NULL;
  }
  const int n_in = in_axes.at ? in_axes.count : -1, n_out = out_axes.at ? out_axes.count : -1;
  const size_t in = n_in > 0 ? (size_t)n_in : 0, out = n_out > 0 ? (size_t)n_out : 0;
  vmap_function *v =
      function_new(sizeof *v + (in + out) * sizeof(int), "vmap", f->n_out, vmap_call_function, vmap_destroy);
  if (!v) return NULL;
  v->f = pons_function_keep(f);
  v->n_in_axes = n_in;
  v->n_out_axes = n_out;
  if (in) memcpy(v->axes, in_axes.at, in * sizeof(int));
  if (out) memcpy(v->axes + in, out_axes.at, out * sizeof(int));
  return &v->head;
}
