/* past_cache.c: writing past the caches what they could not hold anyway.

   An ordinary store reads its cache line from memory first, and drives out what would be read again. A copy of
   results that outgrow the last cache is a third faster without (measured). Uses nothing. */
#include "backends/cpu/calls.h"
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
#if defined(__SSE2__)
  char *y = to;
  const char *x = from;
  size_t head = -(uintptr_t)y & 63; /* whole cache lines only */
  if (head + 64 <= bytes) {
    memcpy(y, x, head);
    for (y += head, x += head, bytes -= head; bytes >= 64; y += 64, x += 64, bytes -= 64) {
      __m128i a = _mm_loadu_si128((const __m128i *)x), b = _mm_loadu_si128((const __m128i *)(x + 16));
      __m128i c = _mm_loadu_si128((const __m128i *)(x + 32)), d = _mm_loadu_si128((const __m128i *)(x + 48));
      _mm_stream_si128((__m128i *)y, a);
      _mm_stream_si128((__m128i *)(y + 16), b);
      _mm_stream_si128((__m128i *)(y + 32), c);
      _mm_stream_si128((__m128i *)(y + 48), d);
    }
    to = y, from = x;
  }
#endif
  memcpy(to, from, bytes);
}
