/* prologue.h: what the GPU dialect and kernel/scalar.h mean in the Metal Shading Language. Text: it is never compiled with the
   library. The language has no float64; its compiler numbers the arguments of a kernel in the order in which they stand. */
#include <metal_stdlib>
using namespace metal;
#pragma METAL fp contract(off)

#define KERNEL [[kernel, max_total_threads_per_threadgroup(256)]] void
#define RESIDENT(threads, groups)
#define GLOBAL device
#define LOCAL threadgroup
#define LOCAL_POINTER threadgroup
#define PRIVATE thread
#define VALUES constant int64_t *
#define NUMBERS                                                                                              \
  constant numbers &v, uint3 metal_group [[threadgroup_position_in_grid]],                                   \
      uint3 metal_thread [[thread_position_in_threadgroup]], uint3 metal_groups [[threadgroups_per_grid]],   \
      uint3 metal_threads [[threads_per_threadgroup]]
#define GROUP_ID(d) ((int64_t)metal_group[d])
#define LOCAL_ID(d) ((int)metal_thread[d])
#define GROUP_COUNT(d) ((int64_t)metal_groups[d])
#define GROUP_SIZE(d) ((int)metal_threads[d])
#define GLOBAL_ID ((int64_t)metal_group.x * (int64_t)metal_threads.x + (int64_t)metal_thread.x)
#define BARRIER threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device)
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")
#define FAST_HALVES 0
typedef uint4 words_4;
typedef uint2 words_2;

#define HAS_LANES 1
template <class T>
static inline T lane_across(T x, int gap) {
  enum { WORDS = (sizeof(T) + 3) / 4 };
  union {
    uint32_t words[WORDS];
    T value;
  } all;
  all.words[0] = 0;
  all.value = x;
  for (int i = 0; i < WORDS; i++) all.words[i] = simd_shuffle_xor(all.words[i], (ushort)gap);
  return all.value;
}

/* The weak form, which may fail though the value is the expected one, is the only one there is. */
static inline uint32_t metal_swap(device uint32_t *place, uint32_t expected, uint32_t desired) {
  uint32_t seen = expected;
  while (!atomic_compare_exchange_weak_explicit((device atomic_uint *)place, &seen, desired, memory_order_relaxed,
                                                memory_order_relaxed))
    if (seen != expected) return seen;
  return expected;
}
#define ATOMIC_CAS32(place, expected, desired) metal_swap((device uint32_t *)(place), expected, desired)
#define ATOMIC_ADD32(place, x) \
  atomic_fetch_add_explicit((device atomic_int *)(place), (int32_t)(x), memory_order_relaxed)
#define LOCAL_ADD32(place, x) \
  atomic_fetch_add_explicit((threadgroup atomic_uint *)(place), (uint32_t)(x), memory_order_relaxed)
#define HAS_ATOMICS64 0
#define HAS_FLOAT64 0

#define K_PROLOGUE
#define k_fma_f32(a, b, c) fma((float)(a), (float)(b), (float)(c))
#define k_bits_f32(x) as_type<uint32_t>((float)(x))
#define k_from_bits_f32(u) as_type<float>((uint32_t)(u))
#define sqrtf(x) precise::sqrt(x)
#define sinf(x) precise::sin(x)
#define cosf(x) precise::cos(x)
#define tanf(x) precise::tan(x)
#define powf(x, y) precise::pow(x, y)
#define fmodf(x, y) precise::fmod(x, y)
