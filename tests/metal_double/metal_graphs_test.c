/* metal_graphs_test.c: compiled functions on the double of Apple's frameworks: launched step by step at first, then as indirect command
   buffers that are told what changed. It judges what is asked of Metal, not the hardware. */
#include "device/device.h"
#include "tests/metal_double/graph_calls.h"

/* The array made for the call is a launch of its own. */
enum { RAMP = 1, STEPS = 2 };

static void the_second_call_is_executed(void) {
  pons_set_default_device("metal");
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
  CHECK(pons_ok());
  no_recording_is_left();
}

/* Nobody waits for a call before the next, and results are held: memories differ each time, while commands are under way. */
static void memories_may_change(void) {
  enum { CALLS = 8 };
  pons_set_default_device("metal");
  pons_function f = compiled(centred);
  pons_array x[CALLS], held[CALLS];
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < CALLS; i++) x[i] = ramp(50, i);
  CHECK(pons_eval_many(x, CALLS));
  for (int i = 0; i < CALLS; i++) {
    look();
    CHECK(pons_async_eval(held[i] = pons_apply(f, x[i])));
    if (i > 0) expect_calls(0, 1, i < 3); /* two copies are enough */
    if (i > 2) CHECK(count("argument") > seen.told && count("argument") - seen.told < 8); /* of those that differ */
  }
  for (int i = 0; i < CALLS; i++) {
    const float *y = pons_data(held[i]);
    CHECK(y);
    for (int k = 0; k < 50; k++) CHECK(y[k] == (float)centred_at(k, 50, i));
  }
  pons_scope_close(s);
  pons_function_release(f);
  no_recording_is_left();
}

/* An array that begins elsewhere in its memory: steps are noted anew, and values told, while those before may still be read. */
static void beginnings_may_change(void) {
  enum { CALLS = 6 };
  pons_set_default_device("metal");
  pons_function f = compiled(centred);
  const pons_scope s = pons_scope_open();
  pons_array x = ramp(100, 0), parts[CALLS], held[CALLS];
  for (int i = 0; i < CALLS; i++)
    parts[i] = pons_slice(x, PONS_SHAPE(4 * i), PONS_SHAPE(4 * i + 30), PONS_SCALAR); /* still aligned */
  CHECK(pons_eval(x) && pons_eval_many(parts, CALLS));
  for (int i = 0; i < CALLS; i++) CHECK(pons_async_eval(held[i] = pons_apply(f, parts[i])));
  CHECK(count("execution") == CALLS - 1 && count("indirect command buffer") == 2);
  for (int i = 0; i < CALLS; i++) {
    const float *y = pons_data(held[i]);
    for (int k = 0; k < 30; k++) CHECK(y && y[k] == (float)centred_at(k, 30, 4 * i));
  }
  pons_scope_close(s);
  pons_function_release(f);
  no_recording_is_left();
}

/* Of many launches each part has some, so that the device begins before all are told. */
static void many_launches_are_several(void) {
  pons_set_default_device("metal");
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
  no_recording_is_left();
}

static void nothing_is_executed(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(centred);
  for (int i = 0; i < 5; i++) {
    look();
    expect_centred(f, 100, i, 0);
    expect_calls(RAMP + STEPS, 0, 0);
  }
  CHECK(pons_ok());
  pons_function_release(f);
  no_recording_is_left();
}

static void compiled_functions_are_executed(void **state) {
  (void)state;
  passes(the_second_call_is_executed, "A=1");
  passes(the_second_call_is_executed, "METAL_DOUBLE_FAMILY=1009");
  passes(memories_may_change, "A=1");
  passes(beginnings_may_change, "A=1");
  passes(many_launches_are_several, "A=1");
  passes(nothing_is_executed, "PONS_METAL_GRAPHS=0");
  passes(nothing_is_executed, "METAL_DOUBLE_FAMILY=1002");
  passes(nothing_is_executed, "METAL_DOUBLE_WITHOUT=supportsFamily:");
  passes(nothing_is_executed, "METAL_DOUBLE_WITHOUT=setSupportIndirectCommandBuffers:");
  passes(nothing_is_executed, "METAL_DOUBLE_WITHOUT=newIndirectCommandBufferWithDescriptor:maxCommandCount:options:");
  passes(nothing_is_executed, "DOUBLE_FAULTS=MTLIndirectCommandBufferDescriptor:1+=1");
  passes(nothing_is_executed, "DOUBLE_FAULTS=indirect pipeline:1+=1");
}

/* ---- what a plan holds ---- */

static void products_and_sums(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array x = in[0];
  for (int i = 0; i < 2; i++) x = pons_subtract(x, pons_max(pons_add(pons_matmul(x, in[1]), x)));
  out[0] = x;
}

