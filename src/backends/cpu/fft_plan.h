/* fft_plan.h: what transforms of one length need to know in advance, and the loops they are made of.

   FFT_LINES signals are computed side by side, so that loops run over neighbours: element e of a block of lines
   is 2 * FFT_LINES floats, the real parts of all lines and then their imaginary parts. The inverse is the
   transform forward with real and imaginary parts exchanged on the way in and out. Uses base/. */
#ifndef CPU_FFT_PLAN_H
#define CPU_FFT_PLAN_H
#include "base/base.h"

enum { FFT_LINES = 16, FFT_ELEMENT = 2 * FFT_LINES, FFT_MAX_RADIX = 31, FFT_MAX_PASSES = 62 };

/* One pass of Stockham's autosort transform: m * radix * s elements, of which the s nearest are alike. With
   i < m, q < s, j and k < radix:

       to[q + s (radix i + k)] = w^(i k) * sum_j from[q + s (i + m j)] e^(-2 pi i j k / radix),
                                                                          w = e^(-2 pi i / (m radix)) */
typedef struct fft_pass {
  int radix;
  int64_t m, s;
  const float *twiddles; /* pairs w^(i k) for i = 1 .. m-1, k = 1 .. radix-1 */
  const float *roots;    /* pairs cos, sin of 2 pi k / radix for k < radix */
} fft_pass;

typedef enum fft_kind {
  FFT_BLOCK, /* passes, or Bluestein's convolution where n has a large prime factor; all in one block */
  FFT_SPLIT, /* one line of n = rows * columns as a matrix: columns, twiddles, rows */
  FFT_CHIRP, /* one line by Bluestein's convolution with the kernel's spectrum, by a transform of its own */
  FFT_ROOTS  /* e^(-pi i k / n) for k <= n / 2: what real signals of length 2 n need beside a transform of n */
} fft_kind;

typedef struct fft_plan {
  fft_kind kind;
  int64_t n;
  /* FFT_BLOCK */
  int n_passes;
  fft_pass passes[FFT_MAX_PASSES];
  /* Bluestein: X[k] = b[k] sum_j (x[j] b[j]) conj(b[k - j]) with b[j] = e^(-pi i j^2 / n), a convolution that
     is computed by transforms of any length from 2 n - 1 on. */
  const struct fft_plan *inner; /* of that length; NULL: not needed */
  float *chirp;                 /* n pairs b[j] */
  float *spectrum;              /* inner->n pairs: of the other factor, over inner->n */
  /* FFT_SPLIT */
  int64_t rows, columns;
  const struct fft_plan *row, *column; /* of lengths columns and rows */
  float *fine;    /* rows elements: w^(k v) on line v */
  double *coarse; /* pairs w^j for j < coarse_step, then w^(j coarse_step) */
  int64_t coarse_step;
  float *table; /* the passes' twiddles and roots, or FFT_ROOTS' pairs */
  /* of the cache */
  int users;
  int64_t last_use;
  size_t bytes;
} fft_plan;

/* The plan for a kind and n >= 1 (FFT_SPLIT: smooth), from a bounded cache; NULL and *why if there is no memory. */
const fft_plan *fft_plan_get(fft_kind kind, int64_t n, error **why);
void fft_plan_release(const fft_plan *p); /* NULL is fine */

/* Elements of up to FFT_LINES lines in memory; distances in floats. */
typedef struct fft_lines {
  float *at[FFT_LINES];
  int count;
  int64_t step;  /* from one element to the next */
  int64_t other; /* from a real to its imaginary part */
  bool real;     /* there are no imaginary parts */
} fft_lines;

typedef struct fft_loops {
  void (*pass)(const fft_pass *p, const float *from, float *to);
  /* n elements of lines to and from a block, real and imaginary parts exchanged with `swap`. */
  void (*load)(const fft_lines *l, int64_t n, bool swap, float *block);
  void (*store)(const fft_lines *l, int64_t n, bool swap, float scale, const float *block);
  /* Element e of every line times pair e of the table. */
  void (*multiply)(float *block, int64_t n, const float *table);
  /* Element e of line v times turns[e] (pairs) and fine[e][v] (elements). */
  void (*turn)(float *block, int64_t n, const float *turns, const float *fine);
  /* Spectra of signals of length 2 h: h + 1 elements from the transform of h of pairs of neighbours, and back (with
     real and imaginary parts of z exchanged). */
  void (*untangle)(int64_t h, const float *roots, const float *z, float *x);
  void (*tangle)(int64_t h, const float *roots, const float *x, float *z);
  /* Elements above n / 2 from those below, of signals that are real, all with their parts exchanged. */
  void (*mirror)(int64_t n, float *block);
} fft_loops;
extern const fft_loops fft_loops_baseline, fft_loops_avx2, fft_loops_avx512;
const fft_loops *cpu_fft_loops(void); /* those of the instruction set in use */
#endif
