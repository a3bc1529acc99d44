/* numbers.h: Metal's scalar types in CUDA C++: half, bfloat, MLX's complex64_t, bits, limits, traits. Text, of
   which a Metal kernel's prologue begins (cmake/library.cmake has the order); never compiled with the
   library.

   All is in the namespace metal, and so is the kernel: what it calls float4 or exp is found there before
   CUDA's own. */
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned uint32_t;
typedef unsigned long long uint64_t;

/* As dialect.h has it. */
typedef struct numbers {
  int64_t at[96];
} numbers;
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1107
#define NUMBERS const __grid_constant__ numbers v
#else
#define NUMBERS const numbers v
#endif

#define METAL_FUNC inline
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)
#define HUGE_VALF INFINITY
#define MAXFLOAT __int_as_float(0x7f7fffff)
#define FLT_MAX MAXFLOAT
#define FLT_MIN __int_as_float(0x00800000)
#define FLT_EPSILON __int_as_float(0x34000000)
#define HALF_MAX (metal::half(65504.0f))
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 0xffffffffu
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.78539816339744830962f
#define M_1_PI_F 0.31830988618379067154f
#define M_2_PI_F 0.63661977236758134308f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_E_F 2.71828182845904523536f
#define M_LN2_F 0.69314718055994530942f
#define M_LN10_F 2.30258509299404568402f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.43429448190325182765f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.70710678118654752440f

