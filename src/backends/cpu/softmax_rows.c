/* softmax_rows.c: see softmax_rows.h. A row is read once: what was added up so far is scaled where a later part has a greater one. */
#include "backends/cpu/softmax_rows.h"
#include "backends/cpu/calls.h"
#include <math.h>

const void *softmax_part(const softmax_source *s, int64_t at, int64_t count, void *kept, bool first) {
  if (s->x) return row_part(s->dtype, s->x, s->stride, at, count, kept, first);
  return row_part(s->dtype, made_part(s->made, s->row, at, count), 1, 0, count, kept, true);
}

softmax_sum softmax_sum_of(const softmax_source *s, int64_t choice, int64_t ahead, float *exps) {
  const softmax_loops *loops = cpu_softmax_loops();
  const pons_dtype form = PONS_FLOAT32;
  _Alignas(64) float kept[KEPT];
  softmax_sum r = {.greatest = -INFINITY};
  for (int64_t at = 0; at < s->n; at += KEPT) {
    const int64_t n = smaller(s->n - at, KEPT);
    const float *part = softmax_part(s, at, n, kept, true);
    const float most = loops->greatest[form](part, n);
    if (most > r.greatest) {
      if (at > 0) r.sum *= expf(r.greatest - most);
      r.greatest = most;
    }
    r.sum += loops->exps[form](part, n, r.greatest == -INFINITY ? 0 : r.greatest, s->dtype == form ? ahead : 0, exps);
    if (choice >= at && choice < at + n) r.chosen = part[choice - at];
  }
  return r;
}

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
