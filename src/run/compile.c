/* compile.c: functions with kept plans. For each signature (dtypes and shapes of the inputs, which of them
   are weak, and the device) the function is called once on placeholders, and what comes out is planned; later
   calls run the plan on buffers:

       compiled ── variants, the latest first ── plan ── job, idle or in use

   A shapeless function is called once for all sizes; what came of it is made again for each (graph/again.c).

   Where an input is pending, a function of few nodes is put into the graph: it is planned together with what it reads and with
   what reads it, and nobody waits, as language models want it that compile an activation. For others the input is computed first.

   What does not depend on the inputs is computed when the function is traced and bound for good. Inside
   another trace (a gradient, a batch, an export) the function itself is called, so that the trace sees what
   it does. Uses job.c, plan/, graph/. */
#include "run/job.h"
#include <pthread.h>
#include <stdlib.h>

enum { MAX_VARIANTS = 64, FEW_NODES = 64 };

/* Where a result comes from. */
typedef struct origin {
  enum { FROM_PLAN, FROM_INPUT, FROM_CONSTANT } kind;
  int index;      /* of the plan's output or of the input */
  node *constant; /* with a reference */
} origin;

/* One signature. */
typedef struct variant {
  atomic_int refs;
  struct variant *next;
  device *device;
  int n_in, n_out, n_results; /* n_results: outputs of the plan */
  spec *in;
  bool *weak; /* the inputs that give way in promotion */
  origin *out;
  int64_t tag; /* of the results */
  spec *results;
  traced *few; /* what was traced, if it is of few nodes; or NULL */
  plan *plan;
  plan_leaf *constants; /* the plan's inputs behind the first n_in */
  _Atomic(job *) idle;
} variant;

/* What came of a call of the function, whatever the sizes. */
typedef struct sizeless {
  struct sizeless *next;
  device *device;
  traced traced;
} sizeless;

typedef struct compiled {
  function head;
  function *f;
  bool shapeless;
  pthread_mutex_t lock;
  variant *variants;
  sizeless *traces; /* shapeless: the latest first */
} compiled;

/* Stands for a result until the plan has run. */
static const prim prim_compiled = {.name = "Compiled", .opaque = true};

/* ---- variants ---- */

static void variant_release(variant *v) {
  if (!v || atomic_fetch_sub(&v->refs, 1) != 1) return;
  job *idle = atomic_load(&v->idle);
  if (idle) job_free(idle);
  for (int i = 0; v->plan && i < v->plan->n_inputs - v->n_in; i++) pons_release(v->constants[i].node);
  for (int i = 0; v->out && i < v->n_out; i++) pons_release(v->out[i].constant);
  if (v->few) traced_free(v->few);
  mem_free(v->few);
  plan_free(v->plan);
  mem_free(v->in);
  mem_free(v->weak);
  mem_free(v->out);
  mem_free(v->results);
  mem_free(v);
}

static variant *variant_new(int n_in, int n_out, int64_t tag) {
  variant *v = mem_zalloc(sizeof *v);
  if (!v) return NULL;
  atomic_init(&v->refs, 1);
  v->device = stream_device(stream_current());
  v->n_in = n_in;
  v->n_out = n_out;
  v->tag = tag;
  v->in = mem_alloc((size_t)(n_in + 1) * sizeof *v->in);
  v->weak = mem_alloc((size_t)(n_in + 1) * sizeof *v->weak);
  v->out = mem_zalloc((size_t)(n_out + 1) * sizeof *v->out);
  v->results = mem_alloc((size_t)(n_out + 1) * sizeof *v->results);
  if (v->in && v->weak && v->out && v->results) return v;
  variant_release(v);
  return NULL;
}

static bool fits(const variant *v, const device *d, const pons_array *in, int n_in) {
  if (v->n_in != n_in || v->device != d) return false;
  for (int i = 0; i < n_in; i++)
    if ((int)v->in[i].dtype != in[i]->dtype || v->weak[i] != in[i]->weak ||
        !shape_equal(v->in[i].shape.n, v->in[i].shape.dims, in[i]->ndim, in[i]->shape))
      return false;
  return true;
}

