/* expand.c: from nodes to values and operations, operands first. Views become values on the same memory; what
   the device has no implementation for is replaced by its decomposition, whose nodes are walked in its place.
   Not recursive: graphs are deep. Uses draft.h. */
#include "plan/draft.h"

/* A node on the way down. */
typedef struct frame {
  node *node;
  pons_array *parts; /* its decomposition's results, or NULL */
  int next, n;       /* the child to be looked at next, of so many: inputs or parts */
} frame;

typedef struct walk {
  draft *draft;
  size_t depth; /* of the stack */
} walk;

static int results_of(const node *n) { return n->n_out > 1 ? n->n_out : 1; }

/* ---- inputs ---- */

static int32_t add_input(draft *d, node *n, int result, pons_dtype dtype, int ndim, const int64_t *dims,
                         const int64_t *strides) {
  if (!mem_room(&d->leaves, &d->leaves_room, d->n_leaves + 1, sizeof *d->leaves) ||
      !mem_room(&d->leaf_values, &d->leaf_values_room, d->n_leaves + 1, sizeof *d->leaf_values))
    return draft_no_memory(d), -1;
  int64_t *lists = pool_new(&d->plan->pool, 2 * (size_t)ndim * sizeof *lists);
  if (!lists) return draft_no_memory(d), -1;
  memcpy(lists, dims, (size_t)ndim * sizeof *lists);
  if (strides)
    memcpy(lists + ndim, strides, (size_t)ndim * sizeof *lists);
  else
    shape_row_major(ndim, dims, lists + ndim);
  draft_value *v = draft_value_room(d);
  if (!v) return -1;
  *v = (draft_value){.op = -1,
                     .root = (int32_t)d->n_values,
                     .plain = shape_is_row_major(ndim, dims, lists + ndim),
                     .dtype = (uint8_t)dtype,
                     .ndim = (uint8_t)ndim,
                     .size = shape_size(ndim, dims),
                     .shape = lists,
                     .strides = lists + ndim};
  const int32_t value = draft_value_add(d);
  d->leaf_values[d->n_leaves] = value;
  d->leaves[d->n_leaves++] = (plan_leaf){pons_keep(n), result};
  return value;
}

/* The value of a node that has one or will have: where it is still being computed, its strides are taken to
   be row-major. */
static bool add_leaf(draft *d, node *n) {
  const bool ready = node_state_of(n) == NODE_READY;
  if (node_failed(n)) return draft_fail(d, error_keep(n->error));
  same_entry *same = NULL;
  if (ready && !n->prim && n->ndim == 0) {
    same = draft_same_scalar(d, n);
    if (!same) return false;
    if (same->value >= 0) {
      draft_mark(d, n, same->value);
      return true;
    }
  }
  const int32_t value =
      add_input(d, n, -1, (pons_dtype)n->dtype, n->ndim, n->shape, ready ? node_strides(n) : NULL);
  if (value < 0) return false;
  if (same) same->value = value;
  draft_mark(d, n, value);
  return true;
}

/* One result of a node whose results exist, or will. */
static bool add_result_leaf(draft *d, node *n) {
  node *tuple = n->in[0];
  if (node_failed(tuple)) return draft_fail(d, error_keep(tuple->error));
  const int index = ((const output_params *)n->params)->index;
  const int32_t value = add_input(d, tuple, index, (pons_dtype)n->dtype, n->ndim, n->shape, NULL);
  if (value < 0) return false;
  draft_mark(d, n, value);
  return true;
}

/* ---- going down ---- */

/* Asks for the decomposition; on the node's stream, so that what it makes belongs there. */
static bool take_apart(draft *d, frame *f) {
  node *n = f->node;
  const int count = results_of(n);
  f->parts = pool_new(&d->plan->pool, (size_t)count * sizeof *f->parts);
  if (!f->parts) return draft_no_memory(d);
  pons_stream before = pons_set_stream(n->stream);
  for (int i = 0; i < count; i++) f->parts[i] = NULL;
  n->prim->decompose(n->params, n->n_in, n->in, f->parts);
  pons_set_stream(before);
  for (int i = 0; i < count; i++) {
    if (!f->parts[i]) return draft_fail(d, fail(n->prim->name, "its decomposition gave no result %d", i));
    if (node_failed(f->parts[i])) return draft_fail(d, error_keep(f->parts[i]->error));
  }
  f->next = 0;
  f->n = count;
  return true;
}

static bool needs_no_implementation(const node *n) {
  return n->prim->row || n->prim == &prim_output || (n->prim->view && n->n_out == 1);
}

/* Whether what the device has no implementation for is made of simpler ops. */
static bool may_be_taken_apart(const node *n) {
  return n->prim->decompose && !(n->prim->whole && n->prim->whole(n->params));
}

