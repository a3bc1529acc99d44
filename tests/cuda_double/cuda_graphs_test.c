/* cuda_graphs_test.c: compiled functions on the double of the CUDA driver: launched step by step at first, then as one graph that is
   told what changed. It judges what is asked of the driver, not the hardware. */
#include "device/device.h"
#include <pons/linalg.h>
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/graph_calls.h"
#include "tests/doubles/repeated.h"

/* How many launches, launches of graphs and new graphs there were since then; whether nodes were told of changes. */
static void expect_calls(long launches, long graphs, long made) {
  CHECK(count("cuLaunchKernel") - seen.launches == launches);
  CHECK(count("cuGraphLaunch") - seen.graphs == graphs);
  CHECK(count("cuGraphInstantiateWithFlags") - seen.made == made);
}

/* The array made for the call is a launch of its own. */
enum { RAMP = 1, STEPS = 2 };

static void the_second_call_is_one_graph(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(centred);
  look();
  expect_centred(f, 100, 3, 0);
  expect_calls(RAMP + STEPS, 0, 0);
  for (int i = 0; i < 4; i++) {
    look();
    expect_centred(f, 100, 5 * i, 0);
    expect_calls(RAMP, 1, i == 0);
  }
  look();
  expect_centred(f, 60, 2, 0); /* other shapes: another plan, from its first run on */
  expect_calls(RAMP + STEPS, 0, 0);
  look();
  expect_centred(f, 60, -7, 0);
  expect_calls(RAMP, 1, 1);
  look();
  expect_centred(f, 100, 9, 0);
  expect_calls(RAMP, 1, 0);
  pons_function_release(f);
  CHECK(count("graphs") == 0 && pons_ok());
}

/* The result of the call before is still held: this one's lies elsewhere. */
static void memories_may_change(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(centred);
  pons_array held[8];
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 8; i++) {
    pons_array x = ramp(50, i);
    CHECK(pons_eval(x));
    look();
    CHECK(pons_eval(held[i] = pons_apply(f, x)));
    if (i > 1) expect_calls(0, 1, 0);
    if (i > 2) CHECK(count("cuGraphExecKernelNodeSetParams") > seen.told);
  }
  for (int i = 0; i < 8; i++) {
    const float *y = pons_data(held[i]);
    CHECK(y);
    for (int k = 0; k < 50; k++) CHECK(y[k] == (float)centred_at(k, 50, i));
  }
  pons_scope_close(s);
  pons_function_release(f);
}

/* An array that begins elsewhere in its memory: steps are noted anew, the graph stays. */
static void beginnings_may_change(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(centred);
  for (int i = 0; i < 5; i++) expect_centred(f, 30, 1, 4 * i); /* still aligned */
  CHECK(count("cuGraphInstantiateWithFlags") == 1 && count("cuGraphLaunch") == 4);
  pons_function_release(f);
}

/* Of many launches each graph has some, so that the device begins before all are told. */
static void many_launches_are_several_graphs(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(chain_of_greatest);
  for (int i = 0; i < 5; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = pons_arange(i - 1, i + 1, 1, PONS_FLOAT32);
    CHECK(pons_eval(x));
    look();
    const float *y = pons_data(pons_apply(f, x));
    CHECK(y && *y == (float)((LINKS + 1) * i) && pons_ok());
    if (i > 0) expect_calls(0, 2, i == 1 ? 2 : 0);
    pons_scope_close(s);
  }
  pons_function_release(f);
  CHECK(count("graphs") == 0);
}

static void no_graphs(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(centred);
  for (int i = 0; i < 5; i++) {
    look();
    expect_centred(f, 100, i, 0);
    expect_calls(RAMP + STEPS, count("cuGraphLaunch") - seen.graphs,
                 count("cuGraphInstantiateWithFlags") - seen.made);
  }
  CHECK(pons_ok());
  pons_function_release(f);
  CHECK(count("graphs") == 0);
}

static void compiled_functions_are_graphs(void **state) {
  (void)state;
  passes(the_second_call_is_one_graph, "A=1");
  passes(the_second_call_is_one_graph, "CUDA_DOUBLE_POOLS=0");
  passes(memories_may_change, "A=1");
  passes(memories_may_change, "CUDA_DOUBLE_POOLS=0");
  passes(beginnings_may_change, "A=1");
  passes(many_launches_are_several_graphs, "A=1");
  passes(no_graphs, "PONS_CUDA_GRAPHS=0");
  passes(no_graphs, "PONS_CUDA_WAIT=1");
}

/* ---- library calls, two inputs of one array, indices ---- */

static void products_are_part_of_it(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(product_and_sum);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 5; i++) {
    pons_array a = pons_reshape(ramp(4, i), PONS_SHAPE(2, 2)), b = pons_reshape(ramp(4, 1), PONS_SHAPE(2, 2)),
               y;
    CHECK(pons_eval(a) && pons_eval(b));
    look();
    /* once the same array twice */
    CHECK(pons_call(f, (pons_array[]){a, i == 3 ? a : b}, 2, &y, 1));
    const float *at = pons_data(y);
    const float p = (float)i + 1, q = (float)i + 2, first = i == 3 ? 3 : 1, third = i == 3 ? 5 : 3;
    CHECK(at && at[0] == p * first + q * third + (float)i);
    if (i > 0) expect_calls(0, 1, i == 1);
  }

  pons_scope_close(s);
  pons_function_release(f);
  CHECK(count("graphs") == 0);
}

