/* Tests of evaluation: what is computed and what stays lazy, errors, streams and threads, memory that is
   reused. */
#include "run/run.h"
#include <pons/ops.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static pons_array ramp(int64_t n) {
  pons_array x = pons_arange(0, (double)n, 1, PONS_FLOAT32);
  assert_true(pons_eval(x));
  return x;
}

static double at(pons_array x, int64_t i) {
  const float *data = pons_data(x);
  assert_non_null(data);
  return (double)data[i];
}

static void nothing_is_computed_before_it_is_asked_for(void **state) {
  (void)state;
  pons_array x = ramp(4), y = pons_add(x, x), z = pons_multiply(y, y);
  assert_false(pons_is_evaluated(y));
  assert_int_equal((int)at(z, 3), 36);
  assert_true(pons_is_evaluated(z));
  assert_false(pons_is_evaluated(y)); /* only the scope holds it: it was made on the way and forgotten */
  assert_int_equal((int)at(y, 3), 6);
}

static void what_is_kept_on_the_way_gets_its_value(void **state) {
  (void)state;
  pons_array x = ramp(4), y = pons_keep(pons_add(x, x)), z = pons_multiply(y, y);
  assert_true(pons_eval(z));
  assert_true(pons_is_evaluated(y));
  assert_int_equal((int)at(y, 2), 4);
  pons_release(y);
}

static void what_another_graph_needs_gets_its_value(void **state) {
  (void)state;
  pons_array x = ramp(4), y = pons_exp(x), z = pons_add(y, x), other = pons_sin(y);
  assert_true(pons_eval(z));
  assert_true(pons_is_evaluated(y));
  assert_false(pons_is_evaluated(other));
}

static void computed_nodes_let_go_of_what_they_were_made_from(void **state) {
  (void)state;
  pons_array x = ramp(4);
  const int64_t before = pons_live_arrays();
  pons_scope s = pons_scope_open();
  pons_array y = x;
  for (int i = 0; i < 100; i++) y = pons_add(y, x);
  y = pons_scope_return(s, y);
  assert_true(pons_live_arrays() > before + 90);
  assert_true(pons_eval(y));
  assert_int_equal(pons_live_arrays(), before + 1);
}

static void a_chain_of_ten_thousand_is_no_recursion(void **state) {
  (void)state;
  pons_array one = ramp(2), y = one;
  for (int i = 0; i < 10000; i++) y = pons_add(y, one);
  assert_int_equal((int)at(y, 1), 10001);
}

static void a_deep_diamond_is_walked_once_per_node(void **state) {
  (void)state;
  pons_array y = ramp(2);
  for (int i = 0; i < 60; i++) y = pons_multiply(pons_add(y, y), pons_float(0.5)); /* 2^60 paths */
  assert_int_equal((int)at(y, 1), 1);
}

static void views_share_memory(void **state) {
  (void)state;
  pons_array x = ramp(6), y = pons_transpose(pons_reshape(x, PONS_SHAPE(2, 3)));
  assert_true(pons_eval(y));
  assert_ptr_equal(y->buffer, x->buffer);
  const float *data = pons_data(y); /* in order now, in memory of its own */
  const float expected[] = {0, 3, 1, 4, 2, 5};
  assert_memory_equal(data, expected, sizeof expected);
  assert_ptr_not_equal(y->buffer, x->buffer);
  assert_ptr_equal(pons_data(y), data);
}

/* ---- memory that is reused ---- */

static void a_result_takes_over_an_operand_that_nobody_else_holds(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_keep(ramp(1000));
  pons_scope_close(s);
  const void *before = node_data(x);
  s = pons_scope_open();
  pons_array y = pons_keep(pons_add(x, pons_float(1)));
  pons_release(x);
  pons_scope_close(s);
  assert_int_equal((int)at(y, 999), 1000);
  assert_ptr_equal(pons_data(y), before);
  pons_release(y);
}

