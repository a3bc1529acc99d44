/* cursor.h: walks the elements of several operands of one shape together, in row-major order.

       cursor c = cursor_new(n, dims, 2, x_strides, y_strides);
       for (cursor_to(&c, first); ...; cursor_next(&c)) use x[c.offset[0]], y[c.offset[1]]

   Offsets are in elements. Uses base/. */
#ifndef CPU_CURSOR_H
#define CPU_CURSOR_H
#include "base/base.h"

enum { CURSOR_LISTS = 4 };

typedef struct cursor {
  int n, lists;
  int64_t dims[PONS_MAX_NDIM], at[PONS_MAX_NDIM];
  int64_t strides[CURSOR_LISTS][PONS_MAX_NDIM];
  int64_t offset[CURSOR_LISTS];
} cursor;

/* `lists` stride lists of n follow. Neighbouring axes that every list walks as one are joined. */
cursor cursor_new(int n, const int64_t *dims, int lists, ...);
/* The same in place, and a copy: what lies behind the axes is not touched. A cursor is 1.6 KiB, which counts
   where there is little else to do. */
void cursor_set(cursor *c, int n, const int64_t *dims, int lists, ...);
void cursor_copy(cursor *to, const cursor *from);
/* Puts the cursor at the linear position `index`. */
void cursor_to(cursor *c, int64_t index);

static inline void cursor_next(cursor *c) {
  for (int d = c->n - 1; d >= 0; d--) {
    for (int k = 0; k < c->lists; k++) c->offset[k] += c->strides[k][d];
    if (++c->at[d] < c->dims[d]) return;
    c->at[d] = 0;
    for (int k = 0; k < c->lists; k++) c->offset[k] -= c->strides[k][d] * c->dims[d];
  }
}
/* Takes the last axis out, if there is one: its size (else 1), its strides in `strides` (else 1). */
int64_t cursor_take_last(cursor *c, int64_t *strides);
int64_t cursor_size(const cursor *c);
#endif
