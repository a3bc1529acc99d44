/* Tests of compiled functions: one plan per signature, replayed; what is captured; gradients; threads. */
#include "run/run.h"
#include <pons/ops.h>
#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

static pons_array floats(int n, const float *values) {
  return pons_array_from(values, PONS_SHAPE(n), PONS_FLOAT32);
}
#define FLOATS(...) floats((int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__})

static void check(pons_array a, int n, const float *expected) {
  const float *data = pons_data(a);
  assert_non_null(data);
  assert_int_equal(pons_size(a), n);
  for (int i = 0; i < n; i++) assert_true(data[i] == expected[i]);
}
#define CHECK(a, ...) check(a, (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__})

static atomic_int calls;
static void square_plus_one(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  calls++;
  out[0] = pons_add(pons_multiply(in[0], in[0]), pons_float(1));
}

static pons_function compiled(pons_callback callback, int n_out, void *payload) {
  pons_function f = pons_function_new(callback, n_out, payload, NULL), g = pons_compile(f);
  pons_function_release(f);
  assert_non_null(g);
  calls = 0;
  return g;
}

static void the_function_is_called_once_per_signature(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  CHECK(pons_apply(f, FLOATS(1, 2)), 2, 5);
  CHECK(pons_apply(f, FLOATS(3, 4)), 10, 17);
  assert_int_equal(calls, 1);
  CHECK(pons_apply(f, FLOATS(3, 4, 5)), 10, 17, 26);
  assert_int_equal(calls, 2);
  assert_true(pons_item(pons_apply(f, pons_scalar(3, PONS_INT32))) == 10);
  assert_int_equal(calls, 3);
  CHECK(pons_apply(f, FLOATS(5, 6)), 26, 37);
  assert_int_equal(calls, 3);
  pons_function_release(f);
}

static void product(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  calls++;
  out[0] = pons_multiply(in[0], in[1]);
}

static void compiling_can_be_turned_off(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  pons_disable_compile();
  CHECK(pons_apply(f, FLOATS(1, 2)), 2, 5);
  CHECK(pons_apply(f, FLOATS(1, 2)), 2, 5);
  assert_int_equal(calls, 2);
  pons_enable_compile();
  CHECK(pons_apply(f, FLOATS(3, 4)), 10, 17);
  CHECK(pons_apply(f, FLOATS(3, 4)), 10, 17);
  assert_int_equal(calls, 3);
  pons_function_release(f);
}

static void weak_inputs_have_a_signature_of_their_own(void **state) {
  (void)state;
  pons_function f = compiled(product, 1, NULL);
  pons_array half = pons_astype(FLOATS(1, 2), PONS_FLOAT16), y = NULL;
  assert_true(pons_call(f, (pons_array[]){half, pons_float(3)}, 2, &y, 1));
  assert_int_equal(pons_dtype_of(y), PONS_FLOAT16);
  assert_true(pons_call(f, (pons_array[]){half, pons_scalar(3, PONS_FLOAT32)}, 2, &y, 1));
  assert_int_equal(pons_dtype_of(y), PONS_FLOAT32);
  assert_int_equal(calls, 2);
  pons_function_release(f);
}

static void inputs_may_be_lazy_and_strided(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  pons_array x = pons_add(FLOATS(0, 1), pons_float(1));
  CHECK(pons_apply(f, x), 2, 5);
  pons_array m = pons_transpose(pons_reshape(FLOATS(1, 2, 3, 4), PONS_SHAPE(2, 2)));
  CHECK(pons_apply(f, m), 2, 10, 5, 17);
  pons_array row = pons_broadcast_to(pons_float(3), PONS_SHAPE(2));
  CHECK(pons_apply(f, row), 10, 10);
  assert_int_equal(calls, 2);
  pons_function_release(f);
}

