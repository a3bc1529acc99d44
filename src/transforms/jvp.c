/* jvp.c: tangents walk the tape forward, from the primals of a function to its results.

   A record's rule comes first; a linear primitive is its own; then its decomposition; else the rule back is
   transposed:

       J v = d/du <vjp(u), v>, where u stands for the cotangents, in which a vjp is linear

   so that whatever has a gradient has tangents. Uses base/, graph/, vjp.c and the public ops. */
#include "transforms/transforms.h"
#include <pons/ops.h>

/* What a step needs to call a rule, of the size the widest node of the tape wants. */
typedef struct rule_room {
  pons_array *tangents;           /* most_in */
  pons_array *out, *out_tangents; /* most_out */
} rule_room;

/* ---- a rule back, transposed ---- */

typedef struct transposed {
  pons_array *cotangents;       /* u: n_out, fresh nodes */
  pons_array *roots, *tangents; /* gradients that were asked for and came, and the tangents they meet: n_in */
  pons_array *grads;            /* n_in */
  bool *wanted, *met;           /* n_in; n_out */
} transposed;

static pons_array make_cotangents(const node *n, pons_array *u) {
  for (int k = 0; k < n->n_out; k++) {
    pons_array zero = transform_zeros(n, k);
    if (node_failed(zero)) return zero;
    u[k] = node_make_as(&prim_alias, NULL, 1, &zero, (pons_dtype)zero->dtype, zero->ndim, zero->shape);
    if (node_failed(u[k])) return u[k];
  }
  return NULL;
}

static pons_array transpose(const char *op, const node *n, const jvp_call *c, const transposed *t) {
  pons_array bad = make_cotangents(n, t->cotangents);
  if (bad) return bad;
  for (int k = 0; k < c->n_in; k++) t->wanted[k] = c->tangents[k] != NULL;
  for (int k = 0; k < c->n_out; k++) t->met[k] = true;
  bool undecided; /* never set: there is no decomposition */
  const vjp_call back = {c->params,     c->n_in, c->n_out,  c->in,    c->out,
                         t->cotangents, t->met,  t->wanted, t->grads, &undecided};
  n->prim->vjp(&back);
  int roots = 0;
  for (int k = 0; k < c->n_in; k++) {
    if (!t->wanted[k] || !t->grads[k]) continue;
    if (node_failed(t->grads[k])) return t->grads[k];
    t->roots[roots] = t->grads[k];
    t->tangents[roots++] = c->tangents[k];
  }
  const between b = {t->roots, t->cotangents, roots, c->n_out, NULL};
  return pull_back(op, &b, t->tangents, c->out_tangents);
}

static pons_array through_vjp(const char *op, const node *n, const jvp_call *c) {
  const size_t in = (size_t)c->n_in, out = (size_t)c->n_out;
  pons_array *room = mem_zalloc((out + 3 * in) * sizeof *room + (in + out) * sizeof(bool));
  if (!room) return transform_no_memory(op);
  bool *flags = (bool *)(room + out + 3 * in);
  const transposed t = {room, room + out, room + out + in, room + out + 2 * in, flags, flags + in};
  pons_array bad = transpose(op, n, c, &t);
  mem_free(room);
  return bad;
}

/* ---- rules ---- */

static void as_linear(const node *n, const jvp_call *c, pons_array *tangents) {
  for (int k = 0; k < c->n_in; k++)
    if (!tangents[k]) tangents[k] = pons_zeros_like(c->in[k]);
  if (c->n_out == 1)
    c->out_tangents[0] = node_make(n->prim, n->params, c->n_in, tangents);
  else
    node_make_many(n->prim, n->params, c->n_in, tangents, c->out_tangents, c->n_out);
}

