/* processor_test.c: what the processor has, beside what the compiler's library says of it. */
#include "backends/cpu/cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void as_the_compiler_says(void **state) {
  (void)state;
#if defined(__x86_64__)
  assert_int_equal(cpu_has_avx2(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  assert_int_equal(cpu_has_avx512(), __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"));
  assert_int_equal(cpu_has_avx512vnni(), cpu_has_avx512() && __builtin_cpu_supports("avx512vnni"));
#else
  assert_false(cpu_has_avx2() || cpu_has_avx512() || cpu_has_avx512vnni());
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_compiler_says)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
