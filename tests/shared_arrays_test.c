/* shared_arrays_test.c: arrays, functions and streams used by many threads at once. The thread sanitizer
   looks on. */
#include <pons/pons.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <stdlib.h>

enum { THREADS = 4, TURNS = 50 };

static void on_threads(void *(*body)(void *), void *shared) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, body, shared), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static pons_array pattern(int64_t n) { return pons_sin(pons_arange(0, (double)n, 1, PONS_FLOAT32)); }

/* ---- one lazy array, evaluated by all at once ---- */

static void *read_sum(void *shared) {
  pons_scope s = pons_scope_open();
  double value = pons_item(pons_sum((pons_array)shared));
  pons_scope_close(s);
  double *result = malloc(sizeof *result);
  *result = value;
  return result;
}

static void one_array_many_readers(void **state) {
  (void)state;
  int64_t live = pons_live_arrays();
  for (int turn = 0; turn < TURNS; turn++) {
    pons_scope s = pons_scope_open();
    pons_array x = pattern(1000);
    for (int i = 0; i < 20; i++) x = pons_sin(pons_add(pons_multiply(x, x), pattern(1000)));
    pthread_t threads[THREADS];
    double *values[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_sum, x), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], (void **)&values[i]);
    for (int i = 0; i < THREADS; i++) {
      if (*values[i] != *values[0]) print_error("turn %d: %.9g and %.9g\n", turn, *values[i], *values[0]);
      assert_true(*values[i] == *values[0]);
    }
    for (int i = 0; i < THREADS; i++) free(values[i]);
    pons_scope_close(s);
  }
  assert_int_equal(pons_live_arrays(), live);
}

/* ---- kept arrays counted by all ---- */

static void *keep_build_release(void *shared) {
  for (int i = 0; i < 2000; i++) {
    pons_scope s = pons_scope_open();
    pons_array x = pons_keep(shared);
    pons_array y = pons_keep(pons_add(x, pons_float(1)));
    pons_scope_close(s);
    pons_release(y);
    pons_release(x);
  }
  return NULL;
}

static void counts_are_shared(void **state) {
  (void)state;
  int64_t live = pons_live_arrays();
  pons_scope s = pons_scope_open();
  pons_array x = pattern(10);
  on_threads(keep_build_release, x);
  assert_int_equal(pons_size(x), 10);
  pons_scope_close(s);
  assert_int_equal(pons_live_arrays(), live);
}

/* ---- streams: made on one, used on another ---- */

static void *across_streams(void *shared) {
  pons_stream first = pons_new_stream("cpu"), second = pons_new_stream("cpu");
  for (int turn = 0; turn < TURNS; turn++) {
    pons_scope s = pons_scope_open();
    pons_set_stream(first);
    pons_array a = pons_multiply((pons_array)shared, pons_float(2));
    pons_async_eval(a);
    pons_set_stream(second);
    pons_array b = pons_add(a, pons_float(1)), c = pons_subtract(b, a);
    pons_async_eval(b);
    pons_set_stream(first);
    assert_true(pons_item(pons_max(pons_abs(pons_subtract(c, pons_float(1))))) < 1e-6);
    assert_true(pons_item(pons_sum(pons_subtract(pons_subtract(b, a), c))) == 0);
    pons_scope_close(s);
  }
  pons_synchronize(first);
  pons_synchronize(second);
  pons_set_stream(NULL);
  return NULL;
}

static void streams_wait_for_each_other(void **state) {
  (void)state;
  int64_t live = pons_live_arrays();
  pons_scope s = pons_scope_open();
  on_threads(across_streams, pattern(5000));
  pons_scope_close(s);
  pons_synchronize(NULL);
  assert_true(pons_ok());
  assert_int_equal(pons_live_arrays(), live);
}

/* Started here, read there. */
static void *read_data(void *shared) {
  const float *data = pons_data(shared);
  assert_non_null(data);
  assert_true(data[0] == 1.0f && data[999] == 1.0f);
  return NULL;
}

