/* fft_cpu_test.c: "FFT" against its definition in double: every length up to some hundred and awkward ones beyond, few
   and many lines, any axes of inputs that lie in memory in any way. PONS_SEED sets the seed, which is printed. */
#include "base/base.h"
#include "tests/seed.h"
#include <complex.h>
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static uint64_t seed;

static double draw(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 11) / 4503599627370496.0 - 1;
}
static int64_t draw_int(int64_t low, int64_t high) { return low + (int64_t)((draw() + 1) / 2 * (double)(high - low + 1)); }

static bool wide; /* float64 and complex128, else float32 and complex64 */
static double unit(void) { return wide ? 1e-13 : 4e-7; }

/* ---- arrays of the test's own: row-major complex double ---- */

typedef struct grid {
  int n;
  int64_t dims[4], size;
  double complex *at;
} grid;

static grid grid_new(int n, const int64_t *dims) {
  grid g = {.n = n, .size = shape_size(n, dims)};
  memcpy(g.dims, dims, (size_t)n * sizeof *dims);
  g.at = calloc((size_t)g.size + 1, sizeof *g.at);
  assert_non_null(g.at);
  return g;
}

static int64_t stride_of(const grid *g, int axis) { return shape_size(g->n - axis - 1, g->dims + axis + 1); }

/* e^(2 pi i k / n), from a table of the last n */
static double complex turn(int64_t k, int64_t n) {
  static double complex *table;
  static int64_t size;
  if (size != n) {
    free(table);
    table = malloc((size_t)n * sizeof *table);
    assert_non_null(table);
    for (int64_t j = 0; j < n; j++)
      table[j] = cos(2 * acos(-1) * (double)j / (double)n) + sin(2 * acos(-1) * (double)j / (double)n) * I;
    size = n;
  }
  return table[k % n];
}

/* Element k of the transform of a line of n; sign 1: the inverse. */
static double complex defined(const double complex *x, int64_t n, int64_t k, int sign) {
  double complex sum = 0;
  for (int64_t j = 0; j < n; j++) sum += x[j] * turn(sign > 0 ? j * k : j * (n - k), n);
  return sign > 0 ? sum / (double)n : sum;
}

/* The lines of x along `axis` made `n` long: the first of `keep` elements, or filled up by symmetry. */
static grid along(const grid *x, int axis, int sign, bool from_half, int64_t n, int64_t keep) {
  int64_t dims[4];
  memcpy(dims, x->dims, sizeof dims);
  dims[axis] = keep;
  grid y = grid_new(x->n, dims);
  const int64_t stride = stride_of(x, axis), m = x->dims[axis];
  double complex *line = calloc((size_t)n, sizeof *line);
  assert_non_null(line);
  for (int64_t outer = 0; outer < (x->size ? x->size / (m * stride) : 0); outer++)
    for (int64_t inner = 0; inner < stride; inner++) {
      const double complex *from = x->at + outer * m * stride + inner;
      for (int64_t j = 0; j < n; j++)
        line[j] = !from_half || 2 * j <= n ? from[j * stride] : conj(from[(n - j) * stride]);
      if (from_half) { /* of a real signal */
        line[0] = creal(line[0]);
        if (n % 2 == 0) line[n / 2] = creal(line[n / 2]);
      }
      for (int64_t k = 0; k < keep; k++)
        y.at[(outer * keep + k) * stride + inner] = defined(line, n, k, sign);
    }
  free(line);
  return y;
}

/* ---- comparing ---- */

static double size_of(const grid *g) {
  double sum = 0;
  for (int64_t i = 0; i < g->size; i++) sum += creal(g->at[i] * conj(g->at[i]));
  return sqrt(sum / (double)(g->size ? g->size : 1));
}