/* The variant that fits, with a reference; it becomes the first. NULL: none. */
static variant *find(compiled *c, const pons_array *in, int n_in) {
  const device *d = stream_device(stream_current());
  pthread_mutex_lock(&c->lock);
  variant **at = &c->variants;
  while (*at && !fits(*at, d, in, n_in)) at = &(*at)->next;
  variant *v = *at;
  if (v) {
    *at = v->next;
    v->next = c->variants;
    c->variants = v;
    atomic_fetch_add(&v->refs, 1);
  }
  pthread_mutex_unlock(&c->lock);
  return v;
}

/* Adds it as the first; the one that was used longest ago goes if there are too many. */
static void add(compiled *c, variant *v) {
  pthread_mutex_lock(&c->lock);
  atomic_fetch_add(&v->refs, 1);
  v->next = c->variants;
  c->variants = v;
  variant **at = &v->next;
  for (int n = 1; n < MAX_VARIANTS && *at; n++) at = &(*at)->next;
  variant *oldest = *at;
  *at = NULL;
  pthread_mutex_unlock(&c->lock);
  variant_release(oldest);
}

/* ---- tracing ---- */

static bool is_computed(const node *n) { return node_state_of(n) != NODE_PENDING; }

static int place_in(node *const *list, int n, const node *a) {
  for (int i = 0; i < n; i++)
    if (list[i] == a) return i;
  return -1;
}

/* A row of repeated scalars, such as 1 / (2 everywhere): as an array it would only be read. The kernel that reads it makes it. */
static bool is_row_of_scalars(const node *n) {
  if (!n->prim || !n->prim->row || n->size == 1) return false;
  for (int i = 0; i < n->n_in; i++) {
    const node *x = n->in[i];
    const bool repeats = !is_computed(x) && strcmp(x->prim->name, "Broadcast") == 0 && x->in[0]->size == 1;
    if (!repeats) return false;
  }
  return true;
}

/* Values that do not depend on the placeholders, as far down as they are asked for, are computed now. */
static bool compute_constants(const traced *t, const tape *walked) {
  node **found = mem_alloc((size_t)(walked->count + 1) * sizeof *found);
  if (!found) {
    error_release(fail_no_memory("compile"));
    return false;
  }
  int n = 0;
  graph_lock();
  const uint64_t epoch = walk_epoch();
  for (int64_t i = 0; i < walked->count + t->n_out; i++) { /* what traced nodes read, and the results */
    const bool result = i >= walked->count;
    const tape_item *item = result ? NULL : &walked->at[i];
    node *const *from = result ? &t->out[i - walked->count] : item->in;
    const int count = result ? 1 : item->node->traced ? item->n_in : 0;
    for (int k = 0; k < count; k++) {
      if (from[k]->traced || is_computed(from[k]) || from[k]->mark >> 32 == epoch) continue;
      if (!result && is_row_of_scalars(from[k])) continue;
      from[k]->mark = epoch << 32;
      found[n++] = from[k];
    }
  }
  graph_unlock();
  const bool fine = pons_eval_many(found, n);
  mem_free(found);
  return fine;
}

/* Does it depend on another trace than ours? Then its gradient must pass, which a plan does not let. */
static bool is_part_of_other_trace(const traced *t, const tape *walked) {
  for (int64_t i = 0; i < walked->count; i++) {
    const tape_item *item = &walked->at[i];
    const prim *p = item->node->prim;
    if (!item->node->traced || (p && p->ordered) || place_in(t->in, t->n_in, item->node) >= 0) continue;
    bool from_traced = false;
    for (int k = 0; k < item->n_in; k++) from_traced |= item->in[k]->traced;
    if (!from_traced) return true;
  }
  return false;
}

