/* long_lines_test.c: sorting lines so long that devices sort them by digits: every dtype, ties, infinities, both zeros, NaN. What is
   expected is an order made by the C library's qsort; each element is to be found as it was, to the bit but for NaN. */
#include "ops/ops_for_tests.h"
#include <math.h>
#include <stdlib.h>

/* long double holds every value of every dtype. */
typedef struct value {
  long double re, im;
  uint32_t place;
} value;

static int compare_parts(long double a, long double b) { return a < b ? -1 : a > b; }

static int compare(const void *one, const void *other) {
  const value *a = one, *b = other;
  const bool a_last = a->re != a->re || a->im != a->im, b_last = b->re != b->re || b->im != b->im;
  int order = a_last || b_last ? a_last - b_last : compare_parts(a->re, b->re);
  if (order == 0 && !a_last) order = compare_parts(a->im, b->im);
  return order ? order : a->place < b->place ? -1 : a->place > b->place;
}

static long double part(const void *data, pons_dtype d, int64_t i) {
  switch (d) {
    case PONS_INT64:
      return (long double)((const int64_t *)data)[i];
    case PONS_UINT64:
      return (long double)((const uint64_t *)data)[i];
    default:
      return (long double)dtype_read(d, (const char *)data + i * (int64_t)pons_dtype_size(d));
  }
}

static value value_of(const void *data, pons_dtype d, int64_t i) {
  const bool is_complex = d == PONS_COMPLEX64;
  const pons_dtype as = is_complex ? PONS_FLOAT32 : d;
  return (value){part(data, as, is_complex ? 2 * i : i), is_complex ? part(data, as, 2 * i + 1) : 0, (uint32_t)i};
}

static uint64_t next(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return *seed >> 33 | *seed << 31;
}

/* Any bits, every tenth element one of few, of which those of floats are special. */
static void fill(void *data, pons_dtype d, int64_t n, uint64_t seed) {
  static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 1e-41};
  const size_t size = pons_dtype_size(d);
  const bool is_complex = d == PONS_COMPLEX64, is_float = is_complex || dtype_kind_of(d) == KIND_FLOAT;
  for (int64_t i = 0; i < n; i++) {
    const uint64_t bits = next(&seed);
    char *at = (char *)data + (size_t)i * size;
    memcpy(at, &bits, size);
    if (d == PONS_BOOL) *at &= 1;
    if (bits % 10) continue;
    const double one = is_float ? special[next(&seed) % 8] : (double)(next(&seed) % 3);
    dtype_write(is_complex ? PONS_FLOAT32 : d, at, one);
  }
}

/* `places_only`: the elements in order, whose kernels differ in less, are left to other dtypes. */
static void check_lines(pons_dtype d, int64_t lines, int64_t n, bool across, bool places_only) {
  const size_t size = pons_dtype_size(d);
  char *data = malloc((size_t)(lines * n) * size);
  value *order = malloc((size_t)n * sizeof *order);
  assert_true(data && order);
  pons_scope s = pons_scope_open();
  fill(data, d, lines * n, (uint64_t)(n + d));
  pons_array x = pons_from_data(data, PONS_SHAPE(lines, n), d, NULL, NULL);
  if (across) x = pons_contiguous(pons_transpose(x)); /* lines lie across the rows */
  const int axis = across ? 0 : 1;
  pons_array places = pons_argsort(x, axis), y = places_only ? pons_take_along_axis(x, places, axis) : pons_sort(x, axis);
  if (across) y = pons_contiguous(pons_transpose(y)), places = pons_contiguous(pons_transpose(places));
  const char *sorted = pons_data(y);
  const uint32_t *at = pons_data(places);
  if (!sorted || !at) print_error("%s\n", pons_error());
  assert_true(sorted && at);
  for (int64_t line = 0; line < lines; line++) {
    const char *from = data + (size_t)(line * n) * size;
    for (int64_t i = 0; i < n; i++) order[i] = value_of(from, d, i);
    qsort(order, (size_t)n, sizeof *order, compare);
    for (int64_t i = 0; i < n; i++) {
      const size_t place = order[i].place;
      const value found = value_of(sorted, d, line * n + i);
      const bool is_nan = found.re != found.re || found.im != found.im; /* of which transposing may change bits */
      if (at[line * n + i] == place && compare(&(value){found.re, found.im, 0}, &(value){order[i].re, order[i].im, 0}) == 0 &&
          (is_nan || !memcmp(sorted + (size_t)(line * n + i) * size, from + place * size, size)))
        continue;
      print_error("%s, line %lld of %lld, element %lld of %lld: %u, not %zu\n", pons_dtype_name(d), (long long)line, (long long)lines,
                  (long long)i, (long long)n, at[line * n + i], place);
      fail();
    }
  }
  pons_scope_close(s);
  free(order);
  free(data);
}

static void every_dtype(void **unused) {
  (void)unused;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    if (d == PONS_COMPLEX128) continue; /* for the CPU alone */
    const int64_t n = pons_dtype_size((pons_dtype)d) == 8 ? 300001 : 70001;
    const bool places_only = d != PONS_BFLOAT16 && d != PONS_FLOAT32 && d != PONS_INT8 && d != PONS_COMPLEX64;
    check_lines((pons_dtype)d, 1, n, false, places_only);
    check_lines((pons_dtype)d, 3, 2001, true, places_only);
  }
}

static void many_lines(void **unused) {
  (void)unused;
  check_lines(PONS_FLOAT32, 90, 5003, false, false);
  check_lines(PONS_UINT8, 700, 515, false, false);
  check_lines(PONS_INT16, 9, 7680, true, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_dtype), cmocka_unit_test(many_lines)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
