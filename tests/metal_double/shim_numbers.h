/* shim_numbers.h: numbers of the Metal Shading Language and functions of them, for kernels that are compiled as C++ for the host.
   Part of shim.h. Halves are computed in float and rounded; vectors are Clang's, and have no constructors of several
   parts. */

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")

template <class To, class From>
static inline To as_type(From x) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}

/* ---- halves: the upper half of a float, or five bits of exponent; the nearest, of two the even one ---- */

struct bfloat {
  uint16_t bits;
  bfloat() = default;
  bfloat(float x) {
    const uint32_t u = as_type<uint32_t>(x);
    bits = x != x ? 0x7fc0 : (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
  }
  operator float() const { return as_type<float>((uint32_t)bits << 16); }
};
struct half {
  uint16_t bits;
  half() = default;
  half(float x) {
    const uint32_t u = as_type<uint32_t>(x), sign = u >> 16 & 0x8000;
    const float size = __builtin_fabsf(x), step = size < 6.103515625e-05f ? 5.9604645e-08f : 0;
    uint32_t v = as_type<uint32_t>(size);
    if (x != x)
      bits = 0x7e00;
    else if (size >= 65520)
      bits = (uint16_t)(sign | 0x7c00);
    else if (step) /* so many of the least one */
      bits = (uint16_t)(sign | (uint32_t)__builtin_rintf(size / step));
    else
      bits = (uint16_t)(sign | ((v + 0xfff + (v >> 13 & 1) - (112u << 23)) >> 13));
  }
  operator float() const {
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? as_type<float>((exponent + 112) << 23 | fraction << 13)
                                      : (float)fraction * 5.9604645e-08f;
    return bits >> 15 ? -size : size;
  }
};
static inline half operator""h(long double x) { return half((float)x); }

/* ---- functions ---- */

namespace metal {
#define METAL_DOUBLE_MATH1(name) \
  static inline float name(float x) { return __builtin_##name##f(x); }
#define METAL_DOUBLE_MATH2(name) \
  static inline float name(float x, float y) { return __builtin_##name##f(x, y); }
#define METAL_DOUBLE_MATH      \
  METAL_DOUBLE_MATH1(acos)     \
  METAL_DOUBLE_MATH1(acosh)    \
  METAL_DOUBLE_MATH1(asin)     \
  METAL_DOUBLE_MATH1(asinh)    \
  METAL_DOUBLE_MATH1(atan)     \
  METAL_DOUBLE_MATH1(atanh)    \
  METAL_DOUBLE_MATH1(ceil)     \
  METAL_DOUBLE_MATH1(cos)      \
  METAL_DOUBLE_MATH1(cosh)     \
  METAL_DOUBLE_MATH1(exp)      \
  METAL_DOUBLE_MATH1(exp2)     \
  METAL_DOUBLE_MATH1(fabs)     \
  METAL_DOUBLE_MATH1(floor)    \
  METAL_DOUBLE_MATH1(log)      \
  METAL_DOUBLE_MATH1(log10)    \
  METAL_DOUBLE_MATH1(log2)     \
  METAL_DOUBLE_MATH1(rint)     \
  METAL_DOUBLE_MATH1(round)    \
  METAL_DOUBLE_MATH1(sin)      \
  METAL_DOUBLE_MATH1(sinh)     \
  METAL_DOUBLE_MATH1(sqrt)     \
  METAL_DOUBLE_MATH1(tan)      \
  METAL_DOUBLE_MATH1(tanh)     \
  METAL_DOUBLE_MATH1(trunc)    \
  METAL_DOUBLE_MATH2(atan2)    \
  METAL_DOUBLE_MATH2(copysign) \
  METAL_DOUBLE_MATH2(fmax)     \
  METAL_DOUBLE_MATH2(fmin)     \
  METAL_DOUBLE_MATH2(fmod)     \
  METAL_DOUBLE_MATH2(pow)      \
  static inline float rsqrt(float x) { return 1 / __builtin_sqrtf(x); }
METAL_DOUBLE_MATH
namespace precise {
METAL_DOUBLE_MATH
}
namespace fast {
METAL_DOUBLE_MATH
}
static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline bool isnan(float x) { return x != x; }
static inline bool isinf(float x) { return __builtin_fabsf(x) == INFINITY; }

template <class T>
static inline T max(T a, T b) {
  return a < b ? b : a;
}
template <class T>
static inline T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
static inline T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}
template <class T>
static inline T select(T a, T b, bool second) {
  return second ? b : a;
}
static inline uint popcount(uint x) { return (uint)__builtin_popcount(x); }
static inline ulong popcount(ulong x) { return (ulong)__builtin_popcountl(x); }
static inline uint clz(uint x) { return x ? (uint)__builtin_clz(x) : 32; }
static inline uint ctz(uint x) { return x ? (uint)__builtin_ctz(x) : 32; }
static inline uint extract_bits(uint x, uint from, uint count) { return x >> from & ((1u << count) - 1); }
} // namespace metal
