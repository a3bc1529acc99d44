/* hadamard_signs.c: Hadamard matrices of order 12, 20 and 28: of signs, with orthogonal rows. */
#include "base/base.h"

/* Paley's second construction over the field of 5: blocks of 2 x 2 after a symmetric conference matrix. */
static int paley_12(int i, int j) {
  static const int character[5] = {0, 1, -1, -1, 1}; /* is it a square? */
  const int a = i / 2, b = j / 2, both = i % 2 && j % 2;
  if (a == b) return i % 2 || j % 2 ? -1 : 1;
  const int c = a == 0 || b == 0 ? 1 : character[(b - a + 5) % 5];
  return both ? -c : c;
}

/* Williamson's construction from the first rows of four symmetric circulants:

        A  B  C  D
       -B  A -D  C
       -C  D  A -B
       -D -C  B  A   */
static int williamson(int order, const char *const rows[4], int i, int j) {
  static const int which[4][4] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}};
  static const int signs[4][4] = {{1, 1, 1, 1}, {-1, 1, -1, 1}, {-1, 1, 1, -1}, {-1, -1, 1, 1}};
  const char *row = rows[which[i / order][j / order]];
  const int sign = signs[i / order][j / order];
  return row[(j % order - i % order + order) % order] == '+' ? sign : -sign;
}

int hadamard_sign(int m, int i, int j) {
  static const char *const of_20[4] = {"+----", "+----", "++--+", "+-++-"};
  static const char *const of_28[4] = {"+------", "++----+", "+-+--+-", "+--++--"};
  switch (m) {
    case 12: return paley_12(i, j);
    case 20: return williamson(5, of_20, i, j);
    case 28: return williamson(7, of_28, i, j);
    default: return 1;
  }
}

int hadamard_factor(int64_t n) {
  static const int factors[] = {1, 12, 20, 28};
  for (int k = 0; k < 4 && n > 0; k++) {
    const int64_t rest = n / factors[k];
    if (n % factors[k] == 0 && (rest & (rest - 1)) == 0) return factors[k];
  }
  return 0;
}
