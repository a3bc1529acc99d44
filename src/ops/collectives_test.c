/* collectives_test.c: what collectives give and how they are transformed, in groups of processes. */
#include "ops/ops.h"
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/processes.h"

static bool all_sums(int rank, int size) {
  pons_group g = pons_distributed_init(true, "ring");
  EXPECT(g && pons_group_rank(g) == rank && pons_group_size(g) == size);
  pons_array x = pons_arange(rank, rank + 10, 1, PONS_FLOAT32); /* of another graph on each */
  pons_array y = pons_distributed_all_sum(pons_multiply(x, pons_scalar(2, PONS_FLOAT32)), g);
  pons_array expected = pons_multiply(pons_arange(0, 10, 1, PONS_FLOAT32), pons_scalar(2 * size, PONS_FLOAT32));
  expected = pons_add(expected, pons_scalar(size * (size - 1), PONS_FLOAT32));
  EXPECT(pons_item_int(pons_array_equal(y, expected)) == 1);
  EXPECT(pons_item_int(pons_max(pons_distributed_all_max(x, NULL))) == size + 8);
  EXPECT(pons_item_int(pons_min(pons_distributed_all_min(x, NULL))) == 0);
  return pons_ok();
}

static void sums(void **state) {
  (void)state;
  run_ring(2, all_sums);
  run_ring(3, all_sums);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sums)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
