/* vjp.c: cotangents walk the tape back, from the results of a function to its primals.

   A node's cotangents are complete when it is reached, since the tape has operands before users. Rules come
   from the record, or from the record's decomposition, or there is none and that is an error; integers pass
   nothing. Uses base/, graph/, public ops. */
#include "transforms/transforms.h"
#include <pons/ops.h>

/* What a step needs to call a rule, of the size the widest node of the tape wants. */
typedef struct rule_room {
  pons_array *out, *cotangents; /* most_out */
  pons_array *grads;            /* most_in */
  bool *wanted, *met;           /* most_in, most_out */
} rule_room;

static bool rule_room_new(rule_room *r, const lineage *l) {
  const size_t out = (size_t)l->most_out + 1, in = (size_t)l->most_in + 1;
  pons_array *arrays = mem_alloc((2 * out + in) * sizeof *arrays + (in + out) * sizeof *r->wanted);
  if (!arrays) return false;
  bool *flags = (bool *)(arrays + 2 * out + in);
  *r = (rule_room){arrays, arrays + out, arrays + 2 * out, flags, flags + in};
  return true;
}

/* Adds to the cotangent in a slot. Rules may be loose about dtypes, not about shapes. */
static pons_array add_cotangent(const char *op, lineage *l, int64_t slot, const node *of, pons_array g,
                                const char *rule) {
  if (node_failed(g)) return g;
  if (!shape_equal(g->ndim, g->shape, of->ndim, of->shape))
    return node_fail(op, "the gradient of %s has the shape %s where its input is %s", rule,
                     shape_text(g->ndim, g->shape), node_text(of));
  if (g->dtype != of->dtype) g = pons_astype(g, (pons_dtype)of->dtype);
  l->slots[slot] = l->slots[slot] ? pons_add(l->slots[slot], g) : g;
  return node_failed(l->slots[slot]) ? l->slots[slot] : NULL;
}

static pons_array through_decomposition(const char *op, const vjp_call *c, const prim *p, pons_array *out) {
  p->decompose(c->params, c->n_in, c->in, out);
  pons_array bad = transform_failed(out, c->n_out);
  const between b = {out, c->in, c->n_out, c->n_in, NULL};
  return bad ? bad : pull_back(op, &b, c->cotangents, c->grads);
}

static pons_array call_rule(const char *op, const lineage *l, int64_t i, const rule_room *r) {
  const tape_item *item = &l->tape.at[i];
  const prim *p = item->node->prim;
  if (!p->vjp && !p->decompose) return node_fail(op, "%s has no gradient", p->name);
  for (int k = 0; k < item->node->n_out; k++) {
    pons_array cotangent = l->slots[l->first[i] + k];
    r->cotangents[k] = cotangent ? cotangent : transform_zeros(item->node, k);
    r->met[k] = cotangent != NULL;
  }
  for (int k = 0; k < item->n_in; k++) {
    const int64_t at = map_get(&l->tape.index, item->in[k], -1);
    r->wanted[k] = at >= 0 && l->reach[at] == REACH_SMOOTH;
    r->grads[k] = NULL;
  }
  bool undecided = !p->vjp;
  const vjp_call c = {item->node->params, item->n_in, item->node->n_out, item->in,  r->out,
                      r->cotangents,      r->met,     r->wanted,         r->grads, &undecided};
  if (p->vjp) {
    transform_results(item->node, r->out);
    p->vjp(&c);
  }
  return undecided ? through_decomposition(op, &c, p, r->out) : transform_failed(r->grads, item->n_in);
}

static pons_array step_back(const char *op, lineage *l, int64_t i, const rule_room *r) {
  const tape_item *item = &l->tape.at[i];
  if (!item->n_in || l->reach[i] != REACH_SMOOTH) return NULL;
  const node *n = item->node;
  bool any = false;
  for (int k = 0; k < n->n_out; k++) any |= l->slots[l->first[i] + k] != NULL;
  if (!any) return NULL;
  pons_array cotangent = l->slots[l->first[i]];
  if (n->prim == &prim_alias)
    return add_cotangent(op, l, lineage_slot(l, item->in[0]), item->in[0], cotangent, n->prim->name);
  if (n->prim == &prim_output) /* shapes of the results stand in `specs`, and this node has that of its own */
    return add_cotangent(op, l, lineage_slot(l, item->in[0]) + ((const output_params *)n->params)->index, n,
                         cotangent, n->prim->name);
  pons_array bad = call_rule(op, l, i, r);
  for (int k = 0; k < item->n_in && !bad; k++)
    if (r->wanted[k] && r->grads[k])
      bad = add_cotangent(op, l, lineage_slot(l, item->in[k]), item->in[k], r->grads[k], n->prim->name);
  return bad;
}

