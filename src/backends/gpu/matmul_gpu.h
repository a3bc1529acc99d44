/* matmul_gpu.h: products of matrices, for what is made of them. Uses gpu.h. */
#ifndef MATMUL_GPU_H
#define MATMUL_GPU_H
#include "backends/gpu/gpu.h"

/* out = alpha a b + beta c, the last two axes being matrices (m, k) and (k, n); a and b may have dtypes of
   their own. */
typedef struct gpu_product {
  const operand *out;
  operand a, b;
  const operand *c; /* NULL: none */
  int64_t m, n, k, count;
  float alpha, beta;
  const operand *lhs, *rhs; /* which matrices of a and b, for each of the result; NULL: the i-th */
  int op;                   /* GPU_OP_..., for wrong ones */
} gpu_product;

gpu_product gpu_product_of(const launch *l);
error *gpu_multiply(const gpu_backend *b, gpu_product p);
#endif
