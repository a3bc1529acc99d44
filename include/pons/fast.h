/* fast.h: operations that neural networks spend their time in, each one primitive that devices may have a
   kernel for. */
#ifndef PONS_FAST_H
#define PONS_FAST_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Over the last axis; weight and bias (its length) may be NULL. 16 bits are computed in float32 and rounded
   once. */
PONS_API pons_array pons_fast_rms_norm(pons_array x, pons_array weight, float eps);
PONS_API pons_array pons_fast_layer_norm(pons_array x, pons_array weight, pons_array bias, float eps);
/* Rotary positions (arXiv:2104.09864) on the first `dims` of x (..., length, dim). */
struct pons_rope_args {
  pons_array x;
  int dims;
  bool traditional; /* pairs (2i, 2i+1) instead of (i, i + dims/2) */
  float base;       /* 0: 10000 */
  float scale;      /* 0: 1 */
  pons_array offset; /* 0-d or (batch) int32; NULL: 0 */
  pons_array freqs;  /* (dims/2); then base is not used */
};
#define pons_fast_rope(...) pons_fast_rope_with((struct pons_rope_args){.x = __VA_ARGS__})
PONS_API pons_array pons_fast_rope_with(struct pons_rope_args args);
/* softmax(scale q kT + mask) v, scale 0 being 1/sqrt(dim): q (batch, heads, length, dim), k and v (batch, kv
   heads, length', dim); kv heads divide heads. mask: bool (true keeps) or added; causal aligns the last query
   with the last key; sinks (heads) add exp(sink) below. */
struct pons_attention_args {
  pons_array q, k, v;
  float scale;
  pons_array mask;
  bool causal;
  pons_array sinks;
  bool force_fused; /* an error, when values are asked for, where the device has no kernel that does it at once */
};
#define pons_fast_scaled_dot_product_attention(...) \
  pons_fast_attention_with((struct pons_attention_args){.q = __VA_ARGS__})
PONS_API pons_array pons_fast_attention_with(struct pons_attention_args args);
/* logsumexp(logits) - logits[target] over the last axis, computed in float32 (of float64: float64); targets, integers, have the shape of the others. */
PONS_API pons_array pons_fast_cross_entropy(pons_array logits, pons_array targets);
/* The gated delta rule (arXiv:2412.06464), step by step over the length: with the state S (batch, heads, value
   dim, key dim), float32,
       S <- gamma S + beta (v - gamma S k) kT,  y = S q.
   q and k (batch, length, key heads, key dim), v (batch, length, heads, value dim), key heads dividing heads;
   gamma and beta (batch, length, heads); mask (batch, length): where it is false, S stays and y is 0. Into
   `out`: y (batch, length, heads, value dim) of the dtype that q and k meet in, and the last state. */
struct pons_gated_delta_args {
  pons_array q, k, v, gamma, beta;
  pons_array initial_state; /* NULL: zeros */
  pons_array mask;          /* NULL: all true */
};
#define pons_fast_gated_delta_update(out, ...) \
  pons_fast_gated_delta_update_with((struct pons_gated_delta_args){.q = __VA_ARGS__}, out)
PONS_API void pons_fast_gated_delta_update_with(struct pons_gated_delta_args args, pons_array out[2]);

/* ---- kernels of your own ----

   In the dialect that Pons' own kernels are written in: the same text runs on every GPU and OpenCL device. Or in a GPU's
   language, as MLX has it: Metal's runs on NVIDIA GPUs, too. A function that uses one is traced, batched and exported
   anywhere; it is computed where the language is spoken, which is an error elsewhere. Gradients are an error: give
   them with pons_custom_function. */

enum pons_kernel_argument_kind { PONS_KERNEL_DTYPE, PONS_KERNEL_INT, PONS_KERNEL_BOOL, PONS_KERNEL_FLOAT };
/* A template argument (by name: a dtype, an int or a bool) or a scalar (an int, a bool or a float). */
struct pons_kernel_argument {
  const char *name;
  enum pons_kernel_argument_kind kind;
  pons_dtype dtype;
  int number; /* int, bool */
  float real;
};
/* The source is a function's body. Its signature is written around it: pointers to the inputs and results by
   their names, for an input `a` also a_shape, a_strides and a_ndim where the body mentions them, in Metal
   also thread_position_in_grid and the like, in the dialect THREAD_ID(0) (docs/kernels.md). The last groups of a
   grid that is no multiple of `threadgroup` have as many threads as are left. */
struct pons_kernel_args {
  const char *name, *source;
  const char *header; /* stands before the function; NULL: nothing */
  const pons_array *inputs;
  const char *const *input_names;
  int n_inputs;
  const pons_shape *output_shapes;
  const pons_dtype *output_dtypes;
  const char *const *output_names;
  int n_outputs;
  pons_array *out; /* n_outputs results */
  const struct pons_kernel_argument *template_arguments;
  int n_template_arguments;
  int grid[3], threadgroup[3]; /* the grid counts threads */
  const float *init_value;     /* what the results hold before; NULL: anything */
  bool any_layout;             /* inputs come as they lie in memory; otherwise row-major */
  bool atomic_outputs;         /* Metal: results are device atomic<T>* */
  const char *math_mode;       /* Metal: "safe", "relaxed" or "fast"; NULL: safe */
  int shared_memory;           /* CUDA: bytes of dynamic shared memory */
};
#define pons_fast_gpu_kernel(...) pons_fast_gpu_kernel_with((struct pons_kernel_args){.name = __VA_ARGS__})
PONS_API void pons_fast_gpu_kernel_with(struct pons_kernel_args args);
#define pons_fast_metal_kernel(...) pons_fast_metal_kernel_with((struct pons_kernel_args){.name = __VA_ARGS__})
PONS_API void pons_fast_metal_kernel_with(struct pons_kernel_args args);
#define pons_fast_cuda_kernel(...) pons_fast_cuda_kernel_with((struct pons_kernel_args){.name = __VA_ARGS__})
PONS_API void pons_fast_cuda_kernel_with(struct pons_kernel_args args);
/* PTX or a cubin, on the device cuda: its function `name` is called with the pointers of the inputs, of the results, and the scalars
   by value. Blocks have `threadgroup` threads, no more along an axis than the grid, and cover it: some threads may lie outside. */
struct pons_precompiled_kernel_args {
  const char *name;
  const void *compiled_source;
  size_t compiled_bytes;
  const pons_array *inputs;
  int n_inputs;
  const pons_shape *output_shapes;
  const pons_dtype *output_dtypes;
  int n_outputs;
  pons_array *out;
  const struct pons_kernel_argument *scalars;
  int n_scalars;
  int grid[3], threadgroup[3];
  int shared_memory;
  const float *init_value;
  bool ensure_row_contiguous;
};
#define pons_fast_precompiled_cuda_kernel(...) \
  pons_fast_precompiled_cuda_kernel_with((struct pons_precompiled_kernel_args){.name = __VA_ARGS__})
PONS_API void pons_fast_precompiled_cuda_kernel_with(struct pons_precompiled_kernel_args args);

#ifdef __cplusplus
}
#endif
#endif
