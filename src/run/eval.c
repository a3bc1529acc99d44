/* eval.c: computes arrays: walks what they are made of, gives each stream its part as a plan, and makes the results the arrays'
   values.

   What runs on different streams is cut into groups by level: an edge from one stream to another starts a new level. A group is one
   plan and one job on its stream; an event tells when its results are there:

       level 0   stream a: exp, add        stream b: sort
                        │        \           │
       level 1   stream a: log     matmul  (waits for the event of b)

   Uses plan/, graph/, device/. */
#include "run/run.h"
#include <stdlib.h>

/* A pending node that is needed. */
typedef struct visit {
  node *node;
  int32_t level;
  int32_t edges; /* from other nodes of this walk */
  bool wanted;   /* gets its value; others are made on the way and forgotten */
  const error *failed;
} visit;

typedef struct way {
  node *node;
  int next;
} way;

typedef struct group {
  int32_t level;
  stream *stream;
  node **wanted; /* each with a reference */
  size_t n_wanted, room;
  struct job *job;
} group;

typedef struct walk {
  uint64_t epoch;
  visit *visits; /* operands before users */
  size_t n_visits, visits_room;
  way *stack;
  size_t depth, stack_room;
  group *groups;
  size_t n_groups, groups_room;
  event **events; /* to wait for */
  size_t n_events, events_room;
} walk;

static void walk_free(walk *w) {
  for (size_t i = 0; i < w->n_groups; i++) {
    for (size_t k = 0; k < w->groups[i].n_wanted; k++) pons_release(w->groups[i].wanted[k]);
    mem_free(w->groups[i].wanted);
  }
  for (size_t i = 0; i < w->n_events; i++) event_release(w->events[i]);
  mem_free(w->visits);
  mem_free(w->stack);
  mem_free(w->groups);
  mem_free(w->events);
}

/* ---- walking ---- */

static visit *visit_of(const walk *w, const node *n) {
  return n->mark >> 32 == w->epoch ? &w->visits[n->mark & UINT32_MAX] : NULL;
}

static bool push(walk *w, node *n) {
  if (!mem_room(&w->stack, &w->stack_room, w->depth + 1, sizeof *w->stack)) return false;
  w->stack[w->depth++] = (way){n, 0};
  return true;
}

/* All operands have been visited: the node's level and error follow from theirs. */
static bool visit_node(walk *w, node *n) {
  if (w->n_visits >= INT32_MAX || !mem_room(&w->visits, &w->visits_room, w->n_visits + 1, sizeof *w->visits)) return false;
  visit v = {.node = n};
  const int n_in = plan_operands_of(n);
  for (int i = 0; i < n_in; i++) {
    const visit *from = visit_of(w, n->in[i]);
    if (!from) {
      if (node_failed(n->in[i])) v.failed = n->in[i]->error;
      continue;
    }
    if (from->failed) v.failed = from->failed;
    const int32_t level = from->level + (from->node->stream != n->stream);
    if (level > v.level) v.level = level;
  }
  for (int i = 0; i < n_in; i++) {
    visit *from = visit_of(w, n->in[i]);
    if (from && (from->level != v.level || from->node->stream != n->stream)) from->wanted = true;
  }
  n->mark = w->epoch << 32 | w->n_visits;
  w->visits[w->n_visits++] = v;
  return true;
}

static bool walk_from(walk *w, node *root) {
  if (node_state_of(root) != NODE_PENDING || visit_of(w, root)) return true;
  if (!push(w, root)) return false;
  while (w->depth) {
    way *top = &w->stack[w->depth - 1];
    if (top->next < plan_operands_of(top->node)) {
      node *child = top->node->in[top->next++];
      if (node_state_of(child) == NODE_PENDING && !visit_of(w, child) && !push(w, child)) return false;
    } else {
      node *n = top->node;
      w->depth--;
      if (!visit_node(w, n)) return false;
    }
  }
  return true;
}