static void async_results_are_read_elsewhere(void **state) {
  (void)state;
  pons_stream stream = pons_new_stream("cpu");
  for (int turn = 0; turn < TURNS; turn++) {
    pons_scope s = pons_scope_open();
    pons_stream before = pons_set_stream(stream);
    pons_array x = pattern(1000);
    pons_array one = pons_add(pons_square(x), pons_subtract(pons_float(1), pons_square(x)));
    pons_array y = pons_round(one);
    pons_async_eval(y);
    on_threads(read_data, y);
    pons_set_stream(before);
    pons_scope_close(s);
  }
}

/* ---- functions ---- */

static void polynomial(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = pons_sum(pons_multiply(in[0], pons_add(pons_square(in[0]), pons_float(3)))); /* x^3 + 3x */
}

static void *call_function(void *f) {
  for (int turn = 0; turn < TURNS; turn++) {
    pons_scope s = pons_scope_open();
    int64_t n = 1 + turn % 5; /* some signatures are new to all threads at once */
    pons_array x = pons_full(PONS_SHAPE(n), pons_float(2)), y;
    assert_true(pons_call(f, &x, 1, &y, 1));
    assert_true(pons_item(pons_max(y)) == (pons_ndim(y) == 0 ? 14.0 * (double)n : 15.0));
    pons_scope_close(s);
  }
  return NULL;
}

static void functions_are_shared(void **state) {
  (void)state;
  int64_t live = pons_live_arrays();
  pons_function f = pons_function_new(polynomial, 1, NULL, NULL), grad = pons_grad(f, (pons_axes){0, NULL});
  pons_function made[] = {f, grad, pons_compile(f), pons_compile(grad)};
  for (int i = 0; i < 4; i++) on_threads(call_function, made[i]);
  for (int i = 0; i < 4; i++) pons_function_release(made[i]);
  assert_true(pons_ok());
  assert_int_equal(pons_live_arrays(), live);
}

/* ---- errors stay with their thread and travel with arrays ---- */

static void *use_failed(void *shared) {
  assert_true(pons_ok());
  pons_scope s = pons_scope_open();
  pons_array y = pons_add((pons_array)shared, pons_float(1));
  assert_false(pons_eval(y));
  assert_false(pons_ok());
  assert_string_equal(pons_error(), pons_error_of(y));
  pons_scope_close(s);
  return NULL;
}

static void errors_travel(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array bad =
      pons_matmul(pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32), pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32));
  assert_false(pons_ok());
  pons_clear_error();
  on_threads(use_failed, bad);
  assert_true(pons_ok());
  pons_scope_close(s);
}

/* ---- the number of threads in the pool changes nothing ---- */

static void same_bits_for_any_number_of_threads(void **state) {
  (void)state;
  enum { N = 300000 };
  int before = pons_threads();
  static float first[N + 2], again[N + 2];
  for (int count = 1; count <= 5; count += 2) {
    pons_set_threads(count);
    pons_scope s = pons_scope_open();
    pons_array x = pattern(N), y = pons_exp(x);
    pons_array m = pons_reshape(y, PONS_SHAPE(300, 1000));
    pons_array parts[] = {y, pons_reshape(pons_sum(x), PONS_SHAPE(1)),
                          pons_reshape(pons_mean(pons_matmul(m, pons_transpose(m))), PONS_SHAPE(1))};
    assert_true(pons_copy_out(pons_concatenate(parts, 3, 0), count == 1 ? first : again));
    if (count > 1) assert_memory_equal(first, again, sizeof first);
    pons_scope_close(s);
  }
  pons_set_threads(before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_array_many_readers),      cmocka_unit_test(counts_are_shared),
      cmocka_unit_test(streams_wait_for_each_other), cmocka_unit_test(async_results_are_read_elsewhere),
      cmocka_unit_test(functions_are_shared),        cmocka_unit_test(errors_travel),
      cmocka_unit_test(same_bits_for_any_number_of_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
