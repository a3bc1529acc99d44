/* sort_long.h: one long line of elements of at most four bytes, sorted by all threads. Part of backends/cpu/. */
#ifndef CPU_SORT_LONG_H
#define CPU_SORT_LONG_H
#include "device/device.h"

enum { SORT_LONG = 1 << 16 }; /* elements from which it pays */

typedef struct sort_line {
  pons_dtype dtype;
  int64_t n, stride, out_stride; /* strides in elements */
  const char *from;
  char *to;
  bool indices; /* give places, else elements */
} sort_line;

bool sort_long_takes(pons_dtype d, int64_t n);
/* Bytes of memory that it works in. */
size_t sort_long_bytes(int64_t n, bool indices);
/* Stable, NaN last. */
void sort_long(const sort_line *line, void *memory);
#endif