static pons_array through_decomposition(const char *op, const node *n, const jvp_call *c, pons_array *out) {
  n->prim->decompose(c->params, c->n_in, c->in, out);
  pons_array bad = transform_failed(out, c->n_out);
  const between b = {out, c->in, c->n_out, c->n_in, NULL};
  return bad ? bad : push_forward(op, &b, c->tangents, c->out_tangents);
}

static pons_array call_rule(const char *op, const tape_item *item, const rule_room *r) {
  node *n = item->node;
  const prim *p = n->prim;
  for (int k = 0; k < n->n_out; k++) r->out_tangents[k] = NULL;
  const jvp_call c = {n->params, item->n_in, n->n_out, item->in, r->tangents, r->out, r->out_tangents};
  pons_array bad = NULL;
  if (p->jvp || (!p->linear && !p->decompose)) transform_results(n, r->out);
  if (p->jvp)
    p->jvp(&c);
  else if (p->linear)
    as_linear(n, &c, r->tangents);
  else if (p->decompose)
    bad = through_decomposition(op, n, &c, r->out);
  else if (p->vjp)
    bad = through_vjp(op, n, &c);
  else
    bad = node_fail(op, "%s has no tangent", p->name);
  return bad ? bad : transform_failed(r->out_tangents, n->n_out);
}

static pons_array check_tangent(const char *op, const node *n, int k, pons_array t) {
  const int ndim = n->n_out == 1 ? n->ndim : n->specs[k].shape.n;
  const int64_t *dims = n->n_out == 1 ? n->shape : n->specs[k].shape.dims;
  if (shape_equal(ndim, dims, t->ndim, t->shape)) return NULL;
  return node_fail(op, "the tangent of %s has the shape %s where its result has %s", n->prim->name,
                   shape_text(t->ndim, t->shape), shape_text(ndim, dims));
}

static pons_array step_forward(const char *op, lineage *l, int64_t i, const rule_room *r) {
  const tape_item *item = &l->tape.at[i];
  if (!item->n_in || l->reach[i] != REACH_SMOOTH) return NULL;
  const node *n = item->node;
  pons_array *slots = l->slots + l->first[i];
  const int64_t below = lineage_slot(l, item->in[0]);
  if (n->prim == &prim_alias || n->prim == &prim_output) {
    slots[0] = l->slots[below + (n->prim == &prim_output ? ((const output_params *)n->params)->index : 0)];
    return NULL;
  }
  bool any = false;
  for (int k = 0; k < item->n_in; k++) {
    r->tangents[k] = l->slots[lineage_slot(l, item->in[k])];
    any |= r->tangents[k] != NULL;
  }
  if (!any) return NULL;
  pons_array bad = call_rule(op, item, r);
  for (int k = 0; k < n->n_out && !bad; k++) {
    slots[k] = r->out_tangents[k];
    if (slots[k]) bad = check_tangent(op, n, k, slots[k]);
  }
  return bad;
}

pons_array push_forward_on(const char *op, lineage *l, const between *b, const pons_array *tangents,
                           pons_array *out_tangents) {
  for (int i = 0; i < b->n_stops; i++) {
    const int64_t slot = lineage_slot(l, b->stops[i]);
    if (slot >= 0 && tangents[i]) l->slots[slot] = tangents[i];
  }
  const size_t in = (size_t)l->most_in + 1, out = (size_t)l->most_out + 1;
  pons_array *room = mem_alloc((in + 2 * out) * sizeof *room), bad = NULL;
  if (!room) return transform_no_memory(op);
  const rule_room r = {room, room + in, room + in + out};
  for (int64_t i = 0; i < l->tape.count && !bad; i++) bad = step_forward(op, l, i, &r);
  mem_free(room);
  for (int i = 0; i < b->n_roots && !bad; i++) out_tangents[i] = l->slots[lineage_slot(l, b->roots[i])];
  return bad;
}

pons_array push_forward(const char *op, const between *b, const pons_array *tangents,
                        pons_array *out_tangents) {
  lineage l;
  if (!lineage_make(&l, b)) return transform_no_memory(op);
  pons_array bad = push_forward_on(op, &l, b, tangents, out_tangents);
  lineage_free(&l);
  return bad;
}

