/* conformance_arrays.c: cases of functions that are made of other ops: rearranged arrays, diagonals, grids,
   statistics, products of two arrays. */
#include "conformance_cases.h"
#include <math.h>

#define CASE(name) static void name(const pons_array *in, pons_array *out)
#define NO_INPUT (void)in

/* ---- shapes ---- */
CASE(atleast) {
  out[0] = pons_atleast_1d(in[0]);
  out[1] = pons_atleast_2d(in[0]);
  out[2] = pons_atleast_3d(in[0]);
}
CASE(broadcast_arrays) { pons_broadcast_arrays(in, 3, out); }
CASE(meshgrid) { pons_meshgrid(in, 3, false, PONS_INDEXING_XY, out); }
CASE(meshgrid_ij) { pons_meshgrid(in, 2, false, PONS_INDEXING_IJ, out); }
CASE(meshgrid_sparse) {
  pons_meshgrid(in, 2, true, PONS_INDEXING_XY, out);
  pons_meshgrid(in, 2, true, PONS_INDEXING_IJ, out + 2);
}
CASE(flip) {
  out[0] = pons_flip(in[0], (pons_axes){0});
  out[1] = pons_flip(in[0], PONS_AXES(-1));
}
CASE(roll) {
  out[0] = pons_roll(in[0], PONS_SHAPE(2));
  out[1] = pons_roll(in[0], PONS_SHAPE(-1), .axes = PONS_AXES(1));
}
CASE(roll_axes) {
  out[0] = pons_roll(in[0], PONS_SHAPE(1, -5), .axes = PONS_AXES(0, -1));
  out[1] = pons_roll(in[0], PONS_SHAPE(1), .axes = PONS_AXES(0, 1));
}
CASE(matrix_transpose) { out[0] = pons_matrix_transpose(in[0]); }
CASE(unstack) { pons_unstack(in[0], 1, out); }
CASE(contiguous_either) { out[0] = pons_contiguous(in[0], .allow_col_major = true); }
CASE(as_strided_defaults) { out[0] = pons_as_strided(in[0], PONS_SHAPE(3, 2), PONS_SCALAR, 2); }
CASE(full_like) { out[0] = pons_full_like(in[0], in[1]); }
CASE(full_like_as) { out[0] = pons_full_like(in[0], in[1], .dtype = PONS_AS(PONS_FLOAT32)); }

/* ---- PONS_FLAT ---- */
CASE(flat_order) {
  out[0] = pons_sort(in[0], PONS_FLAT);
  out[1] = pons_argsort(in[0], PONS_FLAT);
  out[2] = pons_sort(pons_topk(in[0], 3, PONS_FLAT), 0);
}
CASE(flat_arg) {
  out[0] = pons_argmax(in[0], PONS_FLAT, false);
  out[1] = pons_argmin(in[0], PONS_FLAT, true);
}
CASE(flat_scans) {
  out[0] = pons_cumsum(in[0], .axis = PONS_FLAT);
  out[1] = pons_cumprod(in[0], .axis = PONS_FLAT, .dtype = PONS_AS(PONS_FLOAT32));
}
CASE(flat_take) {
  out[0] = pons_take(in[0], in[1], PONS_FLAT);
  out[1] = pons_take_along_axis(in[0], pons_flatten(in[1], 0, -1), PONS_FLAT);
}
CASE(flat_put) { out[0] = pons_put_along_axis(in[0], pons_argsort(in[1], 0), in[2], PONS_FLAT); }
CASE(flat_join) {
  out[0] = pons_concatenate(in, 2, PONS_FLAT);
  out[1] = pons_repeat(in[0], 2, PONS_FLAT);
}

/* ---- diagonals ---- */
CASE(diagonal) {
  out[0] = pons_diagonal(in[0], 1, 0, 1);
  out[1] = pons_diagonal(in[0], -1, 2, 0);
  out[2] = pons_diagonal(in[0], 7, 0, 1);
}
CASE(diag) {
  out[0] = pons_diag(in[0], 0);
  out[1] = pons_diag(in[0], 2);
  out[2] = pons_diag(in[0], -1);
}
CASE(diag_read) { out[0] = pons_diag(in[0], -1); }
CASE(trace) {
  out[0] = pons_trace(in[0]);
  out[1] = pons_trace(in[0], .offset = -1, .axis1 = 2, .axis2 = 1);
}
CASE(trace_as) { out[0] = pons_trace(in[0], .dtype = PONS_AS(PONS_INT32)); }

