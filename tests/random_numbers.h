/* random_numbers.h: the numbers of a test's run (xorshift, Marsaglia 2003), which PONS_SEED repeats. Uses seed.h. */
#ifndef RANDOM_NUMBERS_H
#define RANDOM_NUMBERS_H
#include "seed.h"

static uint64_t state = 1;
static inline int64_t below(int64_t n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (int64_t)(state % (uint64_t)n);
}

static inline void begin_random_numbers(void) { state = seed_of_run(0); }
#endif
