/* gradient.c: functions of named parameters seen as functions of arrays, so that transforms can take them. */
#include <pons/nn.h>
#include <stdlib.h>

/* The names of `like` with other arrays under them. NULL and an error if there is no memory. */
static pons_named renamed(pons_named like, const pons_array *arrays) {
  pons_named p = pons_named_new();
  for (int64_t i = 0; p && i < pons_named_count(like); i++)
    if (!pons_named_set(p, pons_named_key(like, i), arrays[i])) {
      pons_named_free(p);
      p = NULL;
    }
  return p;
}

/* ---- value and gradients ---- */

typedef struct loss_payload {
  pons_loss loss;
  void *payload;
  pons_named like;
} loss_payload;

static void call_loss(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_out;
  const loss_payload *l = payload;
  const int count = (int)pons_named_count(l->like);
  pons_named p = renamed(l->like, in);
  out[0] = p ? l->loss(l->payload, p, in + count, n_in - count)
             : pons_fail_as(PONS_ERROR_MEMORY, "value_and_grad", "out of memory");
  pons_named_free(p);
}

static pons_array run_with_gradients(pons_function f, pons_named parameters, const pons_array *in, int n_in,
                                     pons_named gradients) {
  const int count = (int)pons_named_count(parameters);
  pons_array *all = malloc((size_t)(count + n_in + 1) * sizeof *all);
  pons_array *out = malloc((size_t)(count + 1) * sizeof *out);
  pons_array value = NULL;
  if (all && out) {
    for (int i = 0; i < count; i++) all[i] = pons_named_at(parameters, i);
    for (int i = 0; i < n_in; i++) all[count + i] = in[i];
    bool fine = pons_call(f, all, count + n_in, out, count + 1);
    for (int i = 0; fine && i < count; i++)
      fine = pons_named_set(gradients, pons_named_key(parameters, i), out[1 + i]);
    value = out[0];
  }
  free(all);
  free(out);
  return value ? value : pons_fail_as(PONS_ERROR_MEMORY, "value_and_grad", "out of memory");
}

pons_array pons_nn_value_and_grad(pons_loss loss, void *payload, pons_named parameters, const pons_array *in,
                                  int n_in, pons_named gradients) {
  const int count = (int)pons_named_count(parameters);
  loss_payload l = {loss, payload, parameters};
  int *argnums = malloc((size_t)(count + 1) * sizeof *argnums);
  if (!argnums) return pons_fail_as(PONS_ERROR_MEMORY, "value_and_grad", "out of memory");
  for (int i = 0; i < count; i++) argnums[i] = i;
  pons_scope s = pons_scope_open();
  pons_function f = pons_function_new(call_loss, 1, &l, NULL);
  pons_function g = f ? pons_value_and_grad(f, (pons_axes){count, argnums}) : NULL;
  pons_array value = g ? run_with_gradients(g, parameters, in, n_in, gradients)
                       : pons_fail_as(PONS_ERROR_MEMORY, "value_and_grad", "out of memory");
  pons_function_release(g);
  pons_function_release(f);
  free(argnums);
  return pons_scope_return(s, value);
}

/* ---- a model with its parameters ---- */

typedef struct model_payload {
  pons_model model;
  void *payload;
  pons_named parameters; /* its own */
} model_payload;

static void call_model(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_out;
  const model_payload *m = payload;
  out[0] = m->model(m->payload, m->parameters, in, n_in);
}

static void end_model(void *payload) {
  model_payload *m = payload;
  pons_named_free(m->parameters);
  free(m);
}

pons_function pons_nn_function(pons_model model, void *payload, pons_named parameters) {
  const int64_t count = pons_named_count(parameters);
  model_payload *m = malloc(sizeof *m);
  pons_array *arrays = malloc((size_t)(count + 1) * sizeof *arrays);
  for (int64_t i = 0; arrays && i < count; i++) arrays[i] = pons_named_at(parameters, i);
  if (m) *m = (model_payload){model, payload, arrays ? renamed(parameters, arrays) : NULL};
  free(arrays);
  if (m && m->parameters) return pons_function_new(call_model, 1, m, end_model);
  free(m);
  pons_fail_as(PONS_ERROR_MEMORY, "nn_function", "out of memory");
  return NULL;
}
