/* shim.h: what CUDA C has built in, for kernels that are compiled as C++ for the host (nvrtc.c puts it in front of them).
   Threads are fibers, one block at a time (doubles/grid.c). Uses warpgroup.h alone: no other header may stand in front of a kernel's own
   types. */
typedef decltype(sizeof 0) size_t;

struct uint3 {
  unsigned x, y, z;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

/* Set before a thread runs (grid_state); what a kernel asks of it. */
extern "C" struct cuda_double_state {
  uint3 thread, block, threads, blocks;
  void (*barrier)(void);
  void (*warp_barrier)(unsigned mask);
  void (*exchange)(unsigned mask, void *value, size_t bytes, int from);
} cuda_double;
extern "C" {
cuda_double_state cuda_double;
}
#define threadIdx (cuda_double.thread)
#define blockIdx (cuda_double.block)
#define blockDim (cuda_double.threads)
#define gridDim (cuda_double.blocks)
#define warpSize 32

#define __global__
#define __device__
#define __constant__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __restrict__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared")))

/* Memory shared by a block's threads: what was left there by the block before is not to be relied on. */
extern char shared_begin[] __asm__("__start_cuda_shared") __attribute__((weak, visibility("hidden")));
extern char shared_end[] __asm__("__stop_cuda_shared") __attribute__((weak, visibility("hidden")));
extern "C" void cuda_double_shared(char **begin, char **end) { *begin = shared_begin, *end = shared_end; }

/* void **: addresses of the arguments, as cuLaunchKernel has them. */
template <int... I> struct cuda_double_list {};
template <int N, int... I> struct cuda_double_count : cuda_double_count<N - 1, N - 1, I...> {};
template <int... I> struct cuda_double_count<0, I...> {
  typedef cuda_double_list<I...> list;
};
template <class T> struct cuda_double_plain {
  typedef T type;
};
template <class T> struct cuda_double_plain<const T> {
  typedef T type;
};
template <class... A, int... I> static inline void cuda_double_call(void (*f)(A...), void **p, cuda_double_list<I...>) {
  f(*(typename cuda_double_plain<A>::type *)p[I]...);
}
template <class... A> static inline void cuda_double_start(void (*f)(A...), void **p) {
  cuda_double_call(f, p, typename cuda_double_count<sizeof...(A)>::list());
}
template <class... A> static inline const size_t *cuda_double_sizes(void (*)(A...)) {
  static const size_t sizes[] = {sizeof(A)..., 0};
  return sizes;
}
#define CUDA_DOUBLE_ENTRY(name)                                                     \
  extern "C" void cuda_double_entry_##name(void **p) { cuda_double_start(name, p); } \
  extern "C" const size_t *cuda_double_sizes_##name() { return cuda_double_sizes(name); }

/* ---- threads ---- */

static inline void __syncthreads() { cuda_double.barrier(); }
static inline void __syncwarp(unsigned mask = 0xffffffffu) { cuda_double.warp_barrier(mask); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

/* All lanes of the warp: a double's threads do not part. */
static inline unsigned __activemask() {
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z,
                 first = (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) / 32 * 32;
  return threads - first >= 32 ? 0xffffffffu : (1u << (threads - first)) - 1;
}

static inline int cuda_double_lane() {
  return (int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}
/* `from` where it lies in the lane's part of `width` lanes, else the lane itself. */
template <class T> static inline T cuda_double_shuffle(unsigned mask, T value, int from, int width) {
  const int lane = cuda_double_lane();
  if (from / width != lane / width || from < 0) from = lane;
  cuda_double.exchange(mask, &value, sizeof value, from);
  return value;
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const int lane = cuda_double_lane();
  return cuda_double_shuffle(mask, value, lane / width * width + (from & (width - 1)), width);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  return cuda_double_shuffle(mask, value, cuda_double_lane() + (int)by, width);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  return cuda_double_shuffle(mask, value, cuda_double_lane() - (int)by, width);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  return cuda_double_shuffle(mask, value, cuda_double_lane() ^ bits, width);
}
static inline unsigned __ballot_sync(unsigned mask, int holds) {
  unsigned all = 0;
  for (int lane = 0; lane < 32; lane++) {
    int theirs = holds != 0;
    cuda_double.exchange(mask, &theirs, sizeof theirs, lane);
    if (mask >> lane & 1) all |= (unsigned)theirs << lane;
  }
  return all;
}
static inline int __any_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) != 0; }
static inline int __all_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) == mask; }

/* ---- atomics: one thread runs at a time ---- */