pons_array pull_back_on(const char *op, lineage *l, const between *b, const pons_array *cotangents,
                        pons_array *grads) {
  pons_array bad = NULL;
  for (int i = 0; i < b->n_roots && !bad; i++)
    bad = add_cotangent(op, l, lineage_slot(l, b->roots[i]), b->roots[i], cotangents[i], op);
  if (bad) return bad;
  rule_room r;
  if (!rule_room_new(&r, l)) return transform_no_memory(op);
  for (int64_t i = l->tape.count - 1; i >= 0 && !bad; i--) bad = step_back(op, l, i, &r);
  mem_free(r.out);
  for (int i = 0; i < b->n_stops && !bad;
       i++) { /* a stop that stands twice in the list gets its gradient once */
    const int64_t slot = lineage_slot(l, b->stops[i]);
    grads[i] = slot < 0 ? NULL : l->slots[slot];
    if (slot >= 0) l->slots[slot] = NULL;
  }
  return bad;
}

pons_array pull_back(const char *op, const between *b, const pons_array *cotangents, pons_array *grads) {
  lineage l;
  if (!lineage_make(&l, b)) return transform_no_memory(op);
  pons_array bad = pull_back_on(op, &l, b, cotangents, grads);
  lineage_free(&l);
  return bad;
}

/* ---- pons_vjp ---- */

static pons_array check_cotangent(const pons_array *cotangents, int at, const node *y, int i) {
  if (!cotangents[at]) return node_fail("vjp", "cotangent %d is NULL", at);
  if (node_failed(cotangents[at])) return cotangents[at];
  if (shape_equal(cotangents[at]->ndim, cotangents[at]->shape, y->ndim, y->shape)) return NULL;
  return node_fail("vjp", "result %d is %s, its cotangent %s", i, node_text(y), node_text(cotangents[at]));
}

/* Which results have which of the cotangents: all, or (`open`) all that pons_stop_gradient did not give. */
static pons_array match_cotangents(const result_list *y, const pons_array *cotangents, int count, bool open,
                                   pons_array *roots, pons_array *with, int *n_roots) {
  *n_roots = 0;
  for (int i = 0; i < y->count; i++) {
    node *r = y->at[i];
    if (open && r->prim && strcmp(r->prim->name, "StopGradient") == 0) continue;
    if (*n_roots == count)
      return node_fail("vjp", "%d cotangents are too few for the function's %d results", count, y->count);
    pons_array bad = check_cotangent(cotangents, *n_roots, r, i);
    if (bad) return bad;
    roots[*n_roots] = r;
    with[*n_roots] = cotangents[*n_roots];
    ++*n_roots;
  }
  return NULL;
}

static pons_array pull_back_matched(const call_site *c, lineage *l, const pons_array *cotangents, int count,
                                    const pons_array *aliases, pons_array *grads) {
  const size_t n = (size_t)c->out->count + 1;
  pons_array *roots = mem_alloc(2 * n * sizeof *roots);
  if (!roots) return transform_no_memory(c->op);
  int n_roots;
  pons_array bad = match_cotangents(c->out, cotangents, count, c->n_out < 0, roots, roots + n, &n_roots);
  const between b = {roots, aliases, n_roots, c->n_in, NULL};
  if (!bad) bad = pull_back_on(c->op, l, &b, roots + n, grads);
  mem_free(roots);
  return bad;
}

/* The results of f (n_out of them, or any number: -1), then the gradients. */
static void call_vjp(function *f, const pons_array *primals, int n_in, const pons_array *cotangents,
                     int count, int n_out, result_list *r) {
  const pons_scope scope = pons_scope_open();
  results_begin(r, "vjp");
  pons_array *grads = mem_zalloc((size_t)(2 * n_in + 1) * sizeof *grads), *aliases = grads + n_in;
  const call_site c = {"vjp", f, primals, n_in, NULL, n_out, r, true};
  lineage l;
  pons_array bad = grads ? lineage_of_call(&l, &c, aliases) : transform_no_memory("vjp");
  if (!bad) {
    bad = pull_back_matched(&c, &l, cotangents, count, aliases, grads);
    lineage_free(&l);
  }
  for (int i = 0; i < n_in && !bad; i++)
    pons_results_add(r, grads[i] ? grads[i] : pons_zeros_like(primals[i]));
  mem_free(grads);
  transform_end(scope, bad, r);
}

bool pons_vjp(pons_function f, const pons_array *primals, int n_in, const pons_array *cotangents, int n_out,
              pons_array *out, pons_array *grads) {
  result_list r;
  call_vjp(f, primals, n_in, cotangents, n_out, n_out, &r);
  return transform_give(&r, out, n_out, grads, n_in);
}

int pons_vjp_open(pons_function f, const pons_array *primals, int n_in, const pons_array *cotangents,
                  int n_cotangents, pons_array **out) {
  result_list r;
  call_vjp(f, primals, n_in, cotangents, n_cotangents, -1, &r);
  const int both = results_hand_over(&r, results_meet(&r), out);
  return both < 0 ? -1 : both - n_in;
}
