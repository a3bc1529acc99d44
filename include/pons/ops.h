/* ops.h: operations on arrays, called what MLX calls them, with MLX's promotion, broadcasting and edge cases.

   A function with options is a macro over a struct whose zero is the default:
       pons_sum(x, .axes = PONS_AXES(0, 1), .keepdims = true)
   C++ and other languages call the function ending in _with. */
#ifndef PONS_OPS_H
#define PONS_OPS_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- creation ------------------------------------------------------------------------------------------ */

PONS_API pons_array pons_zeros(pons_shape shape, pons_dtype dtype);
PONS_API pons_array pons_ones(pons_shape shape, pons_dtype dtype);
/* `value` broadcast to `shape`. */
PONS_API pons_array pons_full(pons_shape shape, pons_array value);
/* In the shape of x, and in its dtype if no other is given. */
#define pons_zeros_like(...) pons_zeros_like_with((struct pons_like_args){.x = __VA_ARGS__})
#define pons_ones_like(...) pons_ones_like_with((struct pons_like_args){.x = __VA_ARGS__})
#define pons_full_like(...) pons_full_like_with((struct pons_full_like_args){.x = __VA_ARGS__})
struct pons_like_args {
  pons_array x;
  pons_optional_dtype dtype;
};
struct pons_full_like_args {
  pons_array x, value; /* the value broadcasts to x's shape */
  pons_optional_dtype dtype;
};
PONS_API pons_array pons_zeros_like_with(struct pons_like_args args);
PONS_API pons_array pons_ones_like_with(struct pons_like_args args);
PONS_API pons_array pons_full_like_with(struct pons_full_like_args args);
/* start, start + step, ... before stop. */
PONS_API pons_array pons_arange(double start, double stop, double step, pons_dtype dtype);
/* `count` values from start to stop, both included, or without the stop. */
#define pons_linspace(...) pons_linspace_with((struct pons_linspace_args){.start = __VA_ARGS__})
struct pons_linspace_args {
  double start, stop;
  int64_t count;
  pons_dtype dtype;
  bool exclude_stop;
};
PONS_API pons_array pons_linspace_with(struct pons_linspace_args args);
/* (n, m) with ones on the k-th diagonal. */
PONS_API pons_array pons_eye(int64_t n, int64_t m, int k, pons_dtype dtype);
PONS_API pons_array pons_identity(int64_t n, pons_dtype dtype);
/* (n, m) with ones on and below the k-th diagonal. */
PONS_API pons_array pons_tri(int64_t n, int64_t m, int k, pons_dtype dtype);
PONS_API pons_array pons_tril(pons_array x, int k);
PONS_API pons_array pons_triu(pons_array x, int k);
/* The k-th diagonal of a matrix, or a matrix with a vector on its k-th diagonal. */
PONS_API pons_array pons_diag(pons_array x, int k);
typedef enum pons_indexing { PONS_INDEXING_XY, PONS_INDEXING_IJ } pons_indexing;
/* Coordinates of a grid: arrays[i] along axis i of `count` (with xy the first two trade places), repeated
   along the others unless sparse. */
PONS_API void pons_meshgrid(const pons_array *arrays, int count, bool sparse, pons_indexing indexing,
                            pons_array *out);
/* Windows of m points that are 0 (hamming: 0.08) at both ends and 1 in the middle, float32; m 1: a single 1. */
PONS_API pons_array pons_bartlett(int64_t m);
PONS_API pons_array pons_blackman(int64_t m);
PONS_API pons_array pons_hamming(int64_t m);
PONS_API pons_array pons_hanning(int64_t m);

/* ---- elementwise, one operand: each is a row of kernel/elementwise.def --------------------------------- */

