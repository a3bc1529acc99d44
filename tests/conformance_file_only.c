/* conformance_file_only.c: cases of primitives that no op makes but files or gradients hold. */
#include "conformance_cases.h"
#include "ops/ops.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)
#define LIST(...)                                                                  \
  {                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (const int64_t[]) { __VA_ARGS__ } \
  }

CASE(dynamic_slice) {
  const dynamic_slice_params p = {LIST(0, 1), LIST(2, 3, 2)};
  out[0] = node_make(&prim_dynamic_slice, &p, 2, in);
}
CASE(dynamic_slice_update) {
  const axes_params p = {LIST(1)};
  out[0] = node_make(&prim_dynamic_slice_update, &p, 3, in);
}
CASE(slice_update_sum) {
  const slice_update_params p = {PONS_SCATTER_SUM, LIST(0, 1), LIST(2, 5), LIST(1, 2)};
  out[0] = node_make(&prim_slice_update, &p, 2, in);
}
CASE(slice_update_prod) {
  const slice_update_params p = {PONS_SCATTER_PROD, LIST(0, 1), LIST(2, 5), LIST(1, 2)};
  out[0] = node_make(&prim_slice_update, &p, 2, in);
}
CASE(slice_update_extremes) {
  slice_update_params p = {PONS_SCATTER_MAX, LIST(0, 4), LIST(2, -6), LIST(1, -3)};
  out[0] = node_make(&prim_slice_update, &p, 2, in);
  p.kind = PONS_SCATTER_MIN;
  out[1] = node_make(&prim_slice_update, &p, 2, in);
}
CASE(masked_scatter) { out[0] = node_make(&prim_masked_scatter, NULL, 3, in); }
CASE(logcumsumexp) {
  const scan_params p = {SCAN_LOGADDEXP, 1, false, true}, back = {SCAN_LOGADDEXP, 0, true, true};
  out[0] = node_make(&prim_scan, &p, 1, in);
  out[1] = node_make(&prim_scan, &back, 1, in);
}
CASE(broadcast_many) { /* the others lend their shapes */
  const shape_params p = {LIST(2, 3)};
  out[0] = node_make(&prim_broadcast, &p, 2, in);
}
CASE(broadcast_axes) {
  const axes_params p = {LIST(-1)};
  out[0] = node_make(&prim_broadcast_axes, &p, 2, in);
}
CASE(number_of_elements) {
  const number_of_elements_params count = {LIST(0, -1), false, PONS_FLOAT32},
                                  over = {LIST(1), true, PONS_FLOAT32};
  out[0] = node_make(&prim_number_of_elements, &count, 1, in);
  out[1] = node_make(&prim_number_of_elements, &over, 1, in);
}
CASE(equal_nan) {
  pons_array odd = pons_divide(in[0], pons_subtract(in[0], in[0]));
  out[0] = node_make(&elementwise_prims[ROW_equal_nan], NULL, 2, (pons_array[]){odd, odd});
}
CASE(rms_norm_vjp) {
  const norm_params p = {1e-5f};
  node_make_many(&prim_rms_norm_vjp, &p, 3, in, out, 2);
}
CASE(layer_norm_vjp) {
  const norm_params p = {1e-5f};
  node_make_many(&prim_layer_norm_vjp, &p, 4, in, out, 3);
}
CASE(attention_vjp) {
  const attention_params p = {.scale = 0.5f, .causal = true}, forward = {.scale = 0.5f, .causal = true, .output_logsumexp = true};
  pons_array ins[6] = {in[0], in[1], in[2]};
  node_make_many(&prim_attention, &forward, 3, in, ins + 3, 2);
  ins[5] = in[3];
  node_make_many(&prim_attention_vjp, &p, 6, ins, out, 3);
}
CASE(conv_weight_vjp) {
  const conv_weight_params p = {LIST(2, 1), LIST(1, 0), LIST(1, 2), LIST(1, 1), LIST(3, 2), .groups = 4};
  out[0] = node_make(&prim_conv_weight_vjp, &p, 2, in);
}
CASE(rope_back) {
  const rope_params p = {.dims = 4, .base = 100, .scale = 1, .forward = false};
  out[0] = node_make(&prim_rope, &p, 2, in);
}
CASE(attention_logsumexp) {
  const attention_params p = {.scale = 0.5f, .causal = true, .output_logsumexp = true};
  node_make_many(&prim_attention, &p, 3, in, out, 2);
}

