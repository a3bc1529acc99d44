/* threefry.c: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
   1, 2, 3, 2011): two random words from a key and a counter, in any order. */
#include "base/base.h"

static uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

void threefry(const uint32_t key[2], uint32_t first, uint32_t second, uint32_t out[2]) {
  static const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const uint32_t schedule[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bda};
  uint32_t x = first + schedule[0], y = second + schedule[1];
  for (uint32_t round = 0; round < 5; round++) {
    for (int i = 0; i < 4; i++) {
      x += y;
      y = rotate(y, rotations[round % 2][i]) ^ x;
    }
    x += schedule[(round + 1) % 3];
    y += schedule[(round + 2) % 3] + round + 1;
  }
  out[0] = x;
  out[1] = y;
}
