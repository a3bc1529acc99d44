/* load_test.c: a library that is there, and one that is not. */
#include "base/base.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void opens_the_first_that_is_there(void **state) {
  (void)state;
  const char *names[] = {"libpons-has-no-such.so.1", "libm.so.6", "libSystem.B.dylib", NULL};
  char *why;
  void *library = library_open(names, &why);
  assert_non_null(library);
  assert_null(why);
  assert_non_null(library_symbol(library, "cos"));
  assert_null(library_symbol(library, "no_such_symbol"));
  assert_non_null(library_path(library, "cos"));
  assert_null(library_path(library, "no_such_symbol"));
}

static void tells_why_none_opened(void **state) {
  (void)state;
  const char *names[] = {"libpons-first.so.1", "libpons-second.so.1", NULL};
  char *why;
  assert_null(library_open(names, &why));
  assert_non_null(why);
  assert_non_null(strstr(why, "libpons-first.so.1"));
  assert_non_null(strstr(why, "libpons-second.so.1"));
  mem_free(why);
  assert_null(library_open(names, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens_the_first_that_is_there),
      cmocka_unit_test(tells_why_none_opened),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