namespace metal {

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned uint;
typedef unsigned long ulong;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef uchar uint8_t;
typedef ushort uint16_t;
typedef uint uint32_t;
typedef ulong uint64_t;
typedef ulong size_t;
typedef long ptrdiff_t;
typedef ulong uintptr_t;

/* ---- traits ---- */

template <class T, T value_>
struct integral_constant {
  static constexpr T value = value_;
  typedef T value_type;
  typedef integral_constant type;
  constexpr operator T() const { return value_; }
};
typedef integral_constant<bool, true> true_type;
typedef integral_constant<bool, false> false_type;
template <bool B>
using bool_constant = integral_constant<bool, B>;
template <bool B, class T = void>
struct enable_if {};
template <class T>
struct enable_if<true, T> {
  typedef T type;
};
template <bool B, class T = void>
using enable_if_t = typename enable_if<B, T>::type;
template <bool B, class T, class F>
struct conditional {
  typedef T type;
};
template <class T, class F>
struct conditional<false, T, F> {
  typedef F type;
};
template <bool B, class T, class F>
using conditional_t = typename conditional<B, T, F>::type;
template <class T, class U>
struct is_same : false_type {};
template <class T>
struct is_same<T, T> : true_type {};
template <class T, class U>
constexpr bool is_same_v = is_same<T, U>::value;
template <class T>
struct remove_const {
  typedef T type;
};
template <class T>
struct remove_const<const T> {
  typedef T type;
};
template <class T>
struct remove_volatile {
  typedef T type;
};
template <class T>
struct remove_volatile<volatile T> {
  typedef T type;
};
template <class T>
struct remove_cv {
  typedef typename remove_volatile<typename remove_const<T>::type>::type type;
};
template <class T>
using remove_cv_t = typename remove_cv<T>::type;
template <class T>
struct remove_reference {
  typedef T type;
};
template <class T>
struct remove_reference<T &> {
  typedef T type;
};
template <class T>
struct remove_reference<T &&> {
  typedef T type;
};
template <class T>
using remove_reference_t = typename remove_reference<T>::type;
template <class T>
struct remove_pointer {
  typedef T type;
};
template <class T>
struct remove_pointer<T *> {
  typedef T type;
};
template <class T>
using remove_pointer_t = typename remove_pointer<T>::type;
template <class T>
T &&declval() noexcept;

/* Of a C++ arithmetic type: 1 bool, 2 signed, 3 unsigned, 4 floating; else 0. */
template <class T>
struct native_kind : integral_constant<int, 0> {};
template <>
struct native_kind<bool> : integral_constant<int, 1> {};
template <>
struct native_kind<char> : integral_constant<int, 2> {};
template <>
struct native_kind<signed char> : integral_constant<int, 2> {};
template <>
struct native_kind<short> : integral_constant<int, 2> {};
template <>
struct native_kind<int> : integral_constant<int, 2> {};
template <>
struct native_kind<long> : integral_constant<int, 2> {};
template <>
struct native_kind<long long> : integral_constant<int, 2> {};
template <>
struct native_kind<uchar> : integral_constant<int, 3> {};
template <>
struct native_kind<ushort> : integral_constant<int, 3> {};
template <>
struct native_kind<uint> : integral_constant<int, 3> {};
template <>
struct native_kind<ulong> : integral_constant<int, 3> {};
template <>
struct native_kind<unsigned long long> : integral_constant<int, 3> {};
template <>
struct native_kind<float> : integral_constant<int, 4> {};
template <>
struct native_kind<double> : integral_constant<int, 4> {};

/* ---- bits ---- */

template <class To, class From>
inline To as_type(From x) {
  static_assert(sizeof(To) == sizeof(From), "as_type: both have as many bytes");
  union both {
    From from;
    To to;
    both() {}
  } b;
  b.from = x;
  return b.to;
}

/* ---- half, bfloat: each operation is rounded, as there ---- */

inline float float_of_half(ushort h) {
  const uint magnitude = h & 0x7fffu, sign = (uint)(h & 0x8000u) << 16;
  if (magnitude >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  /* 2^112 moves the exponent, and makes numbers of the subnormal */
  return __uint_as_float(sign |
                         __float_as_uint(__uint_as_float(magnitude << 13) * __uint_as_float(0x77800000u)));
}
inline ushort half_of_float(float x) {
  const uint bits = __float_as_uint(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (ushort)(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return (ushort)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) /* subnormal: an addition rounds to its last bit */
    return (ushort)(sign | (__float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000u));
  return (ushort)(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}
inline float float_of_bfloat(ushort b) { return __uint_as_float((uint)b << 16); }
inline ushort bfloat_of_float(float x) {
  const uint bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (ushort)(bits >> 16 | 0x40u);
  return (ushort)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* With integers they stay what they are, with float and double they become that. */
#define NARROW_OPERATOR(type, op)                                                                    \
  inline type operator op(type a, type b) { return type((float)a op(float) b); }                     \
  template <class N>                                                                                 \
  inline enable_if_t<native_kind<N>::value != 0, conditional_t<native_kind<N>::value == 4, N, type>> \
  operator op(type a, N b) {                                                                         \
    return (float)a op(conditional_t<native_kind<N>::value == 4, N, float>) b;                       \
  }                                                                                                  \
  template <class N>                                                                                 \
  inline enable_if_t<native_kind<N>::value != 0, conditional_t<native_kind<N>::value == 4, N, type>> \
  operator op(N a, type b) {                                                                         \
    return (conditional_t<native_kind<N>::value == 4, N, float>)a op(float) b;                       \
  }                                                                                                  \
  template <class N>                                                                                 \
  inline type &operator op##=(type &a, N b) {                                                        \
    return a = type((float)a op(float) b);                                                           \
  }
#define NARROW_FLOAT(type)                                                                     \
  struct type {                                                                                \
    ushort bits;                                                                               \
    type() = default;                                                                          \
    template <class N, class = enable_if_t<native_kind<N>::value != 0 || is_narrow<N>::value>> \
    type(N x) : bits(type##_of_float((float)x)) {}                                             \
    operator float() const { return float_of_##type(bits); }                                   \
    type operator-() const { return as_type<type>((ushort)(bits ^ 0x8000u)); }                 \
    type operator+() const { return *this; }                                                   \
    type &operator++() { return *this = type((float)*this + 1); }                              \
  };                                                                                           \
  NARROW_OPERATOR(type, +) NARROW_OPERATOR(type, -) NARROW_OPERATOR(type, *) NARROW_OPERATOR(type, /)
struct half;
struct bfloat;
template <class T>
struct is_narrow : bool_constant<is_same<T, half>::value || is_same<T, bfloat>::value> {};
NARROW_FLOAT(half)
NARROW_FLOAT(bfloat)
#undef NARROW_FLOAT
#undef NARROW_OPERATOR
typedef half float16_t;
typedef bfloat bfloat16_t;
template <class T>
struct is_floating_point : bool_constant<native_kind<T>::value == 4 || is_narrow<T>::value> {};
template <class T>
constexpr bool is_floating_point_v = is_floating_point<T>::value;
template <class T>
struct is_integral : bool_constant<(native_kind<T>::value > 0 && native_kind<T>::value < 4)> {};
template <class T>
constexpr bool is_integral_v = is_integral<T>::value;
template <class T>
struct is_arithmetic : bool_constant<is_integral<T>::value || is_floating_point<T>::value> {};
template <class T>
constexpr bool is_arithmetic_v = is_arithmetic<T>::value;
template <class T>
struct is_signed : bool_constant<native_kind<T>::value == 2 || is_floating_point<T>::value> {};
template <class T>
constexpr bool is_signed_v = is_signed<T>::value;
template <class T>
struct is_unsigned : bool_constant<native_kind<T>::value == 3 || native_kind<T>::value == 1> {};
template <class T>
constexpr bool is_unsigned_v = is_unsigned<T>::value;

/* ---- limits ---- */

template <class T>
struct numeric_limits {
  static constexpr bool is_specialized = true, is_integer = true, has_infinity = false;
  static constexpr T max() {
    return is_signed<T>::value ? (T)(((ulong)1 << (8 * sizeof(T) - 1)) - 1) : (T) ~(T)0;
  }
  static constexpr T lowest() { return is_signed<T>::value ? (T)((ulong)1 << (8 * sizeof(T) - 1)) : (T)0; }
  static constexpr T min() { return lowest(); }
};
#define FLOAT_LIMITS(type, top, least, step)                                              \
  template <>                                                                             \
  struct numeric_limits<type> {                                                           \
    static constexpr bool is_specialized = true, is_integer = false, has_infinity = true; \
    static type max() { return __int_as_float(top); }                                     \
    static type lowest() { return -__int_as_float(top); }                                 \
    static type min() { return __int_as_float(least); }                                   \
    static type epsilon() { return __int_as_float(step); }                                \
    static type infinity() { return INFINITY; }                                           \
    static type quiet_NaN() { return NAN; }                                               \
  };
FLOAT_LIMITS(float, 0x7f7fffff, 0x00800000, 0x34000000)
FLOAT_LIMITS(half, 0x477fe000, 0x38800000, 0x3a800000)
FLOAT_LIMITS(bfloat, 0x7f7f0000, 0x00800000, 0x3c000000)
#undef FLOAT_LIMITS

/* ---- complex numbers, which are MLX's ---- */

struct complex64_t {
  float real, imag;
  complex64_t() = default;
  complex64_t(float r, float i) : real(r), imag(i) {}
  template <class N, class = enable_if_t<is_arithmetic<N>::value>>
  complex64_t(N r) : real((float)r), imag(0) {}
  explicit operator float() const { return real; }
  complex64_t operator-() const { return {-real, -imag}; }
  friend complex64_t operator+(complex64_t a, complex64_t b) { return {a.real + b.real, a.imag + b.imag}; }
  friend complex64_t operator-(complex64_t a, complex64_t b) { return {a.real - b.real, a.imag - b.imag}; }
  friend complex64_t operator*(complex64_t a, complex64_t b) {
    return {a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real};
  }
  friend complex64_t operator/(complex64_t a, complex64_t b) {
    const float d = b.real * b.real + b.imag * b.imag;
    return {(a.real * b.real + a.imag * b.imag) / d, (a.imag * b.real - a.real * b.imag) / d};
  }
  friend bool operator==(complex64_t a, complex64_t b) { return a.real == b.real && a.imag == b.imag; }
  friend bool operator!=(complex64_t a, complex64_t b) { return !(a == b); }
  friend bool operator<(complex64_t a, complex64_t b) {
    return a.real < b.real || (a.real == b.real && a.imag < b.imag);
  }
  friend bool operator>(complex64_t a, complex64_t b) { return b < a; }
  complex64_t &operator+=(complex64_t b) { return *this = *this + b; }
  complex64_t &operator-=(complex64_t b) { return *this = *this - b; }
  complex64_t &operator*=(complex64_t b) { return *this = *this * b; }
};

} // namespace metal