static void a_small_function_of_pending_inputs_stays_in_the_graph(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  CHECK(pons_apply(f, FLOATS(1, 2)), 2, 5);
  pons_array x = pons_add(FLOATS(0, 1), pons_float(1)), y = pons_apply(f, x), z = pons_apply(f, y);
  assert_true(node_state_of(x) == NODE_PENDING && node_state_of(y) == NODE_PENDING); /* nobody has waited */
  CHECK(z, 5, 26);
  assert_int_equal(calls, 1);
  pons_function_release(f);
}

static void sum_of_a_hundred(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  calls++;
  out[0] = in[0];
  for (int i = 0; i < 100; i++) out[0] = pons_add(out[0], in[0]);
}

static void a_large_function_has_pending_inputs_computed(void **state) {
  (void)state;
  pons_function f = compiled(sum_of_a_hundred, 1, NULL);
  pons_array x = pons_add(FLOATS(0, 1), pons_float(1)), y = pons_apply(f, x);
  assert_true(node_state_of(x) == NODE_READY);
  CHECK(y, 101, 202);
  assert_int_equal(calls, 1);
  pons_function_release(f);
}

static void odd_results(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  calls++;
  out[0] = in[1];
  out[1] = pons_multiply(*(pons_array *)payload, pons_float(2)); /* does not depend on the inputs */
  out[2] = pons_add(in[0], out[1]);
  out[3] = out[2];
  out[4] = pons_transpose(pons_reshape(out[2], PONS_SHAPE(1, 2)));
}

static void results_may_be_inputs_constants_views_and_equal(void **state) {
  (void)state;
  pons_array captured = FLOATS(10, 20), out[5];
  pons_function f = compiled(odd_results, 5, &captured);
  for (int i = 0; i < 3; i++) {
    const pons_array in[] = {FLOATS(1, 2), FLOATS(3, 4)};
    assert_true(pons_call(f, in, 2, out, 5));
    CHECK(out[0], 3, 4);
    CHECK(out[1], 20, 40);
    CHECK(out[2], 21, 42);
    CHECK(out[3], 21, 42);
    CHECK(out[4], 21, 42);
  }
  assert_int_equal(calls, 1);
  pons_function_release(f);
  CHECK(out[1], 20, 40); /* results outlive the function */
}

static void gradients_go_through(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL), g = pons_grad(f, (pons_axes){0});
  pons_array x = pons_scalar(3, PONS_FLOAT32);
  assert_true(pons_item(pons_apply(g, x)) == 6);
  pons_function h = pons_compile(g); /* and the other way round */
  calls = 0;
  assert_true(pons_item(pons_apply(h, x)) == 6);
  assert_true(pons_item(pons_apply(h, pons_scalar(4, PONS_FLOAT32))) == 8);
  assert_int_equal(calls, 1);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

/* 1, x, 2x ... : as many as x has elements, and the tag tells how many */
static void multiples(void *payload, const pons_array *in, int n_in, pons_results results) {
  (void)payload, (void)n_in;
  calls++;
  const int64_t n = pons_size(in[0]);
  pons_results_add(results, pons_float(1));
  for (int64_t i = 0; i < n; i++)
    pons_results_add(results, i ? pons_multiply(in[0], pons_float((double)(i + 1))) : in[0]);
  pons_results_set_tag(results, 10 + n);
}

static void an_open_function_has_its_results_and_tag_per_signature(void **state) {
  (void)state;
  pons_function f = pons_function_new_open(multiples, NULL, NULL), g = pons_compile(f);
  calls = 0;
  for (int turn = 0; turn < 3; turn++) {
    pons_array *out;
    int64_t tag;
    assert_int_equal(pons_call_open(g, (pons_array[]){FLOATS(1, 2)}, 1, &out, &tag), 3);
    assert_int_equal(tag, 12);
    CHECK(out[0], 1);
    CHECK(out[1], 1, 2);
    CHECK(out[2], 2, 4);
    pons_free(out);
    assert_int_equal(pons_call_open(g, (pons_array[]){FLOATS(1, 2, 3)}, 1, &out, &tag), 4);
    assert_int_equal(tag, 13);
    CHECK(out[3], 3, 6, 9);
    pons_free(out);
    assert_int_equal(calls, 2);
  }
  pons_array x = FLOATS(1, 2), y[2];
  assert_false(pons_call(g, &x, 1, y, 2));
  assert_string_equal(pons_error_of(y[1]), "call: the function has 3 results, not 2");
  pons_clear_error();
  pons_function_release(g);
  pons_function_release(f);
}