/* Nodes that someone besides this walk and the scopes holds get their value too. */
static void want_what_is_held(walk *w) {
  for (size_t i = 0; i < w->n_visits; i++) {
    node *n = w->visits[i].node;
    for (int k = 0; k < n->n_in; k++) {
      visit *from = visit_of(w, n->in[k]);
      if (from) from->edges++;
    }
  }
  for (size_t i = 0; i < w->n_visits; i++) {
    const node *n = w->visits[i].node;
    const int outside = atomic_load(&((node *)n)->refs) - atomic_load(&((node *)n)->scope_refs);
    if (outside > w->visits[i].edges && n->prim != &prim_input) w->visits[i].wanted = true;
  }
}

static group *group_for(walk *w, const visit *v) {
  for (size_t i = 0; i < w->n_groups; i++)
    if (w->groups[i].level == v->level && w->groups[i].stream == v->node->stream) return &w->groups[i];
  if (!mem_room(&w->groups, &w->groups_room, w->n_groups + 1, sizeof *w->groups)) return NULL;
  w->groups[w->n_groups] = (group){.level = v->level, .stream = v->node->stream};
  return &w->groups[w->n_groups++];
}

static int by_level(const void *a, const void *b) {
  const group *x = a, *y = b;
  return (x->level > y->level) - (x->level < y->level);
}

/* What is wanted goes to its group, lower levels first; what has failed gets its error. */
static bool make_groups(walk *w) {
  for (size_t i = 0; i < w->n_visits; i++) {
    const visit *v = &w->visits[i];
    if (!v->wanted || v->failed) continue;
    group *g = group_for(w, v);
    if (!g || !mem_room(&g->wanted, &g->room, g->n_wanted + 1, sizeof *g->wanted)) return false;
    g->wanted[g->n_wanted++] = pons_keep(v->node);
  }
  for (size_t i = 0; i < w->n_visits; i++)
    if (w->visits[i].wanted && w->visits[i].failed) node_publish_error(w->visits[i].node, (error *)w->visits[i].failed);
  if (w->n_groups > 1) qsort(w->groups, w->n_groups, sizeof *w->groups, by_level);
  return true;
}

/* ---- a group's job ---- */

typedef struct job {
  plan *plan;
  plan_leaf *leaves;
  workspace *workspace;
  run_input *in;
  run_output *out;
  node **wanted;
  int n_wanted;
  event *done;
} job;

static void release_inputs(job *j) {
  for (int i = 0; i < j->plan->n_inputs; i++) {
    buffer_release(j->in[i].buffer);
    j->in[i].buffer = NULL;
    pons_release(j->leaves[i].node);
    j->leaves[i].node = NULL;
  }
  workspace_free(j->workspace);
  j->workspace = NULL;
}

static void job_free(job *j) {
  release_inputs(j);
  for (int i = 0; i < j->n_wanted; i++) pons_release(j->wanted[i]);
  plan_free(j->plan);
  event_release(j->done);
  mem_free(j);
}

/* Waits until the input has its value, and tells its error. */
static error *wait_for(const plan_leaf *leaf) {
  graph_lock();
  event *done = node_state_of(leaf->node) == NODE_SCHEDULED ? event_keep(leaf->node->done) : NULL;
  graph_unlock();
  if (done) event_wait(done);
  event_release(done);
  return node_failed(leaf->node) ? error_keep(leaf->node->error) : NULL;
}

/* Under graph_lock: binds an input that has its value. */
static void bind_ready(const job *j, int i) {
  const plan_leaf *leaf = &j->leaves[i];
  const node *n = leaf->node;
  if (node_state_of(n) != NODE_READY) return;
  buffer *b = leaf->result >= 0 ? n->results[leaf->result] : n->buffer;
  j->in[i] = (run_input){buffer_keep(b), leaf->result >= 0 ? buffer_data(b) : node_data(n), false};
}

/* Binds an input that was not there when the plan was made: then it is expected in row-major order. */
static error *bind_late(const job *j, int i) {
  const plan_leaf *leaf = &j->leaves[i];
  node *n = leaf->node;
  error *why = NULL;
  graph_lock();
  if (leaf->result >= 0 || shape_is_row_major(n->ndim, n->shape, n->strides)) {
    bind_ready(j, i);
  } else {
    const operand x = {node_data(n), (pons_dtype)n->dtype, n->ndim, n->shape, n->strides};
    buffer *b = run_row_major(j->plan->device, &x, &why);
    if (b) j->in[i] = (run_input){b, buffer_data(b), false};
  }
  graph_unlock();
  return why;
}

