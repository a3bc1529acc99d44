/* scalar_float.h: the elementary functions of a float32, branch-free, so that compilers turn loops over
   them into vector code.

   Each is a polynomial on a reduced argument with selects for the special values. Greatest errors in units
   in the last place over all floats of the range of use are held by scalar_test.c. Float to integer
   conversions go through a number so large that the integer stands in the low bits of the sum: defined for
   every operand, NaN included. Uses nothing. */
#ifndef SCALAR_FLOAT_H
#define SCALAR_FLOAT_H
#ifndef K_PROLOGUE /* a GPU language's prologue has said what stands here */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#define HAS_FLOAT64 1

/* a * b + c; rounded once where the machine has the instruction. */
static inline float k_fma_f32(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
static inline double k_fma_f64(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
static inline uint32_t k_bits_f32(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static inline float k_from_bits_f32(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
static inline uint64_t k_bits_f64(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static inline double k_from_bits_f64(uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}
#endif

/* A bound of a clamp that the compiler does not see: of a comparison with a constant gcc 12 makes two instructions, of one
   with what it can't see, a single one for least or greatest. */
#ifdef K_PROLOGUE
#define K_UNSEEN_F32(x) (x)
#else
extern const float k_one_f32; /* rows.c */
#define K_UNSEEN_F32(x) ((x)*k_one_f32)
#endif

#define K_BIG_F32 12582912.0f        /* 1.5 * 2^23: added and taken away again, rounds to an integer */
#define K_BIG_F64 6755399441055744.0 /* 1.5 * 2^52 */

static inline float k_abs_f32(float x) { return k_from_bits_f32(k_bits_f32(x) & 0x7fffffffu); }
static inline float k_copysign_f32(float x, float sign) {
  return k_from_bits_f32((k_bits_f32(x) & 0x7fffffffu) | (k_bits_f32(sign) & 0x80000000u));
}
static inline float k_neg_f32(float x) { return -x; }
static inline float k_sign_f32(float x) { return (float)((x > 0) - (x < 0)); }
static inline float k_sqrt_f32(float x) { return sqrtf(x); }
static inline float k_rsqrt_f32(float x) { return 1 / sqrtf(x); }

/* Half to even. Beyond 2^23 every float is an integer. */
static inline float k_round_f32(float x) {
  float a = k_abs_f32(x), r = (a + 8388608.0f) - 8388608.0f;
  return a < 8388608.0f ? k_copysign_f32(r, x) : x;
}
static inline float k_floor_f32(float x) {
  float r = k_round_f32(x), down = r > x ? r - 1 : r;
  return k_copysign_f32(down, x); /* -0 stays -0 */
}
static inline float k_ceil_f32(float x) { return -k_floor_f32(-x); }

/* ---- exponentials ---- */

static inline float k_clamp_f32(float x, float low, float high) { /* NaN stays */
  low = K_UNSEEN_F32(low), high = K_UNSEEN_F32(high);
  x = high < x ? high : x;
  return x < low ? low : x;
}
static inline float k_power_of_two_f32(int32_t n) { return k_from_bits_f32((uint32_t)(n + 127) << 23); }

/* exp(x) * factor: factor = 1/2 is for sinh and cosh, which stay finite beyond exp. x = 2 n log(2) + r, and 2^n, made of the
   low bits of t, is taken twice: so each is a normal number, and the result is rounded once where it is none. */
static inline float k_exp_times_f32(float x, float factor) {
  x = k_clamp_f32(x, -105, 90);
  float t = k_fma_f32(x, 0.72134752f, K_BIG_F32 + 127), n = t - (K_BIG_F32 + 127);
  float root = k_from_bits_f32(k_bits_f32(t) << 23);
  float r = k_fma_f32(n, -2.85721353e-6f, k_fma_f32(n, -1.38629150f, x));
  float p = 1.96113445e-4f;
  p = k_fma_f32(p, r, 1.41046768e-3f);
  p = k_fma_f32(p, r, 8.33610884e-3f);
  p = k_fma_f32(p, r, 4.16612583e-2f);
  p = k_fma_f32(p, r, 1.66666140e-1f);
  p = k_fma_f32(p, r, 5.00000347e-1f);
  p = k_fma_f32(p, r, 1.0f);
  p = k_fma_f32(p, r, 1.0f);
  return p * root * (root * factor);
}
static inline float k_exp_f32(float x) { return k_exp_times_f32(x, 1); }

static inline float k_expm1_f32(float x) {
  float c = k_clamp_f32(x, -18, 89);
  float t = k_fma_f32(c, 1.44269504f, K_BIG_F32), n = t - K_BIG_F32;
  int32_t k = (int32_t)(k_bits_f32(t) - 0x4b400000u) - 1;
  float r = k_fma_f32(n, -1.42860677e-6f, k_fma_f32(n, -0.693145752f, c));
  float p = 1.97350979e-4f;
  p = k_fma_f32(p, r, 1.39309070e-3f);
  p = k_fma_f32(p, r, 8.33343994e-3f);
  p = k_fma_f32(p, r, 4.16668020e-2f);
  p = k_fma_f32(p, r, 1.66666716e-1f);
  p = k_fma_f32(p, r, 4.99999970e-1f);
  p = k_fma_f32(p, r * r, r); /* exp(r) - 1 */
  float scale = k_power_of_two_f32(k);
  float y = 2 * k_fma_f32(scale, p, scale - 0.5f);
  y = k == -1 ? p : y;   /* n = 0: exact for tiny x */
  return x == 0 ? x : y; /* -0 */
}
static inline float k_sigmoid_f32(float x) {
  float e = k_exp_f32(-k_abs_f32(x));
  return (x < 0 ? e : 1) / (1 + e);
}
/* e / (e + 2), e = exp(2 |x|) - 1 */
static inline float k_tanh_f32(float x) {
  float a = k_abs_f32(x), high = K_UNSEEN_F32(10.0f);
  a = high < a ? high : a; /* NaN stays */
  float t = k_fma_f32(a, 2.88539008f, K_BIG_F32 + 127), n = t - (K_BIG_F32 + 127);
  float scale = k_from_bits_f32(k_bits_f32(t) << 23);
  float r = k_fma_f32(n, -0.346573591f, a);
  float p = 8.88480647e-2f;
  p = k_fma_f32(p, r, 2.67730571e-1f);
  p = k_fma_f32(p, r, 6.66675229e-1f);
  p = k_fma_f32(p, r, 1.33332345f);
  p = k_fma_f32(p, r, 1.99999993f);
  p = k_fma_f32(p, r * r, r + r); /* exp(2 r) - 1 */
  float e = k_fma_f32(scale, p, scale - 1);
  return k_copysign_f32(e / (e + 2), x);
}
static inline float k_sinh_f32(float x) {
  float a = k_abs_f32(x), e = k_expm1_f32(a > 20 ? 20 : a);
  float small = 0.5f * (e + e / (e + 1)), large = k_exp_times_f32(a, 0.5f);
  return k_copysign_f32(a > 10 ? large : small, x);
}
static inline float k_cosh_f32(float x) {
  float e = k_exp_times_f32(k_abs_f32(x), 0.5f); /* half of exp */
  return e + 0.25f / e;
}

/* ---- logarithms ---- */

/* x = 2^e * (1 + f) with 1 + f in [2/3, 4/3); for x that is positive and finite. */
typedef struct k_split {
  float e, f;
} k_split;
static inline k_split k_split_f32(float x) {
  bool tiny = x < 1.17549435e-38f;
  x = tiny ? x * 8388608.0f : x;
  uint32_t shift = (k_bits_f32(x) - 0x3f2aaaabu) & 0xff800000u;
  float e = (float)(int32_t)shift * 1.19209290e-7f;
  const k_split split = {tiny ? e - 23 : e, k_from_bits_f32(k_bits_f32(x) - shift) - 1};
  return split; /* C++ has no compound literals */
}
/* log(1 + f) */
static inline float k_log_near_one_f32(float f) {
  float s = f * f, p = -0.130310059f, q = 0.140869141f;
  p = k_fma_f32(p, s, -0.121483512f);
  q = k_fma_f32(q, s, 0.139814854f);
  p = k_fma_f32(p, s, -0.166846126f);
  q = k_fma_f32(q, s, 0.200120345f);
  p = k_fma_f32(p, s, -0.249996200f);
  p = k_fma_f32(q, f, p);
  p = k_fma_f32(p, f, 0.333331972f);
  p = k_fma_f32(p, f, -0.5f);
  return k_fma_f32(p, s, f);
}
/* The logarithm of 0, of infinity and of what is negative or NaN in place of y. */
static inline float k_log_edges_f32(float x, float y) {
  y = x < INFINITY ? y : x;
  y = x < 0 ? NAN : y;
  return x == 0 ? -INFINITY : y;
}
static inline float k_log_f32(float x) {
  k_split s = k_split_f32(x);
  return k_log_edges_f32(x, k_fma_f32(s.e, 0.693147182f, k_log_near_one_f32(s.f)));
}
static inline float k_log2_f32(float x) {
  k_split s = k_split_f32(x);
  float r = k_log_near_one_f32(s.f);
  return k_log_edges_f32(x, s.e + k_fma_f32(r, 1.44269502f, r * 1.92596299e-08f));
}
static inline float k_log10_f32(float x) {
  k_split s = k_split_f32(x);
  float r = k_log_near_one_f32(s.f);
  float low =
      k_fma_f32(s.e, -1.43209889e-08f, r * -1.01030501e-08f); /* what the two constants below leave out */
  return k_log_edges_f32(x, k_fma_f32(s.e, 0.30103001f, k_fma_f32(r, 0.434294492f, low)));
}
/* 1 + x is rounded to u; what that loses comes back as a fraction of u. */
static inline float k_log1p_f32(float x) {
  float u = 1 + x, near = u - 1, lost = (1 - (u - near)) + (x - near);
  k_split s = k_split_f32(u);
  float y = k_fma_f32(s.e, 0.693147182f, k_log_near_one_f32(s.f) + lost / u);
  y = k_log_edges_f32(u, y);
  return x == 0 ? x : y;
}
static inline float k_asinh_f32(float x) {
  float a = k_abs_f32(x), s = a * a;
  bool large = a > 2.68435456e8f;
  float y = k_log1p_f32(large ? a : a + s / (1 + sqrtf(s + 1)));
  return k_copysign_f32(large ? y + 0.693147182f : y, x);
}
static inline float k_acosh_f32(float x) {
  float t = x - 1;
  bool large = x > 2.68435456e8f;
  float y = k_log1p_f32(large ? t : t + sqrtf(k_fma_f32(t, t, 2 * t)));
  y = large ? y + 0.693147182f : y;
  return x < 1 ? NAN : y;
}
static inline float k_atanh_f32(float x) {
  float a = k_abs_f32(x), y = 0.5f * k_log1p_f32(2 * a / (1 - a));
  return k_copysign_f32(a > 1 ? NAN : y, x);
}
static inline float k_logaddexp_f32(float a, float b) {
  float high = a > b ? a : b, low = a > b ? b : a;
  float y = high + k_log1p_f32(k_exp_f32(low - high));
  y = low == -INFINITY || high == INFINITY ? high : y;
  return a != a ? a : b != b ? b : y;
}

/* A language without float64 takes its own functions for powers and angles: powf, sinf, cosf, tanf. */
#if HAS_FLOAT64
/* x^y by way of float64: log2 from a series in (m - 1) / (m + 1), then 2 to it. */
static inline float k_pow_f32(float x, float y) {
#ifdef K_PROLOGUE
  /* The same bits for less: all threads of a GPU take this way, whose float64 may be slow. (A loop of the CPU's would do both.) */
  if (y == 2) return x * x;
  if (y == 3) return (float)((double)x * (double)x * (double)x);
#endif
  double a = (double)k_abs_f32(x), w = (double)y;
  uint64_t shift = (k_bits_f64(a) - 0x3fe5555555555555u) & 0xfff0000000000000u;
  double m = k_from_bits_f64(k_bits_f64(a) - shift); /* [2/3, 4/3) */
  double e = k_from_bits_f64((shift >> 52 ^ 0x800) | 0x4330000000000000u) - (4503599627370496.0 + 2048);
  double f = (m - 1) / (m + 1), s = f * f;
  double p = 1.0 / 15;
  p = k_fma_f64(p, s, 1.0 / 13);
  p = k_fma_f64(p, s, 1.0 / 11);
  p = k_fma_f64(p, s, 1.0 / 9);
  p = k_fma_f64(p, s, 1.0 / 7);
  p = k_fma_f64(p, s, 1.0 / 5);
  p = k_fma_f64(p, s, 1.0 / 3);
  p = k_fma_f64(p, s, 1.0);
  double log2 = k_fma_f64(p * f, 2.8853900817779268, e);
  log2 = a == 0 ? (double)-INFINITY : log2;
  log2 = a < (double)INFINITY ? log2 : a;
  double t = w * log2;
  t = t > 200 ? 200 : t;
  t = t < -200 ? -200 : t;
  double big = t + K_BIG_F64, r = (t - (big - K_BIG_F64)) * 0.6931471805599453;
  double q = 1.0 / 3628800;
  q = k_fma_f64(q, r, 1.0 / 362880);
  q = k_fma_f64(q, r, 1.0 / 40320);
  q = k_fma_f64(q, r, 1.0 / 5040);
  q = k_fma_f64(q, r, 1.0 / 720);
  q = k_fma_f64(q, r, 1.0 / 120);
  q = k_fma_f64(q, r, 1.0 / 24);
  q = k_fma_f64(q, r, 1.0 / 6);
  q = k_fma_f64(q, r, 0.5);
  q = k_fma_f64(q, r, 1.0);
  q = k_fma_f64(q, r, 1.0);
  float z = (float)(q * k_from_bits_f64((k_bits_f64(big) + 1023) << 52));
  /* Negative bases: integers alone have a value; odd ones give it a sign. */
  float whole = k_round_f32(y);
  bool odd = k_round_f32(y * 0.5f) * 2 != y && whole == y;
  z = odd ? k_copysign_f32(z, x) : z;
  z = x < 0 && whole != y && x > -INFINITY ? NAN : z;
  z = x == -1 && k_abs_f32(y) == INFINITY ? 1 : z;
  return x == 1 || y == 0 ? 1 : z;
}
#else
static inline float k_pow_f32(float x, float y) { return powf(x, y); }
#endif

/* ---- angles ---- */

#if HAS_FLOAT64
/* x = n pi/2 + r, for |x| < K_ANGLE_LIMIT. n times the parts of pi/2 loses nothing where a multiply-add rounds once; else it is
   done in float64, in which the first part of pi/2 has 25 bits. */
typedef struct k_angle {
  float r;
  uint32_t n;
} k_angle;
#define K_ANGLE_LIMIT 262144.0f
static inline k_angle k_angle_f32(float x) {
#if defined(K_PROLOGUE) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  float big = k_fma_f32(x, 0.636619772f, K_BIG_F32), n = big - K_BIG_F32;
  float r = k_fma_f32(n, 4.37113883e-8f, k_fma_f32(n, -1.57079637f, x));
  const k_angle angle = {k_fma_f32(n, 1.71512451e-15f, r), k_bits_f32(big)};
#else
  double d = (double)x, big = k_fma_f64(d, 0.6366197723675814, K_BIG_F64), n = big - K_BIG_F64;
  double r = k_fma_f64(n, -1.5893254773528196e-8, k_fma_f64(n, -1.5707963109016418, d));
  const k_angle angle = {(float)r, (uint32_t)k_bits_f64(big)};
#endif
  return angle;
}
static inline float k_sin_near_f32(float r) { /* |r| <= pi/4 */
  float s = r * r, p = 2.86567956e-6f;
  p = k_fma_f32(p, s, -1.98559923e-4f);
  p = k_fma_f32(p, s, 8.33338592e-3f);
  p = k_fma_f32(p, s, -1.66666672e-1f);
  return k_fma_f32(p * s, r, r);
}
static inline float k_cos_near_f32(float r) {
  float s = r * r, p = 2.44677067e-5f;
  p = k_fma_f32(p, s, -1.38877297e-3f);
  p = k_fma_f32(p, s, 4.16666567e-2f);
  p = k_fma_f32(p, s, -0.5f);
  return k_fma_f32(p, s, 1.0f);
}
static inline float k_quarter_f32(k_angle a, uint32_t turn) { /* sin of the angle + turn pi/2 */
  uint32_t n = a.n + turn;
  float y = n & 1 ? k_cos_near_f32(a.r) : k_sin_near_f32(a.r);
  return k_from_bits_f32(k_bits_f32(y) ^ (n & 2) << 30);
}
/* The three with K_ANGLE_LIMIT: beyond it callers take sinf, cosf, tanf. */
static inline float k_sin_small_f32(float x) {
  float y = k_quarter_f32(k_angle_f32(x), 0);
  return x == 0 ? x : y; /* -0 */
}
static inline float k_cos_small_f32(float x) { return k_quarter_f32(k_angle_f32(x), 1); }
static inline float k_tan_small_f32(float x) {
  k_angle a = k_angle_f32(x);
  float y = k_quarter_f32(a, 0) / k_quarter_f32(a, 1);
  return x == 0 ? x : y;
}
static inline float k_sin_f32(float x) { return k_abs_f32(x) < K_ANGLE_LIMIT ? k_sin_small_f32(x) : sinf(x); }
static inline float k_cos_f32(float x) { return k_abs_f32(x) < K_ANGLE_LIMIT ? k_cos_small_f32(x) : cosf(x); }
static inline float k_tan_f32(float x) { return k_abs_f32(x) < K_ANGLE_LIMIT ? k_tan_small_f32(x) : tanf(x); }
#else
static inline float k_sin_f32(float x) { return sinf(x); }
static inline float k_cos_f32(float x) { return cosf(x); }
static inline float k_tan_f32(float x) { return tanf(x); }
#endif

static inline float k_atan_near_f32(float t) { /* |t| <= 1 */
  float s = t * t, p = 0.00282363896f;
  p = k_fma_f32(p, s, -0.0159569028f);
  p = k_fma_f32(p, s, 0.0425049886f);
  p = k_fma_f32(p, s, -0.0748900920f);
  p = k_fma_f32(p, s, 0.106347933f);
  p = k_fma_f32(p, s, -0.142027363f);
  p = k_fma_f32(p, s, 0.199926957f);
  p = k_fma_f32(p, s, -0.333331018f);
  return k_fma_f32(p * s, t, t);
}
static inline float k_atan_f32(float x) {
  float a = k_abs_f32(x), y = k_atan_near_f32(a > 1 ? 1 / a : a);
  return k_copysign_f32(a > 1 ? 1.57079637f - y : y, x);
}
static inline float k_atan2_f32(float y, float x) {
  float a = k_abs_f32(x), b = k_abs_f32(y), high = a > b ? a : b, low = a > b ? b : a;
  float t = low / high;
  t = high == 0 ? 0 : t;
  t = low == INFINITY ? 1 : t;
  float r = k_atan_near_f32(t);
  r = b > a ? 1.57079637f - r : r;
  r = k_bits_f32(x) >> 31 ? 3.14159274f - r : r;
  r = k_copysign_f32(r, y);
  return x != x ? x : y != y ? y : r;
}
static inline float k_asin_near_f32(float x, float s) { /* asin(x), s = x^2 <= 1/4 */
  float p = 4.2163199048e-2f;
  p = k_fma_f32(p, s, 2.4181311049e-2f);
  p = k_fma_f32(p, s, 4.5470025998e-2f);
  p = k_fma_f32(p, s, 7.4953002686e-2f);
  p = k_fma_f32(p, s, 1.6666752422e-1f);
  return k_fma_f32(p * s, x, x);
}
static inline float k_asin_f32(float x) {
  float a = k_abs_f32(x), s = a > 0.5f ? 0.5f * (1 - a) : a * a;
  float y = k_asin_near_f32(a > 0.5f ? sqrtf(s) : a, s);
  return k_copysign_f32(a > 0.5f ? 1.57079637f - 2 * y : y, x);
}
static inline float k_acos_f32(float x) {
  float a = k_abs_f32(x), s = a > 0.5f ? 0.5f * (1 - a) : a * a;
  float y = k_asin_near_f32(a > 0.5f ? sqrtf(s) : a, s);
  float outer = x < 0 ? 3.14159274f - 2 * y : 2 * y, inner = 1.57079637f - k_copysign_f32(y, x);
  return a > 0.5f ? outer : inner;
}

/* ---- error function ---- */

/* A quotient of polynomials up to 4, where it is 1 and more. */
static inline float k_erf_f32(float x) {
  x = k_clamp_f32(x, -4, 4);
  float s = x * x, p = 1.98575481e-06f, q = 3.74006304e-05f;
  p = k_fma_f32(p, s, 2.84415641e-04f);
  q = k_fma_f32(q, s, 1.18493650e-03f);
  p = k_fma_f32(p, s, 3.88124841e-03f);
  q = k_fma_f32(q, s, 1.51991351e-02f);
  p = k_fma_f32(p, s, 5.30736186e-02f);
  q = k_fma_f32(q, s, 1.15288712e-01f);
  p = k_fma_f32(p, s, 1.93441853e-01f);
  q = k_fma_f32(q, s, 5.04590452e-01f);
  p = k_fma_f32(p, s, 1.12778485e+00f);
  q = k_fma_f32(q, s, 9.99473333e-01f);
  return k_clamp_f32(x * p / q, -1, 1);
}
/* M. Giles, "Approximating the erfinv function", 2010. */
static inline float k_erfinv_f32(float x) {
  float w = -k_log_f32((1 - x) * (1 + x)), c = w - 2.5f, t = sqrtf(w) - 3;
  float p = 2.81022636e-08f, q = -0.000200214257f;
  p = k_fma_f32(p, c, 3.43273939e-07f);
  p = k_fma_f32(p, c, -3.5233877e-06f);
  p = k_fma_f32(p, c, -4.39150654e-06f);
  p = k_fma_f32(p, c, 0.00021858087f);
  p = k_fma_f32(p, c, -0.00125372503f);
  p = k_fma_f32(p, c, -0.00417768164f);
  p = k_fma_f32(p, c, 0.246640727f);
  p = k_fma_f32(p, c, 1.50140941f);
  q = k_fma_f32(q, t, 0.000100950558f);
  q = k_fma_f32(q, t, 0.00134934322f);
  q = k_fma_f32(q, t, -0.00367342844f);
  q = k_fma_f32(q, t, 0.00573950773f);
  q = k_fma_f32(q, t, -0.0076224613f);
  q = k_fma_f32(q, t, 0.00943887047f);
  q = k_fma_f32(q, t, 1.00167406f);
  q = k_fma_f32(q, t, 2.83297682f);
  float y = x * (w < 5 ? p : q);
  return k_abs_f32(x) == 1 ? k_copysign_f32(INFINITY, x) : y;
}
#endif
