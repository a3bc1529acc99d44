/* ops.c: the list of all primitives: the rows of elementwise.def and every record of this folder and of graph/. */
#include "ops/ops.h"

const prim *const pons_prims[] = {
#define UNARY(name, ...) &elementwise_prims[ROW_##name],
#define BINARY(name, ...) &elementwise_prims[ROW_##name],
#define TERNARY(name, ...) &elementwise_prims[ROW_##name],
#include "kernel/elementwise.def"
    &prim_input, &prim_output, &prim_alias,
    &prim_arange, &prim_full,
    &prim_reshape, &prim_flatten, &prim_unflatten, &prim_squeeze, &prim_expand_dims, &prim_transpose, &prim_broadcast,
    &prim_broadcast_axes, &prim_as_strided, &prim_contiguous, &prim_view, &prim_stop_gradient, &prim_depends,
    &prim_number_of_elements,
    &prim_concatenate, &prim_split, &prim_pad,
    &prim_slice, &prim_slice_update, &prim_dynamic_slice, &prim_dynamic_slice_update, &prim_gather, &prim_gather_axis,
    &prim_scatter, &prim_scatter_axis, &prim_masked_scatter,
    &prim_reduce, &prim_arg_reduce, &prim_scan, &prim_sort, &prim_arg_sort, &prim_partition, &prim_arg_partition,
    &prim_matmul, &prim_addmm, &prim_convolution, &prim_divmod, &prim_random_bits,
    &prim_softmax, &prim_logsumexp, &prim_rms_norm, &prim_rms_norm_vjp, &prim_layer_norm, &prim_layer_norm_vjp, &prim_rope,
    &prim_attention,
    NULL,
};