/* ---- numbers one by one ---- */
CASE(angles) {
  out[0] = pons_degrees(in[0]);
  out[1] = pons_radians(in[0]);
}
CASE(positive) { out[0] = pons_positive(in[0]); }
CASE(truncated) { out[0] = pons_trunc(in[0]); }
CASE(round_decimals) {
  out[0] = pons_round_decimals(in[0], 1);
  out[1] = pons_round_decimals(in[0], -1);
}
CASE(logical_xor) { out[0] = pons_logical_xor(in[0], in[1]); }
/* -inf, NaN and inf, as the sign of x is */
static pons_array endless(pons_array x) { return pons_divide(x, pons_subtract(x, x)); }
CASE(infinite) {
  pons_array y = endless(pons_sign(in[0]));
  out[0] = pons_isposinf(y);
  out[1] = pons_isneginf(y);
  out[2] = pons_isinf(y);
}
CASE(nan_to_num) {
  pons_array y = pons_where(pons_greater(in[0], pons_float(0.5)), in[0], endless(pons_sign(in[0])));
  const double two = 2, minus = -3;
  out[0] = pons_nan_to_num(y);
  out[1] = pons_nan_to_num(y, .nan = 1, .posinf = &two, .neginf = &minus);
}
CASE(nan_to_num_finite) { out[0] = pons_nan_to_num(in[0], .nan = 1); }
CASE(close_nan) {
  pons_array x =
      pons_where(pons_greater(in[0], pons_float(0)), in[0], pons_scalar((double)NAN, PONS_FLOAT32));
  out[0] = pons_isclose(x, x, 1e-5, 1e-8, .equal_nan = true);
  out[1] = pons_allclose(x, x, 1e-5, 1e-8, .equal_nan = true);
  out[2] = pons_array_equal(x, x, .equal_nan = true);
  out[3] = pons_isclose(x, x, 1e-5, 1e-8);
}

/* ---- statistics ---- */
CASE(median) {
  out[0] = pons_median(in[0]);
  out[1] = pons_median(in[0], .axes = PONS_AXES(1));
  out[2] = pons_median(in[0], .axes = PONS_AXES(-1, 0), .keepdims = true);
}
CASE(minmax) { pons_minmax(out, in[0], .axes = PONS_AXES(1)); }
CASE(count_nonzero) {
  out[0] = pons_count_nonzero(in[0]);
  out[1] = pons_count_nonzero(in[0], .axes = PONS_AXES(0), .keepdims = true);
}
CASE(diff) {
  out[0] = pons_diff(in[0], 1, -1);
  out[1] = pons_diff(in[0], 2, 0);
  out[2] = pons_diff(in[0], 9, 1);
}
CASE(var_complex) {
  out[0] = pons_variance(in[0], .axes = PONS_AXES(1));
  out[1] = pons_std(in[0], .ddof = 1);
}
CASE(logcumsumexp) {
  out[0] = pons_logcumsumexp(in[0], .axis = 1);
  out[1] = pons_logcumsumexp(in[0], .axis = 0, .reverse = true);
  out[2] = pons_logcumsumexp(in[0], .axis = PONS_FLAT);
}
CASE(linspace) {
  NO_INPUT;
  out[0] = pons_linspace(1, 2, 5, PONS_FLOAT32, .exclude_stop = true);
  out[1] = pons_linspace(1, 9, 4, PONS_INT32);
}

