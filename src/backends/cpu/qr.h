/* qr.h: A = Q R by blocks (qr_cpu.c), of float32 and float64. Uses cpu/reflections.h. */
#ifndef CPU_QR_H
#define CPU_QR_H
#include "backends/cpu/reflections.h"

typedef struct qr {
  blocked *b;
  reflections r;          /* Q; its room is the caller's to take */
  int n, at, width, next; /* columns of the panel in work; how many the next one has */
  placed a, q;            /* A, then R and rubbish below it; rows are neighbours */
  char *panel, *work;
} qr;

/* For A (m, n), all but the room of the reflections; b->j->lwork is what LAPACK has for a panel. */
void qr_take_room(qr *f, blocked *b, int m, int n, workspace *w);
void qr_factor(qr *f);
#endif