PONS_API pons_array pons_abs(pons_array x); /* of a complex number: its magnitude */
PONS_API pons_array pons_negative(pons_array x);
PONS_API pons_array pons_sign(pons_array x);
PONS_API pons_array pons_square(pons_array x);
PONS_API pons_array pons_sqrt(pons_array x);
PONS_API pons_array pons_rsqrt(pons_array x);
PONS_API pons_array pons_exp(pons_array x);
PONS_API pons_array pons_expm1(pons_array x);
PONS_API pons_array pons_log(pons_array x);
PONS_API pons_array pons_log2(pons_array x);
PONS_API pons_array pons_log10(pons_array x);
PONS_API pons_array pons_log1p(pons_array x);
PONS_API pons_array pons_sin(pons_array x);
PONS_API pons_array pons_cos(pons_array x);
PONS_API pons_array pons_tan(pons_array x);
PONS_API pons_array pons_arcsin(pons_array x);
PONS_API pons_array pons_arccos(pons_array x);
PONS_API pons_array pons_arctan(pons_array x);
PONS_API pons_array pons_sinh(pons_array x);
PONS_API pons_array pons_cosh(pons_array x);
PONS_API pons_array pons_tanh(pons_array x);
PONS_API pons_array pons_arcsinh(pons_array x);
PONS_API pons_array pons_arccosh(pons_array x);
PONS_API pons_array pons_arctanh(pons_array x);
PONS_API pons_array pons_sigmoid(pons_array x);
PONS_API pons_array pons_erf(pons_array x);
PONS_API pons_array pons_erfinv(pons_array x);
PONS_API pons_array pons_floor(pons_array x);
PONS_API pons_array pons_ceil(pons_array x);
PONS_API pons_array pons_round(pons_array x); /* half to even */
PONS_API pons_array pons_logical_not(pons_array x);
PONS_API pons_array pons_bitwise_invert(pons_array x);
PONS_API pons_array pons_real(pons_array x);
PONS_API pons_array pons_imag(pons_array x);
PONS_API pons_array pons_conjugate(pons_array x);
PONS_API pons_array pons_positive(pons_array x); /* x itself */
PONS_API pons_array pons_trunc(pons_array x);    /* towards zero */
/* To that many decimals, half to even; tens and hundreds with negative ones. */
PONS_API pons_array pons_round_decimals(pons_array x, int decimals);
PONS_API pons_array pons_degrees(pons_array x); /* of radians */
PONS_API pons_array pons_radians(pons_array x); /* of degrees */
/* x with these in the place of what is no number and of infinities. */
#define pons_nan_to_num(...) pons_nan_to_num_with((struct pons_nan_to_num_args){.x = __VA_ARGS__})
struct pons_nan_to_num_args {
  pons_array x;
  double nan;
  const double *posinf, *neginf; /* NULL: the greatest and least finite number */
};
PONS_API pons_array pons_nan_to_num_with(struct pons_nan_to_num_args args);

/* ---- elementwise, two or three operands ---------------------------------------------------------------- */