/* The error of each element against the mean size of all, and its own: of a constant signal all is in one element. */
static void agrees(const char *what, pons_array got, const grid *want, int64_t n) {
  const bool pairs = pons_dtype_of(got) == (wide ? PONS_COMPLEX128 : PONS_COMPLEX64);
  if (!pairs) assert_int_equal(pons_dtype_of(got), wide ? PONS_FLOAT64 : PONS_FLOAT32);
  const double *y = pons_data(pons_astype(got, pairs ? PONS_COMPLEX128 : PONS_FLOAT64));
  if (!y) fail_msg("%s: %s", what, pons_error());
  assert_int_equal(pons_size(got), want->size);
  const double slack = unit() * (1 + log2((double)n)) * size_of(want) + 1e-12 * unit();
  for (int64_t i = 0; i < want->size; i++) {
    const double complex value = pairs ? y[2 * i] + y[2 * i + 1] * I : y[i];
    const double complex expected = pairs ? want->at[i] : creal(want->at[i]);
    if (!(cabs(value - expected) <= slack + 2 * unit() * cabs(expected)))
      fail_msg("%s, length %lld, element %lld: %g%+gi, by definition %g%+gi", what, (long long)n, (long long)i,
               creal(value), cimag(value), creal(expected), cimag(expected));
  }
}

/* Random values: as an array that may be a view, and as a grid. */
static pons_array drawn(grid *g, int n, const int64_t *dims, bool pairs, bool view) {
  int order[4], back[4];
  int64_t lay[4], start[4], stop[4], step[4];
  for (int i = 0; i < n; i++) order[i] = i;
  for (int i = n - 1; view && i > 0; i--) {
    const int k = (int)draw_int(0, i), t = order[i];
    order[i] = order[k], order[k] = t;
  }
  *g = grid_new(n, dims);
  for (int i = 0; i < n; i++) back[order[i]] = i;
  for (int i = 0; i < n; i++) {
    const bool backwards = view && draw() > 0;
    const int64_t spread = view && draw() > 0 ? 2 : 1, m = dims[order[i]];
    lay[i] = m * spread;
    start[i] = backwards ? lay[i] - 1 : 0;
    stop[i] = backwards ? -lay[i] - 1 : lay[i];
    step[i] = backwards ? -spread : spread;
  }
  double *values = malloc((size_t)(shape_size(n, lay) * 2 + 1) * sizeof *values);
  assert_non_null(values);
  for (int64_t i = 0; i < shape_size(n, lay) * (pairs ? 2 : 1); i++) values[i] = draw();
  pons_array a = pons_array_from(values, (pons_shape){n, lay}, pairs ? PONS_COMPLEX128 : PONS_FLOAT64);
  if (!wide) a = pons_astype(a, pairs ? PONS_COMPLEX64 : PONS_FLOAT32);
  free(values);
  if (view && draw() > 0.8) { /* one slice, again and again: strides of 0 */
    for (int i = 0; i < n; i++) stop[i] = i == 0 ? 1 : lay[i], start[i] = 0;
    a = pons_broadcast_to(pons_slice(a, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR), (pons_shape){n, lay});
    for (int i = 0; i < n; i++) start[i] = step[i] < 0 ? lay[i] - 1 : 0, stop[i] = step[i] < 0 ? -lay[i] - 1 : lay[i];
  }
  if (view) a = pons_transpose(pons_slice(a, (pons_shape){n, start}, (pons_shape){n, stop}, (pons_shape){n, step}), .axes = {n, back});
  assert_true(pons_eval(a));
  const double *x = pons_data(pons_astype(a, pairs ? PONS_COMPLEX128 : PONS_FLOAT64));
  for (int64_t i = 0; i < g->size; i++) g->at[i] = pairs ? x[2 * i] + x[2 * i + 1] * I : x[i];
  return a;
}

/* ---- all four transforms of one length along an axis ---- */