template <class T, class V> static inline T atomicAdd(T *p, V x) {
  const T before = *p;
  *p = (T)(before + x);
  return before;
}
template <class T, class V> static inline T atomicExch(T *p, V x) {
  const T before = *p;
  *p = (T)x;
  return before;
}
template <class T, class V, class W> static inline T atomicCAS(T *p, V expected, W desired) {
  const T before = *p;
  if (before == (T)expected) *p = (T)desired;
  return before;
}
template <class T, class V> static inline T atomicMax(T *p, V x) {
  const T before = *p;
  if ((T)x > before) *p = (T)x;
  return before;
}
template <class T, class V> static inline T atomicMin(T *p, V x) {
  const T before = *p;
  if ((T)x < before) *p = (T)x;
  return before;
}
template <class T, class V> static inline T atomicOr(T *p, V x) {
  const T before = *p;
  *p = (T)(before | (T)x);
  return before;
}
template <class T, class V> static inline T atomicAnd(T *p, V x) {
  const T before = *p;
  *p = (T)(before & (T)x);
  return before;
}

/* ---- numbers ---- */

template <class To, class From> static inline To cuda_double_bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}
static inline float __int_as_float(int x) { return cuda_double_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return cuda_double_bits<float>(x); }
static inline unsigned __float_as_uint(float x) { return cuda_double_bits<unsigned>(x); }
static inline int __float_as_int(float x) { return cuda_double_bits<int>(x); }
static inline long long __double_as_longlong(double x) { return cuda_double_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return cuda_double_bits<double>(x); }
static inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }

#define CUDA_DOUBLE_MATH1(name)        \
  extern "C" double name(double);      \
  extern "C" float name##f(float);     \
  static inline float name(float x) { return name##f(x); }
#define CUDA_DOUBLE_MATH2(name)                 \
  extern "C" double name(double, double);       \
  extern "C" float name##f(float, float);       \
  static inline float name(float x, float y) { return name##f(x, y); }
CUDA_DOUBLE_MATH1(acos)
CUDA_DOUBLE_MATH1(acosh)
CUDA_DOUBLE_MATH1(asin)
CUDA_DOUBLE_MATH1(asinh)
CUDA_DOUBLE_MATH1(atan)
CUDA_DOUBLE_MATH1(atanh)
CUDA_DOUBLE_MATH1(cbrt)
CUDA_DOUBLE_MATH1(ceil)
CUDA_DOUBLE_MATH1(cos)
CUDA_DOUBLE_MATH1(cosh)
CUDA_DOUBLE_MATH1(erf)
CUDA_DOUBLE_MATH1(erfc)
CUDA_DOUBLE_MATH1(exp)
CUDA_DOUBLE_MATH1(exp2)
CUDA_DOUBLE_MATH1(expm1)
CUDA_DOUBLE_MATH1(fabs)
CUDA_DOUBLE_MATH1(floor)
CUDA_DOUBLE_MATH1(log)
CUDA_DOUBLE_MATH1(log10)
CUDA_DOUBLE_MATH1(log1p)
CUDA_DOUBLE_MATH1(log2)
CUDA_DOUBLE_MATH1(nearbyint)
CUDA_DOUBLE_MATH1(rint)
CUDA_DOUBLE_MATH1(round)
CUDA_DOUBLE_MATH1(sin)
CUDA_DOUBLE_MATH1(sinh)
CUDA_DOUBLE_MATH1(sqrt)
CUDA_DOUBLE_MATH1(tan)
CUDA_DOUBLE_MATH1(tanh)
CUDA_DOUBLE_MATH1(trunc)
CUDA_DOUBLE_MATH2(atan2)
CUDA_DOUBLE_MATH2(copysign)
CUDA_DOUBLE_MATH2(fmax)
CUDA_DOUBLE_MATH2(fmin)
CUDA_DOUBLE_MATH2(fmod)
CUDA_DOUBLE_MATH2(hypot)
CUDA_DOUBLE_MATH2(pow)
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }

/* Four of the eight bytes of y x, which the digits of `which` name. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned which) {
  const unsigned long long all = (unsigned long long)y << 32 | x;
  unsigned four = 0;
  for (int i = 0; i < 4; i++) four |= (unsigned)(all >> (which >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return four;
}

/* ---- matrix units (cuda/matrix_unit.h), on a block's memory that is as large as may be ---- */

struct chunk;
struct alignas(1024) cuda_double_room {
  char bytes[227 << 10];
};
#define SHARED_ROOM(name)                                                                                     \
  static __attribute__((section("cuda_shared"))) cuda_double_room name##_held;                                 \
  chunk *const name = (chunk *)name##_held.bytes

typedef size_t shared_place;
static inline shared_place place_in_shared(const void *p) { return (shared_place)p; }

/* What the lanes of a warp show each other: between two barriers. */
struct cuda_double_shown {
  unsigned a[4], b[2];
  shared_place row;
};
static cuda_double_shown cuda_double_lanes[32][32];
static inline cuda_double_shown *cuda_double_show(const cuda_double_shown &mine) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  cuda_double_lanes[thread / 32][thread % 32] = mine;
  __syncwarp();
  return cuda_double_lanes[thread / 32];
}

