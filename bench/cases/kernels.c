/* kernels.c: loops that do nothing but multiply and add in registers, read, or copy. Uses kernels.h. */
#include "kernels.h"
#include <stdbool.h>
#include <string.h>

/* So that no result is left out. */
static volatile float sink;

/* ---- any machine: what the compiler makes of vectors of 16 bytes ---- */

typedef float float4 __attribute__((vector_size(16)));
typedef uint64_t word2 __attribute__((vector_size(16)));

static double fma_any(int64_t turns) {
  enum { SUMS = 12 };
  float4 sum[SUMS] = {0}, x = {0.5f, 0.25f, 0.5f, 0.25f}, y = x;
  for (int64_t i = 0; i < turns; i++)
    for (int k = 0; k < SUMS; k++) sum[k] = sum[k] * x + y;
  for (int k = 0; k < SUMS; k++) sink = sum[k][0];
  return 2.0 * 4 * SUMS * (double)turns;
}

static uint64_t read_any(const void *from, size_t bytes) {
  const word2 *x = from;
  word2 sum[4] = {0};
  for (size_t i = 0; i < bytes / sizeof *x; i += 4)
    for (int k = 0; k < 4; k++) sum[k] ^= x[i + (size_t)k];
  word2 all = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
  return all[0] ^ all[1];
}

static void copy_any(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }

/* ---- x86 ---- */

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,fma"))) static double fma_avx2(int64_t turns) {
  enum { SUMS = 12 };
  __m256 sum[SUMS], x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
  for (int k = 0; k < SUMS; k++) sum[k] = _mm256_setzero_ps();
  for (int64_t i = 0; i < turns; i++) {
#pragma GCC unroll 12
    for (int k = 0; k < SUMS; k++) sum[k] = _mm256_fmadd_ps(sum[k], x, y);
  }
  for (int k = 0; k < SUMS; k++) sink = _mm256_cvtss_f32(sum[k]);
  return 2.0 * 8 * SUMS * (double)turns;
}

__attribute__((target("avx2"))) static uint64_t read_avx2(const void *from, size_t bytes) {
  const __m256i *x = from;
  __m256i sum[8];
  for (int k = 0; k < 8; k++) sum[k] = _mm256_setzero_si256();
  for (size_t i = 0; i < bytes / sizeof *x; i += 8) {
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) sum[k] = _mm256_xor_si256(sum[k], _mm256_load_si256(x + i + k));
  }
  for (int k = 1; k < 8; k++) sum[0] = _mm256_xor_si256(sum[0], sum[k]);
  return (uint64_t)_mm256_extract_epi64(sum[0], 0) ^ (uint64_t)_mm256_extract_epi64(sum[0], 3);
}

__attribute__((target("avx2"))) static void copy_avx2(void *to, const void *from, size_t bytes) {
  const __m256i *x = from;
  __m256i *y = to;
  for (size_t i = 0; i < bytes / sizeof *x; i += 4) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) _mm256_stream_si256(y + i + k, _mm256_load_si256(x + i + k));
  }
  _mm_sfence();
}

__attribute__((target("avx512f"))) static double fma_avx512(int64_t turns) {
  enum { SUMS = 12 };
  __m512 sum[SUMS], x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
  for (int k = 0; k < SUMS; k++) sum[k] = _mm512_setzero_ps();
  for (int64_t i = 0; i < turns; i++) {
#pragma GCC unroll 12
    for (int k = 0; k < SUMS; k++) sum[k] = _mm512_fmadd_ps(sum[k], x, y);
  }
  for (int k = 0; k < SUMS; k++) sink = _mm512_cvtss_f32(sum[k]);
  return 2.0 * 16 * SUMS * (double)turns;
}

__attribute__((target("avx512f,avx512bf16"))) static double dot_avx512(int64_t turns) {
  enum { SUMS = 12 };
  __m512 sum[SUMS];
  __m512bh x = (__m512bh)_mm512_set1_epi16(0x3e80), y = (__m512bh)_mm512_set1_epi16(0x3f00); /* 1/4, 1/2 */
  for (int k = 0; k < SUMS; k++) sum[k] = _mm512_setzero_ps();
  for (int64_t i = 0; i < turns; i++) {
#pragma GCC unroll 12
    for (int k = 0; k < SUMS; k++) sum[k] = _mm512_dpbf16_ps(sum[k], x, y);
  }
  for (int k = 0; k < SUMS; k++) sink = _mm512_cvtss_f32(sum[k]);
  return 2.0 * 32 * SUMS * (double)turns;
}
#endif

/* ---- the choice ---- */

static const machine_loops any = {NULL, fma_any, NULL, read_any, copy_any};
#if defined(__x86_64__)
static const machine_loops avx2 = {"avx2", fma_avx2, NULL, read_avx2, copy_avx2};
static const machine_loops avx512 = {"avx512", fma_avx512, NULL, read_avx2, copy_avx2};
static const machine_loops avx512_bf16 = {"avx512", fma_avx512, dot_avx512, read_avx2, copy_avx2};
#endif

const machine_loops *machine_loops_for(const char *isa) {
#if defined(__x86_64__)
  if (!strncmp(isa, "avx512", 6)) return __builtin_cpu_supports("avx512bf16") ? &avx512_bf16 : &avx512;
  if (!strcmp(isa, "avx2")) return &avx2;
#else
  (void)isa;
#endif
  return &any;
}