/* Waits for every input that was not there yet, and binds it. */
static error *bind_inputs(const job *j) {
  error *why = NULL;
  for (int i = 0; i < j->plan->n_inputs; i++) {
    if (j->in[i].buffer) continue;
    error *e = wait_for(&j->leaves[i]);
    if (!e) e = bind_late(j, i);
    if (!why) why = e;
    else error_release(e);
  }
  return why;
}

/* Nobody can come to hold a node that only this job holds, so its buffer may be overwritten. */
static void allow_taking(const job *j) {
  for (int i = 0; i < j->plan->n_inputs; i++) {
    node *n = j->leaves[i].node;
    if (j->leaves[i].result >= 0 || j->in[i].buffer != n->buffer) continue;
    if (atomic_load(&n->refs) != 1) continue;
    pons_release(n);
    j->leaves[i].node = NULL;
    j->in[i].may_take = buffer_is_sole(j->in[i].buffer);
  }
}

static bool keeps_history(const node *n) { return n->traced && trace_is_open(); }

static void publish_results(node *n, run_output *out) {
  buffer **results = mem_alloc((size_t)n->n_out * sizeof *results);
  error *why = results ? NULL : fail_no_memory("eval");
  for (int i = 0; i < n->n_out; i++)
    if (out[i].failed && !why) why = error_keep(out[i].failed);
  for (int i = 0; i < n->n_out; i++) {
    if (why) buffer_release(out[i].buffer);
    else results[i] = out[i].buffer;
    error_release(out[i].failed);
  }
  if (why) {
    mem_free(results);
    node_publish_error(n, why);
    error_release(why);
  } else {
    node_publish_many(n, results, keeps_history(n));
  }
}

static void publish(node *n, const plan_output *o, run_output *out) {
  if (out->buffer) {
    node_publish(n, out->buffer, out->offset, o->strides, keeps_history(n));
  } else {
    node_publish_error(n, out->failed);
    error_release(out->failed);
  }
}

static void publish_all(const job *j) {
  graph_lock();
  int at = 0;
  for (int i = 0; i < j->n_wanted; i++) {
    node *n = j->wanted[i];
    if (n->n_out > 1) publish_results(n, &j->out[at]);
    else publish(n, &j->plan->outputs[at], &j->out[at]);
    at += n->n_out;
  }
  graph_unlock();
}

/* Takes the reference to `why`. */
static void job_fail(const job *j, error *why) {
  graph_lock();
  for (int i = 0; i < j->n_wanted; i++) node_publish_error(j->wanted[i], why);
  graph_unlock();
  error_release(why);
}

static void job_run(void *context) {
  job *j = context;
  error *why = bind_inputs(j);
  if (why) {
    job_fail(j, why);
  } else {
    allow_taking(j);
    plan_execute(j->plan, j->workspace, j->in, j->out);
    publish_all(j);
  }
  release_inputs(j); /* before the event: who waits may ask what memory is in use */
  event_set(j->done);
  job_free(j);
}

/* Room for everything the job will need, so that nothing but buffers can fail later. */
static job *job_new(const group *g, error **why) {
  const plan_request request = {.device = stream_device(g->stream), .wanted = g->wanted, .n_wanted = (int)g->n_wanted};
  plan_leaf *leaves;
  plan *p = plan_make(&request, &leaves, why);
  if (!p) return NULL;
  const size_t n_in = (size_t)p->n_inputs, n_out = (size_t)p->n_outputs;
  job *j = mem_zalloc(sizeof *j + n_in * sizeof *j->in + n_out * sizeof *j->out + g->n_wanted * sizeof *j->wanted);
  if (!j) {
    for (size_t i = 0; i < n_in; i++) pons_release(leaves[i].node);
    plan_free(p);
    *why = fail_no_memory("eval");
    return NULL;
  }
  j->plan = p;
  j->leaves = leaves;
  j->in = (run_input *)(j + 1);
  j->out = (run_output *)(j->in + n_in);
  j->wanted = (node **)(j->out + n_out);
  j->workspace = workspace_new(p);
  j->done = event_new();
  for (int i = 0; i < p->n_inputs; i++) bind_ready(j, i);
  if (j->workspace && j->done) return j;
  job_free(j);
  *why = fail_no_memory("eval");
  return NULL;
}

