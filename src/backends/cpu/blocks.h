/* blocks.h: BLOCK neighbours of a row of float32 or bfloat16 as registers of floats: for loops that are worth
   writing by registers, the rows of softmax and norms.

       float32     at[k]: neighbours
       bfloat16    at[2k], at[2k + 1]: the even and the odd of two registers' neighbours, which are the halves of words

   What fills no block is padded. Sums over blocks are joined in the order of elements, so that they are the same bits
   on every instruction set. Uses cpu/registers.h, base/. */
#ifndef CPU_BLOCKS_H
#define CPU_BLOCKS_H
#include "backends/cpu/registers.h"
#include "base/base.h"

#define ALWAYS static inline __attribute__((always_inline))
enum { BLOCK = 32, LANES = REGISTER_BYTES / 4, REGISTERS = BLOCK / LANES };
typedef struct block {
  vector_float at[REGISTERS];
} block;

/* Where element i of a block is among its lanes. */
ALWAYS int block_place(pons_dtype d, int i) {
  const int within = i % (2 * LANES);
  return d == PONS_FLOAT32 ? i : i - within + within % 2 * LANES + within / 2;
}
ALWAYS int64_t block_bytes(pons_dtype d) { return d == PONS_FLOAT32 ? 4 * BLOCK : 2 * BLOCK; }

ALWAYS block block_load(pons_dtype d, const void *from) {
  block b;
  if (d == PONS_FLOAT32) {
    for (int k = 0; k < REGISTERS; k++) b.at[k] = wide_float32((const float *)from + k * LANES);
    return b;
  }
  for (int k = 0; k < REGISTERS; k += 2) {
    vector_word both;
    memcpy(&both, (const char *)from + k / 2 * REGISTER_BYTES, sizeof both);
    b.at[k] = (vector_float)(both << 16);
    b.at[k + 1] = (vector_float)(both & 0xffff0000u);
  }
  return b;
}
ALWAYS float element_as_float(pons_dtype d, const void *from, int64_t i) {
  if (d == PONS_FLOAT32) return ((const float *)from)[i];
  const uint32_t u = (uint32_t)((const uint16_t *)from)[i] << 16;
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* What fills no block: n elements and others that are `pad`, which bfloat16 can hold, in `room`. */
typedef struct block_room {
  char at[4 * BLOCK];
} block_room;
__attribute__((noinline)) static const char *block_padded(pons_dtype d, const void *from, int64_t n, float pad, block_room *room) {
  uint32_t u;
  memcpy(&u, &pad, sizeof u);
  if (d != PONS_FLOAT32) u |= u >> 16;
  for (int i = 0; i < BLOCK; i++) memcpy(room->at + 4 * i, &u, sizeof u);
  memcpy(room->at, from, (size_t)(n * block_bytes(d) / BLOCK));
  return room->at;
}

ALWAYS void put_register(void *to, vector_word v, bool past_cache) {
#if defined(__AVX512F__)
  if (past_cache)
    _mm512_stream_si512((__m512i *)to, (__m512i)v);
  else
    _mm512_storeu_si512(to, (__m512i)v);
#elif defined(__AVX__)
  if (past_cache)
    _mm256_stream_si256((__m256i *)to, (__m256i)v);
  else
    _mm256_storeu_si256((__m256i *)to, (__m256i)v);
#elif defined(__SSE2__)
  if (past_cache)
    _mm_stream_si128((__m128i *)to, (__m128i)v);
  else
    _mm_storeu_si128((__m128i *)to, (__m128i)v);
#else
  (void)past_cache;
  memcpy(to, &v, sizeof v);
#endif
}
/* Past the caches: `to` is a multiple of REGISTER_BYTES. */
ALWAYS void block_store_float32(block b, void *to, bool past_cache) {
  for (int k = 0; k < REGISTERS; k++)
    put_register((char *)to + k * REGISTER_BYTES, (vector_word)b.at[k], past_cache);
}
/* As the nearest bfloat16: half of its last place is added to the word. A tie goes away from 0: it is one in 2^16 of what is computed in
   float32, and to send it to the even neighbour would take two instructions more per register. */
ALWAYS void block_store_bfloat16(block b, void *to, bool past_cache) {
  for (int k = 0; k < REGISTERS; k += 2) {
    const vector_word even = (vector_word)b.at[k] + 0x8000u, odd = (vector_word)b.at[k + 1] + 0x8000u;
    put_register((char *)to + k / 2 * REGISTER_BYTES, UPPER_HALVES(even >> 16, odd), past_cache);
  }
}
/* Of known length, so that compilers take registers for it. */
#define JOIN_HALVES(half) \
  for (int i = 0; i < half; i++) sum[i] += sum[i + half];
__attribute__((noinline)) static double block_sum(pons_dtype d, const block *b) {
  float lanes[BLOCK];
  double sum[BLOCK];
  memcpy(lanes, b, sizeof lanes);
  for (int i = 0; i < BLOCK; i++) sum[i] = (double)lanes[block_place(d, i)];
  JOIN_HALVES(16) JOIN_HALVES(8) JOIN_HALVES(4) JOIN_HALVES(2) JOIN_HALVES(1)
  return sum[0];
}
#endif
