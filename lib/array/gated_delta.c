/* gated_delta.c: the gated delta rule (Yang, Kautz, Hatamizadeh 2024, arXiv:2412.06464), a linear attention whose
   state forgets by gamma and is corrected by beta. Here the recurrence itself, one step after the other. */
#include "dtypes.h"
#include "operands.h"
#include <pons/fast.h>
#include <stdlib.h>

typedef struct sizes {
  int64_t batch, length, key_heads, heads, key_dim, value_dim;
} sizes;

static bool has_shape(pons_array x, pons_shape want) {
  bool same = pons_ndim(x) == want.count;
  for (int i = 0; same && i < want.count; i++) same = pons_dim(x, i) == want.at[i];
  return same;
}

static pons_array shapes_fault(const struct pons_gated_delta_args *a, sizes *s) {
  const char *op = "gated_delta_update";
  const pons_array given[7] = {a->q, a->k, a->v, a->gamma, a->beta, a->initial_state, a->mask};
  pons_array bad = fault_among(op, given, 5);
  for (int i = 5; i < 7 && !bad; i++) bad = given[i] ? fault_of(op, given[i]) : NULL;
  if (bad) return bad;
  if (pons_ndim(a->q) != 4 || pons_ndim(a->v) != 4) return pons_fail(op, "q and v need 4 axes");
  *s = (sizes){pons_dim(a->q, 0), pons_dim(a->q, 1), pons_dim(a->q, 2),
               pons_dim(a->v, 2), pons_dim(a->q, 3), pons_dim(a->v, 3)};
  if (s->length == 0) return pons_fail(op, "a length of 0");
  if (s->key_heads == 0 || s->heads % s->key_heads)
    return pons_fail(op, "%lld heads for %lld key heads", (long long)s->heads, (long long)s->key_heads);
  const pons_shape gates = PONS_SHAPE(s->batch, s->length, s->heads);
  if (!has_shape(a->k, pons_shape_of(a->q))) return pons_fail(op, "q and k differ in shape");
  if (!has_shape(a->v, PONS_SHAPE(s->batch, s->length, s->heads, s->value_dim)))
    return pons_fail(op, "v must be (batch, length, heads, value dim) with q's batch and length");
  if (!has_shape(a->gamma, gates) || !has_shape(a->beta, gates))
    return pons_fail(op, "gamma and beta must be (batch, length, heads)");
  if (a->initial_state &&
      !has_shape(a->initial_state, PONS_SHAPE(s->batch, s->heads, s->value_dim, s->key_dim)))
    return pons_fail(op, "the initial state must be (batch, heads, value dim, key dim)");
  if (a->mask && !has_shape(a->mask, PONS_SHAPE(s->batch, s->length)))
    return pons_fail(op, "the mask must be (batch, length)");
  return NULL;
}

/* One step: S, and y (batch, heads, value dim). k and q are columns (batch, heads, key dim, 1). */
static pons_array step(pons_array *state, pons_array q, pons_array k, pons_array v, pons_array gamma,
                       pons_array beta) {
  pons_array kept = pons_multiply(*state, pons_expand_dims(gamma, PONS_AXES(-1, -2)));
  pons_array known = pons_squeeze(pons_matmul(kept, k), PONS_AXES(-1));
  pons_array correction = pons_multiply(pons_subtract(v, known), pons_expand_dims(beta, PONS_AXES(-1)));
  pons_array column = pons_expand_dims(correction, PONS_AXES(-1));
  *state = pons_add(kept, pons_multiply(column, pons_swapaxes(k, -1, -2)));
  return pons_squeeze(pons_matmul(*state, q), PONS_AXES(-1));
}

/* x[:, t], a column if it is to be one */
static pons_array at_time(pons_array x, int64_t t, bool column) {
  pons_array y = pons_index(x, t, 1);
  return column ? pons_expand_dims(y, PONS_AXES(-1)) : y;
}

void pons_fast_gated_delta_update_with(struct pons_gated_delta_args a, pons_array out[2]) {
  sizes s = {0};
  out[0] = out[1] = shapes_fault(&a, &s);
  if (out[0]) return;
  const pons_dtype dtype = at_least_float(pons_promote(pons_dtype_of(a.q), pons_dtype_of(a.k)));
  const pons_dtype wide = pons_dtype_size(dtype) == 2 ? PONS_FLOAT32 : dtype;
  const int per = (int)(s.heads / s.key_heads);
  pons_array q = pons_repeat(pons_astype(a.q, wide), per, 2), k = pons_repeat(pons_astype(a.k, wide), per, 2);
  pons_array v = pons_astype(a.v, wide), gamma = pons_astype(a.gamma, wide), beta = pons_astype(a.beta, wide);
  pons_array zero = pons_scalar(0, wide);
  pons_array state = a.initial_state ? pons_astype(a.initial_state, wide)
                                     : pons_zeros(PONS_SHAPE(s.batch, s.heads, s.value_dim, s.key_dim), wide);
  pons_array *results = malloc((size_t)s.length * sizeof *results);
  if (!results) {
    out[0] = out[1] = pons_fail_as(PONS_ERROR_MEMORY, "gated_delta_update", "no memory for %lld steps",
                                   (long long)s.length);
    return;
  }
  for (int64_t t = 0; t < s.length; t++) {
    pons_array before = state;
    results[t] = step(&state, at_time(q, t, true), at_time(k, t, true), at_time(v, t, false),
                      at_time(gamma, t, false), at_time(beta, t, false));
    if (!a.mask) continue;
    pons_array goes_on =
        pons_expand_dims(at_time(pons_astype(a.mask, PONS_BOOL), t, false), PONS_AXES(-1, -2));
    results[t] = pons_where(goes_on, results[t], zero);
    state = pons_where(pons_expand_dims(goes_on, PONS_AXES(-1)), state, before);
  }
  out[0] = pons_astype(pons_stack(results, (int)s.length, 1), dtype);
  out[1] = state;
  free(results);
}