static inline float cuda_double_f16(unsigned bits) {
  const unsigned size = bits & 0x7fff, sign = (bits & 0x8000) << 16;
  const float x = size >= 0x7c00  ? __uint_as_float(0x7f800000 | size << 13)
                  : size >= 0x400 ? __uint_as_float((size << 13) + 0x38000000)
                                  : (float)size * 0x1p-24f;
  return __uint_as_float(__float_as_uint(x) | sign);
}
static inline float cuda_double_bf16(unsigned bits) { return __uint_as_float(bits << 16); }
static inline unsigned cuda_double_to_f16(float x) {
  const unsigned all = __float_as_uint(x), sign = all >> 16 & 0x8000, size = all & 0x7fffffff;
  if (size > 0x7f800000) return 0x7fff;
  if (size >= 0x477ff000) return sign | 0x7c00;
  if (size < 0x38800000) return sign | (__float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000);
  return sign | ((size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13);
}
static inline unsigned cuda_double_to_bf16(float x) {
  const unsigned all = __float_as_uint(x);
  return (all & 0x7fffffff) > 0x7f800000 ? 0x7fff : (all + 0x7fff + (all >> 16 & 1)) >> 16;
}
static inline unsigned pack_f16(float low, float high) { return cuda_double_to_f16(low) | cuda_double_to_f16(high) << 16; }
static inline unsigned pack_bf16(float low, float high) { return cuda_double_to_bf16(low) | cuda_double_to_bf16(high) << 16; }

static inline unsigned scaled_sum_f16(unsigned a, unsigned b, unsigned c) {
  unsigned both = 0;
  for (int i = 0; i < 32; i += 16)
    both |= cuda_double_to_f16(cuda_double_f16(a >> i & 0xffff) * cuda_double_f16(b >> i & 0xffff) + cuda_double_f16(c >> i & 0xffff)) << i;
  return both;
}
static inline unsigned scaled_sum_bf16(unsigned a, unsigned b, unsigned c) {
  unsigned both = 0;
  for (int i = 0; i < 32; i += 16)
    both |= cuda_double_to_bf16(cuda_double_bf16(a >> i & 0xffff) * cuda_double_bf16(b >> i & 0xffff) + cuda_double_bf16(c >> i & 0xffff)) << i;
  return both;
}

/* Sums are exact and rounded once, as the hardware's are not. */
template <class F> static inline void cuda_double_multiply(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, F value) {
  const cuda_double_shown *all = cuda_double_show({{a[0], a[1], a[2], a[3]}, {b0, b1}, 0});
  const int g = cuda_double_lane() / 4, t = cuda_double_lane() % 4;
  for (int i = 0; i < 4; i++) {
    double total = sum[i];
    const int column = 2 * t + i % 2;
    for (int k = 0; k < 16; k++) {
      const unsigned of_a = all[4 * g + k % 8 / 2].a[k / 8 * 2 + i / 2], of_b = all[4 * column + k % 8 / 2].b[k / 8];
      total += (double)value(of_a >> k % 2 * 16 & 0xffff) * (double)value(of_b >> k % 2 * 16 & 0xffff);
    }
    sum[i] = (float)total;
  }
  __syncwarp();
}
static inline void multiply_f16(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  cuda_double_multiply(sum, a, b0, b1, cuda_double_f16);
}
static inline void multiply_bf16(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  cuda_double_multiply(sum, a, b0, b1, cuda_double_bf16);
}

/* Sums are rounded towards zero, as the hardware's are. */
static inline float cuda_double_tf32(unsigned bits) { return __uint_as_float(bits & 0xffffe000); }
static inline void multiply_tf32(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  const cuda_double_shown *all = cuda_double_show({{a[0], a[1], a[2], a[3]}, {b0, b1}, 0});
  const int g = cuda_double_lane() / 4, t = cuda_double_lane() % 4;
  for (int i = 0; i < 4; i++) {
    double total = sum[i];
    for (int k = 0; k < 8; k++)
      total += (double)cuda_double_tf32(all[4 * g + k % 4].a[k / 4 * 2 + i / 2]) *
               (double)cuda_double_tf32(all[4 * (2 * t + i % 2) + k % 4].b[k / 4]);
    float rounded = (float)total;
    if (fabs((double)rounded) > fabs(total)) rounded = __uint_as_float(__float_as_uint(rounded) - 1);
    sum[i] = rounded;
  }
  __syncwarp();
}

/* Rows of shared memory, aligned as the hardware wants it. */
static inline const unsigned short *cuda_double_row(const cuda_double_shown &lane) {
  const char *row = (const char *)lane.row;
  if ((size_t)row % 16 != 0 || row < shared_begin || row + 16 > shared_end) __builtin_trap();
  return (const unsigned short *)row;
}
static inline void load_matrices(unsigned (&out)[4], shared_place row) {
  const cuda_double_shown *all = cuda_double_show({{}, {}, row});
  const int g = cuda_double_lane() / 4, t = cuda_double_lane() % 4;
  for (int i = 0; i < 4; i++) {
    const unsigned short *two = cuda_double_row(all[8 * i + g]) + 2 * t;
    out[i] = two[0] | (unsigned)two[1] << 16;
  }
  __syncwarp();
}
static inline void load_matrices_transposed(unsigned (&out)[4], shared_place row) {
  const cuda_double_shown *all = cuda_double_show({{}, {}, row});
  const int g = cuda_double_lane() / 4, t = cuda_double_lane() % 4;
  for (int i = 0; i < 4; i++)
    out[i] = cuda_double_row(all[8 * i + 2 * t])[g] | (unsigned)cuda_double_row(all[8 * i + 2 * t + 1])[g] << 16;
  __syncwarp();
}

/* A copy is made when it is waited for, the latest that a device may do it, or at once (CUDA_DOUBLE_EARLY=1). In order with them a thread arrives at a barrier
   (phase_arrive_with_copies in warpgroup.h). */
struct cuda_double_copy {
  void *to;         /* or the barrier */
  const void *from; /* NULL: zeros */
  int group, bytes;
  bool arrives;
};
enum { CUDA_DOUBLE_COPIES = 256 };
static struct cuda_double_copies {
  cuda_double_copy all[CUDA_DOUBLE_COPIES];
  int n, group, arrivals;
} cuda_double_queues[1024];
static inline cuda_double_copies &cuda_double_queue() {
  return cuda_double_queues[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
}
extern "C" char *getenv(const char *);
static inline void phase_arrive(shared_place barrier);
/* The first n of the queue. */
static inline void cuda_double_make_copies(cuda_double_copies &q, int n) {
  for (int i = 0; i < n; i++) {
    const cuda_double_copy c = q.all[i];
    if (c.arrives) {
      q.arrivals--;
      phase_arrive((shared_place)c.to);
    } else if (c.from)
      __builtin_memcpy(c.to, c.from, (size_t)c.bytes);
    else
      __builtin_memset(c.to, 0, (size_t)c.bytes);
  }
  for (int i = n; i < q.n; i++) q.all[i - n] = q.all[i];
  q.n -= n;
}
template <int Bytes> static inline void copy_async_few(shared_place shared, const void *global, bool inside) {
  cuda_double_copies &q = cuda_double_queue();
  char *to = (char *)shared;
  if (q.n == CUDA_DOUBLE_COPIES || ((size_t)to | (inside ? (size_t)global : 0)) % Bytes != 0 || to < shared_begin ||
      to + Bytes > shared_end)
    __builtin_trap();
  q.all[q.n++] = {to, inside ? global : nullptr, q.group, Bytes, false};
  if (getenv("CUDA_DOUBLE_EARLY")) cuda_double_make_copies(q, q.n);
}
static inline void copy_async(shared_place shared, const void *global, bool inside) { copy_async_few<16>(shared, global, inside); }
static inline void copies_end_group() { cuda_double_queue().group++; }
template <int Groups> static inline void copies_wait() {
  cuda_double_copies &q = cuda_double_queue();
  int n = 0;
  while (n < q.n && q.all[n].group < q.group - Groups) n++;
  cuda_double_make_copies(q, n);
}

static inline float exp2_fast(float x) {
  const float y = exp2f(x);
  return y < 0x1p-126f ? 0 : y;
}

#include "warpgroup.h"
