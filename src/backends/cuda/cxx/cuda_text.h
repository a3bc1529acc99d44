/* cuda_text.h: kernels in CUDA C++ as MLX's fast.cuda_kernel makes them, for the CUDA backend. Uses base/,
   ops/params.h. */
#ifndef CUDA_TEXT_H
#define CUDA_TEXT_H
#include "ops/params.h"

/* The text, to stand behind metal/numbers.h and mlx_cuda.h, with an entry of the kernel's name that takes the memories of the results,
   then of the inputs, and the numbers of gpu_custom_text with narrow shapes. */
error *cuda_text(const custom_kernel_params *p, int n_in, int n_out, const int *in_ndim, const int *in_bytes,
                 const int *out_bytes, text *out);
#endif
