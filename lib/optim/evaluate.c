/* evaluate.c: collections computed at once. */
#include <pons/eval.h>
#include <pons/optim.h>
#include <stdlib.h>

bool pons_eval_named(pons_named a, pons_named b) {
  const int64_t n = a ? pons_named_count(a) : 0, m = b ? pons_named_count(b) : 0;
  pons_array *all = malloc((size_t)(n + m + 1) * sizeof *all);
  if (!all) {
    pons_fail_as(PONS_ERROR_MEMORY, "eval", "out of memory");
    return false;
  }
  for (int64_t i = 0; i < n; i++) all[i] = pons_named_at(a, i);
  for (int64_t i = 0; i < m; i++) all[n + i] = pons_named_at(b, i);
  const bool fine = pons_eval_many(all, (int)(n + m));
  free(all);
  return fine;
}
