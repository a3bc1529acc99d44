/* conformance_shape.c: cases of creation, and of ops that move, join, cut and pad. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)
#define NO_INPUT (void)in

/* ---- creation ---- */
CASE(full) { out[0] = pons_full(PONS_SHAPE(4, 2, 3), in[0]); }
CASE(constants) {
  NO_INPUT;
  out[0] = pons_zeros(PONS_SHAPE(2, 3), PONS_BFLOAT16);
  out[1] = pons_ones(PONS_SCALAR, PONS_INT8);
  out[2] = pons_full(PONS_SHAPE(2, 0), pons_float(3));
}
CASE(likes) {
  out[0] = pons_zeros_like(in[0]);
  out[1] = pons_ones_like(in[0]);
}
CASE(arange) {
  NO_INPUT;
  out[0] = pons_arange(0, 5, 1, PONS_INT32);
  out[1] = pons_arange(1, -2, -0.5, PONS_FLOAT32);
  out[2] = pons_arange(3, 3, 1, PONS_FLOAT16);
  out[3] = pons_arange(0, 1, 0.25, PONS_COMPLEX64);
}
CASE(linspace) {
  NO_INPUT;
  out[0] = pons_linspace(0, 1, 5, PONS_FLOAT32);
  out[1] = pons_linspace(-3, 3, 1, PONS_FLOAT32);
}
CASE(eye) {
  NO_INPUT;
  out[0] = pons_eye(3, 4, 1, PONS_FLOAT32);
  out[1] = pons_identity(3, PONS_INT32);
  out[2] = pons_tri(3, 4, -1, PONS_FLOAT32);
  out[3] = pons_eye(3, 4, 5, PONS_FLOAT32);
}
CASE(tril) { out[0] = pons_tril(in[0], 1); }
CASE(triu) { out[0] = pons_triu(in[0], 0); }

/* ---- moving ---- */
CASE(reshape) { out[0] = pons_reshape(in[0], PONS_SHAPE(-1, 4)); }
CASE(reshape_scalar) { out[0] = pons_reshape(in[0], PONS_SHAPE(1, 1)); }
CASE(reshape_empty) { out[0] = pons_reshape(in[0], PONS_SHAPE(3, 0, 2)); }
CASE(flatten) { out[0] = pons_flatten(in[0], 1, -1); }
CASE(unflatten) { out[0] = pons_unflatten(in[0], -1, PONS_SHAPE(2, -1)); }
CASE(squeeze) { out[0] = pons_squeeze(in[0], PONS_AXES(1, -1)); }
CASE(expand_dims) { out[0] = pons_expand_dims(in[0], PONS_AXES(0, -1)); }
CASE(transpose) { out[0] = pons_transpose(in[0], .axes = PONS_AXES(2, 0, 1)); }
CASE(swapaxes) { out[0] = pons_swapaxes(in[0], 0, -1); }
CASE(moveaxis) { out[0] = pons_moveaxis(in[0], 0, 2); }
CASE(broadcast_to) { out[0] = pons_broadcast_to(in[0], PONS_SHAPE(2, 4, 3)); }
CASE(contiguous) { out[0] = pons_contiguous(in[0]); }
CASE(as_strided) { out[0] = pons_as_strided(in[0], PONS_SHAPE(3, 2), PONS_SHAPE(2, 1), 1); }
CASE(as_strided_back) { out[0] = pons_as_strided(in[0], PONS_SHAPE(4, 3), PONS_SHAPE(0, -1), 7); }
CASE(view) {
  out[0] = pons_view(in[0], PONS_UINT8);
  out[1] = pons_view(in[0], PONS_INT32);
}
CASE(view_wider) { out[0] = pons_view(in[0], PONS_UINT64); }
CASE(stop_gradient) { out[0] = pons_stop_gradient(in[0]); }
CASE(depends) {
  pons_array after[1] = {pons_exp(in[1])};
  pons_depends((pons_array[]){pons_square(in[0]), in[1]}, 2, after, 1, out);
}