static void a_little_shorter_result_takes_over_an_operand_too(void **state) {
  (void)state;
  const int64_t stops[] = {990, 500};
  for (int i = 0; i < 2; i++) {
    pons_scope s = pons_scope_open();
    pons_array x = pons_keep(ramp(1000));
    pons_scope_close(s);
    const void *before = node_data(x);
    s = pons_scope_open();
    pons_array sum = pons_add(x, pons_float(1));
    pons_array y = pons_keep(pons_slice(sum, PONS_SHAPE(0), PONS_SHAPE(stops[i]), PONS_SHAPE(1)));
    pons_release(x);
    pons_scope_close(s);
    assert_int_equal((int)at(y, 489), 490);
    if (i == 0)
      assert_ptr_equal(pons_data(y), before);
    else
      assert_ptr_not_equal(pons_data(y), before);
    pons_release(y);
  }
}

/* One by one, so that temporaries are updated too. */
static pons_array with_elements_negative(pons_array x, int from, int to) {
  for (int i = from; i < to; i++)
    x = pons_slice_update(x, pons_float(-i), PONS_SHAPE(i), PONS_SHAPE(i + 1), PONS_SHAPE(1));
  return x;
}

static void an_update_is_written_over_what_nobody_else_holds(void **state) {
  (void)state;
  for (int held = 0; held < 2; held++) {
    pons_scope s = pons_scope_open();
    pons_array x = pons_keep(ramp(1000));
    pons_scope_close(s);
    const void *before = node_data(x);
    s = pons_scope_open();
    pons_array y = pons_keep(with_elements_negative(x, 2, 5));
    if (!held) pons_release(x);
    pons_scope_close(s);
    const int expected[] = {0, 1, -2, -3, -4, 5};
    for (int i = 0; i < 6; i++) assert_int_equal((int)at(y, i), expected[i]);
    assert_int_equal((int)at(y, 999), 999);
    if (held) {
      assert_int_equal((int)at(x, 2), 2);
      assert_ptr_not_equal(pons_data(y), before);
      pons_release(x);
    }
    pons_release(y);
  }
}

static void one_update_keeps_the_memory(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_keep(ramp(1000));
  pons_scope_close(s);
  const void *before = node_data(x);
  s = pons_scope_open();
  pons_array y = pons_keep(with_elements_negative(x, 2, 3));
  pons_release(x);
  pons_scope_close(s);
  assert_int_equal((int)at(y, 2), -2);
  assert_ptr_equal(pons_data(y), before);
  pons_release(y);
}

static void an_update_by_its_own_elements_is_written_elsewhere(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_keep(ramp(8));
  assert_true(pons_eval(x));
  pons_scope_close(s);
  s = pons_scope_open();
  pons_array low = pons_slice(x, PONS_SHAPE(0), PONS_SHAPE(7), PONS_SHAPE(1));
  pons_array y = pons_keep(pons_slice_update(x, low, PONS_SHAPE(1), PONS_SHAPE(8), PONS_SHAPE(1)));
  pons_release(x);
  pons_scope_close(s);
  const int expected[] = {0, 0, 1, 2, 3, 4, 5, 6};
  for (int i = 0; i < 8; i++) assert_int_equal((int)at(y, i), expected[i]);
  pons_release(y);
}

static void an_operand_that_someone_holds_is_left_alone(void **state) {
  (void)state;
  pons_array x = ramp(1000), y = pons_add(x, pons_float(1));
  assert_int_equal((int)at(y, 999), 1000);
  assert_int_equal((int)at(x, 999), 999);
  assert_ptr_not_equal(pons_data(y), pons_data(x));
}

static void an_operand_read_in_another_order_is_not_overwritten(void **state) {
  (void)state;
  pons_scope s = pons_scope_open();
  pons_array x = pons_keep(pons_reshape(ramp(10000), PONS_SHAPE(100, 100)));
  assert_true(pons_eval(x));
  pons_scope_close(s);
  s = pons_scope_open();
  pons_array y = pons_keep(pons_add(x, pons_transpose(x)));
  pons_release(x);
  pons_scope_close(s);
  assert_int_equal((int)at(y, 99), 99 + 9900);
  assert_int_equal((int)at(y, 9900), 99 + 9900);
  pons_release(y);
}

