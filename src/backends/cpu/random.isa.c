/* random.isa.c: Threefry (base/threefry.c says what it is) for a run of counters, written so that it
   vectorises. Built once per instruction set. Uses cpu/lanes.h. */
#include "backends/cpu/lanes.h"

#define ROUND(by) x += y, y = (y << (by) | y >> (32 - (by))) ^ x;
#define EVEN_ROUNDS ROUND(13) ROUND(15) ROUND(26) ROUND(6)
#define ODD_ROUNDS ROUND(17) ROUND(29) ROUND(16) ROUND(24)
#define ADD_KEY(a, b, round) x += a, y += b + round;

static void threefry_run(const uint32_t key[2], uint32_t first, uint32_t second, int64_t n, uint32_t *firsts,
                         uint32_t *seconds) {
  const uint32_t a = key[0], b = key[1], c = a ^ b ^ 0x1bd11bda;
  for (int64_t i = 0; i < n; i++) {
    uint32_t x = first + (uint32_t)i + a, y = second + (uint32_t)i + b;
    EVEN_ROUNDS ADD_KEY(b, c, 1)
    ODD_ROUNDS ADD_KEY(c, a, 2)
    EVEN_ROUNDS ADD_KEY(a, b, 3)
    ODD_ROUNDS ADD_KEY(b, c, 4)
    EVEN_ROUNDS ADD_KEY(c, a, 5)
    firsts[i] = x;
    seconds[i] = y;
  }
}

const random_loops ISA_NAME(random_loops) = {threefry_run};
