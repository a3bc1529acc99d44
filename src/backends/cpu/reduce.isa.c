/* reduce.isa.c: sums, products, least and greatest of real lanes. Built once per instruction set. Uses
   cpu/reduce_folds.h. */
#include "backends/cpu/reduce_folds.h"
#include <math.h>

#define OWN_HEAD(function, name) static void function##_##name
#define FOLDED(function, name) function##_##name
#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
/* NaN wins: it is not less or greater than anything, and stays once it is the partial result. */
#define LEAST(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define GREATEST(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))

FOLDS(OWN_HEAD, sum_float, float, ADD, 0)
FOLDS(OWN_HEAD, sum_double, double, ADD, 0)
FOLDS(OWN_HEAD, sum_uint, uint64_t, ADD, 0)
FOLDS(OWN_HEAD, prod_float, float, MULTIPLY, 1)
FOLDS(OWN_HEAD, prod_double, double, MULTIPLY, 1)
FOLDS(OWN_HEAD, prod_uint, uint64_t, MULTIPLY, 1)
FOLDS(OWN_HEAD, min_float, float, LEAST, INFINITY)
FOLDS(OWN_HEAD, min_double, double, LEAST, INFINITY)
FOLDS(OWN_HEAD, min_int, int64_t, LEAST, INT64_MAX)
FOLDS(OWN_HEAD, min_uint, uint64_t, LEAST, UINT64_MAX)
FOLDS(OWN_HEAD, max_float, float, GREATEST, -INFINITY)
FOLDS(OWN_HEAD, max_double, double, GREATEST, -INFINITY)
FOLDS(OWN_HEAD, max_int, int64_t, GREATEST, INT64_MIN)
FOLDS(OWN_HEAD, max_uint, uint64_t, GREATEST, 0)

/* Signed sums and products wrap, as unsigned ones do, with the same bits. */
#define BY_LANE(f, kind, signed_kind)                                                       \
  {                                                                                         \
    f##_##kind##_float, f##_##kind##_double, f##_##kind##_##signed_kind, f##_##kind##_uint, \
        cpu_##f##_##kind##_complex64, cpu_##f##_##kind##_complex128                         \
  }
#define KINDS(f)                                                                                     \
  {[REDUCE_SUM] = BY_LANE(f, sum, uint), [REDUCE_PROD] = BY_LANE(f, prod, uint),                     \
   [REDUCE_MIN] = BY_LANE(f, min, int), [REDUCE_MAX] = BY_LANE(f, max, int)}
const reduce_loops ISA_NAME(reduce_loops) = {.fold = KINDS(fold), .fold_on = KINDS(fold_on), .fold_end = KINDS(fold_end),
                                         .columns = KINDS(columns)};