static void operands_that_nobody_else_holds_are_freed_on_the_way(void **state) {
  (void)state;
  enum { ARRAYS = 8, SIZE = 1 << 20 };
  pons_array sums[ARRAYS];
  for (int i = 0; i < ARRAYS; i++) {
    pons_scope s = pons_scope_open();
    pons_array x = pons_keep(ramp(SIZE));
    pons_scope_close(s);
    s = pons_scope_open();
    sums[i] = pons_scope_return(s, pons_astype(x, PONS_FLOAT64));
    pons_release(x);
  }
  pons_reset_peak_memory();
  assert_true(pons_eval_many(sums, ARRAYS));
  assert_true(pons_get_peak_memory() < (size_t)(ARRAYS * 8 + 8) * SIZE); /* not 12 bytes an element */
  for (int i = 0; i < ARRAYS; i++) assert_true(((const double *)pons_data(sums[i]))[SIZE - 1] == SIZE - 1);
}

static float foreign[16];
static void foreign_memory_is_not_overwritten(void **state) {
  (void)state;
  pons_array x = pons_keep(pons_from_data(foreign, PONS_SHAPE(16), PONS_FLOAT32, NULL, NULL));
  pons_scope s = pons_scope_open();
  pons_array y = pons_keep(pons_add(x, pons_float(1)));
  pons_release(x);
  pons_scope_close(s);
  assert_int_equal((int)at(y, 3), 1);
  assert_true(foreign[3] == 0);
  pons_release(y);
}

/* ---- errors ---- */

static void errors_of_computing_reach_the_caller_and_the_array(void **state) {
  (void)state;
  const int32_t far = 7;
  pons_array x = ramp(4), i = pons_array_from(&far, PONS_SHAPE(1), PONS_INT32);
  pons_array bad = pons_take(x, i, 0), fine = pons_add(x, x);
  pons_array both[] = {fine, bad};
  assert_false(pons_eval_many(both, 2));
  assert_false(pons_ok());
  assert_non_null(strstr(pons_error(), "7"));
  pons_clear_error();
  assert_non_null(pons_error_of(bad));
  assert_int_equal((int)at(fine, 3), 6); /* what does not depend on it was computed */
  assert_non_null(pons_error_of(pons_add(bad, x)));
  pons_clear_error();
}

/* What goes wrong behind pons_async_eval is told once: where the array is read, or by pons_synchronize. */
static void errors_of_async_evaluation_are_told_once(void **state) {
  (void)state;
  const int32_t far = 7;
  for (int reads = 0; reads < 2; reads++) {
    pons_array x = ramp(4), i = pons_array_from(&far, PONS_SHAPE(1), PONS_INT32), bad = pons_take(x, i, 0);
    assert_true(pons_async_eval(bad));
    assert_true(pons_ok());
    if (reads) {
      assert_null(pons_data(bad));
      pons_clear_error();
    } else {
      assert_false(pons_synchronize(NULL));
      assert_non_null(strstr(pons_error(), "7"));
      pons_clear_error();
    }
    assert_true(pons_synchronize(NULL));
    assert_false(pons_async_eval(bad)); /* it is known now */
    pons_clear_error();
  }
}

static void errors_met_before_reach_what_was_built_on_them(void **state) {
  (void)state;
  const int32_t far = 7;
  pons_array x = ramp(4), i = pons_array_from(&far, PONS_SHAPE(1), PONS_INT32);
  pons_array bad = pons_take(x, i, 0), user = pons_exp(bad);
  assert_false(pons_eval(bad));
  pons_clear_error();
  assert_false(pons_eval(user));
  assert_string_equal(pons_error(), pons_error_of(bad));
  assert_string_equal(pons_error_of(user), pons_error_of(bad));
  pons_clear_error();
}

static void no_memory_is_an_error_and_life_goes_on(void **state) {
  (void)state;
  pons_array x = ramp(4),
             big = pons_add(pons_broadcast_to(pons_reshape(x, PONS_SHAPE(1, 4)), PONS_SHAPE(1 << 20, 4)),
                            pons_float(1));
  const size_t before = pons_set_memory_limit(pons_get_active_memory() + 1000);
  assert_false(pons_eval(big));
  assert_non_null(pons_error());
  assert_non_null(strstr(pons_error(), "kernel"));
  pons_clear_error();
  pons_set_memory_limit(before);
  assert_int_equal((int)at(pons_add(x, x), 3), 6);
}

static void null_is_an_error(void **state) {
  (void)state;
  pons_array none = NULL;
  assert_false(pons_eval(none));
  pons_clear_error();
}