PONS_API pons_array pons_add(pons_array a, pons_array b);
PONS_API pons_array pons_subtract(pons_array a, pons_array b);
PONS_API pons_array pons_multiply(pons_array a, pons_array b);
PONS_API pons_array pons_divide(pons_array a, pons_array b); /* of integers: float32 */
PONS_API pons_array pons_floor_divide(pons_array a, pons_array b);
PONS_API pons_array pons_remainder(pons_array a, pons_array b); /* sign of the divisor */
PONS_API pons_array pons_power(pons_array a, pons_array b);
PONS_API pons_array pons_maximum(pons_array a, pons_array b); /* NaN if either is */
PONS_API pons_array pons_minimum(pons_array a, pons_array b);
PONS_API pons_array pons_arctan2(pons_array a, pons_array b);
PONS_API pons_array pons_logaddexp(pons_array a, pons_array b);
PONS_API pons_array pons_equal(pons_array a, pons_array b);
PONS_API pons_array pons_equal_nan(pons_array a, pons_array b); /* NaN equals NaN */
PONS_API pons_array pons_not_equal(pons_array a, pons_array b);
PONS_API pons_array pons_less(pons_array a, pons_array b);
PONS_API pons_array pons_less_equal(pons_array a, pons_array b);
PONS_API pons_array pons_greater(pons_array a, pons_array b);
PONS_API pons_array pons_greater_equal(pons_array a, pons_array b);
PONS_API pons_array pons_logical_and(pons_array a, pons_array b);
PONS_API pons_array pons_logical_or(pons_array a, pons_array b);
PONS_API pons_array pons_logical_xor(pons_array a, pons_array b);
PONS_API pons_array pons_bitwise_and(pons_array a, pons_array b);
PONS_API pons_array pons_bitwise_or(pons_array a, pons_array b);
PONS_API pons_array pons_bitwise_xor(pons_array a, pons_array b);
PONS_API pons_array pons_left_shift(pons_array a, pons_array b);
PONS_API pons_array pons_right_shift(pons_array a, pons_array b);
/* a where `condition`, else b. */
PONS_API pons_array pons_where(pons_array condition, pons_array a, pons_array b);
/* Quotient (floored) and remainder. */
PONS_API void pons_divmod(pons_array a, pons_array b, pons_array out[2]);
PONS_API pons_array pons_reciprocal(pons_array x);
/* x between lo and hi; either may be NULL. */
PONS_API pons_array pons_clip(pons_array x, pons_array lo, pons_array hi);
PONS_API pons_array pons_isnan(pons_array x);
PONS_API pons_array pons_isinf(pons_array x);
PONS_API pons_array pons_isfinite(pons_array x);
PONS_API pons_array pons_isposinf(pons_array x);
PONS_API pons_array pons_isneginf(pons_array x);
/* |a - b| <= atol + rtol |b|, of each element or of all: pons_isclose(a, b, 1e-5, 1e-8, .equal_nan = true) */
#define pons_isclose(...) pons_isclose_with((struct pons_closeness_args){.a = __VA_ARGS__})
#define pons_allclose(...) pons_allclose_with((struct pons_closeness_args){.a = __VA_ARGS__})
struct pons_closeness_args {
  pons_array a, b;
  double rtol, atol;
  bool equal_nan; /* NaN is close to NaN */
};
PONS_API pons_array pons_isclose_with(struct pons_closeness_args args);
PONS_API pons_array pons_allclose_with(struct pons_closeness_args args);
/* Are shapes and elements equal? */
#define pons_array_equal(...) pons_array_equal_with((struct pons_array_equal_args){.a = __VA_ARGS__})
struct pons_array_equal_args {
  pons_array a, b;
  bool equal_nan;
};
PONS_API pons_array pons_array_equal_with(struct pons_array_equal_args args);

/* ---- dtype and shape ----------------------------------------------------------------------------------- */

PONS_API pons_array pons_astype(pons_array x, pons_dtype dtype);
/* The same bytes as another dtype; the last axis scales with the item size. */
PONS_API pons_array pons_view(pons_array x, pons_dtype dtype);
/* One size may be -1: what remains. */
PONS_API pons_array pons_reshape(pons_array x, pons_shape shape);
/* The axes from start to end, both included and clipped to those there are, as one. */
PONS_API pons_array pons_flatten(pons_array x, int start_axis, int end_axis);
PONS_API pons_array pons_unflatten(pons_array x, int axis, pons_shape shape);
PONS_API pons_array pons_squeeze(pons_array x, pons_axes axes);
PONS_API pons_array pons_expand_dims(pons_array x, pons_axes axes); /* positions in the result */
/* Axes in a new order; reversed when left out: pons_transpose(x), pons_transpose(x, .axes = PONS_AXES(0, 2,
   1)) */
#define pons_transpose(...) pons_transpose_with((struct pons_transpose_args){.x = __VA_ARGS__})
struct pons_transpose_args {
  pons_array x;
  pons_axes axes;
};
PONS_API pons_array pons_transpose_with(struct pons_transpose_args args);
PONS_API pons_array pons_swapaxes(pons_array x, int axis1, int axis2);
PONS_API pons_array pons_moveaxis(pons_array x, int source, int destination);
PONS_API pons_array pons_matrix_transpose(pons_array x); /* the last two axes swapped */
/* x reversed along `axes`, all when left out. */
PONS_API pons_array pons_flip(pons_array x, pons_axes axes);
/* Elements moved on by shifts.at[i] along axes.at[i] (one shift serves all), those that leave coming in at the
   other end; by the sum of the shifts in flat order when axes are left out: pons_roll(x, PONS_SHAPE(1)) */
