/* conformance_composite.c: cases of softmax, norms, rotary positions and attention. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(softmax) { out[0] = pons_softmax(in[0]); }
CASE(softmax_precise) { out[0] = pons_softmax(in[0], .precise = true); }
CASE(softmax_axes) {
  out[0] = pons_softmax(in[0], .axes = PONS_AXES(0));
  out[1] = pons_softmax(in[0], .axes = PONS_AXES(0, 1), .precise = true);
}
CASE(rms_norm) { out[0] = pons_fast_rms_norm(in[0], in[1], 1e-5f); }
CASE(rms_norm_bare) { out[0] = pons_fast_rms_norm(in[0], NULL, 1e-5f); }
CASE(layer_norm) { out[0] = pons_fast_layer_norm(in[0], in[1], in[2], 1e-5f); }
CASE(layer_norm_bare) { out[0] = pons_fast_layer_norm(in[0], NULL, NULL, 1e-5f); }
CASE(rope) { out[0] = pons_fast_rope(in[0], .dims = 4); }
CASE(rope_traditional) {
  out[0] = pons_fast_rope(in[0], .dims = 2, .traditional = true, .scale = 0.5f, .offset = in[1]);
}
CASE(rope_freqs) {
  out[0] = pons_fast_rope(in[0], .dims = 4, .freqs = in[1], .offset = pons_scalar(2, PONS_INT32));
}
CASE(attention) { out[0] = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2], .scale = 0.5f); }
CASE(attention_causal) {
  out[0] = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2], .scale = 0.5f, .causal = true);
}
CASE(attention_mask) {
  out[0] = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2], .scale = 0.5f, .mask = in[3]);
}
CASE(attention_sinks) {
  out[0] = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2], .scale = 0.5f, .mask = in[3],
                                                  .sinks = in[4]);
}

#define QKV INPUT(PLAIN, 4, 2, 2, 3, 4), INPUT(TRANSPOSED, 4, 2, 2, 5, 4), INPUT(PLAIN, 4, 2, 2, 5, 3)
#define GROUPED_QKV INPUT(PLAIN, 4, 2, 4, 3, 4), INPUT(PLAIN, 4, 2, 2, 5, 4), INPUT(TRANSPOSED, 4, 2, 2, 5, 4)

static const conformance_case cases[] = {
    {"softmax", softmax, TYPES_REAL, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 4)}},
    {"softmax: precise", softmax_precise, TYPES_REAL, true, 1, 1, {INPUT(STRIDED, 2, 3, 4)}},
    {"softmax: other axes", softmax_axes, TYPES_FLOAT, true, 1, 2, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"softmax: empty", softmax, TYPES_FLOAT, false, 1, 1, {INPUT(PLAIN, 2, 0, 4)}},
    {"rms_norm", rms_norm, TYPES_FLOAT, true, 2, 1, {INPUT(TRANSPOSED, 3, 2, 3, 4), INPUT(PLAIN, 1, 4)}},
    {"rms_norm: no weight", rms_norm_bare, TYPES_FLOAT, true, 1, 1, {INPUT(PLAIN, 2, 3, 4)}},
    {"layer_norm",
     layer_norm,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(PLAIN, 1, 4), INPUT(STRIDED, 1, 4)}},
    {"layer_norm: no weight", layer_norm_bare, TYPES_FLOAT, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"rope", rope, TYPES_FLOAT, true, 1, 1, {INPUT(TRANSPOSED, 4, 2, 2, 3, 4)}},
    {"rope: traditional, offsets per batch",
     rope_traditional,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INDICES(9, 1, 2)}},
    {"rope: freqs",
     rope_freqs,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 2, 3, 5), INPUT_FROM(1, 4, PLAIN, 1, 2)}},
    {"attention", attention, TYPES_FLOAT, true, 3, 1, {QKV}},
    {"attention: causal, grouped heads", attention_causal, TYPES_FLOAT, true, 3, 1, {GROUPED_QKV}},
    {"attention: mask", attention_mask, TYPES_FLOAT, true, 4, 1, {QKV, MASK(2, 3, 5)}},
    {"attention: added mask, sinks, grouped heads",
     attention_sinks,
     TYPES_FLOAT,
     true,
     5,
     1,
     {GROUPED_QKV, INPUT(PLAIN, 3, 4, 3, 5), INPUT(PLAIN, 1, 4)}},
};

const conformance_case *composite_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
