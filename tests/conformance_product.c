/* conformance_product.c: cases of matrix products and convolutions. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(matmul) { out[0] = pons_matmul(in[0], in[1]); }
CASE(addmm) { out[0] = pons_addmm(in[2], in[0], in[1], 2, 0.5f); }
CASE(inner) { out[0] = pons_inner(in[0], in[1]); }
CASE(outer) { out[0] = pons_outer(in[0], in[1]); }
CASE(conv) { out[0] = pons_conv2d(in[0], in[1]); }
CASE(conv_strided) { out[0] = pons_conv2d(in[0], in[1], .stride = PONS_AXES(2, 1), .padding = PONS_AXES(1)); }
CASE(conv_dilated) {
  out[0] = pons_conv2d(in[0], in[1], .dilation = PONS_AXES(2), .padding = PONS_AXES(2, 1));
}
CASE(conv_groups) { out[0] = pons_conv2d(in[0], in[1], .groups = 2, .padding = PONS_AXES(1)); }
CASE(conv_depthwise) { out[0] = pons_conv2d(in[0], in[1], .groups = 4, .stride = PONS_AXES(2)); }
CASE(conv_one) { out[0] = pons_conv1d(in[0], in[1], .stride = PONS_AXES(3), .padding = PONS_AXES(2)); }
CASE(conv_transposed) {
  out[0] = pons_conv_general(in[0], in[1], .padding = PONS_AXES(2, 1), .padding_high = PONS_AXES(3, 1),
                             .input_dilation = PONS_AXES(2), .flip = true);
}
CASE(conv_over_padded) {
  out[0] = pons_conv1d(in[0], in[1], .padding = PONS_AXES(4), .stride = PONS_AXES(2));
}
CASE(conv_three) {
  out[0] = pons_conv3d(in[0], in[1], .padding = PONS_AXES(1), .stride = PONS_AXES(1, 2, 2));
}
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
    {"matmul", matmul, TYPES_INEXACT, true, 2, 1, {INPUT(PLAIN, 2, 3, 4), INPUT(PLAIN, 2, 4, 5)}},
    {"matmul: transposed operands",
     matmul,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 3, 4), INPUT(TRANSPOSED, 2, 4, 5)}},
    {"matmul: strided operands",
     matmul,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(STRIDED, 2, 3, 4), INPUT(STRIDED, 2, 4, 5)}},
    {"matmul: batch by matrix",
     matmul,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(TRANSPOSED, 2, 4, 5)}},
    {"matmul: batches broadcast",
     matmul,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 2, 1, 3, 4), INPUT(PLAIN, 3, 3, 4, 2)}},
    {"matmul: matrix by vector",
     matmul,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 3, 4), INPUT(PLAIN, 1, 4)}},
    {"matmul: vector by matrix",
     matmul,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(PLAIN, 1, 4), INPUT(PLAIN, 2, 4, 5)}},
    {"matmul: vectors", matmul, TYPES_INEXACT, true, 2, 1, {INPUT(PLAIN, 1, 4), INPUT(STRIDED, 1, 4)}},
    {"matmul: inner size 0",
     matmul,
     TYPES_INEXACT,
     false,
     2,
     1,
     {INPUT(PLAIN, 2, 3, 0), INPUT(PLAIN, 2, 0, 5)}},
    {"matmul: larger",
     matmul,
     TYPES_INEXACT,
     false,
     2,
     1,
     {INPUT(PLAIN, 2, 70, 90), INPUT(TRANSPOSED, 2, 90, 50)}},
    {"addmm",
     addmm,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 3, 4), INPUT(TRANSPOSED, 2, 4, 5), INPUT(PLAIN, 1, 5)}},
    {"addmm: batch",
     addmm,
     TYPES_FLOAT,
     true,
     3,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(PLAIN, 2, 4, 5), INPUT(PLAIN, 0, 0)}},
    {"inner", inner, TYPES_FLOAT, true, 2, 1, {INPUT(PLAIN, 3, 2, 3, 4), INPUT(TRANSPOSED, 2, 5, 4)}},
    {"outer", outer, TYPES_FLOAT, true, 2, 1, {INPUT(PLAIN, 2, 2, 3), INPUT(STRIDED, 1, 4)}},
    {"conv2d",
     conv,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 2, 5, 4, 2), INPUT(PLAIN, 4, 3, 3, 2, 2)}},
    {"conv2d: transposed operands",
     conv,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 4, 2, 5, 4, 2), INPUT(TRANSPOSED, 4, 3, 3, 2, 2)}},
    {"conv2d: stride and padding",
     conv_strided,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 6, 5, 2), INPUT(PLAIN, 4, 3, 3, 3, 2)}},
    {"conv2d: dilation",
     conv_dilated,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 6, 5, 2), INPUT(PLAIN, 4, 2, 3, 2, 2)}},
    {"conv2d: groups",
     conv_groups,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 2, 4, 4, 4), INPUT(PLAIN, 4, 6, 3, 3, 2)}},
    {"conv2d: depthwise",
     conv_depthwise,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 5, 5, 4), INPUT(PLAIN, 4, 4, 2, 2, 1)}},
    {"conv1d: stride beyond the kernel",
     conv_one,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 8, 2), INPUT(PLAIN, 3, 3, 2, 2)}},
    {"conv_general: input dilation, flipped",
     conv_transposed,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 4, 1, 3, 4, 2), INPUT(PLAIN, 4, 3, 3, 2, 2)}},
    {"conv1d: more padding than kernel",
     conv_over_padded,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 1, 5, 2), INPUT(PLAIN, 3, 2, 2, 2)}},
    {"conv3d: padding and strides",
     conv_three,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 5, 1, 3, 4, 3, 2), INPUT(PLAIN, 5, 2, 2, 3, 2, 2)}},
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

const conformance_case *product_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
