/* threads_test.c: loops are whole, nested and concurrent loops too, and what they give does not depend on
   how many threads run. */
#include "base/base.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECES = 1000 };

static void count_visit(void *context, int64_t piece) { ((int *)context)[piece]++; }

static void check_whole_loop(int64_t pieces) {
  int visits[PIECES] = {0};
  parallel_for(pieces, count_visit, visits);
  for (int64_t i = 0; i < PIECES; i++) assert_int_equal(visits[i], i < pieces);
}

static void each_piece_runs_once(void **state) {
  (void)state;
  for (int threads = 1; threads <= 8; threads++) {
    parallel_set_threads(threads);
    assert_int_equal(parallel_threads(), threads);
    for (int repeat = 0; repeat < 50; repeat++) check_whole_loop(PIECES - repeat);
    check_whole_loop(0);
    check_whole_loop(1);
    check_whole_loop(2);
  }
}

static void add_row(void *context, int64_t piece) {
  float *sums = context;
  float sum = 0;
  for (int64_t i = piece * 100; i < piece * 100 + 100; i++) sum += 1.0f / (float)(i + 1);
  sums[piece] = sum;
}

static void results_do_not_depend_on_the_count(void **state) {
  (void)state;
  static float one[PIECES], many[PIECES];
  parallel_set_threads(1);
  parallel_for(PIECES, add_row, one);
  for (int threads = 2; threads <= 8; threads++) {
    parallel_set_threads(threads);
    memset(many, 0, sizeof many);
    parallel_for(PIECES, add_row, many);
    assert_memory_equal(one, many, sizeof one);
  }
}

static void run_inner(void *context, int64_t piece) {
  parallel_for(10, count_visit, (int *)context + piece * 10);
}

static void nested_loops_run_where_they_are_called(void **state) {
  (void)state;
  int visits[PIECES] = {0};
  parallel_set_threads(4);
  parallel_for(PIECES / 10, run_inner, visits);
  for (int i = 0; i < PIECES; i++) assert_int_equal(visits[i], 1);
}

static void *loop_many_times(void *failures) {
  for (int repeat = 0; repeat < 200; repeat++) {
    int visits[64] = {0};
    parallel_for(64, count_visit, visits);
    for (int i = 0; i < 64; i++) *(int *)failures += visits[i] != 1;
  }
  return NULL;
}

static void several_threads_may_loop_at_once(void **state) {
  (void)state;
  pthread_t threads[4];
  int failures[4] = {0};
  parallel_set_threads(3);
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, loop_many_times, &failures[i]), 0);
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(failures[i], 0);
  }
}

static void a_forked_child_loops_too(void **state) {
  (void)state;
#if defined(__SANITIZE_THREAD__)
  skip(); /* ThreadSanitizer ends a forked child that starts threads */
#endif
  parallel_set_threads(4);
  check_whole_loop(PIECES);
  pid_t child = fork();
  if (child == 0) {
    int failures = 0;
    loop_many_times(&failures);
    _exit(failures != 0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_piece_runs_once),
      cmocka_unit_test(results_do_not_depend_on_the_count),
      cmocka_unit_test(nested_loops_run_where_they_are_called),
      cmocka_unit_test(several_threads_may_loop_at_once),
      cmocka_unit_test(a_forked_child_loops_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
