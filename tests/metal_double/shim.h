/* shim.h: what the Metal Shading Language has built in, for kernels that are compiled as C++ for the host (library.c puts it in
   front of them). Threads are fibers, one group at a time (doubles/grid.c). Spaces of memory are words without a meaning here:
   library.c looks at them. Uses shim_numbers.h. */
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
/* Of the whole dispatch, of which a part of equal groups runs at a time: the part's first group, threads of a group, of the
   grid. */
struct metal_double_dispatch {
  metal_double_place first, group, grid;
} metal_double_whole;
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
#define METAL_DOUBLE_TRIPLE(name, axis_value)                \
  static inline metal_double_triple metal_double_##name() {  \
    const metal_double_state &now = metal_double;            \
    const metal_double_dispatch &whole = metal_double_whole; \
    (void)now, (void)whole;                                  \
    return {axis_value(x), axis_value(y), axis_value(z)};    \
  }
#define GROUP_IN_GRID(d) whole.first.d + now.group.d
#define GROUPS(d) (whole.grid.d + whole.group.d - 1) / whole.group.d
#define THREAD_IN_GROUP(d) now.thread.d
#define THREADS(d) now.threads.d
#define WHOLE_THREADS(d) whole.group.d
#define GRID(d) whole.grid.d
#define THREAD_IN_GRID(d) (whole.first.d + now.group.d) * whole.group.d + now.thread.d
METAL_DOUBLE_TRIPLE(threadgroup_position_in_grid, GROUP_IN_GRID)
METAL_DOUBLE_TRIPLE(threadgroups_per_grid, GROUPS)
METAL_DOUBLE_TRIPLE(thread_position_in_threadgroup, THREAD_IN_GROUP)
METAL_DOUBLE_TRIPLE(threads_per_threadgroup, THREADS)
METAL_DOUBLE_TRIPLE(dispatch_threads_per_threadgroup, WHOLE_THREADS)
METAL_DOUBLE_TRIPLE(threads_per_grid, GRID)
METAL_DOUBLE_TRIPLE(thread_position_in_grid, THREAD_IN_GRID)
#undef GROUP_IN_GRID
#undef GROUPS
#undef THREAD_IN_GROUP
#undef THREADS
#undef WHOLE_THREADS
#undef GRID
#undef THREAD_IN_GRID
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
static inline uint metal_double_thread_execution_width() { return 32; }
static inline uint metal_double_threads_of_group() {
  return metal_double.threads.x * metal_double.threads.y * metal_double.threads.z;
}
static inline uint metal_double_simdgroups_per_threadgroup() {
  return (metal_double_threads_of_group() + 31) / 32;
}

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

#include "shim_numbers.h"

