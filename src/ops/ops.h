/* ops.h: the door of ops/: the records of the primitives and what the files of this folder share.
   Constructors are public (pons/ops.h); each record stands beside its constructor. Uses base/, kernel/
   (rows), graph/. */
#ifndef OPS_H
#define OPS_H
#include "graph/graph.h"
#include "ops/params.h"
#include <pons/fast.h>
#include <pons/linalg.h>
#include <pons/fft.h>
#include <pons/ops.h>
#include <pons/quantized.h>
#include <pons/random.h>

/* elementwise.c: the record of each row of elementwise.def, at the row's place. */
extern const prim elementwise_prims[ROW_COUNT];

/* create.c */
extern const prim prim_arange, prim_full;
/* move.c, reshape.c, broadcast.c, bits.c: views */
extern const prim prim_reshape, prim_flatten, prim_unflatten, prim_squeeze, prim_expand_dims, prim_transpose,
    prim_broadcast, prim_broadcast_axes, prim_as_strided, prim_contiguous, prim_view, prim_stop_gradient,
    prim_depends, prim_number_of_elements;
/* join.c */
extern const prim prim_concatenate, prim_split, prim_pad;
/* slice.c, gather.c, scatter.c */
extern const prim prim_slice, prim_slice_update, prim_dynamic_slice, prim_dynamic_slice_update, prim_gather,
    prim_gather_axis, prim_scatter, prim_scatter_axis, prim_masked_scatter;
/* reduce.c, scan.c, sort.c */
extern const prim prim_reduce, prim_arg_reduce, prim_scan, prim_sort, prim_arg_sort, prim_partition,
    prim_arg_partition, prim_search_sorted;
/* matmul.c, conv.c, divmod.c, random.c */
extern const prim prim_matmul, prim_addmm, prim_convolution, prim_conv_weight_vjp, prim_divmod, prim_random_bits;
/* collectives.c; not in the list of ops.c, for no file holds them */
extern const prim prim_all_reduce, prim_all_gather, prim_reduce_scatter, prim_send, prim_recv;
/* custom_kernel.c */
extern const prim prim_custom_kernel;
/* qr.c, lu.c, inverse.c, cholesky.c, svd.c, eigen.c */
extern const prim prim_qr, prim_lu, prim_inverse, prim_solve_triangular, prim_cholesky, prim_svd, prim_eig, prim_eigh;
/* gather_mm.c, segmented_mm.c, block_masked_mm.c */
extern const prim prim_gather_mm, prim_segmented_mm, prim_block_masked_mm;
/* quantize.c, fp8.c, quantized_matmul.c, gather_qmm.c, qqmm.c */
extern const prim prim_quantize, prim_to_fp8, prim_from_fp8, prim_quantized_matmul, prim_gather_qmm, prim_qqmm,
    prim_gather_qqmm;
/* fft.c, hadamard.c */
extern const prim prim_fft, prim_hadamard;
/* softmax.c, cross_entropy.c, norm.c, rope.c, attention.c: composites */
extern const prim prim_softmax, prim_logsumexp, prim_cross_entropy, prim_rms_norm, prim_rms_norm_vjp, prim_layer_norm,
    prim_layer_norm_vjp, prim_rope, prim_attention, prim_attention_vjp;

/* ---- checks.c: what constructors and infer functions ask about their operands ---- */

/* The first operand that is missing or carries an error, as an array that carries one; NULL if all are
   sound. */
pons_array operand_fault(const char *op, int n, const pons_array *in);
/* `x` itself as a result: owned by the innermost scope too. */
pons_array same_array(pons_array x);
/* NULL, or the error that `op` takes `want` operands. */
error *check_count(const char *op, int n_in, int want);
/* `axes` as 0 .. ndim-1 in their order, into out[PONS_MAX_NDIM]; all of them, ascending, when left out.
   Error: out of range, twice. */
error *axes_normal(const char *op, const node *x, pons_axes axes, int64_t *out, int *count);
void axes_sort(int64_t *axes, int count); /* ascending */
/* Axes among parameters: each 0 .. ndim-1, none twice. */
error *axes_check(const char *op, int ndim, ints axes);
error *axis_check(const char *op, const node *x, int axis);
/* An axis as 0 .. ndim-1; -1 and *why if there is no such. */
int axis_of(const char *op, const node *x, int axis, error **why);
/* The same; for PONS_FLAT *x becomes itself flattened, and the axis is 0. */
int axis_or_flat(const char *op, pons_array *x, int axis, error **why);
/* Fills `out`, unless dims are no shape: too many axes, a negative size, too many elements. */
error *spec_set(const char *op, spec *out, pons_dtype dtype, int n, const int64_t *dims);
spec spec_of(const node *x);
static inline pons_dtype dtype_of(const node *x) { return (pons_dtype)x->dtype; }
bool dtype_is_integer(pons_dtype d); /* and not bool */

/* ---- small steps many ops take ---- */

/* pons_astype, but x itself if it has that dtype; then the result is not weak's business: dtypes are settled
   here. */
