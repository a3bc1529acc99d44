/* softmax_rows.h: what softmax, the logarithm of a sum of exponentials and the loss of classes begin with, of a row of floats: the greatest,
   and the sum of exponentials of what is left when that is taken from all. Part of backends/cpu/. */
#ifndef CPU_SOFTMAX_ROWS_H
#define CPU_SOFTMAX_ROWS_H
#include "backends/cpu/chain.h"
#include "backends/cpu/lanes.h"

/* A row as it lies, or as a chain makes it part by part: then it is not kept. */
typedef struct softmax_source {
  pons_dtype dtype;
  int64_t n, stride;
  const void *x;   /* NULL: it is made: */
  made_rows *made;
  int64_t row;
} softmax_source;

/* Up to KEPT elements or lanes from `at` on: in memory, or in `kept`. `first`: they are not there from an earlier call. */
const void *softmax_part(const softmax_source *s, int64_t at, int64_t count, void *kept, bool first);

typedef struct softmax_sum {
  float greatest; /* -inf: there is none */
  float sum;      /* NaN if there is one, or if the greatest is infinity */
  float chosen;   /* element `choice`, if there is such */
} softmax_sum;
/* Of float32 and halves. `exps`, of KEPT: the exponentials, if the row is no longer than that. */
softmax_sum softmax_sum_of(const softmax_source *s, int64_t choice, int64_t ahead, float *exps);
/* What the sum can't tell where the greatest is infinite: that, or NaN, if there is one. Also of float64. */
double log_sum_of_infinite(const softmax_source *s, double greatest);
#endif