#define pons_roll(...) pons_roll_with((struct pons_roll_args){.x = __VA_ARGS__})
struct pons_roll_args {
  pons_array x;
  pons_shape shifts;
  pons_axes axes;
};
PONS_API pons_array pons_roll_with(struct pons_roll_args args);
/* With one, two or three axes at least, as NumPy adds them. */
PONS_API pons_array pons_atleast_1d(pons_array x);
PONS_API pons_array pons_atleast_2d(pons_array x);
PONS_API pons_array pons_atleast_3d(pons_array x);
PONS_API pons_array pons_broadcast_to(pons_array x, pons_shape shape);
/* All of them in the shape they broadcast to. */
PONS_API void pons_broadcast_arrays(const pons_array *arrays, int count, pons_array *out);
/* The shape into out; how many axes it has, or -1 and an error. */
PONS_API int pons_broadcast_shapes(const pons_shape *shapes, int count, int64_t out[PONS_MAX_NDIM]);
/* The product of the sizes of `axes` (all when left out), or 1 over it, as a 0-d array: in a file without
   fixed sizes it follows those of the call. */
PONS_API pons_array pons_number_of_elements(pons_array x, pons_axes axes, bool inverted, pons_dtype dtype);
/* Row-major; with allow_col_major what lies column-major may stay so. */
#define pons_contiguous(...) pons_contiguous_with((struct pons_contiguous_args){.x = __VA_ARGS__})
struct pons_contiguous_args {
  pons_array x;
  bool allow_col_major;
};
PONS_API pons_array pons_contiguous_with(struct pons_contiguous_args args);
/* Element (i, j, ...) is element offset + i strides[0] + j strides[1] + ... of x in row-major order; strides
   left out: those of `shape` row-major. */
PONS_API pons_array pons_as_strided(pons_array x, pons_shape shape, pons_shape strides, int64_t offset);
PONS_API pons_array pons_concatenate(const pons_array *arrays, int count, int axis);
PONS_API pons_array pons_stack(const pons_array *arrays, int count, int axis);
/* Pieces of equal size; `axis` must divide by `parts`. */
PONS_API void pons_split(pons_array x, int parts, int axis, pons_array *out);
/* Pieces that begin at 0 and at each of `indices`: indices.count + 1 of them. */
PONS_API void pons_split_at(pons_array x, pons_axes indices, int axis, pons_array *out);
/* The slices along `axis`, without it; `out` has room for them, for one at least. */
PONS_API void pons_unstack(pons_array x, int axis, pons_array *out);
PONS_API pons_array pons_repeat(pons_array x, int repeats, int axis);
PONS_API pons_array pons_tile(pons_array x, pons_shape reps);
typedef enum pons_pad_mode {
  PONS_PAD_CONSTANT,
  PONS_PAD_EDGE,     /* 0 0 | 0 1 2 | 2 2 */
  PONS_PAD_REFLECT,  /* 2 1 | 0 1 2 | 1 0 */
  PONS_PAD_SYMMETRIC /* 1 0 | 0 1 2 | 2 1 */
} pons_pad_mode;
/* low[i] elements before and high[i] after axis i: `value` (NULL: 0), or the array's own:
   pons_pad(x, PONS_SHAPE(1), PONS_SHAPE(2), .mode = PONS_PAD_EDGE) */
#define pons_pad(...) pons_pad_with((struct pons_pad_args){.x = __VA_ARGS__})
struct pons_pad_args {
  pons_array x;
  pons_shape low, high;
  pons_array value;
  pons_pad_mode mode;
};
PONS_API pons_array pons_pad_with(struct pons_pad_args args);

/* ---- indexing; a wrong index is an error with the index, the axis and its size ------------------------- */

