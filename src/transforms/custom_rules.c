/* custom_rules.c: a function with rules of its own is a node between the function's results and everything
   that uses them:

       inputs ──────────┬──────────────┐
                        f ─ results ─ CustomTransforms ─ the same results

   Evaluating goes through it (it is the identity on the results), transforms ask it for its rules first. What
   it has no rule for passes through to f. Uses base/, graph/ and the public ops. */
#include "transforms/transforms.h"
#include <limits.h>
#include <pons/ops.h>

typedef struct custom_params {
  pons_function f, vjp, jvp, vmap, vmap_along;
  bool recompute;
  int n_out; /* in: the inputs, then the results of f */
} custom_params;

static int custom_outputs(const void *params, int n_in) {
  (void)n_in;
  return ((const custom_params *)params)->n_out;
}

static error *custom_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const int n_out = ((const custom_params *)params)->n_out;
  for (int k = 0; k < n_out; k++) {
    const node *y = in[n_in - n_out + k];
    out[k] = (spec){(pons_dtype)y->dtype, node_shape(y)};
  }
  return NULL;
}

static void custom_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const int n_out = ((const custom_params *)params)->n_out;
  for (int k = 0; k < n_out; k++) out[k] = in[n_in - n_out + k];
}

static pons_array *joined(const pons_array *a, int n_a, const pons_array *b, int n_b, const pons_array *c,
                          int n_c) {
  pons_array *all = mem_alloc((size_t)(n_a + n_b + n_c + 1) * sizeof *all);
  if (!all) return NULL;
  if (n_a) memcpy(all, a, (size_t)n_a * sizeof *a);
  if (n_b) memcpy(all + n_a, b, (size_t)n_b * sizeof *b);
  if (n_c) memcpy(all + n_a + n_b, c, (size_t)n_c * sizeof *c);
  return all;
}

/* ---- gradients ---- */

/* f again, on inputs that wait for the cotangents: then a plan can't take these results for those computed
   before. */
static pons_array recomputed(const custom_params *p, const vjp_call *c, int n_args) {
  pons_array *args = mem_alloc((size_t)(n_args + c->n_out + 1) * sizeof *args);
  if (!args) return transform_no_memory("checkpoint");
  pons_depends(c->in, n_args, c->cotangents, c->n_out, args);
  pons_vjp(p->f, args, n_args, c->cotangents, c->n_out, args + n_args, c->grads);
  mem_free(args);
  return NULL;
}

static void custom_vjp(const vjp_call *c) {
  const custom_params *p = c->params;
  const int n_args = c->n_in - c->n_out;
  pons_array bad = NULL;
  if (p->vjp) {
    pons_array *in = joined(c->in, n_args, c->out, c->n_out, c->cotangents, c->n_out);
    if (in)
      pons_call(p->vjp, in, n_args + 2 * c->n_out, c->grads, n_args);
    else
      bad = transform_no_memory("custom_function");
    for (int i = 0; in && i < n_args; i++) /* a rule may fail where nobody asks */
      if (!c->wanted[i]) c->grads[i] = NULL;
    mem_free(in);
  } else if (p->recompute) {
    bad = recomputed(p, c, n_args);
  } else {
    for (int k = 0; k < c->n_out; k++) c->grads[n_args + k] = c->cotangents[k];
  }
  if (bad) c->grads[0] = bad;
}

static void custom_jvp(const jvp_call *c) {
  const custom_params *p = c->params;
  const int n_args = c->n_in - c->n_out;
  if (!p->jvp) {
    for (int k = 0; k < c->n_out; k++) c->out_tangents[k] = c->tangents[n_args + k];
    return;
  }
  pons_array *in = joined(c->in, n_args, c->tangents, n_args, NULL, 0);
  for (int k = 0; in && k < n_args; k++)
    if (!in[n_args + k]) in[n_args + k] = pons_zeros_like(c->in[k]);
  if (in)
    pons_call(p->jvp, in, 2 * n_args, c->out_tangents, c->n_out);
  else
    c->out_tangents[0] = transform_no_memory("custom_function");
  mem_free(in);
}

