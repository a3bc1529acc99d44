/* matrices.h: matrices of 8 x 8 that a simdgroup holds together, in CUDA C++. Text behind threads.h.

   Each lane holds two elements that stand side by side, as Apple's GPUs have it and kernels that look at thread_elements()
   rely on: bits 4, 2, 1 of the lane are its row, bits 3 and 0 its pair of columns. Products go by exchanges of lanes, term
   by term in order, in float. */
namespace metal {

inline uint matrix_row() { return (lane_of_simd() >> 2 & 4) | (lane_of_simd() >> 1 & 3); }
inline uint matrix_column() { return (lane_of_simd() >> 1 & 4) | (lane_of_simd() << 1 & 2); }
/* The lane that holds the elements in columns 2 pair and 2 pair + 1 of a row. */
inline uint matrix_lane(uint row, uint pair) {
  return (row & 4) << 2 | (pair & 2) << 2 | (row & 3) << 1 | (pair & 1);
}

template <class T, int Columns = 8, int Rows = Columns>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "a simdgroup holds matrices of 8 x 8");
  vec<T, 2> held;
  simdgroup_matrix() = default;
  /* With `x` along the diagonal. */
  explicit simdgroup_matrix(T x) {
    held.x = matrix_row() == matrix_column() ? x : T(0);
    held.y = matrix_row() == matrix_column() + 1 ? x : T(0);
  }
  vec<T, 2> &thread_elements() { return held; }
  const vec<T, 2> &thread_elements() const { return held; }
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <class T, int Columns, int Rows>
inline simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T x) {
  simdgroup_matrix<T, Columns, Rows> m;
  m.held.x = m.held.y = x;
  return m;
}
template <class T, int Columns, int Rows>
inline simdgroup_matrix<T, Columns, Rows> make_diagonal_simdgroup_matrix(T x) {
  return simdgroup_matrix<T, Columns, Rows>(x);
}

/* Where this lane's element of column `column` lies; `origin` is a column and a row. */
inline ulong matrix_place(ulong elements_per_row, vec<ulong, 2> origin, bool transposed, uint column) {
  const ulong row = transposed ? column : matrix_row(), beside = transposed ? matrix_row() : column;
  return (origin.y + row) * elements_per_row + origin.x + beside;
}
template <class T, class S>
inline void simdgroup_load(simdgroup_matrix<T, 8, 8> &m, const S *from, ulong elements_per_row = 8,
                           vec<ulong, 2> origin = vec<ulong, 2>(0), bool transposed = false) {
  m.held.x = from[matrix_place(elements_per_row, origin, transposed, matrix_column())];
  m.held.y = from[matrix_place(elements_per_row, origin, transposed, matrix_column() + 1)];
}
template <class T, class S>
inline void simdgroup_store(const simdgroup_matrix<T, 8, 8> &m, S *to, ulong elements_per_row = 8,
                            vec<ulong, 2> origin = vec<ulong, 2>(0), bool transposed = false) {
  to[matrix_place(elements_per_row, origin, transposed, matrix_column())] = m.held.x;
  to[matrix_place(elements_per_row, origin, transposed, matrix_column() + 1)] = m.held.y;
}

template <class D, class A, class B, class C>
inline void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8> &d, simdgroup_matrix<A, 8, 8> a,
                                          simdgroup_matrix<B, 8, 8> b, simdgroup_matrix<C, 8, 8> c) {
  const uint row = matrix_row(), pair = matrix_column() / 2;
  float x = (float)c.held.x, y = (float)c.held.y;
#pragma unroll
  for (uint k = 0; k < 8; k++) {
    const vec<A, 2> of_a = shuffled(a.held, matrix_lane(row, k / 2), 32);
    const vec<B, 2> of_b = shuffled(b.held, matrix_lane(k, pair), 32);
    const float factor = (float)(k % 2 ? of_a.y : of_a.x);
    x = __fmaf_rn(factor, (float)of_b.x, x);
    y = __fmaf_rn(factor, (float)of_b.y, y);
  }
  d.held.x = D(x);
  d.held.y = D(y);
}
template <class D, class A, class B>
inline void simdgroup_multiply(simdgroup_matrix<D, 8, 8> &d, simdgroup_matrix<A, 8, 8> a,
                               simdgroup_matrix<B, 8, 8> b) {
  simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<float, 8, 8>(0));
}
template <class A, class B>
inline simdgroup_matrix<A, 8, 8> operator*(simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b) {
  simdgroup_matrix<A, 8, 8> d;
  simdgroup_multiply(d, a, b);
  return d;
}

} // namespace metal
