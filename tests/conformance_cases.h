/* conformance_cases.h: small calls that together cover every primitive and every public op, for tests that
   hold something of all of them: values against plain references, gradients against differences, vmap against
   a loop, a round trip through a file.

   A case is a function from inputs to results, and what the inputs look like. Its own element type is free
   within `types`:
       for (int i = 0; i < conformance_count(); i++) {
         const conformance_case *c = conformance_at(i);
         for each dtype d with conformance_takes(c, d): { conformance_inputs(c, d, seed, in); c->build(in,
         out); }
       }
   Files tests/conformance_*.c hold the cases by family. */
#ifndef CONFORMANCE_CASES_H
#define CONFORMANCE_CASES_H
#include <pons/pons.h>

/* How an input lies in memory. */
typedef enum input_layout {
  LAYOUT_PLAIN,      /* row-major */
  LAYOUT_TRANSPOSED, /* the transpose of a row-major array */
  LAYOUT_STRIDED,    /* every second element of the last axis, reversed */
  LAYOUT_REPEATED    /* one slice of axis 0, broadcast */
} input_layout;

enum { CASE_MAX_INPUTS = 5, CASE_MAX_OUTPUTS = 4, CASE_MAX_NDIM = 5 };
#define CASE_TYPE ((pons_dtype)-1) /* the dtype the case is run with */

typedef struct case_input {
  pons_dtype
      /* CASE_TYPE, or this one whatever the case is run with: indices, masks, keys; these have no gradient */
      dtype;
  int ndim;
  int64_t shape[CASE_MAX_NDIM];
  double low, high; /* values are drawn evenly from low to below high, whole numbers for integers */
  input_layout layout;
} case_input;

typedef struct conformance_case {
  /* the ops it is about, without pons_, and what is special: "sum: axes 0 and 2", "cummax, cummin". What
     docs/coverage.md says of an op follows from the cases that name it. */
  const char *name;
  void (*build)(const pons_array *in, pons_array *out);
  unsigned types; /* bit per dtype for CASE_TYPE; 1 << PONS_FLOAT32 where no input is of it */
  bool
      smooth; /* derivatives of any order exist (almost) everywhere in the range: gradients may be held against differences */
  int n_in, n_out;
  case_input in[CASE_MAX_INPUTS];
} conformance_case;

int conformance_count(void);
const conformance_case *conformance_at(int i);

static inline bool conformance_takes(const conformance_case *c, pons_dtype d) { return c->types >> d & 1; }
/* Fills in[0 .. n_in) with values that follow from the seed. */
void conformance_inputs(const conformance_case *c, pons_dtype d, uint64_t seed, pons_array *in);

/* How far two ways to compute a case in this dtype may part: relative to 1 + the value. 0: not at all. */
double conformance_tolerance(pons_dtype d);

/* Does the case give on `device` what it gives on the CPU, to the tolerance of each result? If not, `what` says where they
   part. Afterwards the CPU is the default device. */
bool conformance_agrees(const conformance_case *c, pons_dtype d, uint64_t seed, const char *device, char *what,
                        size_t size);

/* Do the tests hold its derivatives against differences when it is run with this dtype? It is smooth, an input
   is of the dtype, and no result is of whole numbers. float64 and complex dtypes, and float32 where there is no
   float64. */
bool conformance_has_derivatives_in(const conformance_case *c, pons_dtype d);
/* Where rounding lies on the way and counts as identity, as no difference can show: a function of the same
   derivatives at the case's operands, made of ops that have them, to hold it against in float64. NULL: not so. */
typedef void (*conformance_function)(const pons_array *in, pons_array *out);
conformance_function conformance_unrounded(const conformance_case *c);
/* An array of complex numbers as its parts, in a row; others as they are. */
bool conformance_is_complex(pons_dtype d);
pons_array conformance_parts(pons_array a);
/* Does a test hold its derivatives against anything? */
bool conformance_has_derivatives(const conformance_case *c);

/* ---- for the families' files ---- */

const conformance_case *elementwise_cases(int *count);
const conformance_case *shape_cases(int *count);
const conformance_case *index_cases(int *count);
const conformance_case *place_cases(int *count);
const conformance_case *reduce_cases(int *count);
const conformance_case *product_cases(int *count);
const conformance_case *linalg_cases(int *count);
const conformance_case *quantized_cases(int *count);
const conformance_case *spectral_cases(int *count);
const conformance_case *convolution_cases(int *count);
const conformance_case *composite_cases(int *count);
const conformance_case *array_cases(int *count);
const conformance_case *function_cases(int *count);
const conformance_case *random_cases(int *count);
const conformance_case *file_only_cases(int *count);

#define TYPE_BIT(d) (1u << (d))
#define TYPES_ANY ((1u << PONS_DTYPE_COUNT) - 1)
#define TYPES_FLOAT \
  (TYPE_BIT(PONS_FLOAT16) | TYPE_BIT(PONS_FLOAT32) | TYPE_BIT(PONS_FLOAT64) | TYPE_BIT(PONS_BFLOAT16))
#define TYPES_COMPLEX (TYPE_BIT(PONS_COMPLEX64) | TYPE_BIT(PONS_COMPLEX128))
#define TYPES_INEXACT (TYPES_FLOAT | TYPES_COMPLEX)
#define TYPES_REAL (TYPES_ANY & ~TYPES_COMPLEX)
#define TYPES_ONE TYPE_BIT(PONS_FLOAT32) /* no input is of the case's type */
/* The usual input: of the case's type, from -2 to 2, which is 0 and 1 for bool and 0 to 3 for unsigned
   ones. */
#define INPUT(LAYOUT, ndim, ...) \
  { CASE_TYPE, ndim, {__VA_ARGS__}, -2, 2, LAYOUT_##LAYOUT }
#define INPUT_FROM(low, high, LAYOUT, ndim, ...) \
  { CASE_TYPE, ndim, {__VA_ARGS__}, low, high, LAYOUT_##LAYOUT }
/* Whole numbers of int32 from 0 to below `size`. */
#define INDICES(size, ndim, ...) \
  { PONS_INT32, ndim, {__VA_ARGS__}, 0, size, LAYOUT_PLAIN }
#define MASK(ndim, ...) \
  { PONS_BOOL, ndim, {__VA_ARGS__}, 0, 2, LAYOUT_PLAIN }
#endif
