/* row_pairs.isa.c: sums, differences and products of float32 two by two, and by one number, in one loop: what lies between the
   two is not stored and read, a number not read at all. Each is rounded by itself, as in loops of their own. Built once per
   instruction set. Uses cpu/loops.h, cpu/registers.h. */
#include "backends/cpu/loops.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/registers.h"

enum { LANES = REGISTER_BYTES / 4 };

/* The last elements, fewer than a register: as a register of their own. b and c: where they are packed, else one number. */
__attribute__((noinline)) static void pair_rest(loop *run, float *y, const float *a, const float *b, const float *c,
                                                int64_t n, bool b_packed, bool c_packed) {
  float some[4][LANES] = {{0}};
  memcpy(some[0], a, (size_t)n * sizeof *a);
  if (b_packed) memcpy(some[1], b, (size_t)n * sizeof *b);
  if (c_packed) memcpy(some[2], c, (size_t)n * sizeof *c);
  run(some[3], some[0], b_packed ? some[1] : b, c_packed ? some[2] : c, LANES);
  memcpy(y, some[3], (size_t)n * sizeof *y);
}

#define DO_add(x, y) ((x) + (y))
#define DO_subtract(x, y) ((x) - (y))
#define DO_multiply(x, y) ((x) * (y))
#define DO_take(x, y) ((y) - (x)) /* x away from y */
#define DO_none(x, y) (x)
#define PACKED_one 0
#define PACKED_all 1
#define ONCE_one(x) SPLAT_FLOAT((x)[0])
#define ONCE_all(x) SPLAT_FLOAT(0)
#define FROM_one(x, i) (x)
#define FROM_all(x, i) ((x) + (i))
#define AT_one(x, i) x##_once
#define AT_all(x, i) wide_float32((x) + (i))

#define PAIR(first, second, b, c)                                                                                      \
  static void pair_##first##_##second##_##b##_##c(void *out, const void *p, const void *q, const void *r, int64_t n) { \
    const float *as = p, *bs = q, *cs = r;                                                                             \
    const vector_float bs_once = ONCE_##b(bs), cs_once = cs ? ONCE_##c(cs) : bs_once;                                  \
    float *ys = out;                                                                                                   \
    int64_t i = 0;                                                                                                     \
    (void)bs_once, (void)cs_once;                                                                                      \
    for (; i + LANES <= n; i += LANES) {                                                                               \
      const vector_float t = DO_##first(wide_float32(as + i), AT_##b(bs, i));                                          \
      const vector_float y = DO_##second(t, AT_##c(cs, i));                                                            \
      memcpy(ys + i, &y, sizeof y);                                                                                    \
    }                                                                                                                  \
    if (i < n)                                                                                                         \
      pair_rest(pair_##first##_##second##_##b##_##c, ys + i, as + i, FROM_##b(bs, i), FROM_##c(cs, i), n - i,          \
                PACKED_##b, PACKED_##c);                                                                               \
  }

#define EACH_SECOND(X, first, b)                                                                                   \
  X(first, none, b, one) X(first, add, b, one) X(first, subtract, b, one) X(first, multiply, b, one) X(first, take, b, one) \
  X(first, add, b, all) X(first, subtract, b, all) X(first, multiply, b, all) X(first, take, b, all)
#define EACH_PAIR(X)                                                                                               \
  EACH_SECOND(X, add, one) EACH_SECOND(X, add, all) EACH_SECOND(X, subtract, one) EACH_SECOND(X, subtract, all)    \
  EACH_SECOND(X, multiply, one) EACH_SECOND(X, multiply, all) EACH_SECOND(X, take, one)
EACH_PAIR(PAIR)

#define ENTRY(first, second, b, c) \
  [PAIR_##first][PAIR_##second][PACKED_##b][PACKED_##c] = pair_##first##_##second##_##b##_##c,
const pair_loops ISA_NAME(pair_loops) = {{EACH_PAIR(ENTRY)}};
