/* fast.c: the submodule fast: ops that devices may have a kernel for. Kernels of the user's own are in kernels.c. */
#include "binding.h"
#include <string.h>

NAMED_FUNCTION(fast_rms_norm, "rms_norm",
               "(x: array, weight: array | None, eps: float, *, stream: StreamOrDevice = None) -> array",
               "x over its root mean square along the last axis, times weight.") {
  return wrap(pons_fast_rms_norm(s[0].array, array_or_null(s[1]), (float)s[2].number));
}

NAMED_FUNCTION(
    fast_layer_norm, "layer_norm",
    "(x: array, weight: array | None, bias: array | None, eps: float, *, stream: StreamOrDevice = None) -> "
    "array",
    "x less its mean, over its standard deviation, along the last axis; times weight, plus bias.") {
  return wrap(pons_fast_layer_norm(s[0].array, array_or_null(s[1]), array_or_null(s[2]), (float)s[3].number));
}

NAMED_FUNCTION(fast_rope, "rope",
               "(a: array, dims: int, *, traditional: bool, base: float | None, scale: float, offset: int | "
               "array, freqs: "
               "array | None = None, stream: StreamOrDevice = None) -> array",
               "Rotary positions on the first `dims` of the last axis; either base or freqs is given.") {
  pons_array freqs = array_or_null(s[6]);
  if ((s[3].kind == SLOT_FLOAT) == (freqs != NULL)) {
    PyErr_SetString(PyExc_ValueError,
                    "fast.rope: one of base and freqs must be given, the other must be None");
    return NULL;
  }
  pons_array offset = s[5].kind == SLOT_INT ? pons_scalar((double)s[5].i, PONS_INT32) : s[5].array;
  return wrap(pons_fast_rope(s[0].array, (int)s[1].i, s[2].flag,
                             s[3].kind == SLOT_FLOAT ? (float)s[3].number : 0, (float)s[4].number, offset,
                             freqs));
}

NAMED_FUNCTION(fast_scaled_dot_product_attention, "scaled_dot_product_attention",
               "(q: array, k: array, v: array, *, scale: float, mask: None | str | array = None, sinks: "
               "array | None = None, "
               "force_fused: bool = False, stream: StreamOrDevice = None) -> array",
               "softmax(scale q k^T + mask) v over (batch, heads, length, dim); mask may be 'causal'.") {
  const bool causal = s[4].kind == SLOT_TEXT;
  if (causal && strcmp(s[4].text, "causal") != 0)
    return PyErr_Format(
        PyExc_ValueError,
        "fast.scaled_dot_product_attention: mask is '%s', it must be 'causal', an array or None", s[4].text);
  return wrap(pons_fast_scaled_dot_product_attention(
      s[0].array, s[1].array, s[2].array, .scale = (float)s[3].number, .mask = array_or_null(s[4]),
      .causal = causal, .sinks = array_or_null(s[5]), .force_fused = s[6].flag));
}

NAMED_FUNCTION(fast_cross_entropy, "cross_entropy",
               "(logits: array, targets: array, *, stream: StreamOrDevice = None) -> array",
               "logsumexp(logits) - logits[target] over the last axis.") {
  return wrap(pons_fast_cross_entropy(s[0].array, s[1].array));
}

NAMED_FUNCTION(fast_gated_delta_update, "gated_delta_update",
               "(q: array, k: array, v: array, gamma: array, beta: array, initial_state: array | None = "
               "None, mask: array | "
               "None = None, stream: StreamOrDevice = None) -> list[array]",
               "The gated delta rule, step by step: the results and the last state.") {
  pons_array out[2];
  pons_fast_gated_delta_update(out, s[0].array, s[1].array, s[2].array, s[3].array, s[4].array,
                               .initial_state = array_or_null(s[5]), .mask = array_or_null(s[6]));
  return wrap_list(out, 2);
}

static PyMethodDef rows[] = {ALIAS("rms_norm", fast_rms_norm),
                             ALIAS("layer_norm", fast_layer_norm),
                             ALIAS("rope", fast_rope),
                             ALIAS("scaled_dot_product_attention", fast_scaled_dot_product_attention),
                             ALIAS("cross_entropy", fast_cross_entropy),
                             ALIAS("gated_delta_update", fast_gated_delta_update),
                             END_OF_ROWS};

int add_fast(PyObject *submodule) {
  return PyModule_AddFunctions(submodule, rows) < 0 ? -1 : add_kernels(submodule);
}
