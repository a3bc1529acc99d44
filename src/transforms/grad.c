/* grad.c: functions that compute gradients: vjp with the cotangent 1 of a scalar. Uses base/, graph/,
   vjp.c. */
#include "transforms/transforms.h"
#include <pons/ops.h>

typedef struct grad_function {
  function head;
  function *f;
  bool value; /* the results of f stand before the gradients */
  int n_argnums;
  int argnums[];
} grad_function;

/* wanted[i] for each of argnums; NULL, or what is wrong with them. */
static pons_array mark_wanted(const grad_function *g, int n_in, bool *wanted) {
  for (int i = 0; i < g->n_argnums; i++) {
    const int a = g->argnums[i];
    if (a < 0 || a >= n_in)
      return node_fail(g->head.kind, "argument %d: the function is called with %d", a, n_in);
    if (wanted[a]) return node_fail(g->head.kind, "argument %d stands twice in argnums", a);
    wanted[a] = true;
  }
  return NULL;
}

static pons_array gradients(const grad_function *g, const call_site *c, pons_array *aliases,
                            pons_array *grads) {
  lineage l;
  pons_array bad = lineage_of_call(&l, c, aliases);
  if (bad) return bad;
  if (c->out->count < 1) {
    lineage_free(&l);
    return node_fail(c->op, "the function has no result");
  }
  const pons_array y = c->out->at[0];
  if (y->ndim)
    bad = node_fail(c->op, "the function's first result must be a scalar, it is %s\nhint: sum it",
                    node_text(y));
  const between b = {c->out->at, aliases, 1, c->n_in, NULL};
  pons_array one = bad ? bad : pons_scalar(1, (pons_dtype)y->dtype);
  if (!bad) bad = pull_back_on(c->op, &l, &b, &one, grads);
  lineage_free(&l);
  for (int i = 0; i < g->n_argnums && !bad; i++) {
    const int a = g->argnums[i];
    if (!grads[a]) grads[a] = pons_zeros_like(c->primals[a]);
    if (node_failed(grads[a])) bad = grads[a];
  }
  return bad;
}

static pons_array call_and_differentiate(const grad_function *g, const pons_array *in, int n_in,
                                         result_list *values, result_list *out) {
  pons_array *aliases = mem_zalloc((size_t)(2 * n_in + 1) * sizeof *aliases + (size_t)n_in * sizeof(bool));
  if (!aliases) return transform_no_memory(g->head.kind);
  pons_array *grads = aliases + n_in;
  bool *wanted = (bool *)(grads + n_in + 1);
  const call_site c = {g->head.kind, g->f, in, n_in, wanted, g->f->n_out, values, true};
  pons_array bad = mark_wanted(g, n_in, wanted);
  if (!bad) bad = gradients(g, &c, aliases, grads);
  for (int i = 0; g->value && !bad && i < values->count; i++) pons_results_add(out, values->at[i]);
  for (int i = 0; i < g->n_argnums && !bad; i++) pons_results_add(out, grads[g->argnums[i]]);
  mem_free(aliases);
  return bad;
}

static void grad_call(function *self, const pons_array *in, int n_in, result_list *out) {
  const pons_scope scope = pons_scope_open();
  result_list values;
  results_begin(&values, self->kind);
  pons_array bad = call_and_differentiate((grad_function *)self, in, n_in, &values, out);
  pons_results_set_tag(out, values.tag);
  results_end(&values);
  transform_end(scope, bad, out);
}

static void grad_destroy(function *self) {
  pons_function_release(((grad_function *)self)->f);
  mem_free(self);
}

static pons_function make(pons_function f, pons_axes argnums, bool value) {
  const char *kind = value ? "value_and_grad" : "grad";
  if (!f) {
    error_release(fail(kind, "the function is NULL"));
    return NULL;
  }
  const int zero = 0;
  if (!argnums.at) argnums = (pons_axes){1, &zero};
  const int count = argnums.count > 0 ? argnums.count : 0;
  const int n_out = !value ? count : f->n_out < 0 ? -1 : f->n_out + count;
  grad_function *g =
      function_new(sizeof *g + (size_t)count * sizeof(int), kind, n_out, grad_call, grad_destroy);
  if (!g) return NULL;
  g->f = pons_function_keep(f);
  g->value = value;
  g->n_argnums = count;
  memcpy(g->argnums, argnums.at, (size_t)count * sizeof(int));
  return &g->head;
}

pons_function pons_grad(pons_function f, pons_axes argnums) { return make(f, argnums, false); }
pons_function pons_value_and_grad(pons_function f, pons_axes argnums) { return make(f, argnums, true); }
