/* quantized.h: arrays stored as codes of few bits, and products with them, in MLX's formats.

   A row of codes is one little-endian string of bits, cut into words of uint32. Groups of neighbours along the last
   axis share a scale:

       mode     group size    bits                  scale            value of a code
       affine   32, 64*, 128  1, 2, 3, 4*, 5, 6, 8  float, and bias  scale * code + bias
       mxfp4    32            4                     E8M0             scale * E2M1
       mxfp8    32            8                     E8M0             scale * E4M3
       nvfp4    16            4                     E4M3             scale * E2M1, times a global scale / 2688 if given

   Group size and bits left out (0) are those with a star, or the only ones. The mx formats are those of the OCP
   Microscaling Formats specification 1.0. */
#ifndef PONS_QUANTIZED_H
#define PONS_QUANTIZED_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef enum pons_quantization { PONS_AFFINE, PONS_MXFP4, PONS_MXFP8, PONS_NVFP4 } pons_quantization;

/* w (..., n), floats of at least two axes, as codes (..., n * bits / 32), scales (..., n / group size) and, for
   affine, biases of the scales' shape, into out[0 .. 2]; else out[2] is NULL:
       pons_quantize(out, w, .bits = 8) */
struct pons_quantize_args {
  pons_array w;
  int group_size, bits;
  pons_quantization mode;
  pons_array global_scale; /* nvfp4 only: one float32, at least the greatest magnitude */
};
#define pons_quantize(out, ...) pons_quantize_with((struct pons_quantize_args){.w = __VA_ARGS__}, out)
PONS_API void pons_quantize_with(struct pons_quantize_args args, pons_array out[3]);

/* The values of codes w (uint32) with their scales and, for affine, biases: (..., n). */
struct pons_dequantize_args {
  pons_array w, scales, biases;
  int group_size, bits;
  pons_quantization mode;
  pons_array global_scale;
  pons_optional_dtype dtype; /* left out: that of scales and biases; bfloat16 where there are no biases. With a global
                                scale float32, unless it is float64 */
};
#define pons_dequantize(...) pons_dequantize_with((struct pons_dequantize_args){.w = __VA_ARGS__})
PONS_API pons_array pons_dequantize_with(struct pons_dequantize_args args);

/* x (..., m, k) times the transpose of w, codes of (..., n, k); no_transpose: times w, codes of (..., k, n). Leading
   dimensions broadcast. */
struct pons_quantized_matmul_args {
  pons_array x, w, scales, biases;
  bool no_transpose;
  int group_size, bits;
  pons_quantization mode;
};
#define pons_quantized_matmul(...) \
  pons_quantized_matmul_with((struct pons_quantized_matmul_args){.x = __VA_ARGS__})
PONS_API pons_array pons_quantized_matmul_with(struct pons_quantized_matmul_args args);

/* The same of matrices chosen by number, counted through all leading dimensions of x and of w; indices left out (NULL)
   are 0, 1, ... in the shape of the leading dimensions. The two arrays of indices broadcast. */
struct pons_gather_qmm_args {
  pons_array x, w, scales, biases, lhs_indices, rhs_indices;
  bool no_transpose;
  int group_size, bits;
  pons_quantization mode;
  pons_array global_scale;
  bool sorted_indices; /* a promise that a device may use */
};
#define pons_gather_qmm(...) pons_gather_qmm_with((struct pons_gather_qmm_args){.x = __VA_ARGS__})
PONS_API pons_array pons_gather_qmm_with(struct pons_gather_qmm_args args);

/* x (..., m, k), quantized on the way, times the transpose of w: codes of (n, k) with scales, or floats (n, k) that are
   quantized too. The mode left out is nvfp4, affine is none. Gradients are those of the product of the rounded values:
   rounding itself counts as identity. */
struct pons_qqmm_args {
  pons_array x, w, scales;
  int group_size, bits;
  pons_quantization mode;
  pons_array global_scale_x, global_scale_w; /* nvfp4: both or neither */
};
#define pons_qqmm(...) pons_qqmm_with((struct pons_qqmm_args){.x = __VA_ARGS__})
PONS_API pons_array pons_qqmm_with(struct pons_qqmm_args args);

/* qqmm of matrices chosen by number, as pons_gather_qmm. */
struct pons_gather_qqmm_args {
  pons_array x, w, scales, lhs_indices, rhs_indices;
  int group_size, bits;
  pons_quantization mode;
  pons_array global_scale_x, global_scale_w;
  bool sorted_indices;
};
#define pons_gather_qqmm(...) pons_gather_qqmm_with((struct pons_gather_qqmm_args){.x = __VA_ARGS__})
PONS_API pons_array pons_gather_qqmm_with(struct pons_gather_qqmm_args args);

/* Floats as E4M3 in uint8: to nearest, ties to even; what is beyond 448, and NaN, become 448 with the sign. */
PONS_API pons_array pons_to_fp8(pons_array x);
/* E4M3 in uint8 as floats. */
PONS_API pons_array pons_from_fp8(pons_array x, pons_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
