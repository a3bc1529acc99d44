/* dtype_kinds.c: which dtype is of which kind, and what several meet in. */
#include "dtypes.h"
#include <string.h>

pons_dtype pons_result_type(const pons_dtype *dtypes, int count) {
  if (count < 1) {
    (void)pons_fail("result_type", "needs at least one dtype");
    return (pons_dtype)PONS_DTYPE_COUNT;
  }
  pons_dtype met = dtypes[0];
  for (int i = 1; i < count; i++) met = pons_promote(met, dtypes[i]);
  return met;
}

bool pons_can_cast(pons_dtype from, pons_dtype to) { return pons_promote(from, to) == to; }

/* The kind of which `kind`, a dtype or a category, is the nearest part; -1 above all. */
static int kind_above(int kind) {
  switch (kind) {
    case PONS_BOOL:
    case PONS_NUMBER:
      return PONS_GENERIC;
    case PONS_UINT8:
    case PONS_UINT16:
    case PONS_UINT32:
    case PONS_UINT64:
      return PONS_UNSIGNEDINTEGER;
    case PONS_INT8:
    case PONS_INT16:
    case PONS_INT32:
    case PONS_INT64:
      return PONS_SIGNEDINTEGER;
    case PONS_FLOAT16:
    case PONS_FLOAT32:
    case PONS_FLOAT64:
    case PONS_BFLOAT16:
      return PONS_FLOATING;
    case PONS_COMPLEX64:
    case PONS_COMPLEX128:
      return PONS_COMPLEXFLOATING;
    case PONS_COMPLEXFLOATING:
    case PONS_FLOATING:
      return PONS_INEXACT;
    case PONS_SIGNEDINTEGER:
    case PONS_UNSIGNEDINTEGER:
      return PONS_INTEGER;
    case PONS_INEXACT:
    case PONS_INTEGER:
      return PONS_NUMBER;
    default:
      return -1;
  }
}

bool pons_issubdtype(int a, int b) {
  while (a != b && a >= 0) a = kind_above(a);
  return a >= 0;
}

bool pons_isdtype(pons_dtype dtype, const char *kind) {
  static const struct {
    const char *name;
    int kind;
  } kinds[] = {{"bool", PONS_BOOL},
               {"signed integer", PONS_SIGNEDINTEGER},
               {"unsigned integer", PONS_UNSIGNEDINTEGER},
               {"integral", PONS_INTEGER},
               {"real floating", PONS_FLOATING},
               {"complex floating", PONS_COMPLEXFLOATING},
               {"numeric", PONS_NUMBER}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kind, kinds[i].name)) return pons_issubdtype((int)dtype, kinds[i].kind);
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    if (!strcmp(kind, pons_dtype_name((pons_dtype)d))) return (int)dtype == d;
  (void)pons_fail("isdtype", "'%s' is no kind of dtype", kind);
  return false;
}
