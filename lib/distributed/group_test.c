/* group_test.c: what collectives are on a group of one, as MLX has it there. */
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void one_process(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  pons_group g = pons_distributed_init(false, "any");
  assert_non_null(g);
  assert_int_equal(pons_group_rank(g), 0);
  assert_int_equal(pons_group_size(g), 1);
  pons_array x = pons_arange(0, 6, 1, PONS_FLOAT32);
  pons_array results[] = {pons_distributed_all_sum(x, g), pons_distributed_all_max(x, NULL),
                          pons_distributed_all_min(x, g), pons_distributed_all_gather(x, g),
                          pons_distributed_sum_scatter(x, g)};
  for (size_t i = 0; i < sizeof results / sizeof *results; i++)
    assert_int_equal(pons_item_int(pons_array_equal(results[i], x)), 1);
  assert_true(pons_ok());
  pons_scope_close(s);
}

static void expect(const char *text) {
  assert_string_equal(pons_error(), text);
  pons_clear_error();
}

static void what_needs_others(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  assert_false(pons_distributed_is_available("any"));
  assert_true(pons_ok());
  assert_null(pons_distributed_init(true, "mpi"));
  expect("distributed_init: no transport between processes for backend 'mpi' is built in");
  assert_null(pons_distributed_init(false, "smoke"));
  expect("distributed_init: no such backend: 'smoke'\nhint: there are any, mpi, nccl, ring, jaccl");
  assert_null(pons_group_split(NULL, 0, 1));
  expect("group_split: color 0, key 1: a group of 1 process can't be split");
  pons_array x = pons_ones(PONS_SHAPE(3), PONS_FLOAT32);
  assert_false(pons_eval(pons_distributed_send(x, 1, NULL)));
  expect("send: process 1 is no other process of a group of 1");
  assert_false(pons_eval(pons_distributed_recv(PONS_SHAPE(3), PONS_FLOAT32, 2, NULL)));
  expect("recv: process 2 is no other process of a group of 1");
  assert_false(pons_eval(pons_distributed_recv_like(x, 2, NULL)));
  expect("recv_like: process 2 is no other process of a group of 1");
  pons_scope_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_process), cmocka_unit_test(what_needs_others)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
