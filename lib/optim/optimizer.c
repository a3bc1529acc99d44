/* optimizer.c: one step of SGD, Adam or AdamW for each parameter, with the formulas of mlx.optimizers. Nothing
   is evaluated here. */
#include <pons/optim.h>
#include <stdio.h>

enum { NAME_ROOM = 512 };

/* What an optimiser remembers of one parameter: at most two arrays. */
typedef struct memory {
  const char *names[2];
  int count;
} memory;

static memory memory_of(const pons_optimizer *o) {
  if (o->kind != PONS_SGD) return (memory){{"m", "v"}, 2};
  return (memory){{"v", NULL}, o->momentum > 0 ? 1 : 0};
}

static bool state_name(char *to, const char *key, const char *name) {
  const int n = snprintf(to, NAME_ROOM, "%s.%s", key, name);
  if (n > 0 && n < NAME_ROOM) return true;
  pons_fail("optimizer", "the name \"%.40s...\" is too long", key);
  return false;
}

/* Zeros where there is nothing yet. */
static bool remember(const pons_optimizer *o, pons_named parameters, pons_named state) {
  const memory m = memory_of(o);
  if (!pons_named_get(state, "step") && !pons_named_set(state, "step", pons_zeros(PONS_SCALAR, PONS_UINT64)))
    return false;
  for (int64_t i = 0; i < pons_named_count(parameters); i++)
    for (int k = 0; k < m.count; k++) {
      char name[NAME_ROOM];
      if (!state_name(name, pons_named_key(parameters, i), m.names[k])) return false;
      if (!pons_named_get(state, name) &&
          !pons_named_set(state, name, pons_zeros_like(pons_named_at(parameters, i))))
        return false;
    }
  return true;
}

static pons_array get(pons_named state, const char *key, const char *name) {
  char full[NAME_ROOM];
  return state_name(full, key, name) ? pons_named_get(state, full) : NULL;
}

static bool set(pons_named state, const char *key, const char *name, pons_array value) {
  char full[NAME_ROOM];
  return state_name(full, key, name) && pons_named_set(state, full, value);
}

static pons_array times(double factor, pons_array x) { return pons_multiply(pons_float(factor), x); }

static pons_array sgd(const pons_optimizer *o, const char *key, pons_array p, pons_array g, pons_named state,
                      pons_array rate) {
  if (o->weight_decay != 0) g = pons_add(g, times(o->weight_decay, p));
  if (o->momentum <= 0) return pons_subtract(p, pons_multiply(rate, g));
  pons_array v = times(o->momentum, get(state, key, "v"));
  v = pons_add(v, o->dampening > 0 ? times(1 - o->dampening, g) : g);
  if (!set(state, key, "v", v)) return NULL;
  pons_array update = o->nesterov ? pons_add(g, times(o->momentum, v)) : v;
  return pons_subtract(p, pons_multiply(rate, update));
}

/* 1 - beta^step */
static pons_array bias(double beta, pons_array step) {
  return pons_subtract(pons_float(1), pons_power(pons_scalar(beta, PONS_FLOAT32), step));
}

static pons_array adam(const pons_optimizer *o, const char *key, pons_array p, pons_array g, pons_named state,
                       pons_array rate) {
  const double b1 = o->beta1 != 0 ? o->beta1 : 0.9, b2 = o->beta2 != 0 ? o->beta2 : 0.999;
  const pons_array eps = pons_float(o->eps != 0 ? o->eps : 1e-8);
  if (o->kind == PONS_ADAMW && o->weight_decay >= 0) {
    const double decay = o->weight_decay != 0 ? o->weight_decay : 0.01;
    p = pons_multiply(p, pons_subtract(pons_float(1), times(decay, rate)));
  }
  pons_array m = pons_add(times(b1, get(state, key, "m")), times(1 - b1, g));
  pons_array v = pons_add(times(b2, get(state, key, "v")), times(1 - b2, pons_square(g)));
  if (!set(state, key, "m", m) || !set(state, key, "v", v)) return NULL;
  if (!o->bias_correction)
    return pons_subtract(p, pons_divide(pons_multiply(rate, m), pons_add(pons_sqrt(v), eps)));
  pons_array step = pons_named_get(state, "step");
  pons_array c1 = pons_astype(pons_divide(rate, bias(b1, step)), pons_dtype_of(g));
  pons_array c2 = pons_astype(pons_rsqrt(bias(b2, step)), pons_dtype_of(g));
  return pons_subtract(p, pons_divide(pons_multiply(c1, m), pons_add(pons_multiply(pons_sqrt(v), c2), eps)));
}

static bool check(const pons_optimizer *o) {
  if (o->nesterov && (o->momentum <= 0 || o->dampening != 0)) {
    pons_fail("sgd", "Nesterov momentum needs a momentum and no dampening, got %g and %g", o->momentum,
              o->dampening);
    return false;
  }
  return true;
}

static bool update_all(const pons_optimizer *o, pons_named parameters, pons_named gradients, pons_named state,
                       pons_array rate) {
  pons_array step = pons_add(pons_named_get(state, "step"), pons_int(1));
  if (!pons_named_set(state, "step", step)) return false;
  for (int64_t i = 0; i < pons_named_count(parameters); i++) {
    const char *key = pons_named_key(parameters, i);
    pons_array p = pons_named_at(parameters, i), g = pons_named_get(gradients, key);
    if (!g) continue; /* a parameter without a gradient stays */
    pons_array r = pons_astype(rate, pons_dtype_of(g));
    pons_array moved = o->kind == PONS_SGD ? sgd(o, key, p, g, state, r) : adam(o, key, p, g, state, r);
    if (!moved || !pons_named_set(parameters, key, moved)) return false;
  }
  return true;
}

bool pons_optimizer_update(const pons_optimizer *o, pons_named parameters, pons_named gradients,
                           pons_named state, pons_array rate) {
  if (!check(o)) return false;
  pons_scope s = pons_scope_open();
  if (!rate) rate = pons_scalar(o->learning_rate, PONS_FLOAT32);
  const bool fine = remember(o, parameters, state) && update_all(o, parameters, gradients, state, rate);
  pons_scope_close(s);
  return fine;
}