/* ---- eval ---- */

static bool add_event(walk *w, event *e) {
  if (!mem_room(&w->events, &w->events_room, w->n_events + 1, sizeof *w->events)) return false;
  w->events[w->n_events++] = event_keep(e);
  return true;
}

/* Walks and groups what has to be computed, and notes what is being computed already. */
static bool prepare(walk *w, const pons_array *arrays, int count) {
  w->epoch = walk_epoch();
  for (int i = 0; i < count; i++) {
    if (!walk_from(w, arrays[i])) return false;
    visit *v = visit_of(w, arrays[i]);
    if (v) v->wanted = true;
    if (node_state_of(arrays[i]) == NODE_SCHEDULED && !add_event(w, arrays[i]->done)) return false;
  }
  want_what_is_held(w);
  return make_groups(w);
}

/* Plans the group and makes its nodes scheduled: from then on they are inputs for others. */
static job *schedule(walk *w, group *g, error **why) {
  job *j = job_new(g, why);
  if (!j) return NULL;
  if (!add_event(w, j->done)) {
    job_free(j);
    *why = fail_no_memory("eval");
    return NULL;
  }
  for (size_t i = 0; i < g->n_wanted; i++) j->wanted[i] = g->wanted[i];
  j->n_wanted = (int)g->n_wanted;
  g->n_wanted = 0;
  for (int i = 0; i < j->n_wanted; i++) node_schedule(j->wanted[i], j->done, keeps_history(j->wanted[i]));
  return j;
}

static void launch_job(const group *g) {
  job *j = g->job;
  if (stream_run(g->stream, false, job_run, j)) return;
  job_fail(j, fail_no_memory("eval"));
  event_set(j->done);
  job_free(j);
}

/* Starts everything. With wait_here the caller will wait, so the last part may run on this thread. Jobs take their places on
   the streams under the lock: were one to get there before a job scheduled earlier, both could wait for each other. */
static error *start(walk *w, const pons_array *arrays, int count, bool wait_here) {
  graph_lock();
  error *why = prepare(w, arrays, count) ? NULL : fail_no_memory("eval");
  const group *here = NULL;
  for (size_t n = 0; !why && n < w->n_groups; n++) {
    group *g = &w->groups[n];
    if (!(g->job = schedule(w, g, &why))) break;
    show_plan(g->job->plan);
    if (wait_here && n + 1 == w->n_groups && stream_claim(g->stream)) here = g;
    else launch_job(g);
  }
  graph_unlock();
  if (here) {
    job_run(here->job);
    stream_end(here->stream);
  }
  return why;
}

static bool is_computed(const pons_array *arrays, int count) {
  for (int i = 0; i < count; i++)
    if (node_state_of(arrays[i]) != NODE_READY) return false;
  return true;
}

static bool eval(const pons_array *arrays, int count, bool wait_here) {
  for (int i = 0; i < count; i++) {
    if (arrays[i]) continue;
    error_release(fail("eval", "array %d of %d is NULL", i, count));
    return false;
  }
  if (is_computed(arrays, count)) return true;
  show_graph(arrays, count);
  walk w = {0};
  error *why = start(&w, arrays, count, wait_here);
  for (size_t i = 0; wait_here && i < w.n_events; i++) event_wait(w.events[i]);
  walk_free(&w);
  bool fine = !why;
  error_release(why);
  for (int i = 0; fine && i < count; i++) {
    if (!node_failed(arrays[i])) continue;
    error_meet(arrays[i]->error);
    fine = false;
  }
  return fine;
}

bool pons_eval_many(const pons_array *arrays, int count) { return eval(arrays, count, true); }
bool pons_async_eval_many(const pons_array *arrays, int count) { return eval(arrays, count, false); }