static void keep_origins(variant *v, const traced *t, node **wanted) {
  for (int i = 0; i < v->n_out; i++) {
    node *y = t->out[i];
    const int input = place_in(t->in, t->n_in, y);
    if (input >= 0) {
      v->out[i] = (origin){FROM_INPUT, input, NULL};
    } else if (is_computed(y)) {
      v->out[i] = (origin){FROM_CONSTANT, 0, pons_keep(y)};
    } else {
      int at = place_in(wanted, v->n_results, y);
      if (at < 0) {
        at = v->n_results++;
        wanted[at] = y;
        v->results[at] = (spec){(pons_dtype)y->dtype, node_shape(y)};
      }
      v->out[i] = (origin){FROM_PLAN, at, NULL};
    }
  }
}

static bool make_plan(variant *v, const traced *t, node **wanted) {
  graph_lock();
  keep_origins(v, t, wanted);
  const plan_request request = {.device = v->device,
                                .wanted = wanted,
                                .n_wanted = v->n_results,
                                .placeholders = t->in,
                                .n_placeholders = t->n_in};
  error *why = NULL;
  plan_leaf *leaves;
  v->plan = plan_make(&request, &leaves, &why);
  graph_unlock();
  error_release(why);
  if (!v->plan) return false;
  for (int i = 0; i < t->n_in; i++) pons_release(leaves[i].node);
  v->constants = leaves + t->n_in;
  show_plan(v->plan);
  return true;
}

/* False: no memory. */
static bool keep_few(variant *v, const traced *t, const tape *walked) {
  if (walked->count > FEW_NODES) return true;
  traced *few = mem_alloc(sizeof *few);
  if (few && traced_share(t, few)) {
    v->few = few;
    return true;
  }
  mem_free(few);
  error_release(fail_no_memory("compile"));
  return false;
}

/* Lets go of the tape before the plan is made, which asks how many hold a node. */
static bool fill(variant *v, const traced *t, tape *walked) {
  for (int i = 0; i < t->n_in; i++) {
    v->in[i] = (spec){(pons_dtype)t->in[i]->dtype, node_shape(t->in[i])};
    v->weak[i] = t->in[i]->weak;
  }
  if (!compute_constants(t, walked) || !keep_few(v, t, walked)) return false;
  tape_free(walked);
  node **wanted = mem_alloc((size_t)(t->n_out + 1) * sizeof *wanted);
  if (!wanted) error_release(fail_no_memory("compile"));
  const bool fine = wanted && make_plan(v, t, wanted);
  mem_free(wanted);
  return fine;
}

static void fail_trace(result_list *out) {
  const char *why = pons_error();
  results_fail(out, why ? fail_as(pons_last_error_kind(), "compile", "the function can't be traced: %s", why)
                        : fail_no_memory("compile"));
}

/* ---- shapeless functions: one trace for all sizes ---- */

static bool fits_ranks(const sizeless *s, const device *d, const pons_array *in, int n_in) {
  if (s->traced.n_in != n_in || s->device != d) return false;
  for (int i = 0; i < n_in; i++) {
    const node *x = s->traced.in[i];
    if (x->dtype != in[i]->dtype || x->weak != in[i]->weak || x->ndim != in[i]->ndim) return false;
  }
  return true;
}

/* The trace that fits, shared. */
static bool find_trace(compiled *c, const pons_array *in, int n_in, traced *t) {
  const device *d = stream_device(stream_current());
  pthread_mutex_lock(&c->lock);
  const sizeless *s = c->traces;
  while (s && !fits_ranks(s, d, in, n_in)) s = s->next;
  const bool fine = s && traced_share(&s->traced, t);
  pthread_mutex_unlock(&c->lock);
  return fine;
}

static void free_traces(sizeless *s) {
  while (s) {
    sizeless *next = s->next;
    traced_free(&s->traced);
    mem_free(s);
    s = next;
  }
}