/* What a library does stands between parts; MPS takes matrices from 16 x 16 on. */
static void products_are_made_in_between(void) {
  enum { SIZE = 16, KERNELS = 6 };
  pons_set_default_device("metal");
  pons_function f = compiled(products_and_sums);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 6; i++) {
    /* Of ones times i: each row's sum is SIZE times as much; its greatest element with it is taken off. Once the same array twice. */
    pons_array a = pons_full(PONS_SHAPE(SIZE, SIZE), pons_float((float)i)), b = pons_full(PONS_SHAPE(SIZE, SIZE), pons_float(1)), y;
    CHECK(pons_eval(a) && pons_eval(b));
    look();
    const long products = count("product");
    CHECK(pons_call(f, (pons_array[]){a, i == 3 ? a : b}, 2, &y, 1));
    const float *at = pons_data(y);
    float x = (float)i;
    for (int k = 0; k < 2; k++) x -= x * SIZE * (i == 3 ? 3 : 1) + x;
    CHECK(at && count("product") == products + 2);
    for (int k = 0; k < SIZE * SIZE; k++) CHECK(at[k] == x);
    if (i > 0) CHECK(count("execution") > seen.executions && count("dispatch") - seen.launches < KERNELS);
  }
  pons_scope_close(s);
  pons_function_release(f);
  no_recording_is_left();
}

static void the_same_array_at_first(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(product_and_sum);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 5; i++) {
    pons_array a = pons_reshape(ramp(4, 0), PONS_SHAPE(2, 2)), b = pons_reshape(ramp(4, 1), PONS_SHAPE(2, 2)), y;
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
  pons_set_default_device("metal");
  pons_function f = compiled(taken_twice);
  const pons_scope s = pons_scope_open();
  pons_array x = ramp(5, 1);
  CHECK(pons_eval(x));
  for (int i = 0; i < 6; i++) {
    pons_array at = pons_array_from(i % 2 ? bad : good, PONS_SHAPE(3), PONS_INT32), y;
    pons_call(f, (pons_array[]){x, at}, 2, &y, 1);
    const float *data = pons_data(y);
    if (i % 2) CHECK(!data && told("index 9 is out of range for axis 0 of size 5"));
    else CHECK(data && data[0] == 2 && data[1] == 4 && data[2] == 8);
    pons_clear_error();
  }
  CHECK(count("execution") == 5 && count("indirect command buffer") == 1);
  pons_scope_close(s);
  pons_function_release(f);
}

static void slices_from_arrays_are_part_of_it(void) {
  pons_set_default_device("metal");
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
    if (i > 0) expect_calls(0, 1, i == 1);
  }
  pons_scope_close(s);
  pons_function_release(f);
}

static void work_of_the_host_is_no_part_of_it(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(eigenvalues);
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    const float *trace = pons_data(pons_apply(f, pons_eye(3, 3, 0, PONS_FLOAT32)));
    CHECK(trace && *trace == 6);
    pons_scope_close(s);
  }
  CHECK(pons_ok() && count("execution") == 0);
  pons_function_release(f);
}

/* A kernel of the user's own in Metal's language, whose grid counts threads and has smaller groups at its end, and which asks for a shape:
   bytes behind its memories. */
static void with_a_custom_kernel(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  static const char *const in_name = "x", *const out_name = "y";
  const pons_array x = pons_negative(in[0]);
  const pons_shape shape = PONS_SHAPE(10);
  const pons_dtype dtype = PONS_FLOAT32;
  pons_array y;
  pons_fast_metal_kernel("added", .inputs = &x, .input_names = &in_name, .n_inputs = 1, .output_shapes = &shape,
                         .output_dtypes = &dtype, .output_names = &out_name, .n_outputs = 1, .out = &y,
                         .source = "uint i = thread_position_in_grid.x;\n"
                                   "y[i] = x[i] + x_shape[0];\n",
                         .grid = {10, 1, 1}, .threadgroup = {4, 1, 1});
  out[0] = pons_sort(y, 0);
}

static void custom_kernels_are_part_of_it(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(with_a_custom_kernel);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 5; i++) {
    pons_array x = ramp(10, i);
    CHECK(pons_eval(x));
    look();
    const float *y = pons_data(pons_apply(f, x));
    for (int k = 0; k < 10; k++) CHECK(y && y[k] == (float)(10 - (i + 9 - k)));
    if (i > 0) expect_calls(0, 1, i == 1);
  }
  pons_scope_close(s);
  pons_function_release(f);
}

static void what_a_plan_holds(void **state) {
  (void)state;
  passes(products_are_made_in_between, "A=1");
  passes(the_same_array_at_first, "A=1");
  passes(wrong_indices_are_told_each_time, "A=1");
  passes(slices_from_arrays_are_part_of_it, "A=1");
  passes(work_of_the_host_is_no_part_of_it, "A=1");
  passes(custom_kernels_are_part_of_it, "A=1");
}

/* ---- failures ---- */