/* ---- shapeless ---- */

static pons_function compiled_shapeless(pons_callback callback, int n_out, void *payload) {
  pons_function f = pons_function_new(callback, n_out, payload, NULL), g = pons_compile(f, .shapeless = true);
  pons_function_release(f);
  assert_non_null(g);
  calls = 0;
  return g;
}
static pons_array grid(int rows, int columns) {
  return pons_reshape(pons_arange(0, rows * columns, 1, PONS_FLOAT32), PONS_SHAPE(rows, columns));
}

static void adds_captured(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  calls++;
  out[0] = pons_add(in[0], *(pons_array *)payload);
}

static void one_trace_serves_all_sizes(void **state) {
  (void)state;
  pons_array captured = pons_float(1);
  pons_function f = compiled_shapeless(adds_captured, 1, &captured);
  CHECK(pons_apply(f, FLOATS(1, 2)), 2, 3);
  captured = pons_float(10); /* is not looked at again */
  CHECK(pons_apply(f, FLOATS(1, 2, 3)), 2, 3, 4);
  CHECK(pons_apply(f, FLOATS(1, 2)), 2, 3);
  assert_int_equal(calls, 1);
  CHECK(pons_apply(f, pons_reshape(FLOATS(1, 2), PONS_SHAPE(1, 2))), 11, 12); /* another number of axes */
  assert_int_equal(calls, 2);
  assert_int_equal(pons_dtype_of(pons_apply(f, pons_scalar(1, PONS_FLOAT16))), PONS_FLOAT16);
  assert_int_equal(calls, 3);
  pons_function_release(f);
}

/* (x - mean(x)) + softmax(x) W + sum over columns, whose sizes are those of x; and the last column of it */
static void follows_sizes(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  calls++;
  pons_array x = in[0], centred = pons_subtract(x, pons_mean(x));
  pons_array scaled = pons_multiply(pons_softmax(x), pons_sum(x, .axes = PONS_AXES(-1), .keepdims = true));
  out[0] = pons_matmul(pons_add(pons_add(centred, scaled), pons_ones_like(x)), in[1]);
  out[1] = pons_index(x, -1, 1);
  out[2] = pons_multiply(pons_max(x, .axes = PONS_AXES(0)), x);
}

static void what_is_computed_follows_sizes(void **state) {
  (void)state;
  pons_function plain = pons_function_new(follows_sizes, 3, NULL, NULL),
                f = compiled_shapeless(follows_sizes, 3, NULL);
  const int sizes[][2] = {{2, 3}, {3, 2}, {1, 3}, {5, 4}, {2, 3}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const pons_array in[2] = {grid(sizes[i][0], sizes[i][1]), grid(sizes[i][1], 2)};
    pons_array expected[3], got[3];
    assert_true(pons_call(plain, in, 2, expected, 3));
    calls = i > 0;
    if (!pons_call(f, in, 2, got, 3)) fail_msg("%s", pons_error());
    assert_int_equal(calls, 1);
    for (int k = 0; k < 3; k++) {
      assert_int_equal(pons_ndim(got[k]), pons_ndim(expected[k]));
      assert_true(pons_item(pons_allclose(got[k], expected[k], 1e-6, 1e-6)) == 1);
    }
  }
  pons_function_release(f);
  pons_function_release(plain);
}

static void into_rows_of_the_trace(void *payload, const pons_array *in, int n_in, pons_array *out,
                                   int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_reshape(in[0], PONS_SHAPE(pons_dim(in[0], 0) * pons_dim(in[0], 1), -1));
}
static void second_half(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_slice(in[0], PONS_SHAPE(pons_dim(in[0], 0) / 2), PONS_SHAPE(pons_dim(in[0], 0)), PONS_SCALAR);
}

