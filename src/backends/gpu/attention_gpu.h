/* attention_gpu.h: what launches of attention and of its gradient share, and attention whose keys are cut into parts, each computed by
   groups of its own, and joined. Uses gpu.h. */
#ifndef ATTENTION_GPU_H
#define ATTENTION_GPU_H
#include "backends/gpu/gpu.h"

/* Of each part and row, float32: the sum of values, weighted by exp(score - the greatest score); then of each part and row that
   greatest score and the sum of the weights. Without keys: -inf, and zeros. */
typedef struct attention_parts {
  int count;
  int64_t rows; /* batch, heads, queries */
  void *memory;
  size_t sums; /* where they begin, in floats */
} attention_parts;

bool attention_has_mask(const launch *l);
/* Memory for the parts, to be given back behind attention_join. False and *why. */
bool attention_take_parts(const gpu_backend *b, const launch *l, int count, attention_parts *parts, error **why);
/* Writes the results of the launch. */
error *attention_join(const gpu_backend *b, const launch *l, const attention_parts *parts);
/* HAS_SINKS, HAS_MASK, M and MASK_IS_BOOL. */
void attention_define_operands(gpu_call *c, const launch *l);
/* Strides of q, k and v, of as many of their four axes, from the first one on; the mask's four; the sinks'. 0 along axes of one
   element, and where there is no such operand. */
void attention_number_operands(gpu_call *c, const launch *l, int axes);
/* Kv heads, queries, keys, scale. */
void attention_number_sizes(gpu_call *c, const launch *l);
/* Heads, heads of q for one of k, queries, keys, scale, whether it is causal, what masked scores are; then all operands' strides. */
void attention_number_all(gpu_call *c, const launch *l);
/* Strides along so many of its four axes. */
void attention_number_strides(gpu_call *c, const operand *x, int axes);
/* What the composite gives to scores that are masked. */
float attention_masked_score(pons_dtype d);

/* ---- "ScaledDotProductAttentionVJP" ---- */

/* The operands of the way forward alone, where the mask counts. */
launch attention_vjp_forward(const launch *l);
enum { ATTENTION_Y = 3, ATTENTION_LOG_SUMS = 2, ATTENTION_G = 1 }; /* its operands, from the end */
/* Defines and adds what the kernels for queries and for keys (OF_KEYS) write and read; `sums`: of attention_vjp_take_sums. K_MEMORY,
   G_MEMORY, Y_MEMORY, LOG_MEMORY: which memories are k, the cotangent, the result and the logarithms of sums. */
void attention_vjp_operands(gpu_call *c, const launch *l, void *sums, bool of_keys);
/* What logarithms of sums are greater than, unless a mask of bools leaves a row nothing. */
float attention_vjp_least(pons_dtype d);
/* Memory for two floats of each query, which the kernel for queries leaves to that for keys (attention_vjp.kc), and as many for a row
   more of each kv head. */
void *attention_vjp_take_sums(const gpu_backend *b, const launch *l, error **why);
#endif
