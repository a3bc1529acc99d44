/* conformance_convolution.c: cases of transposed convolutions, of grouped ones in three axes, of convolutions of
   vectors. Plain ones stand in conformance_product.c. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(conv_three_groups) {
  out[0] = pons_conv3d(in[0], in[1], .groups = 2, .padding = PONS_AXES(1, 0, 1), .dilation = PONS_AXES(1, 2, 1));
}
CASE(conv_cropped) {
  out[0] = pons_conv_general(in[0], in[1], .padding = PONS_AXES(-1), .padding_high = PONS_AXES(2), .stride = PONS_AXES(2));
}
CASE(conv_transpose) {
  out[0] = pons_conv_transpose1d(in[0], in[1], .stride = PONS_AXES(2), .padding = PONS_AXES(1), .dilation = PONS_AXES(2),
                                 .output_padding = PONS_AXES(1));
}
CASE(conv_transpose_two) {
  out[0] = pons_conv_transpose2d(in[0], in[1], .stride = PONS_AXES(2, 3), .padding = PONS_AXES(1, 0),
                                 .output_padding = PONS_AXES(1, 2));
}
CASE(conv_transpose_groups) { out[0] = pons_conv_transpose2d(in[0], in[1], .stride = PONS_AXES(2), .groups = 2); }
CASE(conv_transpose_three) {
  out[0] = pons_conv_transpose3d(in[0], in[1], .stride = PONS_AXES(2, 1, 2), .padding = PONS_AXES(1, 0, 0));
}
CASE(convolve_full) { out[0] = pons_convolve(in[0], in[1], PONS_CONVOLVE_FULL); }
CASE(convolve_same) { out[0] = pons_convolve(in[0], in[1], PONS_CONVOLVE_SAME); }
CASE(convolve_valid) { out[0] = pons_convolve(in[0], in[1], PONS_CONVOLVE_VALID); }

static const conformance_case cases[] = {
    {"conv3d: groups",
     conv_three_groups,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 5, 1, 3, 5, 2, 4), INPUT(PLAIN, 5, 2, 2, 2, 2, 2)}},
    {"conv_general: negative padding",
     conv_cropped,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 6, 2), INPUT(STRIDED, 3, 3, 2, 2)}},
    {"conv_transpose1d",
     conv_transpose,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 5, 2), INPUT(TRANSPOSED, 3, 3, 2, 2)}},
    {"conv_transpose2d",
     conv_transpose_two,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 3, 4, 2), INPUT(PLAIN, 4, 3, 2, 3, 2)}},
    {"conv_transpose2d: groups",
     conv_transpose_groups,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 3, 3, 4), INPUT(PLAIN, 4, 4, 2, 2, 2)}},
    {"conv_transpose3d",
     conv_transpose_three,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 5, 1, 2, 3, 2, 2), INPUT(PLAIN, 5, 3, 2, 2, 1, 2)}},
    {"convolve",
     convolve_full,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(STRIDED, 1, 7), INPUT(PLAIN, 1, 4)}},
    {"convolve: same",
     convolve_same,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 1, 4), INPUT(PLAIN, 1, 7)}},
    {"convolve: valid",
     convolve_valid,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 1, 7), INPUT(PLAIN, 1, 3)}},
};

const conformance_case *convolution_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
