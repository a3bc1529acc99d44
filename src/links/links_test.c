/* links_test.c: what collectives are on a group of one, as MLX has it there, and what the environment must say for others. */
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
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
  assert_true(pons_distributed_is_available("any"));
  assert_true(pons_distributed_is_available("ring"));
  assert_false(pons_distributed_is_available("jaccl"));
  assert_true(pons_ok());
  assert_null(pons_distributed_init(true, "ring"));
  expect("distributed_init: ring needs MLX_HOSTFILE and MLX_RANK");
  assert_null(pons_distributed_init(true, "any"));
  expect("distributed_init: the environment names no group of processes for any backend");
  assert_null(pons_distributed_init(true, "jaccl"));
  expect("distributed_init: backend 'jaccl' is not built in");
  assert_null(pons_distributed_init(true, "mpi"));
  expect("distributed_init: backend 'mpi' is not built in");
  assert_int_equal(pons_group_size(pons_distributed_init(false, "mpi")), 1);
  assert_false(pons_distributed_is_available("mpi"));
  assert_true(pons_ok());
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

/* What a file or a variable says that is wrong. */
static void wrong_descriptions(void **state) {
  (void)state;
  setenv("MLX_RANK", "0", 1);
  setenv("MLX_HOSTFILE", "/nowhere/hosts.json", 1);
  assert_null(pons_distributed_init(false, "ring"));
  expect("ring: MLX_HOSTFILE '/nowhere/hosts.json' can't be read: No such file or directory");
  char path[] = "/tmp/pons-ring-XXXXXX";
  close(mkstemp(path));
  setenv("MLX_HOSTFILE", path, 1);
  static const char *const texts[] = {"", "[", "[]", "{}", "[[]]", "[[1]]", "[\"127.0.0.1:5000\"]", "[[\"127.0.0.1:1\"], 5]",
                                      "[[\"1234567890123456789012345678901234567890123456789012345678901234567890\"]]"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    FILE *f = fopen(path, "w");
    fputs(texts[i], f);
    fclose(f);
    assert_null(pons_distributed_init(false, "any"));
    assert_non_null(strstr(pons_error(), "is no list of lists of \"address:port\""));
    pons_clear_error();
  }
  FILE *f = fopen(path, "w");
  fputs("[[\"127.0.0.1\"], [\"127.0.0.1:http:x\"]]", f);
  fclose(f);
  assert_null(pons_distributed_init(false, "ring"));
  assert_non_null(strstr(pons_error(), "ring: '127.0.0.1' is no address and port: "));
  pons_clear_error();
  static const char *const ranks[] = {"2", "-1", "one", "99999999999999999999"};
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
    setenv("MLX_RANK", ranks[i], 1);
    assert_null(pons_distributed_init(false, "ring"));
    assert_non_null(strstr(pons_error(), "', not 0 to 1"));
    pons_clear_error();
  }
  unlink(path);
  unsetenv("MLX_HOSTFILE");
  setenv("NCCL_HOST_IP", "127.0.0.1", 1);
  setenv("NCCL_PORT", "5000", 1);
  setenv("MLX_WORLD_SIZE", "2", 1);
  setenv("MLX_RANK", "2", 1);
  assert_null(pons_distributed_init(false, "nccl"));
  expect("nccl: MLX_RANK is '2' of MLX_WORLD_SIZE '2'");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_process), cmocka_unit_test(what_needs_others), cmocka_unit_test(wrong_descriptions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
