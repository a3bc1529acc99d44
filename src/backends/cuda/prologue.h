/* prologue.h: what the GPU dialect and kernel/scalar.h mean in CUDA C. Text: it is never compiled with the library, and
   includes no header of CUDA's. NVRTC is told that functions are the device's unless they say otherwise. */
#define KERNEL extern "C" __global__ void
#define RESIDENT(threads, groups) __launch_bounds__(threads, groups)
#define GLOBAL
/* Aligned, so that neighbours are read at once. */
#define LOCAL alignas(16) __shared__
#define LOCAL_POINTER
#define PRIVATE
#define DEVICE_FUNCTION static inline
#define VALUES const int64_t *
/* Constant memory, which may be indexed without being copied first: from CUDA 11.7. */
#if defined(__CUDACC_VER_MAJOR__) && __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1107
#define NUMBERS const __grid_constant__ numbers v
#else
#define NUMBERS const numbers v
#endif

typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned uint32_t;
typedef unsigned long long uint64_t;

#define CUDA_AXIS_0 x
#define CUDA_AXIS_1 y
#define CUDA_AXIS_2 z
#define CUDA_JOIN(a, b) a##b
#define CUDA_AXIS(d) CUDA_JOIN(CUDA_AXIS_, d)
#define GROUP_ID(d) ((int64_t)blockIdx.CUDA_AXIS(d))
#define LOCAL_ID(d) ((int)threadIdx.CUDA_AXIS(d))
#define GROUP_COUNT(d) ((int64_t)gridDim.CUDA_AXIS(d))
#define GROUP_SIZE(d) ((int)blockDim.CUDA_AXIS(d))
#define GLOBAL_ID ((int64_t)blockIdx.x * blockDim.x + threadIdx.x)
#define BARRIER __syncthreads()
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")
#define FAST_HALVES 1
typedef uint4 words_4;
typedef uint2 words_2;

#define HAS_LANES 1
template <class T> static inline T lane_across(T x, int gap) {
  enum { WORDS = (sizeof(T) + 3) / 4 };
  union {
    uint32_t words[WORDS];
    T value;
  } all;
  all.words[0] = 0;
  all.value = x;
  for (int i = 0; i < WORDS; i++) all.words[i] = __shfl_xor_sync(0xffffffffu, all.words[i], gap);
  return all.value;
}

#define ATOMIC_CAS32(p, expected, desired) atomicCAS((uint32_t *)(p), (uint32_t)(expected), (uint32_t)(desired))
#define ATOMIC_ADD32(p, x) atomicAdd((int *)(p), (int)(x))
#define LOCAL_ADD32(p, x) atomicAdd((uint32_t *)(p), (uint32_t)(x))
#define HAS_ATOMICS64 1
#define ATOMIC_CAS64(p, expected, desired) atomicCAS((uint64_t *)(p), (uint64_t)(expected), (uint64_t)(desired))
#define HAS_FLOAT64 1

#define K_PROLOGUE
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)
#define k_fma_f32(a, b, c) __fmaf_rn(a, b, c)
#define k_fma_f64(a, b, c) __fma_rn(a, b, c)
#define k_bits_f32(x) ((uint32_t)__float_as_uint(x))
#define k_from_bits_f32(u) __uint_as_float(u)
#ifndef WITHOUT_ASSEMBLY /* of PTX: tests/cuda_double */
/* As two operations with constants ptxas leaves them two. */
static inline uint32_t masked_or(uint32_t x, uint32_t mask, uint32_t bits) {
  uint32_t y;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(y) : "r"(x), "r"(mask), "r"(bits));
  return y;
}
#define MASKED_OR(x, mask, bits) masked_or(x, mask, bits)
#define K_HALF_CONVERSIONS
static inline float k_float_from_half(uint16_t h) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
}
static inline uint16_t k_half_from_float(float x) {
  uint16_t h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
}
static inline float k_float_from_bfloat(uint16_t h) { return __uint_as_float((uint32_t)h << 16); }
/* Two at a time are one fast operation; one alone is a slow one. */
static inline uint16_t k_bfloat_from_float(float x) {
#if __CUDA_ARCH__ >= 800
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(0.0f), "f"(x));
  return (uint16_t)both;
#else
  const uint32_t u = __float_as_uint(x), rounded = (u + 0x7fffu + (u >> 16 & 1)) >> 16;
  return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16 | 0x40u) : rounded);
#endif
}
static inline float quick_exp(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.44269504f));
  return y;
}
#define QUICK_EXP(x) quick_exp(x)
#if __CUDA_ARCH__ >= 800
#define K_NEAREST_BFLOAT
static inline float k_nearest_bfloat(float x) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(x), "f"(0.0f));
  return __uint_as_float(both);
}
#endif
#endif
#define k_bits_f64(x) ((uint64_t)__double_as_longlong(x))
#define k_from_bits_f64(u) __longlong_as_double((long long)(u))
