/* selftest_convolutions.c: checks of convolutions and their gradients. */
#include "selftest_checks.h"

CHECK(convolution) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 40), PICK(8, 33), PICK(6, 32)), dtype, 54),
                     normal(PONS_SHAPE(PICK(4, 48), 3, 3, PICK(3, 16)), dtype, 55),
                     .stride = PONS_AXES(2, 1), .padding = PONS_AXES(1), .groups = 2);
}
CHECK(convolution_spread) {
  return pons_conv_general(normal(PONS_SHAPE(2, PICK(9, 200), PICK(3, 32)), dtype, 56),
                           normal(PONS_SHAPE(PICK(4, 48), 3, PICK(3, 32)), dtype, 57),
                           .input_dilation = PONS_AXES(2), .dilation = PONS_AXES(2), .padding = PONS_AXES(3),
                           .flip = true);
}
/* Large enough to be products of a library, each in its own way: rows that are cut into several pieces of memory, single taps, channels
   that come one by one, sums that are long. */
CHECK(convolution_of_images) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 120), PICK(8, 101), PICK(16, 64)), dtype, 70),
                     normal(PONS_SHAPE(PICK(20, 16), 5, 5, PICK(16, 64)), dtype, 71), .stride = PONS_AXES(PICK(2, 1), 1),
                     .padding = PONS_AXES(2, 3), .dilation = PONS_AXES(1, 2));
}
CHECK(convolution_of_three_colours) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(37, 113), PICK(41, 97), 3), dtype, 72), normal(PONS_SHAPE(PICK(16, 64), 7, 7, 3), dtype, 73),
                     .stride = PONS_AXES(2), .padding = PONS_AXES(3));
}
CHECK(convolution_of_pixels) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 56), PICK(8, 55), PICK(32, 64)), dtype, 74),
                     normal(PONS_SHAPE(PICK(32, 96), 1, 1, PICK(16, 32)), dtype, 75), .groups = 2);
}
CHECK(convolution_of_volumes) {
  return pons_conv3d(normal(PONS_SHAPE(1, PICK(5, 20), PICK(7, 19), PICK(6, 21), 32), dtype, 76),
                     normal(PONS_SHAPE(PICK(32, 64), 3, 2, 3, 16), dtype, 77), .stride = PONS_AXES(1, 2, 1), .padding = PONS_AXES(1, 0, 2),
                     .groups = 2, .flip = true);
}
/* Few channels in a group: one, colours. */
CHECK(convolution_depthwise) {
  const int64_t channels = PICK(12, 64);
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 60), PICK(8, 57), channels), dtype, 88), normal(PONS_SHAPE(channels, 3, 3, 1), dtype, 89),
                     .stride = PONS_AXES(PICK(2, 1), 1), .padding = PONS_AXES(1), .groups = (int)channels);
}
CHECK(convolution_to_three_colours) {
  return pons_conv2d(normal(PONS_SHAPE(2, PICK(9, 60), PICK(8, 57), PICK(20, 64)), dtype, 90),
                     normal(PONS_SHAPE(3, 3, 3, PICK(20, 64)), dtype, 91), .padding = PONS_AXES(1));
}
CHECK(convolution_transposed) {
  return pons_conv_transpose2d(normal(PONS_SHAPE(2, PICK(9, 40), PICK(8, 37), PICK(12, 32)), dtype, 92),
                               normal(PONS_SHAPE(PICK(20, 48), 4, 4, PICK(12, 32)), dtype, 93), .stride = PONS_AXES(2),
                               .padding = PONS_AXES(1));
}

/* The gradient of the sum of a convolution's results, weighted. */
typedef struct convolution_call {
  pons_array x, w;
  bool of_weight;
  int64_t stride, dilation;
  int groups;
} convolution_call;
static void convolution_at(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const convolution_call *c = payload;
  (void)n_in, (void)n_out;
  out[0] = pons_conv2d(c->of_weight ? c->x : in[0], c->of_weight ? in[0] : c->w, .stride = PONS_AXES(c->stride), .padding = PONS_AXES(1),
                       .dilation = PONS_AXES(c->dilation), .groups = c->groups);
}
static pons_array convolution_gradient(convolution_call c) {
  pons_function f = pons_function_new(convolution_at, 1, &c, NULL);
  pons_array at = c.of_weight ? c.w : c.x, y, gradient = NULL;
  convolution_at(&c, &at, 1, &y, 1);
  pons_array cotangent = normal(pons_shape_of(y), pons_dtype_of(y), 78);
  pons_vjp(f, &at, 1, &cotangent, 1, &y, &gradient);
  pons_function_release(f);
  return gradient;
}
static pons_array image_gradient(bool large, pons_dtype dtype, bool of_weight, int64_t stride, int groups, int64_t taps) {
  return convolution_gradient(
      (convolution_call){normal(PONS_SHAPE(PICK(3, 8), PICK(9, 56), PICK(8, 55), PICK(16, 64)), dtype, 79),
                         normal(PONS_SHAPE(taps == 5 ? 16 : PICK(32, 48), taps, taps, PICK(16, 64) / groups), dtype, 80), of_weight, stride, 3 - stride, groups});
}
CHECK(convolution_gradient_of_input) { return image_gradient(large, dtype, false, 1, 1, 3); }
CHECK(convolution_gradient_of_input_strided) { return image_gradient(large, dtype, false, 2, 2, 3); }
CHECK(convolution_gradient_of_weight) { return image_gradient(large, dtype, true, 1, 1, 5); }
CHECK(convolution_gradient_of_weight_strided) { return image_gradient(large, dtype, true, 2, 1, 3); }
CHECK(convolution_gradient_of_weight_in_groups) { return image_gradient(large, dtype, true, 1, 2, 3); }
static pons_array depthwise_gradient(bool large, pons_dtype dtype, bool of_weight) {
  const int64_t channels = PICK(12, 64);
  return convolution_gradient((convolution_call){normal(PONS_SHAPE(PICK(3, 8), PICK(9, 56), PICK(8, 55), channels), dtype, 94),
                                                 normal(PONS_SHAPE(channels, 3, 3, 1), dtype, 95), of_weight, 2, 1, (int)channels});
}
CHECK(convolution_gradient_of_input_depthwise) { return depthwise_gradient(large, dtype, false); }
CHECK(convolution_gradient_of_weight_depthwise) { return depthwise_gradient(large, dtype, true); }

const check convolutions_checks[] = {
    WITHIN(convolution, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    ABOUT(convolution_spread, PONS_FLOAT16, FLOATS),
    WITHIN(convolution_of_images, PONS_FLOAT32, FLOATS, 1e-3, 1e-3),
    WITHIN(convolution_of_three_colours, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_of_pixels, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_of_volumes, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_input, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_input_strided, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_weight, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    WITHIN(convolution_gradient_of_weight_strided, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    WITHIN(convolution_gradient_of_weight_in_groups, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    WITHIN(convolution_depthwise, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_to_three_colours, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_transposed, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_input_depthwise, PONS_FLOAT32, FLOATS, 1e-4, 1e-4),
    WITHIN(convolution_gradient_of_weight_depthwise, PONS_FLOAT32, FLOATS, 1e-4, 2e-3),
    NO_MORE,
};
