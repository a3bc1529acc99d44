/* windows.c: window functions of m points, float32: 1 for a single point, none for m < 1. */
#include <pons/ops.h>

static const double PI = 3.14159265358979323846;

/* factor * (0, 1, .. m-1) */
static pons_array ramp(int64_t m, double factor) {
  return pons_multiply(pons_scalar(factor, PONS_FLOAT32), pons_arange(0, (double)m, 1, PONS_FLOAT32));
}

static pons_array number(double value) { return pons_scalar(value, PONS_FLOAT32); }

/* Windows that need no formula, or NULL. */
static pons_array short_window(int64_t m) {
  return m > 1 ? NULL : pons_ones(PONS_SHAPE(m < 1 ? 0 : 1), PONS_FLOAT32);
}

pons_array pons_bartlett(int64_t m) {
  pons_array w = short_window(m);
  return w ? w : pons_subtract(number(1), pons_abs(pons_subtract(number(1), ramp(m, 2.0 / (double)(m - 1)))));
}

pons_array pons_hanning(int64_t m) {
  pons_array w = short_window(m);
  return w ? w : pons_square(pons_sin(ramp(m, PI / (double)(m - 1))));
}

static pons_array cosines(int64_t m) { return pons_cos(ramp(m, 2 * PI / (double)(m - 1))); }

pons_array pons_hamming(int64_t m) {
  pons_array w = short_window(m);
  return w ? w : pons_subtract(number(0.54), pons_multiply(number(0.46), cosines(m)));
}

/* cos(2 t) as 2 cos(t)^2 - 1 */
pons_array pons_blackman(int64_t m) {
  pons_array w = short_window(m);
  if (w) return w;
  pons_array c = cosines(m);
  pons_array first = pons_subtract(number(0.34), pons_multiply(number(0.5), c));
  return pons_add(first, pons_multiply(number(0.16), pons_square(c)));
}