static void check_length(int64_t n, int64_t lines, bool last) {
  const pons_scope s = pons_scope_open();
  const int axis = last ? 1 : 0;
  int64_t dims[2] = {lines, lines};
  dims[axis] = n;
  grid x, y;
  const bool view = draw() > 0.5;
  pons_array a = drawn(&x, 2, dims, true, view);
  y = along(&x, axis, -1, false, n, n);
  agrees("fft", pons_fft_fft(a, .axis = PONS_AXES(axis)), &y, n);
  free(y.at);
  y = along(&x, axis, 1, false, n, n);
  agrees("ifft", pons_fft_ifft(a, .axis = PONS_AXES(axis)), &y, n);
  free(y.at), free(x.at);
  a = drawn(&x, 2, dims, false, view);
  y = along(&x, axis, -1, false, n, n / 2 + 1);
  agrees("rfft", pons_fft_rfft(a, .axis = PONS_AXES(axis)), &y, n);
  free(y.at), free(x.at);
  dims[axis] = n / 2 + 1;
  a = drawn(&x, 2, dims, true, view);
  y = along(&x, axis, 1, true, n, n);
  agrees("irfft", pons_fft_irfft(a, .n = n, .axis = PONS_AXES(axis)), &y, n);
  free(y.at), free(x.at);
  pons_scope_close(s);
}

static void every_length(void **state) {
  wide = *state != NULL;
  for (int64_t n = 1; n <= 130; n++) {
    check_length(n, 1, true);
    check_length(n, draw_int(2, 40), n % 2);
  }
}

static void longer_lengths(void **state) {
  wide = *state != NULL;
  static const int64_t lengths[] = {144, 149, 169, 186, 192, 217, 243, 254, 256, 257, 289, 320, 343, 384, 509,
                                    510, 512, 625, 640, 768, 961, 997, 1000, 1024, 1366, 1536};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    check_length(lengths[i], 1, true);
    check_length(lengths[i], 3, false);
    check_length(lengths[i], 17, i % 2);
  }
}

/* Some frequencies of one line, or of several, where all would take too long. */
static void check_long(int64_t n, int64_t lines) {
  const pons_scope s = pons_scope_open();
  grid x;
  pons_array a = drawn(&x, 2, (const int64_t[]){lines, n}, true, false);
  pons_array r = pons_real(a), spectrum = pons_fft_rfft(r);
  pons_array y[4] = {pons_fft_fft(a), pons_fft_ifft(a), spectrum, pons_fft_irfft(spectrum, .n = n)};
  if (!pons_eval_many(y, 4)) fail_msg("%s", pons_error());
  for (int i = 0; i < 4; i++) y[i] = pons_astype(y[i], i < 3 ? PONS_COMPLEX128 : PONS_FLOAT64);
  const double *fft = pons_data(y[0]), *ifft = pons_data(y[1]), *rfft = pons_data(y[2]), *back = pons_data(y[3]);
  const double slack = unit() *  log2((double)n) * sqrt((double)n);
  for (int64_t l = 0; l < lines; l++) {
    double complex *line = x.at + l * n;
    for (int turns = 0; turns < 6; turns++) {
      const int64_t k = turns == 0 ? 0 : turns == 1 ? n / 2 : draw_int(0, n - 1), at = l * n + k;
      assert_true(cabs(fft[2 * at] + fft[2 * at + 1] * I - defined(line, n, k, -1)) <= slack);
      assert_true(cabs(ifft[2 * at] + ifft[2 * at + 1] * I - defined(line, n, k, 1)) <= slack / (double)n);
    }
    for (int64_t j = 0; j < n; j++) {
      line[j] = creal(line[j]);
      assert_true(fabs(back[l * n + j] - creal(line[j])) <= 2.5 * unit() * log2((double)n));
    }
    for (int turns = 0; turns < 6; turns++) {
      const int64_t k = turns == 0 ? 0 : turns == 1 ? n / 2 : draw_int(0, n / 2), at = l * (n / 2 + 1) + k;
      assert_true(cabs(rfft[2 * at] + rfft[2 * at + 1] * I - defined(line, n, k, -1)) <= slack);
    }
  }
  free(x.at);
  pons_scope_close(s);
}