static void sizes_that_were_looked_at_stay(void **state) {
  (void)state;
  pons_function f = compiled_shapeless(into_rows_of_the_trace, 1, NULL);
  assert_int_equal(pons_dim(pons_apply(f, pons_zeros(PONS_SHAPE(2, 3, 4), PONS_FLOAT32)), 1), 4);
  assert_int_equal(pons_dim(pons_apply(f, pons_zeros(PONS_SHAPE(2, 3, 8), PONS_FLOAT32)), 1), 8);
  pons_array y = pons_apply(f, pons_zeros(PONS_SHAPE(5, 5, 5), PONS_FLOAT32));
  assert_non_null(strstr(pons_error_of(y), "cannot make shape (6, -1) of (5, 5, 5) float32"));
  assert_int_equal(pons_error_kind_of(y), PONS_ERROR_VALUE);
  pons_clear_error();
  pons_function_release(f);

  f = compiled_shapeless(second_half, 1, NULL);
  CHECK(pons_apply(f, FLOATS(1, 2, 3, 4)), 3, 4);
  y = pons_apply(f, FLOATS(1, 2, 3, 4, 5, 6));
  assert_non_null(strstr(pons_error_of(y), "the trace doesn't tell which part of it the slice is"));
  pons_clear_error();
  pons_function_release(f);
}

static void shapeless_functions_have_gradients_and_batches(void **state) {
  (void)state;
  pons_function f = compiled_shapeless(square_plus_one, 1, NULL),
                g = pons_vmap(f, (pons_axes){0}, (pons_axes){0}), c = pons_compile(g, .shapeless = true);
  calls = 0;
  CHECK(pons_apply(c, grid(1, 2)), 1, 2);
  CHECK(pons_apply(c, grid(2, 2)), 1, 2, 5, 10);
  assert_int_equal(calls, 1);
  pons_array x = FLOATS(1, 2), v = FLOATS(1, 10), y, t;
  assert_true(pons_jvp(f, &x, &v, 1, 1, &y, &t));
  CHECK(t, 2, 40);
  pons_function_release(c);
  pons_function_release(g);
  pons_function_release(f);
}

static void sum_of_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  calls++;
  out[0] = pons_sum(pons_add(pons_multiply(in[0], in[1]), in[1]));
}

static void gradients_follow_sizes(void **state) {
  (void)state;
  pons_function f = pons_function_new(sum_of_products, 1, NULL, NULL), g = pons_grad(f, PONS_AXES(0, 1)),
                c = pons_compile(g, .shapeless = true);
  calls = 0;
  for (int n = 2; n < 5; n++) {
    const pons_array in[2] = {grid(n, 1), pons_arange(1, n + 1, 1, PONS_FLOAT32)}; /* (n, 1) and (n) */
    pons_array got[2];
    if (!pons_call(c, in, 2, got, 2)) fail_msg("%s", pons_error());
    assert_int_equal(calls, 1);
    assert_int_equal(pons_ndim(got[0]), 2);
    assert_int_equal(pons_ndim(got[1]), 1);
    for (int i = 0; i < n;
         i++) { /* sums of the other: 1 + .. + n, and 0 + .. + n - 1, and n of the last term */
      assert_true(((const float *)pons_data(got[0]))[i] == (float)(n * (n + 1) / 2));
      assert_true(((const float *)pons_data(got[1]))[i] == (float)(n * (n - 1) / 2 + n));
    }
  }
  pons_function_release(c);
  pons_function_release(g);
  pons_function_release(f);
}

static void times_captured(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  calls++;
  out[0] = pons_multiply(in[0], *(pons_array *)payload);
}
static void calls_compiled(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  pons_array captured = in[0];
  pons_function f = compiled(times_captured, 1, &captured);
  out[0] = pons_apply(f, *(pons_array *)payload); /* the input is not traced, what f captures is */
  pons_function_release(f);
}

