/* node.c: making nodes, counting references, changing states.

   A node is one allocation; what it needs later has its place behind it from the start:

       struct | inputs | shape | strides | parameters | lists inside the parameters | specs (several results)

   Uses base/, device/ (buffers, the thread's stream). */
#include "graph/graph.h"
#include "graph/scope.h"

/* ---- references ---- */

static const int64_t no_dims[1];
static node out_of_memory = {
    .refs = 1, .state = NODE_FAILED, .dtype = PONS_FLOAT32, .n_out = 1, .shape = no_dims, .size = 1};

pons_array node_no_memory(void) {
  error *e = fail_no_memory("array"); /* each time: every thread that meets it is told */
  graph_lock();
  if (!out_of_memory.error) out_of_memory.error = e;
  graph_unlock();
  return &out_of_memory;
}

static void end_functions(const prim *p, const void *params) {
  for (const field *f = p->fields; f->name; f++)
    if (f->type == FIELD_FUNCTION) pons_function_release(*(pons_function *)((const char *)params + f->offset));
}

/* Lets go of `held`: one reference, or one of a scope. Nodes whose count fell to zero wait in a list through `mark`, so that a
   long chain does not recurse. Whoever has the last reference is alone with the node: nothing is counted then. */
static void drop(node *a, uint64_t held, node **dead) {
  if (!a || a == &out_of_memory) return;
  if (atomic_load_explicit(&a->refs, memory_order_acquire) != held &&
      atomic_fetch_sub_explicit(&a->refs, held, memory_order_acq_rel) != held)
    return;
  a->mark = (uintptr_t)*dead;
  *dead = a;
}

static void end_node(thread_nodes *t, node *a, node **dead) {
  if (a->in)
    for (int i = 0; i < a->n_in; i++) drop(a->in[i], 1, dead);
  switch (node_state_of(a)) {
    case NODE_PENDING: break;
    case NODE_SCHEDULED: event_release(a->done); break;
    case NODE_FAILED: error_release(a->error); break;
    case NODE_READY:
      if (a->n_out == 1) buffer_release(a->buffer);
      for (int i = 0; a->n_out > 1 && i < a->n_out; i++) buffer_release(a->results[i]);
      if (a->n_out > 1) mem_free(a->results);
  }
  if (a->prim && a->params) end_functions(a->prim, a->params);
  node_memory_give(t, a);
}

static void end_all(thread_nodes *t, node *dead) {
  while (dead) {
    node *a = dead;
    dead = (node *)(uintptr_t)a->mark;
    end_node(t, a, &dead);
  }
}

static void end_here(node *dead) {
  if (dead) end_all(thread_nodes_here(), dead);
}

pons_array pons_keep(pons_array a) {
  if (a && a != &out_of_memory) atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
  return a;
}

void pons_release(pons_array a) {
  node *dead = NULL;
  drop(a, 1, &dead);
  end_here(dead);
}

void node_release_from_scope(thread_nodes *t, node *a) {
  node *dead = NULL;
  drop(a, SCOPE_REF, &dead);
  end_all(t, dead);
}

void pons_set(pons_array *slot, pons_array value) {
  pons_array before = *slot;
  *slot = pons_keep(value);
  pons_release(before);
}

/* ---- making ---- */

static void keep_functions(const prim *p, const void *params) {
  for (const field *f = p->fields; f->name; f++)
    if (f->type == FIELD_FUNCTION) pons_function_keep(*(pons_function *)((const char *)params + f->offset));
}

static atomic_int_least64_t ordered_latest;
int64_t node_ordered_latest(void) { return atomic_load_explicit(&ordered_latest, memory_order_relaxed); }

