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

static int value_and_grad_outputs(function *self, const pons_array *in, int n_in) {
  const grad_function *g = (grad_function *)self;
  const int n_out = pons_function_outputs(g->f, in, n_in);
  return n_out < 0 ? -1 : n_out + g->n_argnums;
}

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
  if (c->n_out < 1) return node_fail(c->op, "the function has no result");
  lineage l;
  pons_array bad = lineage_of_call(&l, c, aliases);
  if (bad) return bad;
  const pons_array y = c->out[0];
  if (y->ndim)
    bad = node_fail(c->op, "the function's first result must be a scalar, it is %s\nhint: sum it",
                    node_text(y));
  const between b = {c->out, aliases, 1, c->n_in};
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

static void grad_call(function *self, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const grad_function *g = (grad_function *)self;
  const int values = pons_function_outputs(g->f, in, n_in);
  if (values < 0) {
    transform_fail_all(out, n_out, node_fail(self->kind, "the function takes no such inputs"));
    return;
  }
  const pons_scope scope = pons_scope_open();
  pons_array *room = mem_zalloc((size_t)(values + 2 * n_in + 1) * sizeof *room + (size_t)n_in * sizeof(bool));
  if (!room) {
    transform_fail_all(out, n_out, pons_scope_return(scope, transform_no_memory(self->kind)));
    return;
  }
  pons_array *aliases = room + values, *grads = aliases + n_in;
  bool *wanted = (bool *)(grads + n_in + 1);
  const call_site c = {self->kind, g->f, in, n_in, wanted, room, values};
  pons_array bad = mark_wanted(g, n_in, wanted);
  if (!bad) bad = gradients(g, &c, aliases, grads);
  const int before = g->value ? values : 0;
  for (int i = 0; i < before; i++) out[i] = bad ? bad : room[i];
  for (int i = 0; i < g->n_argnums; i++) out[before + i] = bad ? bad : grads[g->argnums[i]];
  mem_free(room);
  pons_scope_return_many(scope, out, n_out);
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
  const int n_out = value ? -1 : count;
  grad_function *g =
      function_new(sizeof *g + (size_t)count * sizeof(int), kind, n_out, grad_call, grad_destroy);
  if (!g) return NULL;
  if (value) g->head.outputs = value_and_grad_outputs;
  g->f = pons_function_keep(f);
  g->value = value;
  g->n_argnums = count;
  memcpy(g->argnums, argnums.at, (size_t)count * sizeof(int));
  return &g->head;
}

pons_function pons_grad(pons_function f, pons_axes argnums) { return make(f, argnums, false); }
pons_function pons_value_and_grad(pons_function f, pons_axes argnums) { return make(f, argnums, true); }
