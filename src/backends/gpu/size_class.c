/* size_class.c: which class a size belongs to. Uses size_class.h. */
#include "backends/gpu/size_class.h"

int gpu_size_class(size_t bytes, size_t *rounded) {
  size_t step = 128, base = 512;
  int k = 0;
  if (bytes < base) bytes = base;
  while (base * 2 <= bytes && k < GPU_SIZE_CLASSES - 8) base *= 2, step *= 2, k += 4;
  const size_t steps = (bytes - base + step - 1) / step;
  *rounded = base + steps * step;
  return k + (int)steps;
}
