/* eval.c: computes arrays: walks what they are made of, gives each stream its part as a plan, and makes the
   results the arrays' values.

   What runs on different streams is cut into groups by level: an edge from one stream to another starts a new
   level. A group is one plan and one job on its stream; an event tells when its results are there:

       level 0   stream a: exp, add        stream b: sort
                        │        \           │
       level 1   stream a: log     matmul  (waits for the event of b)

   Uses plan/, graph/, device/. */
#include "run/job.h"
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
  int next, n_in; /* the operand to be looked at next, of so many */
} way;

typedef struct group {
  int32_t level;
  stream *stream;
  node **wanted; /* each with a reference */
  size_t n_wanted, room;
} group;

/* Lists of a walk, kept from one to the next: fresh memory costs more than what is done with it. */
typedef struct lists {
  visit *visits; /* operands before users */
  size_t visits_room;
  way *stack;
  size_t stack_room;
} lists;
static lists kept; /* graph_lock is held */

typedef struct walk {
  uint64_t epoch;
  size_t n_visits, depth;
  bool any_failed, any_lend, any_level; /* among what was visited: an error; an input that lends its shape; a level above 0 */
  group *groups;
  size_t n_groups, groups_room;
  event **events; /* to wait for */
  size_t n_events, events_room;
} walk;

static void release_wanted(group *g) {
  for (size_t i = 0; i < g->n_wanted; i++) pons_release(g->wanted[i]);
  mem_free(g->wanted);
  *g = (group){.level = g->level, .stream = g->stream};
}

static void walk_free(walk *w) {
  for (size_t i = 0; i < w->n_groups; i++) release_wanted(&w->groups[i]);
  for (size_t i = 0; i < w->n_events; i++) event_release(w->events[i]);
  mem_free(w->groups);
  mem_free(w->events);
}

static void give_back_long_lists(void) {
  enum { KEPT_ENTRIES = 1 << 15 };
  if (kept.visits_room <= KEPT_ENTRIES && kept.stack_room <= KEPT_ENTRIES) return;
  mem_free(kept.visits);
  mem_free(kept.stack);
  kept = (lists){0};
}

/* ---- walking ---- */

static visit *visit_of(const walk *w, const node *n) {
  return n->mark >> 32 == w->epoch ? &kept.visits[n->mark & UINT32_MAX] : NULL;
}

static bool push(walk *w, node *n) {
  if (!mem_room(&kept.stack, &kept.stack_room, w->depth + 1, sizeof *kept.stack)) return false;
  kept.stack[w->depth++] = (way){n, 0, plan_operands_of(n)};
  return true;
}

/* All operands have been visited: the node's level and error follow from theirs. */
static bool visit_node(walk *w, node *n, int n_in) {
  if (w->n_visits >= INT32_MAX ||
      !mem_room(&kept.visits, &kept.visits_room, w->n_visits + 1, sizeof *kept.visits))
    return false;
  visit *v = &kept.visits[w->n_visits];
  *v = (visit){.node = n};
  for (int i = 0; i < n_in; i++) {
    const node *x = n->in[i];
    visit *from = visit_of(w, x);
    if (!from) {
      if (node_failed(x)) v->failed = x->error;
      continue;
    }
    if (from->failed) v->failed = from->failed;
    from->edges++;
    const int32_t level = from->level + (x->stream != n->stream);
    if (level > v->level) v->level = level;
  }
  w->any_failed |= v->failed != NULL;
  w->any_lend |= n_in < n->n_in;
  w->any_level |= v->level > 0;
  for (int i = 0; w->any_level && i < n_in; i++) {
    visit *from = visit_of(w, n->in[i]);
    if (from && (from->level != v->level || from->node->stream != n->stream)) from->wanted = true;
  }
  n->mark = w->epoch << 32 | w->n_visits++;
  return true;
}

static bool walk_from(walk *w, node *root) {
  if (node_state_of(root) != NODE_PENDING || visit_of(w, root)) return true;
  if (!push(w, root)) return false;
  while (w->depth) {
    way *top = &kept.stack[w->depth - 1];
    node *n = top->node, *child = NULL;
    for (; !child && top->next < top->n_in; top->next++)
      if (node_state_of(n->in[top->next]) == NODE_PENDING && !visit_of(w, n->in[top->next])) child = n->in[top->next];
    if (child) {
      if (!push(w, child)) return false;
    } else {
      if (!visit_node(w, n, top->n_in)) return false;
      w->depth--;
    }
  }
  return true;
}

/* Inputs that only lend their shapes may have been met later than the node. */
static void count_lenders(walk *w) {
  for (size_t i = 0; i < w->n_visits; i++) {
    const node *n = kept.visits[i].node;
    for (int k = plan_operands_of(n); k < n->n_in; k++) {
      visit *from = visit_of(w, n->in[k]);
      if (from) from->edges++;
    }
  }
}

/* Someone besides this walk and the scopes holds the node: it gets its value too. A call of other processes is made once: there scopes
   count. */
