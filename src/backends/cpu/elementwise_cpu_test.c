/* elementwise_cpu_test.c: the float32 loops of each instruction set against the C library in double: they multiply and add
   with one rounding or with two, and a function may be computed in another way for each. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/loops.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { STEP = 40009, COUNT = 1 << 12 }; /* STEP: between the bits of neighbouring samples; prime */

/* How many units in the last place of a float32 `got` is away from `want`. */
static double ulps(float got, double want) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : 1e30;
  if (isinf((float)want) || isinf(got)) return (float)want == got ? 0 : 1e30;
  int exponent = -125;
  if (want != 0) frexp(want, &exponent);
  return fabs(got - want) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static const struct {
  const char *name;
  row row;
  double (*exact)(double);
  double most, widest; /* ulps, for |x| up to `widest` */
} cases[] = {
    {"exp", ROW_exp, exp, 1.8, INFINITY},       {"expm1", ROW_expm1, expm1, 1.6, INFINITY},
    {"log", ROW_log, log, 1.1, INFINITY},       {"sin", ROW_sin, sin, 1.9, INFINITY},
    {"cos", ROW_cos, cos, 1.6, INFINITY},       {"tan", ROW_tan, tan, 3.4, INFINITY},
    {"tanh", ROW_tanh, tanh, 2.6, INFINITY},    {"erf", ROW_erf, erf, 5.3, INFINITY},
    {"sigmoid", ROW_sigmoid, sigmoid, 3.6, 87},
};

static void check_block(size_t which, const char *isa, const float *x, int64_t n) {
  float y[COUNT];
  loops_now()->row[cases[which].row][PONS_FLOAT32](y, x, NULL, NULL, n);
  for (int64_t i = 0; i < n; i++) {
    if (fabs((double)x[i]) > cases[which].widest) continue;
    const double want = cases[which].exact((double)x[i]);
    if (ulps(y[i], want) > cases[which].most)
      fail_msg("%s of %s: %.9g gives %.9g, should be %.9g", cases[which].name, isa, (double)x[i],
               (double)y[i], want);
    if (want == 0 && y[i] == 0 && !signbit(want) != !signbit(y[i]))
      fail_msg("%s of %s: %g gives a zero of the wrong sign", cases[which].name, isa, (double)x[i]);
  }
}

static void loops_are_as_accurate_as_their_functions(void **state) {
  (void)state;
  const char *before = cpu_isa();
  for (int isa = 0; cpu_isas()[isa]; isa++) {
    assert_true(cpu_set_isa(cpu_isas()[isa]));
    for (size_t which = 0; which < sizeof cases / sizeof *cases; which++) {
      float x[COUNT] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1, -1};
      int64_t n = 7;
      for (uint64_t u = 0; u <= UINT32_MAX; u += STEP) {
        const uint32_t bits = (uint32_t)u;
        memcpy(&x[n++], &bits, sizeof bits);
        if (n < COUNT) continue;
        check_block(which, cpu_isas()[isa], x, n);
        n = 0;
      }
      check_block(which, cpu_isas()[isa], x, n);
    }
  }
  cpu_set_isa(before);
}

/* Operands in any order of size: some are beyond what a loop's usual way is right for. */
static void fill(float *x, int64_t n) {
  static const float odd[] = {INFINITY, -INFINITY, NAN, -0.0f, 88, -100, 1e9f, -3e5f};
  for (int64_t i = 0; i < n; i++) x[i] = i % 50 < 8 ? odd[i % 50] : (float)(i * 7919 % 2003) / 100 - 10;
}

/* The loops that write past the caches against the others, and both, of a part, against the whole. */
static void values_do_not_depend_on_the_place(void **state) {
  enum { MOST = 200 };
  static _Alignas(64) float x[MOST], y[MOST], whole[MOST], part[MOST];
  (void)state;
  const char *before = cpu_isa();
  fill(x, MOST);
  for (int i = 0; i < MOST; i++) y[i] = x[MOST - 1 - i];
  for (int isa = 0; cpu_isas()[isa]; isa++) {
    assert_true(cpu_set_isa(cpu_isas()[isa]));
    for (int row = 0; row < ROW_COUNT; row++) {
      loop *usual = loops_now()->row[row][PONS_FLOAT32], *far = loops_now()->far[row];
      if (!far && row != ROW_exp && row != ROW_sin) continue;
      usual(whole, x, y, NULL, MOST);
      for (int64_t at = 0; at < MOST; at += 23)
        for (int64_t n = 0; at + n <= MOST; n++) {
          usual(part, x + at, y + at, NULL, n);
          assert_memory_equal(part, whole + at, (size_t)n * sizeof *part);
          if (!far) continue;
          memset(part, 0, sizeof part);
          far(part, x + at, y + at, NULL, n);
          assert_memory_equal(part, whole + at, (size_t)n * sizeof *part);
        }
    }
  }
  cpu_set_isa(before);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(loops_are_as_accurate_as_their_functions),
                                     cmocka_unit_test(values_do_not_depend_on_the_place)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