/* ---- order ---- */
CASE(searchsorted) {
  pons_array sorted = pons_sort(in[0], 0);
  out[0] = pons_searchsorted(sorted, in[1], false);
  out[1] = pons_searchsorted(sorted, in[1], true);
}
CASE(searchsorted_nan) {
  const float nan = (float)NAN, sorted[] = {-INFINITY, -1, 0, 2, nan, nan};
  pons_array a = pons_array_from(sorted, PONS_SHAPE(6), PONS_FLOAT32);
  pons_array values[] = {pons_flatten(in[0], 0, -1), a};
  out[0] = pons_searchsorted(a, pons_concatenate(values, 2, 0), false);
  out[1] = pons_searchsorted(a, pons_concatenate(values, 2, 0), true);
}
CASE(unique) { pons_unique(in[0], 5, NULL, out); }
CASE(unique_values) {
  pons_array all[4];
  pons_unique(in[0], 4, NULL, all);
  out[0] = all[0];
  pons_unique(in[0], 7, in[1], all);
  out[1] = all[0];
}
CASE(unique_filled) { pons_unique(in[0], 14, in[1], out); }
CASE(unique_cut) { pons_unique(in[0], 2, NULL, out); }

/* ---- padding ---- */
CASE(pad_modes) {
  out[0] = pons_pad(in[0], PONS_SHAPE(1, 0), PONS_SHAPE(0, 3), .mode = PONS_PAD_EDGE);
  out[1] = pons_pad(in[0], PONS_SHAPE(1, 2), PONS_SHAPE(1, 2), .mode = PONS_PAD_REFLECT);
  out[2] = pons_pad(in[0], PONS_SHAPE(1, 2), PONS_SHAPE(1, 2), .mode = PONS_PAD_SYMMETRIC);
}
CASE(pad_far) {
  out[0] = pons_pad(in[0], PONS_SHAPE(0, 7), PONS_SHAPE(5, 8), .mode = PONS_PAD_REFLECT);
  out[1] = pons_pad(in[0], PONS_SHAPE(0, 7), PONS_SHAPE(5, 8), .mode = PONS_PAD_SYMMETRIC);
}

/* ---- products ---- */
CASE(einsum) { out[0] = pons_einsum("ij,jk->ik", in, 2); }
CASE(einsum_one) {
  out[0] = pons_einsum("iji->ji", in, 1);
  out[1] = pons_einsum("bAb", in, 1);
  out[2] = pons_einsum("i...->...", in, 1);
}
CASE(einsum_batch) {
  out[0] = pons_einsum("bij, bjk -> bki", in, 2);
  out[1] = pons_einsum("...ij,...jk", in, 2);
}
CASE(einsum_outer) {
  out[0] = pons_einsum("i,jk->kij", in, 2);
  out[1] = pons_einsum("i,jk->i", in, 2);
  out[2] = pons_einsum("i,ik->ik", in, 2);
}
CASE(einsum_chain) { out[0] = pons_einsum("ab,bc,cd,da->c", in, 4); }
CASE(einsum_diagonals) { out[0] = pons_einsum("ii,ij,jj->i", in, 3); }
CASE(einsum_thin) { out[0] = pons_einsum("ij,jk,k->i", in, 3); }
CASE(tensordot) {
  out[0] = pons_tensordot(in[0], in[1], 2);
  out[1] = pons_tensordot(in[0], in[2], 0);
}
CASE(tensordot_axes) { out[0] = pons_tensordot_axes(in[0], in[1], PONS_AXES(-1, 0), PONS_AXES(0, 2)); }
CASE(vecdot) {
  out[0] = pons_vecdot(in[0], in[1], -1);
  out[1] = pons_vecdot(in[0], in[1], 0);
}
CASE(kron) {
  out[0] = pons_kron(in[0], in[1]);
  out[1] = pons_kron(in[2], in[0]);
}

