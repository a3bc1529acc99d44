/* loops.h: the loops that are made of the rows: of real dtypes one table per instruction set (elementwise.isa.c), of
   complex ones one for all (elementwise_complex.c). Part of backends/cpu/. */
#ifndef LOOPS_H
#define LOOPS_H
#include "kernel/kernel.h"

/* out[i] = row(a[i], b[i], c[i]) for i < n, on packed elements. `out` may be one of the operands if their
   elements are of the same size, else must not overlap them. */
typedef void loop(void *out, const void *a, const void *b, const void *c, int64_t n);

typedef struct loops {
  /* By row and dtype of the operands. NULL where the row does not take the dtype, and for halves: they are
     computed in float32. */
  loop *row[ROW_COUNT][PONS_DTYPE_COUNT];
  /* Of float32: the same, written past the caches (cpu_end_past_cache comes after the last). `out` is a multiple of 64 and
     none of the operands. NULL where there is none. */
  loop *far[ROW_COUNT];
  /* From, to. For halves to and from float32 alone. */
  loop *cast[PONS_DTYPE_COUNT][PONS_DTYPE_COUNT];
} loops;

extern const loops loops_baseline;
#ifdef PONS_HAVE_AVX2
extern const loops loops_avx2;
#endif
#ifdef PONS_HAVE_AVX512
extern const loops loops_avx512;
#endif
extern const loops loops_complex;
/* Those of the instruction set in use (isa.c). */
const loops *loops_now(void);
#endif