static void items_are_of_one_element(void **state) {
  (void)state;
  assert_int_equal(pons_item_int(pons_sum(ramp(4))), 6);
  assert_true(pons_item(pons_float(1.5)) == 1.5);
  assert_true(pons_item(ramp(4)) == 0);
  assert_string_equal(pons_error(), "item: only an array of one element has an item: (4) float32");
  pons_clear_error();
}

static void an_empty_array_has_data(void **state) {
  (void)state;
  pons_array x = pons_exp(ramp(0));
  assert_non_null(pons_data(x));
  assert_true(pons_copy_out(x, NULL));
}

/* ---- several results ---- */

static void results_of_one_node_are_computed_together(void **state) {
  (void)state;
  pons_array pair[2], x = ramp(6);
  pons_divmod(x, pons_float(4), pair);
  assert_int_equal((int)at(pair[0], 5), 1);
  assert_int_equal((int)at(pair[1], 5), 1);
  assert_int_equal((int)at(pair[1], 3), 3);
}

/* ---- streams ---- */

static void streams_wait_for_each_other(void **state) {
  (void)state;
  pons_stream a = pons_new_stream("cpu"), b = pons_new_stream("cpu"), before = pons_set_stream(a);
  pons_array x = ramp(10000), y = x, z;
  for (int i = 0; i < 8; i++) {
    pons_set_stream(i % 2 ? a : b);
    y = pons_add(y, x);
  }
  pons_set_stream(b);
  z = pons_multiply(y, pons_float(2));
  pons_set_stream(before);
  assert_true(pons_async_eval(y, z));
  assert_int_equal((int)at(z, 10), 180);
  assert_int_equal((int)at(y, 10), 90);
}

static void async_results_are_inputs_before_they_are_there(void **state) {
  (void)state;
  pons_array x = ramp(1000), y = x;
  for (int i = 0; i < 50; i++) {
    y = pons_add(pons_transpose(pons_reshape(y, PONS_SHAPE(10, 100))), pons_float(1));
    y = pons_reshape(pons_transpose(y), PONS_SHAPE(1000));
    assert_true(pons_async_eval(y));
  }
  assert_int_equal((int)at(y, 999), 999 + 50);
}

static void a_view_computed_elsewhere_is_read_in_its_order(void **state) {
  (void)state;
  pons_stream other = pons_new_stream("cpu");
  pons_array x = ramp(6);
  pons_stream before = pons_set_stream(other);
  pons_array y = pons_transpose(pons_reshape(x, PONS_SHAPE(2, 3)));
  pons_set_stream(before);
  pons_array z = pons_add(y, pons_float(1));
  assert_true(pons_async_eval(y));
  assert_int_equal((int)at(z, 1), 4); /* y was scheduled when z was planned, as if it were row-major */
}

enum { THREADS = 4, TURNS = 50 };
static pons_array shared;
static void *share(void *context) {
  const int number = *(int *)context;
  bool fine = true;
  for (int i = 0; i < TURNS; i++) {
    pons_scope s = pons_scope_open();
    pons_array y = pons_add(shared, pons_float(number)), z = pons_multiply(y, pons_float(2));
    if (i % 2) fine &= pons_async_eval(z);
    const float *data = pons_data(z);
    fine &= data && data[7] == (float)(2 * (14 + number));
    pons_scope_close(s);
  }
  return fine ? context : NULL;
}

/* Each of the threads, which knows its number, gives its context back: all is well. */
static void run_threads(void *(*body)(void *number)) {
  pthread_t threads[THREADS];
  int numbers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, body, &numbers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    assert_ptr_equal(result, &numbers[i]);
  }
}

static void threads_share_a_lazy_array_and_streams(void **state) {
  (void)state;
  pons_array x = ramp(100);
  shared = pons_keep(pons_add(x, x));
  run_threads(share);
  assert_int_equal((int)at(shared, 7), 14);
  pons_release(shared);
}

