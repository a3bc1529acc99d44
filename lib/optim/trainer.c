/* trainer.c: a training step as one compiled function:

       rate, parameters..., state..., inputs...   ->   loss, parameters..., state... */
#include <pons/optim.h>
#include <stdlib.h>

struct pons_trainer_s {
  pons_loss loss;
  void *payload;
  pons_named parameters, state;
  pons_optimizer optimizer;
  double max_norm;
  pons_function step; /* compiled; made at the first step */
};

/* The names of `like` with the arrays from *at on, which moves behind them. */
static pons_named unpack(pons_named like, const pons_array **at) {
  pons_named p = pons_named_new();
  bool fine = p;
  for (int64_t i = 0; fine && i < pons_named_count(like); i++)
    fine = pons_named_set(p, pons_named_key(like, i), *(*at)++);
  if (fine) return p;
  pons_named_free(p);
  return NULL;
}

static void pack(pons_named from, pons_array **at) {
  for (int64_t i = 0; i < pons_named_count(from); i++) *(*at)++ = pons_named_at(from, i);
}

static bool loss_and_update(const struct pons_trainer_s *t, pons_named parameters, pons_named state,
                            pons_array rate, const pons_array *in, int n_in, pons_array *out) {
  pons_named gradients = pons_named_new();
  if (!gradients) return false;
  pons_array *at = out;
  *at++ = pons_nn_value_and_grad(t->loss, t->payload, parameters, in, n_in, gradients);
  if (t->max_norm > 0) pons_clip_grad_norm(gradients, t->max_norm);
  const bool fine =
      !pons_error_of(out[0]) && pons_optimizer_update(&t->optimizer, parameters, gradients, state, rate);
  if (fine) {
    pack(parameters, &at);
    pack(state, &at);
  }
  pons_named_free(gradients);
  return fine;
}

/* Keeps what `out` holds until the collections that held it are gone. */
static void own_results(pons_array *out, int n_out) {
  pons_scope here = pons_scope_open();
  pons_scope_return_many(here, out, n_out);
}

static void step(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const struct pons_trainer_s *t = payload;
  const pons_array *at = in + 1;
  pons_named parameters = unpack(t->parameters, &at), state = parameters ? unpack(t->state, &at) : NULL;
  const int n_inputs = (int)(n_in - (at - in));
  bool fine = state && loss_and_update(t, parameters, state, in[0], at, n_inputs, out);
  if (fine) own_results(out, n_out);
  for (int i = 0; !fine && i < n_out; i++)
    if (!out[i] || i)
      out[i] = out[0] && pons_error_of(out[0]) ? out[0] : pons_fail("trainer", "the step could not be built");
  pons_named_free(parameters);
  pons_named_free(state);
}

/* The state has all its entries once an update was made with it: one on copies, of which only the state's
   zeros are kept. */
static bool complete_state(pons_trainer t) {
  pons_named copy = pons_named_new(), none = pons_named_new();
  pons_scope s = pons_scope_open();
  bool fine = copy && none;
  for (int64_t i = 0; fine && i < pons_named_count(t->parameters); i++)
    fine = pons_named_set(copy, pons_named_key(t->parameters, i), pons_named_at(t->parameters, i));
  pons_array before = fine ? pons_named_get(t->state, "step") : NULL;
  if (before) pons_keep(before);
  fine = fine && pons_optimizer_update(&t->optimizer, copy, none, t->state, NULL);
  /* without gradients nothing moved but the count of steps */
  fine = fine && pons_named_set(t->state, "step", before ? before : pons_zeros(PONS_SCALAR, PONS_UINT64));
  pons_release(before);
  pons_scope_close(s);
  pons_named_free(copy);
  pons_named_free(none);
  return fine && pons_eval_named(t->parameters, t->state);
}

static bool prepare(pons_trainer t) {
  if (t->step) return true;
  if (!complete_state(t)) return false;
  const int64_t n_out = 1 + pons_named_count(t->parameters) + pons_named_count(t->state);
  pons_function f = pons_function_new(step, (int)n_out, t, NULL);
  t->step = f ? pons_compile(f) : NULL;
  pons_function_release(f);
  return t->step != NULL;
}

pons_trainer pons_trainer_new(pons_loss loss, void *payload, pons_named parameters, pons_named state,
                              pons_optimizer optimizer, double max_norm) {
  pons_trainer t = malloc(sizeof *t);
  if (!t)
    pons_fail_as(PONS_ERROR_MEMORY, "trainer", "out of memory");
  else
    *t = (struct pons_trainer_s){loss, payload, parameters, state, optimizer, max_norm, NULL};
  return t;
}

static bool put_back(pons_named into, pons_array **at) {
  bool fine = true;
  for (int64_t i = 0; fine && i < pons_named_count(into); i++)
    fine = pons_named_set(into, pons_named_key(into, i), *(*at)++);
  return fine;
}

pons_array pons_trainer_step(pons_trainer t, const pons_array *in, int n_in, double rate) {
  if (!prepare(t)) return pons_fail("trainer", "the first step could not be prepared");
  pons_scope s = pons_scope_open();
  const int64_t held = pons_named_count(t->parameters) + pons_named_count(t->state);
  pons_array *all = malloc((size_t)(1 + held + n_in) * sizeof *all),
             *out = malloc((size_t)(1 + held) * sizeof *out);
  pons_array loss = NULL;
  if (all && out) {
    pons_array *at = all;
    *at++ = pons_scalar(rate != 0 ? rate : t->optimizer.learning_rate, PONS_FLOAT32);
    pack(t->parameters, &at);
    pack(t->state, &at);
    for (int i = 0; i < n_in; i++) *at++ = in[i];
    const bool fine = pons_call(t->step, all, (int)(1 + held + n_in), out, (int)(1 + held));
    at = out + 1;
    loss = out[0];
    if (fine && !(put_back(t->parameters, &at) && put_back(t->state, &at)))
      loss = pons_fail("trainer", "the moved parameters could not be set");
  }
  free(all);
  free(out);
  return pons_scope_return(s, loss ? loss : pons_fail_as(PONS_ERROR_MEMORY, "trainer", "out of memory"));
}

void pons_trainer_free(pons_trainer t) {
  if (!t) return;
  pons_function_release(t->step);
  free(t);
}
