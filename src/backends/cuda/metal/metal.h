/* metal.h: kernels in the Metal Shading Language for the CUDA backend. The texts numbers.h, vectors.h, math.h
   and threads.h are what Metal has built in, in front of every such kernel; translate.c rewrites what a
   prologue can't give: address spaces, attributes, swizzles, and the entry. Uses base/, ops/params.h. */
#ifndef CUDA_METAL_H
#define CUDA_METAL_H
#include "ops/params.h"

/* What surrounds the kernel: arguments are the memories of the results, then of the inputs, and the numbers of gpu_custom_text with
   narrow shapes. */
typedef struct metal_arguments {
  int n_in, n_out;
  const int *in_ndim;              /* per input */
  const int *in_bytes, *out_bytes; /* of an element, per array */
} metal_arguments;

/* CUDA C++, to stand behind the prologue, with an entry of the kernel's name. An error names what can't be carried over. */
error *metal_translate(const custom_kernel_params *p, const metal_arguments *a, text *out);
#endif
