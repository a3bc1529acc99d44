/* fft_wide.h: Fourier transforms in double, one line at a time: those of float64 and complex128, and what plans in
   float32 are made of before they are rounded. Uses cpu/fft_plan.h. */
#ifndef CPU_FFT_WIDE_H
#define CPU_FFT_WIDE_H
#include "backends/cpu/fft_plan.h"
#include "device/device.h"

void fft_root(int64_t k, int64_t n, double pair[2]); /* e^(-2 pi i k / n), 0 <= k */
/* Radices of the passes for n, whose product it is: fours, then a two, then odd primes; the count. The last may be
   greater than FFT_MAX_RADIX: a prime that was left over, or a product of such. */
int fft_factors(int64_t n, int64_t out[FFT_MAX_PASSES]);
/* Has n no prime factor above FFT_MAX_RADIX? */
bool fft_is_smooth(int64_t n);

/* Of a length that is not smooth: Bluestein's convolution, as in fft_plan. */
typedef struct fft_wide {
  int64_t n;
  double *roots;           /* n pairs e^(-2 pi i k / n), if n is smooth */
  struct fft_wide *inner;  /* else the rest: the transform of the convolution's length */
  double *chirp;           /* n pairs */
  double *spectrum;        /* inner->n pairs, over inner->n */
} fft_wide;
fft_wide *fft_wide_new(int64_t n); /* NULL: no memory */
void fft_wide_free(fft_wide *p);   /* NULL is fine */

/* Along one axis, from `in` to `out` (row-major), which may be the same memory; halved: of real signals. */
error *fft_wide_along(bool inverse, int axis, bool halved, const operand *in, const operand *out);
#endif
