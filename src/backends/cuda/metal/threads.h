/* threads.h: what Metal's threads know and do together in CUDA C++: places, barriers, simdgroups, quads,
   atomics. Text behind math.h.

   A simdgroup is a warp, and its active threads are those the hardware has together at the call
   (__activemask). */
namespace metal {

/* A place or a size in the grid, as a parameter of any type it may have there. */
struct grid_place {
  uint x, y, z;
  grid_place(ulong x_, ulong y_, ulong z_) : x((uint)x_), y((uint)y_), z((uint)z_) {}
  template <class T>
  operator vec<T, 3>() const {
    return vec<T, 3>(x, y, z);
  }
  template <class T>
  operator vec<T, 2>() const {
    return vec<T, 2>(x, y);
  }
  operator uint() const { return x; }
  operator ushort() const { return (ushort)x; }
};
/* An argument that is a pointer, and one that is a reference, to whatever the parameter says. */
struct buffer_pointer {
  const void *at;
  template <class T>
  operator T *() const {
    return (T *)at;
  }
};
struct buffer_reference {
  const void *at;
  template <class T>
  operator const T &() const {
    return *(const T *)at;
  }
};

/* ---- barriers ---- */

enum class mem_flags {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16
};
inline mem_flags operator|(mem_flags a, mem_flags b) { return (mem_flags)((int)a | (int)b); }
enum memory_order {
  memory_order_relaxed,
  memory_order_acquire,
  memory_order_release,
  memory_order_acq_rel,
  memory_order_seq_cst
};
enum thread_scope {
  thread_scope_thread,
  thread_scope_simdgroup,
  thread_scope_threadgroup,
  thread_scope_device
};
inline void threadgroup_barrier(mem_flags flags) {
  if ((int)flags & (int)mem_flags::mem_device) __threadfence();
  __syncthreads();
}
inline void threadgroup_barrier(mem_flags flags, memory_order, thread_scope = thread_scope_threadgroup) {
  threadgroup_barrier(flags);
}
inline void simdgroup_barrier(mem_flags flags) {
  if ((int)flags & (int)mem_flags::mem_device) __threadfence();
  __syncwarp(__activemask());
}
inline void atomic_thread_fence(mem_flags, memory_order, thread_scope = thread_scope_device) {
  __threadfence();
}

/* ---- simdgroups ---- */

inline uint lane_of_simd() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32;
}

/* A value of any type goes word by word. */
template <class T>
struct words {
  static constexpr int count = (sizeof(T) + 3) / 4;
  union {
    T value;
    uint at[count];
  };
  words() {}
};
#define SHUFFLE(name, call)                                   \
  template <class T>                                          \
  inline T name(T x, uint by, int width) {                    \
    words<T> w;                                               \
    for (int i = 0; i < words<T>::count; i++) w.at[i] = 0;    \
    w.value = x;                                              \
    const uint mask = __activemask();                         \
    for (int i = 0; i < words<T>::count; i++) w.at[i] = call; \
    return w.value;                                           \
  }
SHUFFLE(shuffled, __shfl_sync(mask, w.at[i], (int)by, width))
SHUFFLE(shuffled_down, __shfl_down_sync(mask, w.at[i], by, width))
SHUFFLE(shuffled_up, __shfl_up_sync(mask, w.at[i], by, width))
SHUFFLE(shuffled_xor, __shfl_xor_sync(mask, w.at[i], (int)by, width))
#undef SHUFFLE

