/* mlx_cuda.h: what a kernel written for mx.fast.cuda_kernel finds in MLX's and NVIDIA's headers, none of which
   are there: the names of halves, shapes and strides by value, cooperative groups of a grid, a block and a
   warp. Text behind metal/numbers.h, whose half and bfloat these are; never compiled with the library. */
typedef metal::half __half;
typedef metal::bfloat __nv_bfloat16;
typedef __half half;
typedef __nv_bfloat16 nv_bfloat16;
inline float __half2float(__half x) { return x; }
inline __half __float2half(float x) { return x; }
inline __half __float2half_rn(float x) { return x; }
inline float __bfloat162float(__nv_bfloat16 x) { return x; }
inline __nv_bfloat16 __float2bfloat16(float x) { return x; }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }

namespace cuda {
namespace std {
using metal::conditional_t;
using metal::enable_if_t;
using metal::is_floating_point_v;
using metal::is_integral_v;
using metal::is_same_v;
using metal::is_unsigned_v;
using metal::numeric_limits;
using metal::remove_reference_t;
template <class T, int N>
struct array {
  T elements[N];
  T &operator[](int i) { return elements[i]; }
  const T &operator[](int i) const { return elements[i]; }
  const T *data() const { return elements; }
};
} // namespace std
} // namespace cuda