static void the_same_array_at_first(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(product_and_sum);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 5; i++) {
    pons_array a = pons_reshape(ramp(4, 0), PONS_SHAPE(2, 2)), b = pons_reshape(ramp(4, 1), PONS_SHAPE(2, 2)),
               y;
    CHECK(pons_eval(a) && pons_eval(b));
    CHECK(pons_call(f, (pons_array[]){a, i < 2 ? a : b}, 2, &y, 1));
    const float *at = pons_data(y);
    CHECK(at && at[0] == (i < 2 ? 0 + 2 * 2 : 1 + 2 * 3)); /* (1 2) times the first column */
  }
  pons_scope_close(s);
  pons_function_release(f);
}

static void wrong_indices_are_told_each_time(void) {
  static const int good[] = {3, 0, 1}, bad[] = {1, 9, 0};
  pons_set_default_device("cuda");
  pons_function f = compiled(taken_twice);
  const pons_scope s = pons_scope_open();
  pons_array x = ramp(5, 1);
  CHECK(pons_eval(x));
  for (int i = 0; i < 6; i++) {
    pons_array at = pons_array_from(i % 2 ? bad : good, PONS_SHAPE(3), PONS_INT32), y;
    pons_call(f, (pons_array[]){x, at}, 2, &y, 1);
    const float *data = pons_data(y);
    if (i % 2)
      CHECK(!data && told("index 9 is out of range for axis 0 of size 5"));
    else
      CHECK(data && data[0] == 2 && data[1] == 4 && data[2] == 8);
    pons_clear_error();
  }
  CHECK(count("cuGraphLaunch") == 5 && count("cuGraphInstantiateWithFlags") == 1);
  pons_scope_close(s);
  pons_function_release(f);
}

enum { PUT_AND_READ = 4 }; /* the double, what is put, what is read, its negative */
static void slices_from_arrays_are_part_of_it(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(put_and_read);
  const pons_scope s = pons_scope_open();
  pons_array x = ramp(8, 1), part = ramp(2, 100);
  CHECK(pons_eval(x) && pons_eval(part));
  for (int i = 0; i < 6; i++) {
    pons_array at = pons_array_from(&i, PONS_SHAPE(1), PONS_INT32), y;
    look();
    pons_call(f, (pons_array[]){x, part, at}, 3, &y, 1);
    const float *data = pons_data(y);
    CHECK(data && data[0] == -100 && data[1] == -101 && data[2] == (float)(-2 * (i + 3)));
    if (i == 0) expect_calls(PUT_AND_READ, 0, 0);
    if (i > 0) expect_calls(0, 1, i == 1);
  }
  pons_scope_close(s);
  pons_function_release(f);
}

static void work_of_the_host_is_no_part_of_it(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(eigenvalues);
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    const float *trace = pons_data(pons_apply(f, pons_eye(3, 3, 0, PONS_FLOAT32)));
    CHECK(trace && *trace == 6);
    pons_scope_close(s);
  }
  CHECK(pons_ok() && count("cuGraphLaunch") == 0);
  pons_function_release(f);
}

static void what_a_plan_holds(void **state) {
  (void)state;
  passes(products_are_part_of_it, "A=1");
  passes(the_same_array_at_first, "A=1");
  passes(wrong_indices_are_told_each_time, "A=1");
  passes(slices_from_arrays_are_part_of_it, "A=1");
  passes(work_of_the_host_is_no_part_of_it, "A=1");
}

/* ---- failures ---- */

static void right_all_the_same(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(product_and_sum);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 5; i++) {
    pons_array a = pons_reshape(ramp(4, i), PONS_SHAPE(2, 2)), b = pons_reshape(ramp(4, 1), PONS_SHAPE(2, 2)),
               y;
    CHECK(pons_eval(a) && pons_eval(b) && pons_call(f, (pons_array[]){a, b}, 2, &y, 1));
    const float *at = pons_data(y);
    CHECK(at && at[0] == (float)(i + 1) * 1 + (float)(i + 2) * 3 + (float)i);
  }
  pons_scope_close(s);
  pons_function_release(f);
  CHECK(pons_ok() && holds_no_more_than_one_device_keeps());
}

static void right_or_an_error(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(centred);
  for (int i = 0; i < 5; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = ramp(30, i);
    const float *y = pons_eval(x) ? pons_data(pons_apply(f, x)) : NULL;
    CHECK(y ? pons_ok() : !pons_ok());
    for (int k = 0; y && k < 30; k++) CHECK(y[k] == (float)centred_at(k, 30, i));
    if (i > 0 && !y) CHECK(told("CUDA_ERROR_LAUNCH_FAILED") || told("is lost since"));
    pons_clear_error();
    pons_scope_close(s);
  }
  pons_function_release(f);
  CHECK(count("events") <= 36 && count("streams") <= 4); /* graphs of a device that is lost can't be given up */
}