/* ---- pons_jvp ---- */

static pons_array check_tangents(const pons_array *primals, const pons_array *tangents, int n) {
  for (int i = 0; i < n; i++) {
    if (!primals[i] || !tangents[i]) return node_fail("jvp", "input %d of %d or its tangent is NULL", i, n);
    if (node_failed(tangents[i])) return tangents[i];
    if (!shape_equal(primals[i]->ndim, primals[i]->shape, tangents[i]->ndim, tangents[i]->shape))
      return node_fail("jvp", "input %d is %s, its tangent %s", i, node_text(primals[i]),
                       node_text(tangents[i]));
  }
  return NULL;
}

/* Zeros; a comparison's, which has no numbers, of the dtype of what moves, as MLX has it. */
static pons_array no_tangent(const node *y, const pons_array *tangents, int n_in) {
  if (y->dtype != PONS_BOOL || n_in == 0) return pons_zeros_like((pons_array)y);
  return pons_zeros((pons_shape){y->ndim, y->shape}, (pons_dtype)tangents[0]->dtype);
}

/* aliases and tangents: room for n_in. */
static pons_array jvp(const call_site *c, const pons_array *given, pons_array *aliases,
                      pons_array *tangents) {
  lineage l;
  pons_array bad = check_tangents(c->primals, given, c->n_in);
  for (int i = 0; i < c->n_in && !bad; i++) {
    const pons_dtype dtype = (pons_dtype)c->primals[i]->dtype;
    tangents[i] = given[i]->dtype == dtype ? given[i] : pons_astype(given[i], dtype);
    if (node_failed(tangents[i])) bad = tangents[i];
  }
  if (!bad) bad = lineage_of_call(&l, c, aliases);
  if (bad) return bad;
  const int n_out = c->out->count;
  pons_array *out_tangents = mem_alloc((size_t)(n_out + 1) * sizeof *out_tangents);
  if (!out_tangents) bad = transform_no_memory(c->op);
  const between b = {c->out->at, aliases, n_out, c->n_in, NULL};
  if (!bad) bad = push_forward_on(c->op, &l, &b, tangents, out_tangents);
  lineage_free(&l);
  for (int i = 0; i < n_out && !bad; i++)
    pons_results_add(c->out, out_tangents[i] ? out_tangents[i] : no_tangent(c->out->at[i], tangents, c->n_in));
  mem_free(out_tangents);
  return bad;
}

/* `r`: the results of f (n_out of them, or any number: -1), then their tangents. */
static void call_jvp(function *f, const pons_array *primals, const pons_array *tangents, int n_in, int n_out,
                     result_list *r) {
  const pons_scope scope = pons_scope_open();
  results_begin(r, "jvp");
  pons_array *room = mem_zalloc((size_t)(2 * n_in + 1) * sizeof *room); /* aliases, tangents */
  const call_site c = {"jvp", f, primals, n_in, NULL, n_out, r, false};
  pons_array bad = room ? jvp(&c, tangents, room, room + n_in) : transform_no_memory("jvp");
  mem_free(room);
  transform_end(scope, bad, r);
}

bool pons_jvp(pons_function f, const pons_array *primals, const pons_array *tangents, int n_in, int n_out,
              pons_array *out, pons_array *out_tangents) {
  result_list r;
  call_jvp(f, primals, tangents, n_in, n_out, &r);
  return transform_give(&r, out, n_out, out_tangents, n_out);
}

int pons_jvp_open(pons_function f, const pons_array *primals, const pons_array *tangents, int n_in,
                  pons_array **out) {
  result_list r;
  call_jvp(f, primals, tangents, n_in, -1, &r);
  const int both = results_hand_over(&r, results_meet(&r), out);
  return both < 0 ? -1 : both / 2;
}
