/* conformance_cases.c: the families of cases as one list, and their inputs. */
#include "conformance_cases.h"
#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

typedef const conformance_case *(*family)(int *count);
static const family families[] = {elementwise_cases, shape_cases,   index_cases,     place_cases,
                                  reduce_cases,      product_cases, linalg_cases,    composite_cases,
                                  function_cases,    random_cases,  file_only_cases, array_cases,
                                  quantized_cases,   spectral_cases, convolution_cases};
enum { FAMILIES = sizeof families / sizeof *families };

int conformance_count(void) {
  int total = 0;
  for (int f = 0; f < FAMILIES; f++) {
    int count;
    families[f](&count);
    total += count;
  }
  return total;
}

const conformance_case *conformance_at(int i) {
  for (int f = 0; f < FAMILIES; f++) {
    int count;
    const conformance_case *cases = families[f](&count);
    if (i < count) return cases + i;
    i -= count;
  }
  return NULL;
}

/* ---- inputs ---- */

/* splitmix64 (Steele, Lea, Flood 2014), to [0, 1) */
static double draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool is_float(pons_dtype d) {
  return d == PONS_FLOAT16 || d == PONS_FLOAT32 || d == PONS_FLOAT64 || d == PONS_BFLOAT16;
}

bool conformance_is_complex(pons_dtype d) { return d == PONS_COMPLEX64 || d == PONS_COMPLEX128; }

pons_array conformance_parts(pons_array a) {
  if (!conformance_is_complex(pons_dtype_of(a))) return a;
  return pons_view(pons_flatten(a, 0, -1), pons_dtype_of(a) == PONS_COMPLEX64 ? PONS_FLOAT32 : PONS_FLOAT64);
}

static bool is_unsigned(pons_dtype d) {
  return d == PONS_UINT8 || d == PONS_UINT16 || d == PONS_UINT32 || d == PONS_UINT64;
}

/* A row-major array of numbers from low to below high. Numbers go through float64 or int64 and a cast, so
   that the library rounds them as it does. */
static pons_array values(int ndim, const int64_t *dims, pons_dtype d, double low, double high,
                         uint64_t *state) {
  int64_t size = 1;
  for (int i = 0; i < ndim; i++) size *= dims[i];
  double *real = malloc((size_t)(2 * size + 1) * sizeof *real);
  if (!real) return NULL;
  pons_array a;
  const pons_shape shape = {ndim, dims};
  if (conformance_is_complex(d)) {
    for (int64_t i = 0; i < 2 * size; i++) real[i] = low + (high - low) * draw(state);
    a = pons_array_from(real, shape, PONS_COMPLEX128);
  } else if (is_float(d)) {
    for (int64_t i = 0; i < size; i++) real[i] = low + (high - low) * draw(state);
    a = pons_array_from(real, shape, PONS_FLOAT64);
  } else {
    int64_t *whole = (int64_t *)real;
    if (is_unsigned(d) && low < 0) low = 0, high += 2;
    if (d == PONS_BOOL) low = 0, high = 2;
    for (int64_t i = 0; i < size; i++) whole[i] = (int64_t)(low + (high - low) * draw(state));
    a = pons_array_from(whole, shape, PONS_INT64);
  }
  free(real);
  if (pons_dtype_of(a) == d) return a;
  a = pons_astype(a, d);
  pons_eval(a); /* inputs are data, not graphs */
  return a;
}

static pons_array laid_out(const case_input *c, pons_dtype d, uint64_t *state) {
  int64_t dims[CASE_MAX_NDIM + 1] = {0};
  const int n = c->ndim;
  memcpy(dims, c->shape, (size_t)n * sizeof *dims);
  pons_array a = NULL;
  if (c->layout == LAYOUT_TRANSPOSED && n > 1) {
    for (int i = 0; i < n; i++) dims[i] = c->shape[n - 1 - i];
    a = pons_transpose(values(n, dims, d, c->low, c->high, state));
  } else if (c->layout == LAYOUT_STRIDED && n > 0) {
    int64_t start[CASE_MAX_NDIM] = {0}, stop[CASE_MAX_NDIM], step[CASE_MAX_NDIM];
    for (int i = 0; i < n; i++) stop[i] = dims[i], step[i] = 1;
    const int64_t last = 2 * dims[n - 1];
    dims[n - 1] = last;
    start[n - 1] = last - 1, stop[n - 1] = -last - 1, step[n - 1] = -2;
    a = pons_slice(values(n, dims, d, c->low, c->high, state), (pons_shape){n, start}, (pons_shape){n, stop},
                   (pons_shape){n, step});
  } else if (c->layout == LAYOUT_REPEATED && n > 0 && dims[0] > 0) {
    dims[0] = 1;
    a = pons_broadcast_to(values(n, dims, d, c->low, c->high, state), (pons_shape){n, c->shape});
  } else {
    a = values(n, dims, d, c->low, c->high, state);
  }
  pons_eval(a);
  return a;
}

void conformance_inputs(const conformance_case *c, pons_dtype d, uint64_t seed, pons_array *in) {
  uint64_t state = seed;
  for (int i = 0; i < c->n_in; i++)
    in[i] = laid_out(&c->in[i], c->in[i].dtype == CASE_TYPE ? d : c->in[i].dtype, &state);
}

static bool is_smooth_type(pons_dtype d) {
  return d == PONS_FLOAT64 || d == PONS_FLOAT32 || conformance_is_complex(d);
}

bool conformance_has_derivatives_in(const conformance_case *c, pons_dtype d) {
  if (!c->smooth || !conformance_takes(c, d) || !is_smooth_type(d)) return false;
  if (d == PONS_FLOAT32 && conformance_takes(c, PONS_FLOAT64)) return false;
  bool varied = false;
  for (int i = 0; i < c->n_in; i++) varied |= c->in[i].dtype == CASE_TYPE;
  if (!varied) return false;
  const pons_scope scope = pons_scope_open();
  pons_array in[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS];
  conformance_inputs(c, d, 1, in);
  c->build(in, out);
  for (int k = 0; k < c->n_out; k++) varied &= is_smooth_type(pons_dtype_of(out[k]));
  pons_scope_close(scope);
  return varied;
}

bool conformance_has_derivatives(const conformance_case *c) {
  return conformance_unrounded(c) || conformance_has_derivatives_in(c, PONS_FLOAT64) ||
         conformance_has_derivatives_in(c, PONS_FLOAT32) || conformance_has_derivatives_in(c, PONS_COMPLEX64) ||
         conformance_has_derivatives_in(c, PONS_COMPLEX128);
}

double conformance_tolerance(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT16:
      return 1e-2;
    case PONS_BFLOAT16:
      return 6e-2;
    case PONS_FLOAT32:
    case PONS_COMPLEX64:
      return 2e-4;
    case PONS_FLOAT64:
    case PONS_COMPLEX128:
      return 1e-10;
    default:
      return 0;
  }
}
