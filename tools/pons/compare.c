/* compare.c: how far two arrays are from each other. */
#include "command.h"
#include <math.h>
#include <string.h>

/* Bits of a bfloat16 or float16 as a float. */
static double bfloat_value(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float f;
  memcpy(&f, &wide, sizeof f);
  return (double)f;
}

static double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                           : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                          : ldexp(fraction, -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/* Real number k of a float or complex array. */
static double value_at(pons_dtype d, const char *data, int64_t k) {
  float f;
  double wide;
  uint16_t bits;
  if (d == PONS_FLOAT64 || d == PONS_COMPLEX128) {
    memcpy(&wide, data + k * 8, sizeof wide);
    return wide;
  }
  if (d == PONS_FLOAT32 || d == PONS_COMPLEX64) {
    memcpy(&f, data + k * 4, sizeof f);
    return (double)f;
  }
  memcpy(&bits, data + k * 2, sizeof bits);
  return d == PONS_FLOAT16 ? half_value(bits) : bfloat_value(bits);
}

static bool is_inexact(pons_dtype d) { return pons_issubdtype((int)d, PONS_INEXACT); }

/* `off`: how far the two are apart. */
static void note_greatest(difference *r, double off, int64_t at, double got, double want) {
  if (off <= r->greatest) return;
  r->greatest = off;
  r->greatest_at = at;
  r->greatest_got = got;
  r->greatest_want = want;
}

static void note(difference *r, int64_t at, double got, double want) {
  if (r->too_great) return;
  r->too_great = true;
  r->at = at;
  r->got = got;
  r->want = want;
}

/* An integer of `size` bytes. */
static double integer_at(const char *data, size_t size, bool is_signed) {
  uint64_t bits = 0;
  memcpy(&bits, data, size); /* little-endian */
  const uint64_t sign = (uint64_t)1 << (8 * size - 1);
  return is_signed && (bits & sign) ? -(double)((~bits & (sign - 1)) + 1) : (double)bits;
}

/* Integers and bools must be the same; how far they are apart is told as well. */
static void compare_exact(difference *r, pons_dtype d, const char *a, const char *b, int64_t n) {
  const size_t size = pons_dtype_size(d);
  const bool is_signed = d >= PONS_INT8 && d <= PONS_INT64;
  for (int64_t i = 0; i < n; i++, a += size, b += size) {
    if (memcmp(a, b, size) == 0) continue;
    const double x = integer_at(a, size, is_signed), y = integer_at(b, size, is_signed);
    note_greatest(r, fabs(x - y), i, x, y);
    note(r, i, x, y);
  }
}

difference compare_arrays(pons_array got, pons_array want, double rtol, double atol) {
  difference r = {0};
  const pons_dtype d = pons_dtype_of(got);
  const pons_shape s = pons_shape_of(got), t = pons_shape_of(want);
  if (d != pons_dtype_of(want)) r.reason = "another dtype than recorded";
  else if (s.count != t.count || (s.count && memcmp(s.at, t.at, (size_t)s.count * sizeof *s.at) != 0))
    r.reason = "another shape than recorded";
  const char *a = r.reason ? NULL : pons_data(got), *b = r.reason ? NULL : pons_data(want);
  const int64_t n = pons_size(got) * (pons_isdtype(d, "complex floating") ? 2 : 1);
  if (!r.reason && n && (!a || !b)) r.reason = "the data can't be read";
  if (r.reason || n == 0) {
    r.too_great = r.reason != NULL;
    return r;
  }
  if (!is_inexact(d)) {
    compare_exact(&r, d, a, b, n);
    return r;
  }
  for (int64_t i = 0; i < n; i++) {
    const double x = value_at(d, a, i), y = value_at(d, b, i);
    if (x == y || (isnan(x) && isnan(y))) continue;
    const double off = fabs(x - y);
    if (isnan(off) || isinf(y) || off > atol + rtol * fabs(y)) note(&r, i, x, y);
    note_greatest(&r, isnan(off) ? (double)INFINITY : off, i, x, y);
  }
  return r;
}
