/* math.h: Metal's functions of numbers in CUDA C++, of scalars and by element of vectors. Text behind
   vectors.h.

   Those of half and bfloat are computed in float and rounded. fast:: and precise:: are the same ones: how
   exact they are is the compiler's option (custom_cuda.c). */
namespace metal {

/* name(float) gives the ones of half, bfloat and vectors. */
#define MATH1(name, expression)                                       \
  inline float name(float x) { return expression; }                   \
  inline half name(half x) { return name((float)x); }                 \
  inline bfloat name(bfloat x) { return name((float)x); }             \
  template <class A>                                                  \
  inline vector_of<A> name(const A &a) {                              \
    vector_of<A> x = a;                                               \
    for (int i = 0; i < vector_like<A>::size; i++) x[i] = name(x[i]); \
    return x;                                                         \
  }
#define MATH2(name, expression)                                                     \
  inline float name(float x, float y) { return expression; }                        \
  inline half name(half x, half y) { return name((float)x, (float)y); }             \
  inline bfloat name(bfloat x, bfloat y) { return name((float)x, (float)y); }       \
  template <class A, class B>                                                       \
  inline met<A, B> name(const A &a, const B &b) {                                   \
    met<A, B> x = a, y = b;                                                         \
    for (int i = 0; i < vector_like<met<A, B>>::size; i++) x[i] = name(x[i], y[i]); \
    return x;                                                                       \
  }
/* What scalars of any kind have, with vectors in place of each. */
#define VECTORS3(name)                                                            \
  template <class A, class B, class C>                                            \
  inline vector_of<A> name(const A &a, const B &b, const C &c) {                  \
    vector_of<A> x = a, y = b, z = c;                                             \
    for (int i = 0; i < vector_like<A>::size; i++) x[i] = name(x[i], y[i], z[i]); \
    return x;                                                                     \
  }

MATH1(acos, acosf(x))
MATH1(acosh, acoshf(x))
MATH1(asin, asinf(x))
MATH1(asinh, asinhf(x))
MATH1(atan, atanf(x))
MATH1(atanh, atanhf(x))
MATH1(ceil, ceilf(x))
MATH1(cos, cosf(x))
MATH1(cosh, coshf(x))
MATH1(cospi, cosf(M_PI_F *x))
MATH1(exp, expf(x))
MATH1(exp2, exp2f(x))
MATH1(exp10, expf(M_LN10_F *x))
MATH1(expm1, expm1f(x))
MATH1(erf, erff(x))
MATH1(fabs, fabsf(x))
MATH1(floor, floorf(x))
MATH1(fract, x - floorf(x))
MATH1(log, logf(x))
MATH1(log1p, log1pf(x))
MATH1(log2, log2f(x))
MATH1(log10, log10f(x))
MATH1(rint, rintf(x))
MATH1(round, roundf(x))
MATH1(rsqrt, 1 / sqrtf(x))
MATH1(saturate, fminf(fmaxf(x, 0.0f), 1.0f))
MATH1(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x == 0 ? x : 0.0f)
MATH1(sin, sinf(x))
MATH1(sinh, sinhf(x))
MATH1(sinpi, sinf(M_PI_F *x))
MATH1(sqrt, sqrtf(x))
MATH1(tan, tanf(x))
MATH1(tanh, tanhf(x))
MATH1(tanpi, tanf(M_PI_F *x))
MATH1(trunc, truncf(x))
MATH2(atan2, atan2f(x, y))
MATH2(copysign, copysignf(x, y))
MATH2(divide, x / y)
MATH2(fdim, x > y ? x - y : x <= y ? 0.0f : NAN)
MATH2(fmax, fmaxf(x, y))
MATH2(fmin, fminf(x, y))
MATH2(fmod, fmodf(x, y))
MATH2(pow, powf(x, y))
MATH2(powr, powf(x, y))
MATH2(step, y < x ? 0.0f : 1.0f)

inline float fma(float x, float y, float z) { return __fmaf_rn(x, y, z); }
inline half fma(half x, half y, half z) { return fma((float)x, (float)y, (float)z); }
inline bfloat fma(bfloat x, bfloat y, bfloat z) { return fma((float)x, (float)y, (float)z); }
VECTORS3(fma)
inline float mix(float x, float y, float a) { return x + (y - x) * a; }
inline half mix(half x, half y, half a) { return mix((float)x, (float)y, (float)a); }
inline bfloat mix(bfloat x, bfloat y, bfloat a) { return mix((float)x, (float)y, (float)a); }
VECTORS3(mix)
inline float smoothstep(float low, float high, float x) {
  const float t = saturate((x - low) / (high - low));
  return t * t * (3 - 2 * t);
}
VECTORS3(smoothstep)

inline float ldexp(float x, int n) { return x * exp2f((float)(n / 2)) * exp2f((float)(n - n / 2)); }
inline float frexp(float x, int &exponent) {
  exponent = 0;
  if (x == 0 || x - x != 0) return x;
  float scaled = x;
  int shift = 0;
  if (fabsf(x) < FLT_MIN) scaled = x * 16777216.0f, shift = 24;
  const uint bits = __float_as_uint(scaled);
  exponent = (int)(bits >> 23 & 0xffu) - 126 - shift;
  return __uint_as_float((bits & 0x807fffffu) | 0x3f000000u);
}
inline float modf(float x, float &whole) {
  whole = truncf(x);
  return copysignf(x - whole, x);
}
inline float sincos(float x, float &cosine) {
  cosine = cosf(x);
  return sinf(x);
}

/* ---- of floats and integers ---- */

/* What two scalars meet in, as in an expression. */
template <class A, class B>
using common = enable_if_t<
    is_arithmetic<A>::value && is_arithmetic<B>::value,
    conditional_t<is_same<A, B>::value, A,
                  remove_cv_t<decltype(true ? declval<A>() + declval<B>() : declval<A>() + declval<B>())>>>;

#define EITHER(name, expression)                                                    \
  template <class A, class B>                                                       \
  inline common<A, B> name(A a, B b) {                                              \
    const common<A, B> x = a, y = b;                                                \
    return expression;                                                              \
  }                                                                                 \
  template <class A, class B>                                                       \
  inline met<A, B> name(const A &a, const B &b) {                                   \
    met<A, B> x = a, y = b;                                                         \
    for (int i = 0; i < vector_like<met<A, B>>::size; i++) x[i] = name(x[i], y[i]); \
    return x;                                                                       \
  }
/* Of a number and a NaN: the number. */
EITHER(max, x != x || x < y ? y : x)
EITHER(min, x != x || y < x ? y : x)
EITHER(absdiff, x < y ? y - x : x - y)
template <class A, class B, class C>
inline enable_if_t<is_arithmetic<A>::value, A> clamp(A x, B low, C high) {
  return min(max(x, (A)low), (A)high);
}
VECTORS3(clamp)
template <class A>
inline enable_if_t<is_arithmetic<A>::value, A> abs(A x) {
  return is_floating_point<A>::value ? (A)fabsf((float)x) : x < (A)0 ? (A)-x : x;
}
template <class A>
inline vector_of<A> abs(const A &a) {
  vector_of<A> x = a;
  for (int i = 0; i < vector_like<A>::size; i++) x[i] = abs(x[i]);
  return x;
}

#define TEST(name, expression)                                        \
  template <class A>                                                  \
  inline enable_if_t<is_arithmetic<A>::value, bool> name(A a) {       \
    const float x = (float)a;                                         \
    return expression;                                                \
  }                                                                   \
  template <class A>                                                  \
  inline truths_of<vector_of<A>> name(const A &a) {                   \
    const vector_of<A> x = a;                                         \
    truths_of<vector_of<A>> y;                                        \
    for (int i = 0; i < vector_like<A>::size; i++) y[i] = name(x[i]); \
    return y;                                                         \
  }
TEST(isnan, x != x)
TEST(isinf, fabsf(x) == INFINITY)
TEST(isfinite, fabsf(x) < INFINITY)
TEST(isnormal, fabsf(x) < INFINITY && fabsf(x) >= FLT_MIN)
TEST(signbit, __float_as_int(x) < 0)

template <class A, class B>
inline conditional_t<is_arithmetic<A>::value, A, B> select(A no, B yes, bool which) {
  return which ? yes : no;
}
template <class A, class B, int N>
inline vec<typename vector_like<A>::element, N> select(const A &no, const B &yes, const vec<bool, N> &which) {
  vec<typename vector_like<A>::element, N> x = no;
  const vec<typename vector_like<A>::element, N> y = yes;
  for (int i = 0; i < N; i++)
    if (which[i]) x[i] = y[i];
  return x;
}

/* ---- of integers ---- */

template <class A>
inline int bits_in() {
  return 8 * (int)sizeof(A);
}
template <class A>
inline ulong word_of(A x) {
  return (ulong)x & (~0ul >> (64 - bits_in<A>()));
}
#define OF_BITS(name, expression)                                     \
  template <class A>                                                  \
  inline enable_if_t<is_integral<A>::value, A> name(A a) {            \
    const ulong x = word_of(a);                                       \
    return (A)(expression);                                           \
  }                                                                   \
  template <class A>                                                  \
  inline vector_of<A> name(const A &a) {                              \
    vector_of<A> x = a;                                               \
    for (int i = 0; i < vector_like<A>::size; i++) x[i] = name(x[i]); \
    return x;                                                         \
  }
OF_BITS(popcount, __popc((uint)x) + __popc((uint)(x >> 32)))
OF_BITS(clz, (x >> 32 ? __clz((int)(x >> 32)) : 32 + __clz((int)x)) - (64 - bits_in<A>()))
OF_BITS(ctz, x == 0 ? bits_in<A>() : __popc((uint)((x & -x) - 1)) + __popc((uint)(((x & -x) - 1) >> 32)))
inline ulong turned_round(ulong x, int bits) {
  ulong y = 0;
  for (int i = 0; i < bits; i++) y |= (x >> i & 1) << (bits - 1 - i);
  return y;
}
OF_BITS(reverse_bits, turned_round(x, bits_in<A>()))
template <class A>
inline enable_if_t<is_integral<A>::value, A> rotate(A a, A by) {
  const int n = (int)(word_of(by) % (ulong)bits_in<A>());
  const ulong x = word_of(a);
  return n ? (A)(x << n | x >> (bits_in<A>() - n)) : a;
}
template <class A>
inline enable_if_t<is_integral<A>::value, A> extract_bits(A a, uint first, uint count) {
  if (count == 0) return 0;
  const A high = (A)(word_of(a) << (bits_in<A>() - first - count));
  return (A)(high >> (bits_in<A>() - count));
}
template <class A>
inline enable_if_t<is_integral<A>::value, A> insert_bits(A a, A by, uint first, uint count) {
  const ulong mask = (count >= 64 ? ~0ul : (1ul << count) - 1) << first;
  return (A)((word_of(a) & ~mask) | (word_of(by) << first & mask));
}
template <class A>
inline enable_if_t<is_integral<A>::value, A> hadd(A a, A b) {
  return (a & b) + ((a ^ b) >> 1);
}
template <class A>
inline enable_if_t<is_integral<A>::value, A> rhadd(A a, A b) {
  return (a | b) - ((a ^ b) >> 1);
}
inline int mulhi(int a, int b) { return (int)((long)a * b >> 32); }
inline uint mulhi(uint a, uint b) { return __umulhi(a, b); }
template <class A>
inline enable_if_t<(is_integral<A>::value && sizeof(A) == 4), A> madhi(A a, A b, A c) {
  return mulhi(a, b) + c;
}
template <class A>
inline enable_if_t<(is_integral<A>::value && sizeof(A) == 4), A> mul24(A a, A b) {
  return a * b;
}
template <class A>
inline enable_if_t<(is_integral<A>::value && sizeof(A) == 4), A> mad24(A a, A b, A c) {
  return a * b + c;
}

/* ---- of vectors as a whole ---- */

template <class A, class B>
inline typename vector_like<met<A, B>>::element dot(const A &a, const B &b) {
  const met<A, B> x = a, y = b;
  typename vector_like<met<A, B>>::element sum = x[0] * y[0];
  for (int i = 1; i < vector_like<met<A, B>>::size; i++) sum += x[i] * y[i];
  return sum;
}
template <class A>
inline typename vector_like<vector_of<A>>::element length_squared(const A &x) {
  return dot(x, x);
}
template <class A>
inline typename vector_like<vector_of<A>>::element length(const A &x) {
  return sqrt(dot(x, x));
}
template <class A, class B>
inline typename vector_like<met<A, B>>::element distance(const A &a, const B &b) {
  return length(a - b);
}
template <class A, class B>
inline typename vector_like<met<A, B>>::element distance_squared(const A &a, const B &b) {
  return length_squared(a - b);
}
template <class A>
inline vector_of<A> normalize(const A &x) {
  return x * rsqrt(dot(x, x));
}
template <class T>
inline vec<T, 3> cross(const vec<T, 3> &a, const vec<T, 3> &b) {
  return vec<T, 3>(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

#undef MATH1
#undef MATH2
#undef VECTORS3
#undef EITHER
#undef TEST
#undef OF_BITS

namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}

} // namespace metal
