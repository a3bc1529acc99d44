/* selftest_checks.h: what files of checks (selftest_X.c) are written with: operands, and rows of their tables. Uses the public headers. */
#ifndef SELFTEST_CHECKS_H
#define SELFTEST_CHECKS_H
#include "selftest.h"

/* x, computed. */
pons_array ready(pons_array x);
/* What `make` makes of shape, dtype and seed, on the CPU. */
pons_array on_cpu(pons_array (*make)(pons_shape, pons_dtype, int), pons_shape shape, pons_dtype dtype, int seed);
/* Normal numbers, the same for a seed; the first on the default device. */
pons_array make_normal(pons_shape shape, pons_dtype dtype, int seed);
pons_array normal(pons_shape shape, pons_dtype dtype, int seed);
/* From 0 to below 17. */
pons_array small_integers(pons_shape shape, pons_dtype dtype, int seed);
/* Rows in the order of their matrices, as those of experts are: several matrices in a tile of rows, rows beyond the last. */
pons_array sorted_matrices(int64_t rows, int64_t matrices, int seed);
/* The gradients of a function's n (at most 3) operands, flat and one behind the other, from a cotangent that is the same each time. */
pons_array gradients(void (*function)(void *, const pons_array *, int, pons_array *, int), void *payload, const pons_array *at, int n);

#define PICK(odd, big) (large ? (big) : (odd))
#define CHECK(name) static pons_array name(bool large, pons_dtype dtype)

/* Sets of dtypes that a check is made in, too, with --every-dtype. */
#define IN(dtype) (1u << (dtype))
#define HALVES (IN(PONS_FLOAT16) | IN(PONS_BFLOAT16))
#define FLOATS (HALVES | IN(PONS_FLOAT32) | IN(PONS_FLOAT64))
#define INTEGERS                                                                                                       \
  (IN(PONS_UINT8) | IN(PONS_UINT16) | IN(PONS_UINT32) | IN(PONS_UINT64) | IN(PONS_INT8) | IN(PONS_INT16) | IN(PONS_INT32) | \
   IN(PONS_INT64))
#define REALS (FLOATS | INTEGERS)
#define NUMBERS (REALS | IN(PONS_COMPLEX64))
#define SIZES (IN(PONS_UINT8) | IN(PONS_INT16) | IN(PONS_INT32) | IN(PONS_INT64)) /* one of each: elements are only moved */

#define WITHIN(name, dtype, also, rtol, atol) {#name, name, dtype, also, rtol, atol}
#define EXACT(name, dtype, also) WITHIN(name, dtype, also, 0, 0)
#define CLOSE(name, dtype, also) WITHIN(name, dtype, also, 2e-5, 2e-5)
#define NEAR(name, dtype, also) WITHIN(name, dtype, also, 2e-3, 2e-3)  /* of float16 */
#define ABOUT(name, dtype, also) WITHIN(name, dtype, also, 2e-2, 2e-2) /* of bfloat16, or of long sums in float16 */
#define NO_MORE {NULL, NULL, PONS_BOOL, 0, 0, 0} /* ends a table */
#endif
