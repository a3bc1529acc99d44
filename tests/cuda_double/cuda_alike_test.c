/* cuda_alike_test.c: evals with the same steps, one after the other, on the double of the CUDA driver: the first is launched step by
   step, the others as one graph that is told what differs. It judges what is asked of the driver, not the hardware. */
#include "device/device.h"
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/graph_calls.h"
#include "tests/doubles/repeated.h"
#include <pthread.h>

static void run_token(model *m, int i) {
  const pons_scope s = pons_scope_open();
  float x[TOKEN];
  fill(x, i);
  pons_array y = token(m, i, x);
  look();
  CHECK(pons_eval_many((pons_array[]){y, m->cache}, 2));
  expect_token(m, i, x, y);
  pons_scope_close(s);
}

static void the_second_is_one_graph(void) {
  model m;
  CHECK(pons_set_default_device("cuda"));
  start(&m);
  for (int i = 0; i < 12; i++) {
    run_token(&m, i);
    const long launches = count("cuLaunchKernel") - seen.launches, told = count("cuGraphExecKernelNodeSetParams") - seen.told;
    CHECK(i == 0 ? launches >= TOKEN_STEPS : launches == 0);
    CHECK(count("cuGraphLaunch") - seen.graphs == (i > 0));
    CHECK(count("cuGraphInstantiateWithFlags") - seen.made == (i == 1));
    CHECK(i < 2 ? told == 0 : told > 0 && told <= 6); /* temporaries are where they were */
  }
  const float *cache = pons_data(m.cache);
  for (int k = 0; k < CACHE_LENGTH; k++) CHECK(cache && cache[k] == m.expected[k]);
  pons_release(m.cache);
  CHECK(pons_ok());
}

/* Who holds an earlier state of the array still has it. */
static void earlier_states_stay(void) {
  enum { TOKENS = 8 };
  model m;
  pons_array held[TOKENS];
  CHECK(pons_set_default_device("cuda"));
  start(&m);
  for (int i = 0; i < TOKENS; i++) {
    run_token(&m, i);
    held[i] = pons_keep(m.cache);
  }
  CHECK(count("cuGraphLaunch") == TOKENS - 1);
  for (int i = 0; i < TOKENS; i++) {
    const float *cache = pons_data(held[i]);
    for (int k = 0; k < CACHE_LENGTH; k++) CHECK(cache && cache[k] == (k <= i ? m.expected[k] : 0));
    pons_release(held[i]);
  }
  pons_release(m.cache);
}

/* Two models in turn, of other sizes: each has a graph. What lies unused is given back in between. */
static void caches_may_be_cleared(void) {
  model m, other;
  CHECK(pons_set_default_device("cuda"));
  start(&m);
  start(&other);
  for (int i = 0; i < 9; i++) {
    run_token(&m, i);
    run_token(&other, i / 2);
    if (i % 3 == 2) pons_clear_cache();
  }
  pons_release(m.cache);
  pons_release(other.cache);
  CHECK(pons_ok());
}

static void without_graphs(void) {
  model m;
  CHECK(pons_set_default_device("cuda"));
  start(&m);
  for (int i = 0; i < 5; i++) {
    run_token(&m, i);
    CHECK(count("cuLaunchKernel") - seen.launches >= TOKEN_STEPS);
  }
  CHECK(count("cuGraphLaunch") == 0 && pons_ok());
  pons_release(m.cache);
}

/* Products of a library, whose operands are elsewhere each time. */
static void products_with_new_operands(void) {
  enum { PRODUCTS = 28 };
  CHECK(pons_set_default_device("cuda"));
  for (int i = 0; i < 6; i++) {
    const pons_scope s = pons_scope_open();
    pons_array factor[PRODUCTS], y = pons_eye(2, 2, 0, PONS_FLOAT32);
    float expected = 1;
    for (int k = 0; k < PRODUCTS; k++) {
      const float f = (float)(1 + (i + k) % 2), diagonal[] = {f, 0, 0, f};
      factor[k] = pons_array_from(diagonal, PONS_SHAPE(2, 2), PONS_FLOAT32);
      y = pons_matmul(y, factor[k]);
      expected *= f;
    }
    const float *at = pons_data(y);
    CHECK(at && at[0] == expected && at[1] == 0 && at[2] == 0 && at[3] == expected);
    pons_scope_close(s);
  }
  CHECK(pons_ok());
}

static void *tokens_of_a_thread(void *context) {
  const pons_stream own = pons_new_stream("cuda");
  model m;
  pons_set_stream(own);
  start(&m);
  for (int i = 0; i < 10; i++) {
    const pons_scope s = pons_scope_open();
    float x[TOKEN];
    fill(x, i + *(const int *)context);
    pons_array y = token(&m, i, x);
    CHECK(pons_async_eval_many((pons_array[]){y, m.cache}, 2));
    expect_token(&m, i, x, y);
    pons_scope_close(s);
  }
  pons_release(m.cache);
  return NULL;
}

