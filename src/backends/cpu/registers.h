/* registers.h: vectors as wide as the registers of the instruction set that a file *.isa.c is built for, with the
   multiply-add that the compiler is not asked to make of a product and a sum (-ffp-contract=off): products of matrices
   need half as many instructions with it. Uses nothing. */
#ifndef CPU_REGISTERS_H
#define CPU_REGISTERS_H
#include <stdint.h>
#include <string.h>

/* As wide as the registers: compilers do badly with wider ones. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define REGISTER_BYTES 64
#define FMA_FLOAT(a, b, c) ((vector_float)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FMA_DOUBLE(a, b, c) ((vector_double)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define MAX_FLOAT(a, b) ((vector_float)_mm512_max_ps((__m512)(a), (__m512)(b)))
#elif defined(__FMA__)
#include <immintrin.h>
#define REGISTER_BYTES 32
#define FMA_FLOAT(a, b, c) ((vector_float)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FMA_DOUBLE(a, b, c) ((vector_double)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define MAX_FLOAT(a, b) ((vector_float)_mm256_max_ps((__m256)(a), (__m256)(b)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#define REGISTER_BYTES 16
#define FMA_FLOAT(a, b, c) ((vector_float)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FMA_DOUBLE(a, b, c) ((vector_double)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define MAX_FLOAT(a, b) ((vector_float)vmaxq_f32((float32x4_t)(a), (float32x4_t)(b)))
#else
#define REGISTER_BYTES 16
#define FMA_FLOAT(a, b, c) ((a) * (b) + (c))
#define FMA_DOUBLE(a, b, c) ((a) * (b) + (c))
#if defined(__SSE2__)
#include <emmintrin.h>
#define MAX_FLOAT(a, b) ((vector_float)_mm_max_ps((__m128)(a), (__m128)(b)))
#else
#define MAX_FLOAT(a, b) max_by_mask(a, b)
#endif
#endif
#define FMA_UINT(a, b, c) ((a) * (b) + (c))

typedef float vector_float __attribute__((vector_size(REGISTER_BYTES)));
typedef double vector_double __attribute__((vector_size(REGISTER_BYTES)));
typedef uint64_t vector_uint __attribute__((vector_size(REGISTER_BYTES)));
typedef uint32_t vector_word __attribute__((vector_size(REGISTER_BYTES)));

/* MAX_FLOAT: the greater, lane by lane; b if that is NaN. */
static inline __attribute__((always_inline)) vector_float max_by_mask(vector_float a, vector_float b) {
  const vector_word greater = (vector_word)(a > b);
  return (vector_float)(((vector_word)a & greater) | ((vector_word)b & ~greater));
}

/* The lower half of each word of a, the upper of each of b. */
#if defined(__AVX2__) && !defined(__AVX512F__)
#define UPPER_HALVES(a, b) ((vector_word)_mm256_blend_epi16((__m256i)(a), (__m256i)(b), 0xaa))
#elif defined(__AVX512BW__)
#define UPPER_HALVES(a, b) ((vector_word)_mm512_mask_blend_epi16(0xaaaaaaaa, (__m512i)(a), (__m512i)(b)))
#else
#define UPPER_HALVES(a, b) (((a) & 0xffffu) | ((b) & 0xffff0000u))
#endif

/* Lane by lane of halves of words: the greater of signed, the lesser of unsigned ones. */
typedef int16_t vector_short __attribute__((vector_size(REGISTER_BYTES)));
typedef uint16_t vector_ushort __attribute__((vector_size(REGISTER_BYTES)));
static inline __attribute__((always_inline)) vector_short max_short(vector_short a, vector_short b) {
#if defined(__AVX512BW__)
  return (vector_short)_mm512_max_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (vector_short)_mm256_max_epi16((__m256i)a, (__m256i)b);
#else
  const vector_short greater = a > b;
  return (a & greater) | (b & ~greater);
#endif
}
static inline __attribute__((always_inline)) vector_ushort min_ushort(vector_ushort a, vector_ushort b) {
#if defined(__AVX512BW__)
  return (vector_ushort)_mm512_min_epu16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (vector_ushort)_mm256_min_epu16((__m256i)a, (__m256i)b);
#else
  const vector_ushort less = (vector_ushort)(a < b);
  return (a & less) | (b & ~less);
#endif
}

