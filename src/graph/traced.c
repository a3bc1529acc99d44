/* traced.c: a function called on placeholders. Uses function.c, again.c. */
#include "graph/graph.h"

static bool placeholders(const pons_array *in, int n_in, traced *t) {
  for (int i = 0; i < n_in; i++) {
    pons_array p = node_placeholder((pons_dtype)in[i]->dtype, in[i]->ndim, in[i]->shape);
    if (node_failed(p)) return false;
    p->weak = in[i]->weak;
    t->in[t->n_in++] = pons_keep(p);
  }
  return true;
}

/* Ends `r`. */
static bool take_results(traced *t, result_list *r) {
  if (results_meet(r)) t->out = results_take(r, &t->n_out);
  t->tag = r->tag;
  results_end(r);
  return t->out != NULL;
}

bool function_trace(function *f, const pons_array *in, int n_in, traced *t) {
  memset(t, 0, sizeof *t);
  for (int i = 0; i < n_in; i++)
    if (!in[i] || node_failed(in[i])) {
      error_release(in[i] ? error_keep(in[i]->error) : fail("trace", "input %d of %d is NULL", i, n_in));
      if (in[i]) error_meet(in[i]->error);
      return false;
    }
  t->in = mem_zalloc((size_t)(n_in + 1) * sizeof *t->in);
  const pons_scope scope = pons_scope_open();
  bool fine = t->in && placeholders(in, n_in, t);
  if (!fine) error_release(fail_no_memory("trace"));
  if (fine) {
    result_list r;
    trace_begin();
    function_call(f, t->in, n_in, &r);
    trace_end();
    fine = take_results(t, &r);
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

/* ---- what was traced, once more ---- */

bool traced_sized(const traced *t, const pons_array *in, traced *sized) {
  memset(sized, 0, sizeof *sized);
  sized->in = mem_zalloc((size_t)(t->n_in + 1) * sizeof *sized->in);
  const pons_scope scope = pons_scope_open();
  bool fine = sized->in && placeholders(in, t->n_in, sized);
  if (!fine) error_release(fail_no_memory("trace"));
  if (fine) {
    result_list r;
    results_begin(&r, "trace");
    traced_again(t, sized->in, &r);
    fine = take_results(sized, &r);
  }
  pons_scope_close(scope);
  if (!fine) traced_free(sized);
  return fine;
}

bool traced_share(const traced *t, traced *copy) {
  *copy = (traced){t->n_in, t->n_out, NULL, NULL, t->tag};
  copy->in = mem_alloc((size_t)(t->n_in + 1) * sizeof *copy->in);
  copy->out = mem_alloc((size_t)(t->n_out + 1) * sizeof *copy->out);
  const bool fine = copy->in && copy->out;
  for (int i = 0; fine && i < t->n_in; i++) copy->in[i] = pons_keep(t->in[i]);
  for (int i = 0; fine && i < t->n_out; i++) copy->out[i] = pons_keep(t->out[i]);
  if (fine) return true;
  mem_free(copy->in);
  mem_free(copy->out);
  *copy = (traced){0};
  error_release(fail_no_memory("trace"));
  return false;
}