/* ---- batches ---- */

/* The node again, of the whole batch, each rule mapped over it. */
static pons_array mapped(const vmap_call *c, const pons_array *in) {
  const custom_params *p = c->params;
  const pons_axes all = {0, NULL};
  custom_params q = {.f = pons_vmap(p->f, all, all), .recompute = p->recompute, .n_out = p->n_out};
  if (p->vjp) q.vjp = pons_vmap(p->vjp, all, all);
  if (p->jvp) q.jvp = pons_vmap(p->jvp, all, all);
  pons_array bad = NULL;
  if (!q.f || (p->vjp && !q.vjp) || (p->jvp && !q.jvp))
    bad = transform_no_memory("vmap");
  else
    node_make_many(c->prim, &q, c->n_in, in, c->out, c->n_out);
  pons_function_release(q.f);
  pons_function_release(q.vjp);
  pons_function_release(q.jvp);
  for (int k = 0; k < c->n_out; k++) c->out_axes[k] = 0;
  return bad;
}

/* What the rule says of result k's axis: its own, which is not checked yet, or the error. */
static pons_array read_axis(pons_array y, pons_array said, int64_t size, int *axis) {
  const int64_t given = pons_has_value(said) && said->size == 1 ? pons_item_int(said) : INT64_MAX;
  *axis = -1;
  if (given == PONS_NOT_MAPPED) return NULL;
  *axis = given >= INT_MIN && given <= INT_MAX ? axis_normal((int)given, y->ndim) : -1;
  if (*axis < 0 || y->shape[*axis] != size)
    return node_fail("custom_function",
                     "the vmap rule's result %s has no batch of %lld along the axis that it names (%lld)",
                     node_text(y), (long long)size, (long long)given);
  return NULL;
}

static pons_array along_axes(const vmap_call *c, int n_args) {
  const custom_params *p = c->params;
  pons_array *in = mem_alloc((size_t)(2 * n_args + 2 * c->n_out + 1) * sizeof *in);
  if (!in) return transform_no_memory("vmap");
  pons_array *out = in + 2 * n_args, bad = NULL;
  for (int k = 0; k < n_args; k++) {
    in[k] = c->in[k];
    in[n_args + k] = pons_int(c->axes[k] < 0 ? PONS_NOT_MAPPED : c->axes[k]);
  }
  if (!pons_call(p->vmap_along, in, 2 * n_args, out, 2 * c->n_out)) bad = transform_failed(out, 2 * c->n_out);
  for (int k = 0; k < c->n_out && !bad; k++) {
    c->out[k] = out[k];
    bad = read_axis(out[k], out[c->n_out + k], c->size, &c->out_axes[k]);
  }
  mem_free(in);
  return bad;
}

static void custom_vmap(const vmap_call *c) {
  const custom_params *p = c->params;
  const int n_args = c->n_in - c->n_out;
  pons_array *in = mem_alloc((size_t)(c->n_in + 1) * sizeof *in),
             bad = in ? NULL : transform_no_memory("vmap");
  if (in && p->vmap_along) {
    bad = along_axes(c, n_args);
  } else if (in && p->vmap) {
    for (int k = 0; k < n_args; k++)
      in[k] = c->axes[k] < 0 ? c->in[k] : batch_to_front(c->in[k], c->axes[k], c->size);
    pons_call(p->vmap, in, n_args, c->out, c->n_out);
    for (int k = 0; k < c->n_out; k++) c->out_axes[k] = 0;
  } else if (in) {
    for (int k = 0; k < c->n_in; k++) in[k] = batch_to_front(c->in[k], c->axes[k], c->size);
    bad = mapped(c, in);
  }
  if (bad) c->out[0] = bad;
  mem_free(in);
}