/* A register full of x. */
#if REGISTER_BYTES == 64
#define EIGHT_OF(x) x, x, x, x, x, x, x, x
#define SPLAT_FLOAT(x) ((vector_float){EIGHT_OF(x), EIGHT_OF(x)})
#define SPLAT_DOUBLE(x) ((vector_double){EIGHT_OF(x)})
#define SPLAT_UINT(x) ((vector_uint){EIGHT_OF(x)})
#elif REGISTER_BYTES == 32
#define SPLAT_FLOAT(x) ((vector_float){x, x, x, x, x, x, x, x})
#define SPLAT_DOUBLE(x) ((vector_double){x, x, x, x})
#define SPLAT_UINT(x) ((vector_uint){x, x, x, x})
#else
#define SPLAT_FLOAT(x) ((vector_float){x, x, x, x})
#define SPLAT_DOUBLE(x) ((vector_double){x, x})
#define SPLAT_UINT(x) ((vector_uint){x, x})
#endif

/* A register as a table of eight, looked up by the lowest bits of each lane of another; where there is an instruction. */
#if defined(__AVX512F__)
#define LOOK_UP(table, at) ((vector_float)_mm512_permutexvar_ps((__m512i)(at), (__m512)(table)))
#define TABLE_OF(...) ((vector_word){__VA_ARGS__, __VA_ARGS__})
#elif defined(__AVX2__)
#define LOOK_UP(table, at) ((vector_float)_mm256_permutevar8x32_ps((__m256)(table), (__m256i)(at)))
#define TABLE_OF(...) ((vector_word){__VA_ARGS__})
#endif
/* 2^(j/8) as words, less j where a power of two is added by t << 20: the lowest bits of t are those of 8 n + j. */
#define EIGHTH_ROOT(j, word) (word) - ((uint32_t)(j) << 20)
#define EIGHTH_ROOTS                                                                                                 \
  TABLE_OF(EIGHTH_ROOT(0, 0x3f800000), EIGHTH_ROOT(1, 0x3f8b95c2), EIGHTH_ROOT(2, 0x3f9837f0), EIGHTH_ROOT(3, 0x3fa5fed7), \
           EIGHTH_ROOT(4, 0x3fb504f3), EIGHTH_ROOT(5, 0x3fc5672a), EIGHTH_ROOT(6, 0x3fd744fd), EIGHTH_ROOT(7, 0x3feac0c7))

/* A register of lanes from neighbours of each dtype. */
static inline __attribute__((always_inline)) vector_float wide_float32(const float *from) {
  vector_float x;
  memcpy(&x, from, sizeof x);
  return x;
}
static inline __attribute__((always_inline)) vector_double wide_float64(const double *from) {
  vector_double x;
  memcpy(&x, from, sizeof x);
  return x;
}
static inline __attribute__((always_inline)) vector_float wide_bfloat16(const uint16_t *from) {
  typedef uint32_t words __attribute__((vector_size(REGISTER_BYTES)));
#if defined(__AVX512F__)
  const words x = (words)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));
#elif defined(__AVX2__)
  const words x = (words)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
#else
  typedef uint16_t halves __attribute__((vector_size(REGISTER_BYTES / 2)));
  halves some;
  memcpy(&some, from, sizeof some);
  const words x = __builtin_convertvector(some, words);
#endif
  return (vector_float)(x << 16);
}
static inline __attribute__((always_inline)) vector_float wide_float16(const uint16_t *from) {
#if defined(__AVX512F__)
  return (vector_float)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
#elif defined(__F16C__)
  return (vector_float)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
#else /* as base/half.c, without branches */
  typedef uint16_t halves __attribute__((vector_size(REGISTER_BYTES / 2)));
  typedef uint32_t words __attribute__((vector_size(REGISTER_BYTES)));
  halves x;
  memcpy(&x, from, sizeof x);
  const words h = __builtin_convertvector(x, words), magnitude = (h & 0x7fff) << 13;
  const words special = (words)(magnitude >= 0x0f800000u) & 0x7f800000u; /* infinity, NaN */
  return (vector_float)((words)((vector_float)magnitude * 0x1p112f) | special | (h & 0x8000) << 16);
#endif
}
#endif