/* x[start[0]:stop[0]:step[0], ...]: one entry per axis, negative ones count from the end, stops are clipped.
   `steps` may be PONS_SCALAR: all 1. */
PONS_API pons_array pons_slice(pons_array x, pons_shape start, pons_shape stop, pons_shape steps);
/* x with that slice replaced by `update` (broadcast to it). */
PONS_API pons_array pons_slice_update(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                      pons_shape steps);
/* The same with `update` added to, multiplied by, compared with what is there. */
PONS_API pons_array pons_slice_update_add(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                          pons_shape steps);
PONS_API pons_array pons_slice_update_prod(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                           pons_shape steps);
PONS_API pons_array pons_slice_update_max(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                          pons_shape steps);
PONS_API pons_array pons_slice_update_min(pons_array x, pons_array update, pons_shape start, pons_shape stop,
                                          pons_shape steps);
/* The slice of `size` (one per axis of x) that begins at start[i] along axes.at[i], at 0 along the others:
   MLX's mx.slice. `start` has one integer per axis of `axes`; a slice that does not fit is an error. */
PONS_API pons_array pons_slice_dynamic(pons_array x, pons_array start, pons_axes axes, pons_shape size);
/* x with `update` in the place of such a slice: MLX's mx.slice_update. Axes in front that `update` lacks
   are x's, or of size 1 where they are in `axes`. */
PONS_API pons_array pons_slice_update_dynamic(pons_array x, pons_array update, pons_array start,
                                              pons_axes axes);
/* x[i] along `axis`: one slice, the axis gone. */
PONS_API pons_array pons_index(pons_array x, int64_t i, int axis);
/* x[..., indices, ...] along `axis`: indices' shape takes the place of the axis. Here and below PONS_FLAT stands
   for the one axis of the flattened x; indices are integers of any dtype, negative ones count from the end. */
PONS_API pons_array pons_take(pons_array x, pons_array indices, int axis);
/* One element per index: indices have x's rank and broadcast to x along the other axes, or x to them. */
PONS_API pons_array pons_take_along_axis(pons_array x, pons_array indices, int axis);
/* x with those elements replaced by `values`, which broadcast to the indices. */
PONS_API pons_array pons_put_along_axis(pons_array x, pons_array indices, pons_array values, int axis);
/* x with `values` added at `indices` along `axis`; indices may repeat. */
PONS_API pons_array pons_scatter_add_axis(pons_array x, pons_array indices, pons_array values, int axis);
/* Slices of size `slice_sizes` that start at indices[i] along axes.at[i]: indices' shape + slice_sizes. */
PONS_API pons_array pons_gather(pons_array x, const pons_array *indices, pons_axes axes,
                                pons_shape slice_sizes);
typedef enum pons_scatter_mode {
  PONS_SCATTER_MAX,
  PONS_SCATTER_MIN,
  PONS_SCATTER_SUM,
  PONS_SCATTER_PROD,
  PONS_SCATTER_NONE
} pons_scatter_mode;
/* x with `updates` (indices' shape + slice shape, of x's rank) combined in at indices[i] along axes.at[i]. */
PONS_API pons_array pons_scatter(pons_array x, const pons_array *indices, pons_array updates, pons_axes axes,
                                 pons_scatter_mode mode);

/* ---- reductions: over `axes`, all when left out -------------------------------------------------------- */

