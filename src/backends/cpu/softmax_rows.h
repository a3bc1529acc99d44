/* softmax_rows.h: what softmax, the logarithm of a sum of exponentials and the loss of classes begin with, of a row of floats: the greatest,
   and the sum of exponentials of what is left when that is taken from all. Part of backends/cpu/. */
#ifndef CPU_SOFTMAX_ROWS_H
#define CPU_SOFTMAX_ROWS_H
#include "backends/cpu/calls.h"
#include "backends/cpu/chain.h"
#include "backends/cpu/lanes.h"
#include <math.h>

/* A row as it lies, or as a chain makes it part by part: then it is not kept. */
typedef struct softmax_source {
  pons_dtype dtype;
  int64_t n, stride;
  const void *x;   /* NULL: it is made: */
  made_rows *made;
  int64_t row;
} softmax_source;

/* Up to KEPT elements or lanes from `at` on: in memory, or in `kept`. `first`: they are not there from an earlier call. */
static inline const void *softmax_part(const softmax_source *s, int64_t at, int64_t count, void *kept, bool first) {
  if (s->x) return row_part(s->dtype, s->x, s->stride, at, count, kept, first);
  return row_part(s->dtype, made_part(s->made, s->row, at, count), 1, 0, count, kept, true);
}

typedef struct softmax_sum {
  float greatest; /* -inf: there is none */
  float sum;      /* NaN if there is one, or if the greatest is infinity */
  float chosen;   /* element `choice`, if there is such */
} softmax_sum;
/* Of float32 and halves. `exps`, of KEPT: the exponentials, if the row is no longer than that. A row is read once: what was added up so far is
   scaled where a later part has a greater one. Inline, for a fifth of the time of rows of 64. */
static inline softmax_sum softmax_sum_of(const softmax_source *s, int64_t choice, int64_t ahead, float *exps) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype form = PONS_FLOAT32;
  _Alignas(64) float kept[KEPT];
  softmax_sum r = {.greatest = -INFINITY};
  for (int64_t at = 0; at < s->n; at += KEPT) {
    const int64_t n = smaller(s->n - at, KEPT);
    const float *part = softmax_part(s, at, n, kept, true);
    const float most = loops->greatest[form](part, n);
    if (at == 0) {
      r.greatest = most;
    } else if (most > r.greatest) {
      r.sum *= expf(r.greatest - most);
      r.greatest = most;
    }
    float shift = r.greatest;
    if (__builtin_expect(shift == -INFINITY, 0)) shift = 0; /* a branch: what follows does not wait for it */
    r.sum += loops->exps[form](part, n, shift, s->dtype == form ? ahead : 0, exps);
    if (choice >= at && choice < at + n) r.chosen = part[choice - at];
  }
  return r;
}
/* What the sum can't tell where the greatest is infinite: that, or NaN, if there is one. Also of float64. */
double log_sum_of_infinite(const softmax_source *s, double greatest);
#endif
