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

CASE(cross_entropy) { out[0] = pons_fast_cross_entropy(in[0], in[1]); }
CASE(gated_delta) { pons_fast_gated_delta_update(out, in[0], in[1], in[2], in[3], in[4]); }
/* gates between 0 and 1, from those of each head */
CASE(gated_delta_masked) {
  pons_array gate = pons_broadcast_to(pons_sigmoid(in[2]), PONS_SHAPE(2, 3, 4));
  pons_fast_gated_delta_update(out, in[0], pons_flip(in[0], PONS_AXES(1)), in[1], gate, pons_square(gate),
                               .initial_state = in[3], .mask = in[4]);
}

#define QKV INPUT(PLAIN, 4, 2, 2, 3, 4), INPUT(TRANSPOSED, 4, 2, 2, 5, 4), INPUT(PLAIN, 4, 2, 2, 5, 3)
#define GROUPED_QKV INPUT(PLAIN, 4, 2, 4, 3, 4), INPUT(PLAIN, 4, 2, 2, 5, 4), INPUT(TRANSPOSED, 4, 2, 2, 5, 4)

static const conformance_case cases[] = {
    {"softmax", softmax, TYPES_REAL, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 4)}},
    {"softmax: precise", softmax_precise, TYPES_REAL, true, 1, 1, {INPUT(STRIDED, 2, 3, 4)}},
    {"softmax: other axes", softmax_axes, TYPES_FLOAT, true, 1, 2, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"softmax: empty", softmax, TYPES_FLOAT, false, 1, 1, {INPUT(PLAIN, 2, 0, 4)}},
    {"fast_rms_norm", rms_norm, TYPES_FLOAT, true, 2, 1, {INPUT(TRANSPOSED, 3, 2, 3, 4), INPUT(PLAIN, 1, 4)}},
    {"fast_rms_norm: no weight", rms_norm_bare, TYPES_FLOAT, true, 1, 1, {INPUT(PLAIN, 2, 3, 4)}},
    {"fast_layer_norm",
     layer_norm,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(PLAIN, 1, 4), INPUT(STRIDED, 1, 4)}},
    {"fast_layer_norm: no weight", layer_norm_bare, TYPES_FLOAT, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"fast_rope", rope, TYPES_FLOAT, true, 1, 1, {INPUT(TRANSPOSED, 4, 2, 2, 3, 4)}},
    {"fast_rope: traditional, offsets per batch",
     rope_traditional,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INDICES(9, 1, 2)}},
    {"fast_rope: freqs",
     rope_freqs,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 2, 3, 5), INPUT_FROM(1, 4, PLAIN, 1, 2)}},
    {"fast_cross_entropy",
     cross_entropy,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 3, 2, 3, 4), INDICES(4, 2, 2, 3)}},
    {"fast_gated_delta_update",
     gated_delta,
     TYPES_FLOAT,
     true,
     5,
     2,
     {INPUT_FROM(-1, 1, PLAIN, 4, 1, 3, 2, 2), INPUT_FROM(-1, 1, TRANSPOSED, 4, 1, 3, 2, 2),
      INPUT(PLAIN, 4, 1, 3, 2, 3), INPUT_FROM(0, 1, PLAIN, 3, 1, 3, 2), INPUT_FROM(0, 1, PLAIN, 3, 1, 3, 2)}},
    {"fast_gated_delta_update: state, mask, grouped heads",
     gated_delta_masked,
     TYPES_FLOAT,
     true,
     5,
     2,
     {INPUT_FROM(-1, 1, PLAIN, 4, 2, 3, 2, 2), INPUT(PLAIN, 4, 2, 3, 4, 2), INPUT(PLAIN, 1, 4),
      INPUT(PLAIN, 4, 2, 4, 2, 2), MASK(2, 2, 3)}},
    {"fast_scaled_dot_product_attention", attention, TYPES_FLOAT, true, 3, 1, {QKV}},
    {"fast_scaled_dot_product_attention: causal, grouped heads", attention_causal, TYPES_FLOAT, true, 3, 1, {GROUPED_QKV}},
    {"fast_scaled_dot_product_attention: mask", attention_mask, TYPES_FLOAT, true, 4, 1, {QKV, MASK(2, 3, 5)}},
    {"fast_scaled_dot_product_attention: added mask, sinks, grouped heads",
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
