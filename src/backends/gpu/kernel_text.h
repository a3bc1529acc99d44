/* kernel_text.h: a kernel (kernel/kernel.h) as text in the dialect all GPU languages share, and the numbers it is launched
   with. Uses kernel/.

   The dialect is C with the macros KERNEL, GLOBAL, GLOBAL_ID, given meaning by a prologue per language, which also
   names the types of stdint.h and stands in front of the functions of kernel/scalar.h. */
#ifndef GPU_KERNEL_TEXT_H
#define GPU_KERNEL_TEXT_H
#include "kernel/kernel.h"

/* Arguments of the entry "fused", in order: for each output, then each input, its memory and the place of its first
   element there (int64, in elements); the number of elements (int64); if n_layout is not 0 memory with `layout`. */
typedef struct kernel_text {
  text text;
  int64_t size;
  int n_layout;
  int64_t
      layout[(1 + KERNEL_MAX_INPUTS) * PONS_MAX_NDIM]; /* sizes, then strides of each input that needs them */
} kernel_text;

/* Why no text can be made of it, or NULL. */
const char *kernel_text_refuses(const kernel *k);
/* Fills `f`, whose text the caller frees. The text is the same for all shapes with as many axes that can't be merged
   and the same inputs that are row-major, repeated, or neither. */
void kernel_text_write(kernel_text *f, const kernel *k, const operand *in, const operand *out);
#endif