#define SHUFFLES(group, width)                                                                       \
  template <class T>                                                                                 \
  inline T group##_shuffle(T x, ushort lane) {                                                       \
    return shuffled(x, lane, width);                                                                 \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_broadcast(T x, ushort lane) {                                                     \
    return shuffled(x, lane, width);                                                                 \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_down(T x, ushort by) {                                                    \
    return shuffled_down(x, by, width);                                                              \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_up(T x, ushort by) {                                                      \
    return shuffled_up(x, by, width);                                                                \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_xor(T x, ushort bits) {                                                   \
    return shuffled_xor(x, bits, width);                                                             \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_rotate_down(T x, ushort by) {                                             \
    return shuffled(x, (lane_of_simd() + by) % width, width);                                        \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_rotate_up(T x, ushort by) {                                               \
    return shuffled(x, (lane_of_simd() + width - by % width) % width, width);                        \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_and_fill_down(T x, T filling, ushort by) {                                \
    const uint lane = lane_of_simd() % width + by;                                                   \
    const T own = shuffled(x, lane % width, width), next = shuffled(filling, lane % width, width);   \
    return lane < width ? own : next;                                                                \
  }                                                                                                  \
  template <class T>                                                                                 \
  inline T group##_shuffle_and_fill_up(T x, T filling, ushort by) {                                  \
    const uint lane = lane_of_simd() % width + width - by;                                           \
    const T own = shuffled(x, lane % width, width), before = shuffled(filling, lane % width, width); \
    return lane >= width ? own : before;                                                             \
  }
SHUFFLES(simd, 32u)
SHUFFLES(quad, 4u)
#undef SHUFFLES

/* All active lanes get what they join to. Of a whole group by halves; else lane after lane. */
#define JOIN_LANES(name, group, width, expression)                                       \
  template <class T>                                                                     \
  inline T group##_##name(T x) {                                                         \
    const uint base = lane_of_simd() / width * width, all = 0xffffffffu >> (32 - width); \
    const uint active = __activemask() >> base & all;                                    \
    if (active == all) {                                                                 \
      for (uint gap = width / 2; gap; gap /= 2) {                                        \
        const T a = x, b = shuffled_xor(x, gap, 32);                                     \
        x = (T)(expression);                                                             \
      }                                                                                  \
      return x;                                                                          \
    }                                                                                    \
    bool first = true;                                                                   \
    T a = x;                                                                             \
    for (uint lane = 0; lane < width; lane++) {                                          \
      if (!(active >> lane & 1)) continue;                                               \
      const T b = shuffled(x, base + lane, 32);                                          \
      a = first ? b : (T)(expression);                                                   \
      first = false;                                                                     \
    }                                                                                    \
    return a;                                                                            \
  }
#define JOINS(group, width)                       \
  JOIN_LANES(sum, group, width, a + b)            \
  JOIN_LANES(product, group, width, a *b)         \
  JOIN_LANES(min, group, width, metal::min(a, b)) \
  JOIN_LANES(max, group, width, metal::max(a, b)) \
  JOIN_LANES(and, group, width, a &b)             \
  JOIN_LANES(or, group, width, a | b)             \
  JOIN_LANES(xor, group, width, a ^ b)
JOINS(simd, 32u)
JOINS(quad, 4u)
#undef JOINS
#undef JOIN_LANES

/* Over the active lanes up to this one, with it or without. */
#define PREFIX(name, start, expression)                      \
  template <class T>                                         \
  inline T simd_prefix_inclusive_##name(T x) {               \
    const uint active = __activemask(), me = lane_of_simd(); \
    T a = (T)start;                                          \
    for (uint lane = 0; lane < 32; lane++) {                 \
      if (!(active >> lane & 1)) continue;                   \
      const T b = shuffled(x, lane, 32);                     \
      if (lane <= me) a = (T)(expression);                   \
    }                                                        \
    return a;                                                \
  }                                                          \
  template <class T>                                         \
  inline T simd_prefix_exclusive_##name(T x) {               \
    const uint active = __activemask(), me = lane_of_simd(); \
    T a = (T)start;                                          \
    for (uint lane = 0; lane < 32; lane++) {                 \
      if (!(active >> lane & 1)) continue;                   \
      const T b = shuffled(x, lane, 32);                     \
      if (lane < me) a = (T)(expression);                    \
    }                                                        \
    return a;                                                \
  }
PREFIX(sum, 0, a + b)
PREFIX(product, 1, a *b)
#undef PREFIX

template <class T>
inline T simd_broadcast_first(T x) {
  uint lane = 0;
  for (const uint active = __activemask(); !(active >> lane & 1);) lane++;
  return shuffled(x, lane, 32);
}
struct simd_vote {
  typedef ulong vote_t;
  ulong lanes;
  explicit simd_vote(ulong lanes_ = 0) : lanes(lanes_) {}
  explicit operator vote_t() const { return lanes; }
  bool any() const { return lanes != 0; }
  bool all() const { return lanes == 0xffffffffu; }
};
inline simd_vote simd_ballot(bool x) { return simd_vote(__ballot_sync(__activemask(), x)); }
inline simd_vote simd_active_threads_mask() { return simd_vote(__activemask()); }
inline bool simd_any(bool x) { return __ballot_sync(__activemask(), x) != 0; }
inline bool simd_all(bool x) {
  const uint active = __activemask();
  return __ballot_sync(active, x) == active;
}
inline bool simd_is_first() { return (__activemask() & ((1u << lane_of_simd()) - 1)) == 0; }
inline bool simd_is_helper_thread() { return false; }

/* ---- atomics ---- */

template <class T>
struct atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "atomic: of 4 or 8 bytes, as there");
  T value;
};
template <>
struct atomic<bool> {
  uint value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<float> atomic_float;
typedef atomic<ulong> atomic_ulong;
typedef atomic<bool> atomic_bool;

/* The integer that the hardware swaps in a place of so many bytes. */
template <int Bytes>
struct swapped_word {
  typedef uint type;
};
template <>
struct swapped_word<8> {
  typedef unsigned long long type;
};
template <class T>
using word = typename swapped_word<sizeof(atomic<T>)>::type;
template <class T>
inline word<T> word_from(T x) {
  return as_type<word<T>>(x);
}
template <>
inline uint word_from(bool x) {
  return x;
}
template <class T>
inline T from_word(word<T> w) {
  return as_type<T>(w);
}
template <>
inline bool from_word<bool>(uint w) {
  return w != 0;
}
template <class T>
inline word<T> *word_at(const volatile atomic<T> *place) {
  return (word<T> *)place;
}

template <class T>
inline T atomic_load_explicit(const volatile atomic<T> *place, memory_order) {
  return from_word<T>(*(volatile word<T> *)word_at(place));
}
template <class T, class V>
inline void atomic_store_explicit(volatile atomic<T> *place, V x, memory_order) {
  *(volatile word<T> *)word_at(place) = word_from((T)x);
}
template <class T, class V>
inline T atomic_exchange_explicit(volatile atomic<T> *place, V x, memory_order) {
  return from_word<T>(atomicExch(word_at(place), word_from((T)x)));
}
template <class T, class V>
inline bool atomic_compare_exchange_weak_explicit(volatile atomic<T> *place, T *expected, V x, memory_order,
                                                  memory_order) {
  const word<T> wanted = word_from(*expected), seen = atomicCAS(word_at(place), wanted, word_from((T)x));
  if (seen == wanted) return true;
  *expected = from_word<T>(seen);
  return false;
}
/* By compare and swap; what was there before. */
#define ATOMIC_JOIN(name, expression)                                                     \
  template <class T, class V>                                                             \
  inline T atomic_fetch_##name##_explicit(volatile atomic<T> *place, V x, memory_order) { \
    const T b = (T)x;                                                                     \
    word<T> seen = *(volatile word<T> *)word_at(place), before;                           \
    do {                                                                                  \
      before = seen;                                                                      \
      const T a = from_word<T>(before);                                                   \
      seen = atomicCAS(word_at(place), before, word_from((T)(expression)));               \
    } while (seen != before);                                                             \
    return from_word<T>(before);                                                          \
  }