static void very_long_lengths(void **state) {
  wide = *state != NULL;
  static const int64_t lengths[] = {2048, 4099, 8191, 16384, 19683, 30030, 50021, 100000, 131072};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) check_long(lengths[i], 1);
  check_long(2048, 9);
  check_long(4096, 9);
  check_long(4099, 9);
  check_long(8192, 17);
}

/* ---- several axes ---- */

static grid replaced(grid *x, int axis, int sign, bool from_half, int64_t n, int64_t keep) {
  grid y = along(x, axis, sign, from_half, n, keep);
  free(x->at);
  return y;
}

static void several_axes(void **state) {
  wide = *state != NULL;
  for (int turns = 0; turns < 200; turns++) {
    const pons_scope s = pons_scope_open();
    const int ndim = (int)draw_int(1, 4), count = (int)draw_int(1, ndim), real = (int)draw_int(0, 1), inverse = (int)draw_int(0, 1);
    int64_t dims[4], total = 1;
    int order[4];
    for (int i = 0; i < ndim; i++) order[i] = i, dims[i] = draw_int(1, 9);
    for (int i = ndim - 1; i > 0; i--) {
      const int k = (int)draw_int(0, i), t = order[i];
      order[i] = order[k], order[k] = t;
    }
    grid x;
    pons_array a = drawn(&x, ndim, dims, !real || inverse, true), got;
    const int last = order[count - 1];
    int64_t sizes[4], n = dims[last];
    if (real && inverse) n = 2 * (n - 1) + draw_int(0, 1);
    if (n == 0) n = 1;
    for (int i = 0; i < count; i++) sizes[i] = i == count - 1 ? n : dims[order[i]];
    for (int i = 0; i < count; i++) total *= sizes[i];
    const pons_axes axes = {count, order};
    const int sign = inverse ? 1 : -1;
    if (real && !inverse) x = replaced(&x, last, sign, false, n, n / 2 + 1);
    for (int i = 0; i < count - (real != 0); i++) x = replaced(&x, order[i], sign, false, dims[order[i]], dims[order[i]]);
    if (real && inverse) x = replaced(&x, last, sign, true, n, n);
    const pons_shape lengths = {count, sizes};
    got = !real ? inverse ? pons_fft_ifftn(a, .axes = axes) : pons_fft_fftn(a, .axes = axes)
          : inverse ? pons_fft_irfftn(a, .s = lengths, .axes = axes) : pons_fft_rfftn(a, .axes = axes);
    agrees("several axes", got, &x, total);
    free(x.at);
    pons_scope_close(s);
  }
}

/* ---- results do not depend on the number of threads ---- */

static void same_bits_for_any_number_of_threads(void **state) {
  wide = *state != NULL;
  const int before = parallel_threads();
  static const int64_t shapes[][2] = {{300, 64}, {1, 30000}, {3, 4099}, {40, 4096}};
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    grid x;
    pons_array a = drawn(&x, 2, shapes[i], true, false);
    parallel_set_threads(1);
    pons_array one = pons_fft_fft2(a);
    assert_true(pons_eval(one));
    parallel_set_threads(4);
    pons_array four = pons_fft_fft2(pons_contiguous(a));
    assert_true(pons_eval(four));
    assert_memory_equal(pons_data(one), pons_data(four), pons_nbytes(one));
    free(x.at);
    pons_scope_close(s);
  }
  parallel_set_threads(before);
}

int main(void) {
  seed = seed_of_run(20260202);
  const struct CMUnitTest tests[] = {
#define IN_BOTH(test) cmocka_unit_test_prestate(test, NULL), cmocka_unit_test_prestate(test, "in double")
      IN_BOTH(every_length), IN_BOTH(longer_lengths), IN_BOTH(very_long_lengths), IN_BOTH(several_axes),
      IN_BOTH(same_bits_for_any_number_of_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
