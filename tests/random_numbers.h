/* random_numbers.h: the numbers of a test's run (xorshift, Marsaglia 2003), which PONS_SEED repeats. Uses the C library, cmocka. */
#ifndef RANDOM_NUMBERS_H
#define RANDOM_NUMBERS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <unistd.h>

static uint64_t state = 1;
static inline int64_t below(int64_t n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (int64_t)(state % (uint64_t)n);
}

/* Says which numbers they are. */
static inline void begin_random_numbers(void) {
  const char *seed = getenv("PONS_SEED");
  state = seed ? strtoull(seed, NULL, 10) : (uint64_t)getpid() + 1;
  print_message("PONS_SEED=%llu\n", (unsigned long long)state);
}
#endif
