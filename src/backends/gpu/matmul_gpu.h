/* matmul_gpu.h: products of matrices, for what is made of them. Uses gpu.h. */
#ifndef MATMUL_GPU_H
#define MATMUL_GPU_H
#include "backends/gpu/gpu.h"

/* out = activation(alpha a b + beta c), the last two axes being matrices (m, k) and (k, n); a and b may have dtypes of
   their own. */
typedef struct gpu_product {
  const operand *out;
  operand a, b;
  const operand *c; /* NULL: none */
  int64_t m, n, k, count;
  float alpha, beta;
  activation activation; /* of dtypes for which gpu_activates */
  const operand *lhs, *rhs; /* which matrices of a and b, for each of the result; NULL: the i-th */
  bool sorted;              /* rhs is: neighbours have the same matrix of b */
  int op;                   /* GPU_OP_..., for wrong ones */
} gpu_product;

gpu_product gpu_product_of(const launch *l);
/* Floats of up to four bytes: those of cuBLASLt's epilogues, too. */
static inline bool gpu_activates(pons_dtype d) { return d == PONS_FLOAT32 || d == PONS_FLOAT16 || d == PONS_BFLOAT16; }

/* The batch of a product of in[0] and in[1] as axes that can't be joined. A library takes the last, those before it are parts, one
   after another. */
typedef struct gpu_batch {
  int n;
  int64_t sizes[PONS_MAX_NDIM], strides[3][PONS_MAX_NDIM]; /* of in[0], in[1], the result */
} gpu_batch;
gpu_batch gpu_batch_of(const launch *l);
int64_t gpu_batch_parts(const gpu_batch *s);
/* Where in operand `which` the part begins, in elements. */
int64_t gpu_batch_place(const gpu_batch *s, int which, int64_t part);
error *gpu_multiply(const gpu_backend *b, gpu_product p);
/* Are these rows so many for each matrix of b, and is there a kernel of the backend, that they are multiplied group by group? */
bool gpu_is_grouped(const gpu_backend *b, const gpu_product *p);
#endif
