/* selftest.h: the checks of `pons selftest`. Uses the public headers. */
#ifndef SELFTEST_H
#define SELFTEST_H
#include <pons/pons.h>

/* A result, made on the default device from operands of a dtype that are the same each time. `large`: of sizes that fill a
   device. */
typedef struct check {
  const char *name;
  pons_array (*make)(bool large, pons_dtype dtype);
  pons_dtype dtype;
  unsigned also; /* 1 << each other dtype there is a kernel for */
  double rtol, atol; /* in `dtype` */
} check;
/* Of each file of checks; a row without a name ends them. */
extern const check elementwise_checks[], lines_checks[], products_checks[], convolutions_checks[], attention_checks[], places_checks[],
    quantized_checks[];
#endif
