/* function.c: functions of arrays. A C callback with its payload here; transforms and imported files bring
   kinds of their own through function_new. */
#include "graph/graph.h"

void *function_new(size_t bytes, const char *kind, int n_out,
                   void (*call)(function *, const pons_array *, int, pons_array *, int),
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

int pons_function_outputs(pons_function f, const pons_array *in, int n_in) {
  if (!f) {
    error_release(fail("function", "it is NULL"));
    return -1;
  }
  return f->outputs ? f->outputs(f, in, n_in) : f->n_out;
}

static bool all_fine(const function *f, pons_array *out, int n_out) {
  bool fine = true;
  for (int i = 0; i < n_out; i++) {
    if (!out[i]) out[i] = node_fail(f->kind, "result %d of %d was not set", i, n_out);
    if (!node_failed(out[i])) continue;
    error_meet(out[i]->error);
    fine = false;
  }
  return fine;
}

static bool fail_all(pons_array *out, int n_out, error *e) {
  for (int i = 0; i < n_out; i++) out[i] = node_error(error_keep(e));
  error_release(e);
  return false;
}

bool pons_call(pons_function f, const pons_array *in, int n_in, pons_array *out, int n_out) {
  if (!f) return fail_all(out, n_out, fail("call", "the function is NULL"));
  for (int i = 0; i < n_in; i++)
    if (!in[i]) return fail_all(out, n_out, fail("call", "input %d of %d is NULL", i, n_in));
  const int expected = pons_function_outputs(f, in, n_in);
  if (expected < 0) return fail_all(out, n_out, fail("call", "the function takes no such inputs"));
  if (expected != n_out) return fail_all(out, n_out, fail("call", "the function has %d results, not %d",
                                                          expected, n_out));
  memset(out, 0, (size_t)n_out * sizeof *out);
  f->call(f, in, n_in, out, n_out);
  return all_fine(f, out, n_out);
}

pons_array pons_apply(pons_function f, pons_array x) {
  pons_array y = NULL;
  pons_call(f, &x, 1, &y, 1);
  return y;
}

/* ---- a C function ---- */

typedef struct callback_function {
  function head;
  pons_callback callback;
  void *payload;
  void (*destroy)(void *);
} callback_function;

static void callback_call(function *f, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const callback_function *c = (callback_function *)f;
  c->callback(c->payload, in, n_in, out, n_out);
}

static void callback_destroy(function *f) {
  callback_function *c = (callback_function *)f;
  if (c->destroy) c->destroy(c->payload);
  mem_free(c);
}

pons_function pons_function_new(pons_callback callback, int n_out, void *payload, void (*destroy)(void *)) {
  callback_function *c = function_new(sizeof *c, "function", n_out, callback_call, callback_destroy);
  if (!c) {
    if (destroy) destroy(payload);
    return NULL;
  }
  c->callback = callback;
  c->payload = payload;
  c->destroy = destroy;
  return &c->head;
}

/* ---- a function on placeholders ---- */

static bool placeholders(const pons_array *in, int n_in, traced *t) {
  for (int i = 0; i < n_in; i++) {
    pons_array p = node_placeholder((pons_dtype)in[i]->dtype, in[i]->ndim, in[i]->shape);
    if (node_failed(p)) return false;
    p->weak = in[i]->weak;
    t->in[t->n_in++] = pons_keep(p);
  }
  return true;
}

bool function_trace(function *f, const pons_array *in, int n_in, traced *t) {
  memset(t, 0, sizeof *t);
  for (int i = 0; i < n_in; i++)
    if (!in[i] || node_failed(in[i])) {
      error_release(in[i] ? error_keep(in[i]->error) : fail("trace", "input %d of %d is NULL", i, n_in));
      if (in[i]) error_meet(in[i]->error);
      return false;
    }
  const int n_out = pons_function_outputs(f, in, n_in);
  if (n_out < 0) return false;
  t->in = mem_zalloc((size_t)(n_in + 1) * sizeof *t->in);
  t->out = mem_zalloc((size_t)(n_out + 1) * sizeof *t->out);
  const pons_scope scope = pons_scope_open();
  bool fine = t->in && t->out && placeholders(in, n_in, t);
  if (!fine) error_release(fail_no_memory("trace"));
  if (fine) {
    trace_begin();
    fine = pons_call(f, t->in, n_in, t->out, n_out);
    trace_end();
    for (t->n_out = 0; t->n_out < n_out; t->n_out++) pons_keep(t->out[t->n_out]);
  }
  pons_scope_close(scope);
  if (!fine) traced_free(t);
  return fine;
}

void traced_free(traced *t) {
  for (int i = 0; t->in && i < t->n_in; i++) pons_release(t->in[i]);
  for (int i = 0; t->out && i < t->n_out; i++) pons_release(t->out[i]);
  mem_free(t->in);
  mem_free(t->out);
  memset(t, 0, sizeof *t);
}
