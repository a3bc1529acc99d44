/* kernel_text.h: a kernel (kernel/kernel.h) as text in the dialect all GPU languages share (dialect.h), and
   the numbers it is launched with. Uses kernel/. */
#ifndef GPU_KERNEL_TEXT_H
#define GPU_KERNEL_TEXT_H
#include "kernel/kernel.h"

enum {
  KERNEL_TEXT_NUMBERS = KERNEL_MAX_OUTPUTS + KERNEL_MAX_INPUTS + 1 + (1 + KERNEL_MAX_INPUTS) * PONS_MAX_NDIM
};

/* What the text depends on beside the kernel. */
typedef enum kernel_lying { KERNEL_REPEATED, KERNEL_IN_ORDER, KERNEL_STRIDED, KERNEL_STRIDED_LINES } kernel_lying;
typedef struct kernel_form {
  uint8_t each;      /* elements of a thread, which lie next to each other: what is in order, or a line of what is strided, is
                        read and written at once */
  uint8_t axes;      /* that can't be walked as one */
  uint8_t in_memory; /* whether the numbers are in a memory */
  uint8_t lies[KERNEL_MAX_INPUTS];
} kernel_form;

/* Arguments of the entry "fused", in order: the memory of each output, then of each input; a memory with all
   the numbers if they are more than can be handed over by value; the numbers. They are the place of each operand's first
   element, which the caller fills in, the number of elements, and, if an input is strided, sizes, and strides of each
   such input. */
typedef struct kernel_numbers {
  int64_t size;
  int n;
  int64_t at[KERNEL_TEXT_NUMBERS];
} kernel_numbers;

/* What stands for either text: all that it is written from. How many bytes. */
enum { KERNEL_TEXT_KEY = sizeof(kernel) + sizeof(kernel_form) + 8 };
size_t kernel_text_key(const kernel *k, const kernel_form *form, char *bytes);
kernel_form kernel_form_of(const kernel *k, const operand *in, const operand *out, int most_by_value, kernel_numbers *numbers);
void kernel_text_write(text *t, const kernel *k, const kernel_form *form);
/* The kernel, which has one result, as the part of another that reads (reduce.kc): the function `chain`, and the macros by which that
   one's text names its operands. Of the form, `each` and `lies` count: KERNEL_REPEATED, of neighbours that are read at once they are one
   element, KERNEL_IN_ORDER, they lie next to each other, KERNEL_STRIDED, where none are. */
void kernel_text_write_chain(text *t, const kernel *k, const kernel_form *form);
/* The kernel as the part of another that makes something of each of its results: PUT(result, value) stores what becomes of the value, as
   one of Y, RESULTS are the BEHIND_OUTS memories for that, MORE those of its other operands, of which operand k has its element at MORE_PLACE(k,
   result). Of the form, which is that of those others, `each` and `lies` count: if that many are read at once, PUT_EACH(result, w) stores what
   becomes of the neighbours from `result` on that are in the words w, as gpu_define_wide has Y; or else of PER of them. BEGIN_MORE(row) is in
   front, where rows are stored: the variables further0, ..., places MORE_BEGIN(k, row). */
void kernel_text_write_behind(text *t, const kernel *k, const kernel_form *form);
/* How many neighbours are read at once, where all operands are read so: as many as fill 16 bytes of the narrowest, up to 8, fewer where
   there is much to compute. 1: they are not. */
int kernel_text_each(const kernel *k, const kernel_form *form);
/* Of so many elements of a dtype, the bytes that are read at once. */
int kernel_text_bytes_at_once(int dtype, int each);
/* The value x of dtype `from` as one of dtype `to`, before it is rounded to a narrow float. */
void kernel_text_add_conversion(text *t, int from, int to);
#endif