/* The innermost scope owns it from the start. */
static node *new_node(const prim *p, const void *params, int n_in, const pons_array *in, int ndim,
                      const int64_t *dims, int n_out) {
  const size_t for_params = p && params ? params_bytes(p, params) : 0;
  size_t bytes = sizeof(node) + (size_t)n_in * sizeof(node *) + 2 * (size_t)ndim * sizeof(int64_t) + for_params +
                 (n_out > 1 ? (size_t)n_out * sizeof(spec) : 0);
  thread_nodes *t = thread_nodes_here();
  if (!t || !mem_room(&t->owned, &t->room, t->count + 1, sizeof *t->owned)) return NULL;
  node *a = node_memory_take(t, bytes);
  if (!a) return NULL;
  t->owned[t->count++] = a;
  char *at = (char *)(a + 1);
  atomic_init(&a->refs, SCOPE_REF);
  a->ndim = (uint8_t)ndim;
  a->prim = p;
  a->n_in = n_in;
  a->n_out = n_out;
  a->in = n_in ? (node **)at : NULL;
  at += (size_t)n_in * sizeof(node *);
  a->shape = (int64_t *)at;
  for (int i = 0; i < ndim; i++) ((int64_t *)at)[i] = dims[i];
  a->size = shape_size(ndim, dims);
  at += 2 * (size_t)ndim * sizeof(int64_t);
  if (p && params) {
    params_copy(p, params, at);
    if (p->ordered) *(int64_t *)at = atomic_fetch_add(&ordered_latest, 1) + 1;
    keep_functions(p, at);
    a->params = at;
    at += for_params;
  }
  if (n_out > 1) a->specs = (spec *)at;
  a->traced = p && p->ordered && trace_is_open();
  for (int i = 0; i < n_in; i++) {
    a->in[i] = pons_keep(in[i]);
    a->traced |= in[i]->traced;
  }
  a->stream = stream_current();
  return a;
}

/* The first input that is missing or carries an error, as the result; or NULL. */
static pons_array bad_input(const prim *p, int n_in, const pons_array *in) {
  for (int i = 0; i < n_in; i++) {
    if (!in[i]) return node_fail(p->name, "input %d of %d is NULL", i, n_in);
    if (!node_failed(in[i])) continue;
    error_meet(in[i]->error);
    if (!scope_room(1)) return node_no_memory();
    return in[i] == &out_of_memory ? in[i] : scope_own(pons_keep(in[i]));
  }
  return NULL;
}

static pons_array make(const prim *p, const void *params, int n_in, const pons_array *in, pons_dtype dtype,
                       int ndim, const int64_t *dims) {
  node *a = new_node(p, params, n_in, in, ndim, dims, 1);
  if (!a) return node_no_memory();
  a->dtype = (uint8_t)dtype;
  return a;
}

pons_array node_make_as(const prim *p, const void *params, int n_in, const pons_array *in, pons_dtype dtype,
                        int ndim, const int64_t *dims) {
  pons_array bad = bad_input(p, n_in, in);
  return bad ? bad : make(p, params, n_in, in, dtype, ndim, dims);
}

/* The rule of rows: equal shapes, equal dtypes (the condition of `select` apart), the result by the row. */
static error *infer_row(const prim *p, const void *params, int n_in, const pons_array *in, spec *out) {
  const row r = (row)(p->row - 1);
  if (n_in != row_table[r].arity)
    return fail(p->name, "takes %d arrays, got %d", row_table[r].arity, n_in);
  const node *last = in[n_in - 1];
  for (int i = 0; i < n_in; i++) {
    if (!shape_equal(in[i]->ndim, in[i]->shape, last->ndim, last->shape))
      return fail(p->name, "operands differ in shape: %s and %s", node_text(in[i]), node_text(last));
    const bool condition = r == ROW_select && i == 0;
    if (in[i]->dtype != (condition ? PONS_BOOL : last->dtype))
      return fail(p->name, "operands differ in dtype: %s and %s", node_text(in[i]), node_text(last));
  }
  if (!row_takes(r, (pons_dtype)last->dtype))
    return fail(p->name, "not defined for %s", pons_dtype_name((pons_dtype)last->dtype));
  out->dtype = r == ROW_cast ? *(const pons_dtype *)params : row_result(r, (pons_dtype)last->dtype);
  out->shape = node_shape(last);
  return NULL;
}

pons_array node_make(const prim *p, const void *params, int n_in, const pons_array *in) {
  pons_array bad = bad_input(p, n_in, in);
  if (bad) return bad;
  spec s;
  error *e = p->infer ? p->infer(params, n_in, in, &s) : infer_row(p, params, n_in, in, &s);
  if (e) return node_error(e);
  return make(p, params, n_in, in, s.dtype, s.shape.n, s.shape.dims);
}

pons_array node_make_tuple(const prim *p, const void *params, int n_in, const pons_array *in) {
  pons_array bad = bad_input(p, n_in, in);
  if (bad) return bad;
  const int n_out = p->outputs ? p->outputs(params, n_in) : 1;
  spec *specs = mem_alloc((size_t)(n_out > 0 ? n_out : 1) * sizeof *specs);
  if (!specs) return node_no_memory();
  error *e = n_out > 0 ? p->infer(params, n_in, in, specs) : fail(p->name, "%d results asked of it", n_out);
  node *a = e ? NULL : new_node(p, params, n_in, in, specs[0].shape.n, specs[0].shape.dims, n_out);
  if (a) {
    a->dtype = (uint8_t)specs[0].dtype;
    if (n_out > 1) memcpy((spec *)a->specs, specs, (size_t)n_out * sizeof *specs);
  }
  mem_free(specs);
  if (e) return node_error(e);
  return a ? a : node_no_memory();
}

