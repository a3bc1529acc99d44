/* shim.h: what the Metal Shading Language has built in, for kernels that are compiled as C++ for the host (library.c puts it in
   front of them). Threads are fibers, one group at a time (doubles/grid.c). Spaces of memory are words without a meaning here:
   library.c looks at them. Uses nothing. */
typedef decltype(sizeof 0) size_t;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef unsigned char uint8_t, uchar;
typedef unsigned short uint16_t, ushort;
typedef unsigned uint32_t, uint;
typedef unsigned long uint64_t, ulong;
#define METAL_DOUBLE_VECTORS(type)                          \
  typedef type type##2 __attribute__((ext_vector_type(2))); \
  typedef type type##3 __attribute__((ext_vector_type(3))); \
  typedef type type##4 __attribute__((ext_vector_type(4)));
METAL_DOUBLE_VECTORS(int)
METAL_DOUBLE_VECTORS(uint)
METAL_DOUBLE_VECTORS(ushort)
METAL_DOUBLE_VECTORS(float)

/* Set before a thread runs (grid_state); what a kernel asks of it. */
struct metal_double_place {
  uint x, y, z;
};
extern "C" struct metal_double_state {
  metal_double_place thread, group, threads, groups;
  void (*barrier)(void);
  void (*warp_barrier)(uint mask);
  void (*exchange)(uint mask, void *value, size_t bytes, int from);
} metal_double;
extern "C" {
metal_double_state metal_double;
}

#define METAL_DOUBLE_GROUP static __attribute__((section("metal_group")))

/* Memory shared by a group's threads: what was left there by the group before is not to be relied on. */
extern char metal_double_begin[] __asm__("__start_metal_group") __attribute__((weak, visibility("hidden")));
extern char metal_double_end[] __asm__("__stop_metal_group") __attribute__((weak, visibility("hidden")));
extern "C" void metal_double_shared(char **begin, char **end) {
  *begin = metal_double_begin, *end = metal_double_end;
}

/* ---- arguments of a kernel ---- */

struct metal_double_pointer {
  void *at;
  template <class T>
  operator T *() const {
    return (T *)at;
  }
};
struct metal_double_reference {
  void *at;
  template <class T>
  operator T &() const {
    return *(T *)at;
  }
};
/* A place along as many axes as the parameter has. */
struct metal_double_triple {
  uint x, y, z;
  operator uint3() const { return uint3{x, y, z}; }
  operator uint2() const { return uint2{x, y}; }
  operator uint() const { return x; }
  operator ushort3() const { return ushort3{(ushort)x, (ushort)y, (ushort)z}; }
  operator ushort2() const { return ushort2{(ushort)x, (ushort)y}; }
  operator ushort() const { return (ushort)x; }
};
static inline metal_double_triple metal_double_of(metal_double_place p) { return {p.x, p.y, p.z}; }
static inline metal_double_triple metal_double_threadgroup_position_in_grid() {
  return metal_double_of(metal_double.group);
}
static inline metal_double_triple metal_double_threadgroups_per_grid() {
  return metal_double_of(metal_double.groups);
}
static inline metal_double_triple metal_double_thread_position_in_threadgroup() {
  return metal_double_of(metal_double.thread);
}
static inline metal_double_triple metal_double_threads_per_threadgroup() {
  return metal_double_of(metal_double.threads);
}
static inline metal_double_triple metal_double_threads_per_grid() {
  return {metal_double.threads.x * metal_double.groups.x, metal_double.threads.y * metal_double.groups.y,
          metal_double.threads.z * metal_double.groups.z};
}
static inline metal_double_triple metal_double_thread_position_in_grid() {
  return {metal_double.group.x * metal_double.threads.x + metal_double.thread.x,
          metal_double.group.y * metal_double.threads.y + metal_double.thread.y,
          metal_double.group.z * metal_double.threads.z + metal_double.thread.z};
}
static inline uint metal_double_thread_index_in_threadgroup() {
  return metal_double.thread.x +
         metal_double.threads.x * (metal_double.thread.y + metal_double.threads.y * metal_double.thread.z);
}
static inline uint metal_double_thread_index_in_simdgroup() {
  return metal_double_thread_index_in_threadgroup() % 32;
}
static inline uint metal_double_simdgroup_index_in_threadgroup() {
  return metal_double_thread_index_in_threadgroup() / 32;
}
static inline uint metal_double_threads_per_simdgroup() { return 32; }

