/* limits.c: the greatest, least and smallest numbers of each dtype. Uses dtype.c, error.c. */
#include "base/base.h"
#include <math.h>

/* A binary format: `digits` of the significand, the implied one among them, and the exponents of its greatest
   and smallest normal numbers. */
static struct pons_finfo of_format(pons_dtype dtype, int bits, int digits, int least, int greatest) {
  const double max = ldexp(2 - ldexp(1, 1 - digits), greatest);
  return (struct pons_finfo){dtype, bits, -max, max, ldexp(1, 1 - digits), ldexp(1, least)};
}

struct pons_finfo pons_finfo(pons_dtype dtype) {
  switch (dtype) {
    case PONS_FLOAT16:
      return of_format(dtype, 16, 11, -14, 15);
    case PONS_BFLOAT16:
      return of_format(dtype, 16, 8, -126, 127);
    case PONS_COMPLEX64:
    case PONS_FLOAT32:
      return of_format(PONS_FLOAT32, 32, 24, -126, 127);
    case PONS_COMPLEX128:
    case PONS_FLOAT64:
      return of_format(PONS_FLOAT64, 64, 53, -1022, 1023);
    default:
      break;
  }
  error_release(fail("finfo", "%s is no floating dtype", pons_dtype_name(dtype)));
  return (struct pons_finfo){.dtype = dtype};
}

struct pons_iinfo pons_iinfo(pons_dtype dtype) {
  const int bits = 8 * (int)pons_dtype_size(dtype);
  const dtype_kind kind = bits ? dtype_kind_of(dtype) : KIND_BOOL;
  if (kind == KIND_UNSIGNED) return (struct pons_iinfo){dtype, bits, 0, UINT64_MAX >> (64 - bits)};
  if (kind == KIND_SIGNED)
    return (struct pons_iinfo){dtype, bits, INT64_MIN >> (64 - bits), (uint64_t)INT64_MAX >> (64 - bits)};
  error_release(fail("iinfo", "%s is no integer dtype", pons_dtype_name(dtype)));
  return (struct pons_iinfo){.dtype = dtype};
}
