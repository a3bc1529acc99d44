/* kernel_text.h: a kernel (kernel/kernel.h) as text in the dialect all GPU languages share (dialect.h), and
   the numbers it is launched with. Uses kernel/. */
#ifndef GPU_KERNEL_TEXT_H
#define GPU_KERNEL_TEXT_H
#include "kernel/kernel.h"

enum {
  KERNEL_TEXT_NUMBERS = KERNEL_MAX_OUTPUTS + KERNEL_MAX_INPUTS + 1 + (1 + KERNEL_MAX_INPUTS) * PONS_MAX_NDIM
};

/* Arguments of the entry "fused", in order: the memory of each output, then of each input; a memory with all
   the numbers if they are more than `by_value`; the numbers. They are the place of each operand's first
   element, which the caller fills in, the number of elements, sizes, and strides of each input that needs
   them. */
typedef struct kernel_text {
  text text;
  int64_t size;
  int n_numbers;
  int64_t numbers[KERNEL_TEXT_NUMBERS];
} kernel_text;

/* Fills `f`, whose text the caller frees. The text is the same for all shapes with as many axes that can't be
   merged and the same inputs that are row-major, repeated, or neither. */
void kernel_text_write(kernel_text *f, const kernel *k, const operand *in, const operand *out, int by_value);
/* The value x of dtype `from` as one of dtype `to`, before it is rounded to a narrow float. */
void kernel_text_add_conversion(text *t, int from, int to);
#endif
