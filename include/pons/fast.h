/* fast.h: operations that neural networks spend their time in, each one primitive that devices may have a
   kernel for. */
#ifndef PONS_FAST_H
#define PONS_FAST_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Over the last axis; weight and bias (its length) may be NULL. */
PONS_API pons_array pons_fast_rms_norm(pons_array x, pons_array weight, float eps);
PONS_API pons_array pons_fast_layer_norm(pons_array x, pons_array weight, pons_array bias, float eps);
/* Rotary positions (arXiv:2104.09864) on the first `dims` of x (..., length, dim). */
struct pons_rope_args {
  pons_array x;
  int dims;
  bool traditional; /* pairs (2i, 2i+1) instead of (i, i + dims/2) */
  float base;       /* 0: 10000 */
  float scale;      /* 0: 1 */
  pons_array offset; /* 0-d or (batch) int32; NULL: 0 */
  pons_array freqs;  /* (dims/2); then base is not used */
};
#define pons_fast_rope(...) pons_fast_rope_with((struct pons_rope_args){.x = __VA_ARGS__})
PONS_API pons_array pons_fast_rope_with(struct pons_rope_args args);
/* softmax(scale q kT + mask) v, scale 0 being 1/sqrt(dim): q (batch, heads, length, dim), k and v (batch, kv
   heads, length', dim); kv heads divide heads. mask: bool (true keeps) or added; causal aligns the last query
   with the last key; sinks (heads) add exp(sink) below. */
struct pons_attention_args {
  pons_array q, k, v;
  float scale;
  pons_array mask;
  bool causal;
  pons_array sinks;
};
#define pons_fast_scaled_dot_product_attention(...) \
  pons_fast_attention_with((struct pons_attention_args){.q = __VA_ARGS__})
PONS_API pons_array pons_fast_attention_with(struct pons_attention_args args);

#ifdef __cplusplus
}
#endif
#endif