static bool enter(walk *w, node *n) {
  draft *d = w->draft;
  if (node_state_of(n) != NODE_PENDING) return add_leaf(d, n);
  if (n->prim == &prim_input)
    return draft_fail(
        d,
        fail("eval", "a placeholder has no value: %s\nhint: a function that is traced must not read values",
             node_text(n)));
  if (n->prim == &prim_output && node_state_of(n->in[0]) != NODE_PENDING) return add_result_leaf(d, n);
  if (!mem_room(&d->stack, &d->stack_room, w->depth + 1, sizeof *d->stack)) return draft_no_memory(d);
  frame *f = &d->stack[w->depth++];
  *f = (frame){n, NULL, 0, plan_operands_of(n)};
  if (needs_no_implementation(n) || !may_be_taken_apart(n) || device_knows(d->request->device, n->prim->name))
    return true;
  return take_apart(d, f);
}

/* ---- coming up ---- */

static int32_t *inputs_for(draft *d, const node *n) {
  int32_t *in = pool_new(&d->plan->pool, (size_t)n->n_in * sizeof *in);
  if (!in) return draft_no_memory(d), NULL;
  for (int i = 0; i < n->n_in; i++) in[i] = draft_value_of(d, n->in[i]);
  return in;
}

static int32_t make_row(draft *d, const node *n) {
  int32_t *in = inputs_for(d, n);
  if (!in) return -1;
  const row r = (row)(n->prim->row - 1);
  if (r == ROW_cast && d->values[in[0]].dtype == n->dtype) return in[0];
  draft_op *op = draft_op_room(d);
  if (!op) return -1;
  *op = (draft_op){.kind = OP_ROW, .row = (uint16_t)r, .n_in = n->n_in, .n_out = 1, .in = in};
  int32_t made;
  const draft_value *like = &d->values[in[0]];
  if (like->plain && shape_equal(n->ndim, n->shape, like->ndim, like->shape)) {
    made = draft_op_add_like(d, in[0], (pons_dtype)n->dtype);
  } else {
    const draft_result result = {(pons_dtype)n->dtype, n->ndim, draft_shape_for(d, n, in[0])};
    made = draft_op_add(d, &result);
  }
  return made < 0 ? -1 : d->ops[made].out;
}

const void *draft_params(draft *d, const prim *prim, const void *params) {
  char *copy = pool_new(&d->plan->pool, params_bytes(prim, params));
  if (copy) params_copy(prim, params, copy);
  return copy;
}

static bool fill_results(draft *d, const node *n, int32_t like, draft_result *results) {
  if (n->n_out == 1) results[0] = (draft_result){(pons_dtype)n->dtype, n->ndim, draft_shape_for(d, n, like)};
  for (int i = 0; n->n_out > 1 && i < n->n_out; i++) {
    const spec *s = &n->specs[i];
    results[i] = (draft_result){
        s->dtype, s->shape.n, pool_copy(&d->plan->pool, s->shape.dims, (size_t)s->shape.n * sizeof(int64_t))};
  }
  for (int i = 0; i < results_of(n); i++)
    if (!results[i].shape) return draft_no_memory(d);
  return true;
}

static const implementation *pick_on(const device *d, const node *n, const void *params, const operand *o) {
  const launch l = {params, n->n_in, results_of(n), o, o + n->n_in};
  return device_pick(d, n->prim->name, &l, NULL);
}

/* Which implementation takes it: as it is, or with operands in row-major order (`in` is changed then). What can't
   be taken apart either is computed by the host. */
static const implementation *pick_for(draft *d, const node *n, const void *params, int32_t *in,
                                      operand *operands, bool *on_host) {
  const device *first = d->request->device, *host = device_host();
  const bool may_leave = !n->prim->decompose && host != first;
  *on_host = false;
  const implementation *found = pick_on(first, n, params, operands);
  if (found) return found;
  if (may_leave && (found = pick_on(host, n, params, operands))) return *on_host = true, found;
  bool copied = false;
  for (int i = 0; i < n->n_in; i++) {
    if (shape_is_row_major(operands[i].ndim, operands[i].shape, operands[i].strides)) continue;
    const int32_t copy = draft_copy(d, in[i]);
    if (copy < 0) return NULL;
    in[i] = copy;
    operands[i] = draft_operand(d, copy);
    copied = true;
  }
  if (!copied) return NULL;
  if ((found = pick_on(first, n, params, operands))) return found;
  return may_leave && (found = pick_on(host, n, params, operands)) ? (*on_host = true, found) : NULL;
}