static const conformance_case cases[] = {
    {"dynamic slice",
     dynamic_slice,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 3, 4, 5, 2), INDICES(2, 1, 2)}},
    {"dynamic slice update",
     dynamic_slice_update,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 3, 5), INPUT(TRANSPOSED, 2, 3, 2), INDICES(3, 1, 1)}},
    {"slice update: sum",
     slice_update_sum,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 3, 5), INPUT(TRANSPOSED, 2, 2, 2)}},
    {"slice update: prod",
     slice_update_prod,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 3, 5), INPUT(PLAIN, 2, 2, 2)}},
    {"slice update: max, min",
     slice_update_extremes,
     TYPES_REAL,
     true,
     2,
     2,
     {INPUT(PLAIN, 2, 3, 5), INPUT(PLAIN, 2, 2, 2)}},
    {"masked scatter",
     masked_scatter,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(TRANSPOSED, 2, 2, 3), MASK(2, 2, 3), INPUT(PLAIN, 2, 2, 3)}},
    {"scan: logcumsumexp", logcumsumexp, TYPES_FLOAT, true, 1, 2, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"broadcast: shapes lent", broadcast_many, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 1, 3), MASK(2, 2, 3)}},
    {"broadcast axes", broadcast_axes, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 2, 1, 3), MASK(3, 2, 4, 5)}},
    {"number_of_elements", number_of_elements, TYPES_ANY, false, 1, 2, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"equal: NaN to NaN", equal_nan, TYPES_FLOAT, false, 1, 1, {INPUT(PLAIN, 2, 2, 3)}},
    {"fast_rms_norm: gradients",
     rms_norm_vjp,
     TYPES_FLOAT,
     true,
     3,
     2,
     {INPUT(PLAIN, 2, 3, 4), INPUT(PLAIN, 1, 4), INPUT(TRANSPOSED, 2, 3, 4)}},
    {"fast_layer_norm: gradients",
     layer_norm_vjp,
     TYPES_FLOAT,
     true,
     4,
     3,
     {INPUT(PLAIN, 2, 3, 4), INPUT(PLAIN, 1, 4), INPUT(PLAIN, 1, 4), INPUT(TRANSPOSED, 2, 3, 4)}},
    {"fast_rope: backwards", rope_back, TYPES_FLOAT, true, 2, 1, {INPUT(PLAIN, 4, 2, 2, 3, 4), INDICES(9, 0, 0)}},
    {"gradient of grouped conv2d by its weight",
     conv_weight_vjp,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 2, 5, 4, 4), INPUT(TRANSPOSED, 4, 2, 3, 2, 8)}},
    {"fast_scaled_dot_product_attention: gradients",
     attention_vjp,
     TYPES_FLOAT,
     true,
     4,
     3,
     {INPUT(PLAIN, 4, 1, 4, 3, 2), INPUT(TRANSPOSED, 4, 1, 2, 5, 2), INPUT(PLAIN, 4, 1, 2, 5, 3), INPUT(PLAIN, 4, 1, 4, 3, 3)}},
    {"fast_scaled_dot_product_attention: with logsumexp",
     attention_logsumexp,
     TYPES_FLOAT,
     false,
     3,
     2,
     {INPUT(PLAIN, 4, 2, 4, 3, 4), INPUT(PLAIN, 4, 2, 2, 5, 4), INPUT(TRANSPOSED, 4, 2, 2, 5, 4)}},
};

const conformance_case *file_only_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