struct pons_reduce_args {
  pons_array x;
  pons_axes axes;
  bool keepdims;
  int ddof; /* variance and std only: the divisor is size - ddof */
};
#define pons_sum(...) pons_sum_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_prod(...) pons_prod_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_max(...) pons_max_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_min(...) pons_min_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_all(...) pons_all_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_any(...) pons_any_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_mean(...) pons_mean_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_variance(...) pons_variance_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_std(...) pons_std_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_logsumexp(...) pons_logsumexp_with((struct pons_reduce_args){.x = __VA_ARGS__})
PONS_API pons_array pons_sum_with(struct pons_reduce_args args);
PONS_API pons_array pons_prod_with(struct pons_reduce_args args);
PONS_API pons_array pons_max_with(struct pons_reduce_args args);
PONS_API pons_array pons_min_with(struct pons_reduce_args args);
PONS_API pons_array pons_all_with(struct pons_reduce_args args);
PONS_API pons_array pons_any_with(struct pons_reduce_args args);
PONS_API pons_array pons_mean_with(struct pons_reduce_args args);
PONS_API pons_array pons_variance_with(struct pons_reduce_args args);
PONS_API pons_array pons_std_with(struct pons_reduce_args args);
PONS_API pons_array pons_logsumexp_with(struct pons_reduce_args args);
#define pons_median(...) pons_median_with((struct pons_reduce_args){.x = __VA_ARGS__})
#define pons_count_nonzero(...) pons_count_nonzero_with((struct pons_reduce_args){.x = __VA_ARGS__})
PONS_API pons_array pons_median_with(struct pons_reduce_args args);
PONS_API pons_array pons_count_nonzero_with(struct pons_reduce_args args); /* int32 */
/* Least and greatest: pons_minmax(out, x, .axes = PONS_AXES(0)) */
#define pons_minmax(out, ...) pons_minmax_with((struct pons_reduce_args){.x = __VA_ARGS__}, out)
PONS_API void pons_minmax_with(struct pons_reduce_args args, pons_array out[2]);
/* Sum along the diagonal of two axes; axis1 and axis2 left out: 0 and 1. */
#define pons_trace(...) pons_trace_with((struct pons_trace_args){.x = __VA_ARGS__})
struct pons_trace_args {
  pons_array x;
  int offset, axis1, axis2;
  pons_optional_dtype dtype; /* elements are cast to it before they are summed */
};
PONS_API pons_array pons_trace_with(struct pons_trace_args args);
/* The diagonal of axis1 and axis2, `offset` columns to the right, as a last axis. */
PONS_API pons_array pons_diagonal(pons_array x, int offset, int axis1, int axis2);
/* Differences of neighbours along `axis`, n times over. */
PONS_API pons_array pons_diff(pons_array x, int n, int axis);
/* The first index of the greatest or least along `axis`, uint32. */
PONS_API pons_array pons_argmax(pons_array x, int axis, bool keepdims);
PONS_API pons_array pons_argmin(pons_array x, int axis, bool keepdims);

/* Running ones along `axis`, or PONS_FLAT. */
struct pons_scan_args {
  pons_array x;
  int axis;
  bool reverse, exclusive;
  pons_optional_dtype dtype; /* x is cast to it first */
};
#define pons_cumsum(...) pons_cumsum_with((struct pons_scan_args){.x = __VA_ARGS__})
#define pons_cumprod(...) pons_cumprod_with((struct pons_scan_args){.x = __VA_ARGS__})
#define pons_cummax(...) pons_cummax_with((struct pons_scan_args){.x = __VA_ARGS__})
#define pons_cummin(...) pons_cummin_with((struct pons_scan_args){.x = __VA_ARGS__})
PONS_API pons_array pons_cumsum_with(struct pons_scan_args args);
PONS_API pons_array pons_cumprod_with(struct pons_scan_args args);
PONS_API pons_array pons_cummax_with(struct pons_scan_args args);
PONS_API pons_array pons_cummin_with(struct pons_scan_args args);
#define pons_logcumsumexp(...) pons_logcumsumexp_with((struct pons_scan_args){.x = __VA_ARGS__})
PONS_API pons_array pons_logcumsumexp_with(struct pons_scan_args args); /* log(cumsum(exp(x))) */

/* ---- sorting: NaN last; along an axis, or PONS_FLAT ---------------------------------------------------- */

PONS_API pons_array pons_sort(pons_array x, int axis);
PONS_API pons_array pons_argsort(pons_array x, int axis); /* uint32 */
/* Element kth where sorting would put it, none greater before, none less after; the order inside is
   unspecified. */
