/* fft_plan.h: what transforms of one length need to know in advance, and the loops they are made of.

   As many signals as a register has lanes are computed side by side. They lie in a block: element e of all lines is
   their real parts and then their imaginary parts, 2 * lines floats. The inverse is the transform forward with
   real and imaginary parts exchanged on the way in and out. Uses base/. */
#ifndef CPU_FFT_PLAN_H
#define CPU_FFT_PLAN_H
#include "base/base.h"

enum { FFT_MOST_LINES = 16, FFT_MAX_RADIX = 31, FFT_MAX_PASSES = 62 };

/* One pass of Stockham's autosort transform: m * radix * s elements, of which the s nearest are alike. With
   i < m, q < s, j and k < radix:

       to[q + s (radix i + k)] = w^(i k) * sum_j from[q + s (i + m j)] e^(-2 pi i j k / radix),
                                                                          w = e^(-2 pi i / (m radix)) */
typedef struct fft_pass {
  int radix;
  int64_t m, s;
  const float *twiddles; /* pairs w^(i k) for i < m, k < radix */
  const float *roots;    /* pairs cos, sin of 2 pi k / radix for k < radix */
} fft_pass;

typedef struct fft_passes { /* the last one's m is 1 */
  int64_t n;
  int count;
  fft_pass at[FFT_MAX_PASSES];
} fft_passes;

typedef enum fft_kind {
  FFT_BLOCK, /* in one block: passes, or Bluestein's convolution where n has a large prime factor */
  FFT_SPLIT, /* one line of n = rows * columns as a matrix: columns, twiddles, rows */
  FFT_CHIRP, /* one line by Bluestein's convolution with the kernel's spectrum, by a transform of its own */
  FFT_ROOTS  /* e^(-pi i k / n) for k <= n / 2 and some more: what real signals of length 2 n need beside a transform of n */
} fft_kind;

typedef struct fft_plan {
  fft_kind kind;
  int64_t n;
  /* A matrix, so that a column's and a row's passes stay in the nearest cache: rows of `columns` elements; w^(i k) for
     column i and element k of its transform is pair k columns + i of `turns`. FFT_BLOCK: short n is one column. */
  int64_t rows, columns;
  fft_passes column, row;
  const float *turns;
  /* Bluestein: X[k] = b[k] sum_j (x[j] b[j]) conj(b[k - j]) with b[j] = e^(-pi i j^2 / n), a convolution that
     is computed by transforms of any length from 2 n - 1 on. */
  const struct fft_plan *inner; /* of that length; NULL: not needed */
  float *chirp;                 /* n pairs b[j] */
  float *spectrum;              /* inner->n pairs: of the other factor, over inner->n */
  /* FFT_SPLIT: the turns are too many to be kept */
  const struct fft_plan *long_row, *long_column;
  float *fine;    /* w^(k v) of line v: pair FFT_MOST_LINES k + v, k < rows */
  double *coarse; /* pairs w^j for j < 2^coarse_bits, then w^(j 2^coarse_bits) */
  int coarse_bits;
  float *table; /* twiddles, roots and turns, or FFT_ROOTS' pairs */
  /* of the cache */
  int users;
  int64_t last_use;
  size_t bytes;
} fft_plan;

/* The plan for a kind and n >= 1 (FFT_SPLIT: smooth), from a bounded cache; NULL and *why if there is no memory. */
const fft_plan *fft_plan_get(fft_kind kind, int64_t n, error **why);
void fft_plan_release(const fft_plan *p); /* NULL is fine */

/* How elements of lines lie in memory. */
typedef enum fft_form {
  FFT_ANY,
  FFT_IN_BLOCK,     /* as in a block, of which `step` is a multiple */
  FFT_IN_BLOCKS,    /* elements of a line are what lines are to a block; `leap` to the next block */
  FFT_ACROSS,       /* pairs of neighbouring lines */
  FFT_ACROSS_PARTS, /* real parts of neighbouring lines, and imaginary ones elsewhere */
  FFT_ALONG         /* pairs, neighbours along each line */
} fft_form;

typedef struct fft_lines { /* distances in floats */
  fft_form form;
  float *at[FFT_MOST_LINES]; /* those from `count` on are the first again */
  int count;
  int64_t n;     /* elements there are: what goes beyond is not stored */
  int64_t step;  /* from one element to the next */
  int64_t leap;
  int64_t other; /* from a real to its imaginary part */
  bool real;     /* there are no imaginary parts */
  bool swap;     /* the parts are exchanged on the way */
  float scale;   /* of a store */
  /* Of a store to FFT_IN_BLOCK: element e of line v times turns[e] (n real parts, then imaginary ones) and what a
     plan has as `fine`; NULL: not. */
  const float *turns, *fine;
} fft_lines;

enum { FFT_GROUP = 4 }; /* neighbouring columns and rows of a block that are taken at a time */

/* Are columns and rows so many that `lines` of them can be side by side? Then transform takes one line by itself from
   FFT_ALONG to FFT_ALONG. */
static inline bool fft_by_line(const fft_plan *p, int lines) {
  return p->columns > 1 && p->columns % lines == 0 && p->rows % lines == 0;
}

/* Elements of room that fft_loops.transform needs. */
int64_t fft_room(const fft_plan *p);

typedef struct fft_loops {
  int lines; /* of a block */
  /* By a plan of FFT_BLOCK without `inner`. */
  void (*transform)(const fft_plan *p, const fft_lines *from, const fft_lines *to, float *room);
  /* Elements from the first on. */
  void (*load)(const fft_lines *l, int64_t count, float *block);
  void (*store)(const fft_lines *l, int64_t count, float *block);
  /* Element e of every line times pair e of the table. */
  void (*multiply)(float *block, int64_t n, const float *table);
  /* Spectra of signals of length 2 h: h + 1 elements from the transform of h of pairs of neighbours, and back (with
     real and imaginary parts of z exchanged). */
  void (*untangle)(int64_t h, const float *roots, const float *z, float *x);
  void (*tangle)(int64_t h, const float *roots, const float *x, float *z);
  /* Elements above n / 2 from those below, of signals that are real, all with their parts exchanged. */
  void (*mirror)(int64_t n, float *block);
  /* untangle and tangle of one signal, elements k and h - k for each first <= k < end, end <= h / 2 + 1; of pairs in a row, in place
     if that is wanted; z as it is. */
  void (*untangle_pairs)(int64_t h, const float *roots, const float *z, float scale, int64_t first, int64_t end,
                         float *x);
  void (*tangle_pairs)(int64_t h, const float *roots, const float *x, int64_t first, int64_t end, float *z);
  /* products[j + step k] = low[j] high[k], j < step, up to n; each is its real parts, then its imaginary ones. */
  void (*outer)(const double *low, int64_t step, const double *high, int64_t n, float *products);
} fft_loops;
extern const fft_loops fft_loops_baseline, fft_loops_avx2, fft_loops_avx512;
const fft_loops *cpu_fft_loops(void); /* those of the instruction set in use */
#endif
