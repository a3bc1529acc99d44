/* typing.h: how a dtype is held in memory and as a value in the dialect. Uses base/. */
#ifndef GPU_TYPING_H
#define GPU_TYPING_H
#include "base/base.h"

typedef struct gpu_typing {
  const char *element, *value; /* types */
  const char *suffix;          /* of the value's functions in kernel/scalar.h and complex_numbers.h */
  const char *load, *store;    /* functions from the one to the other; "" for none */
  const char *bits, *from_bits; /* of the element, as an unsigned integer of its size; "" for none */
} gpu_typing;
extern const gpu_typing gpu_typings[PONS_DTYPE_COUNT];
#endif
