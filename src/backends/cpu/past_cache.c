/* past_cache.c: writing past the caches what they could not hold anyway.

   An ordinary store reads its cache line from memory first, and drives out what would be read again. A copy of
   results that outgrow the last cache is a third faster without (measured). Uses cpu/lanes.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What the system says of its caches can't be trusted: a virtual machine with 32 MiB here reports 256. */
bool cpu_outgrows_cache(size_t bytes) { return bytes > (size_t)24 << 20; }

void cpu_end_past_cache(void) {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

void cpu_copy_past_cache(void *to, const void *from, size_t bytes) {
  char *y = to;
  const char *x = from;
  const size_t head = -(uintptr_t)y & 63; /* whole cache lines only */
  if (head + 64 <= bytes) {
    const size_t lines = (bytes - head) / 64, done = head + lines * 64;
    memcpy(y, x, head);
    cpu_copy_loops()->lines_past_cache(y + head, x + head, (int64_t)lines);
    y += done, x += done, bytes -= done;
  }
  memcpy(y, x, bytes);
}