/* Keeps it for other sizes; the oldest go if there are too many. False: no memory. */
static bool keep_trace(compiled *c, const traced *t) {
  sizeless *s = mem_alloc(sizeof *s);
  if (!s || !traced_share(t, &s->traced)) {
    mem_free(s);
    error_release(fail_no_memory("compile"));
    return false;
  }
  s->device = stream_device(stream_current());
  pthread_mutex_lock(&c->lock);
  s->next = c->traces;
  c->traces = s;
  sizeless **at = &s->next;
  for (int n = 1; n < MAX_VARIANTS && *at; n++) at = &(*at)->next;
  sizeless *oldest = *at;
  *at = NULL;
  pthread_mutex_unlock(&c->lock);
  free_traces(oldest);
  return true;
}

/* The function called on placeholders. */
static bool call_function(compiled *c, const pons_array *in, int n_in, traced *t) {
  const bool before = trace_is_shapeless();
  const unsigned failures = eval_failures();
  trace_set_shapeless(c->shapeless);
  bool fine = function_trace(c->f, in, n_in, t);
  trace_set_shapeless(before);
  if (!fine || eval_failures() == failures) return fine;
  traced_free(t); /* it read a value, and went on with what it was not */
  return false;
}

/* Called, or if it is shapeless what came of a call with any sizes made for these; that stays as it is, for a plan
   computes what is constant in its graph. */
static bool trace_function(compiled *c, const pons_array *in, int n_in, traced *t) {
  if (!c->shapeless) return call_function(c, in, n_in, t);
  traced general;
  if (!find_trace(c, in, n_in, &general)) {
    if (!call_function(c, in, n_in, &general)) return false;
    if (!keep_trace(c, &general)) {
      traced_free(&general);
      return false;
    }
  }
  const bool fine = traced_sized(&general, in, t);
  traced_free(&general);
  return fine;
}

/* A new variant, with a reference. NULL, and what there is to say is in `out`: an error, or the results in
   nodes, for another trace wants to see them. */
static variant *trace(compiled *c, const pons_array *in, int n_in, result_list *out) {
  const bool inside = trace_is_open();
  traced t;
  tape walked = {0};
  if (!trace_function(c, in, n_in, &t)) {
    fail_trace(out);
    return NULL;
  }
  show_graph(t.out, t.n_out);
  variant *v = variant_new(n_in, t.n_out, t.tag);
  bool fine = v && tape_walk(&walked, t.out, t.n_out, t.in, t.n_in);
  if (!fine) error_release(fail_no_memory("compile"));
  const bool again = fine && inside && is_part_of_other_trace(&t, &walked);
  fine = fine && !again && fill(v, &t, &walked);
  if (again)
    traced_again(&t, in, out);
  else if (!fine)
    fail_trace(out);
  tape_free(&walked);
  traced_free(&t);
  if (fine) return v;
  variant_release(v);
  return NULL;
}

/* ---- running ---- */

/* After a run: the job waits for the next, unless another does. */
static void job_rest(job *j) {
  variant *v = j->owner;
  job *none = NULL;
  if (!atomic_compare_exchange_strong(&v->idle, &none, j)) job_free(j);
  variant_release(v);
}

static job *job_for(variant *v) {
  job *j = atomic_exchange(&v->idle, NULL);
  if (j) return j;
  error *why = NULL;
  j = job_new(v->plan, false, v->n_results, &why);
  error_release(why);
  if (!j) return NULL;
  graph_lock();
  j->n_lasting = v->plan->n_inputs - v->n_in;
  for (int i = 0; i < j->n_lasting; i++) job_bind(j, v->n_in + i, v->constants[i]);
  graph_unlock();
  j->end = job_rest;
  j->owner = v;
  return j;
}

/* Starts the plan for `results`, which are pending. False: no memory. */
static bool start(variant *v, const pons_array *in, pons_array *results) {
  job *j = job_for(v);
  if (!j) return false;
  graph_lock();
  const bool fine = job_begin(j, results);
  bool here = false;
  if (fine) {
    atomic_fetch_add(&v->refs, 1);
    for (int i = 0; i < v->n_in; i++) job_bind(j, i, (plan_leaf){in[i], -1});
    here = job_take_place(j, stream_current(), true);
  }
  graph_unlock();
  if (!fine) {
    job_free(j);
    error_release(fail_no_memory("compile"));
  }
  if (here) job_run_here(j);
  return fine;
}

