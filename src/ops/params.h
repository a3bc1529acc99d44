/* params.h: parameter structs of the primitives, in the order .mlxfn stores their fields.

   The record `prim_<name>` of each stands beside its constructor in the family's file; ops.c lists them all.
   Elementwise primitives are rows of kernel/elementwise.def. Backends read this file and the rows, nothing
   else of ops/. */
#ifndef OPS_PARAMS_H
#define OPS_PARAMS_H
#include "base/base.h"

/* "AsType" (the row `cast`) and "View" */
typedef struct cast_params { pons_dtype dtype; } cast_params;

/* Fields "not in files" have no place in .mlxfn: their value follows from what a file says of the node's
   results. */

/* ---- creation ---- */
/* "Load": its operand's memory is this. It writes the result's `bytes`; false: it can't, and says why. */
typedef struct reader {
  bool (*read)(void *payload, void *to, size_t bytes, char *why, size_t room);
  void (*destroy)(void *payload);
  void *payload;
} reader;
/* "Arange": element i is start + i * ((start + step) - start), the ends formed in the result's dtype. Result:
   shape (n), dtype. */
typedef struct arange_params { double start, stop, step; pons_dtype dtype; /* not in files: the node's own */ } arange_params;
/* "Full": in[0] (already broadcast to the result's shape) copied to memory of its own. No parameters. */

/* ---- shape; all are views of in[0] but Concatenate and Pad ---- */
/* Reshape, Broadcast (further inputs lend their shapes) */
typedef struct shape_params { ints shape; } shape_params;
/* Transpose, Squeeze, ExpandDims (positions in the result, ascending), BroadcastAxes */
typedef struct axes_params { ints axes; } axes_params;
typedef struct flatten_params { int start_axis, end_axis; } flatten_params;
typedef struct unflatten_params { int axis; ints shape; } unflatten_params;
typedef struct as_strided_params { ints shape, strides; int64_t offset; } as_strided_params;
typedef struct axis_params { int axis; } axis_params; /* Concatenate, Sort, ArgSort, GatherAxis */
typedef struct split_params { ints indices; int axis; } split_params; /* indices.n + 1 results, views */
typedef struct pad_params { ints axes, low, high; } pad_params;      /* in: x, 0-d value */
/* one each per axis; end may be -(n+1) for negative strides */
typedef struct slice_params { ints start, end, strides; } slice_params;
typedef struct slice_update_params { int kind; /* pons_scatter_mode */ ints start, end, strides; } slice_update_params;
typedef struct dynamic_slice_params { ints axes, slice_size; } dynamic_slice_params;
typedef struct number_of_elements_params { ints axes; bool inverted; pons_dtype dtype; } number_of_elements_params;
typedef struct depends_params { int count; /* not in files: the number of results; in: they, then what they wait for */ } depends_params;

/* "Contiguous": row-major; what lies column-major may stay so */
typedef struct contiguous_params { bool allow_col_major; } contiguous_params;

/* ---- reductions ---- */
enum { REDUCE_AND, REDUCE_OR, REDUCE_SUM, REDUCE_PROD, REDUCE_MIN, REDUCE_MAX, REDUCE_KINDS };
typedef struct reduce_params { int kind; ints axes; } reduce_params; /* "Reduce": reduced axes stay as 1 */
enum { ARG_MIN, ARG_MAX };
typedef struct arg_reduce_params { int kind, axis; } arg_reduce_params;
enum { SCAN_MAX, SCAN_MIN, SCAN_SUM, SCAN_PROD, SCAN_LOGADDEXP, SCAN_KINDS };
typedef struct scan_params { int kind, axis; bool reverse, inclusive; } scan_params;
typedef struct partition_params { int kth, axis; } partition_params; /* Partition, ArgPartition */
typedef struct search_sorted_params { bool right; } search_sorted_params; /* in: a sorted vector, values */
/* "LogSumExp": over the last axis, kept as 1; "CrossEntropy"; no parameters */
typedef struct softmax_params { bool precise; } softmax_params; /* over the last axis */