static void right_all_the_same(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(product_and_sum);
  const pons_scope s = pons_scope_open();
  for (int i = 0; i < 5; i++) {
    pons_array a = pons_reshape(ramp(4, i), PONS_SHAPE(2, 2)), b = pons_reshape(ramp(4, 1), PONS_SHAPE(2, 2)), y;
    CHECK(pons_eval(a) && pons_eval(b) && pons_call(f, (pons_array[]){a, b}, 2, &y, 1));
    const float *at = pons_data(y);
    CHECK(at && at[0] == (float)(i + 1) * 1 + (float)(i + 2) * 3 + (float)i);
  }
  pons_scope_close(s);
  pons_function_release(f);
  CHECK(pons_ok());
  no_recording_is_left();
}

/* What failed is told, and the next call is right. */
static void right_or_an_error(void) {
  int wrong = 0;
  pons_set_default_device("metal");
  pons_function f = compiled(centred);
  for (int i = 0; i < 6; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = ramp(30, i);
    const float *y = pons_eval(x) ? pons_data(pons_apply(f, x)) : NULL;
    CHECK(y ? pons_ok() : !pons_ok());
    for (int k = 0; y && k < 30; k++) CHECK(y[k] == (float)centred_at(k, 30, i));
    wrong += !y;
    pons_clear_error();
    pons_scope_close(s);
  }
  pons_function_release(f);
  CHECK(wrong == 1);
  no_recording_is_left();
}

static void calls_may_fail(void **state) {
  static const char *const made_otherwise[] = {"indirect command buffer", "indirect pipeline", "command"};
  static const struct { const char *call; int from, to; } told_of[] = {
      {"command buffer of a queue", 1, 6}, {"encoder", 1, 12}, {"command buffer", 1, 6}};
  char settings[128];
  (void)state;
  for (size_t i = 0; i < sizeof made_otherwise / sizeof *made_otherwise; i++) {
    for (int at = 1; at <= 5; at++) {
      snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:%d=1", made_otherwise[i], at);
      passes(right_all_the_same, settings);
    }
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:1+=1", made_otherwise[i]);
    passes(right_all_the_same, settings);
  }
  for (int at = 1; at <= 12; at++) { /* of values as well; memory that is not to be had is asked for twice */
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=buffer:%d=1", at);
    passes(right_all_the_same, settings);
  }
  for (size_t i = 0; i < sizeof told_of / sizeof *told_of; i++)
    for (int at = told_of[i].from; at <= told_of[i].to; at++) {
      snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:%d=2", told_of[i].call, at);
      passes(right_or_an_error, settings);
    }
}

/* ---- memory ---- */

/* Temporaries that stay with a recording are cache: given back when that is cleared, and taken anew. */
static void kept_memory_is_cache(void) {
  enum { COUNT = 2000, BYTES = COUNT * sizeof(float) };
  CHECK(pons_set_default_device("metal"));
  pons_function f = compiled(around_the_sum);
  for (int i = 0; i < 6; i++) {
    const pons_scope s = pons_scope_open();
    const float *y = around_the_sum_of_zeros(f, COUNT);
    CHECK(y && y[0] == -COUNT && y[COUNT - 1] == -COUNT);
    pons_scope_close(s);
    if (i != 2) continue;
    CHECK(count("execution") > 0 && pons_get_cache_memory() >= BYTES);
    pons_clear_cache();
    CHECK(count("MTLIndirectCommandBuffer") > 0 && pons_get_cache_memory() < BYTES);
  }
  CHECK(pons_ok());
  pons_function_release(f);
}

/* Two functions whose temporaries do not fit side by side: what is kept of the one makes room for the other. */
static void kept_memory_makes_room(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(around_the_sum), g = compiled(around_the_sum);
  for (int i = 0; i < 8; i++) {
    const pons_scope s = pons_scope_open();
    const int n = i % 2 ? 20000 : 19000;
    const float *y = around_the_sum_of_zeros(i % 2 ? f : g, n);
    CHECK(y && y[0] == (float)-n && y[n - 1] == (float)-n);
    pons_scope_close(s);
  }
  CHECK(pons_ok() && count("execution") > 0);
  pons_function_release(f);
  pons_function_release(g);
}

/* Step by step what was read for the last time makes room for the result. */
static void tight_memory_goes_step_by_step(void) {
  pons_set_default_device("metal");
  pons_function f = compiled(around_the_sum);
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    const float *y = around_the_sum_of_zeros(f, 20000);
    CHECK(y && y[0] == -20000);
    pons_scope_close(s);
  }
  CHECK(pons_ok() && count("execution") == 0);
  pons_function_release(f);
}

static void memory_is_short(void **state) {
  (void)state;
  passes(kept_memory_is_cache, "A=1");
  passes(kept_memory_makes_room, "METAL_DOUBLE_MEMORY=420000");
  passes(tight_memory_goes_step_by_step, "METAL_DOUBLE_MEMORY=200000");
}

int main(void) {
  if (!double_is_there()) return 77;
  const struct CMUnitTest tests[] = {cmocka_unit_test(compiled_functions_are_executed), cmocka_unit_test(what_a_plan_holds),
                                     cmocka_unit_test(calls_may_fail), cmocka_unit_test(memory_is_short)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