static const conformance_case cases[] = {
    {"atleast_1d, atleast_2d, atleast_3d", atleast, TYPES_ANY, true, 1, 3, {INPUT(STRIDED, 1, 3)}},
    {"atleast_1d, atleast_2d, atleast_3d: a scalar", atleast, TYPES_ANY, true, 1, 3, {INPUT(PLAIN, 0, 0)}},
    {"atleast_1d, atleast_2d, atleast_3d: a matrix", atleast, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"broadcast_arrays",
     broadcast_arrays,
     TYPES_ANY,
     true,
     3,
     3,
     {INPUT(PLAIN, 2, 2, 1), INPUT(STRIDED, 1, 3), INPUT(PLAIN, 0, 0)}},
    {"meshgrid",
     meshgrid,
     TYPES_ANY,
     true,
     3,
     3,
     {INPUT(STRIDED, 1, 2), INPUT(PLAIN, 1, 3), INPUT(PLAIN, 0, 0)}},
    {"meshgrid: ij", meshgrid_ij, TYPES_ANY, true, 2, 2, {INPUT(PLAIN, 1, 2), INPUT(PLAIN, 1, 3)}},
    {"meshgrid: sparse", meshgrid_sparse, TYPES_ANY, true, 2, 4, {INPUT(PLAIN, 1, 2), INPUT(PLAIN, 1, 3)}},
    {"flip", flip, TYPES_ANY, true, 1, 2, {INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"flip: empty", flip, TYPES_ANY, false, 1, 2, {INPUT(PLAIN, 2, 0, 2)}},
    {"roll", roll, TYPES_ANY, true, 1, 2, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"roll: two axes", roll_axes, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 2, 2, 3)}},
    {"matrix_transpose", matrix_transpose, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 3, 2, 3, 2)}},
    {"unstack", unstack, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"contiguous: column-major too", contiguous_either, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"as_strided: strides left out",
     as_strided_defaults,
     TYPES_ANY,
     true,
     1,
     1,
     {INPUT(TRANSPOSED, 2, 2, 4)}},
    {"full_like", full_like, TYPES_ANY, true, 2, 1, {INPUT(TRANSPOSED, 2, 2, 3), INPUT(PLAIN, 1, 3)}},
    {"full_like: as float32",
     full_like_as,
     TYPES_REAL,
     false,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 2, 3), INPUT(PLAIN, 1, 3)}},

    {"sort, argsort, topk: flat", flat_order, TYPES_ANY, true, 1, 3, {INPUT_FROM(-100, 100, PLAIN, 2, 2, 3)}},
    {"argmax, argmin: flat", flat_arg, TYPES_ANY, false, 1, 2, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"cumsum, cumprod: flat", flat_scans, TYPES_REAL, false, 1, 2, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"take, take_along_axis: flat",
     flat_take,
     TYPES_ANY,
     true,
     2,
     2,
     {INPUT(TRANSPOSED, 2, 2, 3), INDICES(6, 2, 2, 2)}},
    {"put_along_axis: flat",
     flat_put,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 3), INDICES(6, 1, 4), INPUT(PLAIN, 1, 4)}},
    {"concatenate, repeat: flat",
     flat_join,
     TYPES_ANY,
     true,
     2,
     2,
     {INPUT(TRANSPOSED, 2, 2, 3), INPUT(PLAIN, 1, 2)}},

    {"diagonal", diagonal, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 3, 2, 3, 4)}},
    {"diag: of a vector", diag, TYPES_ANY, true, 1, 3, {INPUT(STRIDED, 1, 3)}},
    {"diag: of a matrix", diag_read, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"trace", trace, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"trace: as int32", trace_as, TYPES_REAL, false, 1, 1, {INPUT_FROM(0, 50, PLAIN, 2, 3, 3)}},

    {"degrees, radians", angles, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 2, 2, 3)}},
    {"positive", positive, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 2, 2, 4)}},
    {"trunc", truncated, TYPES_REAL, false, 1, 1, {INPUT_FROM(-9, 9, TRANSPOSED, 2, 2, 8)}},
    {"round_decimals", round_decimals, TYPES_ANY, false, 1, 2, {INPUT_FROM(-99, 99, PLAIN, 1, 20)}},
    {"logical_xor", logical_xor, TYPES_ANY, false, 2, 1, {INPUT(PLAIN, 2, 4, 4), INPUT(STRIDED, 1, 4)}},
    {"isposinf, isneginf, isinf", infinite, TYPES_ANY, false, 1, 3, {INPUT(PLAIN, 1, 12)}},
    {"nan_to_num", nan_to_num, TYPES_FLOAT, false, 1, 2, {INPUT(PLAIN, 1, 12)}},
    {"nan_to_num: of any type", nan_to_num_finite, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 2, 2, 3)}},
    {"isclose, allclose, array_equal: equal NaN", close_nan, TYPES_FLOAT, false, 1, 4, {INPUT(PLAIN, 1, 8)}},

    {"median", median, TYPES_ANY, true, 1, 3, {INPUT_FROM(-100, 100, TRANSPOSED, 3, 2, 3, 3)}},
    {"minmax", minmax, TYPES_ANY, true, 1, 2, {INPUT_FROM(-100, 100, PLAIN, 3, 2, 3, 2)}},
    {"count_nonzero", count_nonzero, TYPES_ANY, false, 1, 2, {INPUT(TRANSPOSED, 2, 4, 3)}},
    {"diff", diff, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"variance, std: of complex numbers",
     var_complex,
     TYPES_COMPLEX,
     false,
     1,
     2,
     {INPUT(PLAIN, 2, 3, 4)}},
    {"logcumsumexp", logcumsumexp, TYPES_REAL, true, 1, 3, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"searchsorted",
     searchsorted,
     TYPES_ANY,
     false,
     2,
     2,
     {INPUT_FROM(-9, 9, PLAIN, 1, 12), INPUT_FROM(-9, 9, TRANSPOSED, 2, 3, 5)}},
    {"searchsorted: no numbers", searchsorted_nan, TYPE_BIT(PONS_FLOAT32), false, 1, 2, {INPUT(PLAIN, 1, 5)}},
    {"unique", unique, TYPES_ANY, false, 1, 4, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"unique: values alone",
     unique_values,
     TYPES_ANY,
     true,
     2,
     2,
     {INPUT_FROM(-100, 100, TRANSPOSED, 2, 2, 3), INPUT(PLAIN, 0, 0)}},
    {"unique: filled up", unique_filled, TYPES_ANY, false, 2, 4, {INPUT(PLAIN, 1, 12), INPUT(PLAIN, 0, 0)}},
    {"unique: cut off", unique_cut, TYPES_ANY, false, 1, 4, {INPUT(STRIDED, 1, 12)}},

    {"pad: edge, reflect, symmetric", pad_modes, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"pad: further than the array", pad_far, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 2, 2, 3)}},

    {"linspace: without the stop", linspace, TYPES_ONE, false, 0, 2, {{0}}},

    {"einsum", einsum, TYPES_INEXACT, true, 2, 1, {INPUT(PLAIN, 2, 2, 3), INPUT(TRANSPOSED, 2, 3, 4)}},
    {"einsum: one operand", einsum_one, TYPES_ANY, true, 1, 3, {INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"einsum: batches",
     einsum_batch,
     TYPES_INEXACT,
     true,
     2,
     2,
     {INPUT(TRANSPOSED, 3, 2, 3, 4), INPUT(PLAIN, 3, 2, 4, 2)}},
    {"einsum: nothing summed over both",
     einsum_outer,
     TYPES_ANY,
     true,
     2,
     3,
     {INPUT(PLAIN, 1, 2), INPUT(TRANSPOSED, 2, 2, 3)}},
    {"einsum: a chain",
     einsum_chain,
     TYPES_INEXACT,
     true,
     4,
     1,
     {INPUT(PLAIN, 2, 2, 3), INPUT(PLAIN, 2, 3, 4), INPUT(PLAIN, 2, 4, 2), INPUT(PLAIN, 2, 2, 2)}},
    {"einsum: diagonals",
     einsum_diagonals,
     TYPES_INEXACT,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 2), INPUT(PLAIN, 2, 2, 3), INPUT(TRANSPOSED, 2, 3, 3)}},
    {"einsum: axes of 1",
     einsum_thin,
     TYPES_INEXACT,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 1), INPUT(PLAIN, 2, 3, 1), INPUT(PLAIN, 1, 4)}},
    {"tensordot",
     tensordot,
     TYPES_INEXACT,
     true,
     3,
     2,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(TRANSPOSED, 3, 3, 4, 2), INPUT(PLAIN, 1, 2)}},
    {"tensordot: axes named",
     tensordot_axes,
     TYPES_INEXACT,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(TRANSPOSED, 3, 4, 5, 2)}},
    {"vecdot", vecdot, TYPES_ANY, true, 2, 2, {INPUT(PLAIN, 2, 2, 3), INPUT(TRANSPOSED, 2, 2, 3)}},
    {"kron",
     kron,
     TYPES_ANY,
     true,
     3,
     2,
     {INPUT(TRANSPOSED, 2, 2, 3), INPUT(PLAIN, 2, 2, 1), INPUT(STRIDED, 1, 2)}},
};

const conformance_case *array_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