/* ---- products ---- */
/* "Matmul": operands of rank >= 2 with equal leading dims; no parameters */
typedef struct addmm_params { float alpha, beta; } addmm_params; /* in: a, b, c; c has the result's shape */
typedef struct conv_params {
  ints stride, pad_lo, pad_hi, kernel_dilation, input_dilation; /* one per spatial axis */
  int groups;
  bool flip;
} conv_params;
/* "ConvolutionWeightVJP" of x and the cotangent: of such a convolution, whose kernel is so large */
typedef struct conv_weight_params {
  ints stride, pad_lo, kernel_dilation, input_dilation, kernel;
  int groups;
  bool flip;
} conv_weight_params;
static inline conv_params conv_params_of_weight(const conv_weight_params *p) {
  return (conv_params){p->stride, p->pad_lo, p->pad_lo, p->kernel_dilation, p->input_dilation, p->groups, p->flip};
}

/* "GatherMM"; in: a, b, lhs indices, rhs indices: of matrices, counted through the leading axes */
typedef struct gather_mm_params { bool left_sorted, right_sorted; } gather_mm_params;
/* "BlockMaskedMM"; in: a, b, then the result's mask, the operands' masks, or the three: a factor or bool per block */
typedef struct block_masked_mm_params { int block_size; } block_masked_mm_params;
/* "SegmentedMM"; in: a (M, K), b (K, N), segments (..., 2): from, to along K; no parameters */

/* ---- linear algebra: matrices are the last two axes ---- */
/* "QRF": (..., m, n) to Q (..., m, k), R (..., k, n), k = min(m, n). "LUF": to LU (..., m, n), pivots (..., k),
   rows (..., m), which say where each row of the operand stands in the factors. No parameters. */
typedef struct svd_params { bool compute_uv; } svd_params; /* to U (..., m, m), S (..., k), Vt (..., n, n); or S alone */
typedef struct inverse_params { bool tri, upper; } inverse_params; /* upper: of use with tri alone */
typedef struct cholesky_params { bool upper; } cholesky_params;
typedef struct solve_params { bool upper; } solve_params; /* in: triangles (..., n, n), (..., n, k) */
typedef struct eig_params { bool compute_eigenvectors; } eig_params; /* to values (..., n), vectors (..., n, n) */
typedef struct eigh_params { chars uplo; /* "L", "U": the triangle that is read */ bool compute_eigenvectors; } eigh_params;

/* ---- quantized (pons/quantized.h has the formats) ---- */
enum { QUANTIZED_AFFINE, QUANTIZED_MXFP4, QUANTIZED_MXFP8, QUANTIZED_NVFP4, QUANTIZED_MODES };
/* How an array is quantized: the first fields of the structs that follow. */
typedef struct quantization { int group_size, bits, mode; } quantization;
#define QUANTIZATION_OF(p) ((quantization){(p)->group_size, (p)->bits, (p)->mode})
/* in: w[, global scale]: codes, scales[, biases]; dequantize: codes, scales[, biases or global scale]: values */
typedef struct quantize_params {
  int group_size, bits, mode;
  bool dequantize;
  pons_dtype dtype; /* of the values; not in files: the result's own */
} quantize_params;
/* in: x, codes, scales[, biases] */
typedef struct quantized_matmul_params { int group_size, bits, mode; bool transpose; } quantized_matmul_params;
/* "GatherQMM"; in: x, codes, scales[, biases], lhs indices, rhs indices */
typedef struct gather_qmm_params {
  int group_size, bits, mode;
  bool transpose, left_sorted, right_sorted;
} gather_qmm_params;
/* "QQMatmul"; in: x, floats or codes and scales[, global scales of x and w] */
typedef struct qqmm_params { int group_size, bits, mode; } qqmm_params;
/* "GatherQQMM"; in: x, w, lhs indices, rhs indices[, scales][, global scales of x and w] */
typedef struct gather_qqmm_params { int group_size, bits, mode; bool left_sorted, right_sorted; } gather_qqmm_params;
/* "ToFP8": no parameters; "FromFP8": cast_params */

/* ---- spectra ---- */
/* "FFT": the last of the axes is the halved one of a real transform; odd_out: a real inverse gives an odd length */
typedef struct fft_params { ints axes; bool inverse, real, odd_out; } fft_params;
typedef struct hadamard_params { float scale; } hadamard_params; /* over the last axis: m 2^k, m 1, 12, 20 or 28 */