namespace metal {

/* ---- threads ---- */

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
static inline mem_flags operator|(mem_flags a, mem_flags b) { return (mem_flags)((int)a | (int)b); }
static inline void threadgroup_barrier(mem_flags) { metal_double.barrier(); }
static inline void simdgroup_barrier(mem_flags) { metal_double.warp_barrier(0xffffffffu); }

/* ---- simdgroups: of 32 lanes, the last one of a group may have fewer; a double's threads do not part ---- */

static inline uint metal_double_lanes() {
  const uint first = metal_double_thread_index_in_threadgroup() / 32 * 32,
             threads = metal_double_threads_of_group();
  return threads - first >= 32 ? 0xffffffffu : (1u << (threads - first)) - 1;
}
/* The value of lane `from`, or the own one where there is none. */
template <class T>
static inline T metal_double_from(T x, int from) {
  const uint lanes = metal_double_lanes();
  const bool there = from >= 0 && from < 32 && (lanes >> from & 1);
  metal_double.exchange(lanes, &x, sizeof x, there ? from : (int)metal_double_thread_index_in_simdgroup());
  return x;
}
template <class T>
static inline T simd_shuffle(T x, ushort lane) {
  return metal_double_from(x, lane);
}
template <class T>
static inline T simd_broadcast(T x, ushort lane) {
  return metal_double_from(x, lane);
}
template <class T>
static inline T simd_shuffle_xor(T x, ushort mask) {
  return metal_double_from(x, (int)(metal_double_thread_index_in_simdgroup() ^ mask));
}
template <class T>
static inline T simd_shuffle_up(T x, ushort by) {
  return metal_double_from(x, (int)metal_double_thread_index_in_simdgroup() - by);
}
template <class T>
static inline T simd_shuffle_down(T x, ushort by) {
  return metal_double_from(x, (int)metal_double_thread_index_in_simdgroup() + by);
}
template <class T>
static inline T simd_shuffle_rotate_down(T x, ushort by) {
  return metal_double_from(x, (int)(metal_double_thread_index_in_simdgroup() + by) % 32);
}
template <class T>
static inline T simd_shuffle_and_fill_up(T x, T other, ushort by) {
  const int from = (int)metal_double_thread_index_in_simdgroup() - by;
  const T mine = metal_double_from(x, from), theirs = metal_double_from(other, 32 + from);
  return from < 0 ? theirs : mine;
}
/* Lanes in order, [from, to). */
template <class T, class F>
static inline T metal_double_joined(T x, T start, int from, int to, F join) {
  T all = start;
  for (int lane = 0; lane < 32; lane++) {
    const T theirs = metal_double_from(x, lane);
    if (lane >= from && lane < to && (metal_double_lanes() >> lane & 1)) all = join(all, theirs);
  }
  return all;
}
#define METAL_DOUBLE_JOIN(name, start, expression)                                              \
  template <class T>                                                                            \
  static inline T name(T x) {                                                                   \
    return metal_double_joined(x, (T)(start), 0, 32, [](T a, T b) { return (T)(expression); }); \
  }
METAL_DOUBLE_JOIN(simd_sum, 0, a + b)
METAL_DOUBLE_JOIN(simd_product, 1, a *b)
METAL_DOUBLE_JOIN(simd_max, metal_double_from(x, 0), a < b ? b : a)
METAL_DOUBLE_JOIN(simd_min, metal_double_from(x, 0), b < a ? b : a)
template <class T>
static inline T simd_prefix_exclusive_sum(T x) {
  return metal_double_joined(x, (T)0, 0, (int)metal_double_thread_index_in_simdgroup(),
                             [](T a, T b) { return a + b; });
}
template <class T>
static inline T simd_prefix_inclusive_sum(T x) {
  return simd_prefix_exclusive_sum(x) + x;
}
template <class T>
static inline T quad_broadcast(T x, ushort lane) {
  return metal_double_from(x, (int)(metal_double_thread_index_in_simdgroup() / 4 * 4 + lane));
}
template <class T>
static inline T quad_sum(T x) {
  return quad_broadcast(x, 0) + quad_broadcast(x, 1) + quad_broadcast(x, 2) + quad_broadcast(x, 3);
}
static inline ulong simd_ballot(bool holds) {
  ulong all = 0;
  for (int lane = 0; lane < 32; lane++)
    all |= (ulong)(metal_double_from(holds, lane) && (metal_double_lanes() >> lane & 1)) << lane;
  return all;
}
static inline bool simd_any(bool holds) { return simd_ballot(holds) != 0; }
static inline bool simd_all(bool holds) { return simd_ballot(holds) == metal_double_lanes(); }
static inline bool simd_is_first() { return metal_double_thread_index_in_simdgroup() == 0; }

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
template <class T>
static inline T atomic_load_explicit(const volatile atomic<T> *p, memory_order) {
  return p->value;
}
template <class T, class V>
static inline void atomic_store_explicit(volatile atomic<T> *p, V x, memory_order) {
  p->value = (T)x;
}
#define METAL_DOUBLE_ATOMIC(name, expression)                                          \
  template <class T, class V>                                                          \
  static inline T atomic_##name##_explicit(volatile atomic<T> *p, V x, memory_order) { \
    const T a = p->value, b = (T)x;                                                    \
    p->value = (T)(expression);                                                        \
    return a;                                                                          \
  }
METAL_DOUBLE_ATOMIC(exchange, b)
METAL_DOUBLE_ATOMIC(fetch_add, a + b)
METAL_DOUBLE_ATOMIC(fetch_sub, a - b)
METAL_DOUBLE_ATOMIC(fetch_and, a &b)
METAL_DOUBLE_ATOMIC(fetch_or, a | b)
METAL_DOUBLE_ATOMIC(fetch_xor, a ^ b)
METAL_DOUBLE_ATOMIC(fetch_max, a < b ? b : a)
METAL_DOUBLE_ATOMIC(fetch_min, b < a ? b : a)
} // namespace metal

/* ---- words of the language; last, for they are names above ---- */

#define kernel
#define device
#define constant const
#define thread
#define threadgroup