static bool is_held(const visit *v) {
  const uint32_t holders = v->node->prim->ordered ? node_refs(v->node) : node_holders(v->node);
  return holders > (uint32_t)v->edges && v->node->prim != &prim_input;
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
  if (w->any_lend) count_lenders(w);
  for (size_t i = 0; i < w->n_visits; i++) {
    visit *v = &kept.visits[i];
    v->wanted |= is_held(v);
    if (!v->wanted || v->failed) continue;
    group *g = group_for(w, v);
    if (!g || !mem_room(&g->wanted, &g->room, g->n_wanted + 1, sizeof *g->wanted)) return false;
    g->wanted[g->n_wanted++] = pons_keep(v->node);
  }
  for (size_t i = 0; w->any_failed && i < w->n_visits; i++)
    if (kept.visits[i].wanted && kept.visits[i].failed)
      node_publish_error(kept.visits[i].node, (error *)kept.visits[i].failed);
  if (w->n_groups > 1) qsort(w->groups, w->n_groups, sizeof *w->groups, by_level);
  return true;
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
  return make_groups(w);
}

/* The plan goes with the job. */
static void end_job(job *j) {
  plan *p = (plan *)j->plan;
  job_free(j);
  plan_free(p);
}

static job *job_for(const group *g, error **why) {
  const plan_request request = {
      .device = stream_device(g->stream), .wanted = g->wanted, .n_wanted = (int)g->n_wanted};
  plan_leaf *leaves;
  plan *p = plan_make(&request, &leaves, why);
  if (!p) return NULL;
  job *j = job_new(p, true, (int)g->n_wanted, why);
  for (int i = 0; i < p->n_inputs; i++) {
    if (j) job_bind(j, i, leaves[i]);
    pons_release(leaves[i].node);
  }
  if (j)
    j->end = end_job;
  else
    plan_free(p);
  return j;
}

/* Plans the group and makes its nodes scheduled: from then on they are inputs for others. */
static job *schedule(walk *w, group *g, error **why) {
  job *j = job_for(g, why);
  if (!j) return NULL;
  const bool fine =
      mem_room(&w->events, &w->events_room, w->n_events + 1, sizeof *w->events) && job_begin(j, g->wanted);
  if (!fine) {
    end_job(j);
    *why = fail_no_memory("eval");
    return NULL;
  }
  add_event(w, j->done);
  release_wanted(g); /* the job holds them */
  return j;
}

/* An array that can't be computed, as is known without computing anything. */
static error *known_failure(const pons_array *arrays, int count) {
  for (int i = 0; i < count; i++)
    if (node_failed(arrays[i])) return error_keep(arrays[i]->error);
  return NULL;
}

/* Starts everything. With wait_here the caller will wait, so the last part may run on this thread. Jobs take
   their places on the streams under the lock: were one to get there before a job scheduled earlier, both
   could wait for each other. */
static error *start(walk *w, const pons_array *arrays, int count, bool wait_here) {
  graph_lock();
  if (plan_is_under_way()) {
    graph_unlock();
    return fail("eval", "a decomposition asks for values while it is planned");
  }
  error *why = prepare(w, arrays, count) ? NULL : fail_no_memory("eval");
  error *known = why || wait_here ? NULL : known_failure(arrays, count);
  give_back_long_lists();
  job *here = NULL;
  for (size_t i = 0; !why && i < w->n_groups; i++) {
    group *g = &w->groups[i];
    job *j = schedule(w, g, &why);
    if (!j) break;
    show_plan(j->plan);
    if (job_take_place(j, g->stream, wait_here && i + 1 == w->n_groups)) here = j;
  }
  graph_unlock();
  if (here) job_run_here(here);
  if (!why) return known;
  error_release(known);
  return why;
}

static bool is_computed(const pons_array *arrays, int count) {
  for (int i = 0; i < count; i++)
    if (node_state_of(arrays[i]) != NODE_READY) return false;
  return true;
}

/* What was launched on a device may still go on there. */
static error *finish(const pons_array *arrays, int count) {
  error *why = NULL;
  for (int i = 0; i < count && !why; i++)
    if (node_state_of(arrays[i]) == NODE_READY && arrays[i]->n_out == 1 && arrays[i]->buffer)
      why = buffer_finish(arrays[i]->buffer);
  return why;
}

static bool told(error *why) {
  error_meet(why);
  error_release(why);
  return !why;
}

/* How long the caller waits. */
typedef enum patience { UNTIL_KNOWN, UNTIL_LAUNCHED, UNTIL_DONE } patience;

static bool eval(const pons_array *arrays, int count, patience until) {
  const bool wait_here = until != UNTIL_KNOWN;
  for (int i = 0; i < count; i++) {
    if (arrays[i]) continue;
    error_release(fail("eval", "array %d of %d is NULL", i, count));
    return false;
  }
  if (is_computed(arrays, count)) return told(until == UNTIL_DONE ? finish(arrays, count) : NULL);
  show_graph(arrays, count);
  walk w = {0};
  error *why = start(&w, arrays, count, wait_here);
  for (size_t i = 0; wait_here && i < w.n_events; i++) event_wait(w.events[i]);
  walk_free(&w);
  if (!why && wait_here) why = known_failure(arrays, count);
  if (!why && until == UNTIL_DONE) why = finish(arrays, count);
  return told(why);
}

static _Thread_local unsigned failures;
unsigned eval_failures(void) { return failures; }

static bool counted(bool fine) {
  failures += !fine;
  return fine;
}

bool pons_eval_many(const pons_array *arrays, int count) { return counted(eval(arrays, count, UNTIL_DONE)); }
bool pons_async_eval_many(const pons_array *arrays, int count) { return counted(eval(arrays, count, UNTIL_KNOWN)); }
bool eval_inputs(const pons_array *arrays, int count) { return counted(eval(arrays, count, UNTIL_LAUNCHED)); }
