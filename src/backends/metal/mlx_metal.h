/* mlx_metal.h: what kernels in Metal's language that are made for MLX find in its headers. Text, in front of such a kernel: it is
   never compiled with the library. */
#include <metal_stdlib>
using namespace metal;

typedef half float16_t;
#if __METAL_VERSION__ >= 310
typedef bfloat bfloat16_t;
#endif

struct complex64_t {
  float real, imag;
  complex64_t() = default;
  constexpr complex64_t(float r, float i) : real(r), imag(i) {}
  constexpr complex64_t(float r) : real(r), imag(0) {}
  explicit operator float() const { return real; }
};
inline complex64_t operator-(complex64_t a) { return complex64_t(-a.real, -a.imag); }
inline complex64_t operator+(complex64_t a, complex64_t b) {
  return complex64_t(a.real + b.real, a.imag + b.imag);
}
inline complex64_t operator-(complex64_t a, complex64_t b) {
  return complex64_t(a.real - b.real, a.imag - b.imag);
}
inline complex64_t operator*(complex64_t a, complex64_t b) {
  return complex64_t(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real);
}
inline complex64_t operator/(complex64_t a, complex64_t b) {
  const float d = b.real * b.real + b.imag * b.imag;
  return complex64_t((a.real * b.real + a.imag * b.imag) / d, (a.imag * b.real - a.real * b.imag) / d);
}
inline bool operator==(complex64_t a, complex64_t b) { return a.real == b.real && a.imag == b.imag; }
inline bool operator!=(complex64_t a, complex64_t b) { return !(a == b); }
inline bool operator<(complex64_t a, complex64_t b) {
  return a.real < b.real || (a.real == b.real && a.imag < b.imag);
}
inline bool operator>(complex64_t a, complex64_t b) { return b < a; }

template <typename N, typename M>
inline N ceildiv(N n, M m) {
  return (n + m - 1) / m;
}

/* Where element `elem` of an array lies. */
template <typename I = int64_t>
inline I elem_to_loc(I elem, constant const int *shape, constant const int64_t *strides, int ndim) {
  I place = 0;
  for (int d = ndim - 1; d >= 0 && elem > 0; d--) {
    place += elem % I(shape[d]) * I(strides[d]);
    elem /= I(shape[d]);
  }
  return place;
}
template <typename I = int64_t>
inline I elem_to_loc(uint3 elem, constant const int *shape, constant const int64_t *strides, int ndim) {
  I place = I(elem.x) * I(strides[ndim - 1]) + I(elem.y) * I(strides[ndim - 2]);
  for (int d = ndim - 3; d >= 0; d--) {
    place += I(elem.z % uint(shape[d])) * I(strides[d]);
    elem.z /= uint(shape[d]);
  }
  return place;
}
template <typename I = int64_t>
inline I elem_to_loc_1(uint elem, constant const int64_t &stride) {
  return I(elem) * I(stride);
}
template <typename I = int64_t>
inline I elem_to_loc_2(uint2 elem, constant const int64_t *strides) {
  return I(elem.x) * I(strides[1]) + I(elem.y) * I(strides[0]);
}
template <typename I = int64_t>
inline I elem_to_loc_3(uint3 elem, constant const int64_t *strides) {
  return I(elem.x) * I(strides[2]) + I(elem.y) * I(strides[1]) + I(elem.z) * I(strides[0]);
}