static bool no_implementation(draft *d, const node *n, const void *params, const operand *operands) {
  if (n->prim->no_device) return draft_fail(d, n->prim->no_device(params, d->request->device->name));
  const launch l = {params, n->n_in, results_of(n), operands, operands + n->n_in};
  text why = {0};
  device_pick(d->request->device, n->prim->name, &l, &why);
  draft_fail(d, fail_as(PONS_ERROR_RUNTIME, n->prim->name,
                       "%s has %s an implementation that takes %s%s%s%s", d->request->device->name,
                       n->prim->decompose ? "not" : "neither", n->n_in ? node_text(n->in[0]) : node_text(n),
                       n->prim->decompose ? ", which was asked for" : " nor a decomposition",
                       why.length ? ": " : "", why.length ? why.at : ""));
  text_free(&why);
  return false;
}

/* Operands that the implementation does not look at are none: the first stands in their places. */
static void leave_unread_out(const draft *d, const draft_call *call, int32_t *in, int n_in) {
  const device *on = call->on_host ? device_host() : d->request->device;
  const uint32_t unread = on->driver->unread ? on->driver->unread(call->implementation, n_in) : 0;
  for (int i = 1; unread && i < n_in; i++)
    if (unread >> i & 1) in[i] = in[0];
}

/* The operation's place; -1 with d->why, or without it: no implementation takes it, but it can be taken
   apart. */
static int32_t make_call(draft *d, const node *n) {
  pool *p = &d->plan->pool;
  const int n_out = results_of(n);
  int32_t *in = inputs_for(d, n);
  operand *operands = pool_new(p, (size_t)(n->n_in + n_out) * sizeof *operands);
  draft_result *results = pool_new(p, (size_t)n_out * sizeof *results);
  const void *params = n->params ? draft_params(d, n->prim, n->params) : NULL;
  if (!in || !operands || !results || (n->params && !params)) return draft_no_memory(d), -1;
  if (!fill_results(d, n, n->n_in ? in[0] : -1, results)) return -1;
  for (int i = 0; i < n->n_in; i++) operands[i] = draft_operand(d, in[i]);
  for (int i = 0; i < n_out; i++) {
    int64_t *strides = pool_new(p, (size_t)results[i].ndim * sizeof *strides);
    if (!strides) return draft_no_memory(d), -1;
    shape_row_major(results[i].ndim, results[i].shape, strides);
    operands[n->n_in + i] = (operand){NULL, results[i].dtype, results[i].ndim, results[i].shape, strides};
  }
  draft_call call = {.prim = n->prim, .params = params};
  call.implementation = pick_for(d, n, params, in, operands, &call.on_host);
  if (!call.implementation) {
    if (!d->why && !may_be_taken_apart(n)) no_implementation(d, n, params, operands);
    return -1;
  }
  leave_unread_out(d, &call, in, n->n_in);
  draft_call *kept = pool_copy(p, &call, sizeof call);
  draft_op *op = draft_op_room(d);
  if (!kept || !op) return draft_no_memory(d), -1;
  *op = (draft_op){.kind = OP_CALL, .n_in = n->n_in, .n_out = n_out, .in = in, .call = kept};
  return draft_op_add(d, results);
}

/* A tuple of `count` values. */
static int32_t make_tuple(draft *d, const int32_t *values, int count) {
  if (!mem_room(&d->tuples, &d->tuples_room, d->n_tuples + 1, sizeof *d->tuples) ||
      !mem_room(&d->tuple_values, &d->tuple_values_room, d->n_tuple_values + (size_t)count,
                sizeof *d->tuple_values))
    return draft_no_memory(d), -1;
  for (int i = 0; i < count; i++) d->tuple_values[d->n_tuple_values + (size_t)i] = values[i];
  d->tuples[d->n_tuples] = (draft_tuple){(int32_t)d->n_tuple_values, count};
  d->n_tuple_values += (size_t)count;
  return (int32_t)d->n_tuples++;
}

static int32_t tuple_of_call(draft *d, int32_t op) {
  int32_t *values = pool_new(&d->plan->pool, (size_t)d->ops[op].n_out * sizeof *values);
  if (!values) return draft_no_memory(d), -1;
  for (int i = 0; i < d->ops[op].n_out; i++) values[i] = d->ops[op].out + i;
  return make_tuple(d, values, d->ops[op].n_out);
}

static int32_t value_of_parts(draft *d, const frame *f) {
  const int count = results_of(f->node);
  if (count == 1) return draft_value_of(d, f->parts[0]);
  int32_t *values = pool_new(&d->plan->pool, (size_t)count * sizeof *values);
  if (!values) return draft_no_memory(d), -1;
  for (int i = 0; i < count; i++) values[i] = draft_value_of(d, f->parts[i]);
  return make_tuple(d, values, count);
}