pons_array node_output(pons_array tuple, int index) {
  const output_params params = {index};
  return node_make(&prim_output, &params, 1, &tuple);
}

void node_make_many(const prim *p, const void *params, int n_in, const pons_array *in, pons_array *out,
                    int n_out) {
  pons_array tuple = node_make_tuple(p, params, n_in, in);
  for (int i = 0; i < n_out; i++)
    out[i] = node_failed(tuple) ? tuple : tuple->n_out > 1 ? node_output(tuple, i) : tuple;
}

pons_array node_constant(buffer *b, pons_dtype dtype, int ndim, const int64_t *dims, const int64_t *strides,
                         int64_t offset) {
  node *a = new_node(NULL, NULL, 0, NULL, ndim, dims, 1);
  if (!a) {
    buffer_release(b);
    return node_no_memory();
  }
  a->dtype = (uint8_t)dtype;
  a->buffer = b;
  a->offset = offset;
  if (strides)
    memcpy(node_strides(a), strides, (size_t)ndim * sizeof *strides);
  else
    shape_row_major(ndim, dims, node_strides(a));
  atomic_init(&a->state, NODE_READY);
  return a;
}

pons_array node_placeholder(pons_dtype dtype, int ndim, const int64_t *dims) {
  pons_array a = make(&prim_input, NULL, 0, NULL, dtype, ndim, dims);
  if (!node_failed(a)) a->traced = true;
  return a;
}

pons_array node_error(error *e) {
  node *a = new_node(NULL, NULL, 0, NULL, 0, NULL, 1);
  if (!a) {
    error_release(e);
    return node_no_memory();
  }
  a->dtype = PONS_FLOAT32;
  a->error = e;
  atomic_init(&a->state, NODE_FAILED);
  return a;
}

const char *node_text(const node *a) {
  static _Thread_local char buffers[4][256];
  static _Thread_local int next;
  if (!a) return "NULL";
  char *b = buffers[next = (next + 1) % 4];
  snprintf(b, sizeof buffers[0], "%s %s", shape_text(a->ndim, a->shape),
           pons_dtype_name((pons_dtype)a->dtype));
  return b;
}

/* ---- states; graph_lock is held ---- */

/* What comes of the node takes the place of the event, which is to be released. */
static event *take_event(node *a) {
  event *done = node_state_of(a) == NODE_SCHEDULED ? a->done : NULL;
  a->done = NULL;
  return done;
}

/* What the node no longer needs once it is computed or failed. */
static void let_go(node *a, bool keep_history, node_state state) {
  node *dead = NULL;
  if (!keep_history && a->in) {
    node **in = a->in;
    a->in = NULL;
    for (int i = 0; i < a->n_in; i++) drop(in[i], 1, &dead);
  }
  atomic_store_explicit(&a->state, (uint8_t)state, memory_order_release);
  end_here(dead);
}

void node_schedule(node *a, event *done, bool keep_history) {
  a->done = event_keep(done);
  let_go(a, keep_history, NODE_SCHEDULED);
}

void node_publish(node *a, buffer *b, int64_t offset, const int64_t *strides, bool keep_history) {
  event *done = take_event(a);
  a->buffer = b;
  a->offset = offset;
  if (strides)
    memcpy(node_strides(a), strides, a->ndim * sizeof *strides);
  else
    shape_row_major(a->ndim, a->shape, node_strides(a));
  let_go(a, keep_history, NODE_READY);
  event_release(done);
}

void node_publish_many(node *a, buffer **results, bool keep_history) {
  event *done = take_event(a);
  a->results = results;
  let_go(a, keep_history, NODE_READY);
  event_release(done);
}

void node_publish_error(node *a, error *e) {
  event *done = take_event(a);
  a->error = error_keep(e);
  let_go(a, false, NODE_FAILED);
  event_release(done);
}

void node_forget(node *a) {
  if (node_state_of(a) == NODE_PENDING || !a->in) return;
  node *dead = NULL, **in = a->in;
  a->in = NULL;
  for (int i = 0; i < a->n_in; i++) drop(in[i], 1, &dead);
  end_here(dead);
}
