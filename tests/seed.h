/* seed.h: the seed of a test's run. Every test that draws numbers takes it from here, so that PONS_SEED repeats any of them. Uses the C
   library, cmocka. */
#ifndef SEED_H
#define SEED_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

/* PONS_SEED if it is set, else `otherwise`, or for 0 another one each time. Says which. */
static inline uint64_t seed_of_run(uint64_t otherwise) {
  const char *given = getenv("PONS_SEED");
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  const uint64_t other = otherwise ? otherwise : ((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec) | 1;
  const uint64_t seed = given ? strtoull(given, NULL, 10) : other;
  print_message("PONS_SEED=%llu\n", (unsigned long long)seed);
  return seed;
}
#endif
