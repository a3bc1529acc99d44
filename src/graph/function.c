/* function.c: functions of arrays. A C callback with its payload here; transforms and imported files bring
   kinds of their own through function_new. However many results a function has, it is called once and adds
   them to a list (results.c). */
#include "graph/graph.h"

void *function_new(size_t bytes, const char *kind, int n_out,
                   void (*call)(function *, const pons_array *, int, result_list *),
                   void (*destroy)(function *)) {
  function *f = mem_zalloc(bytes);
  if (!f) {
    error_release(fail_no_memory(kind));
    return NULL;
  }
  atomic_init(&f->refs, 1);
  f->kind = kind;
  f->n_out = n_out;
  f->call = call;
  f->destroy = destroy;
  return f;
}

pons_function pons_function_keep(pons_function f) {
  if (f) atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
  return f;
}

void pons_function_release(pons_function f) {
  if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) f->destroy(f);
}

bool function_call(function *f, const pons_array *in, int n_in, result_list *out) {
  results_begin(out, f ? f->kind : "call");
  if (!f) results_fail(out, fail("call", "the function is NULL"));
  for (int i = 0; i < n_in && !out->why; i++)
    if (!in[i]) results_fail(out, fail("call", "input %d of %d is NULL", i, n_in));
  if (!out->why) f->call(f, in, n_in, out);
  return results_meet(out);
}

static void check_count(result_list *r, int count, int n_out) {
  if (!r->why && count != n_out)
    results_fail(r, fail("call", "the function has %d results, not %d", count, n_out));
}

bool function_call_counted(function *f, const pons_array *in, int n_in, result_list *out, int n_out) {
  if (f && f->n_out >= 0 && f->n_out != n_out) { /* no need to call it to see that */
    results_begin(out, f->kind);
    check_count(out, f->n_out, n_out);
    return false;
  }
  function_call(f, in, n_in, out);
  check_count(out, out->count, n_out);
  return results_meet(out);
}

bool pons_call(pons_function f, const pons_array *in, int n_in, pons_array *out, int n_out) {
  result_list r;
  const bool fine = function_call_counted(f, in, n_in, &r, n_out);
  results_give(&r, 0, out, n_out);
  const bool given = fine && !r.why;
  results_end(&r);
  return given;
}

int pons_call_open(pons_function f, const pons_array *in, int n_in, pons_array **out, int64_t *tag) {
  result_list r;
  const bool fine = function_call(f, in, n_in, &r);
  if (tag) *tag = r.tag;
  return results_hand_over(&r, fine, out);
}

pons_array pons_apply(pons_function f, pons_array x) {
  pons_array y = NULL;
  pons_call(f, &x, 1, &y, 1);
  return y;
}

/* ---- C functions ---- */

typedef struct callback_function {
  function head;
  pons_callback callback; /* with a fixed number of results */
  pons_open_callback open_callback;
  void *payload;
  void (*destroy)(void *);
} callback_function;

static void callback_call(function *f, const pons_array *in, int n_in, result_list *out) {
  const callback_function *c = (callback_function *)f;
  pons_array few[RESULTS_FEW] = {NULL},
             *filled = f->n_out <= RESULTS_FEW ? few : mem_zalloc((size_t)f->n_out * sizeof *filled);
  if (!filled) {
    results_fail(out, fail_no_memory(f->kind));
    return;
  }
  c->callback(c->payload, in, n_in, filled, f->n_out);
  for (int i = 0; i < f->n_out; i++)
    pons_results_add(out,
                     filled[i] ? filled[i] : node_fail(f->kind, "result %d of %d was not set", i, f->n_out));
  if (filled != few) mem_free(filled);
}

static void open_callback_call(function *f, const pons_array *in, int n_in, result_list *out) {
  const callback_function *c = (callback_function *)f;
  c->open_callback(c->payload, in, n_in, out);
}

static void callback_destroy(function *f) {
  callback_function *c = (callback_function *)f;
  if (c->destroy) c->destroy(c->payload);
  mem_free(c);
}

static callback_function *callback_new(int n_out, void *payload, void (*destroy)(void *)) {
  callback_function *c = function_new(sizeof *c, "function", n_out,
                                      n_out < 0 ? open_callback_call : callback_call, callback_destroy);
  if (!c) {
    if (destroy) destroy(payload);
    return NULL;
  }
  c->payload = payload;
  c->destroy = destroy;
  return c;
}

pons_function pons_function_new(pons_callback callback, int n_out, void *payload, void (*destroy)(void *)) {
  callback_function *c = callback_new(n_out > 0 ? n_out : 0, payload, destroy);
  if (c) c->callback = callback;
  return c ? &c->head : NULL;
}

pons_function pons_function_new_open(pons_open_callback callback, void *payload, void (*destroy)(void *)) {
  callback_function *c = callback_new(-1, payload, destroy);
  if (c) c->open_callback = callback;
  return c ? &c->head : NULL;
}

int pons_function_outputs(pons_function f, const pons_array *in, int n_in) {
  if (!f) {
    error_release(fail("function", "it is NULL"));
    return -1;
  }
  if (f->n_out >= 0) return f->n_out;
  traced t;
  if (!function_trace(f, in, n_in, &t)) return -1;
  const int n_out = t.n_out;
  traced_free(&t);
  return n_out;
}