pons_array as_dtype(pons_array x, pons_dtype dtype);
/* pons_broadcast_to, but x itself if it has that shape. */
pons_array as_shape(pons_array x, int n, const int64_t *dims);
/* The same for the shape that `like` has; in a trace for all sizes that is looked up anew for each. */
pons_array as_shape_like(pons_array x, pons_array like);
/* A 0-d constant of x's dtype. */
pons_array constant_like(double value, const node *x);
pons_array zeros_of(const node *x); /* of x's shape and dtype */

/* matmul.c: both matrices with the leading dimensions they broadcast to. */
error *align_matrices(const char *op, pons_array *a, pons_array *b);

/* ---- factors.c: what factorizations share; matrices are the last two axes ---- */

/* One operand of at least 2 axes, float32 or float64 (complex dtypes too where `complex`), square if asked. */
error *factor_check(const char *op, int n_in, const pons_array *in, bool square, bool complex);
/* The vmap rule of what works on the last two axes: the batch leads. */
void factor_vmap(const vmap_call *c);
pons_array matrix_transposed(pons_array x);
pons_array matrix_adjoint(pons_array x);   /* transposed, conjugate if complex */
pons_array matrix_hermitian(pons_array x); /* half of it and its adjoint */
/* Rows and columns from a first to before a last one. */
pons_array matrix_part(pons_array x, int64_t row, int64_t rows_end, int64_t column, int64_t columns_end);
/* Side by side along axis -1, one below the other along -2. */
pons_array matrix_join(pons_array a, pons_array b, int axis);
/* (..., m, n) to (..., min(m, n)), and (..., k) to (..., m, n) with zeros beside the diagonal. */
pons_array matrix_diagonal(pons_array x);
pons_array matrix_from_diagonal(pons_array x, int64_t m, int64_t n);
/* 1 / (values[j] - values[i]) at (i, j), but 0 on the diagonal and where both i and j are at least `rank`:
   how far vectors i and j turn towards each other. Equal values give infinity: their vectors have no
   derivative. */
pons_array matrix_gaps(pons_array values, int64_t rank);
/* a b c */
pons_array matrix_product3(pons_array a, pons_array b, pons_array c);

/* gather.c: index arrays of one shape and dtype, into out[count]. */
void indices_alike(int count, const pons_array *indices, int n, const int64_t *dims, pons_array *out);

/* ---- quantize.c: what quantized ops share ---- */

/* NULL, or the error that there is no such format. */
error *quantization_check(const char *op, quantization q);
/* What is left out filled in, and checked. */
error *quantization_complete(const char *op, quantization *q);
/* Codes in[0] with scales in[1] and, for affine, biases in[2]: fit they? *columns: values per row. */
error *quantized_check(const char *op, quantization q, const pons_array *in, int64_t *columns);
/* x, codes, scales and biases as a user gave them: checked for what is missing or too much, floats promoted to one
   dtype. NULL if fine, else an array with the error. */
pons_array quantized_operands(const char *op, quantization q, pons_array in[4]);
static inline int quantized_parts(quantization q) { return q.mode == QUANTIZED_AFFINE ? 3 : 2; }
/* The dtype in which scales are made and products summed up: float32 for all but float64. */
pons_dtype quantized_wide(pons_dtype d);
/* Their values; the parts from `in`. */
pons_array dequantized(quantization q, const pons_array *in, pons_dtype dtype);
/* The codes of affine ones as numbers: what a value is multiplied by. */
pons_array codes_as_numbers(quantization q, pons_array codes, const node *scales);
/* (..., n) as (..., n / group size, group size) */
pons_array in_groups(pons_array x, int group_size);

/* ---- gather_mm.c: matrices chosen by number ---- */

/* Checks the two arrays of indices; *places: their shape. */
error *matrix_indices_check(const char *op, const node *lhs, const node *rhs, shape *places);
/* Indices as given, or 0, 1, ... where left out, both broadcast to one shape. */
error *matrix_indices(const char *op, const node *a, const node *b, pons_array *lhs, pons_array *rhs);
pons_array matrices_in_row(pons_array x); /* (..., m, n) as (count, m, n) */
pons_array take_matrices(pons_array x, pons_array indices);
/* Zeros like x with `updates` (indices' shape + matrix) added at the matrices that indices tell. */
pons_array add_matrices(const node *x, pons_array indices, pons_array updates);
/* vmap: indices c->in[at] of c->in[x .. x + n) as those of whole batches: the operands' batches come to the front, and
   the indices tell the place in the batch too. Fills in[x ..] and in[at]. */
void batch_matrices(const vmap_call *c, int x, int n, int at, pons_array *in);

/* ---- batch.c: what vmap rules share ---- */

/* in[i] with the batch along axis 0, repeated if it is the same for the whole batch. */
pons_array batch_first(const vmap_call *c, int i);
/* Shape of in[i] without its batch. */
shape batch_slice_shape(const vmap_call *c, int i);
/* The same primitive on batch_first of every operand with `params`; results have the batch along axis 0. */
void batch_apply(const vmap_call *c, const void *params);
/* list with 1 added to each entry, into room[PONS_MAX_NDIM]. */
ints batch_shift(ints list, int64_t *room);
/* list with `first` in front, into room[PONS_MAX_NDIM + 1]. */
ints batch_prepend(int64_t first, ints list, int64_t *room);
#endif
