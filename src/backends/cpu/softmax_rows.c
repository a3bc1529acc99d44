/* softmax_rows.c: see softmax_rows.h. */
#include "backends/cpu/softmax_rows.h"

double log_sum_of_infinite(const softmax_source *s, double greatest) {
  _Alignas(64) double kept[KEPT];
  for (int64_t at = 0; at < s->n; at += KEPT) {
    const int64_t n = smaller(s->n - at, KEPT);
    const void *part = softmax_part(s, at, n, kept, true);
    for (int64_t i = 0; i < n; i++)
      if (isnan(s->dtype == PONS_FLOAT64 ? ((const double *)part)[i] : (double)((const float *)part)[i])) return (double)NAN;
  }
  return greatest;
}
