/* depends.c: values passed on as they are: StopGradient, and Depends, which also waits for others. Uses
   graph/. */
#include "ops/ops.h"

static bool same_view(const void *params, const node *in, const view *in_view, const shape *s, view *out) {
  (void)params, (void)in, (void)s;
  *out = *in_view;
  return true;
}

/* ---- StopGradient ---- */

static error *stop_gradient_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("stop_gradient", n_in, 1);
  if (!e) *out = spec_of(in[0]);
  return e;
}

static void stop_gradient_vmap(const vmap_call *c) {
  c->out[0] = node_make(c->prim, NULL, 1, c->in);
  c->out_axes[0] = c->axes[0];
}

const prim prim_stop_gradient = {.name = "StopGradient",
                                 .no_gradient = true,
                                 .infer = stop_gradient_infer,
                                 .view = same_view,
                                 .vmap = stop_gradient_vmap};

pons_array pons_stop_gradient(pons_array x) { return node_make(&prim_stop_gradient, NULL, 1, &x); }

/* ---- Depends: in[0 .. count) are handed on, once all of in are computed. With one value it is a view. -- */

static int depends_outputs(const void *params, int n_in) {
  const int count = ((const depends_params *)params)->count;
  return count <= n_in ? count : 0; /* none is an error */
}

static error *depends_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const depends_params *p = params;
  if (p->count < 1 || p->count > n_in) return fail("depends", "%d results of %d operands", p->count, n_in);
  for (int i = 0; i < p->count; i++) out[i] = spec_of(in[i]);
  return NULL;
}

static void depends_vjp(const vjp_call *c) {
  for (int i = 0; i < c->n_out; i++)
    if (c->wanted[i]) c->grads[i] = c->cotangents[i];
}

static void depends_jvp(const jvp_call *c) {
  for (int i = 0; i < c->n_out; i++) c->out_tangents[i] = c->tangents[i];
}

static void depends_vmap(const vmap_call *c) {
  const depends_params *p = c->params;
  node_make_many(c->prim, p, c->n_in, c->in, c->out, c->n_out);
  for (int i = 0; i < c->n_out; i++) c->out_axes[i] = c->axes[i];
}

static void depends_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  const depends_params *p = params;
  const depends_params one = {1};
  pons_array *all = mem_alloc((size_t)(n_in + 1) * sizeof *all);
  for (int i = 0; i < n_in && all; i++) all[i + 1] = in[i];
  for (int i = 0; i < p->count; i++) {
    if (all) all[0] = in[i];
    out[i] = all ? node_make(&prim_depends, &one, n_in + 1, all) : node_error(fail_no_memory("depends"));
  }
  mem_free(all);
}

const prim prim_depends = {.name = "Depends",
                           .opaque = true,
                           .waits = true,
                           .params_size = sizeof(depends_params),
                           .fields = {FIELD_UNSTORED(INT, depends_params, count)},
                           .outputs = depends_outputs,
                           .infer = depends_infer,
                           .view = same_view,
                           .vjp = depends_vjp,
                           .jvp = depends_jvp,
                           .vmap = depends_vmap,
                           .decompose = depends_decompose};

void pons_depends(const pons_array *x, int n, const pons_array *dependencies, int n_dependencies,
                  pons_array *out) {
  if (n < 1) return;
  const int n_in = n + (n_dependencies > 0 ? n_dependencies : 0);
  pons_array *in = mem_alloc((size_t)n_in * sizeof *in);
  if (!in) {
    pons_array bad = node_error(fail_no_memory("depends"));
    for (int i = 0; i < n; i++) out[i] = bad;
    return;
  }
  for (int i = 0; i < n_in; i++) in[i] = i < n ? x[i] : dependencies[i - n];
  const depends_params params = {n};
  node_make_many(&prim_depends, &params, n_in, in, out, n);
  mem_free(in);
}