static void gradients_reach_what_is_captured(void **state) {
  (void)state;
  pons_array five = pons_scalar(5, PONS_FLOAT32);
  pons_function f = pons_function_new(calls_compiled, 1, &five, NULL), g = pons_grad(f, (pons_axes){0});
  calls = 0;
  assert_true(pons_item(pons_apply(g, pons_scalar(3, PONS_FLOAT32))) == 5);
  assert_int_equal(calls, 1); /* what was traced serves */
  pons_function_release(g);
  pons_function_release(f);
}

static void reads(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_item(in[0]) > 0 ? in[0] : pons_negative(in[0]);
}

static void reading_a_value_inside_is_an_error(void **state) {
  (void)state;
  pons_function f = compiled(reads, 1, NULL);
  pons_array y = pons_apply(f, pons_scalar(3, PONS_FLOAT32));
  assert_non_null(pons_error_of(y));
  assert_non_null(strstr(pons_error(), "a placeholder has no value"));
  pons_clear_error();
  pons_function_release(f);
}

static void many_signatures_are_bounded(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  static const float values[200];
  for (int n = 1; n <= 100; n++) assert_true(pons_item(pons_sum(pons_apply(f, floats(n, values)))) == n);
  assert_int_equal(calls, 100);
  assert_true(pons_item(pons_apply(f, floats(1, values))) == 1); /* was given up */
  assert_int_equal(calls, 101);
  assert_true(pons_item(pons_sum(pons_apply(f, floats(99, values)))) == 99);
  assert_int_equal(calls, 101);
  pons_function_release(f);
}

static void replaying_leaves_nothing_behind(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  int64_t arrays = 0;
  size_t bytes = 0;
  for (int i = 0; i < 100; i++) {
    pons_scope s = pons_scope_open();
    CHECK(pons_apply(f, FLOATS(1, 2)), 2, 5);
    pons_scope_close(s);
    if (i == 10) arrays = pons_live_arrays(), bytes = pons_get_active_memory();
  }
  assert_int_equal(pons_live_arrays(), arrays);
  assert_int_equal(pons_get_active_memory(), bytes);
  pons_function_release(f);
}

static void its_own_results_may_be_its_inputs(void **state) {
  (void)state;
  pons_function f = compiled(square_plus_one, 1, NULL);
  pons_array x = pons_keep(FLOATS(0, 1));
  for (int i = 0; i < 4; i++) {
    pons_scope s = pons_scope_open();
    pons_set(&x, pons_apply(f, x));
    pons_scope_close(s);
  }
  CHECK(x, 26, 677);
  pons_release(x);
  pons_function_release(f);
}

enum { THREADS = 4, TURNS = 100 };
static pons_function together;
static void *call_together(void *context) {
  const int number = *(int *)context;
  bool fine = true;
  for (int i = 0; i < TURNS; i++) {
    pons_scope s = pons_scope_open();
    static const float zeros[8];
    pons_array y = pons_apply(together, floats(1 + (i + number) % 8, zeros));
    const float *data = pons_data(y);
    fine &= data && data[0] == 1;
    pons_scope_close(s);
  }
  return fine ? context : NULL;
}

static void threads_share_a_compiled_function(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  int numbers[THREADS];
  together = compiled(square_plus_one, 1, NULL);
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, call_together, &numbers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    assert_ptr_equal(result, &numbers[i]);
  }
  pons_function_release(together);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  pons_array x = FLOATS(1, 2);
  const int64_t before = pons_live_arrays();
  for (int64_t n = 1;; n++) {
    assert_true(n < 1000);
    pons_scope s = pons_scope_open();
    pons_function f = compiled(square_plus_one, 1, NULL);
    mem_fail_at(n);
    const float *data = pons_data(pons_apply(f, x));
    const float *again = pons_data(pons_apply(f, x));
    const bool reached = mem_fail_at(0) >= n;
    assert_true(reached || (data && again));
    assert_true((data && again) || !pons_ok());
    assert_true(!data || data[1] == 5);
    assert_true(!again || again[1] == 5);
    pons_clear_error();
    pons_scope_close(s);
    pons_function_release(f);
    assert_int_equal(pons_live_arrays(), before);
    if (!reached) break;
  }
}