PONS_API pons_array pons_partition(pons_array x, int kth, int axis);
PONS_API pons_array pons_argpartition(pons_array x, int kth, int axis);
/* The k greatest along `axis`, in no order. */
PONS_API pons_array pons_topk(pons_array x, int k, int axis);
/* Where in a sorted vector each value would be put, uint32: before its equals, or behind them. */
PONS_API pons_array pons_searchsorted(pons_array sorted, pons_array values, bool right);
/* The different elements of x in order, `size` of them: cut off, or filled up with fill_value (NULL: the
   first one). Into `out`: they; the place of the first of each in x flattened, uint32; which of them each
   element of x is, uint32 of x's shape; how often each stands in x, int32, 0 for filling. */
PONS_API void pons_unique(pons_array x, int64_t size, pons_array fill_value, pons_array out[4]);

/* ---- products ------------------------------------------------------------------------------------------ */

/* Matrix product over the last two dimensions: (..., m, k) x (..., k, n) gives (..., m, n). Leading
   dimensions broadcast. One-dimensional operands are a row on the left, a column on the right, and lose that
   axis in the result. */
PONS_API pons_array pons_matmul(pons_array a, pons_array b);
/* alpha * (a @ b) + beta * c */
PONS_API pons_array pons_addmm(pons_array c, pons_array a, pons_array b, float alpha, float beta);
PONS_API pons_array pons_inner(pons_array a, pons_array b);
PONS_API pons_array pons_outer(pons_array a, pons_array b);
/* Sums over the last `axes` axes of a and as many first ones of b; over axes named. */
PONS_API pons_array pons_tensordot(pons_array a, pons_array b, int axes);
PONS_API pons_array pons_tensordot_axes(pons_array a, pons_array b, pons_axes a_axes, pons_axes b_axes);
/* Einstein's sum, as NumPy writes it: "ij,jk->ik", "...ii->...i"; pairs are contracted in a greedy order. */
PONS_API pons_array pons_einsum(const char *subscripts, const pons_array *operands, int count);
/* That order, into room for `count` pairs: the operands at path[i][0] and path[i][1] (-1: there is but one) are
   taken out, their product is put at the end. How many pairs, or -1 and an error. *report, to be freed with
   pons_free, says what is saved; report may be NULL. */
PONS_API int pons_einsum_path(const char *subscripts, const pons_array *operands, int count, int (*path)[2],
                              char **report);
/* sum(conj(a) b) along an axis of both, the others broadcast. */
PONS_API pons_array pons_vecdot(pons_array a, pons_array b, int axis);
/* Kronecker product: b scaled by each element of a, in a's order. */
PONS_API pons_array pons_kron(pons_array a, pons_array b);
/* a (..., m, k) and b (..., k, n), each matrix chosen by number, counted through all leading dimensions: a[lhs] @ b[rhs],
   the indices' shape + (m, n). Indices left out (NULL) are 0, 1, ... in the shape of the leading dimensions; both
   broadcast. A wrong index is an error. */
struct pons_gather_mm_args {
  pons_array a, b, lhs_indices, rhs_indices;
  bool sorted_indices; /* a promise that a device may use */
};
#define pons_gather_mm(...) pons_gather_mm_with((struct pons_gather_mm_args){.a = __VA_ARGS__})
PONS_API pons_array pons_gather_mm_with(struct pons_gather_mm_args args);
/* a @ b with square blocks (32 or 64 wide; 0: 64) left out or scaled: masks are bool or factors, an element per block
   of the result, of a and of b; NULL leaves all as it is. */
struct pons_block_masked_mm_args {
  pons_array a, b;
  int block_size;
  pons_array mask_out, mask_lhs, mask_rhs;
};
#define pons_block_masked_mm(...) \
  pons_block_masked_mm_with((struct pons_block_masked_mm_args){.a = __VA_ARGS__})
PONS_API pons_array pons_block_masked_mm_with(struct pons_block_masked_mm_args args);
/* a (m, k) @ b (k, n) over part of k alone: segments (..., 2) tell from where to (not including) where; gives
   (..., m, n). One that is empty or reversed gives zeros, one outside of k is an error. */