/* sizeof parameter N, of what it refers to. */
template <int N, class A, class... B>
struct metal_double_nth {
  static const size_t size = metal_double_nth<N - 1, B...>::size;
};
template <class A, class... B>
struct metal_double_nth<0, A, B...> {
  static const size_t size = sizeof(A);
};
template <int N, class... A>
static inline size_t metal_double_size(void (*)(A...)) {
  return metal_double_nth<N, A...>::size;
}

/* ---- numbers ---- */

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")

template <class To, class From>
static inline To as_type(From x) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}

namespace metal {
#define METAL_DOUBLE_MATH1(name) \
  static inline float name(float x) { return __builtin_##name##f(x); }
#define METAL_DOUBLE_MATH2(name) \
  static inline float name(float x, float y) { return __builtin_##name##f(x, y); }
#define METAL_DOUBLE_MATH                                                                                  \
  METAL_DOUBLE_MATH1(acos)                                                                                 \
  METAL_DOUBLE_MATH1(acosh)                                                                                \
  METAL_DOUBLE_MATH1(asin)                                                                                 \
  METAL_DOUBLE_MATH1(asinh) METAL_DOUBLE_MATH1(atan) METAL_DOUBLE_MATH1(atanh) METAL_DOUBLE_MATH1(ceil)    \
      METAL_DOUBLE_MATH1(cos) METAL_DOUBLE_MATH1(cosh) METAL_DOUBLE_MATH1(exp) METAL_DOUBLE_MATH1(exp2)    \
          METAL_DOUBLE_MATH1(fabs) METAL_DOUBLE_MATH1(floor) METAL_DOUBLE_MATH1(log)                       \
              METAL_DOUBLE_MATH1(log10) METAL_DOUBLE_MATH1(log2) METAL_DOUBLE_MATH1(rint)                  \
                  METAL_DOUBLE_MATH1(round) METAL_DOUBLE_MATH1(sin) METAL_DOUBLE_MATH1(sinh)               \
                      METAL_DOUBLE_MATH1(sqrt) METAL_DOUBLE_MATH1(tan) METAL_DOUBLE_MATH1(tanh)            \
                          METAL_DOUBLE_MATH1(trunc) METAL_DOUBLE_MATH2(atan2) METAL_DOUBLE_MATH2(copysign) \
                              METAL_DOUBLE_MATH2(fmax) METAL_DOUBLE_MATH2(fmin) METAL_DOUBLE_MATH2(fmod)   \
                                  METAL_DOUBLE_MATH2(pow) static inline float                              \
                                  rsqrt(float x) {                                                         \
    return 1 / __builtin_sqrtf(x);                                                                         \
  }
METAL_DOUBLE_MATH
namespace precise {
METAL_DOUBLE_MATH
}
static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

/* ---- threads ---- */

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
static inline mem_flags operator|(mem_flags a, mem_flags b) { return (mem_flags)((int)a | (int)b); }
static inline void threadgroup_barrier(mem_flags) { metal_double.barrier(); }
static inline void simdgroup_barrier(mem_flags) { metal_double.warp_barrier(0xffffffffu); }

/* ---- atomics: one thread runs at a time; the weak form fails now and then, as it may ---- */

enum memory_order { memory_order_relaxed };
template <class T>
struct atomic {
  T value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
template <class T>
static inline bool atomic_compare_exchange_weak_explicit(volatile atomic<T> *p, T *expected, T desired,
                                                         memory_order, memory_order) {
  static uint tries;
  const T before = p->value;
  const bool same = before == *expected;
  *expected = before;
  if (!same || ++tries % 5 == 0) return false;
  p->value = desired;
  return true;
}
template <class T, class V>
static inline T atomic_fetch_add_explicit(volatile atomic<T> *p, V x, memory_order) {
  const T before = p->value;
  p->value = (T)(before + (T)x);
  return before;
}
} // namespace metal

/* ---- words of the language; last, for they are names above ---- */

#define kernel
#define device
#define constant const
#define thread
#define threadgroup
