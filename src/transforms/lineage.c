/* lineage.c: a function called on aliases of its primals, and the tape of what came of it, with a slot per
   result.

   Values may be read inside the function, for control flow is C's own: while the trace is open, computed
   nodes that depend on an alias keep their history. When it ends they let it go. Uses base/, graph/. */
#include "transforms/transforms.h"
#include <pons/ops.h>

pons_array transform_no_memory(const char *op) { return node_error(fail_no_memory(op)); }

pons_array transform_failed(const pons_array *arrays, int count) {
  for (int i = 0; i < count; i++)
    if (arrays[i] && node_failed(arrays[i])) return arrays[i];
  return NULL;
}

void transform_results(node *n, pons_array *out) {
  if (n->n_out == 1)
    out[0] = n;
  else
    for (int k = 0; k < n->n_out; k++) out[k] = node_output(n, k);
}

pons_array transform_zeros(const node *n, int k) {
  if (n->n_out == 1) return pons_zeros((pons_shape){n->ndim, n->shape}, (pons_dtype)n->dtype);
  return pons_zeros(shape_public(&n->specs[k].shape), n->specs[k].dtype);
}

void transform_end(pons_scope scope, pons_array bad, result_list *r) {
  if (bad) results_fail(r, error_keep(bad->error));
  pons_scope_close(scope);
}

bool transform_give(result_list *r, pons_array *a, int n_a, pons_array *b, int n_b) {
  results_give(r, 0, a, n_a);
  results_give(r, n_a, b, n_b);
  const bool fine = results_meet(r);
  results_end(r);
  return fine;
}

pons_array batch_to_front(pons_array x, int axis, int64_t size) {
  if (axis >= 0) return axis == 0 ? x : pons_moveaxis(x, axis, 0);
  if (x->ndim == PONS_MAX_NDIM) return node_fail("vmap", "%s has no room for another axis", node_text(x));
  shape s = {.n = x->ndim + 1, .dims = {size}};
  for (int k = 0; k < x->ndim; k++) s.dims[k + 1] = x->shape[k];
  return pons_broadcast_to(x, shape_public(&s));
}

/* ---- the tape ---- */

static uint8_t reach_of(const lineage *l, const tape_item *item) {
  uint8_t most = REACH_NONE;
  for (int k = 0; k < item->n_in; k++) {
    const int64_t at = map_get(&l->tape.index, item->in[k], -1);
    if (at >= 0 && l->reach[at] > most) most = l->reach[at];
  }
  return most == REACH_SMOOTH && item->node->prim->no_gradient ? REACH_VALUE : most;
}

bool lineage_make(lineage *l, const between *b) {
  memset(l, 0, sizeof *l);
  if (!tape_walk(&l->tape, b->roots, b->n_roots, b->stops, b->n_stops)) return false;
  const int64_t n = l->tape.count;
  l->reach = mem_zalloc((size_t)(n + 1));
  l->first = mem_alloc((size_t)(n + 1) * sizeof *l->first);
  if (!l->reach || !l->first) goto no_memory;
  for (int i = 0; i < b->n_stops; i++) {
    const int64_t at = b->wanted && !b->wanted[i] ? -1 : map_get(&l->tape.index, b->stops[i], -1);
    if (at >= 0) l->reach[at] = REACH_SMOOTH;
  }
  int64_t slots = 0;
  for (int64_t i = 0; i < n; i++) {
    const tape_item *item = &l->tape.at[i];
    if (item->n_in) l->reach[i] = reach_of(l, item);
    l->first[i] = slots;
    slots += item->node->n_out;
    if (item->n_in > l->most_in) l->most_in = item->n_in;
    if (item->node->n_out > l->most_out) l->most_out = item->node->n_out;
  }
  l->first[n] = slots;
  l->slots = mem_zalloc((size_t)(slots + 1) * sizeof *l->slots);
  if (l->slots) return true;
no_memory:
  lineage_free(l);
  return false;
}

void lineage_free(lineage *l) {
  mem_free(l->reach);
  mem_free(l->first);
  mem_free(l->slots);
  tape_free(&l->tape);
  memset(l, 0, sizeof *l);
}

int64_t lineage_slot(const lineage *l, const node *a) {
  const int64_t at = map_get(&l->tape.index, a, -1);
  return at < 0 ? -1 : l->first[at];
}

/* ---- the trace ---- */

void lineage_end_trace(lineage *l, const between *b) {
  trace_end();
  graph_lock();
  for (int i = 0; i < b->n_stops; i++) {
    node *alias = b->stops[i];
    if (alias->prim == &prim_alias && alias->in) alias->traced = alias->in[0]->traced;
  }
  for (int64_t i = 0; i < l->tape.count; i++) {
    const tape_item *item = &l->tape.at[i];
    if (!item->n_in || l->reach[i] == REACH_NONE) continue;
    bool traced = false;
    for (int k = 0; k < item->n_in; k++) traced |= item->in[k]->traced;
    item->node->traced = traced;
    if (!traced) node_forget(item->node);
  }
  graph_unlock();
}

static pons_array make_aliases(const call_site *c, pons_array *aliases) {
  for (int i = 0; i < c->n_in; i++) {
    node *x = c->primals[i];
    if (!x) return node_fail(c->op, "input %d of %d is NULL", i, c->n_in);
    aliases[i] = x;
    if (node_failed(x) || (c->wanted && !c->wanted[i])) continue;
    pons_array alias = node_make_as(&prim_alias, NULL, 1, &x, (pons_dtype)x->dtype, x->ndim, x->shape);
    if (node_failed(alias)) return alias;
    alias->traced = true;
    alias->weak = x->weak;
    aliases[i] = alias;
  }
  return NULL;
}

pons_array lineage_of_call(lineage *l, const call_site *c, pons_array *aliases) {
  pons_array bad = make_aliases(c, aliases);
  if (bad) return bad;
  trace_begin();
  const bool before = trace_set_wanted_back(c->back || trace_is_wanted_back());
  if (c->n_out < 0)
    function_call(c->f, aliases, c->n_in, c->out);
  else
    function_call_counted(c->f, aliases, c->n_in, c->out, c->n_out);
  trace_set_wanted_back(before);
  bad = results_failed(c->out);
  const between b = {c->out->at, aliases, c->out->count, c->n_in, c->wanted};
  if (!bad && !lineage_make(l, &b)) bad = transform_no_memory(c->op);
  if (bad)
    trace_end();
  else
    lineage_end_trace(l, &b);
  return bad;
}
