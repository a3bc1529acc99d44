/* error_test.c: errors stick to the thread that met them, live as long as somebody holds them, and need no
   memory to be made. */
#include "base/base.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#undef fail /* cmocka has one, too */

static void first_error_of_thread_stays(void **state) {
  (void)state;
  assert_true(pons_ok());
  assert_null(pons_error());
  error *a = fail("matmul", "inner dimensions differ: %s and %s", "(2, 3)", "(2, 4)");
  error *b = fail("add", "second");
  assert_string_equal(error_text(a), "matmul: inner dimensions differ: (2, 3) and (2, 4)");
  assert_string_equal(error_text(b), "add: second");
  error_release(a);
  error_release(b);
  assert_false(pons_ok());
  assert_string_equal(pons_error(),
                      "matmul: inner dimensions differ: (2, 3) and (2, 4)"); /* the thread holds it */
  pons_clear_error();
  assert_true(pons_ok());
  pons_clear_error();
}

static void errors_are_of_a_kind(void **state) {
  (void)state;
  assert_int_equal(pons_last_error_kind(), PONS_ERROR_NONE);
  error *value = fail("add", "shapes"), *index = fail_as(PONS_ERROR_INDEX, "sum", "axis %d", 3);
  error *memory = fail_no_memory("sum");
  assert_string_equal(error_text(index), "sum: axis 3");
  assert_int_equal(error_kind(value), PONS_ERROR_VALUE);
  assert_int_equal(error_kind(index), PONS_ERROR_INDEX);
  assert_int_equal(error_kind(memory), PONS_ERROR_MEMORY);
  assert_int_equal(pons_last_error_kind(), PONS_ERROR_VALUE); /* of the first, as the text */
  pons_clear_error();
  assert_int_equal(pons_last_error_kind(), PONS_ERROR_NONE);
  mem_fail_at(1);
  error *instead = fail_as(PONS_ERROR_INDEX, "sum", "a text that finds no room");
  mem_fail_at(0);
  assert_int_equal(error_kind(instead), PONS_ERROR_MEMORY);
  error_release(value);
  error_release(index);
  error_release(instead);
  pons_clear_error();
}

static void *other_thread(void *e) {
  assert_true(pons_ok()); /* what another thread met is not ours */
  error_meet(e);
  assert_false(pons_ok());
  return NULL; /* the thread's reference goes with the thread: the leak checker would tell */
}

static void errors_cross_threads(void **state) {
  (void)state;
  error *e = fail("load", "no such file: '%s'", "x.npy");
  pons_clear_error();
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, other_thread, e), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_true(pons_ok());
  error_release(e);
}

static void out_of_memory_needs_none(void **state) {
  (void)state;
  mem_fail_at(1);
  error *a = fail("reshape", "a text that finds no room");
  mem_fail_at(1);
  error *b = fail_no_memory("concatenate");
  assert_int_equal(mem_fail_at(0), 0);
  assert_string_equal(error_text(a), "reshape: out of memory");
  assert_string_equal(error_text(b), "concatenate: out of memory");
  assert_string_equal(pons_error(), "reshape: out of memory");
  error *c = NULL;
  for (int i = 0; i < 1000; i++) { /* more ops than there are */
    char op[16];
    snprintf(op, sizeof op, "op%d", i);
    c = fail_no_memory(op);
    assert_non_null(strstr(error_text(c), "out of memory"));
    error_release(c);
  }
  error_release(a);
  error_release(b);
  pons_clear_error();
}

static char heard[64];
static void listen_to(const char *text, void *payload) {
  snprintf(heard, sizeof heard, "%s %s", (const char *)payload, text);
}

static void handler_hears_each_error(void **state) {
  (void)state;
  pons_set_error_handler(listen_to, "heard");
  error_release(fail("sum", "axis %d", 7));
  assert_string_equal(heard, "heard sum: axis 7");
  error_release(fail("sum", "axis %d", 8));
  assert_string_equal(heard, "heard sum: axis 8");
  pons_set_error_handler(NULL, NULL);
  error_release(fail("sum", "axis %d", 9));
  assert_string_equal(heard, "heard sum: axis 8");
  pons_clear_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_error_of_thread_stays), cmocka_unit_test(errors_cross_threads),
      cmocka_unit_test(errors_are_of_a_kind), cmocka_unit_test(out_of_memory_needs_none),
      cmocka_unit_test(handler_hears_each_error)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
