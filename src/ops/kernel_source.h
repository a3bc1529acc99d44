/* kernel_source.h: the text of a custom kernel around the body that the user gives. */
#ifndef KERNEL_SOURCE_H
#define KERNEL_SOURCE_H
#include "ops/ops.h"

typedef struct kernel_text {
  text name, source;
} kernel_text;
/* The whole translation unit as MLX 0.32 makes it, and the kernel's name in it. */
void kernel_text_metal(kernel_text *k, const struct pons_kernel_args *a);
void kernel_text_cuda(kernel_text *k, const struct pons_kernel_args *a);
/* The same in the dialect (dialect_source.c), which begins with DIALECT_TEXT. */
void kernel_text_dialect(kernel_text *k, const struct pons_kernel_args *a);
/* Does the body ask for "<input>_shape", "_strides", "_ndim"? */
bool kernel_mentions(const char *body, const char *input, const char *what);
#endif
