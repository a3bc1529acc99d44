/* reflections.h: Householder's reflections I - tau v vT, many of them joined (Schreiber and Van Loan 1989):

       (I - tau_1 v_1 v_1T) (I - tau_2 v_2 v_2T) ... = I - V T VT

   where T^-1 has the upper part of VT V and 1 / tau on its diagonal. So what meets them meets products of matrices.
   Uses cpu/placed.h. */
#ifndef CPU_REFLECTIONS_H
#define CPU_REFLECTIONS_H
#include "backends/cpu/placed.h"

enum { JOINED = 64, REFLECTED = 128 /* columns of a piece */ };

typedef struct reflections {
  blocked *b;
  int rows, count;
  placed v;             /* (rows, count): ones on the diagonal, zeros above */
  char *tau;            /* of a vector of zeros: 1 */
  char *t;              /* T of JOINED of them each, in columns */
  placed first, second; /* VT C and T VT C: (JOINED, columns of C) */
} reflections;

/* Room for t, first and second, for C of so many columns. */
void reflections_take_room(reflections *r, int64_t columns, workspace *w);
static inline int reflections_width(const reflections *r, int at) {
  return at < r->count ? (int)smaller(r->count - at, JOINED) : 0;
}
/* Joins those from `at`, a multiple of JOINED, on. */
void reflections_join(const reflections *r, int at);
/* Columns of c from `column` on become (I - V T VT) times them, or with TT, for those joined at `at`. */
void reflections_meet(const reflections *r, int at, bool turned, placed c, int column, int count);
/* The first `columns` columns of c become the product of all reflections and them. */
void reflections_multiply(const reflections *r, placed c, int columns);
#endif
