/* conformance_device_test.c: cases on the default device, PONS_DEVICE, give what they give on the CPU.

   Each dtype is another kernel to compile, so each case is run with one of those it takes: its number decides which, so that
   neighbours, which are alike, have all of them between them. PONS_EVERY_DTYPE=1: with all. */
#include "conformance_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device;

static bool is_tried(const conformance_case *c, int number, pons_dtype d) {
  int taken[PONS_DTYPE_COUNT], n = 0;
  for (int k = 0; k < PONS_DTYPE_COUNT; k++)
    if (conformance_takes(c, (pons_dtype)k)) taken[n++] = k;
  return getenv("PONS_EVERY_DTYPE") || (int)d == taken[number % n];
}

static void cases_give_what_the_cpu_gives(void **state) {
  (void)state;
  int wrong = 0;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      char what[300];
      if (!conformance_takes(c, (pons_dtype)d) || !is_tried(c, i, (pons_dtype)d)) continue;
      if (conformance_agrees(c, (pons_dtype)d, (uint64_t)(1000 + i), device, what, sizeof what)) continue;
      print_error("%s\n", what);
      wrong++;
    }
  }
  assert_int_equal(wrong, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(cases_give_what_the_cpu_gives)};
  device = pons_default_device();
  if (strcmp(device, "cpu") == 0) {
    printf("skipped: the default device is the CPU\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
