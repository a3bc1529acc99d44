/* copy.isa.c: blocks of a transpose, a cache line wide on both sides, turned in registers; lines written past the caches.
   Built once per instruction set. Uses cpu/lanes.h, cpu/turn.h. */
#include "backends/cpu/lanes.h"
#include "backends/cpu/turn.h"
#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Whole vectors, past the caches where told so and where it can be. */
typedef uint16_t eight_of_2 __attribute__((vector_size(16)));
typedef uint32_t eight_of_4 __attribute__((vector_size(32)));
typedef uint64_t four_of_8 __attribute__((vector_size(32)));
typedef eight_of_2 eight_of_2_at __attribute__((aligned(2))); /* wherever they lie */
typedef eight_of_4 eight_of_4_at __attribute__((aligned(4)));
typedef four_of_8 four_of_8_at __attribute__((aligned(4))); /* complex64 is aligned as float32 */

#if defined(__AVX__)
#define PUT_32(to, v) _mm256_stream_si256((__m256i *)(void *)(to), (__m256i)(v))
#elif defined(__SSE2__)
static inline void put_32(void *to, const void *v) {
  _mm_stream_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)v));
  _mm_stream_si128((__m128i *)to + 1, _mm_loadu_si128((const __m128i *)v + 1));
}
#define PUT_32(to, v) put_32(to, &(v))
#else
#define PUT_32(to, v) memcpy(to, &(v), sizeof(v))
#endif
#if defined(__SSE2__)
#define PUT_16(to, v) _mm_stream_si128((__m128i *)(void *)(to), (__m128i)(v))
#else
#define PUT_16(to, v) memcpy(to, &(v), sizeof(v))
#endif

/* N: elements of a vector. to[i][k] = from[k][i], i and k below the elements of a cache line. */
#define BLOCK(name, element, vector, N, PUT)                                                                    \
  static void block_##name(void *to, int64_t to_row, const void *from, int64_t from_row, bool past_cache) { \
    enum { LINE = 64 / sizeof(element), GROUPS = LINE / N };                                               \
    const element *x = from;                                                                               \
    element *y = to;                                                                                       \
    for (int h = 0; h < LINE; h += N) {                                                                    \
      vector part[GROUPS][N];                                                                              \
      for (int g = 0; g < GROUPS; g++) {                                                                   \
        for (int k = 0; k < N; k++) part[g][k] = *(const vector##_at *)(x + (g * N + k) * from_row + h);   \
        turn_##name(part[g]);                                                                              \
      }                                                                                                    \
      for (int k = 0; k < N; k++)                                                                          \
        for (int g = 0; g < GROUPS; g++) {                                                                 \
          if (past_cache) PUT(y + (h + k) * to_row + g * N, part[g][k]);                                   \
          else *(vector##_at *)(y + (h + k) * to_row + g * N) = part[g][k];                                \
        }                                                                                                  \
    }                                                                                                      \
  }

TURN_8(2, eight_of_2)
TURN_8(4, eight_of_4)
TURN_4(8, four_of_8)
BLOCK(2, uint16_t, eight_of_2, 8, PUT_16)
BLOCK(4, uint32_t, eight_of_4, 8, PUT_32)
BLOCK(8, uint64_t, four_of_8, 4, PUT_32)

static void lines_past_cache(void *to, const void *from, int64_t lines) {
  char *y = to;
  const char *x = from;
  for (; lines > 0; lines--, y += 64, x += 64) {
    eight_of_4 a, b; /* from wherever they lie */
    memcpy(&a, x, sizeof a);
    memcpy(&b, x + sizeof a, sizeof b);
    PUT_32(y, a);
    PUT_32(y + 32, b);
  }
}

const copy_loops ISA_NAME(copy_loops) = {.lines_past_cache = lines_past_cache, .turn = {[2] = block_2, [4] = block_4, [8] = block_8}};