namespace cooperative_groups {

struct grid_group {
  unsigned long long thread_rank() const {
    const unsigned long long block =
        blockIdx.x +
        (unsigned long long)gridDim.x * (blockIdx.y + (unsigned long long)gridDim.y * blockIdx.z);
    return block * (blockDim.x * blockDim.y * blockDim.z) + threadIdx.x +
           blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }
  unsigned long long size() const {
    return (unsigned long long)gridDim.x * gridDim.y * gridDim.z * blockDim.x * blockDim.y * blockDim.z;
  }
  unsigned long long num_threads() const { return size(); }
  unsigned long long block_rank() const {
    return blockIdx.x +
           (unsigned long long)gridDim.x * (blockIdx.y + (unsigned long long)gridDim.y * blockIdx.z);
  }
};
struct thread_block {
  unsigned thread_rank() const { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
  unsigned size() const { return blockDim.x * blockDim.y * blockDim.z; }
  unsigned num_threads() const { return size(); }
  auto thread_index() const { return threadIdx; }
  auto group_index() const { return blockIdx; }
  void sync() const { __syncthreads(); }
};
/* Width: a power of two up to 32. */
template <int Width>
struct thread_block_tile {
  unsigned thread_rank() const { return thread_block().thread_rank() % Width; }
  unsigned meta_group_rank() const { return thread_block().thread_rank() / Width; }
  unsigned meta_group_size() const { return (thread_block().size() + Width - 1) / Width; }
  unsigned size() const { return Width; }
  unsigned num_threads() const { return Width; }
  void sync() const { __syncwarp(__activemask()); }
  template <class T>
  T shfl(T x, int from) const {
    return __shfl_sync(__activemask(), x, from, Width);
  }
  template <class T>
  T shfl_down(T x, unsigned by) const {
    return __shfl_down_sync(__activemask(), x, by, Width);
  }
  template <class T>
  T shfl_up(T x, unsigned by) const {
    return __shfl_up_sync(__activemask(), x, by, Width);
  }
  template <class T>
  T shfl_xor(T x, unsigned bits) const {
    return __shfl_xor_sync(__activemask(), x, (int)bits, Width);
  }
};
inline grid_group this_grid() { return {}; }
inline thread_block this_thread_block() { return {}; }
template <int Width>
inline thread_block_tile<Width> tiled_partition(thread_block) {
  return {};
}
inline void sync(thread_block b) { b.sync(); }

template <class T>
struct plus {
  T operator()(T a, T b) const { return a + b; }
};
template <class T>
struct greater {
  T operator()(T a, T b) const { return a > b ? a : b; }
};
template <class T>
struct less {
  T operator()(T a, T b) const { return a < b ? a : b; }
};
template <int Width, class T, class Join>
inline T reduce(thread_block_tile<Width> tile, T x, Join join) {
  for (int gap = Width / 2; gap; gap /= 2) x = join(x, tile.shfl_xor(x, (unsigned)gap));
  return x;
}

} // namespace cooperative_groups

#define MAX_NDIM 10
#define WARP_SIZE 32

namespace mlx {
namespace core {
namespace cu {

using metal::bfloat16_t;
using metal::float16_t;
typedef cuda::std::array<int, MAX_NDIM> Shape;
typedef cuda::std::array<int64_t, MAX_NDIM> Strides;

struct complex64_t : metal::complex64_t {
  complex64_t() = default;
  complex64_t(float r, float i = 0) : metal::complex64_t(r, i) {}
  complex64_t(metal::complex64_t z) : metal::complex64_t(z) {}
};

template <class I = int64_t>
inline I elem_to_loc(I elem, const int *shape, const int64_t *strides, int ndim) {
  I place = 0;
  for (int d = ndim - 1; d >= 0 && elem > 0; d--) {
    place += elem % (I)shape[d] * (I)strides[d];
    elem /= (I)shape[d];
  }
  return place;
}
template <class I>
inline I elem_to_loc(I elem, const Shape &shape, const Strides &strides, int ndim) {
  return elem_to_loc(elem, shape.data(), strides.data(), ndim);
}

template <int N, class I = int64_t>
inline I elem_to_loc_nd(I elem, const int *shape, const int64_t *strides) {
  return elem_to_loc(elem, shape, strides, N);
}

/* N elements that are moved at once where they are aligned; `size` elements there are, what lies beyond them is
   `other`, and is not stored. */
template <class T, int N>
struct alignas(sizeof(T) * N) AlignedVector {
  T val[N];
  T &operator[](int i) { return val[i]; }
  T operator[](int i) const { return val[i]; }
};
template <int N, class T>
inline bool is_aligned(T *p) {
  return (unsigned long long)p % (N * sizeof(T)) == 0;
}
template <int N, class T>
inline AlignedVector<T, N> unsafe_load_vector(const T *p, uint32_t offset) {
  return ((const AlignedVector<T, N> *)p)[offset];
}
template <int N, class T, class Size>
inline AlignedVector<T, N> load_vector(const T *p, uint32_t offset, Size size, int64_t stride, T other) {
  if (stride == 1 && is_aligned<N>(p) && (offset + 1) * N <= size) return unsafe_load_vector<N>(p, offset);
  AlignedVector<T, N> v;
  for (uint32_t i = 0; i < N; i++) v[i] = offset * N + i < size ? p[stride * (offset * N + i)] : other;
  return v;
}
template <int N, class T, class Size>
inline AlignedVector<T, N> load_vector(const T *p, uint32_t offset, Size size, T other) {
  return load_vector<N>(p, offset, size, (int64_t)1, other);
}
template <int N, class T>
inline AlignedVector<T, N> load_vector(const T *p, uint32_t offset) {
  return load_vector<N>(p, offset, (uint32_t)-1, (int64_t)1, T());
}
template <int N, class T>
inline void unsafe_store_vector(T *p, uint32_t offset, const AlignedVector<T, N> &v) {
  ((AlignedVector<T, N> *)p)[offset] = v;
}
template <int N, class T, class Size>
inline void store_vector(T *p, uint32_t offset, const AlignedVector<T, N> &v, Size size, int64_t stride) {
  if (stride == 1 && is_aligned<N>(p) && (offset + 1) * N <= size) {
    unsafe_store_vector(p, offset, v);
    return;
  }
  for (uint32_t i = 0; i < N && offset * N + i < size; i++) p[stride * (offset * N + i)] = v[(int)i];
}
template <int N, class T, class Size>
inline void store_vector(T *p, uint32_t offset, const AlignedVector<T, N> &v, Size size) {
  store_vector(p, offset, v, size, (int64_t)1);
}
template <int N, class T>
inline void store_vector(T *p, uint32_t offset, const AlignedVector<T, N> &v) {
  store_vector(p, offset, v, (uint32_t)-1, (int64_t)1);
}

} // namespace cu
} // namespace core
} // namespace mlx

/* An argument of the kernel: a pointer to whatever it says; numbers as a value. */
struct argument_pointer {
  const void *at;
  template <class T>
  operator T *() const {
    return (T *)at;
  }
};
template <class List, class Number>
inline List argument_list(const Number *at, int n) {
  List list;
  for (int i = 0; i < MAX_NDIM; i++) list[i] = i < n ? at[i] : 0;
  return list;
}