/* ---- joining, cutting, padding ---- */
CASE(concatenate) { out[0] = pons_concatenate(in, 3, 1); }
CASE(concatenate_mixed) { out[0] = pons_concatenate(in, 2, 0); }
CASE(stack) { out[0] = pons_stack(in, 2, 1); }
CASE(split) { pons_split(in[0], 3, 1, out); }
CASE(split_at) { pons_split_at(in[0], PONS_AXES(1, 4), 1, out); }
CASE(repeat) { out[0] = pons_repeat(in[0], 3, 1); }
CASE(tile) { out[0] = pons_tile(in[0], PONS_SHAPE(2, 1, 2)); }
CASE(pad) { out[0] = pons_pad(in[0], PONS_SHAPE(1, 0), PONS_SHAPE(2, 1), in[1]); }
CASE(pad_zero) { out[0] = pons_pad(in[0], PONS_SHAPE(0, 2), PONS_SHAPE(0, 0), NULL); }

static const conformance_case cases[] = {
    {"full", full, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"zeros, ones, full: of nothing", constants, TYPES_ONE, false, 0, 3, {{0}}},
    {"zeros_like, ones_like", likes, TYPES_ANY, false, 1, 2, {INPUT(PLAIN, 2, 2, 3)}},
    {"arange", arange, TYPES_ONE, false, 0, 4, {{0}}},
    {"linspace", linspace, TYPES_ONE, false, 0, 2, {{0}}},
    {"eye, identity, tri", eye, TYPES_ONE, false, 0, 4, {{0}}},
    {"tril", tril, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"triu", triu, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 4, 3)}},
    {"reshape", reshape, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 2)}},
    {"reshape: of a transpose", reshape, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"reshape: of a reversed one", reshape, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 2, 2, 4)}},
    {"reshape: of a broadcast", reshape, TYPES_ANY, true, 1, 1, {INPUT(REPEATED, 2, 4, 2)}},
    {"reshape: scalar", reshape_scalar, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 0, 0)}},
    {"reshape: empty", reshape_empty, TYPES_ANY, false, 1, 1, {INPUT(PLAIN, 2, 0, 5)}},
    {"flatten", flatten, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"unflatten", unflatten, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 2, 3, 4)}},
    {"squeeze", squeeze, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 4, 2, 1, 3, 1)}},
    {"expand_dims", expand_dims, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"transpose", transpose, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"swapaxes", swapaxes, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 3, 2, 3, 4)}},
    {"moveaxis", moveaxis, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"broadcast_to", broadcast_to, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 2, 1, 3)}},
    {"broadcast_to: scalar", broadcast_to, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 0, 0)}},
    {"contiguous", contiguous, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"as_strided", as_strided, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 2, 4)}},
    {"as_strided: backwards, repeated, of a transpose",
     as_strided_back,
     TYPES_ANY,
     true,
     1,
     1,
     {INPUT(TRANSPOSED, 2, 2, 4)}},
    {"view", view, TYPE_BIT(PONS_FLOAT32), false, 1, 2, {INPUT(PLAIN, 2, 2, 4)}},
    {"view: of a transpose", view, TYPE_BIT(PONS_FLOAT32), false, 1, 2, {INPUT(TRANSPOSED, 2, 2, 4)}},
    {"view: wider", view_wider, TYPE_BIT(PONS_UINT16), false, 1, 1, {INPUT_FROM(0, 60000, PLAIN, 2, 3, 8)}},
    {"stop_gradient", stop_gradient, TYPES_FLOAT, false, 1, 1, {INPUT(PLAIN, 1, 3)}},
    {"depends", depends, TYPES_FLOAT, true, 2, 2, {INPUT(PLAIN, 1, 3), INPUT(TRANSPOSED, 2, 2, 3)}},
    {"concatenate",
     concatenate,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 3), INPUT(TRANSPOSED, 2, 2, 1), INPUT(PLAIN, 2, 2, 0)}},
    {"concatenate: with int32",
     concatenate_mixed,
     TYPES_ANY,
     false,
     2,
     1,
     {INPUT(STRIDED, 2, 2, 3), INDICES(5, 2, 1, 3)}},
    {"stack", stack, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 2, 2, 3), INPUT(REPEATED, 2, 2, 3)}},
    {"split", split, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 2, 2, 6)}},
    {"split_at", split_at, TYPES_ANY, true, 1, 3, {INPUT(PLAIN, 2, 2, 6)}},
    {"repeat", repeat, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"tile", tile, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 2, 3)}},
    {"pad", pad, TYPES_ANY, true, 2, 1, {INPUT(TRANSPOSED, 2, 2, 3), INPUT(PLAIN, 0, 0)}},
    {"pad: with zero", pad_zero, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 2, 3)}},
};

const conformance_case *shape_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