/* One of them has the graph, the others' launches are made one by one meanwhile. */
static void threads_share_a_graph(void) {
  enum { THREADS = 3 };
  pthread_t threads[THREADS];
  int seeds[THREADS];
  for (int i = 0; i < THREADS; i++) {
    seeds[i] = 7 * i;
    CHECK(!pthread_create(&threads[i], NULL, tokens_of_a_thread, &seeds[i]));
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(pons_ok() && count("cuGraphLaunch") > 0);
}

/* Few steps are launched one by one. */
static void small_evals_are_not_noted(void) {
  CHECK(pons_set_default_device("cuda"));
  for (int i = 0; i < 5; i++) {
    const pons_scope s = pons_scope_open();
    const float *y = pons_data(pons_sort(pons_negative(pons_arange(0, 5, 1, PONS_FLOAT32)), 0));
    CHECK(y && y[0] == -4);
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") == 0);
}

static void evals_with_the_same_steps_are_graphs(void **state) {
  (void)state;
  passes(the_second_is_one_graph, "A=1");
  passes(earlier_states_stay, "A=1");
  passes(caches_may_be_cleared, "A=1");
  passes(caches_may_be_cleared, "CUDA_DOUBLE_POOLS=0");
  passes(without_graphs, "PONS_CUDA_GRAPHS=0");
  passes(without_graphs, "PONS_CUDA_WAIT=1");
  passes(small_evals_are_not_noted, "A=1");
  passes(products_with_new_operands, "A=1");
  passes(threads_share_a_graph, "A=1");
}

/* ---- faults ---- */

static pons_array taken_in_rounds(pons_array x, pons_array at) {
  for (int r = 0; r < ROUNDS; r++) x = pons_negative(pons_sort(x, 0));
  return pons_take(x, at, 0);
}

static void wrong_indices_are_told_each_time(void) {
  static const int good[] = {3, 0, 1}, bad[] = {1, 9, 0};
  CHECK(pons_set_default_device("cuda"));
  for (int i = 0; i < 6; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = pons_arange(0, 5, 1, PONS_FLOAT32), at = pons_array_from(i % 2 ? bad : good, PONS_SHAPE(3), PONS_INT32);
    CHECK(pons_eval(x));
    const float *y = pons_data(taken_in_rounds(x, at));
    if (i % 2) CHECK(!y && told("index 9 is out of range for axis 0 of size 5"));
    else CHECK(y && y[0] == 1 && y[1] == 4 && y[2] == 3); /* of 4, 3, 2, 1, 0 */
    pons_clear_error();
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") == 5);
}

/* All is right, or the eval fails and what was computed before is still right. */
static void right_or_an_error(void) {
  model m;
  CHECK(pons_set_default_device("cuda"));
  start(&m);
  for (int i = 0; i < 5; i++) {
    const pons_scope s = pons_scope_open();
    float x[TOKEN];
    fill(x, i);
    pons_array y = token(&m, i, x);
    const bool fine = pons_eval_many((pons_array[]){y, m.cache}, 2);
    if (fine) expect_token(&m, i, x, y);
    CHECK(fine || !pons_ok());
    pons_scope_close(s);
    if (!fine) break;
  }
}

static void right_all_the_same(void) {
  right_or_an_error();
  CHECK(pons_ok());
}

static void calls_may_fail(void **state) {
  (void)state;
  static const char *const graph_calls[] = {"cuGraphCreate", "cuGraphAddKernelNode", "cuGraphInstantiateWithFlags",
                                            "cuGraphExecKernelNodeSetParams", "cuGraphLaunch"};
  static const struct { const char *call; int first, step; } others[] = { /* behind those that the start makes */
      {"cuLaunchKernel", 7, 12}, {"cuMemAllocFromPoolAsync", 4, 1}, {"cuMemcpyHtoDAsync", 2, 1}, {"cuCtxPushCurrent", 40, 31}};
  char settings[100];
  for (size_t i = 0; i < sizeof graph_calls / sizeof *graph_calls; i++)
    for (int at = 1; at <= 3; at++) {
      snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:%d=801", graph_calls[i], at);
      passes(right_all_the_same, settings);
    }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    for (int k = 0; k < 10; k++) {
      snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:%d=2", others[i].call, others[i].first + k * others[i].step);
      passes(right_or_an_error, settings);
    }
  passes(right_or_an_error, "DOUBLE_FAULTS=cuGraphLaunch:2=719");
  passes(right_or_an_error, "DOUBLE_FAULTS=kernel:90=719");
  passes(wrong_indices_are_told_each_time, "A=1");
}

/* ---- memory ---- */

/* From what holds everything down to what holds nothing. */
static void memory_may_be_short(void **state) {
  (void)state;
  char settings[100];
  for (int bytes = 40000; bytes > 5000; bytes -= 1700) {
    snprintf(settings, sizeof settings, "CUDA_DOUBLE_MEMORY=%d", bytes);
    passes(right_all_the_same, settings);
  }
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(evals_with_the_same_steps_are_graphs),
      cmocka_unit_test(calls_may_fail),
      cmocka_unit_test(memory_may_be_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
