/* scan.isa.c: running sums of floats, vectors of them at a time. Built once per instruction set; the order of
   additions is the same for all. Uses cpu/lanes.h. */
#include "backends/cpu/lanes.h"

#define PICK __builtin_shufflevector

/* Each element plus all before it in the vector: in both halves, then the first half's sum to the second. */
#define WITHIN_8(v, none)                              \
  v += PICK(none, v, 0, 8, 9, 10, 4, 12, 13, 14);      \
  v += PICK(none, v, 0, 1, 8, 9, 4, 5, 12, 13);        \
  v += PICK(none, v, 0, 1, 2, 3, 11, 11, 11, 11);
#define WITHIN_4(v, none)            \
  v += PICK(none, v, 0, 4, 2, 6);    \
  v += PICK(none, v, 0, 1, 5, 5);
/* The vector one element later, after the last of the one before. */
#define LATER_8(before, v) PICK(before, v, 7, 8, 9, 10, 11, 12, 13, 14)
#define LATER_4(before, v) PICK(before, v, 3, 4, 5, 6)

/* Vector q of four, and what it becomes when `begin` comes before it. */
#define LOAD(q, vector, N, WITHIN)                    \
  vector v##q = *(const vector##_at *)(x + i + q * N); \
  WITHIN(v##q, none)
#define STORE(q, vector, N, begin, LATER)                                             \
  v##q += (begin);                                                                    \
  *(vector##_at *)(y + i + q * N) = exclusive ? LATER(before, v##q) : v##q;           \
  before = v##q;

/* Four vectors at a time: only one addition waits for the four before. */
#define SUMS(name, type, vector, N, WITHIN, LATER)                                                    \
  static void sum_##name(const void *from, void *to, int64_t n, bool exclusive, void *carry) {         \
    const type *x = from;                                                                             \
    type *y = to, so_far = *(type *)carry;                                                            \
    const vector none = {0};                                                                          \
    int64_t i = 0;                                                                                    \
    for (; i + 4 * N <= n; i += 4 * N) {                                                              \
      LOAD(0, vector, N, WITHIN)                                                                      \
      LOAD(1, vector, N, WITHIN)                                                                      \
      LOAD(2, vector, N, WITHIN)                                                                      \
      LOAD(3, vector, N, WITHIN)                                                                      \
      const type one = v0[N - 1], two = one + v1[N - 1], three = two + v2[N - 1];                     \
      const type all = two + (v2[N - 1] + v3[N - 1]);                                                 \
      vector before = none + so_far;                                                                  \
      STORE(0, vector, N, so_far, LATER)                                                              \
      STORE(1, vector, N, so_far + one, LATER)                                                        \
      STORE(2, vector, N, so_far + two, LATER)                                                        \
      STORE(3, vector, N, so_far + three, LATER)                                                      \
      so_far += all;                                                                                  \
    }                                                                                                 \
    for (; i < n; i++) {                                                                              \
      const type before = so_far;                                                                     \
      so_far += x[i];                                                                                 \
      y[i] = exclusive ? before : so_far;                                                             \
    }                                                                                                 \
    *(type *)carry = so_far;                                                                          \
  }

typedef float eight_floats __attribute__((vector_size(32)));
typedef double four_doubles __attribute__((vector_size(32)));
typedef eight_floats eight_floats_at __attribute__((aligned(4))); /* wherever they lie */
typedef four_doubles four_doubles_at __attribute__((aligned(8)));
SUMS(float, float, eight_floats, 8, WITHIN_8, LATER_8)
SUMS(double, double, four_doubles, 4, WITHIN_4, LATER_4)

const scan_loops ISA_NAME(scan_loops) = {sum_float, sum_double};