static void replay(variant *v, const pons_array *in, result_list *out) {
  pons_array few[16], *results = v->n_results <= 16 ? few : mem_alloc((size_t)v->n_results * sizeof *results);
  bool fine = results != NULL;
  if (!fine) error_release(fail_no_memory("compile"));
  for (int i = 0; fine && i < v->n_results; i++) {
    const spec *s = &v->results[i];
    results[i] = node_make_as(&prim_compiled, NULL, 0, NULL, s->dtype, s->shape.n, s->shape.dims);
    fine = !node_failed(results[i]);
  }
  fine = fine && (v->n_results == 0 || start(v, in, results));
  if (!fine) results_fail(out, fail_no_memory("compile"));
  for (int i = 0; fine && i < v->n_out; i++) {
    const origin *o = &v->out[i];
    pons_results_add(out, o->kind == FROM_PLAN    ? results[o->index]
                          : o->kind == FROM_INPUT ? in[o->index]
                                                  : o->constant);
  }
  pons_results_set_tag(out, v->tag);
  if (results != few) mem_free(results);
}

/* Does a trace that is open now depend on it? */
static bool is_under_trace(const node *n) { return n->traced && (!is_computed(n) || n->in); }

static bool any_is_pending(const pons_array *in, int n_in) {
  for (int i = 0; i < n_in; i++)
    if (!is_computed(in[i])) return true;
  return false;
}

enum { UNKNOWN, ON, OFF };
static atomic_int compiling = UNKNOWN;

void pons_disable_compile(void) { atomic_store(&compiling, OFF); }
void pons_enable_compile(void) { atomic_store(&compiling, ON); }

static bool compiling_is_on(void) {
  int is = atomic_load_explicit(&compiling, memory_order_relaxed);
  if (is == UNKNOWN) {
    const char *off = getenv("PONS_DISABLE_COMPILE");
    int unknown = UNKNOWN;
    is = off && *off && strcmp(off, "0") ? OFF : ON;
    if (!atomic_compare_exchange_strong(&compiling, &unknown, is)) is = unknown;
  }
  return is == ON;
}

/* Must the function itself be called? */
static bool calls_through(const pons_array *in, int n_in) {
  if (!compiling_is_on()) return true;
  for (int i = 0; i < n_in; i++)
    if (node_failed(in[i]) || is_under_trace(in[i])) return true;
  return false;
}

static void compiled_call(function *self, const pons_array *in, int n_in, result_list *out) {
  compiled *c = (compiled *)self;
  if (calls_through(in, n_in)) {
    c->f->call(c->f, in, n_in, out);
    return;
  }
  variant *v = find(c, in, n_in);
  if (!v && (v = trace(c, in, n_in, out))) add(c, v);
  if (!v) return;
  const bool pending = any_is_pending(in, n_in);
  if (pending && v->few)
    traced_again(v->few, in, out);
  else if (!pending || eval_inputs(in, n_in))
    replay(v, in, out);
  else
    results_fail(out,
                 fail_as(pons_last_error_kind(), "compile", "an input can't be computed: %s", pons_error()));
  variant_release(v);
}

static void compiled_destroy(function *self) {
  compiled *c = (compiled *)self;
  while (c->variants) {
    variant *v = c->variants;
    c->variants = v->next;
    variant_release(v);
  }
  free_traces(c->traces);
  pthread_mutex_destroy(&c->lock);
  pons_function_release(c->f);
  mem_free(c);
}

pons_function pons_compile_with(struct pons_compile_args args) {
  pons_function f = args.function;
  if (!f) {
    error_release(fail("compile", "the function is NULL"));
    return NULL;
  }
  compiled *c = function_new(sizeof *c, "compile", f->n_out, compiled_call, compiled_destroy);
  if (!c) return NULL;
  c->f = pons_function_keep(f);
  c->shapeless = args.shapeless;
  pthread_mutex_init(&c->lock, NULL);
  return &c->head;
}
