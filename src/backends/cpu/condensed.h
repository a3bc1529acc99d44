/* condensed.h: symmetric matrices as reflections about tridiagonal ones, and others about bidiagonal ones (Dongarra,
   Sorensen and Hammarling 1989), so that all threads share the work. Half of it is products of matrices; the other
   half, products of the matrix and one vector for each column, reads the matrix once.

   Of float32 and float64. Uses cpu/reflections.h, cpu/gemm.h. */
#ifndef CPU_CONDENSED_H
#define CPU_CONDENSED_H
#include "backends/cpu/reflections.h"

enum { CONDENSED_PANEL = 16 };

/* A = Q T QT; Q is the product of reflections whose vectors begin one row below the diagonal. */
typedef struct tridiagonal {
  blocked *b;
  int n;
  char *a;           /* rows `pitch` apart, the lower triangle; given up */
  char *v;           /* vectors of the reflections, `pitch` apart */
  char *d, *e, *tau; /* T: its diagonal, and what is below; of each reflection, 1 where there is none */
  char *vw;          /* of a panel: vectors v, w, and v again */
  char *parts;       /* sums of pieces */
  int64_t pitch;
  int at, column, first, pieces; /* the panel, the column in work, where its vector begins */
} tridiagonal;
void tridiagonal_take_room(tridiagonal *t, workspace *w);
void tridiagonal_reduce(tridiagonal *t);

/* T's eigenvalues and vectors (divide.c). */
typedef struct divided {
  blocked *b;
  int n;
  char *d, *e;     /* T; given up */
  char *z, *s;     /* the results: values, ascending, and vectors in columns */
  char *q, *q2;    /* vectors so far, in columns; those of a merge */
  char *poles, *w; /* of a merge, as laed2 makes them */
  int *order;      /* of each part, counted from 1 */
  int *sorted, *grouped, *places, *counts, *iwork;
  int parts, first, k; /* of the merge in work: where it begins, roots */
  double rho;          /* an element */
  atomic_int info;     /* LAPACK's */
} divided;
void divided_take_room(divided *f, workspace *w);
int divided_solve(divided *f);

/* A = Q B PT, A with no fewer rows than columns, B upper; Q's reflections begin on the diagonal, P's one behind. */
typedef struct bidiagonal {
  blocked *b;
  int m, n;
  char *a;     /* columns `rows_pitch` apart; given up */
  char *v, *u; /* vectors of Q's reflections, `rows_pitch` apart, and of P's, `columns_pitch` apart */
  char *d, *e, *tau_v, *tau_u;
  char *vx, *yu; /* of a panel: vectors v and x, y and u */
  char *parts;
  int64_t rows_pitch, columns_pitch;
  double step; /* of the reflection in work */
  int at, column, pieces;
} bidiagonal;
void bidiagonal_take_room(bidiagonal *t, workspace *w);
void bidiagonal_reduce(bidiagonal *t);

/* ---- what both are made of (condensed.c) ---- */

enum { MOST_PARTS = 16 };

/* Vectors are taken from multiples of STEP to multiples of it, since what is no whole register costs the loops more than
   zeros. So where a vector begins late it begins with zeros, and where it ends early it ends with zeros. */
enum { STEP = 16 };
static inline int step_before(int64_t n) { return (int)(n / STEP * STEP); }
static inline int step_behind(int64_t n) { return step_before(n + STEP - 1); }
/* Elements between vectors of length n, and zeros behind the ends of `count` of them. */
static inline int64_t condensed_pitch(int64_t n) { return step_behind(n) + STEP; }
void clear_ends(const blocked *b, char *rows, int64_t count, int64_t n, int64_t pitch);
/* Pieces that are worth it for so many elements of the matrix. */
static inline int condensed_pieces(int64_t elements) {
  return (int)(elements < 1 << 15 ? 1 : smaller(elements >> 14, MOST_PARTS));
}
static inline char *at_element(const blocked *b, char *x, int64_t i) { return x + i * (int64_t)b->j->size; }
/* y += sum over i < k of x[i] rows[i], n elements of each */
void add_rows(const blocked *b, int64_t k, int64_t n, const char *x, const char *rows, int64_t pitch,
              char *y);
/* y[i] += rows[i] . x for i < k, n elements of each */
void dot_rows(const blocked *b, int64_t k, int64_t n, const char *x, const char *rows, int64_t pitch,
              char *y);
void clear_row(const blocked *b, int64_t n, char *x);
void scale_row(const blocked *b, int64_t n, double factor, char *x);
/* y += factor times the sum of rows */
void add_sum(const blocked *b, double factor, int64_t k, int64_t n, const char *rows, int64_t pitch, char *y);
/* y -= sum over i < k of x[i * step] rows[i], k <= CONDENSED_PANEL */
void subtract_rows(const blocked *b, int64_t k, int64_t n, const char *x, int64_t step, const char *rows,
                   int64_t pitch, char *y);
/* y += factor times the sum over i < k of (x . with[i]) rows[i], k <= CONDENSED_PANEL */
typedef struct vectors {
  const char *at;
  int64_t pitch, n; /* n elements of each */
} vectors;
void add_projected(const blocked *b, double factor, int64_t k, const char *x, const vectors *with,
                   const vectors *rows, char *y);
/* x[at .. end) becomes the vector of the reflection that leaves *kept of it at `at`; x[0 .. at) becomes zeros. Returns tau;
   if that is 0, the vector is zeros and what is noted is 1. */
double reflection_make(const blocked *b, char *x, int at, int end, char *kept, char *noted);
/* Rows become 2^-e times themselves, e returned, so that their squares neither overflow nor vanish: 0 if they don't.
   `triangle`: row i ends at i. */
int rows_to_unit(const blocked *b, char *rows, int64_t count, int64_t n, int64_t pitch, bool triangle);
#endif
