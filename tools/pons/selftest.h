/* selftest.h: the checks of `pons selftest`. Uses the public headers. */
#ifndef SELFTEST_H
#define SELFTEST_H
#include <pons/pons.h>

/* A result, made on the default device from operands that are the same each time. `large`: of sizes that fill a device. */
typedef struct check {
  const char *name;
  pons_array (*make)(bool large);
  double rtol, atol;
} check;
extern const check checks[];
extern const int n_checks;
#endif