static const prim prim_custom = {
    .name = "CustomTransforms",
    .opaque = true,
    .params_size = sizeof(custom_params),
    .fields = {FIELD_UNSTORED(FUNCTION, custom_params, f), FIELD_UNSTORED(FUNCTION, custom_params, vjp),
               FIELD_UNSTORED(FUNCTION, custom_params, jvp), FIELD_UNSTORED(FUNCTION, custom_params, vmap),
               FIELD_UNSTORED(FUNCTION, custom_params, vmap_along),
               FIELD_UNSTORED(BOOL, custom_params, recompute), FIELD_UNSTORED(INT, custom_params, n_out)},
    .outputs = custom_outputs,
    .infer = custom_infer,
    .vjp = custom_vjp,
    .jvp = custom_jvp,
    .vmap = custom_vmap,
    .decompose = custom_decompose, /* no device has it: it is nothing to compute */
};

/* ---- the function ---- */

typedef struct custom_function {
  function head;
  custom_function_parts parts;
} custom_function;

/* The node on the inputs and the results of f, `y`. */
static pons_array put_node(const custom_function_parts *p, const pons_array *in, int n_in,
                           const result_list *y, result_list *out) {
  pons_array *all = joined(in, n_in, y->at, y->count, NULL, 0),
             *made = mem_alloc((size_t)(y->count + 1) * sizeof *made);
  const bool fine = all && made;
  const custom_params params = {p->f, p->vjp, p->jvp, p->vmap, p->vmap_along, p->recompute, y->count};
  if (fine && y->count) node_make_many(&prim_custom, &params, n_in + y->count, all, made, y->count);
  for (int k = 0; fine && k < y->count; k++) pons_results_add(out, made[k]);
  mem_free(all);
  mem_free(made);
  return fine ? NULL : transform_no_memory(out->kind);
}

static void custom_call(function *self, const pons_array *in, int n_in, result_list *out) {
  const custom_function_parts *p = &((custom_function *)self)->parts;
  const pons_scope scope = pons_scope_open();
  pons_array *given = joined(in, n_in, NULL, 0, NULL, 0),
             bad = given ? NULL : transform_no_memory(self->kind);
  /* With a rule for each direction nothing need pass through f. */
  for (int i = 0; given && p->vjp && p->jvp && i < n_in; i++) given[i] = pons_stop_gradient(in[i]);
  if (given) {
    result_list y;
    function_call(p->f, given, n_in, &y);
    bad = results_failed(&y);
    if (!bad) bad = put_node(p, in, n_in, &y, out);
    pons_results_set_tag(out, y.tag);
    results_end(&y);
  }
  mem_free(given);
  transform_end(scope, bad, out);
}

static void custom_destroy(function *self) {
  const custom_function_parts *p = &((custom_function *)self)->parts;
  pons_function_release(p->f);
  pons_function_release(p->vjp);
  pons_function_release(p->jvp);
  pons_function_release(p->vmap);
  pons_function_release(p->vmap_along);
  mem_free(self);
}

pons_function transform_custom(const char *kind, const custom_function_parts *parts) {
  if (!parts->f) {
    error_release(fail(kind, "the function is NULL"));
    return NULL;
  }
  custom_function *c = function_new(sizeof *c, kind, parts->f->n_out, custom_call, custom_destroy);
  if (!c) return NULL;
  c->parts = (custom_function_parts){pons_function_keep(parts->f),          pons_function_keep(parts->vjp),
                                     pons_function_keep(parts->jvp),        pons_function_keep(parts->vmap),
                                     pons_function_keep(parts->vmap_along), parts->recompute};
  return &c->head;
}

pons_function pons_custom_function(pons_function f, struct pons_custom_rules rules) {
  const custom_function_parts parts = {f, rules.vjp, rules.jvp, rules.vmap, rules.vmap_along, false};
  return transform_custom("custom_function", &parts);
}