static void every_allocation_of_shapeless_calls_may_fail(void **state) {
  (void)state;
  pons_array x = FLOATS(1, 2), longer = FLOATS(1, 2, 3);
  const int64_t before = pons_live_arrays();
  for (int64_t n = 1;; n++) {
    assert_true(n < 1000);
    pons_scope s = pons_scope_open();
    pons_function f = compiled_shapeless(square_plus_one, 1, NULL);
    mem_fail_at(n);
    const float *data = pons_data(pons_apply(f, x));
    const float *again = pons_data(pons_apply(f, longer));
    const bool reached = mem_fail_at(0) >= n;
    assert_true(reached || (data && again));
    assert_true((data && again) || !pons_ok());
    assert_true(!data || data[1] == 5);
    assert_true(!again || again[2] == 10);
    pons_clear_error();
    pons_scope_close(s);
    pons_function_release(f);
    assert_int_equal(pons_live_arrays(), before);
    if (!reached) break;
  }
}

static int open_scope(void **state) {
  static pons_scope scope;
  scope = pons_scope_open();
  *state = &scope;
  return 0;
}
static int close_scope(void **state) {
  pons_scope_close(*(pons_scope *)*state);
  return pons_ok() && pons_live_arrays() == 0 ? 0 : 1;
}

/* Half of x, by a half that is everywhere. */
static void times_a_half(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  enum { N = 1 << 20 };
  pons_array one = pons_broadcast_to(pons_float(1), PONS_SHAPE(N)), two = pons_broadcast_to(pons_float(2), PONS_SHAPE(N));
  out[0] = pons_multiply(in[0], pons_divide(one, two));
}

static void what_is_the_same_everywhere_is_no_array(void **state) {
  (void)state;
  pons_function f = compiled(times_a_half, 1, NULL);
  pons_array x = pons_arange(0, 1 << 20, 1, PONS_FLOAT32);
  assert_true(pons_eval(x));
  const size_t before = pons_get_active_memory();
  const float *y = pons_data(pons_apply(f, x));
  assert_true(y && y[3] == 1.5f && y[(1 << 20) - 1] == ((1 << 20) - 1) * 0.5f);
  assert_true(pons_get_active_memory() - before < 6u << 20); /* the result, 4 MiB, and no 1/2 of as much */
  pons_function_release(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
  const struct CMUnitTest tests[] = {
      TEST(the_function_is_called_once_per_signature),
      TEST(compiling_can_be_turned_off),
      TEST(weak_inputs_have_a_signature_of_their_own),
      TEST(inputs_may_be_lazy_and_strided),
      TEST(a_small_function_of_pending_inputs_stays_in_the_graph),
      TEST(a_large_function_has_pending_inputs_computed),
      TEST(results_may_be_inputs_constants_views_and_equal),
      TEST(what_is_the_same_everywhere_is_no_array),
      TEST(gradients_go_through),
      TEST(gradients_reach_what_is_captured),
      TEST(an_open_function_has_its_results_and_tag_per_signature),
      TEST(one_trace_serves_all_sizes),
      TEST(what_is_computed_follows_sizes),
      TEST(sizes_that_were_looked_at_stay),
      TEST(shapeless_functions_have_gradients_and_batches),
      TEST(gradients_follow_sizes),
      TEST(every_allocation_of_shapeless_calls_may_fail),
      TEST(reading_a_value_inside_is_an_error),
      TEST(many_signatures_are_bounded),
      TEST(replaying_leaves_nothing_behind),
      TEST(its_own_results_may_be_its_inputs),
      TEST(threads_share_a_compiled_function),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