PONS_API pons_array pons_segmented_mm(pons_array a, pons_array b, pons_array segments);
/* Cross-correlation, channels last: x (N, ..., C), weight (O, ..., C / groups) gives (N, ..., O). x is of a float
   dtype. Lists of one value serve all spatial axes; left out: stride 1, padding 0, dilation 1, groups 1. Negative
   padding takes so many elements away, before the others are spread by input_dilation. */
struct pons_conv_args {
  pons_array x, weight;
  pons_axes stride, padding, padding_high /* left out: as padding */, dilation, input_dilation;
  int groups;
  bool flip; /* the kernel reversed along its spatial axes: convolution proper */
};
#define pons_conv_general(...) pons_conv_general_with((struct pons_conv_args){.x = __VA_ARGS__})
#define pons_conv1d(...) pons_conv1d_with((struct pons_conv_args){.x = __VA_ARGS__})
#define pons_conv2d(...) pons_conv2d_with((struct pons_conv_args){.x = __VA_ARGS__})
#define pons_conv3d(...) pons_conv3d_with((struct pons_conv_args){.x = __VA_ARGS__})
PONS_API pons_array pons_conv_general_with(struct pons_conv_args args);
/* The same with one value for all spatial axes, however many; for two; for three. */
PONS_API pons_array pons_conv1d_with(struct pons_conv_args args);
PONS_API pons_array pons_conv2d_with(struct pons_conv_args args);
PONS_API pons_array pons_conv3d_with(struct pons_conv_args args);
/* Transposed: x's elements stand `stride` apart and each adds a kernel's worth to the result, from which `padding`
   is taken at both ends, and to whose end `output_padding` is added. */
struct pons_conv_transpose_args {
  pons_array x, weight;
  pons_axes stride, padding, dilation, output_padding;
  int groups;
};
#define pons_conv_transpose1d(...) pons_conv_transpose1d_with((struct pons_conv_transpose_args){.x = __VA_ARGS__})
#define pons_conv_transpose2d(...) pons_conv_transpose2d_with((struct pons_conv_transpose_args){.x = __VA_ARGS__})
#define pons_conv_transpose3d(...) pons_conv_transpose3d_with((struct pons_conv_transpose_args){.x = __VA_ARGS__})
PONS_API pons_array pons_conv_transpose1d_with(struct pons_conv_transpose_args args);
PONS_API pons_array pons_conv_transpose2d_with(struct pons_conv_transpose_args args);
PONS_API pons_array pons_conv_transpose3d_with(struct pons_conv_transpose_args args);
/* All places where two vectors overlap; as many as the longer has, of the middle; where they overlap wholly. */
typedef enum pons_convolve_mode { PONS_CONVOLVE_FULL, PONS_CONVOLVE_SAME, PONS_CONVOLVE_VALID } pons_convolve_mode;
/* Convolution of two vectors. */
PONS_API pons_array pons_convolve(pons_array a, pons_array v, pons_convolve_mode mode);
/* The last axis times scale * H, H being the Hadamard matrix of its length m 2^k (m 1, 12, 20 or 28; another
   length is an error); scale 0: 1 / sqrt(length), which keeps the norm. */
struct pons_hadamard_args {
  pons_array x;
  float scale;
};
#define pons_hadamard_transform(...) pons_hadamard_transform_with((struct pons_hadamard_args){.x = __VA_ARGS__})
PONS_API pons_array pons_hadamard_transform_with(struct pons_hadamard_args args);

/* ---- softmax ------------------------------------------------------------------------------------------- */

/* Over `axes` (the last when left out); `precise`: halves are computed in float32. */
struct pons_softmax_args {
  pons_array x;
  pons_axes axes;
  bool precise;
};
#define pons_softmax(...) pons_softmax_with((struct pons_softmax_args){.x = __VA_ARGS__})
PONS_API pons_array pons_softmax_with(struct pons_softmax_args args);

#ifdef __cplusplus
}
#endif
#endif
