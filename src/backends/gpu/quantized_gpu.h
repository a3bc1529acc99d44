/* quantized_gpu.h: a product with codes, as launches of its kernels see it: quantized_gpu.c, and those of a backend's own. Uses gpu.h. */
#ifndef QUANTIZED_GPU_H
#define QUANTIZED_GPU_H
#include "backends/gpu/gpu.h"

typedef struct quantized_product {
  quantization q;
  bool transpose, one_matrix;                 /* of codes for all of x, whose batch is then rows */
  const operand *x, *parts, *lhs, *rhs, *out; /* lhs, rhs: NULL, or which matrices */
  bool sorted;                                /* rhs is */
  int64_t m, n, k, count;
} quantized_product;

/* Of a launch of "QuantizedMatmul", of "GatherQMM". */
quantized_product gpu_quantized_product(const launch *l);
quantized_product gpu_gathered_product(const launch *l);
/* If there is one matrix of codes: all rows of x are those of one product. */
void gpu_quantized_join_rows(quantized_product *p);
/* Over the rows of x of a product. */
gpu_walk gpu_quantized_rows(const quantized_product *p);
/* Defines and adds what is written and read, and the numbers (quantized_codes.h); number 14 is the kernel's own. */
error *gpu_quantized_operands(gpu_call *c, const quantized_product *p, int64_t own);
/* Are rows so many that all matrices are better decoded, and multiplied group by group? */
bool gpu_quantized_is_grouped(const gpu_backend *b, const quantized_product *p);
#endif
