/* size_class.h: classes of sizes, for backends that keep memory that was given back. Uses the C library alone. */
#ifndef GPU_SIZE_CLASS_H
#define GPU_SIZE_CLASS_H
#include <stddef.h>

enum { GPU_SIZE_CLASSES = 256 };
/* Four classes between powers of two, from 512 bytes: at most a quarter is lost. `rounded`: bytes of the class. */
int gpu_size_class(size_t bytes, size_t *rounded);
#endif
