/* text_test.c: text grows, fails once and for all, and its JSON strings are valid whatever bytes come in. */
#include "base/base.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void text_grows(void **state) {
  (void)state;
  text t = {0};
  for (int i = 0; i < 1000; i++) text_add(&t, "%d,", i);
  text_add_bytes(&t, "end", 3);
  assert_int_equal(t.length, 10 * 2 + 90 * 3 + 900 * 4 + 3);
  char *s = text_take(&t);
  assert_memory_equal(s, "0,1,2,", 6);
  assert_string_equal(s + strlen(s) - 7, "999,end");
  mem_free(s);
  s = text_take(&t); /* empty again */
  assert_string_equal(s, "");
  mem_free(s);
}

/* As long as more than the room that is made at once. */
static void long_strings(void **state) {
  (void)state;
  static const char line[] = "a string longer than what is likely to be enough for most of those that are added here; ";
  text t = {0}, wanted = {0};
  for (int i = 0; i < 5; i++) {
    text_add_string(&t, line);
    text_add(&wanted, "%s", line);
  }
  assert_string_equal(t.at, wanted.at);
  assert_int_equal(t.length, 5 * (sizeof line - 1));
  text_free(&t);
  text_free(&wanted);
}

static void failure_sticks(void **state) {
  (void)state;
  text t = {0};
  text_add(&t, "kept");
  mem_fail_at(1);
  for (int i = 0; i < 100; i++) text_add(&t, "more");
  mem_fail_at(0);
  assert_true(t.failed);
  text_add(&t, "after");
  assert_null(text_take(&t));
  assert_false(t.failed);
  text_free(&t);
}

static void check_json(const char *bytes, const char *expected) {
  text t = {0};
  text_add_json(&t, bytes);
  assert_string_equal(t.at, expected);
  text_free(&t);
}

static void json_is_valid_for_any_bytes(void **state) {
  (void)state;
  check_json("plain", "\"plain\"");
  check_json("", "\"\"");
  check_json(NULL, "null");
  check_json("a\"b\\c\n\t\x01", "\"a\\\"b\\\\c\\n\\t\\u0001\"");
  check_json("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89\"");
  check_json("\xff", "\"\\ufffd\"");
  check_json("x\xc3", "\"x\\ufffd\"");                              /* cut */
  check_json("\xc0\xaf", "\"\\ufffd\\ufffd\"");                     /* overlong */
  check_json("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");          /* a surrogate */
  check_json("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* beyond U+10FFFF */
  check_json("\xe2\x82", "\"\\ufffd\\ufffd\"");
  check_json("\x7f", "\"\x7f\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(text_grows), cmocka_unit_test(long_strings), cmocka_unit_test(failure_sticks),
                                     cmocka_unit_test(json_is_valid_for_any_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