ATOMIC_JOIN(sub, a - b)
ATOMIC_JOIN(and, a &b)
ATOMIC_JOIN(or, a | b)
ATOMIC_JOIN(xor, a ^ b)
ATOMIC_JOIN(min, b < a ? b : a)
ATOMIC_JOIN(max, a < b ? b : a)
#undef ATOMIC_JOIN
/* The hardware adds these. */
template <class T, class V>
inline T atomic_fetch_add_explicit(volatile atomic<T> *place, V x, memory_order) {
  return from_word<T>(atomicAdd(word_at(place), word_from((T)x)));
}
template <class V>
inline float atomic_fetch_add_explicit(volatile atomic<float> *place, V x, memory_order) {
  return atomicAdd((float *)place, (float)x);
}

/* ---- what MLX's kernels find in its own headers ---- */

template <class N, class M>
inline N ceildiv(N n, M m) {
  return (n + m - 1) / m;
}

template <class I = int64_t>
inline I elem_to_loc(I elem, const int *shape, const int64_t *strides, int ndim) {
  I place = 0;
  for (int d = ndim - 1; d >= 0 && elem > 0; d--) {
    place += elem % (I)shape[d] * (I)strides[d];
    elem /= (I)shape[d];
  }
  return place;
}
template <class I = int64_t>
inline I elem_to_loc(uint3 elem, const int *shape, const int64_t *strides, int ndim) {
  I place = (I)elem.x * (I)strides[ndim - 1] + (I)elem.y * (I)strides[ndim - 2];
  for (int d = ndim - 3; d >= 0; d--) {
    place += (I)(elem.z % (uint)shape[d]) * (I)strides[d];
    elem.z /= (uint)shape[d];
  }
  return place;
}
template <class I = int64_t>
inline I elem_to_loc_1(uint elem, int64_t stride) {
  return (I)elem * (I)stride;
}
template <class I = int64_t>
inline I elem_to_loc_2(uint2 elem, const int64_t *strides) {
  return (I)elem.x * (I)strides[1] + (I)elem.y * (I)strides[0];
}
template <class I = int64_t>
inline I elem_to_loc_3(uint3 elem, const int64_t *strides) {
  return (I)elem.x * (I)strides[2] + (I)elem.y * (I)strides[1] + (I)elem.z * (I)strides[0];
}

} // namespace metal