static pons_array links[THREADS];
static void *share_streams(void *context) {
  const int number = *(int *)context;
  pons_stream mine = pons_new_stream("cpu");
  bool fine = mine != NULL;
  for (int i = 0; i < TURNS; i++) {
    pons_scope s = pons_scope_open();
    pons_set_stream(i % 3 ? mine : NULL);
    pons_array y =
        pons_add(links[(number + i) % THREADS], pons_multiply(links[(number + 1) % THREADS], pons_float(2)));
    pons_set_stream(mine);
    pons_array z = pons_subtract(pons_exp(pons_subtract(y, y)), pons_float(1)); /* 0 */
    pons_set_stream(NULL);
    pons_array all[] = {pons_add(z, y), z};
    fine &= pons_async_eval_many(all, 1 + i % 2);
    const float *data = pons_data(all[0]);
    fine &= data && data[7] == 42;
    pons_scope_close(s);
  }
  return fine ? context : NULL;
}

static void threads_share_lazy_arrays_of_several_streams(void **state) {
  (void)state;
  pons_array x = ramp(100);
  for (int i = 0; i < THREADS; i++) {
    pons_stream before = pons_set_stream(pons_new_stream("cpu"));
    links[i] = pons_keep(pons_add(i ? pons_subtract(links[i - 1], x) : x, x));
    pons_set_stream(before);
  }
  run_threads(share_streams);
  for (int i = 0; i < THREADS; i++) pons_release(links[i]);
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
  (void)state;
  const int before = pons_threads();
  float first[64];
  for (int n = 1; n <= 3; n++) {
    pons_set_threads(n);
    pons_array x = pons_sin(pons_reshape(ramp(64 * 5000), PONS_SHAPE(64, 5000)));
    pons_array y = pons_sum(pons_exp(x), .axes = PONS_AXES(1));
    if (n == 1)
      assert_true(pons_copy_out(y, first));
    else
      assert_memory_equal(pons_data(y), first, sizeof first);
  }
  pons_set_threads(before);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  pons_array x = ramp(6);
  const int64_t before = pons_live_arrays();
  for (int64_t n = 1;; n++) {
    assert_true(n < 1000);
    pons_scope s = pons_scope_open();
    pons_array y = pons_add(pons_transpose(pons_reshape(x, PONS_SHAPE(2, 3))), pons_sum(pons_exp(x)));
    pons_clear_error();
    mem_fail_at(n);
    const void *data = pons_data(y);
    const bool reached = mem_fail_at(0) >= n;
    assert_true(reached || data);
    assert_true(data || !pons_ok());
    pons_clear_error();
    pons_scope_close(s);
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
  pons_synchronize(NULL);
  pons_scope_close(*(pons_scope *)*state);
  return pons_ok() && pons_live_arrays() == 0 ? 0 : 1;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
  const struct CMUnitTest tests[] = {
      TEST(nothing_is_computed_before_it_is_asked_for),
      TEST(what_is_kept_on_the_way_gets_its_value),
      TEST(what_another_graph_needs_gets_its_value),
      TEST(computed_nodes_let_go_of_what_they_were_made_from),
      TEST(a_chain_of_ten_thousand_is_no_recursion),
      TEST(a_deep_diamond_is_walked_once_per_node),
      TEST(views_share_memory),
      TEST(a_result_takes_over_an_operand_that_nobody_else_holds),
      TEST(a_little_shorter_result_takes_over_an_operand_too),
      TEST(an_update_is_written_over_what_nobody_else_holds),
      TEST(one_update_keeps_the_memory),
      TEST(an_update_by_its_own_elements_is_written_elsewhere),
      TEST(an_operand_that_someone_holds_is_left_alone),
      TEST(an_operand_read_in_another_order_is_not_overwritten),
      TEST(operands_that_nobody_else_holds_are_freed_on_the_way),
      TEST(foreign_memory_is_not_overwritten),
      TEST(errors_of_computing_reach_the_caller_and_the_array),
      TEST(errors_of_async_evaluation_are_told_once),
      TEST(errors_met_before_reach_what_was_built_on_them),
      TEST(no_memory_is_an_error_and_life_goes_on),
      TEST(null_is_an_error),
      TEST(items_are_of_one_element),
      TEST(an_empty_array_has_data),
      TEST(results_of_one_node_are_computed_together),
      TEST(streams_wait_for_each_other),
      TEST(async_results_are_inputs_before_they_are_there),
      TEST(a_view_computed_elsewhere_is_read_in_its_order),
      TEST(threads_share_a_lazy_array_and_streams),
      TEST(threads_share_lazy_arrays_of_several_streams),
      TEST(any_number_of_threads_gives_the_same_bits),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