/* ---- indexing ---- */
/* in: x, one index array per axis, of one shape */
typedef struct gather_params { ints axes, slice_sizes; } gather_params;
/* in: x, indices..., updates */
typedef struct scatter_params { int kind; /* pons_scatter_mode */ ints axes; } scatter_params;
enum { SCATTER_AXIS_SUM, SCATTER_AXIS_NONE };
typedef struct scatter_axis_params { int kind, axis; } scatter_axis_params; /* in: x, indices, updates */
/* "MaskedScatter": in: dst, mask, src, all with a leading batch axis; no parameters */

/* ---- source text ---- */
/* "CustomKernel": a kernel in the dialect of backends/gpu/ or in a GPU's own language. Arguments: each input's
   pointer and, if asked for (and, in Metal, if it has axes), its shape, strides and number of axes; pointers of
   the results; scalars. */
typedef struct custom_kernel_params {
  chars name, source; /* source: all of it, or compiled code */
  ints grid, threadgroup; /* three each; the grid counts threads */
  ints shape_infos; /* three flags per input: shape, strides, number of axes? */
  bool ensure_row_contiguous;
  optional_float init_value; /* what the results hold before */
  ints scalar_arguments;
  bool is_precompiled;
  int shared_memory, math_mode; /* math_mode: safe, relaxed, fast */
  ints results; /* not in files */
} custom_kernel_params;

/* What it is written in, which its text tells: files say no more. */
typedef enum kernel_language {
  LANGUAGE_UNKNOWN, LANGUAGE_DIALECT, LANGUAGE_METAL, LANGUAGE_CUDA, LANGUAGE_PTX, LANGUAGE_CUBIN, LANGUAGE_COMPILED
} kernel_language;
/* The first line of a text in the dialect. */
#define DIALECT_TEXT "/* A kernel in the dialect of Pons. */\n"
static inline kernel_language custom_kernel_language(const custom_kernel_params *p) {
  const char *source = p->source.n ? p->source.at : "";
  if (p->is_precompiled)
    return p->source.n >= 4 && memcmp(source, "\177ELF", 4) == 0 ? LANGUAGE_CUBIN
           : strstr(source, ".version")                          ? LANGUAGE_PTX
                                                                 : LANGUAGE_COMPILED;
  if (strncmp(source, DIALECT_TEXT, strlen(DIALECT_TEXT)) == 0) return LANGUAGE_DIALECT;
  if (strstr(source, "__global__")) return LANGUAGE_CUDA;
  return strstr(source, "[[kernel]]") || strstr(source, "kernel void") ? LANGUAGE_METAL : LANGUAGE_UNKNOWN;
}

/* ---- random ---- */
/* in: keys uint32 (..., 2) */
typedef struct random_bits_params { ints shape; int width; } random_bits_params;

/* ---- processes (links/links.h) ---- */
/* AllReduce (in: x), AllGather (x to the processes' x along the first axis), ReduceScatter (x to the rank's part along it), Send (x to
   x), Recv (nothing to x). Never in files. */
typedef struct collective_params {
  int64_t order;              /* among all that are `ordered`; node_make sets it */
  struct pons_group_s *group; /* of more than one process; lives with the process */
  int number;                 /* the group's */
  int reduce;                 /* link_reduce, of AllReduce and ReduceScatter */
  int peer;                   /* of Send and Recv: the other's rank */
  ints shape;                 /* of Recv's result */
  pons_dtype dtype;
} collective_params;

/* ---- composite: each has a decomposition ---- */
/* RMSNorm (x, w), LayerNorm (x, w, b), RMSNormVJP, LayerNormVJP */
typedef struct norm_params { float eps; } norm_params;
typedef struct rope_params { int dims; bool traditional; float base, scale; bool forward; } rope_params;
/* ScaledDotProductAttention, and the first two of ScaledDotProductAttentionVJP */
typedef struct attention_params { float scale; bool causal, has_sinks, output_logsumexp, force_fused; } attention_params;
#endif