static void calls_about_graphs_may_fail(void **state) {
  (void)state;
  static const char *const calls[] = {"cuGraphCreate",
                                      "cuGraphAddKernelNode",
                                      "cuGraphAddChildGraphNode",
                                      "cuGraphInstantiateWithFlags",
                                      "cuGraphExecKernelNodeSetParams",
                                      "cuGraphExecChildGraphNodeSetParams",
                                      "cuGraphLaunch",
                                      "cuStreamBeginCapture",
                                      "cuStreamEndCapture"};
  char settings[128];
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    for (int at = 1; at <= 2; at++) {
      snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:%d=801", calls[i], at);
      passes(right_all_the_same, settings);
    }
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:1+=801", calls[i]);
    passes(right_all_the_same, settings);
  }
  passes(right_or_an_error, "DOUBLE_FAULTS=cuGraphLaunch:2=719");
  passes(right_or_an_error, "DOUBLE_FAULTS=kernel:9=719");
}

/* Temporaries that stay with a graph are cache: given back when that is cleared, and taken anew. */
static void kept_memory_is_cache(void) {
  enum { N = 2000, BYTES = N * sizeof(float) };
  CHECK(pons_set_default_device("cuda"));
  pons_function f = compiled(around_the_sum);
  for (int i = 0; i < 6; i++) {
    const pons_scope s = pons_scope_open();
    const float *y = around_the_sum_of_zeros(f, N);
    CHECK(y && y[0] == -N && y[N - 1] == -N);
    pons_scope_close(s);
    if (i != 2) continue;
    CHECK(count("cuGraphLaunch") > 0 && pons_get_cache_memory() >= BYTES);
    pons_clear_cache();
    CHECK(count("graphs") > 0 && pons_get_cache_memory() < BYTES);
  }
  CHECK(pons_ok());
  pons_function_release(f);
}

/* Two functions whose temporaries do not fit side by side: what is kept of the one makes room for the other. */
static void kept_memory_makes_room(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(around_the_sum), g = compiled(around_the_sum);
  for (int i = 0; i < 8; i++) {
    const pons_scope s = pons_scope_open();
    const int n = i % 2 ? 20000 : 19000;
    const float *y = around_the_sum_of_zeros(i % 2 ? f : g, n);
    CHECK(y && y[0] == (float)-n && y[n - 1] == (float)-n);
    pons_scope_close(s);
  }
  CHECK(pons_ok() && count("cuGraphLaunch") > 0);
  pons_function_release(f);
  pons_function_release(g);
}

/* Step by step what was read for the last time makes room for the result. */
static void tight_memory_goes_step_by_step(void) {
  pons_set_default_device("cuda");
  pons_function f = compiled(around_the_sum);
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    const float *y = around_the_sum_of_zeros(f, 20000);
    CHECK(y && y[0] == -20000);
    pons_scope_close(s);
  }
  CHECK(pons_ok() && count("cuGraphLaunch") == 0);
  pons_function_release(f);
}

/* Six weights of 80 KB, of which three fit beside what a step needs. */
enum { WEIGHTS = 6, LENGTH = 20000 };
static pons_array weights[WEIGHTS];

static void dots(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_multiply(in[0], weights[0]));
  for (int i = 1; i < WEIGHTS; i++) out[0] = pons_add(out[0], pons_sum(pons_multiply(in[0], weights[i])));
}

static void a_large_model_runs(void) {
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < WEIGHTS; i++) {
    weights[i] = pons_full(PONS_SHAPE(LENGTH), pons_float((float)i));
    CHECK(pons_eval(weights[i]));
  }
  pons_function f = compiled(dots);
  for (int i = 0; i < 4; i++) {
    const pons_scope inner = pons_scope_open();
    const float *y = pons_data(pons_apply(f, pons_full(PONS_SHAPE(LENGTH), pons_float((float)i))));
    CHECK(y && *y == (float)(i * 15 * LENGTH));
    pons_scope_close(inner);
  }
  CHECK(pons_ok());
  pons_function_release(f);
  pons_scope_close(s);
}

static void memory_is_short(void **state) {
  (void)state;
  passes(a_large_model_runs, "CUDA_DOUBLE_MEMORY=360000");
  passes(a_large_model_runs, "CUDA_DOUBLE_MEMORY=360000;CUDA_DOUBLE_POOLS=0");
  passes(kept_memory_is_cache, "A=1");
  passes(kept_memory_is_cache, "CUDA_DOUBLE_POOLS=0");
  passes(kept_memory_makes_room, "CUDA_DOUBLE_MEMORY=330000");
  passes(tight_memory_goes_step_by_step, "CUDA_DOUBLE_MEMORY=200000");
  passes(kept_memory_makes_room, "CUDA_DOUBLE_MEMORY=420000;CUDA_DOUBLE_POOLS=0");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compiled_functions_are_graphs),
      cmocka_unit_test(what_a_plan_holds),
      cmocka_unit_test(calls_about_graphs_may_fail),
      cmocka_unit_test(memory_is_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