/* What n waits for is made before what comes now, as if that read it. */
static void need_what_it_waits_for(draft *d, const node *n) {
  for (int i = 1; i < n->n_in; i++) {
    const int32_t op = d->values[draft_value_of(d, n->in[i])].op;
    if (op >= 0 && d->ops[op].early > (int32_t)d->n_ops) d->ops[op].early = (int32_t)d->n_ops;
  }
}

static int32_t make_value(draft *d, const frame *f) {
  const node *n = f->node;
  if (f->parts) return value_of_parts(d, f);
  if (n->prim->row) return make_row(d, n);
  if (n->prim->waits && n->n_out == 1) need_what_it_waits_for(d, n);
  if (n->prim->view && n->n_out == 1) return draft_view(d, n);
  const int32_t product = draft_product_of_codes(d, n);
  if (product >= 0 || d->why) return product;
  const int32_t op = make_call(d, n);
  if (op < 0) return -1;
  return n->n_out > 1 ? tuple_of_call(d, op) : d->ops[op].out;
}

/* Several read the value: nodes equal to n, or readers of n, or of the part that n was taken apart to. */
static bool is_read_by_several(const frame *f) {
  return node_holders(f->node) > 1 || (f->parts && node_holders(f->parts[0]) > 0);
}

/* All children of the top frame have their values. Leaves the frame in place, with parts, if it must be taken
   apart. */
static bool leave(walk *w) {
  draft *d = w->draft;
  frame *f = &d->stack[w->depth - 1];
  node *n = f->node;
  int32_t value;
  if (n->prim == &prim_output) {
    const draft_tuple t = d->tuples[draft_value_of(d, n->in[0])];
    value = d->tuple_values[t.first + ((const output_params *)n->params)->index];
  } else if (n->prim->opaque || f->parts) {
    value = make_value(d, f);
  } else {
    value = draft_same(d, n, f->n);
    if (value < 0) {
      value = make_value(d, f);
      if (value >= 0 && !draft_remember(d, n, f->n, value)) return false;
    } else if (n->n_out == 1) {
      draft_share(d, value);
    }
  }
  if (value < 0) return !d->why && !f->parts && take_apart(d, f);
  if (n->n_out == 1 && is_read_by_several(f)) draft_share(d, value);
  draft_mark(d, n, value);
  w->depth--;
  return true;
}

static bool walk_from(walk *w, node *root) {
  if (draft_value_of(w->draft, root) >= 0) return true;
  if (!enter(w, root)) return false;
  while (w->depth) {
    frame *f = &w->draft->stack[w->depth - 1];
    node *const *children = f->parts ? f->parts : f->node->in, *child = NULL;
    for (; !child && f->next < f->n; f->next++)
      if (draft_value_of(w->draft, children[f->next]) < 0) child = children[f->next];
    if (child ? !enter(w, child) : !leave(w)) return false;
  }
  return true;
}

static bool add_output(draft *d, int32_t value) {
  if (!mem_room(&d->outputs, &d->outputs_room, d->n_outputs + 1, sizeof *d->outputs))
    return draft_no_memory(d);
  d->outputs[d->n_outputs++] = value;
  return true;
}

static bool add_outputs(draft *d, const node *n) {
  const int32_t value = draft_value_of(d, n);
  if (n->n_out == 1) return add_output(d, value);
  for (int i = 0; i < n->n_out; i++) { /* each in memory of its own, whole */
    int32_t v = d->tuple_values[d->tuples[value].first + i];
    if (d->values[v].root != v || d->values[v].op < 0) v = draft_copy(d, v);
    if (v < 0 || !add_output(d, v)) return false;
  }
  return true;
}

static int pending_operands(const void *context, const node *n) {
  (void)context;
  return node_state_of(n) == NODE_PENDING ? plan_operands_of(n) : -1;
}

bool draft_walk(draft *d) {
  const plan_request *r = d->request;
  walk w = {.draft = d};
  pons_scope scope = pons_scope_open(); /* of what is taken apart */
  node **ordered; /* other processes make their calls in the order in which they were written, whatever depends on them */
  const int64_t n_ordered = walk_find_ordered(r->wanted, r->n_wanted, pending_operands, NULL, &ordered);
  bool fine = n_ordered >= 0 || draft_no_memory(d);
  for (int i = 0; fine && i < r->n_placeholders; i++) {
    node *n = r->placeholders[i];
    const int32_t value = add_input(d, n, -1, (pons_dtype)n->dtype, n->ndim, n->shape, NULL);
    fine = value >= 0;
    if (fine) draft_mark(d, n, value);
  }
  for (int64_t i = 0; fine && i < n_ordered; i++) fine = walk_from(&w, ordered[i]);
  mem_free(ordered);
  for (int i = 0; fine && i < r->n_wanted; i++)
    fine = walk_from(&w, r->wanted[i]) && add_outputs(d, r->wanted[i]);
  pons_scope_close(scope);
  return fine;
}
