/* traced.c: a function called on placeholders, and what came of it made once more on arrays. Uses function.c,
   walk.c. */
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
    fine = function_call(f, t->in, n_in, &r);
    trace_end();
    if (fine) t->out = results_take(&r, &t->n_out);
    t->tag = r.tag;
    fine = t->out != NULL;
    results_end(&r);
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

/* ---- once more ---- */

/* What stands for each node of the tape now; NULL: itself. */
typedef struct again {
  const tape *tape;
  pons_array *now, *in; /* in: room for the inputs of any node */
} again;

static pons_array now(const again *a, node *n) {
  pons_array made = a->now[map_get(&a->tape->index, n, 0)];
  return made ? made : n;
}

static void make_item(const again *a, int64_t i) {
  const tape_item *item = &a->tape->at[i];
  const node *n = item->node;
  bool changed = false;
  for (int k = 0; k < item->n_in; k++) {
    a->in[k] = now(a, item->in[k]);
    changed |= a->in[k] != item->in[k];
  }
  if (!changed) return;
  a->now[i] = n->n_out == 1 ? node_make(n->prim, n->params, item->n_in, a->in)
                            : node_make_tuple(n->prim, n->params, item->n_in, a->in);
}

static bool make_again(const traced *t, const tape *walked, const pons_array *in, result_list *out) {
  size_t most = 1;
  for (int64_t i = 0; i < walked->count; i++)
    if ((size_t)walked->at[i].n_in > most) most = (size_t)walked->at[i].n_in;
  const size_t count = (size_t)walked->count;
  pons_array *room = mem_zalloc((count + most) * sizeof *room);
  if (!room) return false;
  const again a = {walked, room, room + count};
  for (int i = 0; i < t->n_in; i++) {
    const int64_t at = map_get(&walked->index, t->in[i], -1);
    if (at >= 0) room[at] = in[i];
  }
  for (int64_t i = 0; i < walked->count; i++)
    if (!room[i]) make_item(&a, i);
  for (int i = 0; i < t->n_out; i++) pons_results_add(out, now(&a, t->out[i]));
  pons_results_set_tag(out, t->tag);
  mem_free(room);
  return true;
}

void traced_again(const traced *t, const pons_array *in, result_list *out) {
  const pons_scope scope = pons_scope_open();
  tape walked;
  const bool fine = tape_walk(&walked, t->out, t->n_out, t->in, t->n_in);
  if (!fine || !make_again(t, &walked, in, out)) results_fail(out, fail_no_memory(out->kind));
  if (fine) tape_free(&walked);
  pons_scope_close(scope);
}
